//! What ejection events say: the `data` of the `ejection.*` types.

use std::sync::Arc;

use jiff::Timestamp;
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
    /// The acquisition whose file names the list; absent where the instrument told it by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_set: Option<FileSetRef>,
    /// The sample of the file, from 1, whose run it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_index: Option<u32>,
    /// The run, where the instrument told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Arc<Run>>,
    /// The plate, where the instrument told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// In which order the wells are ejected: `serpentine` (odd rows left to right, even rows right to left), `rows` (all
    /// rows left to right) or `as-listed`.
    pub order: &'static str,
    /// On what the order rests: `instrument` where the instrument told it; `shot-list` where the wells are those of a list and
    /// nothing tells in which order they are ejected, so that it is the configured one.
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

/// `ejection.run-started`: a run over a plate began.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunStarted {
    /// The run.
    pub run: Arc<Run>,
    /// The plate; absent where nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// The method, as the instrument names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Who runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Shots that are planned, samples and markers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned: Option<u32>,
    /// Seconds from one shot to the next, nominal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_s: Option<f64>,
}

/// `ejection.ejected` and `ejection.failed`: one shot of a run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Shot {
    /// The run.
    pub run: Arc<Run>,
    /// `sample` or `marker`.
    pub kind: &'static str,
    /// The plate; absent where nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// The well; absent for a marker, and where what the instrument wrote is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub well: Option<Well>,
    /// The well or the marker's name as the instrument wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its place among the shots of the run, from 1, in the order in which they were due.
    pub order: u32,
    /// Which shot from this well it is, from 1.
    pub repeat: u32,
    /// The sample, as the instrument names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_id: Option<String>,
    /// What was ejected, nanolitres; absent where it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_nl: Option<f64>,
    /// What was to be ejected, nanolitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_nominal_nl: Option<f64>,
    /// When it was due, by the instrument's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_time: Option<Timestamp>,
    /// When it was, by the instrument's clock; absent where nothing left the well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual_time: Option<Timestamp>,
    /// What came of it, in the instrument's words: `ok`, `low-volume`, `missed`, `empty`, `skipped`, `failed`.
    pub status: String,
}

/// `ejection.run-completed`: a run over a plate ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunCompleted {
    /// The run.
    pub run: Arc<Run>,
    /// The plate; absent where nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// How it ended, in the instrument's words: `completed`, `aborted`, `failed`.
    pub outcome: String,
    /// Shots that were planned, by the instrument's own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned: Option<u32>,
    /// Samples of which something left the well, by the instrument's own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ejected: Option<u32>,
    /// The other samples that were due, by the instrument's own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<u32>,
    /// Markers that came, by the instrument's own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub markers: Option<u32>,
    /// Places in the order that no event tells of, as ranges from and to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<(u32, u32)>,
    /// Whether every shot that was due has its event.
    pub complete: bool,
    /// When it began, by the instrument's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended, by the instrument's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The number of the run's events, by type, this one not counted.
    pub events: std::collections::BTreeMap<&'static str, u64>,
}
