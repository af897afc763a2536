//! The worklist: what the robot was asked to do, and whether it did so.
//!
//! Rows are followed in their order. Several channels work at once and need not begin with the first row, so a step is looked for among the
//! next rows that were not carried out yet. What no row asks for, and what a row asks for otherwise, is told with the step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use instrument_proto::codec::worklist::{self, Pipetting, Record};
use serde::{Deserialize, Serialize};

use super::deck::{Deck, Spot};
use crate::event::Well;

/// Rows that are followed; of a longer worklist the rest is not.
const MAX_ROWS: usize = 100_000;

/// How many rows ahead of the first one that is open a step is looked for: more than any arm does at once.
const WINDOW: u32 = 96;

/// How far a commanded volume may be from the row's: corrections of liquid classes are smaller.
const CORRECTION_FRACTION: f64 = 0.25;

/// … and small volumes are corrected by more.
const CORRECTION_UL: f64 = 3.0;

/// The rows of all worklists, in the order of the worklists' names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Plan {
    rows: Vec<Row>,
    /// Distributions do not say how often they aspirate.
    distributes: bool,
    /// Changes with the rows.
    digest: u32,
}

/// Worklists by name, as they were read.
#[derive(Debug, Default)]
pub(super) struct Worklists(BTreeMap<String, Vec<Record>>);

impl Worklists {
    /// Takes a worklist whole; returns the lines that cannot be read.
    pub fn read(&mut self, name: &str, bytes: &[u8]) -> Vec<String> {
        let (lines, errors) = worklist::read(bytes);
        self.0.insert(name.to_owned(), lines.into_iter().map(|line| line.record).collect());
        errors.iter().map(ToString::to_string).collect()
    }

    /// What they ask for on this deck.
    pub fn plan(&self, deck: &Deck) -> Plan {
        let mut plan = Plan::default();
        for record in self.0.values().flatten() {
            plan.add(record, deck);
        }
        plan.rows.truncate(MAX_ROWS);
        // FNV-1a, which is the same everywhere: snapshots hold it.
        plan.digest = format!("{:?}", plan.rows)
            .bytes()
            .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        plan
    }
}

/// One row that moves liquid.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub dispense: bool,
    /// The rack as the worklist names it.
    pub rack: Arc<str>,
    /// The labware of the deck with that name, and the well.
    pub well: Option<(u8, Well)>,
    /// The tube's or sample's id, where the row has one.
    pub id: Option<Arc<str>>,
    pub volume_ul: f64,
    pub liquid_class: Option<Arc<str>>,
}

/// How far the rows were carried out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Of which rows.
    #[serde(default)]
    digest: u32,
    /// All rows before this one are done or were passed over.
    next: u32,
    /// Rows behind it that are done.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    ahead: BTreeSet<u32>,
}

/// What the worklist says of a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Planned {
    /// The row.
    pub row: Option<u32>,
    /// The liquid's own volume.
    pub volume_ul: Option<f64>,
    pub liquid_class: Option<Arc<str>>,
    /// How the robot did otherwise.
    pub contradiction: Option<String>,
}

impl Plan {
    fn add(&mut self, record: &Record, deck: &Deck) {
        match record {
            Record::Aspirate(step) => self.rows.push(Row::new(false, step, deck)),
            Record::Dispense(step) => self.rows.push(Row::new(true, step, deck)),
            Record::Distribute(all) => {
                self.distributes = true;
                let (first, last) = all.destination_wells;
                let wells = (first..=last).take(1536).filter(|position| !all.excluded.contains(position));
                for position in wells {
                    let [label, ..] = &all.destination;
                    let step = Pipetting {
                        rack_label: label.clone(),
                        position,
                        volume_ul: all.volume_ul,
                        liquid_class: all.liquid_class.clone(),
                        ..Pipetting::default()
                    };
                    self.rows.push(Row::new(true, &step, deck));
                }
            }
            _ => {}
        }
    }

    /// Liquid was aspirated.
    pub fn aspirated(&self, progress: &mut Progress, spot: Spot, piston_ul: f64) -> Planned {
        self.step(progress, spot, piston_ul, false)
    }

    /// Liquid was dispensed.
    pub fn dispensed(&self, progress: &mut Progress, spot: Spot, piston_ul: f64) -> Planned {
        self.step(progress, spot, piston_ul, true)
    }

    /// A row.
    pub fn row(&self, number: u32) -> Option<&Row> {
        self.rows.get(usize::try_from(number).ok()?)
    }

    fn step(&self, progress: &mut Progress, spot: Spot, piston_ul: f64, dispense: bool) -> Planned {
        if self.rows.is_empty() || (self.distributes && !dispense) {
            return Planned::default();
        }
        if progress.digest != self.digest {
            *progress = Progress { digest: self.digest, ..Progress::default() };
        }
        let verb = if dispense { "dispense" } else { "aspirate" };
        let open = progress.open(self.rows.len());
        let mut candidates = open.iter().filter_map(|number| Some((*number, self.row(*number)?)));
        let found =
            spot.well().and_then(|well| candidates.find(|(_, row)| row.dispense == dispense && row.well == Some(well)));
        let Some((number, row)) = found else {
            let expected = open.iter().filter_map(|number| self.row(*number)).find(|row| row.dispense == dispense);
            let expected = match expected {
                Some(row) => match row.well {
                    Some((_, well)) => format!("it expects {} µl at `{}` {well}", row.volume_ul, row.rack),
                    None => format!("it expects {} µl at `{}`, which the deck does not name", row.volume_ul, row.rack),
                },
                None => "it expects none".to_owned(),
            };
            let contradiction = Some(format!("the worklist asks for no {verb} here; {expected}"));
            return Planned { contradiction, ..Planned::default() };
        };
        progress.done(number);
        let volume = row.volume_ul;
        let differs = (piston_ul - volume).abs() > (volume * CORRECTION_FRACTION).max(CORRECTION_UL);
        let contradiction =
            differs.then(|| format!("the worklist asks for {volume} µl, the piston moved {piston_ul} µl"));
        Planned {
            row: Some(number),
            volume_ul: Some(volume).filter(|_| !differs),
            liquid_class: row.liquid_class.clone(),
            contradiction,
        }
    }
}

impl Progress {
    /// The rows that may be next.
    fn open(&self, rows: usize) -> Vec<u32> {
        let end = u32::try_from(rows).unwrap_or(u32::MAX).min(self.next.saturating_add(WINDOW));
        (self.next..end).filter(|number| !self.ahead.contains(number)).collect()
    }

    fn done(&mut self, number: u32) {
        self.ahead.insert(number);
        // What lies a whole window behind was passed over.
        if number >= self.next.saturating_add(WINDOW / 2) {
            self.next = number - WINDOW / 2;
        }
        while self.ahead.remove(&self.next) {
            self.next += 1;
        }
        self.ahead.retain(|row| *row >= self.next);
    }
}

impl Row {
    fn new(dispense: bool, step: &Pipetting, deck: &Deck) -> Self {
        let some = |text: &str| (!text.trim().is_empty()).then(|| Arc::from(text.trim()));
        let well = deck.named(step.rack_label.trim()).and_then(|piece| {
            let kind = &deck.piece(piece)?.kind;
            let found = worklist::well(step.position, kind.rows, kind.columns)?;
            Some((piece, Well::new(found.row, found.column)?))
        });
        Self {
            dispense,
            rack: step.rack_label.trim().into(),
            well,
            id: some(&step.tube_id),
            volume_ul: step.volume_ul,
            liquid_class: some(&step.liquid_class),
        }
    }
}
