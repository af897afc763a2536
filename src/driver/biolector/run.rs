//! One run: takes what rows say and makes events, in the order of the rows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use instrument_proto::codec::biolector::columns::{Column, Layout};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Context;
use super::clock;
use super::comments::Meaning;
use super::cycle::{Counts, Cycle, Duplicate, Expected};
use super::defects::{DefectCode, Defects};
use super::facts::{self, Facts, Family, WellCode};
use super::reading::{self, Channel, Reading, Setting};
use super::started;
use crate::driver::{Effects, Identity, Operation};
use crate::event::cultivation::{
    Commented, CoverChanged, CycleCompleted, CycleStarted, Ended, Paused, Quality, ReadingFlag, ReferenceKind,
    Referenced, Resumed, Run as EventRun, SetpointChanged,
};
use crate::event::sampling::{AccessEnded, AccessStarted};
use crate::event::{Body, Event, IdBase, Key, Subject, TimeQuality, Well, ids};

/// Cycles that are followed whole after their completion, for rows that come late. Older ones are known by what
/// they still miss.
const RECENT: usize = 4;

/// Further rows that all recent cycles together may hold, so that a snapshot stays small.
const RECENT_DUPLICATES: usize = 300;

/// Readings that old cycles miss and that are remembered.
const MAX_MISSING: usize = 1000;

/// Ranges of old cycles that are remembered; numbers go up, so real runs have a few.
const MAX_OLD: usize = 500;

/// What changes with the rows: the moving part of the snapshot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moving {
    pub started: bool,
    pub current: Option<Cycle>,
    /// The highest cycle so far.
    pub newest: Option<u32>,
    pub cycles: u32,
    pub counts: Counts,
    pub totals: Defects,
    /// Defects between cycles; they go to the next one.
    pub pending: Defects,
    pub pause: Option<Pause>,
    /// How many cells measurement rows have, and how many the last one had that differed.
    pub row_length: Option<usize>,
    pub odd_length: Option<usize>,
    /// BioLector I: whether the current cycle was begun by a reference, and the last filter set in it.
    pub last_filterset: Option<u32>,
    /// The run's end as the table tells it (Pro).
    pub end_section: bool,
    /// Revisions of the two closing events, and whether nothing came since.
    pub completed: u32,
    pub stopped: u32,
    pub closed: bool,
    pub timer_armed: bool,
}

/// Cycles that are over: a snapshot part of its own, changed when a cycle ends or a late row comes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    pub recent: VecDeque<Cycle>,
    /// Cycles before the recent ones, as ranges.
    pub old: Vec<(u32, u32)>,
    /// What they miss: cycle, filter set, well.
    pub missing: BTreeSet<(u32, u32, WellCode)>,
    /// Wells seen by filter set, where no header tells what to expect.
    pub learned: BTreeMap<u32, Vec<WellCode>>,
    /// Whether `learned` goes before what the header says: a BioLector I's header names a whole plate where only some
    /// of its wells are measured.
    pub subset: bool,
    pub last_complete: bool,
}

/// A pause whose end did not come yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pause {
    pub elapsed_s: f64,
    pub access_id: String,
}

/// Volumes by well and source: a snapshot part of its own.
pub(super) type Volumes = BTreeMap<String, (Option<f64>, Option<f64>)>;

/// Parts of the snapshot that changed since they were last written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub facts: bool,
    pub past: bool,
    pub volumes: bool,
}

/// A run being read.
pub(super) struct Run {
    pub facts: Facts,
    pub state: Moving,
    pub past: Past,
    pub volumes: Volumes,
    pub changed: Changed,
    pub layout: Option<Layout>,
    pub sensors: Vec<(usize, Arc<str>)>,
    pub context: Arc<Context>,
    pub run: Arc<EventRun>,
    pub plate_id: Arc<str>,
    pub channels: Vec<Channel>,
    sensor: Option<Arc<str>>,
}

/// Which cycle a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Current,
    Recent(usize),
    Old,
}

/// A text of a comment row.
pub(super) struct Remark<'a> {
    pub kind: &'static str,
    pub text: &'a str,
    pub meaning: Meaning,
    pub ordinal: u32,
}

