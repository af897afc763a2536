//! After a cut: what the current values still show, what the experiment's file has, and what is lost.

use std::collections::BTreeMap;

use instrument_proto::biolector_xt::CultivationValuesItem;
use jiff::Timestamp;

use super::files;
use super::kept::{Cut, Fetch};
use super::live::{Live, labelled, moment, well};
use super::order::Position;
use super::readings::{Reading, named, number, own};
use super::run::{LiveRun, Moving, When, bare};
use crate::driver::Effects;
use crate::event::cultivation::{Ended, Fed};
use crate::event::device::{Gap, Missing};
use crate::event::{Body, Event, Key, Subject, Way};

/// How often a finished experiment's file is asked for before its end is told without it.
const TRIES: u32 = 3;

/// Volumes that differ by less are the same, in microlitres.
const SAME_UL: f64 = 0.005;

/// A current value with its place.
struct Value<'a> {
    position: Position,
    filterset: u32,
    at: Timestamp,
    elapsed_s: u64,
    name: &'a str,
    value: f32,
}

impl Live {
    /// Takes the list of current values.
    pub fn take_values(&mut self, items: &[CultivationValuesItem], now: Timestamp, effects: &mut Effects) {
        let Some(run) = &mut self.run else { return };
        for value in items.iter().flat_map(|item| &item.values) {
            run.changed |= run.kept.channels.list(value.index, &value.name);
        }
        self.volumes(items, now, effects);
        self.flush(effects);
        if self.values.is_none() {
            // Only the first list of an opening can show what passed before it.
            self.values = Some(items.to_vec());
        }
        self.reconcile(now, effects);
    }

    /// Tells of what the current values show of the time before this opening, once the first reading of it has a cycle.
    pub fn reconcile(&mut self, now: Timestamp, effects: &mut Effects) {
        let (Some(run), Some(first), Some(items)) = (&self.run, &self.first, &self.values) else { return };
        let status = &first.status;
        let (Some(mut cycle), Some(base), Some(first_at), Some(number), Some(filterset)) = (
            run.moving.tracker.cycle(0),
            run.kept.base,
            status.timestamp.as_ref().and_then(moment),
            well(status.cultivation),
            run.kept.channels.filterset(status.channel_index, &status.channel_name),
        ) else {
            return;
        };
        let items = items.clone();
        let is_same_run =
            self.line.cut.as_ref().is_some_and(|cut| cut.run.as_deref() == Some(run.kept.identity.as_str()));
        let cut = self.line.cut.take();
        let since = cut.as_ref().filter(|_| is_same_run).and_then(|cut| cut.elapsed_s).unwrap_or(0);
        let mut values: Vec<Value<'_>> = Vec::new();
        let mut measured: BTreeMap<u32, u64> = BTreeMap::new();
        for item in &items {
            let Some(number) = well(item.label) else { continue };
            for value in &item.values {
                let Some(filterset) = run.kept.channels.filterset(value.index, &value.name) else { continue };
                let Some(at) = value.timestamp.as_ref().and_then(moment) else { continue };
                *measured.entry(filterset).or_default() |= 1 << number;
                let Ok(elapsed_s) = u64::try_from(at.duration_since(base).as_secs()) else { continue };
                let position = Position { channel: filterset, well: number };
                values.push(Value { position, filterset, at, elapsed_s, name: &value.name, value: value.value });
            }
        }
        values.sort_by_key(|value| std::cmp::Reverse((value.at, value.position)));
        let orders = run.moving.tracker.orders();
        let first_cycle = cycle;
        let mut later = Position { channel: filterset, well: number };
        let mut found: BTreeMap<u32, BTreeMap<u32, u64>> = BTreeMap::new();
        let mut told = Vec::new();
        for value in values.iter().filter(|value| value.at < first_at) {
            if value.position == later || orders.goes_back(value.position, later) {
                let Some(before) = cycle.checked_sub(1) else { break };
                cycle = before;
            }
            later = value.position;
            if !orders.is_known() || value.elapsed_s.saturating_add(2) < since {
                break;
            }
            *found.entry(cycle).or_default().entry(value.filterset).or_default() |= 1 << value.position.well;
            told.push((cycle, value));
        }
        self.tell_started(effects);
        for (cycle, value) in told.iter().rev() {
            let (Some(well), Some(run)) = (labelled(value.position.well), &self.run) else { continue };
            let reading = Reading {
                cycle: *cycle,
                filterset: value.filterset,
                well,
                elapsed_s: value.elapsed_s,
                name: value.name,
                value: value.value,
                time: When::in_run(&run.kept, value.elapsed_s as f64),
                way: Way::Asked,
            };
            self.tell_reading(&reading, effects);
        }
        let Some(cut) = cut else { return };
        let recovered = told.len() as u64;
        let missing = match (is_same_run, cut.cycle) {
            (true, Some(last)) => missing(last, &cut.told, first_cycle, &measured, &found),
            // Nothing was told of this run before: how much there was of it only its file tells.
            _ => (1..first_cycle)
                .map(|cycle| lost(cycle, &measured, found.get(&cycle)))
                .filter(|lost| lost.readings > 0)
                .collect(),
        };
        self.tell_of_reconciliation(&cut, recovered, missing, now, effects);
    }

