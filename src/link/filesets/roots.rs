//! The roots: whether they are there, how their changes are found, and what their folders hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use super::away::{Away, Trouble};
use super::look::state;
use super::tree::{DEEPEST, below, list, path_of};
use super::watch::{NoWatch, Watches};
use super::worker::{Wake, Worker};
use super::{How, Root, SetEvent, Watching};
use crate::config::settings::Backfill;
use crate::driver::set::At;
use crate::driver::zenotof::group::{Group, group};
use crate::link::baseline::Baseline;
use crate::link::disk::Stat;
use crate::link::filesets::track::{Tracked, in_folder, name_of};
use crate::link::outlet::Stopped;
use crate::link::place;

/// Between two safety looks at what the kernel watches, in poll intervals.
pub const SAFETY: u32 = 10;

/// After so many files the first look says in the log how far it is.
const REPORT_EVERY: usize = 20_000;

/// A root while the link runs.
#[derive(Debug)]
pub struct RootState {
    /// What the configuration says.
    pub root: Root,
    /// Its folders that were listed.
    pub folders: BTreeMap<String, Folder>,
    /// Its identity while it is there.
    pub device: Option<Stat>,
    /// Whether its changes are polled for.
    pub polling: bool,
    /// Why so.
    pub why: String,
    /// The kernel's watches.
    pub watches: Option<Watches>,
    /// Whether the kernel grants no more watches.
    pub limited: bool,
    /// The latest change of a member in it that was seen, by the clock of the machine that holds it.
    pub newest: i64,
    /// Whether it was looked at before, at this or an earlier start: what it held then is old.
    pub based: bool,
    /// Why it cannot be looked at, where it cannot.
    pub away: Option<Away>,
}

/// A folder that was listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Folder {
    /// The sum over its members.
    pub print: u64,
    /// Whether the kernel tells of its changes.
    pub watched: bool,
    /// The look at which it was seen.
    pub seen: u64,
}

impl RootState {
    /// A root that was not looked at.
    pub fn new(root: Root, based: bool) -> Self {
        Self {
            root,
            based,
            newest: i64::MIN,
            folders: BTreeMap::new(),
            device: None,
            polling: true,
            why: String::new(),
            watches: None,
            limited: false,
            away: None,
        }
    }

    /// Decides by which means changes are found.
    fn choose_means(&mut self, settings: &super::SetsSettings, wakes: &SyncSender<Wake>, lost: &Arc<AtomicBool>) {
        let (poll, why) = place::means(settings.watch, &self.root.folder, SAFETY);
        (self.polling, self.why, self.watches, self.limited) = (poll, why, None, false);
        self.folders.values_mut().for_each(|folder| folder.watched = false);
        if poll {
            return;
        }
        match Watches::new(wakes.clone(), lost.clone()) {
            Ok(watches) => self.watches = Some(watches),
            Err(error) => (self.polling, self.why) = (true, format!("the kernel grants no watch: {error}")),
        }
    }

    /// Has the kernel watch a folder; where it does not, the folder is polled.
    fn watch(&mut self, relative: &str) -> bool {
        let folder = path_of(&self.root.folder, relative);
        let Some(watches) = self.watches.as_mut().filter(|_| !self.limited) else { return false };
        match watches.add(&folder) {
            Ok(()) => true,
            Err(NoWatch::Limit) => {
                self.limited = true;
                tracing::warn!(
                    root = %self.root.folder.display(),
                    folder = %folder.display(),
                    "The kernel grants no more watches: this folder and those listed after it are polled. Raise the limit with \
                     `sysctl fs.inotify.max_user_watches=1048576`, kept in /etc/sysctl.d/."
                );
                false
            }
            Err(NoWatch::Other(reason)) => {
                tracing::warn!(folder = %folder.display(), %reason, "A folder cannot be watched; it is polled.");
                false
            }
        }
    }
}

impl Worker {
    /// Looks at all roots, `whole` or only what is polled.
    pub(super) fn scan(&mut self, whole: bool) -> Result<(), Stopped> {
        let began = Instant::now();
        self.scans += 1;
        let mut trouble = BTreeSet::new();
        for at in 0..self.roots.len() {
            let away = self.scan_root(at, whole, &mut trouble)?.err();
            let root = &mut self.roots[at];
            if away.is_some() {
                (root.device, root.watches) = (None, None);
            }
            root.away = away;
        }
        self.tell_trouble(whole, trouble)?;
        self.tell_away()?;
        if whole && self.roots.iter().all(|root| root.away.is_none()) {
            self.find_missing()?;
        }
        self.walked = began.elapsed();
        self.show_means();
        self.status.send_modify(|status| status.last_scan = Some(jiff::Timestamp::now()));
        Ok(())
    }

