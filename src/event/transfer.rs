//! What transfers from plate to plate say: the `data` of the `transfer.*` types.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::cultivation::Run;
use super::liquid::{Fluid, LiquidFlag, ModuleError, Outcome, Place, Tip};

/// `transfer.completed`: liquid of one well is in another.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Completed {
    /// Where it was taken.
    pub source: Place,
    /// Where it went.
    pub destination: Place,
    /// The liquid's own volume, nanolitres; absent where only the piston's is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_nl: Option<f64>,
    /// The volume that was asked for, nanolitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_nominal_nl: Option<f64>,
    /// What the source well held by the instrument's own survey, microlitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub survey_volume_ul: Option<f64>,
    /// What the wire commanded the piston to move, microlitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub piston_volume_ul: Option<f64>,
    /// The instrument's word for how it went, or `ok`.
    pub status: String,
    /// The channel, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u8>,
    /// The tip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<Tip>,
    /// The liquid class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquid_class: Option<Arc<str>>,
    /// Whether all steps were done.
    pub outcome: Outcome,
    /// What is remarkable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<LiquidFlag>,
    /// The remarkable, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What a liquid handler's own report says beside that.
    #[serde(flatten)]
    pub reported: Reported,
}

/// `transfer.failed`: a step of a transfer from plate to plate failed. Everything is given as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Failed {
    /// What failed: `aspirate`, `dispense`, `tip-never-dispensed`, `interrupted`; of an acoustic liquid handler
    /// `not-transferred` (it tried, or found that it could not) and `skipped`.
    pub reason: &'static str,
    /// What happened, in words.
    pub text: String,
    /// Where it was, or was to be, taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Place>,
    /// Where it was to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Place>,
    /// The volume that was asked for, nanolitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_nominal_nl: Option<f64>,
    /// What the source well held by the instrument's own survey, microlitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub survey_volume_ul: Option<f64>,
    /// What the wire commanded the piston to move, microlitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub piston_volume_ul: Option<f64>,
    /// The instrument's word for how it went, or `failed`.
    pub status: String,
    /// The channel, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u8>,
    /// The tip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<Tip>,
    /// The liquid class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquid_class: Option<Arc<str>>,
    /// The channels that did the same step and succeeded, from 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub succeeded_channels: Vec<u8>,
    /// What the instrument reported.
    pub errors: Vec<ModuleError>,
    /// What is remarkable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<LiquidFlag>,
    /// What a liquid handler's own report says beside that.
    #[serde(flatten)]
    pub reported: Reported,
}

/// What a liquid handler's own report says of a transfer; all of it absent where a robot's line tells of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Reported {
    /// The liquid handler's run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Arc<Run>>,
    /// The plate of the source well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_plate: Option<Arc<ReportedPlate>>,
    /// The plate of the destination well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_plate: Option<Arc<ReportedPlate>>,
    /// Which transfer of the run from this well to that well it is, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<u32>,
    /// The code with which the status begins, `MM0202001` for instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<String>,
    /// The sample's id, as the operator gave it to the liquid handler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_id: Option<String>,
    /// The sample's name, as the operator gave it to the liquid handler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_name: Option<String>,
    /// What the source well holds after it by the instrument's own account, microlitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_volume_ul: Option<f64>,
    /// What the instrument takes the fluid for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fluid: Option<Fluid>,
    /// When it was, as the instrument wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument_time: Option<Arc<str>>,
}

/// A plate as a liquid handler's report names it: its rows and columns are not told.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ReportedPlate {
    /// Names one physical use of a plate: the barcode where it was read, else made of device, run and the plate's place
    /// in it.
    pub id: Arc<str>,
    /// The barcode, where one was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barcode: Option<Arc<str>>,
    /// `read`, `none`, `no-read` (a placeholder stands for it) or `duplicate` (two plates of the run have it).
    pub barcode_status: &'static str,
    /// `source` or `destination`.
    pub role: &'static str,
    /// The plate's name in the run, `Source[1]` for instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// The plate's type as the instrument names it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub plate_type: Option<Arc<str>>,
}
