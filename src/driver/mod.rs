//! Drivers: what an instrument means.
//!
//! A driver is a pure state machine: inputs go in, [`Effects`] come out. It does no I/O, reads no clock, is not
//! async, and no bytes make it panic. The same bytes in any split give the same events with the same ids.

pub mod biolector;
pub mod biolector_xt;
pub mod echo;
pub mod echo_ms;
pub mod robolector;
pub mod service;
pub mod set;
pub mod zenotof;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::Event;

/// Names one source of a device within its link: a file's path relative to the watched folder, or the name of the link
/// for a byte stream.
pub type SourceName = Arc<str>;

/// What kind of thing a file source is; the link finds out by its members, the driver by their content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// One file that may grow.
    Table,
    /// A zip archive or an unpacked folder: small members, then a table.
    Export,
    /// A header and one part for each cycle; the concatenated parts are the table.
    Parts,
}

/// What the files of a watched folder are to its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FolderLayout {
    /// Result files that grow: csv tables, zip and unpacked exports, headers with parts.
    #[default]
    Results,
    /// Reports that come whole: each csv and each xml is one.
    Reports,
}

/// The source under which worklists come to a driver.
pub const WORKLISTS: &str = "worklists";

/// What comes to a driver.
#[derive(Debug)]
pub enum Input<'a> {
    /// From a file source. A worklist that the configuration names comes as a [`FileInput::Member`] of the source
    /// [`WORKLISTS`]: whole, before the first byte of a stream, and again whenever it changed.
    File(&'a SourceName, FileInput<'a>),
    /// From a byte stream.
    Stream(&'a SourceName, StreamInput<'a>),
    /// From the remote interface of a BioLector XT.
    Xt(biolector_xt::XtInput<'a>),
    /// From a set of files.
    Set(&'a set::SetName, set::SetInput<'a>),
    /// From a device service.
    Service(&'a SourceName, service::ServiceInput<'a>),
    /// A timer that the driver set has run out.
    Timer(&'a Timer),
}

/// What a file link says of one source. For each source: `Opened` first, then members and heads, then bytes.
#[derive(Debug)]
pub enum FileInput<'a> {
    /// A source is read from its start, or from where `snapshot` was made.
    Opened {
        /// What kind of source.
        kind: SourceKind,
        /// The parts of the last committed snapshot; empty when it is read from its start.
        snapshot: &'a [(String, Vec<u8>)],
    },
    /// A whole small member beside the table (`.meta`, protocol json, settings …); again when it changed.
    Member {
        /// The member's file name.
        name: &'a str,
        /// Its whole content.
        bytes: &'a [u8],
    },
    /// The source's first bytes (up to 4 KiB) as they are now, given when they differ from what was read before:
    /// an instrument rewrites its header in place.
    Head(&'a [u8]),
    /// The next bytes of the table. `offset` counts in the whole table (in concatenated parts) and is where the
    /// bytes before it ended.
    Bytes {
        /// Where they begin.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Nothing more will come of this reading: the end of an archive, or of an offline decode. An unterminated last
    /// line counts now.
    Ended,
    /// The source has been silent for the profile's settling time; an unterminated last line counts now, but more may come.
    Settled,
    /// The source is not there any more. Its state can be dropped; what it said stays said.
    Gone,
}

/// Which way bytes on a line go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the control software, or from the daemon as the only host.
    ToInstrument,
    /// From the instrument.
    FromInstrument,
    /// A tap that sees both on one port: which it is follows from the bytes.
    Either,
}

/// How a stream is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A passive tap of the traffic between the vendor's control software and the instrument. Nothing is ever written.
    Listen {
        /// What it can see.
        sees: Sees,
    },
    /// The daemon is the instrument's only host: [`Request::Send`] writes to the line.
    Host,
}

/// What a tap can see, as the configuration's ports say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    /// Commands and replies.
    Both,
    /// Commands only: what became of them nobody tells.
    CommandsOnly,
    /// Replies only.
    RepliesOnly,
}

/// What a byte-stream link (serial port, TCP connection, growing trace file) says of one source. First `Opened`, then
/// bytes, then `Closed`, and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamInput<'a> {
    /// The line is open.
    Opened {
        /// Names this opening: journalled before the first byte is given, and never used again for a line. For a trace
        /// file it follows from its content, so that reading it again gives the same ids.
        epoch: &'a str,
        /// How it is connected.
        mode: Mode,
        /// Whether this goes on in an epoch whose bytes were given up to `snapshot`: a trace file after a restart. A line
        /// is never resumed: what passed meanwhile is lost.
        resumed: bool,
        /// The parts of the last committed snapshot, whatever its epoch; empty where there is none.
        snapshot: &'a [(String, Vec<u8>)],
    },
    /// Bytes in their order.
    Bytes {
        /// Which way they went.
        direction: Direction,
        /// When they were read, or what the trace wrote.
        at: Timestamp,
        /// How many bytes of this epoch came before them, both directions together.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The line was lost; what was half read does not count. The actor has recorded `device.disconnected` and will
    /// record the `device.gap`.
    Closed {
        /// Why.
        reason: &'a str,
    },
    /// Bytes may be missing here (overrun, the journal could not keep up): resynchronise. The actor records the
    /// `device.gap`.
    Lost {
        /// Why.
        reason: &'a str,
    },
}

