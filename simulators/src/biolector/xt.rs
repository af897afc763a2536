//! The rows of a BioLector XT: 41 columns, wells by label, no header but one line.

use super::calibration::{OxygenOptode, PhOptode, rounded};
use super::line::{Line, Values, reading};
use super::plate::{Plate, Well};
use super::quirk::Quirk;
use super::record::{Chamber, Fault, Optics, Record, Source, Voice, What};
use super::settings::{Channel, ChannelKind, Settings};

/// The header line.
pub const TABLE_HEADER: &str = "Type;Cycle;Well;Filterset;Time;Amp_1;Amp_2;AmpRef_1;AmpRef_2;Phase;Cal;T-MTP;O2;CO2;Shaker;Service;User_Comment;\
    Sys_Comment;Reservoir;MF_Volume;TotalVolume;T_UC_PT100;T_LC_PT100;T_WB_heating_pad;T_144;T_180;T_181_1;T_192;P_UC_peltier;P_LC_peltier;\
    P_WB_heating_pad;X-Pos;Y-Pos;Ref_Int;Ref_Phase;Ref_Gain;Ch1-MP;Ch2-FR;Ch3-IP;Ch4-PP;Ch5-OP";

/// The volume with which a well starts, in µL.
pub const START_VOLUME: f64 = 800.0;
/// Where the optics' home lies, as `settings.ini` says it: positions in the table are on the plate plus this.
const HOME: (f64, f64) = (-7.56, -5.44);
/// A float that was never set, as the instrument prints it.
const NEVER_SET: &str = "734916527492733861888.00";
/// The same for a number that a sensor of the simulation never gave.
const FILLED: &str = "-431602080.00";

/// Writes rows as an XT does.
#[derive(Debug)]
pub struct XtRows {
    settings: Settings,
    channels: Vec<Channel>,
    plate: Plate,
    wells: Vec<Well>,
    /// What is in each well, in reading order, in µL.
    volumes: Vec<f64>,
}

/// A row: its columns by position.
struct Row([String; 41]);

impl Row {
    fn new(kind: &str, record: &Record) -> Row {
        let mut row = Row(std::array::from_fn(|_| String::new()));
        row.set(0, kind);
        row.set(1, format!("{:03}", record.cycle));
        row.set(4, format!("{:06}", record.time));
        row
    }

    fn set(&mut self, column: usize, value: impl Into<String>) {
        self.0[column] = value.into();
    }

    fn number(&mut self, column: usize, value: f64) {
        self.set(column, format!("{value:.2}"));
    }
}

impl XtRows {
    /// A writer for a run.
    pub fn new(settings: &Settings) -> XtRows {
        let plate = settings.plate();
        let wells = plate.serpentine();
        let volumes = vec![START_VOLUME; wells.len()];
        XtRows { channels: settings.channels(), plate, wells, volumes, settings: settings.clone() }
    }

    /// Another volume in a well, by its index in reading order.
    pub fn set_volume(&mut self, well: usize, microlitres: f64) {
        if let Some(volume) = self.volumes.get_mut(well) {
            *volume = microlitres;
        }
    }

    /// The lines of a cycle.
    pub fn cycle(&self, records: &[Record]) -> Vec<Line> {
        records.iter().map(|record| self.row(record)).collect()
    }

