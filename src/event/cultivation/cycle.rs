//! Cycles: their start, and what became of them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::Run;
use crate::event::Well;

/// `cultivation.cycle-started`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CycleStarted {
    /// The run.
    pub run: Arc<Run>,
    /// The cycle, as the instrument counts.
    pub cycle: u32,
    /// Seconds since the run's start.
    pub elapsed_s: f64,
}

/// What was measured of one filter set in a cycle.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ChannelCount {
    /// The filter set.
    pub filterset: u32,
    /// Wells expected.
    pub expected: u32,
    /// Wells with a row.
    pub seen: u32,
    /// Rows whose quality is not `ok`.
    pub invalid: u32,
    /// Expected wells without a row.
    pub missing_wells: Vec<Well>,
    /// Where `expected` comes from: `header` (or protocol), or `learned` from the run's cycles so far.
    pub expected_from: &'static str,
}

/// A further row for a reading that an earlier row already made.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DuplicateRow {
    /// The well.
    pub well: Well,
    /// The filter set.
    pub filterset: u32,
    /// Seconds since the run's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_s: Option<f64>,
    /// Raw amplitude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplitude: Option<f64>,
    /// Phase, degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_deg: Option<f64>,
    /// The instrument's own figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument_value: Option<f64>,
    /// The byte in the source's data section where it stands.
    pub source_offset: u64,
    /// Whether it differs from the row that made the event.
    pub conflict: bool,
}

/// Something wrong in the source.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Defect {
    /// What kind, `torn-line` for instance.
    pub code: &'static str,
    /// How many.
    pub count: u32,
    /// The byte in the source's data section where the first stands.
    pub first_offset: u64,
    /// The first, in words.
    pub text: String,
}

/// `cultivation.cycle-completed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CycleCompleted {
    /// The run.
    pub run: Arc<Run>,
    /// The cycle.
    pub cycle: u32,
    /// Seconds since the run's start at its last reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_s: Option<f64>,
    /// What was measured of each filter set.
    pub channels: Vec<ChannelCount>,
    /// Every further row for a reading.
    pub duplicate_rows: Vec<DuplicateRow>,
    /// What was wrong in the source.
    pub defects: Vec<Defect>,
    /// Whether every expected reading was seen.
    pub complete: bool,
    /// What ended it, or led to this revision: `all-read`, `last-read` (the last in measuring order, though others are missing), `next-cycle`,
    /// `run-ended`, `timed-out`, `late-rows`.
    pub reason: &'static str,
    /// The number of the cycle's events, by type, this one not counted.
    pub events: std::collections::BTreeMap<&'static str, u64>,
}
