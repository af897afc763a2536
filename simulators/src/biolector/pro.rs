//! The rows of a BioLector II or Pro: one wide table behind a header of sections.

use super::calibration::{OxygenOptode, PhOptode, rounded};
use super::line::{Line, Values, reading};
use super::plate::{Plate, Well};
use super::quirk::Quirk;
use super::record::{Chamber, Fault, Optics, Record, Source, Voice, What};
use super::settings::{Channel, ChannelKind, Columns, Settings};

/// The columns that both generations share.
const BEFORE: &str = "Type;Cycle;Well;Filterset;Time;Amp_1;Amp_2;AmpRef_1;AmpRef_2;Phase;Cal;";

/// Writes rows as a Pro does.
#[derive(Debug)]
pub struct ProRows {
    settings: Settings,
    channels: Vec<Channel>,
    plate: Plate,
    wells: Vec<Well>,
    /// The internal reference of the last R row, which restarted files repeat in every M row.
    service: f64,
    /// The last M row, of which restarted files end a cycle with a copy.
    last_measurement: Option<String>,
}

impl ProRows {
    /// A writer for a run.
    pub fn new(settings: &Settings) -> ProRows {
        ProRows {
            channels: settings.channels(),
            plate: settings.plate(),
            wells: settings.plate().serpentine(),
            service: 0.0,
            last_measurement: None,
            settings: settings.clone(),
        }
    }

    /// The header line of the table.
    pub fn table_header(&self) -> String {
        let names = match self.settings.columns {
            Columns::Old => ["Temp_up;Temp_down;Temp_water", "Temp_Ch4", "P_Ch1;P_Ch2;P_Ch3;T_Hum"],
            Columns::New => [
                "T_UC_HumSensor_analog;T_LC_PT100;T_UC_PT100",
                "T_WB_heating_rod",
                "P_UC_peltier;P_LC_peltier;P_WB_heating_rod;T_UC_HumSensor_digital",
            ],
        };
        let header = format!(
            "{BEFORE}{};O2;CO2;Humidity;Shaker;Service;User_Comment;Sys_Comment;Reservoir;MF_Volume;{};T_144;T_180;T_181_1;T_192;{};\
             T_CO2;X-Pos;Y-Pos;T_LED;Ref_Int;Ref_Phase;Ref_Gain;Ch1-MP;Ch2-MF;Ch3-FA;Ch4-OP;Ch5-FB",
            names[0], names[1], names[2]
        );
        if self.settings.has(Quirk::ShortTable) {
            header.split(';').take(SHORT).collect::<Vec<_>>().join(";")
        } else {
            header
        }
    }

    /// The short header that a restarting file puts before every cycle.
    pub fn short_header(&self, at: f64) -> Vec<Line> {
        let three = match self.settings.columns {
            Columns::Old => "Temp_up;Temp_down;Temp_water",
            Columns::New => "T_UC_HumSensor_analog;T_LC_PT100;T_UC_PT100",
        };
        vec![
            Line::text(at, "=====process====="),
            Line::text(at, format!("[process] {}", self.settings.process)),
            Line::text(at, format!("{BEFORE}{three};O2;CO2;Humidity;Shaker;Comment")),
        ]
    }

    /// The lines of a cycle.
    pub fn cycle(&mut self, records: &[Record]) -> Vec<Line> {
        if !self.settings.has(Quirk::HeaderRestart) {
            return records.iter().map(|record| self.row(record)).collect();
        }
        let begin = records.first().map_or(0.0, |record| record.at);
        let mut lines = self.short_header(begin);
        let last = records.iter().rposition(|record| matches!(record.what, What::Measurement { .. })).unwrap_or(0);
        for record in &records[..records.len().min(last + 1)] {
            if !matches!(record.what, What::Comment { .. }) {
                lines.push(self.row(record));
            }
        }
        if let (Some(stale), Some(record)) = (&self.last_measurement, records.last()) {
            lines.push(Line::text(record.at, format!("P{};{PRESSURES}", &stale[1..])));
            lines.push(Line::text(record.at, ""));
        }
        lines
    }

