//! How a set comes to the folder that is watched: as it is written, or by a copy afterwards.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::acquisition::{Edit, Member, Tick, moment};
use super::fault::Fault;
use super::settings::{Copying, Delivery, FilePlan, Order, Settings};
use super::step::{Change, Milestone, Step};

/// Seconds from the end of an acquisition to the start of its transfer.
const TO_TRANSFER_S: f64 = 5.0;
/// Writes of a copy to one member.
const PIECES: usize = 8;
/// Seconds between two pages of a torn container.
const BETWEEN_PAGES_S: f64 = 0.05;
/// Seconds from the end to the renaming, and from one member to the next where they are renamed singly.
const TO_RENAMING_S: f64 = 30.0;
const BETWEEN_NAMES_S: f64 = 20.0;

/// The files of one set on their way.
pub(super) struct Way {
    plan: FilePlan,
    rng: Rng,
    /// The content of the members at the instrument, kept where it is needed later.
    contents: BTreeMap<Member, Vec<u8>>,
    /// Steps that wait until the next acquisition begins.
    late: Vec<Step>,
    /// Until when torn pages are still written.
    busy_until: f64,
}

impl Way {
    pub(super) fn new(plan: FilePlan, settings: &Settings, number: usize) -> Way {
        let rng = Rng::with_seed(settings.seed ^ (number as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
        Way { plan, rng, contents: BTreeMap::new(), late: Vec::new(), busy_until: 0.0 }
    }

    /// What a tick at the instrument does to the folder, at once and later.
    pub(super) fn take(&mut self, tick: Tick, settings: &Settings) -> Vec<Step> {
        let Tick { at, edits, mut milestones, closed, whole, .. } = tick;
        if self.plan.has(Fault::EmptyFile) {
            if whole {
                milestones.push(Milestone::FileWhole { stem: self.plan.stem.clone() });
            }
            return self.empty(at, milestones, settings);
        }
        let known = |contents: &BTreeMap<Member, Vec<u8>>| contents.keys().copied().collect::<Vec<_>>();
        let local = settings.delivery == Delivery::Local;
        self.keep(&edits, local);
        let mut steps = Vec::new();
        if local {
            if whole {
                milestones.push(Milestone::FileWhole { stem: self.plan.stem.clone() });
            }
            let changes = edits.into_iter().map(|(member, edit)| change(&self.name(member, settings), edit)).collect();
            steps = self.locally(at, changes, milestones, settings);
        } else {
            steps.push(Step { at, changes: Vec::new(), milestones });
            if closed {
                let members = known(&self.contents);
                steps.extend(self.copy(at + TO_TRANSFER_S, &members, whole, settings));
            }
        }
        if whole {
            let end = steps.last().map_or(at, |step| step.at);
            let members = known(&self.contents);
            steps.extend(self.rename(end, &members, settings));
        }
        steps
    }

    /// Steps that had to wait until the next acquisition begins at `at`.
    pub(super) fn next_begins(&mut self, at: f64) -> Vec<Step> {
        let late = std::mem::take(&mut self.late);
        let mut changes = Vec::new();
        let mut milestones = Vec::new();
        for step in late {
            changes.extend(step.changes);
            milestones.extend(step.milestones);
        }
        if changes.is_empty() { Vec::new() } else { vec![Step { at, changes, milestones }] }
    }

    fn empty(&mut self, at: f64, milestones: Vec<Milestone>, settings: &Settings) -> Vec<Step> {
        let began = milestones.iter().any(|milestone| matches!(milestone, Milestone::FileBegan { .. }));
        let file = self.name(Member::Wiff, settings);
        let changes = if began { vec![Change::Write { file, offset: 0, bytes: Vec::new() }] } else { Vec::new() };
        vec![Step { at, changes, milestones }]
    }

    /// Remembers what the members hold: all of it for a copy, else only that they are there.
    fn keep(&mut self, edits: &[(Member, Edit)], names_only: bool) {
        for (member, edit) in edits {
            match edit {
                Edit::Remove => {
                    self.contents.remove(member);
                }
                Edit::Write { offset, bytes } => {
                    let content = self.contents.entry(*member).or_default();
                    if !names_only {
                        let from = *offset as usize;
                        content.resize(content.len().max(from + bytes.len()), 0);
                        content[from..from + bytes.len()].copy_from_slice(bytes);
                    }
                }
            }
        }
    }

    fn locally(&mut self, at: f64, changes: Vec<Change>, milestones: Vec<Milestone>, settings: &Settings) -> Vec<Step> {
        let wiff = self.name(Member::Wiff, settings);
        if self.plan.has(Fault::WrittenLate) {
            let began = milestones.iter().any(|milestone| matches!(milestone, Milestone::FileBegan { .. }));
            let now = if began { vec![Change::Write { file: wiff, offset: 0, bytes: Vec::new() }] } else { Vec::new() };
            let (whole, rest): (Vec<_>, Vec<_>) =
                milestones.into_iter().partition(|milestone| matches!(milestone, Milestone::FileWhole { .. }));
            self.late.push(Step { at, changes, milestones: whole });
            return vec![Step { at, changes: now, milestones: rest }];
        }
        if !self.plan.has(Fault::Torn) {
            return vec![Step { at, changes, milestones }];
        }
        let (mut pages, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.file() == wiff);
        self.rng.shuffle(&mut pages);
        let mut steps = vec![Step { at, changes: others, milestones: Vec::new() }];
        // An older page must not come after a newer one.
        self.busy_until = self.busy_until.max(at);
        let between = BETWEEN_PAGES_S.min(0.5 / pages.len().max(1) as f64);
        for page in pages {
            steps.push(Step { at: self.busy_until, changes: vec![page], milestones: Vec::new() });
            self.busy_until += between;
        }
        if let Some(last) = steps.last_mut() {
            last.milestones = milestones;
        }
        steps
    }

    /// A member's path in the folder.
    fn name(&self, member: Member, settings: &Settings) -> String {
        let in_capitals = member == Member::Scan && self.plan.has(Fault::CaseDiffers);
        let stem = if in_capitals { self.plan.stem.to_uppercase() } else { self.plan.stem.clone() };
        path(settings, &format!("{stem}{}", member.suffix()))
    }

    fn copy(&mut self, begin: f64, members: &[Member], whole: bool, settings: &Settings) -> Vec<Step> {
        let Delivery::Network { order, copy, rate } = settings.delivery else { return Vec::new() };
        let mut members = members.to_vec();
        match order {
            Order::WiffFirst => {}
            Order::WiffLast => members.reverse(),
            Order::Random => self.rng.shuffle(&mut members),
        }
        let mut at = begin;
        let mut steps = Vec::new();
        for member in members {
            let Some(content) = self.contents.get(&member) else { continue };
            let file = self.name(member, settings);
            let target = if copy == Copying::TemporaryName { format!("{file}.~tmp") } else { file.clone() };
            let mut first = vec![Change::Length { file: target.clone(), length: 0 }];
            if copy == Copying::Preallocated {
                first.push(Change::Length { file: target.clone(), length: content.len() as u64 });
            }
            steps.push(Step { at, changes: first, milestones: Vec::new() });
            let size = content.len().div_ceil(PIECES).max(1);
            for (index, piece) in content.chunks(size).enumerate() {
                at += piece.len() as f64 / rate;
                let write =
                    Change::Write { file: target.clone(), offset: (index * size) as u64, bytes: piece.to_vec() };
                steps.push(Step { at, changes: vec![write], milestones: Vec::new() });
            }
            // A copy keeps the time of its original, which is older than the copy.
            let mut last = vec![Change::Modified { file: target.clone(), at: moment(settings, begin - TO_TRANSFER_S) }];
            if target != file {
                last.push(Change::Rename { from: target, to: file });
            }
            steps.push(Step { at, changes: last, milestones: Vec::new() });
        }
        if let Some(last) = steps.last_mut().filter(|_| whole) {
            last.milestones.push(Milestone::FileWhole { stem: self.plan.stem.clone() });
        }
        steps
    }

    fn rename(&mut self, end: f64, members: &[Member], settings: &Settings) -> Vec<Step> {
        let singly = self.plan.has(Fault::RenamedSingly);
        if !singly && !self.plan.has(Fault::Renamed) {
            return Vec::new();
        }
        let to = format!("{}_renamed", self.plan.stem);
        let mut steps: Vec<Step> = Vec::new();
        for (index, member) in members.iter().enumerate() {
            let from = self.name(*member, settings);
            let change = Change::Rename { from, to: path(settings, &format!("{to}{}", member.suffix())) };
            match steps.last_mut() {
                Some(step) if !singly => step.changes.push(change),
                _ => {
                    let at = end + TO_RENAMING_S + BETWEEN_NAMES_S * index as f64;
                    steps.push(Step { at, changes: vec![change], milestones: Vec::new() });
                }
            }
        }
        if let Some(last) = steps.last_mut() {
            last.milestones.push(Milestone::Renamed { from: self.plan.stem.clone(), to });
        }
        steps
    }
}

fn change(file: &str, edit: Edit) -> Change {
    let file = file.to_owned();
    match edit {
        Edit::Write { offset, bytes } => Change::Write { file, offset, bytes },
        Edit::Remove => Change::Remove { file },
    }
}

/// A file's path relative to where the player writes.
pub(super) fn path(settings: &Settings, name: &str) -> String {
    if settings.folder.is_empty() { name.to_owned() } else { format!("{}/{name}", settings.folder) }
}
