//! The link's thread: takes hints, looks at the folder, reads what is new, waits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch as observe;

use super::Outlet;
use super::baseline::Baseline;
use super::disk::Stat;
use super::outlet::Stopped;
use super::position::Position;
use super::source::{Next, Pace, Source};
use super::view::Kept;
use super::watch::{Bell, Wake};
use super::{LinkStatus, Start, group, name};
use crate::config::settings::{FilesSettings, WatchMode};
use crate::driver::{FolderLayout, SourceName};

/// The longest time that something must stand unchanged to be believed: a deletion, a shorter file.
const LONGEST_BELIEF: Duration = Duration::from_secs(1);

/// So long after it was read a table stays open, one of a link at a time: one that grows is not opened anew for each row.
const KEEP: Duration = Duration::from_secs(1);

/// While there is no pause, the status is brought up to date once in so many turns.
const SHOW_EVERY: u32 = 512;

/// One in so many turns goes to the oldest source that waits, whatever the hints say.
const FAIR: u32 = 8;

/// From so many sources that wait to be read on, the log says how far it is.
const REPORTED_BACKLOG: usize = 1000;

/// The link's thread.
pub struct Worker {
    pub(super) settings: FilesSettings,
    pub(super) layout: FolderLayout,
    pub(super) pace: Pace,
    pub(super) outlet: Outlet,
    wakes: Receiver<Wake>,
    pub(super) bell: Bell,
    pub(super) status: observe::Sender<LinkStatus>,
    pub(super) baseline: Option<Baseline>,
    /// The folder's identity while it is connected.
    pub(super) folder: Option<Stat>,
    /// Whether it was told last that the folder can be read, or that it cannot.
    pub(super) told: Option<bool>,
    pub(super) watcher: Option<(Stat, notify::RecommendedWatcher)>,
    pub(super) sources: BTreeMap<SourceName, Source>,
    /// Sources with something to read, by the time of their last change: the oldest first.
    pub(super) backlog: BTreeSet<(i64, SourceName)>,
    /// Sources that a hint named: before all others.
    pub(super) urgent: VecDeque<SourceName>,
    agenda: BinaryHeap<Reverse<(Instant, SourceName)>>,
    pub(super) next_scan: Instant,
    pub(super) scan_wanted: bool,
    pub(super) not_before: Instant,
    pub(super) scans: u64,
    turns: u32,
    /// How long the last scan took.
    pub(super) walked: Duration,
    pub(super) polling: bool,
    pub(super) folder_trouble: Option<String>,
    /// Sources that could not be read.
    troubled: BTreeSet<SourceName>,
    /// The table that stays open, and until when.
    kept: Option<(SourceName, Kept, Instant)>,
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
                    tracing::warn!(source = %known.source, "A source's position cannot be read; it is read again from its start.");
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
            layout: start.layout,
            outlet,
            wakes,
            bell,
            status,
            baseline,
            folder: None,
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
            turns: 0,
            walked: Duration::ZERO,
            polling: true,
            folder_trouble: None,
            troubled: BTreeSet::new(),
            kept: None,
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
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(SHOW_EVERY) {
            self.show();
        }
        match self.choose() {
            Some(name) => self.step(&name),
            None => {
                self.show();
                self.set_busy(false);
                self.wait()
            }
        }
    }

    /// The source that is read next: one that a hint named, or the oldest that waits. Now and then the other way round, so that
    /// a source that is named again and again does not keep others from being read.
    fn choose(&mut self) -> Option<SourceName> {
        if self.turns.is_multiple_of(FAIR) {
            self.backlog.pop_first().map(|(_, name)| name).or_else(|| self.urgent.pop_front())
        } else {
            self.urgent.pop_front().or_else(|| self.backlog.pop_first().map(|(_, name)| name))
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
        if let Some((_, _, kept)) = &self.kept {
            until = until.min(*kept);
        }
        let waited = self.wakes.recv_timeout(until.saturating_duration_since(Instant::now()));
        self.kept.take_if(|(_, _, kept)| *kept <= Instant::now());
        match waited {
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
        let mut kept = self.kept.take().filter(|(other, ..)| other == name).map(|(_, kept, _)| kept);
        let next = source.step(name, &self.outlet, self.pace, &mut kept)?;
        // On a share an open file can stand in the way of whoever writes it elsewhere. Only what the link chose by itself says that there is
        // none: it may be told not to poll one.
        let is_local = self.settings.watch == WatchMode::Auto && !self.polling;
        self.kept = kept.filter(|_| is_local).map(|kept| (name.clone(), kept, Instant::now() + KEEP));
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
            // What is not where it was is looked for; a source that stays away is the scan's to judge.
            Next::Scan => {
                source.recheck = true;
                self.scan_wanted = true;
            }
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
        if backlog >= REPORTED_BACKLOG {
            tracing::info!(backlog, sources, "Reading what is there.");
        }
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
        self.show();
        self.status.send_modify(|status| {
            status.last_scan = Some(Timestamp::now());
            let backlog = status.backlog;
            status.first_backlog.get_or_insert(backlog);
        });
    }
}
