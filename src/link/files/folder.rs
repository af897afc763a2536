//! The watched folder: whether it is what it should be, how its changes are found, and when it is looked at.

use std::path::Path;
use std::time::{Duration, Instant};

use super::baseline::Baseline;
use super::disk::Stat;
use super::outlet::Stopped;
use super::worker::Worker;
use super::{FolderState, How, LinkEvent, Watching, place, watch};
use crate::config::settings::WatchMode;
use crate::driver::SourceName;

/// Between two safety scans when the kernel tells of changes, in poll intervals.
const SAFETY: u32 = 10;

/// A scan is not begun sooner after the last one than this many times what that one took: a folder with very many files
/// must not keep a processor busy. After a hint there is something to find; a poll may cost 5 % of a processor, a
/// safety scan 0.3 %.
const REST: u32 = 4;
const POLL_REST: u32 = 20;
const SAFETY_REST: u32 = 300;

impl Worker {
    /// Looks at everything, and decides when to do so next.
    pub(super) fn look_at_folder(&mut self) -> Result<(), Stopped> {
        let began = Instant::now();
        let hinted = std::mem::take(&mut self.scan_wanted);
        self.walked = Duration::ZERO;
        match place::folder_now(&self.settings.folder, self.settings.require_mount) {
            Ok(folder) => {
                self.connected(folder);
                self.scan(folder)?;
            }
            Err((reason, remedy)) => self.disconnected(reason, remedy)?,
        }
        let now = Instant::now();
        let interval = self.settings.poll_interval;
        let (interval, rest) = match self.folder {
            None => (interval, 0),
            Some(_) if self.polling => (interval, POLL_REST),
            // Soon again after a hint: a folder that is new is watched only a moment after it was told of.
            Some(_) if hinted => (self.pace.believe, REST),
            Some(_) => (interval * SAFETY, SAFETY_REST),
        };
        self.not_before = now + self.walked * REST;
        self.next_scan = (began + interval).max(now + self.walked * rest);
        // What is missing since this look is looked for once more before it counts as gone.
        let doubted = self.sources.values().filter_map(|source| Some(source.missing? + self.pace.believe));
        if let Some(again) = doubted.filter(|again| *again > now).min().filter(|_| self.folder.is_some()) {
            self.next_scan = self.next_scan.min(again.max(self.not_before));
        }
        Ok(())
    }

    fn connected(&mut self, folder: Stat) {
        let same = self.folder.is_some_and(|old| (old.device, old.inode) == (folder.device, folder.inode));
        if !same || (!self.polling && self.watcher.is_none()) {
            self.choose_means(folder);
        }
        self.folder = Some(folder);
    }

    /// Tells that the folder can be read, unless that was told last.
    pub(super) fn tell_connected(&mut self) -> Result<(), Stopped> {
        if self.told == Some(true) {
            return Ok(());
        }
        self.told = Some(true);
        let now = Instant::now();
        // Silence while nobody could look does not count.
        for source in self.sources.values_mut() {
            source.quiet_since = source.quiet_since.max(now);
            source.settling = false;
        }
        let names: Vec<SourceName> = self.sources.keys().cloned().collect();
        names.iter().for_each(|name| self.plan(name));
        self.status.send_modify(|status| status.folder = FolderState::Connected);
        self.outlet.send(LinkEvent::Connected { place: self.place() })
    }

    /// The folder cannot be looked at: nothing is known of what is in it.
    pub(super) fn disconnected(&mut self, reason: String, remedy: Option<String>) -> Result<(), Stopped> {
        self.folder = None;
        self.watcher = None;
        self.backlog.clear();
        self.urgent.clear();
        self.status.send_if_modified(|status| {
            let state = FolderState::Disconnected { reason: reason.clone(), remedy: remedy.clone() };
            let changed = status.folder != state;
            status.folder = state;
            changed
        });
        if self.baseline.is_none() {
            // From now on everything is new, unless the folder turns out to be a share that was not mounted.
            self.keep_baseline(Baseline::pending())?;
        }
        if self.told == Some(false) {
            return Ok(());
        }
        self.told = Some(false);
        // The actor says it in the log, with the device's name.
        self.outlet.send(LinkEvent::Disconnected { place: self.place(), reason, remedy })
    }

    pub(super) fn keep_baseline(&mut self, baseline: Baseline) -> Result<(), Stopped> {
        let bytes = baseline.to_bytes(&self.settings.folder);
        self.baseline = Some(baseline);
        self.outlet.send(LinkEvent::Baseline(bytes))
    }

    fn place(&self) -> String {
        self.settings.folder.display().to_string()
    }

    /// Decides how changes are found, and begins.
    fn choose_means(&mut self, folder: Stat) {
        let path = self.settings.folder.clone();
        self.watcher = None;
        let (poll, why) = place::means(self.settings.watch, &path, SAFETY);
        if poll {
            return self.decided(How::Poll, why);
        }
        match watch::watch(&path, self.layout, self.bell.clone()) {
            Ok(watcher) => {
                self.watcher = Some((folder, watcher));
                self.decided(How::Notify, why);
            }
            Err(error) => self.decided(How::Poll, format!("the kernel grants no watch: {error}")),
        }
    }

    /// A folder below lies on a file system that must be polled.
    pub(super) fn must_poll(&mut self, below: &Path, system: &str) {
        if self.settings.watch == WatchMode::Auto && !self.polling {
            let why = format!("{} lies on {system}, whose changes this machine's kernel does not see", below.display());
            self.decided(How::Poll, why);
        }
    }

    fn decided(&mut self, how: How, why: String) {
        self.polling = how == How::Poll;
        let folder = &self.settings.folder;
        let watching = Watching { how, why };
        self.status.send_if_modified(|status| {
            let changed = status.watching != watching;
            if changed {
                tracing::info!(folder = %folder.display(), how = ?watching.how, why = %watching.why, "Watching a folder.");
                status.watching = watching;
            }
            changed
        });
    }
}
