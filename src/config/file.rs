//! The tables of `instrumentd.toml`, as they are written; the comments here are the descriptions in its JSON Schema.

use super::commands::CommandNames;
use super::grpc::Endpoint;
use super::network::{Host, ResponsePrefix, TopicRoot};
use super::ports::{Address, FilePaths, Turn, UsbId};
use super::quantities::{Lasting, Size};
use super::reader::Named;
use super::settings::{WatchMode, WhenFull};
use super::streams::{Carries, StreamMode, TraceFormat};
use super::tables::tables;
use super::values::{BackfillText, FilePath, Name, Number, OneOf, Text, Whole};
use super::zone::Zone;
use crate::driver::zenotof::ejection::Order;
use crate::driver::zenotof::position::Rule;
use crate::profile::deck::{Anchor, Role};
use crate::profile::file::{LineTable, OverridesTable};

/// Milliseconds in a second, a minute, an hour and a day.
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

tables! {
    /// The configuration of instrumentd.
    pub struct ConfigTable, unknown keys RefusedIfNear {
        /// The site and this daemon.
        must site: SiteTable;
        /// The journal, in which every event is kept before it is published.
        may journal: JournalTable;
        /// The MQTT brokers, by a name of your choice under which the journal keeps each one's position: do not change
        /// a name that was in use. Events are kept until every broker has acknowledged them.
        may brokers: Named<BrokerTable>;
        /// The devices, by their id: part of every topic and of every event's id. An id in use is changed with
        /// `instrumentd device rename` only.
        may devices: Named<DeviceTable>;
        /// How the daemon logs.
        cosmetic log: LogTable;
        /// A folder of profiles (`NAME.toml`) of your own; one with a shipped profile's name takes its place.
        may profiles: FilePath;
    }

    /// The site and this daemon.
    pub struct SiteTable, unknown keys Refused {
        /// The laboratory, `id = "foundry"` for instance: part of every topic and of every event's id. Do not change it once in use.
        must id: Name;
        /// This daemon's name at the site; no two daemons of a site may share it. By default the host's name, made
        /// valid.
        may node: Name;
    }

    /// The journal, in which every event is kept before it is published.
    pub struct JournalTable, unknown keys Refused {
        /// The SQLite file, on a disk of this machine. By default `journal.db` in the folder that systemd gives the
        /// service (`STATE_DIRECTORY`), else `/var/lib/instrumentd/journal.db`.
        may path: FilePath;
        /// Payloads that every broker has acknowledged are removed when older than this; ids and sequences stay.
        may keep_for: Lasting<MINUTE, { 36_500 * DAY }> = "90d";
        /// The size of the file at which `when_full` decides.
        may max_size: Size<16_000_000> = "20 GB";
        /// What happens when the file has that size and the oldest events are still unsent.
        may when_full: OneOf<WhenFull> = "wait";
    }

    /// One MQTT 5 broker.
    pub struct BrokerTable, unknown keys Refused {
        /// Its host name or address, `host = "localhost"` for instance, without scheme and port.
        must host: Host;
        /// Its TCP port; by default 8883 with `tls`, else 1883.
        may port: Whole<1, 65_535>;
        /// The MQTT client id, unique at the broker. By default `instrumentd-<site>-<node>`.
        may client_id: Text<128>;
        /// The user's name; its password is in `password_file`.
        may user: Text<256>;
        /// The file that holds the password alone; read at each connect, never logged.
        may password_file: FilePath;
        /// TLS; without it the connection is plaintext.
        may tls: TlsTable;
        /// Says that plaintext to a broker on another machine is meant: anyone on the network can then read the
        /// password and the events, and send others.
        may allow_plaintext: bool = false;
        /// The first levels of every topic.
        may topic_root: TopicRoot = "instrumentd/v1";
        /// How many events may be under way and not yet acknowledged, 1 to 100.
        may window: Whole<1, 100> = 100;
        /// The MQTT keep-alive.
        may keep_alive: Lasting<SECOND, { 65_535 * SECOND }> = "30s";
        /// How long the broker waits after a lost connection before it says `offline` of this daemon.
        may will_delay: Lasting<0, DAY> = "10s";
        /// How long a device's retained state stays at the broker without being refreshed.
        may state_expiry: Lasting<{ 10 * SECOND }, DAY> = "5m";
        /// With events under way and no acknowledgement for this long, the connection is given up and made anew.
        may stall: Lasting<SECOND, HOUR> = "30s";
        /// The longest wait before the next try while the broker cannot be reached. Each wait is chosen at random, and the longest grows up to this.
        may reconnect_within: Lasting<SECOND, HOUR> = "30s";
        /// The levels under which the response topics of replay requests must lie. By default
        /// `<topic_root>/<site>/responses`.
        may response_prefix: ResponsePrefix;
    }

    /// TLS to a broker.
    pub struct TlsTable, unknown keys Refused {
        /// The certificate of the authority that signed the broker's, a PEM file.
        must ca_file: FilePath;
        /// The client's certificate chain, PEM; needs `key_file`.
        may cert_file: FilePath;
        /// The client's private key, PEM; needs `cert_file`.
        may key_file: FilePath;
    }

    /// One instrument.
    pub struct DeviceTable, unknown keys Refused {
        /// What is true of its model: the name of a profile, shipped (`biolector-1`, `biolector-pro`, `biolector-xt`,
        /// `robolector`, `robolector-tecan`, `zenotof-7600`, `echo-liquid-handler`, `echo-ms-plus`) or of your own.
        must profile: Text<64>;
        /// The IANA time zone of the clock of the instrument's computer, `time_zone = "Europe/Berlin"` for instance.
        must time_zone: Zone;
        /// Whether the device is watched. A device that is out of use for a while stays here, with `false`.
        may enabled: bool = true;
        /// Where it stands, in words; shown in its `info`.
        cosmetic location: Text<200>;
        /// BioLector, ZenoTOF and Echo liquid handler: the folder into which the instrument writes its results, `files = {
        /// folder = "/srv/results" }` for instance.
        may files: FilesTable;
        /// BioLector XT: its remote-control service, beside `files` or instead of it. Echo MS+: the device service of its gateway.
        may grpc: GrpcTable;
        /// BioLector XT with `grpc`: what subscribers may ask of it over MQTT; without this nothing.
        may commands: CommandsTable;
        /// ZenoTOF: where else acquisitions lie, and how they are read.
        may acquisitions: AcquisitionsTable;
        /// RoboLector: its serial line. It has one of `serial`, `tcp` and `trace`.
        may serial: SerialTable;
        /// RoboLector: its line behind a serial device server on the network.
        may tcp: TcpTable;
        /// RoboLector: a trace of its line that another program writes and that grows.
        may trace: TraceTable;
        /// Says that nothing else controls the instrument, which `mode = "host"` needs.
        may sole_host: bool;
        /// RoboLector: what stands on its deck.
        may deck: DeckTable;
        /// RoboLector: the liquid class of the profile by which volumes are corrected where no worklist names one.
        may liquid_class: Text<128>;
        /// RoboLector: worklists (`.gwl`), one path or a list; read again whenever one changes.
        may worklist: FilePaths;
        /// Values of the profile that are different for this device.
        may overrides: OverridesTable;
    }

    /// Where else acquisitions lie, and how they are read.
    pub struct AcquisitionsTable, unknown keys Refused {
        /// The name of the folder in `files`: the paths in events are relative to it.
        may name: Name = "data";
        /// Where subscribers find that folder: a URL, or a path on their side. Events then carry `dataref`.
        may public: Text<500>;
        /// Further folders of the same instrument, each by its name.
        may roots: Named<RootTable>;
        /// How much is read for digests in a second, all files together; without it as much as the disk gives.
        may hash_rate: Size<65536>;
        /// How many files are read for digests at a time.
        may hash_parallel: Whole<1, 16> = 2;
        /// A folder, none of the instrument's, into which a manifest of the digests of each complete set is written.
        may manifests: FilePath;
        /// Where the batch files are that say how many samples are to come.
        may batches: BatchesTable;
        /// How vial positions become wells; without it events have the vendor's position only.
        may positions: PositionsTable;
        /// Echo MS: in which order a shot list is worked off.
        may ejection_order: OneOf<Order> = "serpentine";
    }

    /// A further folder with acquisitions.
    pub struct RootTable, unknown keys Refused {
        /// The folder.
        must folder: FilePath;
        /// Where subscribers find it.
        may public: Text<500>;
    }

    /// Where batch files are.
    pub struct BatchesTable, unknown keys Refused {
        /// Their folder.
        must folder: FilePath;
        /// The header of the column with the name of the data file.
        may column: Text<100> = "Data File";
    }

    /// How vial positions become wells.
    pub struct PositionsTable, unknown keys Refused {
        /// The numbering.
        must rule: OneOf<Rule>;
        /// Rows of the plate.
        must rows: Whole<1, 32>;
        /// Columns of the plate.
        must columns: Whole<1, 48>;
    }

    /// The folder into which an instrument writes its results. It is only ever read.
    pub struct FilesTable, unknown keys Refused {
        /// The folder; its sub-folders are watched too. It need not be there yet.
        must folder: FilePath;
        /// How changes are found.
        may watch: OneOf<WatchMode> = "auto";
        /// The time between two looks where changes are found by polling.
        may poll_interval: Lasting<100, HOUR> = "10s";
        /// Which of the files that were there before the first start with this folder are published.
        may backfill: BackfillText = "none";
        /// Whether the folder must lie on a mount of its own. Say `true` for a network share: without it, an unmounted
        /// share is a folder in which all files were deleted.
        may require_mount: bool = false;
    }

    /// A gRPC service of an instrument, or of a gateway beside it.
    pub struct GrpcTable, unknown keys Refused {
        /// Where it is: `endpoint = "grpcs://gateway-1.lab.example:50051"` for instance, or `grpc://` without TLS.
        must endpoint: Endpoint;
        /// Says that plaintext is meant, which `grpc://` is: anyone on the network can then read and change what passes.
        may plaintext: bool = false;
        /// With TLS: the certificate of the authority that signed the server's, a PEM file.
        may ca: FilePath;
        /// With mutual TLS: the client's certificate chain, PEM; needs `key`.
        may certificate: FilePath;
        /// With mutual TLS: the client's private key, PEM; needs `certificate`.
        may key: FilePath;
        /// With TLS: the name in the server's certificate, where it is not the endpoint's.
        may server_name: Host;
        /// The file that holds the bearer token alone; read at each connect, never logged.
        may token_file: FilePath;
        /// How long connecting may take, TLS included.
        may connect_timeout: Lasting<100, { 10 * MINUTE }> = "10s";
        /// How long a call may take. Streams are not bounded: of them is asked whether the other side is still there.
        may call_timeout: Lasting<100, HOUR> = "30s";
        /// How often a quiet connection is asked whether the other side is still there; a server that is asked too often
        /// closes the connection.
        may keep_alive: Lasting<SECOND, HOUR> = "20s";
        /// The largest message that is accepted; a larger one ends the connection.
        may max_message: Size<65_536> = "16 MB";
        /// Records every message that passes; never a token.
        may capture: CaptureTable;
    }

    /// What subscribers may ask of an instrument over MQTT.
    pub struct CommandsTable, unknown keys Refused {
        /// The commands that are carried out, `allow = ["add-comment"]` for instance.
        must allow: CommandNames;
        /// The longest pause that may be asked for; at its end the daemon itself continues.
        may pause_max: Lasting<SECOND, DAY> = "10m";
        /// Whether the shaker stands during a pause. Cultures use up their oxygen within minutes when it does.
        may pause_stops_shaker: bool = false;
    }

    /// A serial line.
    pub struct SerialTable, unknown keys Refused {
        /// Its path; `/dev/serial/by-id/…` stays the same when the adapter is plugged in again.
        may port: FilePath;
        /// Its USB adapter, found wherever it is plugged in; instead of `port`.
        may usb: UsbTable;
        /// Whether the daemon listens to what others say on the line, or is itself the instrument's only host.
        may mode: OneOf<StreamMode> = "listen";
        /// What a tap on this port sees; not with `replies`.
        may carries: OneOf<Carries> = "both";
        /// A tap's second port, on which the replies are seen; the first one then sees the commands.
        may replies: RepliesPortTable;
        /// Settings of the line that are different from the profile's.
        may line: LineTable;
        /// Records what comes over the line.
        may capture: CaptureTable;
    }

    /// The port on which a tap sees the replies.
    pub struct RepliesPortTable, unknown keys Refused {
        /// Its path.
        may port: FilePath;
        /// Its USB adapter; instead of `port`.
        may usb: UsbTable;
    }

    /// A USB adapter, as `udevadm info` or `lsusb -v` tells it.
    pub struct UsbTable, unknown keys Refused {
        /// Vendor id, four hexadecimal digits: `0403` is FTDI.
        must vendor: UsbId;
        /// Product id, four hexadecimal digits.
        must product: UsbId;
        /// Serial number; to be given where there are several adapters of this kind.
        may serial: Text<128>;
        /// The number of the interface, on adapters with several ports.
        may interface: Whole<0, 255>;
    }

    /// A line behind a serial device server that passes bytes as they are.
    pub struct TcpTable, unknown keys Refused {
        /// Its host and port, `address = "10.0.0.7:4001"` for instance.
        must address: Address;
        /// Whether the daemon listens to what others say on the line, or is itself the instrument's only host.
        may mode: OneOf<StreamMode> = "listen";
        /// What a tap at this address sees; not with `replies`.
        may carries: OneOf<Carries> = "both";
        /// The address at which a tap sees the replies; the first one then sees the commands.
        may replies: Address;
        /// Records what comes over the line.
        may capture: CaptureTable;
    }

    /// A trace of a line that another program writes and that grows.
    pub struct TraceTable, unknown keys Refused {
        /// The file. It need not be there yet; a new one under the same name is read from its start.
        must file: FilePath;
        /// How it is written.
        may format: OneOf<TraceFormat> = "lines";
        /// What it holds.
        may carries: OneOf<Carries> = "both";
        /// The time between two looks.
        may poll_interval: Lasting<10, HOUR> = "250ms";
    }

    /// Records what comes over a link, with times and directions, as text that `instrumentd replay` reads.
    pub struct CaptureTable, unknown keys Refused {
        /// The folder for the recordings; it must be there and writable.
        must folder: FilePath;
        /// A file that is larger is followed by the next.
        may rotate: Size<100_000> = "64 MB";
        /// How many files are kept.
        may keep: Whole<1, 10_000> = 16;
    }

    /// What stands on a robot's deck.
    pub struct DeckTable, unknown keys Refused {
        /// The labware, by a name of your choice.
        must labware: Named<PlacementTable>;
    }

    /// One thing on the deck.
    pub struct PlacementTable, unknown keys Refused {
        /// A type of labware of the profile.
        must r#type: Text<63>;
        /// Where it stands, from left to right in the robot's own coordinates.
        must x_mm: Number;
        /// Where it stands, from front to back.
        must y_mm: Number;
        /// What of it stands there.
        may anchor: OneOf<Anchor> = "corner";
        /// How far it is turned counter-clockwise, in degrees: 0, 90, 180 or 270. At 0 row A is at the back.
        may rotation: Turn = 0;
        /// What it is for.
        must role: OneOf<Role>;
        /// The device in which the cells grow; for the role `cultivation` only.
        may cultivation_device: Name;
        /// The plate's id, where it is always the same.
        may plate_id: Text<64>;
        /// Its barcode, where it is always the same.
        may barcode: Text<64>;
    }

    /// How the daemon logs.
    pub struct LogTable, unknown keys Ignored {
        /// How much: `error`, `warn`, `info`, `debug`, `trace`, also for single parts (`info,instrumentd::publish=debug`).
        cosmetic filter: Text<500> = "info";
    }
}
