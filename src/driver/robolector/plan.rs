//! The worklist: what the robot was asked to do, and whether it did so.
//!
//! Rows are followed in their order. Several channels work at once and need not begin with the first row, so a step is looked for among the
//! next rows that were not carried out yet. What no row asks for, and what a row asks for otherwise, is told with the step.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::deck::{Deck, Spot};
use crate::event::Well;

/// How many rows ahead of the first one that is open a step is looked for: more than any arm does at once.
const WINDOW: u32 = 96;

/// How far a commanded volume may be from the row's: corrections of liquid classes are smaller.
const CORRECTION_FRACTION: f64 = 0.25;

/// … and small volumes are corrected by more.
const CORRECTION_UL: f64 = 3.0;

/// The rows of all worklists.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Plan {
    rows: Vec<Row>,
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
    /// These rows.
    pub fn new(rows: Vec<Row>) -> Self {
        Self { rows }
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
        if self.rows.is_empty() {
            return Planned::default();
        }
        let verb = if dispense { "dispense" } else { "aspirate" };
        let open = progress.open(self.rows.len());
        let mut candidates = open.iter().filter_map(|number| Some((*number, self.row(*number)?)));
        let found = spot
            .well()
            .and_then(|well| candidates.find(|(_, row)| row.dispense == dispense && row.well == Some(well)));
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
        let contradiction = differs.then(|| format!("the worklist asks for {volume} µl, the piston moved {piston_ul} µl"));
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

/// The labware of the deck that a worklist's rack label names, and the well at a position counted from 1 down the columns.
pub(super) fn well_of(deck: &Deck, rack: &str, position: u32) -> Option<(u8, Well)> {
    let piece = deck.named(rack)?;
    let rows = u32::from(deck.piece(piece)?.kind.rows).max(1);
    let index = position.checked_sub(1)?;
    let well = Well::new(u8::try_from(index % rows).ok()?, u8::try_from(index / rows).ok()?)?;
    (well.column() < deck.piece(piece)?.kind.columns).then_some((piece, well))
}
