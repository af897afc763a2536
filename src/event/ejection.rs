//! What ejection events say: the `data` of the `ejection.*` types.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::Well;
use super::acquisition::FileSetRef;
use super::cultivation::{Plate, Run};
use super::liquid::{Fluid, LiquidFlag};

/// `ejection.planned`: the shot list that a run of an acoustic ejection mass spectrometer was given. It says what was
/// meant to be ejected, never that it was.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Planned {
    /// The acquisition whose file names the list.
    pub file_set: FileSetRef,
    /// The sample of the file, from 1, whose run it is.
    pub sample_index: u32,
    /// In which order the wells are ejected: `serpentine` (odd rows left to right, even rows right to left), `rows` (all
    /// rows left to right) or `as-listed`.
    pub order: &'static str,
    /// On what the order rests: `shot-list` for the wells; the files do not record in which order they were ejected, so
    /// that it is the configured one.
    pub basis: &'static str,
    /// The ejections, in that order.
    pub ejections: Vec<PlannedEjection>,
}

/// One ejection of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedEjection {
    /// Its place in the order, from 1.
    pub order: u32,
    /// `sample` or `marker`.
    pub kind: &'static str,
    /// The well; absent for a marker without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub well: Option<Well>,
    /// Which ejection from this well it is, from 1.
    pub repeat: u32,
    /// The entry as typed.
    pub text: String,
    /// Its place in the list as typed, from 1.
    pub listed: u32,
}

/// `ejection.surveyed`: what an acoustic survey of a source plate found in one well. It says what was there, never that
/// anything was ejected.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Surveyed {
    /// The run, where the source names one: a survey of its own belongs to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Arc<Run>>,
    /// The plate.
    pub plate: Plate,
    /// The well.
    pub well: Well,
    /// What came of it.
    pub outcome: SurveyOutcome,
    /// What the survey found, microlitres; absent where the outcome is `no-data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_ul: Option<f64>,
    /// What is there now by the instrument's own account of what it took since, microlitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_volume_ul: Option<f64>,
    /// What the instrument takes the fluid for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fluid: Option<Fluid>,
    /// The instrument's own words about the well, where it has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When it was, as the instrument wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument_time: Option<Arc<str>>,
    /// What is remarkable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<LiquidFlag>,
}

/// What came of surveying a well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SurveyOutcome {
    /// There is liquid, and this is how much.
    Measured,
    /// The well is empty, or no liquid was found in it: the instrument does not tell these apart, and writes 0.
    NoData,
    /// The instrument gives a volume and a reservation about it in `status`.
    Doubtful,
}
