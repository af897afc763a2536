//! The link's thread: takes hints, looks at the folder, reads what is new, waits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch as observe;

use super::baseline::Baseline;
use super::disk::{self, Stat};
use super::outlet::{Outlet, Stopped};
use super::position::Position;
use super::source::{Next, Pace, Source, remedy};
use super::watch::{self, Bell, Wake};
use super::{FolderState, How, LinkEvent, LinkStatus, Start, Watching, group, name};
use crate::config::settings::{FilesSettings, WatchMode};
use crate::driver::SourceName;

/// The longest time that something must stand unchanged to be believed: a deletion, a shorter file.
const LONGEST_BELIEF: Duration = Duration::from_secs(1);

/// Between two safety scans when the kernel tells of changes, in poll intervals.
const SAFETY: u32 = 10;

/// A scan is not begun sooner after the last one than this many times what that one took: a folder with very many files
/// must not keep a processor busy. After a hint there is something to find; a poll may cost 5 % of a processor, a
/// safety scan 0.3 %.
const REST: u32 = 4;
const POLL_REST: u32 = 20;
const SAFETY_REST: u32 = 300;

/// The link's thread.
pub struct Worker {
    pub(super) settings: FilesSettings,
    pub(super) pace: Pace,
    pub(super) outlet: Outlet,
    wakes: Receiver<Wake>,
    bell: Bell,
    status: observe::Sender<LinkStatus>,
    pub(super) baseline: Option<Baseline>,
    /// The folder's identity while it is connected.
    pub(super) folder: Option<Stat>,
    /// The last folder that was connected.
    pub(super) last_folder: Option<Stat>,
    told: Option<bool>,
    watcher: Option<(Stat, notify::RecommendedWatcher)>,
    pub(super) sources: BTreeMap<SourceName, Source>,
    /// Sources with something to read, by the time of their last change: the oldest first.
    pub(super) backlog: BTreeSet<(i64, SourceName)>,
    /// Sources that a hint named: before all others.
    pub(super) urgent: VecDeque<SourceName>,
    agenda: BinaryHeap<Reverse<(Instant, SourceName)>>,
    pub(super) next_scan: Instant,
    pub(super) scan_wanted: bool,
    not_before: Instant,
    pub(super) scans: u64,
    /// How long the last scan took.
    pub(super) walked: Duration,
    pub(super) polling: bool,
    pub(super) folder_trouble: Option<String>,
    /// Sources that could not be read.
    troubled: BTreeSet<SourceName>,
}

impl Worker {
    /// From what is known; nothing is looked at yet.
    pub fn new(
        start: Start,
        outlet: Outlet,
        wakes: Receiver<Wake>,
        bell: Bell,
        status: observe::Sender<LinkStatus>,
    ) -> Self {
        let now = Instant::now();
        let baseline = start.baseline.as_deref().and_then(|bytes| Baseline::from_bytes(bytes, &start.settings.folder));
        let size = |name: &str| baseline.as_ref().and_then(|baseline| baseline.size(name)).unwrap_or(0);
        let sources = start
            .known
            .into_iter()
            .map(|known| {
                let position = Position::from_bytes(&known.position).unwrap_or_else(|| {
                    tracing::warn!(source = %known.source, "its position cannot be read; it is read again from its start");
                    Position::start()
                });
                let baseline = size(&known.source);
(known.source, Source::new(position, baseline, now))
            })
            .collect();
        let believe = start.settings.poll_interval.min(LONGEST_BELIEF);
        Self {
            pace: Pace { settle: start.settle, believe },
            settings: start.settings,
            outlet,
            wakes,
            bell,
            status,
            baseline,
            folder: None,
            last_folder: None,
            told: None,
            watcher: None,
            sources,
            backlog: BTreeSet::new(),
            urgent: VecDeque::new(),
            agenda: BinaryHeap::new(),
            next_scan: now,
            scan_wanted: true,
            not_before: now,
            scans: 0,
            walked: Duration::ZERO,
            polling: true,
            folder_trouble: None,
            troubled: BTreeSet::new(),
        }
    }

    /// Runs until the link is to stop.
    pub fn run(mut self) {
        while self.turn().is_ok() {}
    }

