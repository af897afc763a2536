//! What is asked of the link beside looks: digests, manifests, rest; and what batch files say.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::hashing::{Done, Job};
use super::roots::SAFETY;
use super::watch::{NoWatch, Watches};
use super::worker::Worker;
use super::{SetEvent, manifest};
use crate::driver::set::{Hashed, MemberSeen, SetName};
use crate::link::outlet::Stopped;
use crate::link::place;

impl Worker {
    pub(super) fn hash(&mut self, name: &SetName, members: Vec<MemberSeen>) {
        let Some(set) = self.sets.get_mut(name) else { return };
        let round = set.round.fetch_add(1, Ordering::Relaxed) + 1;
        let (current, parts) = (set.round.clone(), set.parts(&self.roots));
        for member in members {
            let Some(part) = parts.iter().find(|part| part.at == member.at) else { continue };
            let (set, file) = (name.clone(), part.file.clone());
            self.pool.add(Job { set, member, file, round, current: current.clone() });
        }
    }

    pub(super) fn hashed(&mut self, done: Done) -> Result<(), Stopped> {
        let Some(set) = self.sets.get_mut(&done.set).filter(|set| set.opened) else { return Ok(()) };
        if set.round.load(Ordering::Relaxed) != done.round {
            return Ok(());
        }
        match done.result {
            Ok(hashed) => {
                tracing::debug!(set = %done.set, file = %done.file.display(), "a member was read for its digest");
                self.outlet.send(SetEvent::Hashed { set: done.set, hashed })
            }
            Err(error) => {
                // The look finds what changed; where nothing did, the driver asks once more.
                tracing::debug!(set = %done.set, file = %done.file.display(), %error, "no digest yet");
                self.later.insert(done.set, Instant::now() + self.believe);
                Ok(())
            }
        }
    }

    pub(super) fn put_down(&mut self, name: &SetName, members: &[Hashed]) -> Result<(), Stopped> {
        let Some(folder) = &self.settings.manifests else { return Ok(()) };
        match manifest::write(folder, name, members) {
            Ok(path) => {
                tracing::debug!(manifest = %path.display(), "written");
                Ok(())
            }
            Err(error) => {
                let text = format!("cannot write the manifest of {name} into {}: {error}", folder.display());
                let remedy = Some("let the daemon's user write there".to_owned());
                self.outlet.send(SetEvent::Trouble { set: Some(name.clone()), text, remedy })
            }
        }
    }

    pub(super) fn rest(&mut self, name: &SetName, serial: u64) -> Result<(), Stopped> {
        let Some(set) = self.sets.get_mut(name).filter(|set| set.opened && set.serial == serial && !set.wanted) else {
            return Ok(());
        };
        (set.opened, set.live, set.position.resting) = (false, false, true);
        self.open -= 1;
        self.outlet.send(SetEvent::Rested { set: name.clone(), position: set.position.to_bytes() })
    }

    /// Has the kernel tell of changes in the folder of the batch files; where it does not, they are read at each look at the roots.
    pub(super) fn watch_batches(&mut self) {
        let Some(batches) = self.settings.batches.as_ref().filter(|_| self.batch_watch.is_none()) else { return };
        if place::means(self.settings.watch, &batches.folder, SAFETY).0 {
            return;
        }
        let watch = Watches::new(self.ring.clone(), self.lost.clone());
        let watch = watch.map_err(|error| NoWatch::Other(error.to_string()));
        let watch = watch.and_then(|mut watch| watch.add(&batches.folder).map(|()| watch));
        match watch {
            Ok(watch) => self.batch_watch = Some(watch),
            Err(reason) => tracing::debug!(folder = %batches.folder.display(), ?reason, "batch files are polled"),
        }
    }

    /// Reads the batch files that are new; true when there were some, and the open sets were told.
    pub(super) fn read_batches(&mut self) -> Result<bool, Stopped> {
        let Some(batches) = &self.settings.batches else { return Ok(false) };
        if !self.expectations.refresh(batches) {
            return Ok(false);
        }
        let open: Vec<SetName> = self.sets.iter().filter(|(_, set)| set.opened).map(|(name, _)| name.clone()).collect();
        open.iter().try_for_each(|name| self.tell_expectation(name))?;
        Ok(true)
    }

    /// Says how many samples a set will hold, where a batch does.
    pub(super) fn tell_expectation(&self, name: &SetName) -> Result<(), Stopped> {
        let key = name.rsplit('/').next().unwrap_or_default();
        let Some((samples, batch)) = self.expectations.of(key) else { return Ok(()) };
        self.outlet.send(SetEvent::Expected { set: name.clone(), samples, batch: batch.to_owned() })
    }
}