impl Run {
    pub fn new(facts: Facts, state: Moving, past: Past, volumes: Volumes, context: Arc<Context>) -> Self {
        let run = Arc::new(EventRun {
            id: ids::run_id(&context.source, &facts.run_id),
            name: facts.name.clone(),
            instrument_run_id: facts.run_id.clone(),
            started_at: facts.started_at,
            flags: facts.flags.clone(),
            identity: facts.run_id.clone(),
        });
        let plate_id = IdBase::new(&context.source, &facts.run_id, "plate", "").id(1).to_string().into();
        let layout = facts.layout();
        let names = |layout: &Layout| layout.temperatures().map(|(at, name)| (at, name.into())).collect();
        let sensor = match &layout {
            Some(layout) => layout.name(Column::Temperature).map(Into::into),
            None => Some("ACT TEMP".into()),
        };
        Self {
            sensors: layout.as_ref().map(names).unwrap_or_default(),
            sensor,
            channels: facts.channels.iter().map(|channel| Channel::new(&facts, channel, &context.profile)).collect(),
            facts,
            state,
            past,
            volumes,
            changed: Changed::default(),
            layout,
            context,
            run,
            plate_id,
        }
    }

    /// The run's first event, once.
    pub fn begin(&mut self, effects: &mut Effects) {
        if self.state.started {
            return;
        }
        self.state.started = true;
        self.changed = Changed { facts: true, past: true, volumes: true };
        let body = started::started(self);
        effects.identity = Some(Identity { instrument: body.instrument.clone(), channels: body.channels.clone() });
        self.emit(effects, Body::CultivationStarted(body), Key::Run, None, Some(0.0), None);
        self.operation(effects, "measuring");
    }

    /// After a restart: what the device's information and state need, without an event.
    pub fn introduce(&self, effects: &mut Effects) {
        let started = started::started(self);
        effects.identity = Some(Identity { instrument: started.instrument, channels: started.channels });
        self.operation(effects, if self.state.pause.is_some() { "paused" } else { "measuring" });
    }

    pub fn operation(&self, effects: &mut Effects, name: &'static str) {
        let cycle = self.state.current.as_ref().map(|cycle| cycle.number).or(self.state.newest);
        effects.operation = Some(Operation { name, run: Some(self.run.clone()), cycle });
    }

    /// Emits an event about the run, counted in `cycle` where it belongs to one.
    pub fn emit(
        &mut self,
        effects: &mut Effects,
        body: Body,
        key: Key,
        cycle: Option<u32>,
        elapsed_s: Option<f64>,
        offset: Option<u64>,
    ) {
        let subject = match &body {
            Body::Measured(measured) => Subject::Well { plate: self.plate_id.clone(), well: measured.well },
            Body::Fed(fed) => Subject::Well { plate: self.plate_id.clone(), well: fed.well },
            _ => Subject::Run(self.run.id),
        };
        let time = elapsed_s.and_then(|elapsed| clock::after(self.facts.started_at, elapsed));
        let event = Event {
            body,
            key,
            run: Some(self.run.clone()),
            cycle,
            closes: false,
            subject,
            time,
            time_quality: if time.is_some() { TimeQuality::Instrument } else { TimeQuality::Unknown },
            revision: 1,
            reason: None,
            causation: None,
            offset,
        };
        self.push(effects, event);
    }

    fn push(&mut self, effects: &mut Effects, event: Event) {
        let event_type = event.body.event_type();
        self.state.counts.add(event_type);
        if let Some(number) = event.cycle
            && let Some(cycle) = self.cycle_mut(number)
        {
            cycle.counts.add(event_type);
        }
        effects.events.push(event);
    }

    fn cycle_mut(&mut self, number: u32) -> Option<&mut Cycle> {
        let current = self.state.current.as_mut().filter(|cycle| cycle.number == number);
        current.or_else(|| self.past.recent.iter_mut().find(|cycle| cycle.number == number))
    }

    /// Counts a defect: in the open cycle, else in the next one, and in the run.
    pub fn defect(&mut self, code: DefectCode, offset: u64, text: &str) {
        self.state.totals.add(code, offset, text);
        match &mut self.state.current {
            Some(cycle) => cycle.defects.add(code, offset, text),
            None => self.state.pending.add(code, offset, text),
        }
    }

    /// The open cycle's number, where it is `cycle`: events of its time belong to its count.
    pub fn scope(&self, cycle: u32) -> Option<u32> {
        self.state.current.as_ref().map(|open| open.number).filter(|open| *open == cycle)
    }

