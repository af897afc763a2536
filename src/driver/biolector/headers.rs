//! From headers and members to the facts of a run.

use std::collections::BTreeMap;

use instrument_proto::codec::biolector::calibration::Linear;
use instrument_proto::codec::biolector::{one, pro, xt};

use super::Context;
use super::clock;
use super::facts::{CalibrationFacts, CalibrationKind, ChannelFacts, Facts, Family, WellCode, code};
use crate::event::Well;
use crate::event::cultivation::{ChannelKind, RunFlag, RunSettings};
use crate::profile::BiolectorProfile;

/// Longest text that is kept of a comment, so that the snapshot stays small.
const MAX_TEXT: usize = 4000;

impl Facts {
    fn blank(family: Family, context: &Context) -> Self {
        Self {
            family,
            run_id: String::new(),
            name: String::new(),
            flags: Vec::new(),
            started_at: None,
            instrument_time: None,
            end: None,
            last_cycle: None,
            serial: None,
            software: None,
            format: String::new(),
            operator: None,
            comment: None,
            plate_type: String::new(),
            rows: 0,
            columns: 0,
            lot: None,
            settings: RunSettings::default(),
            channels: Vec::new(),
            numbers: BTreeMap::new(),
            expected: BTreeMap::new(),
            calibrations: Vec::new(),
            header_line: String::new(),
            width: 0,
            data_start: 0,
            head: Vec::new(),
            members: [0; 2],
        }
        .stated(context)
    }

    /// What the operator stated goes before what the source says.
    fn stated(mut self, context: &Context) -> Self {
        if let Some(id) = &context.stated_run_id {
            self.run_id = id.clone();
        }
        self.started_at = context.stated_start;
        if context.stated_run_id.is_some() || context.stated_start.is_some() {
            self.flags.push(RunFlag::OperatorStated);
        }
        self
    }

    fn identify(&mut self, run_id: impl FnOnce() -> String) {
        if self.run_id.is_empty() {
            self.run_id = run_id();
        }
    }

    fn start(&mut self, moment: Option<clock::Moment>) {
        if self.started_at.is_none()
            && let Some(moment) = moment
        {
            self.started_at = Some(moment.at);
            self.flags.extend(moment.flag);
        }
    }

    fn calibration(&mut self, calibration: CalibrationFacts) -> Option<u16> {
        let known = self.calibrations.iter().position(|c| *c == calibration);
        let at = known.unwrap_or_else(|| {
            self.calibrations.push(calibration);
            self.calibrations.len() - 1
        });
        u16::try_from(at).ok()
    }

    /// From a Pro's header.
    pub fn of_pro(header: &pro::Header, context: &Context) -> Self {
        let mut facts = Self::blank(Family::Pro, context);
        facts.identify(|| format!("{}/{}/{}", header.hardware_id, header.process, header.start));
        facts.start(clock::local(&header.start, &context.time_zone));
        facts.name.clone_from(&header.name);
        facts.instrument_time = some(&header.start);
        facts.serial = some(&header.hardware_id);
        facts.software = match (some(&header.hmi_version), some(&header.biolection_version)) {
            (Some(hmi), Some(biolection)) => Some(format!("HMI {hmi}, BioLection {biolection}")),
            (hmi, biolection) => hmi.map(|v| format!("HMI {v}")).or(biolection.map(|v| format!("BioLection {v}"))),
        };
        facts.format = format!("BioLector Pro {}", header.file_version);
        facts.operator = some(&header.user);
        facts.comment = some(&header.comment);
        facts.plate_type.clone_from(&header.plate);
        (facts.rows, facts.columns) = (header.rows, header.columns);
        facts.lot = some(&header.lot);
        facts.settings = RunSettings {
            temperature_c: header.temperature,
            shaker_rpm: header.frequency,
            humidity_percent: header.humidity,
            o2_percent: header.o2,
            co2_percent: header.co2,
            cycle_time_s: header.cycle_time_s,
        };
        for (number, entry) in &header.wells {
            if let Ok(well) = entry.label.parse::<Well>() {
                facts.numbers.insert(*number, code(well));
            }
        }
        for (filterset, channel) in &header.channels {
            let names = (channel.filter_name.as_str(), channel.name.as_str());
            let kind = kind(&context.profile, &channel.filter_type, channel.filter_id, names);
            let (mut wells, mut mode, mut expected) = (Vec::new(), String::new(), Vec::new());
            for (number, entry) in &header.wells {
                let Some(well) = facts.numbers.get(number).copied() else { continue };
                let Some(measurement) = entry.measurements.get(filterset) else { continue };
                if measurement.measured {
                    expected.push(well);
                }
                let found = measurement
                    .ph()
                    .map(|c| (CalibrationKind::Ph, [c.phase_min, c.phase_max, c.ph0, c.dph].map(pair).to_vec()))
                    .or(measurement
                        .oxygen()
                        .map(|c| (CalibrationKind::Do, [c.phase_0, c.phase_100].map(pair).to_vec())));
                if let Some((kind, parameters)) = found {
                    mode.clone_from(&measurement.mode);
                    let range = measurement.temperature_range;
                    if let Some(at) = facts.calibration(CalibrationFacts { kind, parameters, range }) {
                        wells.push((well, at));
                    }
                }
            }
            if !expected.is_empty() {
                facts.expected.insert(*filterset, expected);
            }
            facts.channels.push(ChannelFacts {
                filterset: *filterset,
                name: channel.name.clone(),
                kind,
                gain: channel.gain,
                reference_value: channel.reference_value.filter(|v| *v > 0.0),
                lot: some(&channel.calibration),
                mode,
                wells,
            });
        }
        facts
    }

