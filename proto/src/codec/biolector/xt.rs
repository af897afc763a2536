//! The json members beside a BioLector XT's table: `.meta`, the protocol and the filter settings.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::calibration::{Linear, PhCalibration};

/// Why a member could not be read.
#[derive(Debug, thiserror::Error)]
#[error("`{member}` is no readable json: {source}")]
pub struct MemberError {
    /// Which member.
    pub member: &'static str,
    /// What was wrong.
    source: serde_json::Error,
}

/// The `.meta` member: what makes an archive an experiment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Meta {
    /// The device's name, may be empty.
    pub bio_lector_id: Option<String>,
    /// Version of the table, `1.0.0`.
    pub csv_file_version: Option<String>,
    /// Start, ISO 8601 with offset.
    pub start: Option<String>,
    /// End, the same form; absent while the run goes on.
    pub end: Option<String>,
    /// The instrument's software.
    pub hmi_version: Option<String>,
    /// The experiment's UUID.
    pub id: Option<String>,
    /// The run's number on its device.
    pub process_id: Option<i64>,
    /// `<process>_<protocol name>`.
    pub seed_name: Option<String>,
    /// Serial number.
    pub xt_id: Option<String>,
}

/// The protocol member, as it was run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Protocol {
    /// The protocol's name.
    pub name: Option<String>,
    /// The user.
    pub user_name: Option<String>,
    /// The comment, line ends included.
    pub comment: Option<String>,
    /// The plate's lot.
    pub lot_id: Option<serde_json::Value>,
    /// The plate.
    pub microplate: Option<Microplate>,
    /// The channels, in the order of their filter sets.
    pub channels: Vec<Channel>,
    /// Which wells are measured.
    pub layout: Option<Layout>,
    /// `HH:MM:SS`.
    pub cycle_time: Option<String>,
    /// Degrees Celsius.
    pub initial_temperature: Option<f64>,
    /// Revolutions per minute.
    pub initial_rpm: Option<f64>,
    /// Percent.
    #[serde(rename = "InitialO2")]
    pub initial_o2: Option<f64>,
    /// Percent.
    #[serde(rename = "InitialCO2")]
    pub initial_co2: Option<f64>,
}

/// The plate.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Microplate {
    /// Its type's name.
    pub name: Option<String>,
    /// The wells that hold cultures.
    pub cultivation_labels: Vec<String>,
    /// The wells that hold feeds.
    pub reservoir_labels: Vec<String>,
}

/// Which wells are measured.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Layout {
    /// Their labels; the measuring order is not this one but serpentine.
    pub measured_cultivation_labels: Vec<String>,
}

/// One channel.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Channel {
    /// The name the user gave.
    pub name: Option<String>,
    /// The physical filter.
    pub filter: Option<Filter>,
    /// Detector gain.
    pub gain1: Option<f64>,
    /// The calibration, where it has one.
    pub calibration: Option<Calibration>,
}

/// A physical filter.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Filter {
    /// Its number.
    pub id: Option<u32>,
    /// Its name.
    pub name: Option<String>,
    /// `Intensity`, `pH`, `DO`.
    pub filter_type: Option<String>,
}

/// A channel's calibration.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Calibration {
    /// The optodes' lot, in words.
    pub name: Option<String>,
    /// One entry for each well.
    pub well_calibrations: Vec<WellCalibration>,
}

/// A calibration in one well.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WellCalibration {
    /// The well's label.
    pub cultivation_label: Option<String>,
    /// pH parameters.
    pub ph_temp_calibration: Option<PhParameters>,
    /// DO parameters of an unpublished formula.
    pub do_temp_calibration: Option<DoParameters>,
    /// Where the calibration holds.
    pub temperature_range: Option<TemperatureRange>,
}

/// pH parameters.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PhParameters {
    /// Phase at the acid end.
    #[serde(rename = "fMin")]
    pub phase_min: Option<Parameter>,
    /// Phase at the alkaline end.
    #[serde(rename = "fMax")]
    pub phase_max: Option<Parameter>,
    /// Slope.
    #[serde(rename = "dpH")]
    pub dph: Option<Parameter>,
    /// Inflection point.
    #[serde(rename = "pH0")]
    pub ph0: Option<Parameter>,
}

/// DO parameters.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DoParameters {
    /// In the order of the file.
    pub parameters: Vec<Parameter>,
}

/// A parameter linear in temperature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Parameter {
    /// Change per degree.
    pub slope: f64,
    /// Value at 0 °C.
    pub offset: f64,
}

