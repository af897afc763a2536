//! Setting what is known of the sources right with what a scan found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use super::LinkEvent;
use super::baseline::Baseline;
use super::disk::{self, Stat};
use super::group::{Files, Found};
use super::outlet::Stopped;
use super::position::Position;
use super::remedy;
use super::scan::{Walk, walk};
use super::source::Source;
use super::worker::Worker;
use crate::config::settings::Backfill;
use crate::driver::SourceName;

/// After so many files a scan says in the log how far it is.
const REPORT_EVERY: usize = 20_000;

/// How long a source is opened at each poll after it changed last: on a share, the size that a folder's listing shows of a file that
/// another machine holds open may be old.
const POLLED_FOR: std::time::Duration = std::time::Duration::from_secs(3600);

impl Worker {
    /// Looks at everything and finds out what is new, gone, renamed or to be read.
    pub(super) fn scan(&mut self, folder: Stat) -> Result<(), Stopped> {
        let first = self.baseline.as_ref().is_none_or(|baseline| baseline.pending && self.was_unmounted());
        let began = Instant::now();
        let mut before = Baseline::empty();
        let (mut found, mut renamed) = (Vec::new(), Vec::new());
        let mut newest_untouched: Option<Found> = None;
        let mut seen = 0usize;
        let answer = {
            let (outlet, baseline, sources) = (&self.outlet, self.baseline.as_ref(), &self.sources);
            let backfill = self.settings.backfill;
            walk(&self.settings.folder, self.layout, &|| !outlet.is_stopped(), &mut |one: Found| {
                seen += 1;
                if seen.is_multiple_of(REPORT_EVERY) {
                    tracing::info!(sources = seen, "Looking at the folder.");
                }
                let size = if first {
                    before.add(&one.name, &one.stat);
                    Some(one.stat.size)
                } else {
                    baseline.and_then(|known| known.size(&one.name))
                };
                if sources.contains_key(&one.name) || is_wanted(backfill, &one.stat) {
                    found.push(one);
                } else if size.is_none() && baseline.is_some_and(|known| known.had(&one.stat)) {
                    renamed.push(one);
                } else if size != Some(one.stat.size) {
                    found.push(one);
                } else if newest_untouched.as_ref().is_none_or(|newest| newest.stat.modified < one.stat.modified) {
                    newest_untouched = Some(one);
                }
            })
        };
        self.walked = began.elapsed();
        let answer = match answer {
            Ok(answer) if answer.stopped => return Err(Stopped),
            Ok(answer) => answer,
            Err(error) => return self.disconnected(format!("the folder cannot be read: {error}"), remedy(&error)),
        };
        if let Some((reason, remedy)) = self.suspicious(&answer, seen, folder) {
            return self.disconnected(reason, Some(remedy));
        }
        self.tell_connected()?;
        if first {
            before.sort();
            tracing::info!(folder = %self.settings.folder.display(), sources = before.len(), "What is there at the first look was there before.");
            self.keep_baseline(before)?;
        } else {
            self.mend_baseline(&renamed)?;
        }
        found.extend(newest_untouched.filter(|_| self.polling).and_then(really_touched));
        self.unreadable(&answer)?;
        if let Some((below, system)) = &answer.remote {
            self.must_poll(below, &system.name);
        }
        self.apply(found, &answer)?;
        self.scanned();
        self.show();
        Ok(())
    }

    /// Whether the folder that was not there at the first start is a share, whose files are as old as they are.
    fn was_unmounted(&self) -> bool {
        let folder = &self.settings.folder;
        disk::is_mount_point(folder).unwrap_or(false) || disk::file_system(folder).is_ok_and(|system| system.remote)
    }

