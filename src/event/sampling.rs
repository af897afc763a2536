//! What sampling events say: the `data` of the `sampling.*` types.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::cultivation::Run;

/// `sampling.access-started`: measuring paused so that the robot or a person can reach the plate.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AccessStarted {
    /// The run.
    pub run: Arc<Run>,
    /// Names this access; the same in its end.
    pub access_id: String,
    /// What told of it: `file`, `stream`, `robot`.
    pub observed_by: &'static str,
    /// Seconds since the run's start.
    pub elapsed_s: f64,
    /// The cycle in which it lies.
    pub cycle: u32,
}

/// `sampling.access-ended`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AccessEnded {
    /// The run.
    pub run: Arc<Run>,
    /// The id of the access's start.
    pub access_id: String,
    /// What told of it.
    pub observed_by: &'static str,
    /// Seconds since the run's start.
    pub elapsed_s: f64,
    /// How long the access was, seconds; absent where its start is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// The cycle in which it lies.
    pub cycle: u32,
}
