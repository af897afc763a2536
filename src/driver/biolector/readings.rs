//! Measurement and reference rows of all families, taken into their cycle.

use super::cycle::{Cycle, Duplicate, Expected};
use super::defects::DefectCode;
use super::facts;
use super::reading::{self, Channel, Reading, Setting};
use super::run::Run;
use crate::driver::Effects;
use crate::event::cultivation::{CycleStarted, Measured, Quality, ReadingFlag, ReferenceKind, Referenced};
use crate::event::{Body, Key};

/// Which cycle a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Current,
    Recent(usize),
    Old,
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

impl Run {
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

    fn emit_measured(&mut self, measured: Measured, row: &Reading<'_>, cycle: Option<u32>, effects: &mut Effects) {
        let key = Key::Reading(row.cycle, row.filterset, row.well);
        self.emit(effects, Body::Measured(measured), key, cycle, Some(row.elapsed_s), Some(row.offset));
    }

    fn judge(&self, row: &Reading<'_>, reference: Option<f64>, flags: Vec<ReadingFlag>) -> Measured {
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
}
