//! In which order a BioLector XT measures, as far as its readings show it.

use serde::{Deserialize, Serialize};

/// A channel (as the instrument counts) and a well (row-major on 8 columns).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Position {
    pub channel: u32,
    pub well: u8,
}

/// The orders that are not ruled out yet, as bits.
///
/// A cycle measures each position once. The first position of a cycle comes behind the last one of the cycle before, and
/// so lies before it in whatever order is the true one. So a step that goes back in *every* order that is still possible
/// leads into the next cycle; an order in which a step goes back that does not is ruled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Orders(u8);

impl Default for Orders {
    fn default() -> Self {
        Self(0b1111)
    }
}

/// Columns of the plates that the instrument takes.
const COLUMNS: u8 = 8;

impl Orders {
    /// Whether the step between two readings that follow each other leads into the next cycle.
    pub fn goes_back(self, from: Position, to: Position) -> bool {
        self.is_known() && self.ascending(from, to) & self.0 == 0
    }

    /// Learns from a step that stays within its cycle.
    pub fn learn(&mut self, from: Position, to: Position) {
        self.0 &= self.ascending(from, to);
    }

    /// Whether any order fits what was seen.
    pub fn is_known(self) -> bool {
        self.0 != 0
    }

    /// The orders in which `to` comes behind `from`.
    fn ascending(self, from: Position, to: Position) -> u8 {
        (0..4).filter(|order| rank(*order, from) < rank(*order, to)).fold(0, |bits, order| bits | 1 << order)
    }
}

fn rank(order: u8, position: Position) -> (u32, u32) {
    let (row, column) = (position.well / COLUMNS, position.well % COLUMNS);
    let column_there = if row % 2 == 0 { column } else { COLUMNS - 1 - column };
    let well = match order % 2 {
        // As the files show it: A01 … A08, B08 … B01.
        0 => row * COLUMNS + column_there,
        _ => position.well,
    };
    match order {
        0 | 1 => (position.channel, u32::from(well)),
        _ => (u32::from(well), position.channel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(order: u8) -> Vec<Position> {
        let mut all: Vec<Position> =
            (1..=3).flat_map(|channel| (0..48).map(move |well| Position { channel, well })).collect();
        all.sort_by_key(|position| rank(order, *position));
        all
    }

    #[test]
    fn only_the_step_into_the_next_cycle_goes_back_whatever_the_order() {
        for order in 0..4 {
            let mut orders = Orders::default();
            let cycle = steps(order);
            for _ in 0..3 {
                for pair in cycle.windows(2) {
                    assert!(!orders.goes_back(pair[0], pair[1]), "{order}: {pair:?}");
                    orders.learn(pair[0], pair[1]);
                }
                assert!(orders.goes_back(cycle[cycle.len() - 1], cycle[0]), "{order}");
            }
        }
    }
}
