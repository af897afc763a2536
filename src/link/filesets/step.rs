//! One look at one set: who it is, whether it is a known one that moved, and what is said of it.

use std::collections::BTreeSet;
use std::time::Instant;

use super::SetEvent;
use super::adopt::{FoundMember, Whose, whose};
use super::look::look;
use super::track::{Copied, Tracked, folder_of};
use super::tree::below;
use super::worker::Worker;
use crate::driver::set::{Observation, SetName};
use crate::driver::zenotof::group::{Name, classify};
use crate::driver::zenotof::identity;
use crate::event::Ingest;
use crate::link::outlet::Stopped;
use crate::link::place::remedy;
use crate::profile::zenotof::Member;

impl Worker {
    /// Looks at a set and says how it stands.
    pub(super) fn step(&mut self, name: &SetName) -> Result<(), Stopped> {
        let Some(set) = self.sets.get_mut(name) else { return Ok(()) };
        (set.wanted, set.looked) = (false, Some(Instant::now()));
        let parts = set.parts(&self.roots);
        let is_away = |part: &&super::look::Part| {
            self.roots.iter().any(|root| root.root.name == part.at.root && root.device.is_none())
        };
        // While nobody can look nothing is said; everything open is looked at when the root is back.
        if parts.is_empty() || parts.iter().any(|part| is_away(&part)) {
            return Ok(());
        }
        let base = parts.iter().find_map(|part| {
            let root = self.roots.iter().find(|root| root.root.name == part.at.root)?;
            root.root.base.clone()
        });
        let newest = self.roots.iter().map(|root| root.newest).max().unwrap_or(i64::MIN);
        let behind = newest.saturating_sub(set.modified());
        let behind_s = (set.position.backfill && !set.live).then(|| u64::try_from(behind / 1_000_000_000).unwrap_or(0));
        let seen = match look(&set.stem, base, &parts, set.journal) {
            Ok(seen) => Observation { behind_s, ..seen },
            Err((path, error)) => {
                let text = format!("{}: cannot be read: {error}", path.display());
                let news = set.trouble.replace(text.clone()).as_ref() != Some(&text);
                self.again(name);
                if news {
                    self.outlet.send(SetEvent::Trouble { set: Some(name.clone()), text, remedy: remedy(&error) })?;
                }
                return Ok(());
            }
        };
        if set.trouble.take().is_some() {
            self.outlet.send(SetEvent::TroubleOver { set: Some(name.clone()) })?;
        }
        if seen.members.is_empty() {
            // The next look at the folders says so, too.
            self.scan_wanted = true;
            return Ok(());
        }
        if self.is_known_one(name, &seen)? {
            return Ok(());
        }
        self.tell(name, seen)
    }

    fn tell(&mut self, name: &SetName, seen: Observation) -> Result<(), Stopped> {
        let Some(set) = self.sets.get_mut(name) else { return Ok(()) };
        let own = seen.wiff.as_ref().and_then(identity::own);
        if let Some(own) = own {
            set.position.identity = Some(own.key.clone());
            self.by_identity.insert(own.key, name.clone());
        }
        // Members that are missing stay known: they may be found elsewhere.
        for member in &seen.members {
            set.position.members.retain(|(kind, ..)| *kind != member.kind);
            set.position.members.push((member.kind, member.at.clone(), member.state));
        }
        set.position.members.sort_by_key(|(kind, ..)| *kind);
        (set.position.journal, set.position.resting) = (seen.journal, false);
        set.found = seen.members.iter().map(|member| (member.kind, member.at.clone(), member.state)).collect();
        for (.., state) in set.found.iter().filter(|(.., state)| state.file != 0) {
            self.by_file.insert(state.file, name.clone());
        }
        set.serial += 1;
        let (serial, position) = (set.serial, set.position.to_bytes());
        let ingest = if set.position.backfill && !set.live { Ingest::Backfill } else { Ingest::Live };
        let opens = !std::mem::replace(&mut set.opened, true);
        if opens {
            self.open += 1;
            let resume = !std::mem::take(&mut set.fresh);
            self.outlet.send(SetEvent::Opened { set: name.clone(), resume })?;
        }
        self.outlet.send(SetEvent::Looked { set: name.clone(), seen: Box::new(seen), ingest, serial, position })?;
        // Its batch was written shortly before it, and after the last look at the folders.
        if opens && !(ingest == Ingest::Live && self.read_batches()?) {
            self.tell_expectation(name)?;
        }
        Ok(())
    }