    /// Notes that there was nothing at the first start, or that old sources have new names.
    fn mend_baseline(&mut self, renamed: &[Found]) -> Result<(), Stopped> {
        let Some(mut baseline) = self.baseline.take() else { return Ok(()) };
        if !baseline.pending && renamed.is_empty() {
            self.baseline = Some(baseline);
            return Ok(());
        }
        baseline.pending = false;
        for one in renamed {
            baseline.rename(&one.name, &one.stat);
        }
        self.keep_baseline(baseline)
    }

    /// Whether an empty folder is one whose share is not mounted.
    fn suspicious(&self, answer: &Walk, seen: usize, folder: Stat) -> Option<(String, String)> {
        let read: Vec<&Source> = self.sources.values().filter(|source| source.is_begun()).collect();
        if seen > 0 || read.is_empty() {
            return None;
        }
        let elsewhere = read.iter().all(|source| source.position.stat.device != folder.device);
        (elsewhere || (answer.empty && self.settings.require_mount)).then(|| {
            let reason = format!("there are no results in the folder, and {} were read from it before", read.len());
            (reason, "mount the share; if all results were really removed, go on with a new one".to_owned())
        })
    }

    fn unreadable(&mut self, answer: &Walk) -> Result<(), Stopped> {
        match (answer.unreadable.first(), self.folder_trouble.take()) {
            (Some((path, reason)), before) => {
                let text = format!("cannot read {}: {reason}", self.settings.folder.join(path).display());
                self.folder_trouble = Some(text.clone());
                if before.as_ref() != Some(&text) {
                    let remedy = Some("let the daemon's user read it, or take it out of the folder".to_owned());
                    self.outlet.send(LinkEvent::Trouble { source: None, text, remedy })?;
                }
                Ok(())
            }
            (None, Some(_)) => self.outlet.send(LinkEvent::TroubleOver { source: None }),
            (None, None) => Ok(()),
        }
    }

    fn apply(&mut self, mut found: Vec<Found>, answer: &Walk) -> Result<(), Stopped> {
        let now = Instant::now();
        let first_scan = self.scans == 0;
        self.scans += 1;
        if first_scan {
            tracing::debug!(ignored = answer.ignored, "files that are no results are ignored");
        }
        self.renames(&found)?;
        found.sort_by(|a, b| (a.stat.modified, &a.name).cmp(&(b.stat.modified, &b.name)));
        let newest = found.last().map(|one| one.name.clone());
        for one in found {
            let newest = newest.as_ref() == Some(&one.name);
            self.update(one, newest, first_scan, now);
        }
        self.missing(answer, now)
    }

    fn update(&mut self, one: Found, newest: bool, first_scan: bool, now: Instant) {
        let name = one.name.clone();
        let size = self.baseline.as_ref().and_then(|baseline| baseline.size(&name)).unwrap_or(0);
        let baseline = match one.files {
            // Another archive of the same name is new, whole.
            Files::Zip(_) if size != one.stat.size => 0,
            _ => size,
        };
        let source = self.sources.entry(name.clone()).or_insert_with(|| Source::new(Position::start(), baseline, now));
        source.baseline = baseline;
        source.seen = self.scans;
        source.recheck |= source.missing.take().is_some();
        if first_scan && source.is_begun() && !source.position.ended {
            source.wanted = newest || !source.position.settled;
        }
        let moved = source.moved.is_some_and(|moved| now.duration_since(moved) < POLLED_FOR);
        let polled = self.polling && (newest || moved);
        let polled = polled && !source.position.ended && source.is_begun();
        let members = match &one.files {
            Files::Folder { print, .. } => source.position.members != Some(*print),
            _ => false,
        };
        let wanted = source.wanted && !source.opened;
        let look = source.looked != Some(one.stat) || source.recheck || members || polled || wanted;
        let modified = one.stat.modified;
        source.found = Some(one);
        if look {
            self.backlog.insert((modified, name));
        }
    }

