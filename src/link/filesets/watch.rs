//! Hints: what the kernel tells about changes, filtered to what can matter.
//!
//! Each folder has a watch of its own, so that where the kernel grants no more, only the folders that got none are polled.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecursiveMode, Watcher as _};

use super::worker::Wake;
use crate::driver::zenotof::group::{Name, classify};

/// The watches of a link.
#[derive(Debug)]
pub struct Watches {
    watcher: notify::RecommendedWatcher,
}

/// Why a folder has no watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoWatch {
    /// The system's limit is reached.
    Limit,
    /// Something else.
    Other(String),
}

impl Watches {
    /// Watches nothing yet; hints go to `wakes`, and `lost` is set where they do not fit.
    ///
    /// # Errors
    ///
    /// When the kernel gives no means to watch.
    pub fn new(wakes: SyncSender<Wake>, lost: Arc<AtomicBool>) -> notify::Result<Self> {
        let watcher = notify::recommended_watcher(move |result: notify::Result<notify::Event>| {
            let ring = |wake| {
                if let Err(TrySendError::Full(_)) = wakes.try_send(wake) {
                    lost.store(true, Ordering::Release);
                }
            };
            match result {
                Ok(event) => hint(event, &ring),
                Err(error) => {
                    tracing::warn!(%error, "The file watcher reports an error; everything is looked at.");
                    ring(Wake::Rescan);
                }
            }
        })?;
        Ok(Self { watcher })
    }

    /// Watches a folder, without what is below it.
    ///
    /// # Errors
    ///
    /// When the kernel grants no watch.
    pub fn add(&mut self, folder: &Path) -> Result<(), NoWatch> {
        self.watcher.watch(folder, RecursiveMode::NonRecursive).map_err(|error| match error.kind {
            notify::ErrorKind::MaxFilesWatch => NoWatch::Limit,
            _ => NoWatch::Other(error.to_string()),
        })
    }
}

/// Turns an event into wakes.
fn hint(event: notify::Event, ring: &dyn Fn(Wake)) {
    if event.need_rescan() {
        return ring(Wake::Rescan);
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        // Opening and reading are our own doing as well.
        EventKind::Access(_) => return,
        EventKind::Modify(ModifyKind::Metadata(_)) => {}
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(_) | EventKind::Any | EventKind::Other => {}
    }
    for path in event.paths {
        let name = path.file_name().and_then(|name| name.to_str());
        let is_content = matches!(event.kind, EventKind::Access(_) | EventKind::Modify(ModifyKind::Data(_)));
        match name.map(classify) {
            Some(Name::Member(..)) if is_content => ring(Wake::Changed(path)),
            // A folder's own name is no member's: what has none of the known suffixes may be a folder.
            _ => ring(Wake::Listed(path.parent().map(Path::to_owned).unwrap_or(path))),
        }
    }
}