    /// Whether a set of which nothing was known is a known one: a copy, or one that was renamed or moved.
    fn is_known_one(&mut self, name: &SetName, seen: &Observation) -> Result<bool, Stopped> {
        let Some(set) = self.sets.get(name) else { return Ok(true) };
        if !set.fresh && set.position.identity.is_some() {
            return Ok(false);
        }
        let own = seen.wiff.as_ref().and_then(identity::own).map(|own| own.key);
        if !set.fresh && own.is_none() {
            return Ok(false);
        }
        let found: Vec<FoundMember> =
            seen.members.iter().map(|member| (member.kind, member.at.clone(), member.state)).collect();
        let candidates = self.candidates(name, &found, own.as_deref());
        let known = candidates.iter().filter_map(|other| Some((other, &self.sets.get(other)?.position)));
        match whose(&found, own.as_deref(), &mut known.into_iter(), &|at| self.is_there(at)) {
            Whose::New => Ok(false),
            Whose::Copy(of) => {
                tracing::info!(set = %name, %of, "A copy of a known acquisition is left alone.");
                self.withdraw(name)?;
                self.copies.insert(name.clone(), Copied { of, members: found });
                Ok(true)
            }
            Whose::Moved(from, members) => {
                self.withdraw(name)?;
                self.moved(&from, name, members)?;
                Ok(true)
            }
        }
    }

    /// The known sets that these members may belong to.
    fn candidates(&self, name: &SetName, found: &[FoundMember], own: Option<&str>) -> BTreeSet<SetName> {
        let mut candidates: BTreeSet<SetName> =
            found.iter().filter_map(|(.., state)| self.by_file.get(&state.file).cloned()).collect();
        candidates.extend(own.and_then(|own| self.by_identity.get(own).cloned()));
        if found.iter().all(|(kind, ..)| *kind != Member::Wiff) {
            // Without a `.wiff` the name has to do.
            let stem = name.rsplit('/').next();
            candidates.extend(self.sets.keys().filter(|other| other.rsplit('/').next() == stem).cloned());
        }
        candidates.retain(|other| other != name && self.sets.get(other).is_some_and(|set| !set.fresh));
        candidates
    }

    /// Takes a set back of which it turns out that it is another one.
    fn withdraw(&mut self, name: &SetName) -> Result<(), Stopped> {
        match self.remove(name) {
            Some(set) if !set.fresh => self.outlet.send(SetEvent::Gone { set: name.clone() }),
            _ => Ok(()),
        }
    }

    /// Takes a set out.
    fn remove(&mut self, name: &SetName) -> Option<Tracked> {
        let set = self.sets.remove(name)?;
        self.open -= usize::from(set.opened);
        Some(set)
    }