    /// Sources that have another name now, known by their file and its content, keep what is known of them.
    fn renames(&mut self, found: &[Found]) -> Result<(), Stopped> {
        let here: BTreeSet<&str> = found.iter().filter(|one| !self.moved_in(one)).map(|one| &*one.name).collect();
        // Sources that are not where they were, by the file that they were.
        let mut moved: BTreeMap<u64, SourceName> = self
            .sources
            .iter()
            .filter(|(name, source)| source.position.at > 0 && !here.contains(&***name))
            .map(|(name, source)| (source.position.stat.inode, name.clone()))
            .collect();
        let mut new: Vec<&Found> = found.iter().filter(|one| moved.contains_key(&one.stat.inode)).collect();
        loop {
            // A name that another source still has becomes free when that one is renamed itself.
            let free = new.iter().position(|one| !self.sources.contains_key(&one.name));
            let Some(one) = free.map(|index| new.swap_remove(index)) else { return Ok(()) };
            let same = |from: &SourceName| self.sources.get(from).is_some_and(|source| source.is_same(one));
            let Some(from) = moved.get(&one.stat.inode).filter(|from| same(from)).cloned() else { continue };
            moved.remove(&one.stat.inode);
            let Some(mut source) = self.sources.remove(&from) else { continue };
            source.opened = false;
            source.wanted = !source.position.settled && !source.position.ended;
            source.due = None;
            let (to, position) = (one.name.clone(), source.position.to_bytes());
            self.sources.insert(to.clone(), source);
            tracing::info!(%from, %to, "A source was renamed.");
            self.outlet.send(LinkEvent::Renamed { from, to, position })?;
        }
    }

    /// Whether another file than the one that was read has this source's name.
    fn moved_in(&self, one: &Found) -> bool {
        self.sources
            .get(&one.name)
            .is_some_and(|source| source.position.at > 0 && source.position.stat.inode != one.stat.inode)
    }

    /// Sources that the scan did not find: gone when the next one does not find them either.
    fn missing(&mut self, answer: &Walk, now: Instant) -> Result<(), Stopped> {
        let mut gone: Vec<SourceName> = Vec::new();
        let folder = self.settings.folder.clone();
        for (name, source) in &mut self.sources {
            if source.seen == self.scans {
                continue;
            }
            let path = folder.join(super::name::decode(name));
            if answer.unreadable.iter().any(|(below, _)| path.starts_with(folder.join(below))) {
                continue;
            }
            let since = *source.missing.get_or_insert(now);
            // Where another device is now than it was read from, something is not mounted.
            let mounted = || !source.is_begun() || device_at(&path) == Some(source.position.stat.device);
            if now.duration_since(since) >= self.pace.believe && mounted() {
                gone.push(name.clone());
            }
        }
        for name in gone {
            let Some(mut source) = self.sources.remove(&name) else { continue };
            source.trouble_over(&name, &self.outlet)?;
            if source.is_begun() {
                tracing::info!(source = %name, "A source is gone.");
                self.outlet.send(LinkEvent::Gone { source: name })?;
            }
        }
        Ok(())
    }
}

/// A source that looks untouched in the listing, with what its file itself says, if it is not: on a share, a listing can show
/// the old size of a file that the instrument holds open.
fn really_touched(mut one: Found) -> Option<Found> {
    let (Files::Table(path) | Files::Folder { table: path, .. }) = &one.files else { return None };
    let (_, stat) = disk::open(path).ok()?;
    let touched = stat.size != one.stat.size;
    one.stat = stat;
    touched.then_some(one)
}

/// The device of the nearest folder above `path` that is there.
fn device_at(path: &Path) -> Option<u64> {
    path.ancestors()
        .skip(1)
        .find_map(|folder| std::fs::metadata(folder).ok())
        .map(|metadata| Stat::of(&metadata).device)
}

fn is_wanted(backfill: Option<Backfill>, stat: &Stat) -> bool {
    match backfill {
        None => false,
        Some(Backfill::All) => true,
        Some(Backfill::Since(moment)) => i128::from(stat.modified) >= moment.as_nanosecond(),
    }
}