    /// The line of one record.
    pub fn row(&self, record: &Record) -> Line {
        let mut found = None;
        let row = match &record.what {
            What::Measurement { channel, filed, well, optics, chamber } => {
                let mut row = Row::new("M", record);
                let label = self.wells[*well].to_string();
                let values = self.values(*channel, *well, optics, chamber);
                row.set(2, &label);
                row.set(3, (filed + 1).to_string());
                self.seen(&mut row, *channel, optics, values);
                chamber_columns(&mut row, chamber);
                if optics.fault == Some(Fault::Saturated) {
                    row.set(15, "SENS1");
                }
                row.set(20, format!("{:.6}", self.volumes[*well]));
                let (x, y) = self.plate.position(self.wells[*well], self.channels[*channel].kind.spot());
                self.machine(&mut row, chamber, (x + HOME.0, y + HOME.1));
                self.detector(&mut row, *channel, optics.detector);
                found = Some(reading(record.cycle, *filed, &label, record.time, optics, values, filed != channel));
                row
            }
            What::Reference { channel, amplitude, detector, chamber } => {
                let mut row = Row::new("R", record);
                row.set(3, (channel + 1).to_string());
                // A filter set without reference prints what the memory held.
                let none = if self.settings.has(Quirk::GarbageFloats) { NEVER_SET } else { "0.00" };
                row.set(5, amplitude.map_or(none.to_owned(), |value| format!("{value:.2}")));
                chamber_columns(&mut row, chamber);
                self.machine(&mut row, chamber, (125.43, 71.54));
                self.detector(&mut row, *channel, *detector);
                row
            }
            What::Internal { channel, detector } => {
                let mut row = Row::new("I", record);
                row.set(3, (channel + 1).to_string());
                row.number(33, *detector);
                row.number(34, *detector);
                row.set(35, "2.00");
                row
            }
            What::Periodic { chamber } => {
                let mut row = Row::new("P", record);
                chamber_columns(&mut row, chamber);
                if self.settings.has(Quirk::GarbageFloats) {
                    row.set(13, FILLED);
                }
                self.machine(&mut row, chamber, (125.43, 71.54));
                row
            }
            What::Comment { voice, text } => {
                let mut row = Row::new("C", record);
                let column = match voice {
                    Voice::Service => 15,
                    Voice::User => 16,
                    Voice::System => 17,
                };
                row.set(column, text);
                row
            }
            What::Fluid { well, source, pumped, total } => {
                let mut row = Row::new("F", record);
                let well = self.wells[*well];
                row.set(2, well.to_string());
                row.set(
                    18,
                    match source {
                        Source::External => "EXTERNAL".to_owned(),
                        Source::Reservoir(index) => Well { row: *index, column: well.column }.to_string(),
                    },
                );
                row.set(19, format!("{pumped:.6}"));
                row.set(20, format!("{total:.6}"));
                row
            }
        };
        Line { at: record.at, bytes: row.0.join(";").into_bytes(), reading: found }
    }

    /// Referenced amplitude and calibrated value as printed.
    fn values(&self, channel: usize, well: usize, optics: &Optics, chamber: &Chamber) -> Values {
        let facts = &self.channels[channel];
        let celsius = chamber.calibrating;
        match facts.kind {
            ChannelKind::Biomass | ChannelKind::Fluorescence => Values {
                referenced: optics
                    .reference
                    .map(|reference| rounded(optics.amplitude * facts.reference_value / reference, 2)),
                calibrated: None,
            },
            ChannelKind::Ph => {
                let ph = PhOptode::of_well(well).ph(optics.phase, celsius);
                Values { referenced: None, calibrated: ph.map(|ph| rounded(ph, 2)) }
            }
            // The XT's formula is not known. It prints figures like % oxygen in the gas: of air at saturation.
            ChannelKind::Oxygen => {
                let saturation = OxygenOptode::of_well(well).saturation(optics.phase, celsius);
                Values { referenced: None, calibrated: Some(rounded(0.2095 * saturation, 2)) }
            }
        }
    }

    /// The columns `Amp_1` to `Cal`.
    fn seen(&self, row: &mut Row, channel: usize, optics: &Optics, values: Values) {
        if optics.fault.is_some() {
            for column in 5..10 {
                row.set(column, "nan");
            }
            row.set(10, "0.00");
            return;
        }
        row.number(5, optics.amplitude);
        row.set(6, "0.00");
        row.number(7, values.referenced.unwrap_or(0.0));
        row.set(8, "0.00");
        row.number(9, optics.phase);
        let calibrated =
            values.calibrated.unwrap_or(if self.channels[channel].kind.is_intensity() { 0.0 } else { f64::NAN });
        row.set(10, if calibrated.is_nan() { "nan".to_owned() } else { format!("{calibrated:.2}") });
    }

    /// Temperatures of the machine, its heaters, the place of the optics and the pressures.
    fn machine(&self, row: &mut Row, chamber: &Chamber, (x, y): (f64, f64)) {
        for (column, value) in [
            (21, rounded(chamber.calibrating + 0.9, 1)),
            (22, chamber.lower),
            (23, 59.8),
            (24, 28.5),
            (25, 22.4),
            (26, 24.69),
            (27, 0.0),
            (28, chamber.heater),
            (29, chamber.heater / 2.0),
            (30, 20.0),
            (31, x),
            (32, y),
            (36, 2.15),
            (37, 0.0),
            (38, 0.0),
            (39, 0.0),
            (40, 0.0),
        ] {
            row.number(column, value);
        }
    }

    fn detector(&self, row: &mut Row, channel: usize, detector: f64) {
        let phase = if self.channels[channel].kind == ChannelKind::Oxygen { 6.4 } else { 74.45 };
        row.number(33, detector);
        row.number(34, phase);
        row.set(35, if self.channels[channel].kind.is_intensity() { "2.00" } else { "3.00" });
    }
}

/// The columns `T-MTP` to `Shaker`.
fn chamber_columns(row: &mut Row, chamber: &Chamber) {
    row.number(11, chamber.calibrating);
    row.number(12, chamber.oxygen);
    row.set(13, "0.00");
    row.set(14, chamber.shaker.to_string());
}
