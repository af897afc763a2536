//! One row of a well and filter set: what it is worth.

use std::sync::Arc;

use instrument_proto::codec::biolector::calibration;
use instrument_proto::codec::biolector::number::Cell;

use super::facts::{CalibrationFacts, ChannelFacts, Facts, Family, WellCode};
use crate::event::Well;
use crate::event::cultivation::{ChannelKind, Measured, Quality, ReadingFlag, Run, ValueOrigin};
use crate::profile::{BiolectorProfile, ChannelKindKey};

/// What a row holds, whatever the family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub cycle: u32,
    pub filterset: u32,
    pub well: Well,
    pub elapsed_s: f64,
    pub amplitude: Cell,
    pub amplitude_2: Cell,
    pub referenced: Cell,
    pub phase: Cell,
    pub calibrated: Cell,
    pub temperature: Cell,
    pub service: &'a [u8],
    pub digest: u16,
    pub offset: u64,
}

/// The instrument's "no value".
const SENTINEL: f64 = -9999.0;

/// Raw figures beyond this are memory garbage (fill patterns print as -431602080 or 7e20); detectors end at 8192.
const GARBAGE: f64 = 1e5;

/// A figure that the instrument can have meant.
pub(super) fn plausible(cell: Cell) -> Option<f64> {
    cell.number().filter(|v| *v != SENTINEL && v.abs() < GARBAGE)
}

/// A channel with what its readings share.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub filterset: u32,
    pub name: Arc<str>,
    pub kind: ChannelKind,
    pub unit: Arc<str>,
    pub reference_value: Option<f64>,
    calibrations: Vec<Option<Arc<CalibrationFacts>>>,
}

impl Channel {
    pub fn new(facts: &Facts, channel: &ChannelFacts, profile: &BiolectorProfile) -> Self {
        let mut calibrations = Vec::new();
        for (well, at) in &channel.wells {
            let place = usize::from(*well);
            if calibrations.len() <= place {
                calibrations.resize(place + 1, None);
            }
            calibrations[place] = facts.calibrations.get(usize::from(*at)).cloned().map(Arc::new);
        }
        Self {
            filterset: channel.filterset,
            name: channel.name.as_str().into(),
            kind: channel.kind,
            unit: unit(profile, channel.kind),
            reference_value: channel.reference_value,
            calibrations,
        }
    }

    /// A filter set that the header does not name.
    pub fn unnamed(filterset: u32) -> Self {
        Self {
            filterset,
            name: format!("filter set {filterset}").into(),
            kind: ChannelKind::Unknown,
            unit: "unresolved".into(),
            reference_value: None,
            calibrations: Vec::new(),
        }
    }

    fn calibration(&self, well: WellCode) -> Option<&CalibrationFacts> {
        self.calibrations.get(usize::from(well))?.as_deref()
    }
}

/// The unit of a channel's values; the profile knows them.
pub(in crate::driver) fn unit(profile: &BiolectorProfile, kind: ChannelKind) -> Arc<str> {
    match kind {
        ChannelKind::Unknown => "unresolved".into(),
        _ => profile.units.of(kind).clone(),
    }
}

/// What a reading is told with.
pub(super) struct Setting<'a> {
    pub family: Family,
    pub profile: &'a BiolectorProfile,
    pub run: &'a Arc<Run>,
    pub plate_id: &'a Arc<str>,
    pub channel: &'a Channel,
    pub sensor: Option<&'a Arc<str>>,
    /// The usable amplitude of the reference of the same cycle and filter set.
    pub reference: Option<f64>,
}

