//! What a robot does, whatever its dialect.

use instrument_proto::geometry::Position;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::liquid::{LiquidFlag, ModuleError, Outcome};

/// The first channel number of a 96-channel head: A01 is 101, B01 102, H12 196. Pipetting channels count from 1.
pub(super) const HEAD_96: u8 = 101;

/// What one channel does in a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Step {
    /// The channel.
    pub channel: u8,
    /// Where; absent where the dialect does not tell.
    pub at: Option<Position>,
    /// What the piston moves, microlitres, never negative; 0 for tips.
    pub piston_ul: f64,
    /// Whether the tip is empty afterwards whatever the figures say: it is blown out.
    pub empties: bool,
    /// Why it failed; empty where it did not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ModuleError>,
}

/// What channels do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verb {
    PickUp,
    Eject,
    Aspirate,
    Dispense,
    Wash,
    /// Air is drawn in: a gap before or after the liquid.
    Air,
    /// System liquid is drawn into the syringe from behind.
    Prime,
}

/// A part of the robot that works on its own and does one thing after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Arm {
    Channels,
    Head96,
    Gripper,
    Autoload,
}

/// What one command does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Action {
    /// Channels do something, all at once.
    Channels { verb: Verb, tip_type: Option<String>, steps: Vec<Step> },
    /// An arm starts anew: tips and what is in them are gone.
    Reset { arm: Arm, errors: Vec<ModuleError> },
    /// The gripper takes what stands with its centre at a place. Directions are quarter turns.
    Grip { at: Position, direction: Option<u8>, errors: Vec<ModuleError> },
    /// The gripper puts down what it holds.
    Release { at: Position, direction: Option<u8>, errors: Vec<ModuleError> },
    /// Barcodes were looked for: each place's text, or none.
    Barcodes { reader: String, place: Option<String>, codes: Vec<Option<String>>, errors: Vec<ModuleError> },
}

impl Action {
    /// The arm that does it.
    pub fn arm(&self) -> Arm {
        match self {
            Self::Channels { steps, .. } if steps.iter().any(|step| step.channel >= HEAD_96) => Arm::Head96,
            Self::Channels { .. } => Arm::Channels,
            Self::Reset { arm, .. } => *arm,
            Self::Grip { .. } | Self::Release { .. } => Arm::Gripper,
            Self::Barcodes { .. } => Arm::Autoload,
        }
    }

    /// Where it happens.
    pub fn places(&self) -> impl Iterator<Item = Position> + '_ {
        let (steps, one): (&[Step], Option<Position>) = match self {
            Self::Channels { steps, .. } => (steps, None),
            Self::Grip { at, .. } | Self::Release { at, .. } => (&[], Some(*at)),
            Self::Reset { .. } | Self::Barcodes { .. } => (&[], None),
        };
        steps.iter().filter_map(|step| step.at).chain(one)
    }
}

/// An action and how it went.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Done {
    pub action: Action,
    /// `Failed` is told by the errors of steps; here it is `Confirmed` or `Unknown`.
    pub outcome: Outcome,
    /// Why the outcome is not known, or was not known for long.
    pub flags: Vec<LiquidFlag>,
    /// The access to a cultivation in which it happened.
    pub access: Option<String>,
    /// When it was done.
    pub at: Timestamp,
    /// The byte of the epoch at which the frame ended that told of it.
    pub offset: u64,
}