/// A timer of a driver.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timer {
    /// The source that it is about.
    pub source: SourceName,
    /// What for.
    pub name: &'static str,
}

/// A driver's wish about a timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerChange {
    /// (Re)start it: it runs out when the source has been silent for this long while the daemon was up.
    Set(Timer, Duration),
    /// Stop it.
    Cancel(Timer),
}

/// What a driver asks of its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Read this source again from its start: what was read before is no longer what stands there, or the snapshot
    /// cannot be used.
    Reread(SourceName),
    /// Ask this of the instrument's remote interface.
    Ask(biolector_xt::Ask),
    /// Look at this set and say how it stands.
    Look(set::SetName),
    /// Read these members of a set for their digests, as long as they are what they are said to be.
    Hash {
        /// The set.
        set: set::SetName,
        /// The members.
        members: Vec<set::MemberSeen>,
    },
    /// Nothing is waited for in this set: it is closed, and opened again when it changes.
    Rest(set::SetName),
    /// Put these digests down where the configuration names a folder for it.
    Manifest {
        /// The set.
        set: set::SetName,
        /// Its members.
        members: Vec<set::Hashed>,
    },
    /// Write these bytes to the line of this source, in host mode; a link that only listens has nothing to write with.
    Send {
        /// The stream.
        source: SourceName,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// A source that the driver refuses: it is not of the profile, or it is no raw file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; {remedy}")]
pub struct Refusal {
    /// A short name: `not-a-biolector-file`, `edited-export`, `other-family` …
    pub code: &'static str,
    /// What was found, where.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

/// What is running, as the driver sees it; for the device's state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Operation {
    /// `measuring`, `paused`, `idle`, `unknown`.
    pub name: &'static str,
    /// The run.
    pub run: Option<Arc<crate::event::cultivation::Run>>,
    /// The cycle.
    pub cycle: Option<u32>,
}

/// The instrument's identity and channels as the source tells them; for the device's `info`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identity {
    /// The instrument.
    pub instrument: crate::event::cultivation::Instrument,
    /// The channels of the current run.
    pub channels: Vec<crate::event::cultivation::Channel>,
}

/// A part of a source's snapshot that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPart {
    /// The source.
    pub source: SourceName,
    /// Which part: a driver keeps what rarely changes apart from what changes with each row.
    pub part: &'static str,
    /// The serialised state, with its format version; at most 64 KiB over all parts of a source.
    pub bytes: Vec<u8>,
}

/// What comes out of one input. The actor commits it as one, and only then gives the next input.
#[derive(Debug, Default)]
pub struct Effects {
    /// New events, in the order of their happening in the source.
    pub events: Vec<Event>,
    /// Requests to the link.
    pub requests: Vec<Request>,
    /// Timers.
    pub timers: Vec<TimerChange>,
    /// Sources that are refused.
    pub refused: Vec<(SourceName, Refusal)>,
    /// Changed parts of snapshots.
    pub snapshots: Vec<SnapshotPart>,
    /// A new operation state, where it changed.
    pub operation: Option<Operation>,
    /// A new identity, where it changed.
    pub identity: Option<Identity>,
    /// Defects found in a source: for an offline decode's summary, the total so far by code.
    pub defects: Vec<(SourceName, crate::event::cultivation::Defect)>,
    /// What is known to be lost: source, reason code, and what was lost in words. Each becomes a `device.gap`.
    pub gaps: Vec<(SourceName, &'static str, String)>,
}

impl Effects {
    /// Room for events and changed parts that is kept: that of a burst is given back, since each device has its own.
    const KEPT: usize = 32;

    /// Empties it, keeping the memory of what is usual.
    pub fn clear(&mut self) {
        self.events.clear();
        self.events.shrink_to(Self::KEPT);
        self.requests.clear();
        self.timers.clear();
        self.refused.clear();
        self.snapshots.clear();
        self.snapshots.shrink_to(Self::KEPT);
        self.defects.clear();
        self.gaps.clear();
        self.operation = None;
        self.identity = None;
    }
}

/// A driver.
pub trait Driver: Send {
    /// Takes one input and adds what follows from it to `effects`. `now` is the daemon's clock.
    fn handle(&mut self, input: Input<'_>, now: Timestamp, effects: &mut Effects);
}