    /// From a BioLector I's header.
    pub fn of_one(header: &one::Header, context: &Context) -> Self {
        let mut facts = Self::blank(Family::One, context);
        facts.identify(|| format!("{}/{}/{}", header.device, header.start, header.protocol));
        facts.start(clock::local(&header.start, &context.time_zone));
        facts.name.clone_from(&header.protocol);
        facts.instrument_time = some(&header.start);
        facts.end = some(&header.end).filter(|end| *end != header.start);
        facts.last_cycle = header.last_reading.filter(|_| facts.end.is_some());
        facts.serial = some(&header.device);
        facts.format = format!("BioLector I {}", header.file_version);
        facts.operator = some(&header.user);
        facts.comment = some(&header.comment).filter(|comment| comment != "no comment available");
        facts.plate_type.clone_from(&header.plate);
        (facts.rows, facts.columns) = (header.rows, header.columns);
        facts.lot = some(&header.lot).filter(|lot| lot != "UNKOWN" && lot != "UNKNOWN");
        facts.settings = RunSettings {
            temperature_c: header.setting("SET TEMPERATURE"),
            shaker_rpm: header.setting("SET SHAKER FREQUENCY"),
            humidity_percent: header.setting("SET HUMIDITY"),
            o2_percent: header.setting("SET O2"),
            co2_percent: header.setting("SET CO2"),
            cycle_time_s: header.setting("SET CYCLE TIME").map(|minutes| minutes * 60.0),
        };
        facts.width = header.width;
        let plate = serpentine(header.rows, header.columns);
        for channel in &header.channels {
            // A layout named after the whole plate (`48MTP`) measures all of it; of others the wells are not told.
            let whole = channel.layout.starts_with(&format!("{}MTP", plate.len()));
            if whole && !plate.is_empty() {
                facts.expected.insert(channel.filterset, plate.clone());
            }
            facts.channels.push(ChannelFacts {
                filterset: channel.filterset,
                name: channel.name.clone(),
                kind: kind_by_name(&context.profile, &channel.name),
                gain: channel.gain,
                reference_value: channel.reference_value,
                lot: None,
                mode: String::new(),
                wells: Vec::new(),
            });
        }
        facts
    }

