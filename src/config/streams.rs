//! The settings of stream links: serial lines, TCP connections, traces.

use std::path::PathBuf;
use std::time::Duration;

use super::ports::Address;
use super::values::Choice;
use crate::driver::{Direction, Mode, Sees};
use crate::profile::robolector::LineSettings;

/// A device's line.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSettings {
    /// Where it is.
    pub line: Line,
    /// How it is connected.
    pub mode: Mode,
    /// Where what comes over it is recorded.
    pub capture: Option<CaptureSettings>,
}

impl StreamSettings {
    /// The name of its link: by it the journal keeps the position and the driver's state.
    pub fn link(&self) -> &'static str {
        match self.line {
            Line::Serial { .. } => "serial",
            Line::Tcp { .. } => "tcp",
            Line::Trace { .. } => "trace",
        }
    }

    /// Whether it is a trace, which can be read again.
    pub fn is_trace(&self) -> bool {
        matches!(self.line, Line::Trace { .. })
    }

    /// Which way the bytes of the first port go.
    pub fn direction(&self) -> Direction {
        match self.mode {
            Mode::Host => Direction::FromInstrument,
            _ if self.line.has_replies_port() => Direction::ToInstrument,
            Mode::Listen { sees: Sees::Both } => Direction::Either,
            Mode::Listen { sees: Sees::CommandsOnly } => Direction::ToInstrument,
            Mode::Listen { sees: Sees::RepliesOnly } => Direction::FromInstrument,
        }
    }
}

/// Where a line is.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// A serial port.
    Serial {
        /// The port.
        port: Port,
        /// A tap's second port, which sees the replies.
        replies: Option<Port>,
        /// The line's settings.
        settings: LineSettings,
    },
    /// A serial device server.
    Tcp {
        /// Its address.
        address: Address,
        /// The address at which a tap sees the replies.
        replies: Option<Address>,
    },
    /// A trace file that grows.
    Trace {
        /// The file.
        file: PathBuf,
        /// How it is written.
        format: TraceFormat,
        /// Between two looks.
        poll_interval: Duration,
    },
}

impl Line {
    fn has_replies_port(&self) -> bool {
        matches!(self, Self::Serial { replies: Some(_), .. } | Self::Tcp { replies: Some(_), .. })
    }
}

/// A serial port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// By its path.
    Path(PathBuf),
    /// By its USB adapter, wherever it is plugged in.
    Usb(UsbPort),
}

/// A USB adapter's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbPort {
    /// Vendor id.
    pub vendor: u16,
    /// Product id.
    pub product: u16,
    /// Serial number; `None`: any.
    pub serial: Option<String>,
    /// Number of the interface; `None`: the adapter has one port.
    pub interface: Option<u8>,
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Usb(usb) => {
                write!(f, "usb {:04x}:{:04x}", usb.vendor, usb.product)?;
                if let Some(serial) = &usb.serial {
                    write!(f, " {serial}")?;
                }
                match usb.interface {
                    Some(interface) => write!(f, " interface {interface}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Recording of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureSettings {
    /// The folder.
    pub folder: PathBuf,
    /// The size after which the next file begins, in bytes.
    pub rotate_bytes: u64,
    /// How many files are kept.
    pub keep: usize,
}

/// How a line is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamMode {
    /// As a tap.
    Listen,
    /// As the instrument's only host.
    Host,
}

impl Choice for StreamMode {
    const WHAT: &'static str = "way to be connected";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("listen", Self::Listen, "a tap of the traffic of others: nothing is ever written"),
        ("host", Self::Host, "the instrument's only host: it is asked for its state; needs `sole_host = true`"),
    ];
}

/// What a tap sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// Commands and replies.
    Both,
    /// Commands.
    Commands,
    /// Replies.
    Replies,
}

impl Choice for Carries {
    const WHAT: &'static str = "kind of traffic";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("both", Self::Both, "commands and replies"),
        ("commands", Self::Commands, "commands only: the outcome of each is unknown"),
        ("replies", Self::Replies, "replies only"),
    ];
}

impl From<Carries> for Sees {
    fn from(carries: Carries) -> Self {
        match carries {
            Carries::Both => Self::Both,
            Carries::Commands => Self::CommandsOnly,
            Carries::Replies => Self::RepliesOnly,
        }
    }
}

/// How a trace file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceFormat {
    /// The strings of the line, one on each line.
    Lines,
    /// A capture of this daemon.
    Capture,
}

impl Choice for TraceFormat {
    const WHAT: &'static str = "format of a trace";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        (
            "lines",
            Self::Lines,
            "the strings of the line as they are, one on each line; a time that stands first is the time of the line, in the device's time zone unless it says an offset",
        ),
        ("capture", Self::Capture, "a recording by `instrumentd capture`"),
    ];
}
