//! The file-set link: trees into which a mass spectrometer's software writes sets of files.
//!
//! One thread for each link looks; others make digests. What the kernel tells of changes is a hint that says where to look
//! first; the listing of the folders is the truth. Files are opened read-only, without locks, one at a time, and closed
//! after each bounded read.
//!
//! Of each set: [`SetEvent::Opened`] first, then [`SetEvent::Looked`] whenever it changed or the driver asks, until the driver
//! has nothing to wait for in it: then it rests and costs one number of its folder.

mod adopt;
mod away;
mod batches;
mod digests;
mod hashing;
mod look;
mod manifest;
mod once;
mod position;
pub mod recorded;
mod requests;
mod roots;
mod step;
mod track;
mod tree;
mod watch;
mod worker;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch as observe};
use tokio_util::sync::CancellationToken;

use super::files::{FolderState, How, Known, LinkStatus, Watching};
use super::outlet::Outlet;
use crate::config::settings::{Backfill, WatchMode};
use crate::driver::set::{Hashed, MemberSeen, Observation, SetName};
use crate::event::Ingest;
use worker::Wake;

pub use once::{OfflineSet, sets_at};

/// How long [`FileSetLink::stop`] waits for the thread; see the file link.
const STOP_WAIT: Duration = Duration::from_millis(250);

/// How many hints and requests can wait. When hints do not fit, everything is looked at instead.
const WAKES: usize = 4096;

/// A tree that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its name: the paths in events are relative to it.
    pub name: Arc<str>,
    /// The folder.
    pub folder: PathBuf,
    /// Where a subscriber finds it.
    pub base: Option<Arc<str>>,
}

/// Where batch files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batches {
    /// The folder.
    pub folder: PathBuf,
    /// The column of the data file.
    pub column: String,
}

/// How to look at the trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetsSettings {
    /// The trees.
    pub roots: Vec<Root>,
    /// How changes are found.
    pub watch: WatchMode,
    /// Between two looks when polling, and a tenth of that between two safety looks when not.
    pub poll_interval: Duration,
    /// Which of the sets that were there before the first start are published.
    pub backfill: Option<Backfill>,
    /// Whether each root must be a mount.
    pub require_mount: bool,
    /// How many bytes per second are read for digests; `None` is no limit.
    pub hash_rate: Option<u64>,
    /// How many members are read for digests at a time.
    pub hash_parallel: usize,
    /// The folder into which manifests of digests are written.
    pub manifests: Option<PathBuf>,
    /// Where batch files are.
    pub batches: Option<Batches>,
}

/// What a link starts from.
#[derive(Debug, Clone)]
pub struct Start {
    /// The trees and how to look at them.
    pub settings: SetsSettings,
    /// What was followed before.
    pub known: Vec<Known>,
    /// What [`SetEvent::Baseline`] gave last.
    pub baseline: Option<Vec<u8>>,
}

/// What a link says.
#[derive(Debug)]
pub enum SetEvent {
    /// All roots can be read.
    Connected {
        /// The roots' folders.
        place: String,
    },
    /// Roots cannot be read, are not mounted, or are suspiciously empty: told whenever others are than before. Nothing counts as gone
    /// meanwhile.
    Disconnected {
        /// The folders of all roots that are away, separated by commas.
        place: String,
        /// Why; where the reasons differ each with its folder.
        reason: String,
        /// What to do.
        remedy: Option<String>,
    },
    /// What was there before the first look; to be kept and given back at the next start.
    Baseline(Vec<u8>),
    /// A set is followed from now on.
    Opened {
        /// The set.
        set: SetName,
        /// Whether what is known of it is to be used. Else it is new.
        resume: bool,
    },
    /// How a set stands.
    Looked {
        /// The set.
        set: SetName,
        /// What was found.
        seen: Box<Observation>,
        /// By which way it comes in.
        ingest: Ingest,
        /// Counts the looks; [`FileSetLink::rest`] names the last one taken.
        serial: u64,
        /// The position after it.
        position: Vec<u8>,
    },
    /// A batch file says how many samples a set will hold.
    Expected {
        /// The set.
        set: SetName,
        /// How many.
        samples: u32,
        /// The batch file's name.
        batch: String,
    },
    /// A member was read.
    Hashed {
        /// The set.
        set: SetName,
        /// Its digest.
        hashed: Hashed,
    },
    /// A set is closed: the driver has nothing to wait for in it.
    Rested {
        /// The set.
        set: SetName,
        /// Its position, which says that it rests.
        position: Vec<u8>,
    },
    /// What is known of `from` is that of `to`. It counts as not opened.
    Renamed {
        /// Its name so far.
        from: SetName,
        /// Its name now.
        to: SetName,
        /// Its position.
        position: Vec<u8>,
    },
    /// A set is not there any more.
    Gone {
        /// The set.
        set: SetName,
    },
    /// Something cannot be read; the link tries again.
    Trouble {
        /// The set; `None` for a root.
        set: Option<SetName>,
        /// What.
        text: String,
        /// What to do.
        remedy: Option<String>,
    },
    /// It can be read again.
    TroubleOver {
        /// The set; `None` for a root.
        set: Option<SetName>,
    },
}

