//! The link's thread: takes hints and requests, looks at folders and sets, waits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch as observe;

use super::away::Told;
use super::batches::Expectations;
use super::digests::Throttle;
use super::hashing::{Done, Pool};
use super::position::Position;
use super::roots::{RootState, SAFETY, restored};
use super::track::{Copied, Tracked, folder_of, name_of};
use super::tree::{below, path_of};
use super::watch::Watches;
use super::{SetEvent, SetsSettings, Start};
use crate::driver::set::{Hashed, MemberSeen, SetName};
use crate::driver::zenotof::group::{Name, classify};
use crate::link::baseline::Baseline;
use crate::link::files::LinkStatus;
use crate::link::outlet::{Outlet, Stopped};

/// The longest time that something must stand unchanged to be believed: that a set is gone.
const LONGEST_BELIEF: Duration = Duration::from_secs(1);

/// Between two looks at one set: what is being written changes all the time.
const PACE: Duration = Duration::from_millis(200);

/// After something could not be read.
const AGAIN: Duration = Duration::from_secs(5);

/// Sets that are open at a time. What was there already waits for its turn, what changes now does not.
const ACTIVE: usize = 64;

/// A look at everything is not begun sooner after the last one than so many times what that one took.
const REST: u32 = 4;
const POLL_REST: u32 = 20;

/// From so many sets that wait on, the log says how far it is.
const REPORTED_BACKLOG: usize = 1000;

/// A batch file is read when nothing happened in its folder for so long: half of it would want too few samples.
const BATCH_REST: Duration = Duration::from_millis(500);

/// What wakes the thread.
#[derive(Debug)]
pub enum Wake {
    /// A file's content changed.
    Changed(PathBuf),
    /// Something came, went or was renamed in a folder.
    Listed(PathBuf),
    /// Anything may have changed.
    Rescan,
    /// Say how a set stands.
    Look(SetName),
    /// Read members for their digests.
    Hash(SetName, Vec<MemberSeen>),
    /// A member was read.
    Hashed(Box<Done>),
    /// Put digests down.
    Manifest(SetName, Vec<Hashed>),
    /// Close a set, unless it was looked at since.
    Rest(SetName, u64),
    /// Open a set anew.
    Reread(SetName),
    /// Stop.
    Stop,
}

/// The link's thread.
pub struct Worker {
    pub(super) settings: SetsSettings,
    pub(super) outlet: Outlet<SetEvent>,
    pub(super) ring: SyncSender<Wake>,
    wakes: Receiver<Wake>,
    pub(super) lost: Arc<AtomicBool>,
    pub(super) status: observe::Sender<LinkStatus>,
    pub(super) roots: Vec<RootState>,
    pub(super) baseline: Baseline,
    pub(super) sets: BTreeMap<SetName, Tracked>,
    /// Copies of known sets, by the name of their place.
    pub(super) copies: BTreeMap<SetName, Copied>,
    /// Sets by who they are, those that are known.
    pub(super) by_identity: BTreeMap<String, SetName>,
    /// Sets by their files, those that are known.
    pub(super) by_file: BTreeMap<u64, SetName>,
    /// Sets whose members are in several folders: some have moved.
    pub(super) scattered: BTreeSet<SetName>,
    /// How many sets the driver has open.
    pub(super) open: usize,
    /// Sets to look at: what changes now before what was there, then the oldest.
    queue: BTreeSet<(bool, i64, SetName)>,
    /// Sets to look at a little later.
    pub(super) later: BTreeMap<SetName, Instant>,
    /// Folders whose listing changed.
    dirty: BTreeSet<(usize, String)>,
    pub(super) pool: Pool,
    pub(super) expectations: Expectations,
    /// The kernel's watch on their folder.
    pub(super) batch_watch: Option<Watches>,
    /// When the batch files are read after something happened in their folder.
    batches_due: Option<Instant>,
    pub(super) told: Told,
    pub(super) scans: u64,
    pub(super) scan_wanted: bool,
    pub(super) walked: Duration,
    pub(super) believe: Duration,
    next_scan: Instant,
    next_whole: Instant,
    not_before: Instant,
}

