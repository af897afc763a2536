//! The settings of a daemon, after the configuration file was read and validated: plain values, nothing to look up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use super::acquisitions::AcquisitionSettings;
pub use super::grpc::GrpcSettings;
use super::values::Choice;
pub use crate::command::CommandSettings;
use crate::event::{DeviceId, NodeId, SiteId};
use crate::profile::Profile;
pub use crate::profile::deck::DeckSettings;

pub use super::streams::StreamSettings;

/// Everything that `instrumentd run` needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The site.
    pub site: SiteId,
    /// This daemon.
    pub node: NodeId,
    /// The journal.
    pub journal: JournalSettings,
    /// The brokers; events are kept until each has acknowledged them.
    pub brokers: Vec<BrokerSettings>,
    /// The devices, by id.
    pub devices: Vec<DeviceSettings>,
    /// How to log.
    pub log: LogSettings,
}

/// The journal's place and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalSettings {
    /// The SQLite file.
    pub path: PathBuf,
    /// Payloads older than this that every broker has settled are removed.
    pub keep_for: Duration,
    /// The size of the file, in bytes, at which sources wait.
    pub max_bytes: u64,
    /// What to do at that size.
    pub when_full: WhenFull,
}

/// What to do when the journal has reached its size with unsent rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Sources wait; the oldest unsent rows are kept.
    Wait,
    /// The oldest unsent payloads are removed, and a gap is recorded.
    DropOldest,
}

impl Choice for WhenFull {
    const WHAT: &'static str = "way to go on with a full journal";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("wait", Self::Wait, "instruments' files wait to be read, nothing is lost"),
        ("drop-oldest", Self::DropOldest, "the oldest unsent events are given up, which is recorded as a gap"),
    ];
}

/// One MQTT broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSettings {
    /// The name by which the journal keeps the position; fixed once used.
    pub name: Arc<str>,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The client id; by default `instrumentd-<site>-<node>`.
    pub client_id: String,
    /// User name.
    pub user: Option<String>,
    /// The file that holds the password; read at each connect, never logged.
    pub password_file: Option<PathBuf>,
    /// TLS; `None` is plaintext.
    pub tls: Option<TlsSettings>,
    /// The topic root, `instrumentd/v1`.
    pub root: String,
    /// Rows handed over and not yet acknowledged, 1 to 100.
    pub window: u16,
    /// Keep-alive.
    pub keep_alive: Duration,
    /// How long the broker waits with the will.
    pub will_delay: Duration,
    /// How long a state stays at the broker without being refreshed.
    pub state_expiry: Duration,
    /// Without an acknowledgement for this long while rows are in flight, the connection is dropped.
    pub stall: Duration,
    /// The prefix under which response topics of replay requests must lie; ends with a slash.
    pub response_prefix: String,
}

/// TLS to a broker or a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate authority's PEM file.
    pub ca_file: PathBuf,
    /// The client's certificate chain and key, PEM files.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// One device. Equal settings mean that a reload need not touch it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceSettings {
    /// Its id.
    pub id: DeviceId,
    /// Whether it is watched; one that is not still keeps its id and history.
    pub enabled: bool,
    /// What is true of its model, with what the configuration overrides for this device.
    pub profile: Arc<Profile>,
    /// Where it stands, in words.
    pub location: Option<String>,
    /// The zone of the instrument's clock.
    pub time_zone: TimeZone,
    /// Its file link, where its family has one.
    pub files: Option<FilesSettings>,
    /// Its line, where its family has one.
    pub stream: Option<StreamSettings>,
    /// Its gRPC service, where it has one.
    pub grpc: Option<GrpcSettings>,
    /// What subscribers may ask of it.
    pub commands: CommandSettings,
    /// What stands on its deck, where it has one.
    pub deck: DeckSettings,
    /// Where its acquisitions lie beside `files`, and how they are read; the defaults for other instruments.
    pub acquisitions: AcquisitionSettings,
}

/// A file link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesSettings {
    /// The folder that is watched, with its sub-folders.
    pub folder: PathBuf,
    /// How changes are found.
    pub watch: WatchMode,
    /// Between two looks when polling, and between two safety scans when not (then ten times as long).
    pub poll_interval: Duration,
    /// From when files that were there before the first start are published; `None` publishes none of them.
    pub backfill: Option<Backfill>,
    /// Whether the folder must lie on a mount of its own: an unmounted one is then `disconnected`, never empty.
    pub require_mount: bool,
}

/// How a file link finds changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchMode {
    /// The kernel's notifications on local file systems, polling on network ones.
    Auto,
    /// The kernel's notifications.
    Notify,
    /// Polling.
    Poll,
}

impl Choice for WatchMode {
    const WHAT: &'static str = "way to watch";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("auto", Self::Auto, "the kernel's notifications on local file systems, polling on network ones"),
        ("notify", Self::Notify, "the kernel's notifications, which do not see what another machine writes"),
        ("poll", Self::Poll, "looking every `poll_interval`"),
    ];
}

/// Which of the files that were there before the first start are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backfill {
    /// All.
    All,
    /// Those last changed at or after this moment.
    Since(Timestamp),
}

/// How the daemon logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// A filter in the syntax of `tracing-subscriber`, `info` for instance.
    pub filter: String,
}
