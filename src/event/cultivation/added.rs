//! What a robot puts into a culture.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::event::Well;
use crate::event::liquid::{Culture, LiquidFlag, Outcome, Place, Tip};

/// `cultivation.added`: one channel put something into one cultivation well (inducer, feed …).
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Added {
    /// The culture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cultivation: Option<Culture>,
    /// The well.
    pub well: Well,
    /// The liquid's own volume, microlitres; absent where only the piston's is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_ul: Option<f64>,
    /// What the wire commanded the piston to move, microlitres.
    pub piston_volume_ul: f64,
    /// Where it was taken; absent where no aspirate was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Place>,
    /// What it is, by the worklist, or `unknown`.
    pub substance: String,
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