    fn expected(&self) -> Expected<'_> {
        expected(&self.facts, &self.past)
    }

    /// Finds the cycle of a measurement or reference row, opening it where it is new.
    pub fn enter(&mut self, number: u32, elapsed_s: f64, offset: u64, effects: &mut Effects) -> Slot {
        self.flush_late(Some(number), effects);
        if self.state.current.as_ref().is_some_and(|cycle| cycle.number == number) {
            return Slot::Current;
        }
        if let Some(at) = self.past.recent.iter().position(|cycle| cycle.number == number) {
            return Slot::Recent(at);
        }
        if self.past.old.iter().any(|(from, to)| (*from..=*to).contains(&number)) {
            return Slot::Old;
        }
        self.complete_current("next-cycle", effects);
        match self.state.newest {
            Some(newest) if number < newest => {
                self.defect(DefectCode::CycleBackwards, offset, &format!("cycle {number} after cycle {newest}"));
            }
            Some(newest) if number > newest.saturating_add(1) => {
                self.defect(DefectCode::CycleJump, offset, &format!("cycle {number} after cycle {newest}"));
            }
            _ => {}
        }
        self.state.newest = Some(self.state.newest.map_or(number, |newest| newest.max(number)));
        let mut cycle = Cycle::new(number);
        cycle.defects = std::mem::take(&mut self.state.pending);
        self.state.current = Some(cycle);
        let body = CycleStarted { run: self.run.clone(), cycle: number, elapsed_s };
        self.emit(effects, Body::CycleStarted(body), Key::Cycle(number), Some(number), Some(elapsed_s), Some(offset));
        self.operation(effects, "measuring");
        Slot::Current
    }

    fn slot(&mut self, slot: Slot) -> Option<&mut Cycle> {
        match slot {
            Slot::Current => self.state.current.as_mut(),
            Slot::Recent(at) => self.past.recent.get_mut(at),
            Slot::Old => None,
        }
    }

    /// Takes one measurement row; `cells` is how many cells it has.
    pub fn measurement(&mut self, row: &Reading<'_>, cells: Option<usize>, terminated: bool, effects: &mut Effects) {
        let slot = self.enter(row.cycle, row.elapsed_s, row.offset, effects);
        let well = facts::code(row.well);
        // Spelt out, because the cycle is changed while these are lent.
        let from_header = !self.facts.expected.is_empty() && !self.past.subset;
        let sets = if from_header { &self.facts.expected } else { &self.past.learned };
        let expected = Expected { sets, from_header };
        if slot == Slot::Old {
            let key = (row.cycle, row.filterset, well);
            let text = format!("cycle {}, filter set {}, well {}", row.cycle, row.filterset, row.well);
            self.defect(DefectCode::OldCycle, row.offset, &text);
            if self.past.missing.remove(&key) {
                self.changed.past = true;
                let measured = self.judge(row, None, Vec::new());
                self.emit_measured(measured, row, None, effects);
            }
            return;
        }
        if matches!(slot, Slot::Recent(_)) {
            self.changed.past = true;
        }
        let cycle = match slot {
            Slot::Current => self.state.current.as_mut(),
            Slot::Recent(at) => self.past.recent.get_mut(at),
            Slot::Old => None,
        };
        let Some(cycle) = cycle else { return };
        let before = cycle.last;
        let misfiled = cycle.looks_misfiled(row.filterset, well, expected);
        let Some(set) = cycle.set(row.filterset) else {
            self.defect(DefectCode::UnknownFilterset, row.offset, &format!("filter set {}", row.filterset));
            return;
        };
        if let Some(digest) = set.digest(well) {
            self.duplicate(slot, row, digest);
            return;
        }
        let mut flags = Vec::new();
        let backwards = set.last_time.is_some_and(|last| row.elapsed_s < last);
        set.last_time = Some(row.elapsed_s);
        set.mark(well, row.digest);
        let reference = set.reference;
        cycle.last = Some((row.filterset, well));
        cycle.last_elapsed = Some(cycle.last_elapsed.map_or(row.elapsed_s, |last| last.max(row.elapsed_s)));
        if misfiled {
            cycle.misfiled = Some(row.filterset);
        }
        let late = matches!(slot, Slot::Recent(_));
        cycle.late |= late;
        if before.is_none() {
            self.state.cycles += 1;
        }
        let place = || format!("cycle {}, filter set {}, well {}", row.cycle, row.filterset, row.well);
        if backwards {
            flags.push(ReadingFlag::TimeBackwards);
            self.slot_defect(slot, DefectCode::TimeBackwards, row.offset, &place());
        }
        if misfiled {
            flags.push(ReadingFlag::MisfiledWell);
            self.slot_defect(slot, DefectCode::MisfiledWell, row.offset, &place());
        }
        if !terminated {
            flags.push(ReadingFlag::UnterminatedLine);
            self.slot_defect(slot, DefectCode::UnterminatedLine, row.offset, &place());
        }
        if let Some(cells) = cells {
            let usual = *self.state.row_length.get_or_insert(cells);
            if usual != cells && self.state.odd_length == Some(cells) {
                // The second one in a row: the software writes another length from here on.
                self.state.row_length = Some(cells);
            } else if usual != cells {
                self.state.odd_length = Some(cells);
                flags.push(ReadingFlag::OddRowLength);
                let text = format!("{}: {cells} cells, not {usual}", place());
                self.slot_defect(slot, DefectCode::OddRowLength, row.offset, &text);
            } else {
                self.state.odd_length = None;
            }
        }
        let measured = self.judge(row, reference, flags);
        if measured.quality != Quality::Ok
            && let Some(set) = self.slot(slot).and_then(|cycle| cycle.sets.get_mut(&row.filterset))
        {
            set.invalid += 1;
        }
        self.emit_measured(measured, row, Some(row.cycle), effects);
        if !late && let Some(cycle) = &self.state.current {
            let expected = self.expected();
            if cycle.all_read(expected) {
                self.complete_current("all-read", effects);
            } else if cycle.last_read(before, expected) {
                self.complete_current("last-read", effects);
            }
        }
    }

    fn emit_measured(
        &mut self,
        measured: crate::event::cultivation::Measured,
        row: &Reading<'_>,
        cycle: Option<u32>,
        effects: &mut Effects,
    ) {
        let key = Key::Reading(row.cycle, row.filterset, row.well);
        self.emit(effects, Body::Measured(measured), key, cycle, Some(row.elapsed_s), Some(row.offset));
    }

    fn judge(
        &self,
        row: &Reading<'_>,
        reference: Option<f64>,
        flags: Vec<ReadingFlag>,
    ) -> crate::event::cultivation::Measured {
        let unnamed;
        let channel = match self.channels.iter().find(|channel| channel.filterset == row.filterset) {
            Some(channel) => channel,
            None => {
                unnamed = Channel::unnamed(row.filterset);
                &unnamed
            }
        };
        let setting = Setting {
            family: self.facts.family,
            profile: &self.context.profile,
            run: &self.run,
            plate_id: &self.plate_id,
            channel,
            sensor: self.sensor.as_ref(),
            reference,
        };
        reading::judge(row, &setting, flags)
    }

    fn duplicate(&mut self, slot: Slot, row: &Reading<'_>, digest: u16) {
        let measured = self.judge(row, None, Vec::new());
        let duplicate = Duplicate {
            well: facts::code(row.well),
            filterset: row.filterset,
            elapsed_s: row.elapsed_s,
            amplitude: measured.amplitude,
            phase_deg: measured.phase_deg,
            instrument_value: measured.instrument_value,
            offset: row.offset,
            conflict: digest != row.digest,
        };
        let text = format!("cycle {}, filter set {}, well {}", row.cycle, row.filterset, row.well);
        self.slot_defect(slot, DefectCode::DuplicateRow, row.offset, &text);
        if let Some(cycle) = self.slot(slot) {
            cycle.add_duplicate(duplicate);
            cycle.late |= slot != Slot::Current;
        }
    }

    /// Counts a defect in the cycle that it is of.
    fn slot_defect(&mut self, slot: Slot, code: DefectCode, offset: u64, text: &str) {
        self.state.totals.add(code, offset, text);
        if let Some(cycle) = self.slot(slot) {
            cycle.defects.add(code, offset, text);
        }
    }

    /// Takes one reference row.
    pub fn reference(&mut self, reference: Reference<'_>, effects: &mut Effects) {
        let Reference { kind, cycle: number, filterset, elapsed_s, offset, .. } = reference;
        let slot = self.enter(number, elapsed_s, offset, effects);
        let place = format!("cycle {number}, filter set {filterset}");
        let Some(cycle) = self.slot(slot) else {
            self.defect(DefectCode::OldCycle, offset, &place);
            return;
        };
        let Some(set) = cycle.set(filterset) else {
            self.defect(DefectCode::UnknownFilterset, offset, &place);
            return;
        };
        let again = kind == ReferenceKind::Reference && std::mem::replace(&mut set.referenced, true);
        if !again && kind == ReferenceKind::Reference && reference.quality == Quality::Ok {
            set.reference = reference.amplitude;
        }
        if matches!(slot, Slot::Recent(_)) {
            cycle.late = true;
            self.changed.past = true;
        }
        if again {
            // Told all the same; the first one stays the one that readings refer to.
            self.slot_defect(slot, DefectCode::DuplicateReference, offset, &place);
        }
        let channel = self.channels.iter().find(|channel| channel.filterset == filterset);
        let body = Referenced {
            run: self.run.clone(),
            cycle: number,
            filterset,
            channel: channel.map_or_else(|| Channel::unnamed(filterset).name, |channel| channel.name.clone()),
            reference: kind,
            elapsed_s,
            amplitude: reference.amplitude,
            reference_intensity: reference.intensity,
            phase_deg: reference.phase_deg,
            quality: reference.quality,
            text: reference.text.map(str::to_owned),
        };
        let key = match kind {
            ReferenceKind::Reference if !again => Key::FilterSet(number, filterset),
            _ => Key::Offset(offset, 0),
        };
        self.emit(effects, Body::Referenced(body), key, Some(number), Some(elapsed_s), Some(offset));
    }

    /// Takes one text of a comment row.
    pub fn remark(
        &mut self,
        remark: &Remark<'_>,
        cycle: u32,
        elapsed_s: Option<f64>,
        offset: u64,
        effects: &mut Effects,
    ) {
        let scope = self.scope(cycle);
        let key = Key::Offset(offset, remark.ordinal);
        let (run, text) = (self.run.clone(), remark.text.to_owned());
        let body = match (&remark.meaning, elapsed_s) {
            (Meaning::Paused, Some(elapsed_s)) => Body::CultivationPaused(Paused { run, cycle, elapsed_s, text }),
            (Meaning::Resumed, Some(elapsed_s)) => {
                let duration_s = self.state.pause.as_ref().map(|pause| elapsed_s - pause.elapsed_s);
                Body::CultivationResumed(Resumed { run, cycle, elapsed_s, text, duration_s: span(duration_s) })
            }
            (Meaning::Cover(cover), Some(elapsed_s)) => {
                Body::CoverChanged(CoverChanged { run, cycle, elapsed_s, cover, text })
            }
            (Meaning::SetPoint { quantity, value, enabled }, Some(elapsed_s)) => {
                let (setpoint, enabled) = (*value, *enabled);
                Body::SetpointChanged(SetpointChanged { run, cycle, elapsed_s, quantity, setpoint, enabled, text })
            }
            _ => Body::Commented(Commented { run, cycle, elapsed_s, kind: remark.kind, text }),
        };
        let meant = !matches!(body, Body::Commented(_));
        self.emit(effects, body, key.clone(), scope, elapsed_s, Some(offset));
        let Some(elapsed_s) = elapsed_s.filter(|_| meant) else { return };
        match remark.meaning {
            Meaning::Paused => {
                let access_id = self.access_id("pause", cycle, elapsed_s);
                let body = AccessStarted {
                    run: self.run.clone(),
                    access_id: access_id.clone(),
                    observed_by: "file",
                    elapsed_s,
                    cycle,
                };
                self.state.pause = Some(Pause { elapsed_s, access_id });
                self.emit(effects, Body::AccessStarted(body), key, scope, Some(elapsed_s), Some(offset));
                self.operation(effects, "paused");
            }
            Meaning::Resumed => {
                let pause = self.state.pause.take();
                let duration_s = span(pause.as_ref().map(|pause| elapsed_s - pause.elapsed_s));
                let access_id =
                    pause.map_or_else(|| self.access_id("resumed", cycle, elapsed_s), |pause| pause.access_id);
                let run = self.run.clone();
                let body = AccessEnded { run, access_id, observed_by: "file", elapsed_s, duration_s, cycle };
                self.emit(effects, Body::AccessEnded(body), key, scope, Some(elapsed_s), Some(offset));
                self.operation(effects, "measuring");
            }
            Meaning::Cover(_) | Meaning::SetPoint { .. } | Meaning::Remark => {}
        }
    }

    /// From what the instrument wrote, so that another way in gives the same.
    fn access_id(&self, what: &str, cycle: u32, elapsed_s: f64) -> String {
        let key = format!("{what}/{cycle}/{elapsed_s}");
        IdBase::new(&self.context.source, &self.facts.run_id, "access", &key).id(1).to_string()
    }

    /// Ends the open cycle, where there is one.
    pub fn complete_current(&mut self, ended_by: &'static str, effects: &mut Effects) {
        let Some(cycle) = self.state.current.take() else { return };
        self.past.recent.push_back(cycle);
        self.changed.past = true;
        let at = self.past.recent.len() - 1;
        self.learn_subset(ended_by);
        self.complete(at, ended_by, effects);
        if !self.expected().from_header
            && let Some(cycle) = self.past.recent.get(at)
        {
            for (filterset, set) in &cycle.sets {
                let known = self.past.learned.entry(*filterset).or_default();
                known.extend(set.wells().filter(|well| !known.contains(well)).collect::<Vec<_>>());
            }
        }
        let duplicates = |past: &Past| past.recent.iter().map(|cycle| cycle.duplicates.len()).sum::<usize>();
        while self.past.recent.len() > RECENT
            || (self.past.recent.len() > 1 && duplicates(&self.past) > RECENT_DUPLICATES)
        {
            self.forget_oldest(effects);
        }
    }

    /// Finds out from a BioLector I's first whole cycle that only some wells are measured: the same ones in each filter
    /// set, nothing torn, and the instrument went on.
    fn learn_subset(&mut self, ended_by: &str) {
        let first = self.past.old.is_empty() && self.past.recent.len() == 1;
        if self.facts.family != Family::One || !first || ended_by != "next-cycle" || self.state.totals.sum() > 0 {
            return;
        }
        let Some(cycle) = self.past.recent.back() else { return };
        let sets = || cycle.sets.iter().map(|(filterset, set)| (*filterset, set.wells().collect::<Vec<_>>()));
        let wells = sets().next().map(|(_, wells)| wells).unwrap_or_default();
        let all_sets = self.facts.expected.keys().all(|filterset| cycle.sets.contains_key(filterset));
        if !wells.is_empty() && all_sets && sets().all(|(_, others)| others == wells) {
            self.past.learned = sets().collect();
            self.past.subset = true;
        }
    }

    /// Keeps of the oldest recent cycle only what it misses.
    fn forget_oldest(&mut self, effects: &mut Effects) {
        if self.past.recent.front().is_some_and(|cycle| cycle.late) {
            self.complete(0, "late-rows", effects);
        }
        let Some(cycle) = self.past.recent.pop_front() else { return };
        for (filterset, wells) in self.expected().sets.clone() {
            let set = cycle.sets.get(&filterset);
            let missing = wells.iter().filter(|well| set.is_none_or(|set| set.digest(**well).is_none()));
            self.past.missing.extend(missing.map(|well| (cycle.number, filterset, *well)));
        }
        while self.past.missing.len() > MAX_MISSING {
            self.past.missing.pop_first();
        }
        match self.past.old.iter_mut().find(|(_, to)| to.checked_add(1) == Some(cycle.number)) {
            Some((_, to)) => *to = cycle.number,
            None => self.past.old.push((cycle.number, cycle.number)),
        }
        if self.past.old.len() > MAX_OLD {
            self.past.old.remove(0);
        }
    }

    /// Tells what became of a recent cycle, as its next revision.
    fn complete(&mut self, at: usize, ended_by: &'static str, effects: &mut Effects) {
        let expected = self.expected();
        let Some(cycle) = self.past.recent.get(at) else { return };
        let number = cycle.number;
        let channels = cycle.channels(expected);
        let complete = !channels.is_empty()
            && channels.iter().all(|channel| channel.missing_wells.is_empty() && channel.seen > 0)
            && (expected.from_header || ended_by != "run-ended");
        let body = CycleCompleted {
            run: self.run.clone(),
            cycle: number,
            elapsed_s: cycle.last_elapsed,
            channels,
            duplicate_rows: cycle.duplicate_rows(),
            defects: cycle.defects.told(),
            complete,
            ended_by,
            events: cycle.counts.told(),
        };
        let revision = cycle.revision + 1;
        let elapsed = cycle.last_elapsed;
        if let Some(cycle) = self.past.recent.get_mut(at) {
            cycle.revision = revision;
            cycle.late = false;
            cycle.complete = complete;
        }
        if self.state.newest == Some(number) {
            self.past.last_complete = complete;
        }
        self.changed.past = true;
        let reason = (revision > 1).then(|| "rows of this cycle came after its end was told".into());
        let event = self.closing(Body::CycleCompleted(body), Key::Cycle(number), Some(number), revision, reason);
        let time = elapsed.and_then(|elapsed| clock::after(self.facts.started_at, elapsed));
        self.push(effects, timed(event, time));
    }

    /// Tells of rows that came after their cycle's end, except for those of `except`, which may still go on.
    pub fn flush_late(&mut self, except: Option<u32>, effects: &mut Effects) {
        for at in 0..self.past.recent.len() {
            let due = |cycle: &Cycle| cycle.late && Some(cycle.number) != except;
            if self.past.recent.get(at).is_some_and(due) {
                self.complete(at, "late-rows", effects);
            }
        }
    }

    /// The run is over: `written` is its end as the instrument wrote it, `at` the same in UTC.
    pub fn end(&mut self, written: Option<String>, at: Option<Timestamp>, effects: &mut Effects) {
        self.complete_current("run-ended", effects);
        self.flush_late(None, effects);
        if std::mem::replace(&mut self.state.closed, true) {
            return;
        }
        let whole = self.past.last_complete;
        let revision = if whole { &mut self.state.completed } else { &mut self.state.stopped };
        *revision += 1;
        let revision = *revision;
        let elapsed_s = at.zip(self.facts.started_at).map(|(end, start)| end.duration_since(start).as_secs_f64());
        let ended = Ended {
            run: self.run.clone(),
            instrument_time: written,
            elapsed_s: span(elapsed_s),
            cycles: self.state.cycles,
            events: self.state.counts.told(),
        };
        let body = if whole { Body::CultivationCompleted(ended) } else { Body::CultivationStopped(ended) };
        let reason = (revision > 1).then(|| "rows came after the run's end was told".into());
        let event = self.closing(body, Key::Run, None, revision, reason);
        self.push(effects, timed(event, at));
        self.operation(effects, "idle");
    }

    fn closing(&self, body: Body, key: Key, cycle: Option<u32>, revision: u32, reason: Option<Arc<str>>) -> Event {
        Event {
            body,
            key,
            run: Some(self.run.clone()),
            cycle,
            closes: true,
            subject: Subject::Run(self.run.id),
            time: None,
            time_quality: TimeQuality::Unknown,
            revision,
            reason,
            causation: None,
            offset: None,
        }
    }

    /// The well that a cell names: a number in the header's table, or a label.
    pub fn well(&self, cell: &[u8]) -> Option<Well> {
        let number = instrument_proto::codec::biolector::number::whole(cell);
        match number {
            Some(number) => self.facts.numbers.get(&number).copied().and_then(facts::well),
            None => Well::from_label(cell),
        }
    }
}

/// What a reference row holds, whatever the family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference<'a> {
    pub kind: ReferenceKind,
    pub cycle: u32,
    pub filterset: u32,
    pub elapsed_s: f64,
    pub amplitude: Option<f64>,
    pub intensity: Option<f64>,
    pub phase_deg: Option<f64>,
    pub quality: Quality,
    pub text: Option<&'a str>,
    pub offset: u64,
}

fn expected<'a>(facts: &'a Facts, past: &'a Past) -> Expected<'a> {
    let from_header = !facts.expected.is_empty() && !past.subset;
    Expected { sets: if from_header { &facts.expected } else { &past.learned }, from_header }
}

fn timed(mut event: Event, time: Option<Timestamp>) -> Event {
    event.time = time;
    event.time_quality = if time.is_some() { TimeQuality::Instrument } else { TimeQuality::Unknown };
    event
}

/// A span that a clock can have measured.
fn span(seconds: Option<f64>) -> Option<f64> {
    seconds.filter(|s| (0.0..1e9).contains(s)).map(|s| (s * 1000.0).round() / 1000.0)
}
