//! The stream link: serial lines, TCP connections and growing traces become bytes with times and directions.
//!
//! A line cannot be read again and does not wait. So what the actor cannot take now is kept up to a bound; beyond it
//! bytes are dropped and [`StreamEvent::Lost`] says so. What can wait, a TCP peer or a trace, is not read meanwhile.
//! For each opening: [`StreamEvent::Opened`] first, then bytes, then [`StreamEvent::Closed`].

mod flow;
pub mod holder;
mod inlet;
pub mod listen;
pub mod open;
pub mod serial;
mod session;
mod stamp;
mod tcp;
mod trace;
pub mod usb;
mod worklists;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::streams::{Line, StreamSettings};
use crate::driver::{Direction, Mode};
use crate::event::DeviceId;
use crate::link::recorder::Recorder;

pub use inlet::Inlet;

/// What a stream link starts from.
#[derive(Debug, Clone)]
pub struct Start {
    /// The device, for recordings.
    pub device: DeviceId,
    /// The line.
    pub settings: StreamSettings,
    /// The zone of times that a trace writes without an offset.
    pub time_zone: TimeZone,
    /// Worklists to be read, and to be read again when they change.
    pub worklists: Vec<PathBuf>,
    /// The position that came with the last bytes that were committed, for a trace.
    pub position: Option<Vec<u8>>,
}

/// What a stream link says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// A worklist was read, for the first time or because it changed.
    Worklist {
        /// Its path.
        path: String,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// A worklist cannot be read, or is too large.
    WorklistUnreadable {
        /// Its path.
        path: String,
        /// Why.
        reason: String,
    },
    /// The line is open.
    Opened {
        /// The port, address or file.
        place: String,
        /// Names this opening.
        epoch: String,
        /// How it is connected.
        mode: Mode,
        /// What can be read again, and from where it goes on.
        origin: Origin,
    },
    /// Bytes in their order, to be committed as one; 64 KiB at most.
    Bytes {
        /// Bytes of this epoch before them.
        offset: u64,
        /// What was read, each with its time.
        pieces: Vec<Piece>,
        /// The position after them, for a trace.
        position: Option<Vec<u8>>,
    },
    /// Bytes were dropped because the actor did not take them in time.
    Lost {
        /// Since when.
        from: Timestamp,
        /// How many.
        bytes: u64,
    },
    /// The line cannot be opened. Told once for each reason; it is tried again for ever.
    Unreachable {
        /// The port, address or file.
        place: String,
        /// Why.
        reason: String,
        /// What to do.
        remedy: Option<String>,
    },
    /// The line was lost.
    Closed {
        /// The port, address or file.
        place: String,
        /// Why.
        reason: String,
        /// What to do.
        remedy: Option<String>,
    },
    /// A trace was replaced or cut before it was read to its end.
    Replaced {
        /// What happened, in words.
        text: String,
    },
}

/// Bytes that were read at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which way they went.
    pub direction: Direction,
    /// When they were read, or what the trace wrote; `UNIX_EPOCH` where a trace has no times.
    pub at: Timestamp,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Where the bytes of an opening come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A line: what passed before is gone.
    Line,
    /// A trace, read from its start.
    TraceStart,
    /// A trace, from the position that was given.
    TraceResumed,
}

/// Bytes to be written to the line of an epoch; those of an earlier one are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The epoch in which the driver asked for it.
    pub epoch: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Writes that may wait; a driver that asks faster than the line takes finds that its replies do not come.
const WRITES: usize = 16;

/// The handle of a stream link. Dropping it stops the link.
#[derive(Debug)]
pub struct StreamLink {
    stop: CancellationToken,
    again: Arc<Notify>,
    /// Only a host has something to write with.
    writes: Option<mpsc::Sender<Write>>,
}

/// Starts a link; what it says comes out of the inlet.
pub fn spawn(start: Start) -> (StreamLink, Inlet) {
    let stop = CancellationToken::new();
    let (outlet, inlet) = inlet::channel();
    let settings = start.settings;
    let is_host = settings.mode == Mode::Host;
    let (writes, written) = mpsc::channel(WRITES);
    let worklists = worklists::Worklists::new(start.worklists);
    let (ending, again) = (stop.clone(), Arc::new(Notify::new()));
    let bell = again.clone();
    let recorded = settings.capture.clone();
    let recorder = recorded.and_then(|to| Recorder::start(to, start.device.as_str(), settings.link(), None));
    match settings.line.clone() {
        Line::Serial { port, replies, settings: line } => {
            let opener = serial::Ports::new(port, replies, line, settings.mode, settings.direction());
            tokio::spawn(session::run(opener, settings.mode, outlet, written, worklists, recorder, (ending, bell)));
        }
        Line::Tcp { address, replies } => {
            let opener = tcp::Peers { address, replies, mode: settings.mode, direction: settings.direction() };
            tokio::spawn(session::run(opener, settings.mode, outlet, written, worklists, recorder, (ending, bell)));
        }
        Line::Trace { file, format, poll_interval } => {
            let reading = trace::Reading {
                file,
                format,
                poll_interval,
                mode: settings.mode,
                direction: settings.direction(),
                time_zone: start.time_zone,
                position: start.position,
            };
            tokio::spawn(trace::run(reading, outlet, worklists, (ending, bell)));
        }
    }
    (StreamLink { stop, again, writes: is_host.then_some(writes) }, inlet)
}

/// A link that says what a test has it say.
#[cfg(test)]
pub(crate) fn scripted(events: Vec<StreamEvent>) -> (StreamLink, Inlet) {
    let (outlet, inlet) = inlet::channel();
    tokio::spawn(async move {
        for event in events {
            let _ = outlet.tell(event).await;
        }
        outlet.gone().await;
    });
    (StreamLink { stop: CancellationToken::new(), again: Arc::new(Notify::new()), writes: None }, inlet)
}

impl StreamLink {
    /// Hands bytes to the line; `false` where nothing can be written: the link listens, or too much waits already.
    pub fn write(&self, write: Write) -> bool {
        self.writes.as_ref().is_some_and(|writes| writes.try_send(write).is_ok())
    }

    /// Reads from the start, if it is a trace; a line is opened anew.
    pub fn reread(&self) {
        self.again.notify_one();
    }

    /// Stops the link: the line is closed and nothing more is said.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for StreamLink {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