    /// Looks at one root, or says why it cannot be looked at. Folders below it that cannot be read are `trouble`.
    fn scan_root(
        &mut self,
        at: usize,
        whole: bool,
        trouble: &mut BTreeSet<Trouble>,
    ) -> Result<Result<(), Away>, Stopped> {
        let root = self.roots[at].root.clone();
        let device = match place::folder_now(&root.folder, self.settings.require_mount) {
            Ok(device) => device,
            Err((reason, remedy)) => return Ok(Err(Away { reason, remedy })),
        };
        let known = &mut self.roots[at];
        let same = known.device.is_some_and(|old| (old.device, old.inode) == (device.device, device.inode));
        if !same {
            known.choose_means(&self.settings, &self.ring, &self.lost);
        }
        if whole && self.is_suspicious(at, device) {
            let reason = "there are no file sets in the folder, and some were found in it before".to_owned();
            let remedy = "mount the share; if all were really removed, go on with a new one".to_owned();
            return Ok(Err(Away { reason, remedy: Some(remedy) }));
        }
        self.roots[at].device = Some(device);
        let (mut folders, mut files) = (vec![(String::new(), 0usize)], 0usize);
        while let Some((relative, depth)) = folders.pop() {
            if self.outlet.is_stopped() {
                return Err(Stopped);
            }
            let folder = self.roots[at].folders.get(&relative).copied();
            if !whole && folder.is_some_and(|folder| folder.watched) {
                // Its sub-folders may be polled.
                let polled = self.roots[at].below(&relative);
                folders.extend(polled.into_iter().map(|name| (name, depth + 1)));
                continue;
            }
            let before = files;
            match self.list_folder(at, &relative) {
                Ok((below, count)) => {
                    files += count;
                    if depth < DEEPEST {
                        folders.extend(below.into_iter().map(|name| (name, depth + 1)));
                    }
                }
                Err(error) if depth == 0 => {
                    let reason = format!("the folder cannot be read: {error}");
                    return Ok(Err(Away { reason, remedy: place::remedy(&error) }));
                }
                // Removed while we looked: its parent's next listing says so.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let text = format!("cannot read {}: {error}", path_of(&root.folder, &relative).display());
                    trouble.insert(Trouble { text, remedy: place::remedy(&error) });
                }
            }
            if self.scans == 1 && before / REPORT_EVERY != files / REPORT_EVERY {
                tracing::info!(root = %root.name, files, folders = self.roots[at].folders.len(), "Looking at what is there.");
            }
        }
        if whole {
            let scans = self.scans;
            let gone: Vec<String> = self.roots[at]
                .folders
                .iter()
                .filter(|(_, folder)| folder.seen != scans)
                .map(|(relative, _)| relative.clone())
                .collect();
            for relative in gone {
                self.roots[at].folders.remove(&relative);
                self.regroup(at, &relative, Vec::new());
            }
        }
        self.first_look_is_over(at)?;
        Ok(Ok(()))
    }

    /// Whether an empty root is one whose share is not mounted.
    fn is_suspicious(&self, at: usize, device: Stat) -> bool {
        let root = &self.roots[at];
        let prefix = format!("{}/", root.root.name);
        let had_sets = self.sets.keys().any(|name| name.starts_with(&prefix));
        let moved = root.device.is_none_or(|old| old.device != device.device);
        let is_empty = || std::fs::read_dir(&root.root.folder).is_ok_and(|mut entries| entries.next().is_none());
        had_sets && (moved || self.settings.require_mount) && is_empty()
    }

    /// Lists a folder and, where it changed, puts its names together. Gives its sub-folders and how many files it holds.
    pub(super) fn list_folder(&mut self, at: usize, relative: &str) -> std::io::Result<(Vec<String>, usize)> {
        let known = self.roots[at].folders.get(relative).copied();
        // Before it is listed, so that nothing comes in between unseen.
        let watched = known.is_some_and(|folder| folder.watched) || self.roots[at].watch(relative);
        let listing = list(&path_of(&self.roots[at].root.folder, relative))?;
        let folder = Folder { print: listing.print, watched, seen: self.scans };
        self.roots[at].folders.insert(relative.to_owned(), folder);
        for (name, reason) in &listing.unreadable {
            tracing::warn!(folder = relative, file = %name, %reason, "A file cannot be looked at.");
        }
        if known.is_none_or(|known| known.print != listing.print) {
            self.regroup(at, relative, group(listing.files));
        }
        let below = listing.folders.iter().map(|name| below(relative, name)).collect();
        Ok((below, listing.count))
    }

    /// What a folder's names say of its sets.
    fn regroup(&mut self, at: usize, folder: &str, groups: Vec<Group<Stat>>) {
        let root = self.roots[at].root.name.clone();
        let mut unseen: BTreeSet<_> = in_folder(&self.sets, &root, folder).cloned().collect();
        for group in groups {
            let name = name_of(&root, folder, &group.stem);
            unseen.remove(&name);
            if !self.roots[at].based {
                self.add_to_baseline(&root, folder, &group);
            }
            let member = |(kind, name, stat): &(_, String, Stat)| {
                (*kind, At { root: root.clone(), path: below(folder, name).into() }, state(stat))
            };
            let members: Vec<_> = group.members.iter().map(member).collect();
            let newest = group.members.iter().map(|(_, _, stat)| stat.modified).max().unwrap_or(i64::MIN);
            self.roots[at].newest = self.roots[at].newest.max(newest);
            if self.claimed(&members) || self.is_copy(&name, &members) {
                continue;
            }
            if !self.sets.contains_key(&name) {
                let backfill = self.is_backfilled(&group);
                if !backfill && (!self.roots[at].based || self.is_old(&root, folder, &group)) {
                    continue;
                }
                self.sets.insert(name.clone(), Tracked::fresh(backfill, &group.stem));
            }
            let Some(tracked) = self.sets.get_mut(&name) else { continue };
            tracked.stem.clone_from(&group.stem);
            tracked.update(&root, folder, members, group.journal);
            let resumed = tracked.looked.is_none() && !tracked.position.resting;
            tracked.live |= self.scans > 1;
            if resumed || !tracked.is_as_known() {
                self.want(&name);
            }
        }
        for name in unseen {
            let Some(tracked) = self.sets.get_mut(&name) else { continue };
            tracked.update(&root, folder, Vec::new(), false);
            if tracked.found.is_empty() {
                tracked.missing.get_or_insert_with(Instant::now);
                self.scan_wanted = true;
            } else if !tracked.is_as_known() {
                self.want(&name);
            }
        }
    }

    /// Whether a set was there before the first start, whole as it is now.
    fn is_old(&self, root: &str, folder: &str, group: &Group<Stat>) -> bool {
        group.members.iter().all(|(_, name, stat)| {
            let path = below(&below(root, folder), name);
            self.baseline.size(&path) == Some(stat.size) || self.baseline.had(stat)
        })
    }

    fn is_backfilled(&self, group: &Group<Stat>) -> bool {
        let newest = group.members.iter().map(|(_, _, stat)| stat.modified).max().unwrap_or(i64::MIN);
        match self.settings.backfill {
            None => false,
            Some(Backfill::All) => true,
            Some(Backfill::Since(moment)) => i128::from(newest) >= moment.as_nanosecond(),
        }
    }

    fn add_to_baseline(&mut self, root: &str, folder: &str, group: &Group<Stat>) {
        for (_, name, stat) in &group.members {
            self.baseline.add(&below(&below(root, folder), name), stat);
        }
    }

    /// What is in a root at the first look is kept as what was there before.
    fn first_look_is_over(&mut self, at: usize) -> Result<(), Stopped> {
        if std::mem::replace(&mut self.roots[at].based, true) {
            return Ok(());
        }
        self.baseline.sort();
        let root = &self.roots[at].root;
        tracing::info!(root = %root.folder.display(), files = self.baseline.len(), "What is there at the first look was there before.");
        self.outlet.send(SetEvent::Baseline(self.baseline_bytes()))
    }

    /// The roots that were looked at, then what they held.
    fn baseline_bytes(&self) -> Vec<u8> {
        self.baseline.to_bytes(&based(&self.roots))
    }

    fn show_means(&self) {
        let polled = self.roots.iter().find(|root| root.polling);
        let limited = self.roots.iter().find(|root| root.limited);
        let watching = match (polled, limited) {
            (Some(root), _) => {
                Watching { how: How::Poll, why: format!("{}: {}", root.root.folder.display(), root.why) }
            }
            (None, Some(root)) => {
                let why = format!(
                    "{}: the kernel grants no more watches, some folders are polled",
                    root.root.folder.display()
                );
                Watching { how: How::Poll, why }
            }
            (None, None) => {
                let why = self.roots.first().map(|root| root.why.clone()).unwrap_or_default();
                Watching { how: How::Notify, why }
            }
        };
        self.status.send_if_modified(|status| {
            let changed = status.watching != watching;
            status.watching = watching;
            changed
        });
    }
}

