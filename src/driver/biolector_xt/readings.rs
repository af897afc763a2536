//! Readings and cycles of a run.

use std::collections::BTreeMap;

use instrument_proto::biolector_xt::MeasurementStatus;

use super::files;
use super::live::{Live, Waiting, labelled, well};
use super::run::{LiveRun, When};
use crate::driver::Effects;
use crate::driver::biolector::{Context, kind_by_name, unit};
use crate::event::cultivation::{
    Channel, ChannelCount, ChannelKind, CycleCompleted, CycleStarted, Instrument, Measured, Plate, Quality,
    RunSettings, Started, ValueOrigin,
};
use crate::event::{Alike, Body, Event, Key, Subject, TimeQuality, Way, Well};
use crate::profile::ChannelKindKey;

/// Figures beyond this are no measurement; the files' own limit.
const GARBAGE: f64 = 1e5;

/// One reading with everything known of it.
pub(super) struct Reading<'a> {
    pub cycle: u32,
    pub filterset: u32,
    pub well: Well,
    pub elapsed_s: u64,
    pub name: &'a str,
    pub value: f32,
    pub time: When,
    pub way: Way,
}

impl Live {
    /// Tells of a reading, where its cycle and filter set are certain.
    pub fn tell(&mut self, waiting: &Waiting, effects: &mut Effects) -> bool {
        let Some(run) = &self.run else { return false };
        let MeasurementStatus { channel_index, channel_name, value, experiment_duration, .. } = &waiting.status;
        let (Some(cycle), Some(filterset), Some(number)) = (
            run.moving.tracker.cycle(waiting.lap),
            run.kept.channels.filterset(*channel_index, channel_name),
            well(waiting.status.cultivation),
        ) else {
            return false;
        };
        let Some(well) = labelled(number) else { return false };
        self.tell_started(effects);
        self.enter(cycle, *experiment_duration, waiting, effects);
        let reading = Reading {
            cycle,
            filterset,
            well,
            elapsed_s: *experiment_duration,
            name: channel_name,
            value: *value,
            time: When::observed(waiting.at),
            way: Way::Live,
        };
        let is_ok = self.tell_reading(&reading, effects);
        let Some(run) = &mut self.run else { return true };
        run.moving.told_s = run.moving.told_s.max(Some(*experiment_duration));
        if run.moving.cycle == Some(cycle) {
            if !is_ok {
                *run.moving.invalid.entry(filterset).or_default() += 1;
            }
            if self.held.is_empty() && run.moving.tracker.is_all_read() {
                self.close_cycle("all-read", effects);
            }
        }
        true
    }

    /// Tells of one reading; whether it is a usable one.
    pub fn tell_reading(&mut self, reading: &Reading<'_>, effects: &mut Effects) -> bool {
        let Some(run) = &mut self.run else { return false };
        let measured = measured(reading, run, &self.context);
        let is_ok = measured.quality == Quality::Ok;
        let alike = files::reading(&measured, reading.way, run.kept.window_s(), &self.context.profile.tolerance);
        let key = Key::Reading(reading.cycle, reading.filterset, reading.well);
        let (body, cycle) = (Body::Measured(measured), Some(reading.cycle));
        let event = match run.tells(reading.cycle, reading.filterset, reading.well) {
            true => run.event(body, key, cycle, reading.time),
            false => run.known_event(body, key, cycle, reading.time),
        };
        effects.events.push(Event { alike: Some(Box::new(alike)), ..event });
        is_ok
    }