impl Worker {
    /// From what is known; nothing is looked at yet.
    pub fn new(
        start: Start,
        outlet: Outlet<SetEvent>,
        (ring, wakes): (SyncSender<Wake>, Receiver<Wake>),
        status: observe::Sender<LinkStatus>,
    ) -> Self {
        let Start { settings, known, baseline } = start;
        let (roots, baseline) = restored(settings.roots.clone(), baseline.as_deref());
        let (mut by_identity, mut by_file) = (BTreeMap::new(), BTreeMap::new());
        let (mut sets, mut scattered) = (BTreeMap::new(), BTreeSet::new());
        for known in known {
            let Some(position) = Position::from_bytes(&known.position) else {
                tracing::warn!(set = %known.source, "A set's position cannot be read; it is looked at anew.");
                continue;
            };
            if let Some(identity) = &position.identity {
                by_identity.insert(identity.clone(), known.source.clone());
            }
            by_file.extend(position.members.iter().map(|(.., state)| (state.file, known.source.clone())));
            let stem = known.source.rsplit('/').next().unwrap_or_default().to_owned();
            let mut set = Tracked::new(position, &stem);
            // Members in other folders stay its own; those in its own folder are found by listing it.
            set.found.clone_from(&set.position.members);
            if set.is_scattered() {
                scattered.insert(known.source.clone());
            } else {
                set.found.clear();
            }
            sets.insert(known.source, set);
        }
        let pool = Pool::new(settings.hash_parallel, Throttle::new(settings.hash_rate), &ring);
        let now = Instant::now();
        Self {
            believe: settings.poll_interval.min(LONGEST_BELIEF),
            settings,
            outlet,
            ring,
            wakes,
            lost: Arc::default(),
            status,
            roots,
            baseline,
            sets,
            copies: BTreeMap::new(),
            by_identity,
            by_file,
            scattered,
            open: 0,
            queue: BTreeSet::new(),
            later: BTreeMap::new(),
            dirty: BTreeSet::new(),
            pool,
            expectations: Expectations::default(),
            batch_watch: None,
            batches_due: None,
            told: Told::default(),
            scans: 0,
            scan_wanted: true,
            walked: Duration::ZERO,
            next_scan: now,
            next_whole: now,
            not_before: now,
        }
    }

    /// Runs until the link is to stop.
    pub fn run(mut self) {
        while self.turn().is_ok() {}
    }

