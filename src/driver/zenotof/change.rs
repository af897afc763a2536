//! What becomes of a set after its end: touched, moved, or changed.
//!
//! Files are copied, archived and restored; that changes times, places and even sizes for a while, and is no change of the
//! acquisition. So what looks changed is first left to come to rest and then read: only other content reopens it. The
//! exception is a set that plainly goes on, with more samples than it ended with.

use super::follow::{Set, is_same};
use super::judge::{Judgement, Verdict, evidence};
use super::state::{Due, Phase, Wait};
use crate::driver::Effects;
use crate::driver::set::{Hashed, MemberSeen, Observation};
use crate::event::acquisition::{Change, Evidence, Move, Place, Relocated, Reopened};
use crate::event::{Body, Key, TimeQuality};
use jiff::Timestamp;

/// How a set differs from what its end was told of.
#[derive(Debug, Default, PartialEq)]
struct Difference {
    /// Members of another size.
    resized: Vec<Change>,
    /// Members that were not there.
    added: Vec<Change>,
    /// Members of the same size whose content may be another.
    touched: Vec<Change>,
    /// Members that are elsewhere.
    moved: Vec<Move>,
    /// Whether every member that moved is known to be the same file.
    moved_surely: bool,
    /// Members that are not there.
    missing: usize,
}

impl Difference {
    fn of(kept: &[Hashed], look: &Observation) -> Self {
        let mut found = Self { moved_surely: true, ..Self::default() };
        let change = |member: &MemberSeen, what, before: Option<u64>| Change {
            path: member.at.path.to_string(),
            what,
            size_before: before,
            size: Some(member.state.size),
        };
        for member in &look.members {
            let Some(before) = kept.iter().find(|kept| kept.kind == member.kind) else {
                found.added.push(change(member, "added", None));
                continue;
            };
            let (old, new) = (before.state, member.state);
            if new.size != old.size {
                let what = if new.size > old.size { "grew" } else { "shrank" };
                found.resized.push(change(member, what, Some(old.size)));
                continue;
            }
            if before.at != member.at {
                let place =
                    |at: &crate::driver::set::At| Place { root: at.root.to_string(), path: at.path.to_string() };
                found.moved.push(Move { from: place(&before.at), to: place(&member.at) });
                found.moved_surely &= new == old && new.file != 0;
            }
            if new != old {
                found.touched.push(change(member, "rewritten", Some(old.size)));
            }
        }
        let is_here = |kept: &Hashed| look.members.iter().any(|member| member.kind == kept.kind);
        found.missing = kept.iter().filter(|kept| !is_here(kept)).count();
        found
    }

    /// Whether nothing about it asks for anything: a member that is missing may be on its way elsewhere.
    fn is_nothing(&self) -> bool {
        self.resized.is_empty() && self.added.is_empty() && self.touched.is_empty() && self.moved.is_empty()
    }

    /// Whether sizes and members are those of the end, so that the content may be, too.
    fn may_be_same(&self) -> bool {
        self.resized.is_empty() && self.added.is_empty()
    }
}

impl Set {
    /// A look at a set whose end was told.
    pub(super) fn after_end(
        &mut self,
        look: &Observation,
        judgement: &Judgement,
        (print, changed): (u64, bool),
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(kept) = self.state.kept.clone() else {
            return self.changed(look, judgement, print, effects);
        };
        let difference = Difference::of(&kept.members, look);
        let goes_on =
            judgement.samples > kept.samples && judgement.verdict != Verdict::Converting && difference.missing == 0;
        if goes_on && !self.state.hollow && !judgement.hollow {
            let text = format!("it has {} samples and had {}", judgement.samples, kept.samples);
            return self.reopen(look, judgement, (print, &difference, evidence("more-samples", text)), effects);
        }
        if changed {
            (self.state.print, self.state.looks, self.state.due, self.state.hashing) = (print, 0, None, 0);
            self.state.phase = Phase::Ended;
            self.state.hashes.retain(|hashed| look.members.iter().any(|member| is_same(hashed, member)));
            if difference.is_nothing() {
                return self.rest(effects);
            }
            return self.wait(self.patience(&difference), effects);
        }
        let Some(due) = self.state.due.take() else {
            if self.state.phase == Phase::Rechecking {
                self.hash(look, effects);
            }
            return;
        };
        match due {
            _ if difference.is_nothing() => self.rest(effects),
            Due::Sealed if !self.is_hashed(look) => self.hash(look, effects),
            Due::Sealed => self.rechecked(look, judgement, (print, &difference), now, effects),
            Due::Waited(Wait::Settle) if self.state.looks + 1 < self.context.profile.stable_polls => {
                self.state.looks += 1;
                self.wait(Wait::Settle, effects);
            }
            Due::Final | Due::Waited(_)
                if difference.moved_surely && difference.touched.is_empty() && difference.may_be_same() =>
            {
                self.relocate(look, difference.moved, "file-identity", now, effects);
            }
            Due::Final | Due::Waited(_) if difference.may_be_same() => {
                self.state.phase = Phase::Rechecking;
                self.hash(look, effects);
            }
            Due::Final | Due::Waited(_) => {
                let rule = evidence("changed", "sizes or members are others than at its end, and stay so");
                self.reopen(look, judgement, (print, &difference, rule), effects);
            }
        }
    }

