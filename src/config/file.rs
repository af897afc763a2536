//! The tables of `instrumentd.toml`, as they are written; the comments here are the descriptions in its JSON Schema.

use super::network::{Host, ResponsePrefix, TopicRoot};
use super::quantities::{Lasting, Size};
use super::reader::Named;
use super::settings::{WatchMode, WhenFull};
use super::tables::tables;
use super::values::{BackfillText, FilePath, Name, OneOf, Text, Whole};
use super::zone::Zone;
use crate::profile::file::OverridesTable;

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
        /// What is true of its model: the name of a profile, shipped (`biolector-1`, `biolector-pro`, `biolector-xt`) or
        /// of your own.
        must profile: Text<64>;
        /// The IANA time zone of the clock of the instrument's computer, `time_zone = "Europe/Berlin"` for instance.
        must time_zone: Zone;
        /// Whether the device is watched. A device that is out of use for a while stays here, with `false`.
        may enabled: bool = true;
        /// Where it stands, in words; shown in its `info`.
        cosmetic location: Text<200>;
        /// The folder into which the instrument writes its results, `files = { folder = "/srv/results" }` for instance.
        must files: FilesTable;
        /// Values of the profile that are different for this device.
        may overrides: OverridesTable;
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

    /// How the daemon logs.
    pub struct LogTable, unknown keys Ignored {
        /// How much: `error`, `warn`, `info`, `debug`, `trace`, also for single parts (`info,instrumentd::publish=debug`).
        cosmetic filter: Text<500> = "info";
    }
}
