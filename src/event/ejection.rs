//! What ejection events say: the `data` of the `ejection.*` types.

use schemars::JsonSchema;
use serde::Serialize;

use super::Well;
use super::acquisition::FileSetRef;

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