    fn tell_of_reconciliation(
        &mut self,
        cut: &Cut,
        recovered: u64,
        missing: Vec<Missing>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(run) = &self.run else { return };
        let experiment = run.kept.asked_as.clone();
        let text = match missing.is_empty() {
            true => format!("{recovered} readings were recovered from the current values; none is missing"),
            false => {
                let readings: u64 = missing.iter().map(|one| one.readings).sum();
                format!(
                    "{recovered} readings were recovered from the current values; {readings} are missing, and the \
                     experiment's file is asked for"
                )
            }
        };
        let is_missing = !missing.is_empty();
        self.tell_gap("reconciled", (cut.from, cut.to.max(now)), text, missing, effects);
        let is_wanted = self.line.fetches.iter().any(|fetch| bare(&fetch.experiment) == bare(&experiment));
        if is_missing && !is_wanted {
            self.line.fetches.push(Fetch {
                experiment,
                is_finished: false,
                is_asked: false,
                is_for_end: false,
                tries: 0,
                kept: None,
                moving: None,
            });
        }
        self.fetch(effects);
    }

    /// A cut, as soon as it is over.
    pub fn tell_of_cut(&mut self, cut: &Cut, from: Option<Timestamp>, now: Timestamp, effects: &mut Effects) {
        let next = match self.run {
            Some(_) => {
                "readings are looked for among the current values and in the experiment's file; conditions and comments \
                 only in the file"
            }
            None => "no run was followed",
        };
        let text = format!("what the stream said meanwhile is lost ({}); {next}", cut.why);
        self.gap("interrupted", from, now, text, effects);
    }

    /// Records a gap of the stream.
    pub fn gap(&mut self, reason: &str, from: Option<Timestamp>, to: Timestamp, text: String, effects: &mut Effects) {
        self.tell_gap(reason, (from, to), text, Vec::new(), effects);
    }

    fn tell_gap(
        &mut self,
        reason: &str,
        (from, to): (Option<Timestamp>, Timestamp),
        text: String,
        missing: Vec<Missing>,
        effects: &mut Effects,
    ) {
        let run = self.run.as_ref().map(|run| run.run.id);
        let gap =
            Gap { link: self.source.to_string(), reason: reason.to_owned(), from, to: Some(to), text, run, missing };
        self.line.ordinal += 1;
        effects.events.push(own(Body::DeviceGap(gap), &self.line.epoch, self.line.ordinal, to));
    }

    /// A file was read, or could not be.
    pub fn downloaded(&mut self, experiment: &str, outcome: Result<(), &str>, now: Timestamp, effects: &mut Effects) {
        let Some(at) = self.line.fetches.iter().position(|fetch| bare(&fetch.experiment) == bare(experiment)) else {
            return;
        };
        let mut fetch = self.line.fetches.remove(at);
        let name = bare(experiment);
        match outcome {
            Ok(()) if fetch.is_for_end && !fetch.is_finished => {
                // It ended while it was being read: what the file says of its end only the whole one has.
                fetch.is_asked = false;
                self.line.fetches.push(fetch);
            }
            Ok(()) => {
                let text = format!(
                    "the file of the experiment {name} was read: what was missing and stands there is recorded"
                );
                self.gap("reconciled", None, now, text, effects);
            }
            Err(reason) if fetch.is_for_end => {
                fetch.tries += 1;
                let text = format!("the file of the finished experiment {name} could not be read: {reason}");
                if fetch.tries == TRIES {
                    self.end_without_file(&fetch, now, effects);
                }
                if fetch.tries >= TRIES {
                    let text = format!(
                        "{text}; it is tried again whenever the stream is opened, and what the file adds is missing until then"
                    );
                    self.gap("download-refused", None, now, text, effects);
                } else {
                    fetch.is_asked = false;
                }
                self.line.fetches.push(fetch);
                self.fetch(effects);
            }
            Err(reason) => {
                let text = format!(
                    "the file of the running experiment {name} could not be read: {reason}; what is missing waits for the \
                     finished experiment"
                );
                self.gap("download-refused", None, now, text, effects);
            }
        }
    }

