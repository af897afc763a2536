//! What a channel carries: its tip, and what is in it.

use std::collections::BTreeSet;

use instrument_proto::geometry::Position;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::deck::Spot;
use crate::event::Well;
use crate::event::liquid::{LiquidFlag, Outcome, Tip};

/// Portions that a tip holds apart. What is drawn in beyond that counts as part of the last.
const MAX_SEGMENTS: usize = 8;

/// Destinations of one portion that are remembered; a tip that gives more of them away is told of in several events.
pub(super) const MAX_DELIVERIES: usize = 24;

/// Below this part of what was taken, a rest in the tip is the difference of two correction curves and no rest.
const REST_FRACTION: f64 = 0.05;

/// … but at least this much, microlitres.
const REST_UL: f64 = 0.5;

/// One channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Channel {
    /// The tip, where one was seen to be picked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tip: Option<Tip>,
    /// What is in it, the syringe's end first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
}

/// One portion in a tip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Segment {
    /// What the piston still has of it, microlitres.
    pub left_ul: f64,
    /// What it is.
    pub content: Content,
}

/// What a portion is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Content {
    Air,
    /// Water of the system, behind the liquid.
    System,
    Liquid(Box<Origin>),
}

/// Where liquid came from, and what became of it so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The labware and well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub well: Option<(u8, Well)>,
    /// Where the tip was, where that was no well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Position>,
    /// The balance of the well afterwards, microlitres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance_ul: Option<f64>,
    /// What the piston took, microlitres.
    pub taken_ul: f64,
    /// The liquid's own volume, microlitres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liquid_ul: Option<f64>,
    /// When.
    pub taken_at: Timestamp,
    /// Whether that is sure.
    pub outcome: Outcome,
    /// What is remarkable.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub flags: BTreeSet<LiquidFlag>,
    /// The remarkable, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The access in which it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// The worklist's row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<u32>,
    /// What went into sample wells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delivered: Vec<Delivery>,
    /// What went elsewhere on purpose (back, into other cultures, other plates, waste), microlitres of the piston.
    #[serde(default)]
    pub spent_ul: f64,
    /// The part of it that went back into the well, microlitres of the piston.
    #[serde(default)]
    pub returned_ul: f64,
    /// The part that went into waste or wash, microlitres of the piston.
    #[serde(default)]
    pub discarded_ul: f64,
    /// The part that went to a position that fits no well, microlitres of the piston.
    #[serde(default)]
    pub astray_ul: f64,
}

/// What went into one sample well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Delivery {
    /// The labware and well.
    pub well: (u8, Well),
    /// What the piston gave, microlitres.
    pub piston_ul: f64,
    /// The liquid's own volume, microlitres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liquid_ul: Option<f64>,
    /// The well's balance afterwards, microlitres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance_ul: Option<f64>,
}

impl Origin {
    /// What the spot was.
    pub fn spot(&self) -> Spot {
        match self.well {
            Some((piece, well)) => Spot::Well { piece, well },
            None => Spot::Nowhere,
        }
    }

    /// What counts as no rest of it, microlitres.
    pub fn negligible_ul(&self) -> f64 {
        (self.taken_ul * REST_FRACTION).max(REST_UL)
    }
}

/// A part of a dispense: how much of which portion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Portion {
    /// Which segment.
    pub segment: usize,
    /// How much of it, microlitres of the piston.
    pub piston_ul: f64,
}

impl Channel {
    /// Draws something in, at the tip's end.
    pub fn draw(&mut self, content: Content, volume_ul: f64) {
        match (self.segments.len() >= MAX_SEGMENTS, self.segments.last_mut()) {
            (true, Some(last)) => last.left_ul += volume_ul,
            _ => self.segments.push(Segment { left_ul: volume_ul, content }),
        }
    }

    /// System liquid comes in from behind.
    pub fn prime(&mut self, volume_ul: f64) {
        if let Some(Segment { left_ul, content: Content::System }) = self.segments.first_mut() {
            *left_ul += volume_ul;
        } else if self.segments.len() < MAX_SEGMENTS {
            self.segments.insert(0, Segment { left_ul: volume_ul, content: Content::System });
        }
    }

