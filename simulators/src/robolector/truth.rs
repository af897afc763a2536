//! What was really done, whatever the wire says of it.

use serde::{Deserialize, Serialize};

use super::deck::Place;

/// One thing that was done or happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The robot's seconds since its start.
    pub at_s: f64,
    /// The access, counted from 1; 0 before the first.
    pub access: u32,
    /// Whether all that the line carried of it was whole.
    pub heard: bool,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What was done or happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// A channel picked up a tip.
    TipOn {
        /// The channel, counted from 1.
        channel: u8,
    },
    /// A channel dropped its tip.
    TipOff {
        /// The channel, counted from 1.
        channel: u8,
    },
    /// A channel took liquid.
    Aspirated {
        /// The channel, counted from 1.
        channel: u8,
        /// From where.
        #[serde(flatten)]
        place: Spot,
        /// Microlitres of liquid.
        volume_ul: f64,
        /// Microlitres on the wire.
        piston_ul: f64,
    },
    /// A channel gave liquid.
    Dispensed {
        /// The channel, counted from 1.
        channel: u8,
        /// Into where.
        #[serde(flatten)]
        place: Spot,
        /// Microlitres of liquid.
        volume_ul: f64,
        /// Microlitres on the wire.
        piston_ul: f64,
    },
    /// A channel failed; nothing was taken.
    Failed {
        /// The channel, counted from 1.
        channel: u8,
        /// Where it was to take from.
        #[serde(flatten)]
        place: Spot,
        /// The fault's name.
        fault: String,
    },
    /// The 96-channel head took from every well.
    StampAspirated {
        /// From where.
        labware: String,
        /// Microlitres from each well.
        volume_ul: f64,
    },
    /// The 96-channel head gave into every well.
    StampDispensed {
        /// Into where.
        labware: String,
        /// Microlitres into each well.
        volume_ul: f64,
    },
    /// The gripper took labware.
    Gripped {
        /// Which.
        labware: String,
    },
    /// The gripper put labware down.
    Released {
        /// Which.
        labware: String,
        /// The left edge of its place.
        x_mm: f64,
        /// The lowest y of its place.
        y_mm: f64,
    },
    /// The line or the control software did something that no robot does.
    Happened {
        /// The fault's name; `unplugged`, `plugged`.
        fault: String,
        /// The frame, where it is about one.
        #[serde(skip_serializing_if = "String::is_empty", default)]
        frame: String,
    },
    /// A host commanded a movement (only where the robot is asked by one).
    Commanded {
        /// The frame.
        frame: String,
    },
    /// The plan is done.
    Ended,
}

/// A well, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Spot {
    /// The labware's name.
    pub labware: String,
    /// `A01`.
    pub well: String,
}

impl From<&Place> for Spot {
    fn from(place: &Place) -> Self {
        Self { labware: place.labware.clone(), well: place.label() }
    }
}