    /// The end of a run whose file cannot be had.
    fn end_without_file(&mut self, fetch: &Fetch, _now: Timestamp, effects: &mut Effects) {
        let (Some(kept), Some(moving)) = (fetch.kept.clone(), fetch.moving.clone()) else { return };
        let whole = moving.tracker.is_all_read();
        let Moving { elapsed_s, cycles, counts, .. } = &moving;
        let elapsed_s = elapsed_s.map(|seconds| seconds as f64);
        let (cycles, events) = (*cycles, named(counts));
        let time = When::in_run(&kept, elapsed_s.unwrap_or_default());
        let mut run = LiveRun::new(kept, moving, &self.context);
        let ended = Ended { run: run.run.clone(), instrument_time: None, elapsed_s, cycles, events };
        let body = if whole { Body::CultivationCompleted(ended) } else { Body::CultivationStopped(ended) };
        let mut event = run.event(body, Key::Run, None, time);
        (event.closes, event.subject) = (true, Subject::Run(run.run.id));
        effects.events.push(LiveRun::once(event, "ended"));
    }

    fn volumes(&mut self, items: &[CultivationValuesItem], now: Timestamp, effects: &mut Effects) {
        for item in items {
            let Some(number) = well(item.label) else { continue };
            let Some(label) = labelled(number) else { continue };
            let Some(run) = &mut self.run else { return };
            let volumes = [item.current_volume, item.pumped_volume_a, item.pumped_volume_b, item.pumped_external]
                .map(number_or_nothing);
            let known = run.kept.volumes.get(&number).copied();
            if known == Some(volumes) {
                continue;
            }
            run.kept.volumes.insert(number, volumes);
            run.changed = true;
            let elapsed = run.kept.elapsed_of(now);
            for (at, source) in [(1, "A"), (2, "B"), (3, "external")] {
                let before = known.map_or(0.0, |known| known[at]);
                let Some((elapsed_s, _)) = elapsed.filter(|_| (volumes[at] - before).abs() > SAME_UL) else { continue };
                let cycle = run.moving.cycle.unwrap_or(0);
                let body = Body::Fed(Fed {
                    run: run.run.clone(),
                    plate_id: run.plate_id.clone(),
                    cycle,
                    elapsed_s,
                    well: label,
                    source: source.to_owned(),
                    volume_ul: Some(volumes[at]),
                    total_volume_ul: Some(volumes[0]),
                });
                self.line.ordinal += 1;
                let key = Key::Text(format!("{}/{}", self.line.epoch, self.line.ordinal));
                let alike = files::happening(&body, Way::Live).map(Box::new);
                let scope = run.moving.cycle;
                let event = run.event(body, key, scope, When::observed(now));
                effects.events.push(Event { alike, ..event });
            }
        }
    }
}

fn number_or_nothing(volume: f32) -> f64 {
    Some(number(volume)).filter(|volume| volume.is_finite() && volume.abs() < 1e9).unwrap_or(0.0)
}

/// What was measured and is not told, from the last cycle before a cut to the first after it.
fn missing(
    last: u32,
    told: &BTreeMap<u32, u64>,
    first: u32,
    measured: &BTreeMap<u32, u64>,
    found: &BTreeMap<u32, BTreeMap<u32, u64>>,
) -> Vec<Missing> {
    // What the first cycle after the cut measured before it was followed again stands among the current values.
    (last..first)
        .take(10_000)
        .map(|cycle| {
            let mut have = found.get(&cycle).cloned().unwrap_or_default();
            if cycle == last {
                for (filterset, wells) in told {
                    *have.entry(*filterset).or_default() |= wells;
                }
            }
            lost(cycle, measured, Some(&have))
        })
        .filter(|lost| lost.readings > 0)
        .collect()
}

fn lost(cycle: u32, measured: &BTreeMap<u32, u64>, have: Option<&BTreeMap<u32, u64>>) -> Missing {
    let here = |filterset: &u32| have.and_then(|have| have.get(filterset)).copied().unwrap_or(0);
    let readings = measured.iter().map(|(set, wells)| u64::from((wells & !here(set)).count_ones())).sum();
    Missing { cycle, readings }
}
