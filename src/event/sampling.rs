//! What sampling events say: the `data` of the `sampling.*` types.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Well;
use super::cultivation::Run;
use super::liquid::{Culture, LiquidFlag, ModuleError, Outcome, Place, Tip};

/// `sampling.access-started`: measuring paused so that the robot or a person can reach the plate, or the robot's arm
/// began to work over it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AccessStarted {
    /// The run; absent where the observer does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Arc<Run>>,
    /// Names this access; the same in its end.
    pub access_id: String,
    /// What told of it: `file`, `stream`, `robot`.
    pub observed_by: &'static str,
    /// Seconds since the run's start; absent where the observer does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_s: Option<f64>,
    /// The cycle in which it lies; absent where the observer does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycle: Option<u32>,
    /// The culture, where a robot tells of the access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cultivation: Option<Culture>,
}

/// `sampling.access-ended`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AccessEnded {
    /// The run; absent where the observer does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Arc<Run>>,
    /// The id of the access's start.
    pub access_id: String,
    /// What told of it.
    pub observed_by: &'static str,
    /// Seconds since the run's start; absent where the observer does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_s: Option<f64>,
    /// How long the access was, seconds; absent where its start is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// The cycle in which it lies; absent where the observer does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycle: Option<u32>,
    /// The culture, where a robot tells of the access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cultivation: Option<Culture>,
    /// What ended it, where a robot tells of it: `left` (the arm worked elsewhere), `silence`, `line-lost`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// `sampling.aspirated`: one channel took liquid from one well.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Aspirated {
    /// The culture, where the well is one of a cultivation plate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cultivation: Option<Culture>,
    /// Where it was taken.
    pub source: Place,
    /// The liquid's own volume, microlitres, negative: taken; absent where only the piston's is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_ul: Option<f64>,
    /// What the wire commanded the piston to move, microlitres.
    pub piston_volume_ul: f64,
    /// The channel, from 1.
    pub channel: u8,
    /// The tip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<Tip>,
    /// The liquid class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquid_class: Option<Arc<str>>,
    /// The access in which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_id: Option<String>,
    /// Whether it was done.
    pub outcome: Outcome,
    /// What is remarkable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<LiquidFlag>,
    /// The remarkable, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// `sampling.dispensed`: one channel gave liquid to one well, to waste or to the wash station.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Dispensed {
    /// The culture, where the well is one of a cultivation plate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cultivation: Option<Culture>,
    /// Where it was given.
    pub destination: Place,
    /// What for.
    pub purpose: Purpose,
    /// The liquid's own volume, microlitres, positive: given; absent where only the piston's is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_ul: Option<f64>,
    /// What the wire commanded the piston to move, microlitres.
    pub piston_volume_ul: f64,
    /// The channel, from 1.
    pub channel: u8,
    /// The tip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<Tip>,
    /// The liquid class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquid_class: Option<Arc<str>>,
    /// The access in which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_id: Option<String>,
    /// Whether it was done.
    pub outcome: Outcome,
    /// What is remarkable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<LiquidFlag>,
    /// The remarkable, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What a dispense was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Liquid of a cultivation well was put into a sample plate.
    Sampling,
    /// Liquid was put into a cultivation well.
    Addition,
    /// Liquid was moved between other plates.
    Transfer,
    /// It went back into the well that it came from.
    Mix,
    /// It was discarded.
    Waste,
    /// It was discarded in a wash station.
    Wash,
    /// Where it came from or went is not known.
    Unknown,
}

/// A sample: liquid in a well of a sample plate whose origin is known.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Sample {
    /// `[A-Za-z0-9-]{1,40}`: the worklist's, or made from device, stream and place in the stream.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]{1,40}$"))]
    pub id: String,
    /// What the sample is for.
    pub role: SampleRole,
    /// The plate that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<Arc<str>>,
    /// The well that it is in; the first, where it was put into several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub well: Option<Well>,
    /// The wells that it was taken from.
    pub origins: Vec<Place>,
}

/// What a sample is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SampleRole {
    /// Nothing tells.
    Unknown,
    /// Without analyte.
    Blank,
    /// Without analyte and internal standard.
    DoubleBlank,
    /// Solvent only.
    Solvent,
    /// Of known concentration.
    Standard,
    /// Quality control.
    QualityControl,
    /// Of several wells.
    Pool,
}

/// `sampling.completed`: liquid of one cultivation well is in its sample well or wells.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Completed {
    /// The robot's run, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Arc<Run>>,
    /// The sample.
    pub sample: Sample,
    /// The culture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cultivation: Option<Culture>,
    /// The well that was sampled.
    pub source: Place,
    /// Where the sample went.
    pub destinations: Vec<Place>,
    /// The liquid's own volume, microlitres, negative: taken; absent where only the piston's is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_ul: Option<f64>,
    /// What the wire commanded the piston to take, microlitres.
    pub piston_volume_ul: f64,
    /// The channel, from 1.
    pub channel: u8,
    /// The tip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<Tip>,
    /// The liquid class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquid_class: Option<Arc<str>>,
    /// The access in which the well was sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_id: Option<String>,
    /// The event that asked for the sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Uuid>,
    /// When the liquid left the culture; the event's own time is when it was in its last destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspirated_at: Option<Timestamp>,
    /// Whether all steps were done.
    pub outcome: Outcome,
    /// What is remarkable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<LiquidFlag>,
    /// The remarkable, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// `sampling.failed`: a step of liquid handling failed, or liquid of a culture never reached a sample well.
///
/// Everything is given as far as it is known. One event for each channel that failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Failed {
    /// What failed: `tip-pickup`, `aspirate`, `dispense`, `tip-eject`, `tip-never-dispensed`, `interrupted`, `command`.
    pub reason: &'static str,
    /// What happened, in words.
    pub text: String,
    /// The robot's run, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Arc<Run>>,
    /// The culture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cultivation: Option<Culture>,
    /// The well that was, or was to be, sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Place>,
    /// Where liquid went, or was to go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<Place>,
    /// The liquid's own volume, microlitres, negative: taken, or to be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_ul: Option<f64>,
    /// What the wire commanded the piston to move, microlitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub piston_volume_ul: Option<f64>,
    /// The channel, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u8>,
    /// The tip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<Tip>,
    /// The liquid class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquid_class: Option<Arc<str>>,
    /// The access in which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_id: Option<String>,
    /// The event that asked for the sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Uuid>,
    /// When the liquid left the culture, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspirated_at: Option<Timestamp>,
    /// The channels that did the same step and succeeded, from 1.
    pub succeeded_channels: Vec<u8>,
    /// What the instrument reported.
    pub errors: Vec<ModuleError>,
    /// What is remarkable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<LiquidFlag>,
}