    /// How long a difference must stand before something is concluded from it.
    fn patience(&self, difference: &Difference) -> Wait {
        match () {
            // Files on their way: parts of them are elsewhere, or the copy is still short.
            () if difference.missing > 0 && !difference.may_be_same() => Wait::Overdue,
            () if !difference.moved.is_empty() && !difference.may_be_same() => Wait::Overdue,
            () if difference.moved_surely && difference.touched.is_empty() && difference.may_be_same() => Wait::Calm,
            () => Wait::Settle,
        }
    }

    /// The files were read again, and did not change meanwhile.
    fn rechecked(
        &mut self,
        look: &Observation,
        judgement: &Judgement,
        (print, difference): (u64, &Difference),
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(kept) = &self.state.kept else { return };
        let is_kept = |hashed: &Hashed| {
            kept.members.iter().any(|kept| (kept.kind, &kept.sha256) == (hashed.kind, &hashed.sha256))
        };
        if self.state.hashes.iter().all(is_kept) {
            return self.relocate(look, difference.moved.clone(), "sha256", now, effects);
        }
        let rule = evidence("other-content", "its files have other digests than at its end");
        self.reopen(look, judgement, (print, difference, rule), effects);
    }

    /// The content is the same: keeps where and what the files are now, and tells what moved.
    fn relocate(
        &mut self,
        look: &Observation,
        moves: Vec<Move>,
        verified_by: &'static str,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        self.rest(effects);
        self.state.phase = Phase::Ended;
        self.state.hashes.clear();
        let Some(kept) = &mut self.state.kept else { return };
        for member in &look.members {
            if let Some(kept) = kept.members.iter_mut().find(|kept| kept.kind == member.kind) {
                (kept.at, kept.state) = (member.at.clone(), member.state);
            }
        }
        if moves.is_empty() {
            return;
        }
        let members = kept.members.clone();
        let hash =
            |member: &MemberSeen| members.iter().find(|kept| kept.kind == member.kind).map(|kept| kept.sha256.clone());
        self.state.told.relocated += 1;
        let count = self.state.told.relocated;
        let event = self.teller(look).map(|teller| {
            let body = Relocated { file_set: teller.file_set(hash), moves, verified_by };
            let mut event = teller.event(Body::AcquisitionRelocated(body), Key::Text(count.to_string()), Some(now));
            event.time_quality = TimeQuality::Observed;
            event
        });
        effects.events.extend(event);
    }

    /// The content is another one: a further end will be told, as the next revision.
    fn reopen(
        &mut self,
        look: &Observation,
        judgement: &Judgement,
        (print, difference, rule): (u64, &Difference, Evidence),
        effects: &mut Effects,
    ) {
        self.state.revision += 1;
        self.state.told.converting = false;
        self.state.kept = None;
        let changes = difference.resized.iter().chain(&difference.added).chain(&difference.touched).cloned();
        let event = self.teller(look).map(|teller| {
            let body = Reopened { file_set: teller.set(), changes: changes.collect(), evidence: vec![rule] };
            let key = Key::Text(self.state.revision.to_string());
            teller.event(Body::AcquisitionReopened(body), key, None)
        });
        effects.events.extend(event);
        // More samples in a file that was whole: it is measured here and now.
        self.state.lives = true;
        self.changed(look, judgement, print, effects);
    }
}