impl From<Parameter> for Linear {
    fn from(parameter: Parameter) -> Self {
        Self { slope: parameter.slope, offset: parameter.offset }
    }
}

/// A range of temperatures, degrees Celsius.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TemperatureRange {
    /// From.
    pub min: f64,
    /// To.
    pub max: f64,
}

impl PhParameters {
    /// The parameters, where all are there.
    pub fn calibration(&self) -> Option<PhCalibration> {
        Some(PhCalibration {
            phase_min: self.phase_min?.into(),
            phase_max: self.phase_max?.into(),
            ph0: self.ph0?.into(),
            dph: self.dph?.into(),
        })
    }
}

impl Meta {
    /// The experiment's id as it is compared: without braces, in lower case.
    pub fn experiment_id(&self) -> Option<String> {
        let id = self.id.as_deref()?.trim().trim_start_matches('{').trim_end_matches('}');
        (!id.is_empty()).then(|| id.to_ascii_lowercase())
    }
}

impl Protocol {
    /// The cycle time in seconds.
    pub fn cycle_time_s(&self) -> Option<f64> {
        let mut parts = self.cycle_time.as_deref()?.split(':');
        let mut part = || parts.next()?.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0);
        Some(part()? * 3600.0 + part()? * 60.0 + part()?)
    }
}

/// Reads a `.meta` member.
///
/// # Errors
///
/// When it is no json object of that shape.
pub fn meta(bytes: &[u8]) -> Result<Meta, MemberError> {
    read("meta", bytes)
}

/// Reads the protocol member.
///
/// # Errors
///
/// When it is no json object of that shape.
pub fn protocol(bytes: &[u8]) -> Result<Protocol, MemberError> {
    read("protocol json", bytes)
}

/// Reads `_filtersettings.json`: the reference value of each filter, by its id.
///
/// # Errors
///
/// When it is no json list of that shape.
pub fn filter_settings(bytes: &[u8]) -> Result<BTreeMap<u32, f64>, MemberError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Setting {
        id: u32,
        ref_value: Option<f64>,
    }
    let settings: Vec<Setting> = read("filter settings", bytes)?;
    Ok(settings.into_iter().filter_map(|setting| Some((setting.id, setting.ref_value?))).collect())
}

/// What a member is, by the end of its name; only what is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// The `.meta`.
    Meta,
    /// The protocol.
    Protocol,
    /// The filters' reference values.
    FilterSettings,
    /// Anything else.
    Other,
}

impl Member {
    /// Tells by the end of the name; the seed name before it may hold blanks and anything else.
    pub fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        if name.ends_with(".meta") {
            Self::Meta
        } else if name.ends_with("_filtersettings.json") {
            Self::FilterSettings
        } else if name.ends_with("_filterlist.json") || name.ends_with("_filterconfig.json") {
            Self::Other
        } else if name.ends_with(".json") {
            Self::Protocol
        } else {
            Self::Other
        }
    }
}

fn read<T: for<'de> Deserialize<'de>>(member: &'static str, bytes: &[u8]) -> Result<T, MemberError> {
    let bytes = bytes.strip_prefix(super::detect::BOM).unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|source| MemberError { member, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_the_end_of_their_names() {
        assert_eq!(Member::of("122_2 24 81 BXT.meta"), Member::Meta);
        assert_eq!(Member::of("122_2 24 81 BXT.json"), Member::Protocol);
        assert_eq!(Member::of("4_BG_test_filtersettings.json"), Member::FilterSettings);
        assert_eq!(Member::of("4_BG_test_filterlist.json"), Member::Other);
        assert_eq!(Member::of("4_BG_test.log"), Member::Other);
    }

    #[test]
    fn members_are_read_leniently() {
        let meta = meta(b"\xef\xbb\xbf{\"Id\":\"{7240A390-0689-4642-b002-71867211aee3}\",\"New\":1,\"End\":null}")
            .expect("readable");
        assert_eq!(meta.experiment_id().as_deref(), Some("7240a390-0689-4642-b002-71867211aee3"));
        assert_eq!(meta.end, None);
        let protocol =
            protocol(br#"{"CycleTime":"00:15:00","Channels":[{"Gain1":3,"Calibration":null}]}"#).expect("readable");
        assert_eq!((protocol.cycle_time_s(), protocol.channels.len()), (Some(900.0), 1));
        let settings = filter_settings(br#"[{"Id":501,"RefValue":622.5},{"Id":502}]"#).expect("readable");
        assert_eq!(settings.get(&501), Some(&622.5));
        assert!(super::meta(b"\xff\xd8").is_err());
    }
}