    /// Members of the set `from` are at `to` now.
    fn moved(&mut self, from: &SetName, to: &SetName, members: Vec<FoundMember>) -> Result<(), Stopped> {
        let Some(mut set) = self.remove(from) else { return Ok(()) };
        set.found.retain(|(kind, ..)| members.iter().all(|(other, ..)| other != kind));
        let renames = members.iter().any(|(kind, ..)| *kind == Member::Wiff);
        set.found.extend(members);
        set.found.sort_by_key(|(kind, ..)| *kind);
        (set.missing, set.looked) = (None, None);
        if set.is_scattered() {
            self.scattered.insert(if renames { to.clone() } else { from.clone() });
        }
        if !renames {
            self.open += usize::from(set.opened);
            self.sets.insert(from.clone(), set);
            self.want(from);
            return Ok(());
        }
        (set.opened, set.fresh) = (false, false);
        if let Some((.., at, _)) = set.found.first() {
            let file = at.path.rsplit('/').next().unwrap_or_default();
            if let Name::Member(_, stem) = classify(file) {
                stem.clone_into(&mut set.stem);
            }
        }
        if let Some(identity) = &set.position.identity {
            self.by_identity.insert(identity.clone(), to.clone());
        }
        let position = set.position.to_bytes();
        self.sets.insert(to.clone(), set);
        tracing::info!(%from, %to, "A set has another name or place.");
        self.outlet.send(SetEvent::Renamed { from: from.clone(), to: to.clone(), position })?;
        self.want(to);
        Ok(())
    }

    /// Whether all these files are counted as members of a set elsewhere; that one is brought up to date.
    pub(super) fn claimed(&mut self, members: &[FoundMember]) -> bool {
        let holds = |set: &Tracked, at: &crate::driver::set::At| set.found.iter().any(|(_, other, _)| other == at);
        let Some((_, first, _)) = members.first() else { return false };
        let own = below(&first.root, folder_of(&first.path));
        let own = own.trim_end_matches('/');
        let owner = self.scattered.iter().filter_map(|name| Some((name, self.sets.get(name)?))).find(|(name, set)| {
            // Its own folder's names are its business anyway.
            let is_elsewhere = name.rsplit_once('/').is_none_or(|(place, _)| place != own);
            is_elsewhere && members.iter().all(|(_, at, _)| holds(set, at))
        });
        let Some(name) = owner.map(|(name, _)| name.clone()) else { return false };
        if let Some(set) = self.sets.get_mut(&name) {
            for member in members {
                set.found.retain(|(kind, ..)| *kind != member.0);
                set.found.push(member.clone());
            }
            set.found.sort_by_key(|(kind, ..)| *kind);
            if !set.is_as_known() {
                self.want(&name);
            }
        }
        true
    }

    /// Whether a place holds a copy of a set that is still where it was. What was written there since may be another acquisition.
    pub(super) fn is_copy(&mut self, name: &SetName, members: &[FoundMember]) -> bool {
        let Some(copied) = self.copies.get(name) else { return false };
        let original = self.sets.get(&copied.of).and_then(|set| set.position.member(Member::Wiff));
        let is_as_it_was =
            members.len() == copied.members.len() && members.iter().all(|member| copied.members.contains(member));
        if is_as_it_was && original.is_some_and(|(_, at, _)| self.is_there(at)) {
            return true;
        }
        self.copies.remove(name);
        false
    }

    /// Sets of which nothing is there: gone when the next look says so, too.
    pub(super) fn find_missing(&mut self) -> Result<(), Stopped> {
        let missing: Vec<(SetName, Instant)> =
            self.sets.iter().filter_map(|(name, set)| Some((name.clone(), set.missing?))).collect();
        for (name, since) in missing {
            // A copy of it, or what it was renamed to, is this set from now on.
            let copies: Vec<SetName> =
                self.copies.iter().filter(|(_, copied)| copied.of == name).map(|(copy, _)| copy.clone()).collect();
            for copy in &copies {
                self.copies.remove(copy);
                self.forget_folder(copy);
            }
            let searched = self.sets.values().any(|set| set.fresh) || !copies.is_empty();
            if searched || since.elapsed() < self.believe {
                continue;
            }
            tracing::info!(set = %name, "A set is gone.");
            if let Some(set) = self.remove(&name) {
                self.scattered.remove(&name);
                self.by_identity.retain(|_, owner| *owner != name);
                self.by_file.retain(|_, owner| *owner != name);
                if !set.fresh {
                    self.outlet.send(SetEvent::Gone { set: name })?;
                }
            }
        }
        Ok(())
    }
}
