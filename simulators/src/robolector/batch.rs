//! Which transfers several channels can do at once.

use instrument_proto::geometry::{Position, YAxis};

use super::deck::Deck;
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

    /// Batches of transfers; those from or to what is not on the deck are left out.
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
            let sources: Vec<Position> = rest.iter().map(|(_, from, _)| *from).collect();
            let (batch, after) = rest.split_at(self.fitting(&sources, usize::from(channels)));
            let hops = (1u8..)
                .zip(batch)
                .map(|(channel, (transfer, from, to))| Hop {
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