    /// From an XT export's members, or from nothing but the table.
    pub fn of_xt(
        meta: Option<&xt::Meta>,
        protocol: Option<&xt::Protocol>,
        references: &BTreeMap<u32, f64>,
        context: &Context,
    ) -> Self {
        let mut facts = Self::blank(Family::Xt, context);
        if let Some(meta) = meta {
            facts.identify(|| meta.experiment_id().unwrap_or_default());
            let start = meta.start.as_deref().unwrap_or_default();
            facts.start(clock::with_offset(start, &context.time_zone, context.profile.time_trust));
            facts.instrument_time = some(start);
            facts.end = meta.end.as_deref().and_then(some);
            facts.name = meta.seed_name.clone().unwrap_or_default();
            facts.serial = [&meta.bio_lector_id, &meta.xt_id].into_iter().flatten().find_map(|id| some(id));
            facts.software = meta.hmi_version.as_deref().map(|v| format!("HMI {v}"));
            facts.format = format!("BioLector XT {}", meta.csv_file_version.as_deref().unwrap_or("?"));
        } else {
            facts.format = "BioLector XT csv".to_owned();
        }
        let Some(protocol) = protocol else { return facts };
        if let Some(name) = protocol.name.as_deref().and_then(some) {
            facts.name = name;
        }
        facts.operator = protocol.user_name.as_deref().and_then(some);
        facts.comment = protocol.comment.as_deref().and_then(some);
        facts.lot = protocol.lot_id.as_ref().and_then(|lot| match lot {
            serde_json::Value::String(text) => some(text),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        facts.settings = RunSettings {
            temperature_c: protocol.initial_temperature,
            shaker_rpm: protocol.initial_rpm,
            humidity_percent: None,
            o2_percent: protocol.initial_o2,
            co2_percent: protocol.initial_co2,
            cycle_time_s: protocol.cycle_time_s(),
        };
        let mut labels: Vec<Well> = Vec::new();
        if let Some(plate) = &protocol.microplate {
            facts.plate_type = plate.name.clone().unwrap_or_default();
            let all = plate.cultivation_labels.iter().chain(&plate.reservoir_labels);
            for well in all.filter_map(|label| label.parse::<Well>().ok()) {
                facts.rows = facts.rows.max(u32::from(well.row()) + 1);
                facts.columns = facts.columns.max(u32::from(well.column()) + 1);
            }
            labels.extend(plate.cultivation_labels.iter().filter_map(|label| label.parse::<Well>().ok()));
        }
        if let Some(layout) = &protocol.layout {
            let measured: Vec<Well> =
                layout.measured_cultivation_labels.iter().filter_map(|l| l.parse().ok()).collect();
            if !measured.is_empty() {
                labels = measured;
            }
        }
        labels.sort_by_key(|well| serpentine_place(*well));
        labels.dedup();
        let expected: Vec<WellCode> = labels.into_iter().map(code).collect();
        for (filterset, channel) in (1u32..).zip(&protocol.channels) {
            let filter = channel.filter.clone().unwrap_or_default();
            let name = channel.name.clone().unwrap_or_default();
            let names = (filter.name.as_deref().unwrap_or_default(), name.as_str());
            let kind = kind(&context.profile, filter.filter_type.as_deref().unwrap_or_default(), filter.id, names);
            let mut wells = Vec::new();
            let calibration = channel.calibration.clone().unwrap_or_default();
            for entry in &calibration.well_calibrations {
                let Some(Ok(well)) = entry.cultivation_label.as_deref().map(str::parse::<Well>) else { continue };
                let ph = entry.ph_temp_calibration.as_ref().and_then(xt::PhParameters::calibration);
                let oxygen = entry.do_temp_calibration.as_ref().filter(|c| !c.parameters.is_empty());
                let (kind, parameters) = match (ph, oxygen) {
                    (Some(c), _) => (CalibrationKind::Ph, [c.phase_min, c.phase_max, c.ph0, c.dph].map(pair).to_vec()),
                    (None, Some(c)) => {
                        let parameters = c.parameters.iter().take(4).map(|p| (p.slope, p.offset)).collect();
                        (CalibrationKind::Unpublished, parameters)
                    }
                    (None, None) => continue,
                };
                let range = entry.temperature_range.map(|range| (range.min, range.max));
                if let Some(at) = facts.calibration(CalibrationFacts { kind, parameters, range }) {
                    wells.push((code(well), at));
                }
            }
            if !expected.is_empty() {
                facts.expected.insert(filterset, expected.clone());
            }
            facts.channels.push(ChannelFacts {
                filterset,
                name,
                kind,
                gain: channel.gain1,
                reference_value: filter.id.and_then(|id| references.get(&id).copied()).filter(|v| *v > 0.0),
                lot: calibration.name.as_deref().and_then(some),
                mode: filter.filter_type.unwrap_or_default(),
                wells,
            });
        }
        facts
    }
}

fn pair(linear: Linear) -> (f64, f64) {
    (linear.slope, linear.offset)
}

/// What a filter measures. Users rename channels, so the filter's number goes before its type, and both before the
/// names of the filter and of the channel.
fn kind(
    profile: &BiolectorProfile,
    filter_type: &str,
    filter_id: Option<u32>,
    (filter_name, name): (&str, &str),
) -> ChannelKind {
    if let Some(filter) = filter_id.and_then(|id| profile.filter(id)) {
        return filter.kind;
    }
    match (filter_type, filter_id) {
        ("pH", _) => ChannelKind::Ph,
        ("DO", _) => ChannelKind::Do,
        ("Intensity", Some(_)) if filter_name.to_ascii_lowercase().starts_with("biomass") => ChannelKind::Biomass,
        ("Intensity", Some(_)) => ChannelKind::Fluorescence,
        _ => kind_by_name(profile, name),
    }
}

/// Where there is only a name. Filters of the BioLector I are called `Biomass`, `pH-hc`, `pO2-hc`; others fluoresce.
pub(in crate::driver) fn kind_by_name(profile: &BiolectorProfile, name: &str) -> ChannelKind {
    if let Some(filter) = profile.filter_named(name) {
        return filter.kind;
    }
    let name = name.to_ascii_lowercase();
    if name.is_empty() {
        ChannelKind::Unknown
    } else if name.starts_with("biomass") {
        ChannelKind::Biomass
    } else if name.starts_with("ph-") || name.starts_with("ph(") || name == "ph" {
        ChannelKind::Ph
    } else if name.starts_with("po2") || name.starts_with("do(") || name == "do" {
        ChannelKind::Do
    } else {
        ChannelKind::Fluorescence
    }
}

fn serpentine(rows: u32, columns: u32) -> Vec<WellCode> {
    let (rows, columns) = (u8::try_from(rows).unwrap_or(0), u8::try_from(columns).unwrap_or(0));
    let mut wells: Vec<Well> =
        (0..rows).flat_map(|row| (0..columns).filter_map(move |column| Well::new(row, column))).collect();
    wells.sort_by_key(|well| serpentine_place(*well));
    wells.into_iter().map(code).collect()
}

fn some(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.chars().take(MAX_TEXT).collect())
}

/// A well's place in the order in which the instruments measure: A01 … A08, B08 … B01, C01 …
fn serpentine_place(well: Well) -> u16 {
    let (row, column) = (u16::from(well.row()), u16::from(well.column()));
    row * 48 + if row % 2 == 0 { column } else { 47 - column }
}
