//! A run: who it is, its plate and channels, its start and its end.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::event::Well;

/// The run of the instrument that made the event.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Run {
    /// Our id of the run, derived from the device and the instrument's own run identity.
    pub id: Uuid,
    /// The name that a person gave it, or the protocol's name.
    pub name: String,
    /// What identifies the run at the instrument, as the instrument writes it.
    pub instrument_run_id: String,
    /// When it started, in UTC; absent where nothing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// What makes the identity weaker than the instrument's own: `content-key` where the source names no run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<RunFlag>,
    /// Everything the id was derived from; goes into the ids of the run's events.
    #[serde(skip)]
    pub identity: String,
}

/// What is weak about a run's identity or start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunFlag {
    /// The source names no run: the identity is a digest of its first rows.
    ContentKey,
    /// The local start time happened twice (clock set back); the earlier one was taken.
    AmbiguousLocalTime,
    /// The local start time never happened (clock set forward); the later reading was taken.
    SkippedLocalTime,
    /// The offset that the instrument wrote is not the one its declared zone has at that time.
    ZoneConflict,
    /// The operator stated the run's identity or start.
    OperatorStated,
}

/// What a channel measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// Backscatter, in arbitrary units at a gain.
    Biomass,
    /// pH by an optode.
    Ph,
    /// Dissolved oxygen by an optode.
    Do,
    /// Fluorescence, in arbitrary units at a gain.
    Fluorescence,
    /// The source does not tell (a bare table without the protocol beside it).
    Unknown,
}

/// The plate of a run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Plate {
    /// Names one physical use of a plate; depends on no file name.
    pub id: Arc<str>,
    /// The barcode, where one was read or typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// `read`, `typed`, `none`, `no-read` or `duplicate`.
    pub barcode_status: &'static str,
    /// What the plate is for: `cultivation`.
    pub role: &'static str,
    /// The plate's type as the instrument names it.
    #[serde(rename = "type")]
    pub plate_type: String,
    /// Number of rows.
    pub rows: u32,
    /// Number of columns.
    pub columns: u32,
    /// The lot, where the instrument names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lot: Option<String>,
}

/// One channel of a run, in `cultivation.started`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Channel {
    /// The filter set, as the instrument counts (from 1).
    pub filterset: u32,
    /// The name that the user gave.
    pub name: Arc<str>,
    /// What it measures.
    pub kind: ChannelKind,
    /// Detector gain, where the source tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    /// The unit of the channel's values.
    pub unit: Arc<str>,
    /// The calibration, where the channel has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// A channel's calibration.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Calibration {
    /// The lot, as the instrument names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lot: Option<String>,
    /// The mode, as the instrument names it.
    pub mode: String,
    /// The parameters of each well, by the instrument's own names.
    pub wells: std::collections::BTreeMap<Well, std::collections::BTreeMap<String, f64>>,
}

/// The settings that a run began with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
pub struct RunSettings {
    /// Temperature, degrees Celsius.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    /// Shaker, revolutions per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shaker_rpm: Option<f64>,
    /// Relative humidity, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub humidity_percent: Option<f64>,
    /// Oxygen, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub o2_percent: Option<f64>,
    /// Carbon dioxide, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub co2_percent: Option<f64>,
    /// Cycle time, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycle_time_s: Option<f64>,
}

/// The instrument that made a run, as the source names it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Instrument {
    /// Serial number or hardware id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Software or firmware version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// The file format and its version, as the source names it.
    pub format: String,
}

/// `cultivation.started`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Started {
    /// The run.
    pub run: Arc<Run>,
    /// The start as the instrument wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument_time: Option<String>,
    /// The plate.
    pub plate: Plate,
    /// The channels, in the order of their filter sets.
    pub channels: Vec<Channel>,
    /// The instrument.
    pub instrument: Instrument,
    /// The settings.
    pub settings: RunSettings,
    /// The operator, where the source names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The comment, where the source has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// `cultivation.completed` and `cultivation.stopped`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Ended {
    /// The run.
    pub run: Arc<Run>,
    /// The end as the instrument wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument_time: Option<String>,
    /// Seconds since the run's start, by the instrument's own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_s: Option<f64>,
    /// The number of cycles with at least one reading.
    pub cycles: u32,
    /// The number of the run's events, by type, this one not counted.
    pub events: std::collections::BTreeMap<&'static str, u64>,
}