    /// Gives away `volume_ul`, what was drawn in last going first. What is returned: the portions of liquid, and how much
    /// more than all that is in the tip was given.
    pub fn give(&mut self, volume_ul: f64) -> (Vec<Portion>, f64) {
        let mut wanted = volume_ul;
        let mut portions = Vec::new();
        for (number, segment) in self.segments.iter_mut().enumerate().rev() {
            if wanted <= 1e-9 {
                break;
            }
            let part = wanted.min(segment.left_ul);
            segment.left_ul -= part;
            wanted -= part;
            if part > 1e-9 && matches!(segment.content, Content::Liquid(_)) {
                portions.push(Portion { segment: number, piston_ul: part });
            }
        }
        (portions, wanted.max(0.0))
    }

    /// The portions of liquid.
    pub fn liquids(&self) -> impl Iterator<Item = &Origin> {
        self.segments.iter().filter_map(|segment| match &segment.content {
            Content::Liquid(origin) => Some(&**origin),
            _ => None,
        })
    }

    /// A portion of liquid.
    pub fn origin_mut(&mut self, segment: usize) -> Option<&mut Origin> {
        match &mut self.segments.get_mut(segment)?.content {
            Content::Liquid(origin) => Some(origin),
            _ => None,
        }
    }

    /// Whether system liquid or air is in it, so that a dispense without an aspirate is no surprise.
    pub fn has_filling(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment.content, Content::System) && segment.left_ul > 1e-9)
    }

    /// Whether no liquid is left that matters.
    pub fn is_empty_of_liquid(&self) -> bool {
        self.segments.iter().all(|segment| match &segment.content {
            Content::Liquid(origin) => segment.left_ul <= origin.negligible_ul(),
            _ => true,
        })
    }

    /// Takes out the portions of liquid with what is left of each; system liquid and air stay.
    pub fn take_liquids(&mut self) -> Vec<(f64, Origin)> {
        let mut taken = Vec::new();
        let mut kept = Vec::new();
        for segment in std::mem::take(&mut self.segments) {
            match segment.content {
                Content::Liquid(origin) => taken.push((segment.left_ul, *origin)),
                content if segment.left_ul > 1e-9 => kept.push(Segment { left_ul: segment.left_ul, content }),
                _ => {}
            }
        }
        self.segments = kept;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(taken_ul: f64) -> Content {
        Content::Liquid(Box::new(Origin {
            well: None,
            at: None,
            balance_ul: None,
            taken_ul,
            liquid_ul: None,
            taken_at: Timestamp::UNIX_EPOCH,
            outcome: Outcome::Confirmed,
            flags: BTreeSet::new(),
            text: None,
            access: None,
            planned: None,
            delivered: Vec::new(),
            spent_ul: 0.0,
            returned_ul: 0.0,
            discarded_ul: 0.0,
            astray_ul: 0.0,
        }))
    }

    #[test]
    fn air_gaps_go_out_with_the_liquid_and_do_not_count_as_it() {
        let mut channel = Channel::default();
        channel.draw(Content::Air, 20.0);
        channel.draw(origin(100.0), 100.0);
        channel.draw(Content::Air, 5.0);
        let (portions, beyond) = channel.give(125.0);
        assert_eq!((portions, beyond), (vec![Portion { segment: 1, piston_ul: 100.0 }], 0.0));
        assert!(channel.is_empty_of_liquid());
    }

    #[test]
    fn what_was_drawn_last_goes_first() {
        let mut channel = Channel::default();
        channel.draw(origin(100.0), 100.0);
        channel.draw(origin(50.0), 50.0);
        let (portions, _) = channel.give(70.0);
        let expected = [Portion { segment: 1, piston_ul: 50.0 }, Portion { segment: 0, piston_ul: 20.0 }];
        assert_eq!(portions, expected);
        assert!(!channel.is_empty_of_liquid());
        assert_eq!(channel.give(100.0).1, 20.0);
    }
}