    /// The run's first event, once.
    pub fn tell_started(&mut self, effects: &mut Effects) {
        let Some(run) = self.run.as_mut().filter(|run| !run.kept.was_told) else { return };
        run.kept.was_told = true;
        run.changed = true;
        let profile = &self.context.profile;
        let channel = |(filterset, name): (u32, String)| {
            let kind = kind_by_name(profile, &name);
            let unit = unit(profile, kind);
            Channel { filterset, name: name.as_str().into(), kind, gain: None, unit, calibration: None }
        };
        let body = Started {
            run: run.run.clone(),
            instrument_time: (!run.kept.written_start.is_empty()).then(|| run.kept.written_start.clone()),
            plate: Plate {
                id: run.plate_id.clone(),
                barcode: None,
                barcode_status: "none",
                role: "cultivation",
                plate_type: String::new(),
                rows: 6,
                columns: 8,
                lot: None,
            },
            channels: run.kept.channels.names().into_iter().map(channel).collect(),
            instrument: Instrument { serial: None, software: None, format: "BioLector XT remote interface".to_owned() },
            settings: RunSettings {
                temperature_c: self.conditions.target("temperature_c"),
                shaker_rpm: self.conditions.target("shaker_rpm"),
                ..RunSettings::default()
            },
            operator: None,
            comment: None,
        };
        effects.identity =
            Some(crate::driver::Identity { instrument: body.instrument.clone(), channels: body.channels.clone() });
        let time = When::in_run(&run.kept, 0.0);
        let event = run.event(Body::CultivationStarted(body), Key::Run, None, time);
        effects.events.push(LiveRun::once(event, "started"));
    }

    /// Opens the cycle of a reading where it is a new one.
    fn enter(&mut self, cycle: u32, elapsed_s: u64, waiting: &Waiting, effects: &mut Effects) {
        if self.run.as_ref().is_none_or(|run| run.moving.cycle == Some(cycle)) {
            return;
        }
        self.close_cycle("next-cycle", effects);
        let Some(run) = &mut self.run else { return };
        let moving = &mut run.moving;
        if let (Some(began), true) = (moving.cycle_began_s, waiting.is_first)
            && moving.cycle.is_some_and(|before| before.checked_add(1) == Some(cycle))
            && elapsed_s >= began
        {
            let length = (elapsed_s - began) as f64;
            if run.kept.shortest_cycle_s.is_none_or(|shortest| length < shortest) {
                run.kept.shortest_cycle_s = Some(length);
                run.changed = true;
            }
        }
        let told = std::mem::take(&mut moving.told);
        let is_next = moving.cycle.and_then(|before| before.checked_add(1)) == Some(cycle);
        moving.told_before = if is_next { told } else { BTreeMap::new() };
        moving.cycle = Some(cycle);
        moving.cycle_began_s = waiting.is_first.then_some(elapsed_s);
        moving.invalid.clear();
        moving.cycle_counts.clear();
        moving.cycle_is_told = false;
        moving.cycles += 1;
        if waiting.is_first {
            let body = CycleStarted { run: run.run.clone(), cycle, elapsed_s: elapsed_s as f64 };
            let event = run.event(Body::CycleStarted(body), Key::Cycle(cycle), Some(cycle), When::observed(waiting.at));
            effects.events.push(LiveRun::once(event, &format!("cycle-started/{cycle}")));
        }
        effects.operation = Some(super::live::operation(run));
    }

    /// Ends the open cycle, where there is one that was not told to be over.
    pub fn close_cycle(&mut self, reason: &'static str, effects: &mut Effects) {
        let Some(run) = &mut self.run else { return };
        let Some(cycle) = run.moving.cycle.filter(|_| !run.moving.cycle_is_told) else { return };
        run.moving.cycle_is_told = true;
        let channels = counts(run);
        let body = CycleCompleted {
            run: run.run.clone(),
            cycle,
            elapsed_s: run.moving.elapsed_s.map(|s| s as f64),
            complete: !channels.is_empty()
                && channels.iter().all(|one| one.missing_wells.is_empty())
                && reason != "run-ended",
            channels,
            duplicate_rows: Vec::new(),
            defects: Vec::new(),
            reason,
            events: named(&run.moving.cycle_counts),
        };
        let time = When::in_run(&run.kept, body.elapsed_s.unwrap_or_default());
        let mut event = run.event(Body::CycleCompleted(body), Key::Cycle(cycle), Some(cycle), time);
        event.closes = true;
        event.subject = Subject::Run(run.run.id);
        effects.events.push(LiveRun::once(event, &format!("cycle-completed/{cycle}")));
    }
}