    /// One turn: hints, the folder when it is due, what is due of sources, one step of one source; or a wait.
    fn turn(&mut self) -> Result<(), Stopped> {
        self.set_busy(true);
        while let Ok(wake) = self.wakes.try_recv() {
            self.take(wake)?;
        }
        if self.outlet.is_stopped() {
            return Err(Stopped);
        }
        self.scan_wanted |= self.bell.take_lost();
        let now = Instant::now();
        if (self.scan_wanted && now >= self.not_before) || now >= self.next_scan {
            self.look_at_folder()?;
        }
        self.attend();
        match self.urgent.pop_front().or_else(|| self.backlog.pop_first().map(|(_, name)| name)) {
            Some(name) => self.step(&name),
            None => {
                self.show();
                self.set_busy(false);
                self.wait()
            }
        }
    }

    fn wait(&mut self) -> Result<(), Stopped> {
        let mut until = self.next_scan;
        if self.scan_wanted {
            until = until.min(self.not_before);
        }
        if let Some(Reverse((when, _))) = self.agenda.peek() {
            until = until.min(*when);
        }
        match self.wakes.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(wake) => self.take(wake),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        }
    }

    fn take(&mut self, wake: Wake) -> Result<(), Stopped> {
        match wake {
            Wake::Stop => return Err(Stopped),
            Wake::Rescan => self.scan_wanted = true,
            Wake::Changed(path) => match self.source_of(&path) {
                Some(name) => self.hurry(name),
                None => self.scan_wanted = true,
            },
            Wake::Reread(name) => match self.sources.get_mut(&name) {
                Some(source) => {
                    source.restart();
                    self.hurry(name);
                }
                None => tracing::debug!(source = %name, "cannot be read again: it is not there any more"),
            },
        }
        Ok(())
    }

    fn hurry(&mut self, name: SourceName) {
        if !self.urgent.contains(&name) {
            self.urgent.push_back(name);
        }
    }

    /// The source that a changed file is the table of, when it is followed.
    fn source_of(&self, path: &Path) -> Option<SourceName> {
        let relative = path.strip_prefix(&self.settings.folder).ok()?;
        let file = relative.file_name()?;
        let followed = |relative: &Path| {
            let (name, source) = self.sources.get_key_value(&name::encode(relative))?;
            source.found.is_some().then(|| name.clone())
        };
        if file.to_str().and_then(group::part_number).is_some() {
            return followed(&relative.with_file_name("header.csv"));
        }
        followed(relative).or_else(|| group::is_table(file).then(|| followed(&relative.with_extension("")))?)
    }

    fn step(&mut self, name: &SourceName) -> Result<(), Stopped> {
        let Some(source) = self.sources.get_mut(name) else { return Ok(()) };
        if self.folder.is_none() || source.missing.is_some() {
            return Ok(());
        }
        let next = source.step(name, &self.outlet, self.pace)?;
        if source.trouble.is_some() {
            self.troubled.insert(name.clone());
        } else if !self.troubled.is_empty() {
            self.troubled.remove(name);
        }
        match next {
            Next::More => {
                let modified = source.found.as_ref().map_or(0, |found| found.stat.modified);
                self.backlog.insert((modified, name.clone()));
            }
            Next::Done => {}
            Next::Later(when) => source.again = Some(when),
            // What is not where it was is looked for once; a source that stays away is the scan's to judge.
            Next::Scan => self.scan_wanted = true,
        }
        self.plan(name);
        Ok(())
    }

    /// Puts the next moment at which a source needs attention into the agenda.
    pub(super) fn plan(&mut self, name: &SourceName) {
        let Some(source) = self.sources.get_mut(name) else { return };
        let next = [source.again, source.settles_at(self.pace.settle)].into_iter().flatten().min();
        // While the moment only moves away, as with each append, the entry stays; it is planned anew when it comes up.
        if let Some(next) = next
            && source.due.is_none_or(|due| next < due)
        {
            source.due = Some(next);
            self.agenda.push(Reverse((next, name.clone())));
        }
    }

    fn attend(&mut self) {
        while let Some(Reverse((when, _))) = self.agenda.peek()
            && *when <= Instant::now()
        {
            let Some(Reverse((when, name))) = self.agenda.pop() else { break };
            let Some(source) = self.sources.get_mut(&name) else { continue };
            if source.due != Some(when) {
                continue;
            }
            source.due = None;
            // While nobody can look, nothing is due; all is planned anew at the reconnection.
            if self.folder.is_none() {
                continue;
            }
            let again = source.again.is_some_and(|again| again <= when);
            let settles = source.settles_at(self.pace.settle).is_some_and(|at| at <= Instant::now());
            if again {
                source.again = None;
            }
            source.settling |= settles;
            if again || settles {
                // The step plans what is next.
                self.hurry(name);
            } else {
                self.plan(&name);
            }
        }
    }

    fn look_at_folder(&mut self) -> Result<(), Stopped> {
        let began = Instant::now();
        let hinted = std::mem::take(&mut self.scan_wanted);
        self.walked = Duration::ZERO;
        match self.folder_now() {
            Ok(folder) => {
                self.connected(folder)?;
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
            Some(_) if hinted => (interval, REST),
            Some(_) => (interval * SAFETY, SAFETY_REST),
        };
        self.not_before = now + self.walked * REST;
        self.next_scan = (began + interval).max(now + self.walked * rest);
        let missing = self.sources.values().filter_map(|source| source.missing).min();
        if let Some(missing) = missing.filter(|_| self.folder.is_some()) {
            self.next_scan = self.next_scan.min((missing + self.pace.believe).max(self.not_before));
        }
        Ok(())
    }

    /// Whether the folder is there and is what it should be.
    fn folder_now(&self) -> Result<Stat, (String, Option<String>)> {
        let folder = &self.settings.folder;
        let metadata = std::fs::metadata(folder).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ("the folder does not exist".to_owned(), remedy(&error)),
            _ => (format!("the folder cannot be read: {error}"), remedy(&error)),
        })?;
        if !metadata.is_dir() {
            return Err(("it is not a folder".to_owned(), Some("let `folder` name a folder".to_owned())));
        }
        if self.settings.require_mount && !disk::is_mount_point(folder).unwrap_or(false) {
            let remedy = "mount the share there, or set `require_mount = false` if the folder is a local one";
            return Err(("not mounted".to_owned(), Some(remedy.to_owned())));
        }
        Ok(Stat::of(&metadata))
    }

    fn connected(&mut self, folder: Stat) -> Result<(), Stopped> {
        let same = self.folder.is_some_and(|old| (old.device, old.inode) == (folder.device, folder.inode));
        if !same || (!self.polling && self.watcher.is_none()) {
            self.choose_means(folder);
        }
        self.folder = Some(folder);
        self.last_folder = Some(folder);
        Ok(())
    }

    /// Tells that the folder can be read, unless that was told last.
    pub(super) fn tell_connected(&mut self) -> Result<(), Stopped> {
        if self.told == Some(true) {
            return Ok(());
        }
        self.told = Some(true);
        let now = Instant::now();
        // Silence while nobody could look does not count.
        self.sources.values_mut().for_each(|source| source.quiet_since = source.quiet_since.max(now));
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
        tracing::warn!(folder = %self.settings.folder.display(), reason, "the folder cannot be looked at");
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
        let (poll, why) = match (self.settings.watch, disk::file_system(&path)) {
            (WatchMode::Poll, _) => (true, "as configured".to_owned()),
            (WatchMode::Notify, _) => (false, "as configured".to_owned()),
            (WatchMode::Auto, Ok(system)) if system.remote => {
                (true, format!("the folder lies on {}, whose changes this machine's kernel does not see", system.name))
            }
            (WatchMode::Auto, Ok(system)) => {
                (false, format!("the folder lies on a local file system ({})", system.name))
            }
            (WatchMode::Auto, Err(error)) => (true, format!("the file system's type cannot be found out: {error}")),
        };
        if poll {
            return self.decided(How::Poll, why);
        }
        match watch::watch(&path, self.bell.clone()) {
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
        tracing::info!(folder = %self.settings.folder.display(), ?how, why, "watching");
        self.polling = how == How::Poll;
        self.status.send_modify(|status| status.watching = Watching { how, why });
    }

    /// Notes since when the thread has something to do; whoever looks at the status sees when it hangs.
    fn set_busy(&self, busy: bool) {
        self.status.send_if_modified(|status| {
            if busy != status.busy_since.is_some() {
                status.busy_since = busy.then(Timestamp::now);
            }
            false
        });
    }

    /// Shows what is going on.
    pub(super) fn show(&mut self) {
        let (sources, backlog) = (self.sources.len(), self.backlog.len() + self.urgent.len());
        let baseline = self.baseline.as_ref().map_or(0, Baseline::len);
        let trouble = self
            .folder_trouble
            .clone()
            .or_else(|| self.troubled.iter().find_map(|name| self.sources.get(name)?.trouble.clone()));
        self.status.send_if_modified(|status| {
            let new = LinkStatus { sources, backlog, baseline, trouble, ..status.clone() };
            let changed = *status != new;
            *status = new;
            changed
        });
    }

    /// A whole look at the folder ended.
    pub(super) fn scanned(&mut self) {
        self.status.send_modify(|status| status.last_scan = Some(Timestamp::now()));
    }
}
