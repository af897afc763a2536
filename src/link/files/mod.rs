//! The file link: result files that grow in a folder become bytes with positions.
//!
//! One thread for each link does all its I/O; a share that hangs stalls that thread and nothing else. What the kernel
//! tells of changes is a hint that says where to look first; a scan of the folder is the truth. Files are opened
//! read-only, without locks, and closed after each bounded read.
//!
//! For each source: [`LinkEvent::Opened`] first, then members and heads, then bytes in order. Everything that
//! advances a source carries the position to be stored in the same transaction as what was made of it; after a restart
//! the link goes on from what it is given as [`Known`].

mod archive;
mod archive_source;
mod folder;
mod group;
mod once;
mod position;
mod reconcile;
mod scan;
mod source;
mod unpacked;
mod view;
mod watch;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch as observe};
use tokio_util::sync::CancellationToken;

use super::place::remedy;
use super::{baseline, disk, name, outlet, place};
use crate::config::settings::FilesSettings;
use crate::driver::{FolderLayout, SourceKind, SourceName};
use crate::event::Ingest;

pub use once::{OfflineEvent, ReadError, read_once};

/// How long [`FileLink::stop`] waits for the thread. One that does I/O on a healthy file system needs microseconds; one
/// that hangs in the kernel cannot be ended by anybody and is left behind.
const STOP_WAIT: Duration = Duration::from_millis(250);

/// A source of which something was read before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub source: SourceName,
    /// The position that came with the last event that was committed.
    pub position: Vec<u8>,
}

/// What a link starts from.
#[derive(Debug, Clone)]
pub struct Start {
    /// The folder and how to look at it.
    pub settings: FilesSettings,
    /// What its files are.
    pub layout: FolderLayout,
    /// Silence after which an unterminated last line counts.
    pub settle: Duration,
    /// What was read before.
    pub known: Vec<Known>,
    /// What [`LinkEvent::Baseline`] gave last.
    pub baseline: Option<Vec<u8>>,
}

/// What a link says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// The folder can be read.
    Connected {
        /// The folder.
        place: String,
    },
    /// The folder cannot be read, is not mounted, or is suspiciously empty. Nothing counts as deleted meanwhile.
    Disconnected {
        /// The folder.
        place: String,
        /// Why.
        reason: String,
        /// What to do.
        remedy: Option<String>,
    },
    /// What was in the folder before the first look; to be kept and given back at the next start. Replaces an earlier one.
    Baseline(Vec<u8>),
    /// A source is read from its start, or on from its position.
    Opened {
        /// The source.
        source: SourceName,
        /// What kind.
        kind: SourceKind,
        /// Whether it goes on from the position that was given: the snapshot is to be used. Else it is read from its start.
        resume: bool,
        /// By which way its next bytes come in.
        ingest: Ingest,
    },
    /// A whole small file beside the table.
    Member {
        /// The source.
        source: SourceName,
        /// The member's file name.
        name: String,
        /// Its content.
        bytes: Vec<u8>,
        /// The position after it.
        position: Vec<u8>,
    },
    /// The first bytes (at most 4 KiB) of what was read, as they are now: they were rewritten in place.
    Head {
        /// The source.
        source: SourceName,
        /// The bytes.
        bytes: Vec<u8>,
        /// The position after it.
        position: Vec<u8>,
    },
    /// The next bytes of the table.
    Bytes {
        /// The source.
        source: SourceName,
        /// Where they begin, in the whole table.
        offset: u64,
        /// The bytes, at most some 200 KiB.
        bytes: Vec<u8>,
        /// The position after them.
        position: Vec<u8>,
        /// By which way they come in.
        ingest: Ingest,
    },
    /// An archive was read to its end.
    Ended {
        /// The source.
        source: SourceName,
        /// The position after it.
        position: Vec<u8>,
    },
    /// A source was silent for the settling time while the daemon was up; told once for each silence.
    Settled {
        /// The source.
        source: SourceName,
        /// The position, which remembers that this was told.
        position: Vec<u8>,
    },
    /// A source has another name now: what is known of `from` (position, snapshot) is that of `to`, and `from` is gone. It
    /// counts as not opened; `Opened { resume: true }` comes when there is more of it.
    Renamed {
        /// Its name so far.
        from: SourceName,
        /// Its name now.
        to: SourceName,
        /// Its position.
        position: Vec<u8>,
    },
    /// A source is not there any more. What was not read of it is lost, if there was anything: nobody can tell.
    Gone {
        /// The source.
        source: SourceName,
    },
    /// Something may have been lost.
    Gap {
        /// The source.
        source: SourceName,
        /// `replaced`, `truncated` or `missing-part`.
        reason: &'static str,
        /// What happened, in words.
        text: String,
    },
    /// Something cannot be read; the link tries again.
    Trouble {
        /// The source; `None` for the folder.
        source: Option<SourceName>,
        /// What.
        text: String,
        /// What to do.
        remedy: Option<String>,
    },
    /// It can be read again.
    TroubleOver {
        /// The source; `None` for the folder.
        source: Option<SourceName>,
    },
}

