//! The header of BioLector II and Pro files, format 0.0.0: sections of `[key] value` lines up to `=====data=====`.
//!
//! Sections repeat and nest, yet every key that is read here is unique in a file by its numbers, so that the
//! sections need not be followed: `NN_…` belongs to filter set NN, `NNN_…` to well number NNN, `NNN_FF_…` to both.

use std::collections::BTreeMap;

use super::calibration::{DoCalibration, Linear, PhCalibration};
use super::number;
use super::row;

/// Most filter sets and wells that are kept; real devices have up to a dozen and 48.
const MAX_CHANNELS: usize = 99;
const MAX_WELLS: usize = 1536;

/// What a header says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    /// `[process]`: the run's number on its device.
    pub process: String,
    /// `[start_date_time]`, local time without zone: `2019-07-12, 16:54:30`.
    pub start: String,
    /// `[hardware_id]`.
    pub hardware_id: String,
    /// `[file_version_number]`.
    pub file_version: String,
    /// `[hmi_version]`: the instrument's software.
    pub hmi_version: String,
    /// `[biolection_version]`: the software on the computer.
    pub biolection_version: String,
    /// `[name]` of the protocol.
    pub name: String,
    /// `[user]`.
    pub user: String,
    /// `[comment]`.
    pub comment: String,
    /// `[mtp]`: the plate's type.
    pub plate: String,
    /// `[mtp-rows]`.
    pub rows: u32,
    /// `[mtp-columns]`.
    pub columns: u32,
    /// `[mtp-lot]`.
    pub lot: String,
    /// `[temperature]`, degrees Celsius.
    pub temperature: Option<f64>,
    /// `[humidity]`, percent.
    pub humidity: Option<f64>,
    /// `[frequency]`, revolutions per minute.
    pub frequency: Option<f64>,
    /// `[cycle-time]`, seconds.
    pub cycle_time_s: Option<f64>,
    /// `[o2]`, percent; absent where off.
    pub o2: Option<f64>,
    /// `[co2]`, percent; absent where off.
    pub co2: Option<f64>,
    /// Filter sets by number.
    pub channels: BTreeMap<u32, Channel>,
    /// Wells by number, in measuring order.
    pub wells: BTreeMap<u32, WellEntry>,
}

/// One filter set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Channel {
    /// `NN_name`, which the user may change.
    pub name: String,
    /// `NN_filter_id`.
    pub filter_id: Option<u32>,
    /// `NN_filter_type`: `Intensity`, `pH`, `DO`.
    pub filter_type: String,
    /// `NN_gain_1`.
    pub gain: Option<f64>,
    /// `NN_calibration`: the lot of the optodes.
    pub calibration: String,
    /// `NN_reference_value_…`.
    pub reference_value: Option<f64>,
    /// What that key ends with: the filter's own name, whatever the user called the channel.
    pub filter_name: String,
}

/// One cultivation well.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WellEntry {
    /// `NNN_well`: its label.
    pub label: String,
    /// What is measured, by filter set.
    pub measurements: BTreeMap<u32, Measurement>,
}

/// One filter set in one well.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurement {
    /// `NNN_FF_measure`.
    pub measured: bool,
    /// `NNN_FF_cal-mode`: `NONE`, `PH`, `DO`.
    pub mode: String,
    /// `temp_min` and `temp_max`, degrees Celsius.
    pub temperature_range: Option<(f64, f64)>,
    parameters: BTreeMap<Parameter, Linear>,
    temp_min: Option<f64>,
    temp_max: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Parameter {
    PhaseMin,
    PhaseMax,
    Ph0,
    Dph,
    K0,
    K100,
}

impl Measurement {
    /// The pH parameters, where all are there.
    pub fn ph(&self) -> Option<PhCalibration> {
        let parameter = |name| self.parameters.get(&name).copied();
        Some(PhCalibration {
            phase_min: parameter(Parameter::PhaseMin)?,
            phase_max: parameter(Parameter::PhaseMax)?,
            ph0: parameter(Parameter::Ph0)?,
            dph: parameter(Parameter::Dph)?,
        })
    }

