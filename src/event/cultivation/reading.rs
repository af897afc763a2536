//! Readings of wells, and of the references that they refer to.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{ChannelKind, Run};
use crate::event::Well;

/// Whether a reading can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quality {
    /// A usable reading.
    Ok,
    /// The detector saturated (`REFOVERLD`, `SENS1`).
    Overload,
    /// The instrument wrote no number.
    NotANumber,
    /// A number outside what the channel can measure.
    OutOfRange,
    /// A number that something else about the source puts in doubt; the flags say what.
    Suspect,
}

/// Why a reading is not simply what it seems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadingFlag {
    /// No reference reading or reference value exists for this cycle and filter set.
    Unreferenced,
    /// No usable calibration exists for this well and channel.
    Uncalibrated,
    /// The instrument's own figure and the recomputed one differ; both are given.
    Disagrees,
    /// The row may belong to another filter set (the last-well quirk of the XT software 1.8.10).
    MisfiledWell,
    /// The temperature lies outside the calibration's valid range.
    OutsideCalibrationRange,
    /// The row was the source's last line and had no line end.
    UnterminatedLine,
    /// The instrument wrote a service code with the row.
    ServiceCode,
    /// The row's time lies before that of rows written earlier in the same filter set.
    TimeBackwards,
    /// The row has another number of cells than the rows before it: its figures may be misplaced.
    OddRowLength,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValueOrigin {
    /// The instrument's own figure.
    Instrument,
    /// Computed here from raw values by the documented formula.
    Recomputed,
}

/// One well, one channel, one cycle: `cultivation.measured`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Measured {
    /// The run.
    pub run: Arc<Run>,
    /// The plate's id, as in `cultivation.started`.
    pub plate_id: Arc<str>,
    /// The well.
    pub well: Well,
    /// The cycle, as the instrument counts.
    pub cycle: u32,
    /// The filter set, as the instrument counts (from 1).
    pub filterset: u32,
    /// The channel's name, as the user gave it.
    pub channel: Arc<str>,
    /// What the channel measures.
    pub kind: ChannelKind,
    /// Seconds since the run's start.
    pub elapsed_s: f64,
    /// The calibrated (pH, DO) or referenced (biomass, fluorescence) value; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Where `value` comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_origin: Option<ValueOrigin>,
    /// The unit of `value`: `pH`, `%` (air saturation), `a.u.`, or `unresolved` (DO on the XT).
    pub unit: Arc<str>,
    /// Raw amplitude, arbitrary units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplitude: Option<f64>,
    /// Amplitude of the second detector, where it has one that is not zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplitude_2: Option<f64>,
    /// Amplitude referenced to the reading of the internal reference, recomputed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplitude_referenced: Option<f64>,
    /// Phase, degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_deg: Option<f64>,
    /// The instrument's own figure for `value`, where it wrote one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument_value: Option<f64>,
    /// Temperature at the reading, degrees Celsius.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    /// Which sensor `temperature_c` is of, by the instrument's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_sensor: Option<Arc<str>>,
    /// The service code that the instrument wrote with the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Arc<str>>,
    /// Whether the reading can be used.
    pub quality: Quality,
    /// Why it is not simply what it seems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<ReadingFlag>,
}

/// `cultivation.refined`: a reading as a file has it, where another way told of it before.
///
/// `causationid` names that event; what the two say differently stands in `disagrees`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Refined(pub Measured);

/// A reference reading of a channel: `cultivation.referenced`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Referenced {
    /// The run.
    pub run: Arc<Run>,
    /// The cycle, as the instrument counts.
    pub cycle: u32,
    /// The filter set, as the instrument counts.
    pub filterset: u32,
    /// The channel's name.
    pub channel: Arc<str>,
    /// Which reference: `reference` (every cycle) or `internal` (once per filter).
    pub reference: ReferenceKind,
    /// Seconds since the run's start.
    pub elapsed_s: f64,
    /// Raw amplitude of the reference; absent where the instrument wrote none or an impossible number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplitude: Option<f64>,
    /// The reference intensity, where written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_intensity: Option<f64>,
    /// The reference phase, degrees, where written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_deg: Option<f64>,
    /// Whether the reading can be used.
    pub quality: Quality,
    /// What the instrument wrote beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Which reference was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReferenceKind {
    /// The reference of a filter set in a cycle.
    Reference,
    /// The internal reference of a physical filter.
    Internal,
}
