//! What a cultivation's events say: the `data` of the `cultivation.*` types.
//!
//! Field names carry their unit. An absent value is absent, never 0, -9999 or "nan".

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::Well;

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
    /// What ended it: `all-read`, `last-read` (the last in measuring order, though others are missing), `next-cycle`,
    /// `run-ended`, `timed-out`, `late-rows`.
    pub ended_by: &'static str,
    /// The number of the cycle's events, by type, this one not counted.
    pub events: std::collections::BTreeMap<&'static str, u64>,
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