    /// The DO parameters, where all are there.
    pub fn oxygen(&self) -> Option<DoCalibration> {
        let parameter = |name| self.parameters.get(&name).copied();
        Some(DoCalibration { phase_0: parameter(Parameter::K0)?, phase_100: parameter(Parameter::K100)? })
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        let figure = || number::cell(value).number();
        match key {
            b"measure" => self.measured = value == b"1",
            b"cal-mode" => self.mode = text(value),
            b"temp_min" => self.temp_min = figure(),
            b"temp_max" => self.temp_max = figure(),
            _ => {
                let (name, slope) = match key.strip_suffix(b"_m") {
                    Some(name) => (name, true),
                    None => (key.strip_suffix(b"_a").unwrap_or(key), false),
                };
                let parameter = match name {
                    b"fmin" => Parameter::PhaseMin,
                    b"fmax" => Parameter::PhaseMax,
                    b"ph0" => Parameter::Ph0,
                    b"dph" => Parameter::Dph,
                    b"k0" => Parameter::K0,
                    b"k100" => Parameter::K100,
                    _ => return,
                };
                let Some(value) = figure() else { return };
                let linear = self.parameters.entry(parameter).or_default();
                *(if slope { &mut linear.slope } else { &mut linear.offset }) = value;
            }
        }
        self.temperature_range = self.temp_min.zip(self.temp_max);
    }
}

/// What a line of the header was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderLine {
    /// Part of the header.
    Inside,
    /// The table's header line: the header is over, rows follow.
    Table,
}

impl Header {
    /// Takes the next line, without its end. Unknown lines are passed over.
    pub fn take(&mut self, line: &[u8]) -> HeaderLine {
        let line = line.strip_prefix(super::detect::BOM).unwrap_or(line);
        if line.starts_with(b"Type;Cycle;") {
            return HeaderLine::Table;
        }
        if let Some((key, value)) = row::entry(line) {
            self.entry(key, value);
        }
        HeaderLine::Inside
    }

    fn entry(&mut self, key: &[u8], value: &[u8]) {
        if let Some((number, digits, rest)) = numbered(key) {
            if digits >= 3 {
                self.well_entry(number, rest, value);
            } else {
                self.channel_entry(number, rest, value);
            }
            return;
        }
        // A header may stand twice in a file; the first one says how the run began.
        let once = |slot: &mut String| {
            if slot.is_empty() {
                *slot = text(value);
            }
        };
        let figure = || number::cell(value).number();
        let on = || figure().filter(|v| *v >= 0.0);
        match key {
            b"process" => once(&mut self.process),
            b"start_date_time" => once(&mut self.start),
            b"hardware_id" => once(&mut self.hardware_id),
            b"file_version_number" => once(&mut self.file_version),
            b"hmi_version" => once(&mut self.hmi_version),
            b"biolection_version" => once(&mut self.biolection_version),
            b"name" => once(&mut self.name),
            b"user" => once(&mut self.user),
            b"comment" => once(&mut self.comment),
            b"mtp" => once(&mut self.plate),
            b"mtp-lot" => once(&mut self.lot),
            b"mtp-rows" => self.rows = number::whole(value).unwrap_or(self.rows),
            b"mtp-columns" => self.columns = number::whole(value).unwrap_or(self.columns),
            b"temperature" => self.temperature = self.temperature.or_else(figure),
            b"humidity" => self.humidity = self.humidity.or_else(on),
            b"frequency" => self.frequency = self.frequency.or_else(on),
            b"cycle-time" => self.cycle_time_s = self.cycle_time_s.or_else(on),
            b"o2" => self.o2 = self.o2.or_else(on),
            b"co2" => self.co2 = self.co2.or_else(on),
            _ => {}
        }
    }