    /// One turn: what came, the folders when they are due, one look at one set; or a wait.
    fn turn(&mut self) -> Result<(), Stopped> {
        self.set_busy(true);
        while let Ok(wake) = self.wakes.try_recv() {
            self.take(wake)?;
        }
        if self.outlet.is_stopped() {
            return Err(Stopped);
        }
        self.scan_wanted |= self.lost.swap(false, Ordering::AcqRel);
        let now = Instant::now();
        let whole = now >= self.next_whole || self.scan_wanted;
        if now >= self.not_before && (now >= self.next_scan || self.scan_wanted) {
            self.scan_now(whole)?;
        } else if now >= self.not_before {
            self.list_dirty();
        }
        let due: Vec<SetName> = self.later.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
        for name in due {
            self.later.remove(&name);
            self.want(&name);
        }
        if self.batches_due.is_some_and(|at| at <= now) {
            self.batches_due = None;
            self.read_batches()?;
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

    fn scan_now(&mut self, whole: bool) -> Result<(), Stopped> {
        let began = Instant::now();
        self.scan_wanted = false;
        self.dirty.clear();
        self.scan(whole)?;
        self.watch_batches();
        self.read_batches()?;
        let now = Instant::now();
        let interval = self.settings.poll_interval;
        self.not_before = now + self.walked * REST;
        self.next_scan = (began + interval).max(now + self.walked * POLL_REST);
        let polls = self.roots.iter().any(|root| root.polling || root.device.is_none());
        if whole {
            let until = if polls { interval } else { interval * SAFETY };
            self.next_whole = (began + until).max(now + self.walked * POLL_REST);
        }
        // What is missing since this look is looked for once more before it counts as gone.
        if self.sets.values().any(|set| set.missing.is_some()) {
            self.next_scan = (now + self.believe).max(self.not_before);
            self.next_whole = self.next_scan;
        }
        self.poll_open();
        self.show();
        let backlog = self.queue.len();
        self.status.send_modify(|status| {
            status.first_backlog.get_or_insert(backlog);
        });
        Ok(())
    }

    /// Where changes are polled for, the size that a listing shows of a file that another machine holds open may be old: open sets
    /// are asked themselves.
    fn poll_open(&mut self) {
        let polling = self.roots.iter().any(|root| root.polling);
        let open: Vec<SetName> =
            self.sets.iter().filter(|(_, set)| polling && set.opened).map(|(name, _)| name.clone()).collect();
        for name in open {
            let Some(set) = self.sets.get(&name) else { continue };
            let differs = set.parts(&self.roots).iter().any(|part| {
                let now = crate::link::disk::open(&part.file).map(|(_, stat)| super::look::state(&stat)).ok();
                now != set.position.member(part.kind).map(|(.., state)| *state)
            });
            if differs {
                self.want(&name);
            }
        }
    }

    fn list_dirty(&mut self) {
        let began = Instant::now();
        for (at, relative) in std::mem::take(&mut self.dirty) {
            let Some(root) = self.roots.get(at).filter(|root| root.device.is_some()) else { continue };
            let known = root.folders.contains_key(&relative);
            match self.list_folder(at, &relative) {
                // A new folder may hold others already, and came before it was watched.
                Ok((folders, _)) => {
                    let new = |name: &&String| !self.roots[at].folders.contains_key(*name);
                    let new: Vec<String> = folders.iter().filter(new).cloned().collect();
                    self.dirty.extend(new.into_iter().map(|name| (at, name)));
                    if !known {
                        self.dirty.insert((at, relative));
                    }
                }
                Err(_) => self.scan_wanted = true,
            }
        }
        self.not_before = self.not_before.max(Instant::now() + began.elapsed() * REST);
    }

    fn wait(&mut self) -> Result<(), Stopped> {
        let mut until = self.next_scan;
        if self.scan_wanted || !self.dirty.is_empty() {
            until = until.min(self.not_before);
        }
        for at in self.later.values().chain(&self.batches_due) {
            until = until.min(*at);
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
            Wake::Changed(path) => self.changed(&path),
            Wake::Listed(folder) => {
                if self.settings.batches.as_ref().is_some_and(|batches| batches.folder == folder) {
                    self.batches_due = Some(Instant::now() + BATCH_REST);
                }
                if let Some(place) = self.place_of(&folder) {
                    self.dirty.insert(place);
                }
            }
            Wake::Look(name) => {
                if let Some(set) = self.sets.get_mut(&name).filter(|set| set.opened) {
                    set.looked = None;
                    self.want(&name);
                }
            }
            Wake::Hash(name, members) => self.hash(&name, members),
            Wake::Hashed(done) => return self.hashed(*done),
            Wake::Manifest(name, members) => self.put_down(&name, &members)?,
            Wake::Rest(name, serial) => return self.rest(&name, serial),
            Wake::Reread(name) => {
                if let Some(set) = self.sets.get_mut(&name) {
                    let (backfill, stem) = (set.position.backfill, set.stem.clone());
                    let found = std::mem::take(&mut set.found);
                    self.open -= usize::from(set.opened);
                    *set = Tracked { found, ..Tracked::fresh(backfill, &stem) };
                    self.want(&name);
                }
            }
        }
        Ok(())
    }

    /// A file's content changed: its set is looked at, or its folder is listed where the set is not followed.
    fn changed(&mut self, path: &Path) {
        let Some(folder) = path.parent() else { return };
        let Some((at, relative)) = self.place_of(folder) else { return };
        let stem = match path.file_name().and_then(|name| name.to_str()).map(classify) {
            Some(Name::Member(_, stem)) => stem,
            _ => return,
        };
        let name = name_of(&self.roots[at].root.name, &relative, stem);
        match self.sets.get_mut(&name) {
            Some(set) if set.opened => {
                set.live = true;
                self.want(&name);
            }
            _ => drop(self.dirty.insert((at, relative))),
        }
    }

    /// The root and the relative path of a folder.
    fn place_of(&self, folder: &Path) -> Option<(usize, String)> {
        self.roots.iter().enumerate().find_map(|(at, root)| {
            let relative = folder.strip_prefix(&root.root.folder).ok()?;
            let parts = relative.components().map(|part| part.as_os_str().to_str());
            Some((at, parts.collect::<Option<Vec<_>>>()?.join("/")))
        })
    }

    /// Puts a set where it is looked at in its turn.
    pub(super) fn want(&mut self, name: &SetName) {
        let Some(set) = self.sets.get_mut(name) else { return };
        set.wanted = true;
        self.queue.insert((!(set.live || set.opened), set.modified(), name.clone()));
    }

    /// The set that is looked at next.
    fn choose(&mut self) -> Option<SetName> {
        let next = self.queue.first()?.clone();
        if next.0 && self.open >= ACTIVE {
            return None;
        }
        self.queue.remove(&next);
        let (_, _, name) = next;
        let now = Instant::now();
        let soon = self.sets.get(&name).and_then(|set| set.looked).map(|looked| looked + PACE).filter(|at| *at > now);
        if let Some(at) = soon {
            self.later.insert(name, at);
            return self.choose();
        }
        Some(name)
    }

    /// Tries again a little later.
    pub(super) fn again(&mut self, name: &SetName) {
        self.later.insert(name.clone(), Instant::now() + AGAIN);
    }

    /// Whether a file is where a known set had it.
    pub(super) fn is_there(&self, at: &crate::driver::set::At) -> bool {
        let root = self.roots.iter().find(|root| root.root.name == at.root);
        // Where the root cannot be looked at, nothing is gone.
        root.is_some_and(|root| root.device.is_none() || path_of(&root.root.folder, &at.path).exists())
    }

    /// Has the folder of a set be put together anew at the next look.
    pub(super) fn forget_folder(&mut self, name: &SetName) {
        let Some((root, rest)) = name.split_once('/') else { return };
        let relative = folder_of(rest);
        for (at, state) in self.roots.iter_mut().enumerate() {
            if &*state.root.name == root
                && let Some(folder) = state.folders.get_mut(relative)
            {
                folder.print = folder.print.wrapping_add(1);
                self.dirty.insert((at, below(relative, "").trim_end_matches('/').to_owned()));
            }
        }
    }

    fn set_busy(&self, busy: bool) {
        self.status.send_if_modified(|status| {
            if busy != status.busy_since.is_some() {
                status.busy_since = busy.then(Timestamp::now);
            }
            false
        });
    }

    fn show(&self) {
        let (sources, backlog) = (self.sets.len(), self.queue.len());
        if backlog >= REPORTED_BACKLOG {
            tracing::info!(backlog, sets = sources, "Looking at sets.");
        }
        let trouble = self.sets.values().find_map(|set| set.trouble.clone()).or_else(|| self.told.trouble());
        let baseline = self.baseline.len();
        self.status.send_if_modified(|status| {
            let new = LinkStatus { sources, backlog, baseline, trouble, ..status.clone() };
            let changed = *status != new;
            *status = new;
            changed
        });
    }
}
