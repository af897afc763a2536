//! Which transfers several channels can do at once.

use instrument_proto::geometry::{Position, YAxis};

use super::deck::{Deck, Place};
use super::plan::Transfer;

/// The least distance between two channels, tenths of a millimetre.
const CLOSEST: i32 = 90;

/// One channel's part of a batch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hop {
    /// The channel, counted from 1.
    pub channel: u8,
    /// What it carries.
    pub transfer: Transfer,
    /// Where it takes from.
    pub from: Position,
    /// Where it gives to.
    pub to: Position,
}

/// Whether channels may be so: all at one x, each further towards the operator than the one before.
pub(super) struct Arrangement {
    /// The robot's axes.
    pub y_axis: YAxis,
    /// Whether the distances must be equal, as on a Tecan's arm.
    pub equal: bool,
}

impl Arrangement {
    /// How many of the first positions fit together; at least one.
    pub fn fitting(&self, positions: &[Position], most: usize) -> usize {
        let Some(first) = positions.first() else { return 0 };
        let forward = |a: &Position, b: &Position| match self.y_axis {
            YAxis::ToTheBack => a.y - b.y,
            YAxis::ToTheFront => b.y - a.y,
        };
        let mut spacing = None;
        let mut fit = 1;
        for pair in positions.windows(2).take(most.saturating_sub(1)) {
            let [before, after] = pair else { break };
            let distance = forward(before, after);
            // The wire's rounding may make distances differ by one.
            let unequal = self.equal && spacing.is_some_and(|spacing: i32| (spacing - distance).abs() > 1);
            if after.x != first.x || distance < CLOSEST || unequal {
                break;
            }
            spacing.get_or_insert(distance);
            fit += 1;
        }
        fit
    }

    /// Batches of transfers; those from or to what is not on the deck are left out. Over labware of one well, a trough, channels stand side by
    /// side.
    pub fn batches(&self, deck: &Deck, transfers: &[Transfer], channels: u8) -> Vec<Vec<Hop>> {
        let placed: Vec<(Transfer, Position, Position)> = transfers
            .iter()
            .filter_map(|transfer| {
                Some((transfer.clone(), deck.centre(&transfer.source)?, deck.centre(&transfer.destination)?))
            })
            .collect();
        let mut rest = placed.as_slice();
        let mut batches = Vec::new();
        while !rest.is_empty() {
            let at_one = |place: &Place| deck.named(&place.labware).is_some_and(|piece| piece.kind.rows == 1);
            let spread = |place: &Place, at: Position, index: i32| match at_one(place) {
                true => self.beside(at, index),
                false => at,
            };
            let spaced: Vec<(Position, Position)> = (0i32..)
                .zip(rest)
                .take(usize::from(channels))
                .map(|(index, (transfer, from, to))| {
                    (spread(&transfer.source, *from, index), spread(&transfer.destination, *to, index))
                })
                .collect();
            let sources: Vec<Position> = spaced.iter().map(|(from, _)| *from).collect();
            let (batch, after) = rest.split_at(self.fitting(&sources, usize::from(channels)));
            let hops = (1u8..)
                .zip(batch)
                .zip(&spaced)
                .map(|((channel, (transfer, ..)), (from, to))| Hop {
                    channel,
                    transfer: transfer.clone(),
                    from: *from,
                    to: *to,
                })
                .collect();
            batches.push(hops);
            rest = after;
        }
        batches
    }

    /// So many channels further towards the operator, around a middle.
    fn beside(&self, at: Position, index: i32) -> Position {
        let forward = (index - 3) * CLOSEST - CLOSEST / 2;
        match self.y_axis {
            YAxis::ToTheBack => Position { x: at.x, y: at.y - forward },
            YAxis::ToTheFront => Position { x: at.x, y: at.y + forward },
        }
    }

    /// Parts of a batch whose channels can give at once.
    pub fn groups<'a>(&self, mut hops: &'a [Hop]) -> Vec<&'a [Hop]> {
        let mut groups = Vec::new();
        while !hops.is_empty() {
            let targets: Vec<Position> = hops.iter().map(|hop| hop.to).collect();
            // Channels that failed leave a hole, over which equal distances do not hold.
            let together =
                hops.windows(2).take_while(|pair| !self.equal || pair[0].channel + 1 == pair[1].channel).count() + 1;
            let (group, rest) = hops.split_at(self.fitting(&targets, together));
            groups.push(group);
            hops = rest;
        }
        groups
    }
}