    /// The line of one record.
    pub fn row(&mut self, record: &Record) -> Line {
        let (cycle, time) = (record.cycle, record.time);
        let restarting = self.settings.has(Quirk::HeaderRestart);
        // Files of microfluidic runs carry the first pressure in every row, and one separator more.
        let (short_tail, long_tail) = if self.plate == Plate::Mf32 { (";2.013", ";") } else { ("", "") };
        let mut found = None;
        let text = match &record.what {
            What::Measurement { channel, filed, well, optics, chamber } => {
                let values = self.values(*channel, *well, optics, chamber);
                let label = self.wells[*well].to_string();
                found = Some(reading(cycle, *filed, &label, time, optics, values, filed != channel));
                let service = if restarting { format!("{:.2}", self.service) } else { String::new() };
                let text = format!(
                    "M;{cycle:04};{:03};{:02};{time};{};{}{short_tail}",
                    well + 1,
                    filed + 1,
                    self.optics(*channel, optics, values),
                    self.environment(chamber, &service, Some((*channel, *well, optics)))
                );
                self.last_measurement = Some(text.clone());
                text
            }
            What::Reference { channel, amplitude, detector, chamber } => {
                self.service = *detector;
                let (well, rest) = if restarting { ("Well", "AmpRef_1;AmpRef_2;Phase;Cal") } else { ("", ";;;") };
                let amplitude_text = amplitude.map_or("-9999.00".to_owned(), |value| format!("{value:.2}"));
                let service = amplitude.map_or("LED".to_owned(), |_| format!("{detector:.2}"));
                let tail = match amplitude {
                    Some(_) => format!("30;{detector:.2};72.93;4"),
                    None => "12;8192.00;0.00;0".to_owned(),
                };
                format!(
                    "R;{cycle:04};{well};{:02};{time};{amplitude_text};0.00;{rest};{};-126.001;-69.326;{tail}{short_tail}",
                    channel + 1,
                    chamber_columns(chamber, &service)
                )
            }
            What::Periodic { chamber } => {
                let (place, values, service) = if restarting {
                    ("Well;Filterset", "Amp_1;Amp_2;AmpRef_1;AmpRef_2;Phase;Cal", "Comment")
                } else {
                    (";", ";;;;;", "")
                };
                let columns = chamber_columns(chamber, service);
                format!("P;{cycle:04};{place};{time};{values};{columns};-125.993;-69.326;23;;;;{PRESSURES}{long_tail}")
            }
            What::Comment { text, .. } if text.starts_with("PAUSE") || text.starts_with("RESTART") => {
                // These two stop right behind their text.
                format!("C;{cycle:04};;;{time};;;;;;;;;;;;;;;;{text}")
            }
            What::Comment { voice: Voice::User, text } => format!("C;{cycle:04};;;{time};;;;;;;;;;;;;;;{text};;;;"),
            What::Comment { text, .. } => format!("C;{cycle:04};;;{time};;;;;;;;;;;;;;;;{text};;;"),
            What::Fluid { well, source, pumped, total } => {
                let reservoir = match source {
                    Source::External => "-1".to_owned(),
                    Source::Reservoir(row) => format!("{:02}", row + 1),
                };
                format!("F;{cycle:04};{:03};;{time};;;;;;;;;;;;;;;;;{reservoir};{pumped:.3};{total:.3};", well + 1)
            }
            // A Pro writes no such rows.
            What::Internal { .. } => String::new(),
        };
        let text = if self.settings.has(Quirk::ShortTable) { shortened(&text) } else { text };
        Line { at: record.at, bytes: text.into_bytes(), reading: found }
    }

    /// Referenced amplitude and calibrated value as printed.
    fn values(&self, channel: usize, well: usize, optics: &Optics, chamber: &Chamber) -> Values {
        let facts = &self.channels[channel];
        match facts.kind {
            ChannelKind::Biomass | ChannelKind::Fluorescence => Values {
                referenced: optics
                    .reference
                    .map(|reference| rounded(optics.amplitude * facts.reference_value / reference, 2)),
                calibrated: None,
            },
            ChannelKind::Ph => {
                let ph = PhOptode::of_well(well).ph(optics.phase, chamber.calibrating);
                Values { referenced: None, calibrated: ph.map(|ph| rounded(ph, 2)) }
            }
            ChannelKind::Oxygen => {
                let saturation = OxygenOptode::of_well(well).saturation(optics.phase, chamber.calibrating);
                Values { referenced: None, calibrated: Some(rounded(saturation, 2)) }
            }
        }
    }

    /// The columns `Amp_1` to `Cal`.
    fn optics(&self, channel: usize, optics: &Optics, values: Values) -> String {
        if optics.fault == Some(Fault::Overload) {
            return "-9999.00;0.00;REFOVERLD;REFOVERLD;-9999.00;-9999.00".to_owned();
        }
        let referenced = values.referenced.unwrap_or(0.0);
        let calibrated = match (self.channels[channel].kind.is_intensity(), values.calibrated) {
            (true, _) => "0.00".to_owned(),
            (false, Some(value)) => format!("{value:.2}"),
            (false, None) => "nan".to_owned(),
        };
        format!("{:.2};0.00;{referenced:.2};0.00;{:.2};{calibrated}", optics.amplitude, optics.phase)
    }

    /// The columns from the first temperature to `Ref_Gain`.
    fn environment(&self, chamber: &Chamber, service: &str, seen: Option<(usize, usize, &Optics)>) -> String {
        let columns = chamber_columns(chamber, service);
        let Some((channel, well, optics)) = seen else { return columns };
        let (x, y) = self.plate.position(self.wells[well], self.channels[channel].kind.spot());
        let optics = match optics.fault {
            Some(_) => "17;8192.00;0.00;0".to_owned(),
            None => format!("32;{:.2};72.94;4", optics.detector + 3.1),
        };
        format!("{columns};{:.3};{:.3};{optics}", x - 120.02, y - 79.34)
    }
}

/// The columns of a short table.
const SHORT: usize = 24;

/// A row of a short table: what has no column there is gone, or left empty.
fn shortened(row: &str) -> String {
    let empty = match row.as_bytes().first() {
        Some(b'M' | b'R') => ";;",
        Some(b'P') => ";;;;;",
        _ => return row.to_owned(),
    };
    row.split(';').take(SHORT).collect::<Vec<_>>().join(";") + empty
}

/// The pressures at the end of P rows.
const PRESSURES: &str = "1.930;0.814;0.803;0.820;0.806";

/// The columns from the first temperature to `T_CO2`.
fn chamber_columns(chamber: &Chamber, service: &str) -> String {
    let Chamber { calibrating, lower, water, oxygen, humidity, shaker, heater } = chamber;
    format!(
        "{calibrating:.2};{lower:.2};{water:.2};{oxygen:.2};-9999.00;{humidity:.2};{shaker};{service};;;;;44.60;35.10;24.19;26.25;0.00;\
         {heater:.2};{:.2};80.00;{:.2};-1000.00",
        heater / 2.0,
        calibrating - 2.4
    )
}
