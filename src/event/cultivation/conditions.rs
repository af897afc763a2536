//! What happens to a culture between readings: pauses, conditions, set-points, feeds, comments.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::Run;
use crate::event::Well;

/// `cultivation.paused`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Paused {
    /// The run.
    pub run: Arc<Run>,
    /// The cycle, as the instrument counts.
    pub cycle: u32,
    /// Seconds since the run's start.
    pub elapsed_s: f64,
    /// What the instrument wrote.
    pub text: String,
}

/// `cultivation.resumed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Resumed {
    /// The run.
    pub run: Arc<Run>,
    /// The cycle, as the instrument counts.
    pub cycle: u32,
    /// Seconds since the run's start.
    pub elapsed_s: f64,
    /// What the instrument wrote.
    pub text: String,
    /// How long the pause was, seconds; absent where its start is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
}

/// `cultivation.environment`: conditions as they are.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Environment {
    /// The run.
    pub run: Arc<Run>,
    /// The cycle, as the instrument counts.
    pub cycle: u32,
    /// Seconds since the run's start.
    pub elapsed_s: f64,
    /// Temperatures by sensor, degrees Celsius, by the instrument's own names.
    pub temperatures_c: std::collections::BTreeMap<Arc<str>, f64>,
    /// Shaker, revolutions per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shaker_rpm: Option<f64>,
    /// Oxygen, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub o2_percent: Option<f64>,
    /// Carbon dioxide, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub co2_percent: Option<f64>,
    /// Relative humidity, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub humidity_percent: Option<f64>,
    /// Flow of gas, in the instrument's own unit, which nothing names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<f64>,
}

/// `cultivation.setpoint-changed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SetpointChanged {
    /// The run.
    pub run: Arc<Run>,
    /// The cycle.
    pub cycle: u32,
    /// Seconds since the run's start.
    pub elapsed_s: f64,
    /// What: `shaker_rpm`, `temperature_c`, `o2_percent`, `co2_percent`, `humidity_percent`.
    pub quantity: &'static str,
    /// The new set-point; absent where the quantity was only switched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setpoint: Option<f64>,
    /// Whether control is on, where the text tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What the instrument wrote.
    pub text: String,
}

/// `cultivation.cover-changed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CoverChanged {
    /// The run.
    pub run: Arc<Run>,
    /// The cycle.
    pub cycle: u32,
    /// Seconds since the run's start.
    pub elapsed_s: f64,
    /// `open`, `closed`, `moving`.
    pub cover: &'static str,
    /// What the instrument wrote.
    pub text: String,
}

/// `cultivation.fed`: something was put into a well.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Fed {
    /// The run.
    pub run: Arc<Run>,
    /// The plate's id.
    pub plate_id: Arc<str>,
    /// The cycle.
    pub cycle: u32,
    /// Seconds since the run's start.
    pub elapsed_s: f64,
    /// The well.
    pub well: Well,
    /// From where: `external` (robot, person, initial fill) or the instrument's name of the reservoir.
    pub source: String,
    /// Volume given from this source so far, microlitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_ul: Option<f64>,
    /// The well's whole volume, microlitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_volume_ul: Option<f64>,
}

/// `cultivation.commented`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Commented {
    /// The run.
    pub run: Arc<Run>,
    /// The cycle.
    pub cycle: u32,
    /// Seconds since the run's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_s: Option<f64>,
    /// Who wrote it: `user`, `system`, `service`.
    pub kind: &'static str,
    /// What was written.
    pub text: String,
}