/// What was told of each channel in the open cycle, against what the last whole one had.
fn counts(run: &LiveRun) -> Vec<ChannelCount> {
    let mut expected: BTreeMap<u32, u64> = BTreeMap::new();
    for (index, wells) in run.moving.tracker.expected() {
        if let Some(filterset) = run.kept.channels.filterset_of(*index) {
            *expected.entry(filterset).or_default() |= wells;
        }
    }
    if expected.is_empty() {
        expected = run.moving.told.clone();
    }
    let count = |(filterset, wells): (&u32, &u64)| {
        let told = run.moving.told.get(filterset).copied().unwrap_or(0);
        ChannelCount {
            filterset: *filterset,
            expected: wells.count_ones(),
            seen: told.count_ones(),
            invalid: run.moving.invalid.get(filterset).copied().unwrap_or(0),
            missing_wells: (0..48u8).filter(|well| wells & !told & (1 << well) != 0).filter_map(labelled).collect(),
            expected_from: "learned",
        }
    };
    expected.iter().map(count).collect()
}

/// Counts by the types' own names.
pub(super) fn named(counts: &BTreeMap<String, u64>) -> BTreeMap<&'static str, u64> {
    let known = |(name, count): (&String, &u64)| Some((crate::event::EventType::from_name(name)?.short(), *count));
    counts.iter().filter_map(known).collect()
}

/// A number as the instrument meant it: the shortest that stands for these bits.
pub(super) fn number(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::NAN)
}

fn measured(reading: &Reading<'_>, run: &LiveRun, context: &Context) -> Measured {
    let profile = &context.profile;
    let kind = kind_by_name(profile, reading.name);
    let value = number(reading.value);
    let range = match kind {
        ChannelKind::Ph => profile.ranges.get(&ChannelKindKey::Ph),
        ChannelKind::Do => profile.ranges.get(&ChannelKindKey::Do),
        _ => None,
    };
    let quality = match value {
        v if !v.is_finite() || v == -9999.0 => Quality::NotANumber,
        v if v.abs() >= GARBAGE || range.is_some_and(|range| !range.contains(v)) => Quality::OutOfRange,
        _ => Quality::Ok,
    };
    let value = (quality == Quality::Ok || (quality == Quality::OutOfRange && value.abs() < GARBAGE)).then_some(value);
    Measured {
        run: run.run.clone(),
        plate_id: run.plate_id.clone(),
        well: reading.well,
        cycle: reading.cycle,
        filterset: reading.filterset,
        channel: reading.name.into(),
        kind,
        elapsed_s: reading.elapsed_s as f64,
        value,
        value_origin: value.map(|_| ValueOrigin::Instrument),
        unit: unit(profile, kind),
        amplitude: None,
        amplitude_2: None,
        amplitude_referenced: None,
        phase_deg: None,
        instrument_value: value,
        temperature_c: None,
        temperature_sensor: None,
        service: None,
        quality,
        flags: Vec::new(),
    }
}

/// A device's own event, which belongs to no run: it is named by the opening and its place in it.
pub(super) fn own(body: Body, epoch: &str, ordinal: u64, at: jiff::Timestamp) -> Event {
    Event {
        body,
        key: Key::Text(format!("{epoch}/{ordinal}")),
        run: None,
        cycle: None,
        closes: false,
        subject: Subject::Device,
        time: Some(at),
        time_quality: TimeQuality::Observed,
        revision: 1,
        reason: None,
        causation: None,
        offset: None,
        alike: None::<Box<Alike>>,
    }
}