/// The handle of a file-set link. Dropping it stops the link without waiting.
#[derive(Debug)]
pub struct FileSetLink {
    wakes: SyncSender<Wake>,
    stop: CancellationToken,
    status: observe::Receiver<LinkStatus>,
    ended: Mutex<Receiver<()>>,
}

/// Starts a link on a thread of its own. Events go into `events`, which is bounded: when it is full, the thread waits, and what
/// changes meanwhile is found afterwards.
pub fn spawn(start: Start, events: mpsc::Sender<SetEvent>) -> FileSetLink {
    let stop = CancellationToken::new();
    let (wakes, incoming) = std::sync::mpsc::sync_channel(WAKES);
    let (status, observed) = observe::channel(LinkStatus {
        folder: FolderState::Unknown,
        watching: Watching { how: How::Undecided, why: "the roots were not looked at yet".to_owned() },
        sources: 0,
        backlog: 0,
        baseline: 0,
        first_backlog: None,
        last_scan: None,
        busy_since: None,
        trouble: None,
    });
    let (done, ended) = std::sync::mpsc::sync_channel::<()>(0);
    let link = FileSetLink { wakes: wakes.clone(), stop: stop.clone(), status: observed, ended: Mutex::new(ended) };
    let thread = std::thread::Builder::new().name("file-sets".to_owned()).spawn(move || {
        // Dropped at the end, however it comes: that is what `stop` waits for.
        let _done = done;
        match Outlet::new(events, stop) {
            Ok(outlet) => worker::Worker::new(start, outlet, (wakes, incoming), status).run(),
            Err(error) => tracing::error!(%error, "A file-set link could not be started."),
        }
    });
    if let Err(error) = thread {
        tracing::error!(%error, "The thread of a file-set link could not be started.");
    }
    link
}

impl FileSetLink {
    /// Looks at a set and says how it stands.
    pub fn look(&self, set: &SetName) {
        self.ring(Wake::Look(set.clone()));
    }

    /// Has members read for their digests.
    pub fn hash(&self, set: SetName, members: Vec<MemberSeen>) {
        self.ring(Wake::Hash(set, members));
    }

    /// Writes a manifest, where a folder for it is configured.
    pub fn manifest(&self, set: SetName, members: Vec<Hashed>) {
        self.ring(Wake::Manifest(set, members));
    }

    /// Closes a set, unless there is a later look at it than `serial`.
    pub fn rest(&self, set: SetName, serial: u64) {
        self.ring(Wake::Rest(set, serial));
    }

    /// Opens a set anew.
    pub fn reread(&self, set: &SetName) {
        self.ring(Wake::Reread(set.clone()));
    }

    /// What the link is doing. The channel closes when its thread ends.
    pub fn status(&self) -> observe::Receiver<LinkStatus> {
        self.status.clone()
    }

    /// Stops the link: no event comes after this unless the thread hangs in the kernel, which is not waited for.
    pub fn stop(&self) {
        self.stop.cancel();
        let _ = self.wakes.try_send(Wake::Stop);
        let ended = self.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if ended.recv_timeout(STOP_WAIT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("A file-set link hangs while it reads; it is left behind.");
        }
    }

    /// Asks for something that no look at the folders would find; waits for room on a thread of its own if need be.
    fn ring(&self, wake: Wake) {
        if let Err(TrySendError::Full(wake)) = self.wakes.try_send(wake) {
            let wakes = self.wakes.clone();
            std::thread::spawn(move || wakes.send(wake));
        }
    }
}

impl Drop for FileSetLink {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = self.wakes.try_send(Wake::Stop);
    }
}
