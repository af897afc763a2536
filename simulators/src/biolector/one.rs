//! The file of a BioLector I: a header of fixed lines, rows of one reading with times in hours, all in Latin-1.

use super::line::{Line, Values, reading};
use super::plate::{Plate, Well};
use super::record::{Record, What};
use super::settings::{ChannelKind, Settings};

/// The set-points that stand beside the filter sets.
const SET_POINTS: [(&str, &str); 5] = [
    ("SET TEMPERATURE [°C]", "30.00"),
    ("SET HUMIDITY [rH]", "85.00"),
    ("SET O2 [%]", "20.95"),
    ("SET CO2 [%]", "0.00"),
    ("SET SHAKER FREQUENCY [rpm]", "1400.00"),
];

/// Writes rows as a BioLector I does.
#[derive(Debug)]
pub struct OneRows {
    settings: Settings,
    plate: Plate,
    wells: Vec<Well>,
}

impl OneRows {
    /// A writer for a run.
    pub fn new(settings: &Settings) -> OneRows {
        OneRows { plate: settings.plate(), wells: settings.plate().serpentine(), settings: settings.clone() }
    }

    /// The `DATE END` line. Its length never changes, so that it can be overwritten in place.
    pub fn date_end(settings: &Settings, seconds: u32, readings: u32) -> String {
        let end = settings.start.saturating_add(jiff::Span::new().seconds(i64::from(seconds)));
        let line = format!(
            "DATE END;{};;Last Reading;{readings};Timestamp;{}",
            end.strftime("%Y-%m-%d;%H:%M:%S"),
            1_476_408_940
        );
        format!("{line:<90}")
    }

    /// The lines before the `DATE END` line.
    pub fn before_date_end(settings: &Settings, file: &str) -> Vec<String> {
        vec![
            format!("FILENAME;\\Hard Disk2\\Result\\{file}"),
            format!("PROTOCOL;{}", settings.protocol),
            "FILE_VERSION;3.3;".to_owned(),
            format!("DATE START;{}", settings.start.strftime("%Y-%m-%d;%H:%M:%S")),
        ]
    }

    /// The lines after the `DATE END` line, up to and with the table's header.
    pub fn after_date_end(settings: &Settings) -> Vec<String> {
        let channels = settings.channels();
        let mut lines = vec![
            "DEVICE;BL999-CX_000000".to_owned(),
            "USER;SIM;COMMENT;no comment available".to_owned(),
            "PLATETYPE;MTP-48-FlowerPlate;LOT;UNKNOWN".to_owned(),
            "MTP ROWS;6".to_owned(),
            "MTP COLUMNS;8".to_owned(),
            format!("FILTERSETS;{};REFERENCE_MODE;2;MULTI_PMT;0;", channels.len()),
            String::new(),
            "FILTERSET;FILTERNAME;EX [nm];EM [nm];LAYOUT;FILTERNR;GAIN;PHASESTATISTICSSIGMA;SIGNALQUALITYTOLERANCE;REFERENCE VALUE;\
             EM2 [nm];GAIN2;PROCESS PARAMETER"
                .to_owned(),
        ];
        let minutes = ("SET CYCLE TIME [min]", (settings.cycle_seconds / 60).to_string());
        let endless = ("SET EXP TIME [h]", "-1".to_owned());
        let set_points: Vec<(&str, String)> =
            SET_POINTS.iter().map(|(name, value)| (*name, (*value).to_owned())).chain([minutes, endless]).collect();
        for (index, (name, value)) in set_points.iter().enumerate() {
            let left = channels.get(index).map_or(";;;;;;;;;;;;".to_owned(), |channel| {
                let (ex, em) = match channel.kind {
                    ChannelKind::Biomass => (620, 620),
                    ChannelKind::Fluorescence => (488, 520),
                    ChannelKind::Ph => (470, 525),
                    ChannelKind::Oxygen => (520, 600),
                };
                let (number, reference) = (index + 1, channel.reference_value);
                let (filter, gain, title) = (channel.filter_id, channel.gain, channel.name);
                format!("{number:>2};{title};{ex};{em};48MTP;{filter};{gain};1.00;100.00;{reference:.2};;;")
            });
            lines.push(format!("{left}{name};{value}"));
        }
        lines.push(String::new());
        lines.push(
            "READING;WELLNUM;CONTENT;DESCRIPTION;FILTERSET;TIME [h];AMPLITUDE;PHASE;ACT TEMP [°C];ACT HUMIDITY [rH];ACT O2 [%];\
             ACT CO2 [%];COMMENTS;TEMP CHAMBER;TEMP TABLE;TEMP BOTTLE"
                .to_owned(),
        );
        lines
    }

    /// The lines of a cycle.
    pub fn cycle(&self, records: &[Record]) -> Vec<Line> {
        records.iter().filter_map(|record| self.row(record)).collect()
    }

    /// The line of one record; `None` for what this model does not write.
    pub fn row(&self, record: &Record) -> Option<Line> {
        let hours = format!("{:.5}", f64::from(record.time) / 3600.0);
        let mut found = None;
        let text = match &record.what {
            What::Measurement { channel, filed, well, optics, chamber } => {
                let place = self.wells[*well];
                let label = place.to_string();
                found = Some(reading(
                    record.cycle,
                    *filed,
                    &label,
                    record.time,
                    optics,
                    Values::default(),
                    filed != channel,
                ));
                format!(
                    "C{};{label};X{};;{};{hours};{:.2};{:.1};{:.2};{:.2};{:.2};0.00;;{:.2};{:.2};{:.2}",
                    record.cycle,
                    self.plate.content_number(place),
                    filed + 1,
                    optics.amplitude,
                    optics.phase,
                    chamber.calibrating,
                    chamber.humidity,
                    chamber.oxygen,
                    chamber.calibrating,
                    chamber.lower,
                    chamber.water
                )
            }
            What::Reference { channel, amplitude, chamber, .. } => format!(
                "R;;;;{};{hours};{:.2};0.0;{:.2};{:.2};{:.2};0.00;test measure for referencing with gain {} ;{:.2};{:.2};{:.2}",
                channel + 1,
                amplitude.unwrap_or_default(),
                chamber.calibrating,
                chamber.humidity,
                chamber.oxygen,
                self.settings.channels()[*channel].gain,
                chamber.calibrating,
                chamber.lower,
                chamber.water
            ),
            What::Comment { text, .. } => format!("K;;;;;{hours};;;;;;;{text};"),
            What::Periodic { .. } | What::Fluid { .. } | What::Internal { .. } => return None,
        };
        Some(Line { at: record.at, bytes: text.into_bytes(), reading: found })
    }
}
