//! What transfers from plate to plate say: the `data` of the `transfer.*` types.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::liquid::{LiquidFlag, ModuleError, Outcome, Place, Tip};

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
}

/// `transfer.failed`: a step of a transfer from plate to plate failed. Everything is given as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Failed {
    /// What failed: `aspirate`, `dispense`, `tip-never-dispensed`, `interrupted`.
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
}