/// Judges one reading; `flags` are those that only the row's place tells.
pub(super) fn judge(reading: &Reading<'_>, setting: &Setting<'_>, mut flags: Vec<ReadingFlag>) -> Measured {
    let Setting { channel, profile, .. } = *setting;
    let range = |key: ChannelKindKey, value: f64| {
        profile.ranges.get(&key).is_none_or(|range| (range.min..=range.max).contains(&value))
    };
    let service = std::str::from_utf8(reading.service).ok().map(str::trim).filter(|code| {
        // Some versions repeat the reference intensity here.
        !code.is_empty() && code.parse::<f64>().is_err()
    });
    let overload = [reading.amplitude, reading.amplitude_2, reading.referenced, reading.calibrated];
    let mut quality = if overload.contains(&Cell::Overload) || service == Some("SENS1") {
        Quality::Overload
    } else {
        match reading.amplitude {
            Cell::Number(v) if v == SENTINEL => Quality::NotANumber,
            Cell::Number(v) if v.abs() >= GARBAGE => Quality::OutOfRange,
            Cell::Number(v) if !range(ChannelKindKey::Amplitude, v) => Quality::OutOfRange,
            Cell::Number(_) => Quality::Ok,
            _ => Quality::NotANumber,
        }
    };
    if service.is_some() {
        flags.push(ReadingFlag::ServiceCode);
    }
    let amplitude = plausible(reading.amplitude);
    let phase = plausible(reading.phase);
    let temperature = plausible(reading.temperature).filter(|t| range(ChannelKindKey::Temperature, *t));

    let mut value = None;
    let mut origin = None;
    let mut own = None;
    let mut amplitude_referenced = None;
    if matches!(quality, Quality::Ok | Quality::OutOfRange) {
        own = plausible(match channel.kind {
            ChannelKind::Ph | ChannelKind::Do => reading.calibrated,
            ChannelKind::Biomass | ChannelKind::Fluorescence => reading.referenced,
            ChannelKind::Unknown => match (plausible(reading.referenced), plausible(reading.calibrated)) {
                (None | Some(0.0), Some(cal)) if cal != 0.0 => reading.calibrated,
                _ => reading.referenced,
            },
        });
        let figure = match channel.kind {
            ChannelKind::Biomass | ChannelKind::Fluorescence => referenced(amplitude, setting),
            ChannelKind::Ph | ChannelKind::Do => calibrated(reading, channel, phase, temperature, &mut flags),
            ChannelKind::Unknown => Figure::NotComputed,
        };
        if let (ChannelKind::Biomass | ChannelKind::Fluorescence, Figure::Is { value, .. }) = (channel.kind, figure) {
            amplitude_referenced = Some(rounded(value));
        }
        (value, origin) = match figure {
            // A BioLector I tells no figure of its own, and its fluorescence stays raw.
            _ if setting.family == Family::One && channel.kind == ChannelKind::Fluorescence => {
                (amplitude, amplitude.map(|_| ValueOrigin::Instrument))
            }
            Figure::Is { value, rounding } => {
                let tolerance = &profile.tolerance;
                let absolute = match channel.kind {
                    ChannelKind::Ph => tolerance.ph,
                    ChannelKind::Do => tolerance.do_percent,
                    _ => tolerance.amplitude,
                };
                if own.is_some_and(|own| (own - value).abs() > absolute + tolerance.relative * own.abs() + rounding) {
                    flags.push(ReadingFlag::Disagrees);
                }
                (Some(rounded(value)), Some(ValueOrigin::Recomputed))
            }
            Figure::Undefined => {
                quality = Quality::OutOfRange;
                if own.is_some() {
                    flags.push(ReadingFlag::Disagrees);
                }
                (None, None)
            }
            Figure::NotComputed => {
                match channel.kind {
                    ChannelKind::Ph => flags.push(ReadingFlag::Uncalibrated),
                    ChannelKind::Do if setting.family != Family::Xt => flags.push(ReadingFlag::Uncalibrated),
                    ChannelKind::Biomass | ChannelKind::Fluorescence => flags.push(ReadingFlag::Unreferenced),
                    ChannelKind::Do | ChannelKind::Unknown => {}
                }
                (own, own.map(|_| ValueOrigin::Instrument))
            }
        };
        let key = ChannelKindKey::from(channel.kind);
        if matches!(channel.kind, ChannelKind::Ph | ChannelKind::Do) && value.is_some_and(|v| !range(key, v)) {
            quality = Quality::OutOfRange;
        }
    }
    if quality != Quality::Ok {
        (value, origin) = (None, None);
    }
    // Of a reading of another filter set nothing is known, not even what it lacks; range and service code are of that one.
    let misfiled = flags.contains(&ReadingFlag::MisfiledWell);
    if misfiled || (quality == Quality::Ok && flags.contains(&ReadingFlag::OddRowLength)) {
        quality = Quality::Suspect;
    }
    Measured {
        run: setting.run.clone(),
        plate_id: setting.plate_id.clone(),
        well: reading.well,
        cycle: reading.cycle,
        filterset: reading.filterset,
        channel: channel.name.clone(),
        kind: channel.kind,
        elapsed_s: reading.elapsed_s,
        value,
        value_origin: origin,
        unit: channel.unit.clone(),
        amplitude,
        amplitude_2: plausible(reading.amplitude_2).filter(|v| *v != 0.0),
        amplitude_referenced,
        phase_deg: phase,
        instrument_value: own,
        temperature_c: temperature,
        temperature_sensor: temperature.and(setting.sensor.cloned()),
        service: service.map(Into::into),
        quality,
        flags,
    }
}

/// A recomputed figure.
#[derive(Debug, Clone, Copy)]
enum Figure {
    /// The figure, and how far it can be off because the file rounds its inputs and its own figure.
    Is { value: f64, rounding: f64 },
    /// The formula has no value for these inputs.
    Undefined,
    /// Something for it is missing.
    NotComputed,
}

/// Half of the last digit that the files print.
const HALF_DIGIT: f64 = 0.005;

fn referenced(amplitude: Option<f64>, setting: &Setting<'_>) -> Figure {
    let (Some(amplitude), Some(value), Some(reference)) =
        (amplitude, setting.channel.reference_value, setting.reference)
    else {
        return Figure::NotComputed;
    };
    match calibration::referenced(amplitude, value, reference) {
        Some(figure) => {
            let rounding = HALF_DIGIT * (1.0 + value / reference + figure.abs() / reference);
            Figure::Is { value: figure, rounding }
        }
        None => Figure::NotComputed,
    }
}

fn calibrated(
    reading: &Reading<'_>,
    channel: &Channel,
    phase: Option<f64>,
    temperature: Option<f64>,
    flags: &mut Vec<ReadingFlag>,
) -> Figure {
    let calibration = channel.calibration(super::facts::code(reading.well));
    let (Some(calibration), Some(phase), Some(temperature)) = (calibration, phase, temperature) else {
        return Figure::NotComputed;
    };
    let figure = |phase: f64| match channel.kind {
        ChannelKind::Ph => Some(calibration.ph()?.ph(phase, temperature)),
        _ => Some(calibration.oxygen()?.percent(phase, temperature)),
    };
    match figure(phase) {
        None => Figure::NotComputed,
        Some(value) => {
            if calibration.range.is_some_and(|(min, max)| !(min..=max).contains(&temperature)) {
                flags.push(ReadingFlag::OutsideCalibrationRange);
            }
            let Some(value) = value else { return Figure::Undefined };
            let aside = |by: f64| figure(phase + by).flatten().map_or(0.0, |other| (other - value).abs());
            Figure::Is { value, rounding: HALF_DIGIT + aside(HALF_DIGIT).max(aside(-HALF_DIGIT)) }
        }
    }
}

/// Four decimals: two more than the instruments print, and few enough that the last bits of tangents and logarithms,
/// in which machines may differ, do not show.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