/// The roots that were looked at, as one path: to keep with what they held.
fn based(roots: &[RootState]) -> std::path::PathBuf {
    let folders = roots.iter().filter(|root| root.based);
    folders.map(|root| format!("{}={}\n", root.root.name, root.root.folder.display())).collect::<String>().into()
}

/// The roots, and what they held at the first look at them; one that was never looked at is to be.
pub fn restored(roots: Vec<Root>, kept: Option<&[u8]>) -> (Vec<RootState>, Baseline) {
    // The set of roots may have changed since: what is kept counts for those that are the same.
    let count = roots.len();
    for keep in (0..1u32 << count.min(10)).rev() {
        let states: Vec<RootState> =
            roots.iter().enumerate().map(|(at, root)| RootState::new(root.clone(), keep >> at & 1 == 1)).collect();
        if let Some(baseline) = kept.and_then(|bytes| Baseline::from_bytes(bytes, &based(&states))) {
            return (states, baseline);
        }
    }
    (roots.into_iter().map(|root| RootState::new(root, false)).collect(), Baseline::empty())
}

impl RootState {
    /// The folders directly below one that was listed.
    fn below(&self, relative: &str) -> Vec<String> {
        let prefix = below(relative, "");
        let prefix = if relative.is_empty() { String::new() } else { prefix };
        self.folders
            .range(prefix.clone()..)
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(&prefix))
            .filter(|name| name.len() > prefix.len() && !name[prefix.len()..].contains('/'))
            .cloned()
            .collect()
    }
}
