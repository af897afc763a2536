//! Hints: what the kernel tells about changes, filtered to what can matter.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind};
use notify::{EventKind, RecursiveMode, Watcher as _};

use super::group;
use crate::driver::{FolderLayout, SourceName};

/// What wakes the link's thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// A file's content changed.
    Changed(PathBuf),
    /// Something came, went or was renamed, hints were lost, or the watcher failed: look at everything.
    Rescan,
    /// Read a source again from its start.
    Reread(SourceName),
    /// Stop.
    Stop,
}

/// The sending side of the link's wakes. The queue is bounded; when it is full, hints are dropped and `lost` says that the
/// folder must be scanned, which finds whatever they would have told.
#[derive(Debug, Clone)]
pub struct Bell {
    /// The queue.
    pub wakes: SyncSender<Wake>,
    /// Hints were lost.
    pub lost: Arc<AtomicBool>,
}

impl Bell {
    /// Wakes the thread, or notes that it must look at everything.
    pub fn ring(&self, wake: Wake) {
        if let Err(TrySendError::Full(_)) = self.wakes.try_send(wake) {
            self.lost.store(true, Ordering::Release);
        }
    }

    /// Wakes the thread with something that a scan would not find; waits for room on a thread of its own if need be.
    pub fn ring_surely(&self, wake: Wake) {
        if let Err(TrySendError::Full(wake)) = self.wakes.try_send(wake) {
            let wakes = self.wakes.clone();
            std::thread::spawn(move || wakes.send(wake));
        }
    }

    /// Whether hints were lost since the last call.
    pub fn take_lost(&self) -> bool {
        self.lost.swap(false, Ordering::AcqRel)
    }
}

/// Watches `folder` and everything below it until it is dropped.
///
/// # Errors
///
/// When the kernel grants no watch: not supported there, or its limit is reached.
pub fn watch(folder: &Path, layout: FolderLayout, bell: Bell) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |result: notify::Result<notify::Event>| match result {
        Ok(event) => hint(event, layout, &bell),
        Err(error) => {
            tracing::warn!(%error, "The file watcher reports an error; the whole folder is looked at.");
            bell.ring(Wake::Rescan);
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// Turns an event into wakes.
pub fn hint(event: notify::Event, layout: FolderLayout, bell: &Bell) {
    let concerns = |path: &Path| path.file_name().is_some_and(|name| group::concerns(name, layout));
    if event.need_rescan() {
        return bell.ring(Wake::Rescan);
    }
    match event.kind {
        // Closing after a write is what a finished file looks like; opening and reading are our own doing as well.
        EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Modify(ModifyKind::Data(_)) => {
            for path in event.paths {
                if concerns(&path) {
                    bell.ring(Wake::Changed(path));
                }
            }
        }
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => {}
        // Renames and folders are rare and may move any number of sources; a single file matters when it can be one.
        EventKind::Create(CreateKind::File) | EventKind::Remove(RemoveKind::File) => {
            if event.paths.iter().any(|path| concerns(path)) {
                bell.ring(Wake::Rescan);
            }
        }
        _ => bell.ring(Wake::Rescan),
    }
}
