//! The balance of each well: what the robot put in and took out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Well;

/// Wells whose balance is kept. Of further ones none is: their events show no balance and no over-draw.
const MAX_WELLS: usize = 1024;

/// Rounds to a thousandth of a microlitre, which no robot resolves: sums keep readable figures.
pub(super) fn rounded(volume_ul: f64) -> f64 {
    // Adding 0 turns -0 into 0.
    (volume_ul * 1000.0).round() / 1000.0 + 0.0
}

/// Changes that are kept beside the sums before all of these are written again.
const MAX_RECENT: usize = 16;

/// Sums by labware and well, microlitres.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Balances {
    wells: BTreeMap<u8, BTreeMap<u16, f64>>,
    /// What changed since all were written.
    #[serde(skip)]
    recent: Recent,
    /// Whether more changed than `recent` says.
    #[serde(skip)]
    outdated: bool,
}

/// The sums of the wells that changed last.
pub(super) type Recent = Vec<(u8, u16, f64)>;

/// What became of a well's balance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Balance {
    /// The sum, this step included.
    pub sum_ul: f64,
    /// Whether more is out than the well can have held.
    pub over_drawn: bool,
    /// Whether more is in than it holds.
    pub overfilled: bool,
}

impl Balances {
    /// Adds `volume_ul` (negative: taken) to a well that holds `well_max_ul` at most; `None` where no balance is kept.
    ///
    /// What was in the well at first is not known. So it is over-drawn when more was taken, beyond what was put in, than
    /// a full well holds, and overfilled when more was put in than an empty one takes.
    pub fn change(&mut self, piece: u8, well: Well, volume_ul: f64, well_max_ul: Option<f64>) -> Option<Balance> {
        let kept: usize = self.wells.values().map(BTreeMap::len).sum();
        let key = u16::from(well.row()) << 8 | u16::from(well.column());
        let wells = self.wells.entry(piece).or_default();
        if kept >= MAX_WELLS && !wells.contains_key(&key) {
            return None;
        }
        let sum = wells.entry(key).or_default();
        *sum = rounded(*sum + volume_ul);
        match self.recent.iter().position(|(other, well, _)| (*other, *well) == (piece, key)) {
            Some(at) => self.recent[at].2 = *sum,
            None if self.recent.len() < MAX_RECENT => self.recent.push((piece, key, *sum)),
            None => self.outdated = true,
        }
        let max = well_max_ul.unwrap_or(f64::INFINITY);
        Some(Balance {
            sum_ul: *sum,
            over_drawn: volume_ul < 0.0 && *sum < -max,
            overfilled: volume_ul > 0.0 && *sum > max,
        })
    }

    /// Another plate stands there.
    pub fn forget(&mut self, piece: u8) {
        self.outdated = true;
        self.wells.remove(&piece);
    }

    /// Forgets all; what follows counts from here.
    pub fn clear(&mut self) {
        self.outdated = true;
        self.wells.clear();
    }

    /// What changed since all were written; `None` where it was more than that.
    pub fn recent(&self) -> Option<&Recent> {
        (!self.outdated).then_some(&self.recent)
    }

    /// All of them are written.
    pub fn written(&mut self) {
        self.recent.clear();
        self.outdated = false;
    }

    /// Takes up what changed after all were written.
    pub fn take_up(&mut self, recent: Recent) {
        for (piece, well, sum) in recent {
            self.wells.entry(piece).or_default().insert(well, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_more_than_a_full_well_and_all_that_was_added_is_an_over_draw() {
        let mut balances = Balances::default();
        let well = Well::new(0, 0).expect("a well");
        let mut change = |volume| balances.change(0, well, volume, Some(1000.0)).expect("kept");
        assert_eq!(change(-900.0), Balance { sum_ul: -900.0, over_drawn: false, overfilled: false });
        assert!(change(-100.5).over_drawn);
        assert!(!change(200.0).over_drawn);
        assert!(!change(-200.0).over_drawn || change(0.0).sum_ul < -1000.0);
        assert!(change(2100.0).overfilled);
    }

    #[test]
    fn the_number_of_wells_is_bounded() {
        let mut balances = Balances::default();
        let mut kept = 0;
        for piece in 0..4 {
            for number in 0..384u16 {
                let well = Well::new((number / 24) as u8, (number % 24) as u8).expect("a well");
                kept += usize::from(balances.change(piece, well, 1.0, None).is_some());
            }
        }
        assert_eq!(kept, MAX_WELLS);
        assert!(serde_json::to_vec(&balances).expect("json").len() < 24 * 1024);
    }

    #[test]
    fn all_balances_are_those_that_were_written_and_what_changed_since() {
        let mut balances = Balances::default();
        let well = |number: u16| Well::new((number / 24) as u8, (number % 24) as u8).expect("a well");
        let (mut written, mut whole) = (Balances::default(), 0);
        for step in 0..2000u16 {
            balances.change((step % 3) as u8, well(step * 7 % 40), f64::from(step), None);
            if step % 100 == 99 {
                balances.forget((step % 3) as u8);
            }
            let mut read = match balances.recent().cloned() {
                Some(recent) => {
                    let mut read = written.clone();
                    read.take_up(recent);
                    read
                }
                None => {
                    balances.written();
                    (written, whole) = (balances.clone(), whole + 1);
                    written.clone()
                }
            };
            read.written();
            assert_eq!(read.wells, balances.wells, "step {step}");
        }
        assert!(whole < 200, "written {whole} times");
    }
}
