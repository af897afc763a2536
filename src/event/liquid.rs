//! What events about pipetting share: places, tips, channels, outcomes, errors.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Well;

/// A place on a deck, millimetres in the instrument's own coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// Along the deck.
    pub x_mm: f64,
    /// From front to back or back to front, as the instrument counts.
    pub y_mm: f64,
}

/// A well of a plate on the deck, or a position that fits none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The plate's id; absent where no configured labware stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<Arc<str>>,
    /// The labware's name in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labware: Option<Arc<str>>,
    /// The well; absent where the position fits none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub well: Option<Well>,
    /// Where the tip was; given where it fits no well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The liquid's own volume there, microlitres; absent where only the piston's is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_ul: Option<f64>,
    /// What the piston moved there, microlitres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub piston_volume_ul: Option<f64>,
    /// The sum of what the robot put in (positive) and took out (negative) since the plate stood there, microlitres, this
    /// step included; liquid volumes where they are known, else the piston's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance_ul: Option<f64>,
}

/// The tip that a channel carried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tip {
    /// The kind of tip as the instrument numbers or names it.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub tip_type: Option<Arc<str>>,
    /// The rack that it was taken from, by its name in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<Arc<str>>,
    /// Its position in that rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub well: Option<Well>,
}

/// Which culture a well of the deck belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Culture {
    /// The cultivation device, as the configuration's deck says.
    pub device: Arc<str>,
    /// The run; absent where only the cultivation device knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Uuid>,
    /// The plate.
    pub plate_id: Arc<str>,
    /// The cycle whose measurements had finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<u32>,
    /// Seconds since the run's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_s: Option<f64>,
    /// What these statements rest on.
    pub basis: CultureBasis,
}

/// What a statement about a culture rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CultureBasis {
    /// The configuration's deck names the device; its run is not known to the robot.
    Deck,
}

/// How sure it is that a step was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The instrument said so.
    Confirmed,
    /// Only the command was seen: the instrument's answer is not on the line, or was lost.
    Unknown,
    /// The instrument said that it failed.
    Failed,
}

/// What is remarkable about a step of liquid handling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LiquidFlag {
    /// The liquid's own volume is not known: only what the piston moved.
    Uncorrected,
    /// A position fits no well of the labware that stands there, or no labware stands there.
    OffWell,
    /// More was taken from a well than it can have held.
    OverDrawn,
    /// More was put into a well than it can hold.
    Overfilled,
    /// Liquid was dispensed that was not seen to be aspirated.
    NoAspirate,
    /// No tip was seen on the channel.
    NoTip,
    /// The instrument's answer never came.
    ReplyLost,
    /// The answer said that a part did not report in time; what it did afterwards was learned later, or never.
    SlaveTimeOut,
    /// Only commands are visible on this line.
    CommandsOnly,
    /// The liquid came from several wells.
    Pooled,
    /// A part of what was taken was discarded with the tip, or in waste or wash.
    ResidueDiscarded,
    /// What was dispensed is more than was aspirated.
    VolumeMismatch,
    /// Between aspirating and dispensing the line was cut, or bytes were lost: what happened meanwhile was not seen.
    AfterGap,
    /// The worklist says otherwise.
    WorklistMismatch,
    /// Less was transferred than was asked for.
    UnderDelivered,
    /// A volume is no whole number of the instrument's droplets.
    PartDroplet,
    /// A volume cannot be read and is absent.
    DamagedVolume,
    /// The time is written in a way that the instrument never writes (a spreadsheet saved the file): it is not used.
    DamagedTime,
    /// Only the time of day is written; its date follows from the end of the run.
    DateDerived,
    /// Only the time of day is written, and no date follows for it: it is not used.
    DateUnknown,
    /// The times of the run contradict each other, or its end: they are not used.
    TimeContradiction,
    /// The local time happened twice (clock set back); the earlier one was taken.
    AmbiguousLocalTime,
    /// The local time never happened (clock set forward); the later reading was taken.
    SkippedLocalTime,
}

/// What an instrument takes a fluid for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fluid {
    /// The kind as the instrument names it: `AQ`, `DMSO`, `Glycerol` …
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Arc<str>>,
    /// How much of that it holds, in the instrument's unit; for DMSO percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composition: Option<f64>,
    /// The unit of the composition, where the instrument names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<Arc<str>>,
}

/// One error that the instrument reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModuleError {
    /// The module, as the instrument names it.
    pub module: String,
    /// The pipetting channel, from 1, where the module is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<u8>,
    /// The error code.
    pub code: u16,
    /// The trace information, where there is some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<u16>,
    /// What it means, in words.
    pub text: String,
}