/// What a link is doing, for the device's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// The folder.
    pub folder: FolderState,
    /// How changes are found.
    pub watching: Watching,
    /// Sources that are followed.
    pub sources: usize,
    /// Sources with something that was not read yet.
    pub backlog: usize,
    /// Sources that were there before the first start.
    pub baseline: usize,
    /// Sources that waited to be read when the folder was looked at for the first time; `None` until then.
    pub first_backlog: Option<usize>,
    /// When the last whole look at the folder ended.
    pub last_scan: Option<Timestamp>,
    /// Since when the thread is busy without a pause: reading, or waiting for the receiver. On a healthy folder with a
    /// receiver that keeps up this is short; a share that hangs shows here. Not told as a change, to be looked at.
    pub busy_since: Option<Timestamp>,
    /// What cannot be read now: the source where it is one, and the reason.
    pub trouble: Option<String>,
}

/// Whether the folder can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderState {
    /// Not looked at yet.
    Unknown,
    /// It can.
    Connected,
    /// It cannot.
    Disconnected {
        /// Why.
        reason: String,
        /// What to do.
        remedy: Option<String>,
    },
}

/// How changes are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watching {
    /// By which means.
    pub how: How,
    /// Why by these.
    pub why: String,
}

/// The means by which changes are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Not decided: the folder is not there.
    Undecided,
    /// The kernel's notifications.
    Notify,
    /// Polling.
    Poll,
}

/// The handle of a file link. Dropping it stops the link without waiting.
#[derive(Debug)]
pub struct FileLink {
    bell: watch::Bell,
    stop: CancellationToken,
    status: observe::Receiver<LinkStatus>,
    ended: Mutex<Receiver<()>>,
}

/// Starts a link on a thread of its own. Events go into `events`, which is bounded: when it is full, the thread waits,
/// and what grows meanwhile waits in its files.
pub fn spawn(start: Start, events: mpsc::Sender<LinkEvent>) -> FileLink {
    let stop = CancellationToken::new();
    // Hints: when more are waiting, the folder is scanned instead, which finds the same.
    let (wakes, incoming) = std::sync::mpsc::sync_channel(WAKES);
    let bell = watch::Bell { wakes, lost: std::sync::Arc::default() };
    let (status, observed) = observe::channel(LinkStatus {
        folder: FolderState::Unknown,
        watching: Watching { how: How::Undecided, why: "the folder was not looked at yet".to_owned() },
        sources: 0,
        backlog: 0,
        baseline: 0,
        first_backlog: None,
        last_scan: None,
        busy_since: None,
        trouble: None,
    });
    let (done, ended) = std::sync::mpsc::sync_channel::<()>(0);
    let link = FileLink { bell: bell.clone(), stop: stop.clone(), status: observed, ended: Mutex::new(ended) };
    let thread = std::thread::Builder::new().name("file-link".to_owned()).spawn(move || {
        // Dropped at the end, however it comes: that is what `stop` waits for.
        let _done = done;
        match Outlet::new(events, stop) {
            Ok(outlet) => worker::Worker::new(start, outlet, incoming, bell, status).run(),
            Err(error) => tracing::error!(%error, "A file link could not be started."),
        }
    });
    if let Err(error) = thread {
        tracing::error!(%error, "The thread of a file link could not be started.");
    }
    link
}

/// Where the link's events go.
type Outlet = outlet::Outlet<LinkEvent>;

/// How many hints can wait.
const WAKES: usize = 1024;

impl FileLink {
    /// Reads a source again from its start. What was sent before the following `Opened { resume: false }` is of the earlier reading.
    pub fn reread(&self, source: &SourceName) {
        self.bell.ring_surely(watch::Wake::Reread(source.clone()));
    }

    /// What the link is doing. The channel closes when its thread ends.
    pub fn status(&self) -> observe::Receiver<LinkStatus> {
        self.status.clone()
    }

    /// Stops the link: no event comes after this unless the thread hangs in the kernel. It waits for the thread a quarter
    /// of a second at most, then leaves it behind.
    pub fn stop(&self) {
        self.stop.cancel();
        self.bell.ring(watch::Wake::Stop);
        let ended = self.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if ended.recv_timeout(STOP_WAIT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("A file link hangs while it reads; it is left behind.");
        }
    }
}

impl Drop for FileLink {
    fn drop(&mut self) {
        self.stop.cancel();
        self.bell.ring(watch::Wake::Stop);
    }
}