    fn channel_entry(&mut self, number: u32, key: &[u8], value: &[u8]) {
        let known = key.starts_with(b"reference_value")
            || matches!(key, b"no" | b"name" | b"filter_id" | b"filter_type" | b"gain_1" | b"calibration");
        if !known || (self.channels.len() >= MAX_CHANNELS && !self.channels.contains_key(&number)) {
            return;
        }
        let channel = self.channels.entry(number).or_default();
        match key {
            b"name" => channel.name = text(value),
            b"filter_id" => channel.filter_id = number::whole(value),
            b"filter_type" => channel.filter_type = text(value),
            b"gain_1" => channel.gain = number::cell(value).number(),
            b"calibration" => channel.calibration = text(value),
            b"no" => {}
            _ => {
                channel.reference_value = number::cell(value).number();
                channel.filter_name = text(key.strip_prefix(b"reference_value_").unwrap_or_default());
            }
        }
    }

    fn well_entry(&mut self, number: u32, key: &[u8], value: &[u8]) {
        if self.wells.len() >= MAX_WELLS && !self.wells.contains_key(&number) {
            return;
        }
        if key == b"well" {
            self.wells.entry(number).or_default().label = text(value);
        } else if let Some((set, 2, rest)) = numbered(key)
            && let Some(well) = self.wells.get_mut(&number)
            && (well.measurements.contains_key(&set) || well.measurements.len() < MAX_CHANNELS)
            && !rest.starts_with(b"ph_")
        {
            well.measurements.entry(set).or_default().set(rest, value);
        }
    }
}

/// `017_02_fmin_a` is 17, three digits, `02_fmin_a`.
fn numbered(key: &[u8]) -> Option<(u32, usize, &[u8])> {
    let digits = key.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits < 2 {
        return None;
    }
    let rest = key[digits..].strip_prefix(b"_")?;
    Some((number::whole(&key[..digits])?, digits, rest))
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.trim_ascii()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_find_their_place_by_their_numbers() {
        let mut header = Header::default();
        for line in [
            "\u{feff}=====process=====",
            "[process] 224 ",
            "[start_date_time] 2019-07-12, 16:54:30",
            "[02_reference_value_pH(HP8)] 100.000000",
            "[02_name] my pH",
            "[02_filter_id] 202",
            "[02_filter_type] pH",
            "[temperature] 30",
            "[o2] -1",
            "[01_src_well] A01",
            "[009_well] B08 ",
            "[009_02_measure] 1",
            "[009_02_cal-mode] PH",
            "[009_02_temp_min] 20",
            "[009_02_temp_max] 40",
            "[009_02_fmin_a] 64.5241",
            "[009_02_fmin_m] -0.0387",
            "[009_02_fmax_a] 12.7927",
            "[009_02_fmax_m] -4E-05",
            "[009_02_ph0_a] 6.1718",
            "[009_02_dph_a] 0.5179",
            "[009_01_ph_tim] 0",
            "[process] 225",
        ] {
            assert_eq!(header.take(line.as_bytes()), HeaderLine::Inside);
        }
        assert_eq!(header.take(b"Type;Cycle;Well;Filterset;Time"), HeaderLine::Table);
        assert_eq!((header.process.as_str(), header.temperature, header.o2), ("224", Some(30.0), None));
        assert_eq!(header.channels.len(), 1);
        assert_eq!(header.channels[&2].reference_value, Some(100.0));
        assert_eq!((&*header.channels[&2].filter_name, &*header.channels[&2].name), ("pH(HP8)", "my pH"));
        let well = &header.wells[&9];
        assert_eq!((well.label.as_str(), well.measurements.len()), ("B08", 1));
        let ph = well.measurements[&2].ph().expect("all parameters");
        assert_eq!((ph.phase_min.slope, ph.phase_max.slope, ph.ph0.slope), (-0.0387, -4e-5, 0.0));
        assert_eq!(well.measurements[&2].temperature_range, Some((20.0, 40.0)));
        assert!(well.measurements[&2].oxygen().is_none());
    }
}
