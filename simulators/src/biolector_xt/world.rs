//! The instrument: what it does as its time goes on, and what it does when it is asked to.

mod course;
mod remarks;

use std::collections::VecDeque;

use fastrand::Rng;
use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrument_proto::biolector_xt::{CoverState, MeasurementStatus};
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::controls::{COVER_SECONDS, Controls};
use super::cultures::{Culture, WELLS};
use super::run::{Pause, Run};
use super::settings::Settings;
use super::store::{Content, Experiment, Protocol};
use super::truth::{Download, Made};
use crate::biolector::plate::Well;
use crate::biolector::record::{Record, Source, Voice, What};
use crate::biolector::xt_members::{experiment_id, seed_name};
use crate::biolector::{self, Model, Quirk};

/// Seconds between two looks at the chamber.
const TICK: f64 = 30.0;
/// How long somebody who opens the cover stays.
const VISIT: f64 = 60.0;
/// Things that happen in one go before whoever waits for the world may have it.
const AT_ONCE: usize = 256;
/// Updates that may wait to be handed out; then requests that would make more are refused.
pub(super) const MOST_WAITING: usize = 10_000;

/// What the instrument is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Idle,
    /// It prepares a run.
    Starting,
    /// It measures a cycle.
    Measuring,
    /// It waits for the next cycle.
    Waiting,
    /// It was asked to pause and goes on until it can.
    PauseRequested,
    /// It stands.
    Paused,
    /// It was asked to stop and finishes its filter set.
    StopRequested,
}

/// A step of somebody who takes samples.
#[derive(Debug, Clone, Copy)]
enum Visit {
    Pause,
    Open,
    Continue,
}

/// The instrument.
#[derive(Debug)]
pub(super) struct World {
    pub settings: Settings,
    pub controls: Controls,
    /// All wells of the plate, row by row.
    pub cultures: Vec<Culture>,
    pub protocols: Vec<Protocol>,
    pub experiments: Vec<Experiment>,
    /// Runs that are over.
    pub over: u64,
    pub truth: Vec<Made>,
    /// Requests for experiments' files.
    pub downloads: Vec<Download>,
    /// What happened and was not handed out yet.
    pub outbox: VecDeque<Update>,
    run: Option<Run>,
    /// Its clock when it was switched on.
    base: Timestamp,
    /// Seconds since then.
    now: f64,
    tick: f64,
    process: u32,
    visits: VecDeque<(f64, Visit)>,
    noise: Rng,
}

impl World {
    pub fn new(mut settings: Settings) -> World {
        settings.run.model = Model::Xt;
        let protocols = vec![Protocol::of(&settings.run), Protocol::microfluidic(&settings.run)];
        let base = settings.start.unwrap_or_else(Timestamp::now);
        let mut world = World {
            controls: Controls::new(),
            cultures: vec![Culture::new(settings.run.channels().len()); WELLS],
            protocols,
            experiments: Vec::new(),
            over: 0,
            truth: Vec::new(),
            downloads: Vec::new(),
            outbox: VecDeque::new(),
            run: None,
            base,
            now: 0.0,
            tick: TICK,
            process: settings.run.process,
            visits: VecDeque::new(),
            noise: Rng::with_seed(settings.run.seed ^ 0x1D1E),
            settings,
        };
        for index in 0..world.settings.history {
            world.remember(index);
        }
        world
    }

    /// An experiment from before it was switched on.
    fn remember(&mut self, index: u32) {
        let days = i64::from(self.settings.history - index);
        let start = self.local(self.clock() - SignedDuration::from_hours(24 * days));
        let process = self.process.saturating_sub(self.settings.history - index);
        let protocol = &self.protocols[0];
        let offset = self.settings.printed_offset();
        let mut settings = biolector::Settings { process, start, offset, ..protocol.settings.clone() };
        settings.quirks.remove(&Quirk::NoEnd);
        self.experiments.push(Experiment {
            id: experiment_id(&settings),
            protocol: protocol.id.clone(),
            name: seed_name(&settings),
            start,
            content: Some(Content::Past(settings)),
        });
    }

    /// What its clock shows.
    pub fn clock(&self) -> Timestamp {
        let ahead = SignedDuration::try_from_secs_f64(self.now + self.settings.faults.clock_skew_s).unwrap_or_default();
        self.base.saturating_add(ahead).unwrap_or(self.base)
    }

    /// A moment as its users read it off a wall clock.
    fn local(&self, at: Timestamp) -> DateTime {
        self.settings.run.offset.to_datetime(at).round(jiff::Unit::Second).unwrap_or(self.settings.run.start)
    }

    pub fn now(&self) -> f64 {
        self.now
    }

    pub fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    pub fn state(&self) -> State {
        let Some(run) = &self.run else { return State::Idle };
        match run.pause {
            Some(Pause { since: Some(_), .. }) => State::Paused,
            _ if run.stopping => State::StopRequested,
            Some(_) => State::PauseRequested,
            None if run.is_starting() => State::Starting,
            None if run.is_measuring() => State::Measuring,
            None => State::Waiting,
        }
    }

    /// Whether time may be skipped to what comes next.
    pub fn is_working(&self) -> bool {
        !matches!(self.state(), State::Idle | State::Paused)
    }

    /// When the next thing happens, in seconds since it was switched on.
    pub fn due(&self) -> f64 {
        let run = self.run.as_ref();
        let pause = run.and_then(|run| run.pause).filter(|pause| pause.since.is_none()).map(|pause| pause.at);
        let cover = self.controls.cover.arrives.map(|(at, _)| at);
        let visit = self.visits.front().map(|(at, _)| *at);
        [run.and_then(Run::due), pause, cover, visit].into_iter().flatten().fold(self.tick, f64::min)
    }

    /// Lets time go on. Returns whether all is done that had to happen until then.
    pub fn advance(&mut self, to: f64) -> bool {
        for _ in 0..AT_ONCE {
            let due = self.due();
            if due > to {
                self.now = self.now.max(to);
                return true;
            }
            self.now = self.now.max(due);
            self.happen(due);
        }
        false
    }

    fn happen(&mut self, due: f64) {
        if let Some((_, state)) = self.controls.cover.arrives.filter(|(at, _)| *at <= due) {
            self.controls.cover.arrives = None;
            self.cover_is(state);
        } else if let Some((_, visit)) = self.visits.front().copied().filter(|(at, _)| *at <= due) {
            self.visits.pop_front();
            match visit {
                Visit::Pause => self.pause(false),
                Visit::Open => drop(self.move_cover(CoverState::CovOpen)),
                Visit::Continue => drop(self.resume()),
            }
        } else if self
            .run
            .as_ref()
            .and_then(|run| run.pause)
            .is_some_and(|pause| pause.since.is_none() && pause.at <= due)
        {
            self.stand();
        } else if self.tick <= due {
            self.look();
        } else if let Some(record) = self.run.as_mut().and_then(Run::next) {
            self.play(record);
            if self.run.as_ref().is_some_and(|run| run.pending_is_empty()) {
                self.end_cycle();
            }
        }
    }

    // ----- what happens by itself -----

    /// A look at the chamber and the feeds.
    fn look(&mut self) {
        self.tick += TICK;
        for culture in &mut self.cultures {
            culture.feed_for(TICK / 3600.0);
        }
        self.account();
        if self.run.is_none() {
            self.controls.settle(TICK);
        }
        let noise = 0.05 * (self.noise.f64() - 0.5);
        let controls = &self.controls;
        let updates = [
            Update::ActualTemperature((controls.temperature.actual + noise) as f32),
            Update::ActualRpm(controls.shaker.actual as i32),
            Update::O2(controls.oxygen.actual as f32),
            Update::Co2(controls.carbon_dioxide.actual as f32),
            Update::FlowRate(controls.flow as f32),
        ];
        self.outbox.extend(updates);
    }

    /// The volumes go into the rows.
    fn account(&mut self) {
        let Some(run) = &mut self.run else { return };
        for index in 0..run.wells.len() {
            let volume = self.cultures[label(run.wells[index])].volume();
            run.set_volume(index, volume);
        }
    }

    fn play(&mut self, mut record: Record) {
        match &mut record.what {
            What::Measurement { chamber, .. } | What::Reference { chamber, .. } | What::Periodic { chamber } => {
                if self.controls.shaker.actual <= 0.0 {
                    chamber.shaker = 0;
                }
                self.controls.temperature.actual = chamber.calibrating;
                self.controls.oxygen.actual = chamber.oxygen;
            }
            What::Fluid { well, source, pumped, total } => {
                let wells = self.run.as_ref().map(|run| label(run.wells[*well]));
                if let Some(culture) = wells.and_then(|label| self.cultures.get(label)) {
                    *total = culture.volume();
                    *pumped = match source {
                        Source::External => culture.external,
                        Source::Reservoir(index) => culture.pumped[usize::from(*index & 1)],
                    };
                }
            }
            What::Comment { voice, text } => {
                let (voice, text) = (*voice, text.clone());
                self.hear(voice, text);
            }
            What::Internal { .. } => {}
        }
        if let What::Measurement { channel, well, .. } = record.what {
            self.measured(&record, channel, well);
        }
        if let Some(run) = &mut self.run {
            run.keep(record);
        }
    }

    fn measured(&mut self, record: &Record, channel: usize, well: usize) {
        let at = self.clock();
        let Some(run) = &mut self.run else { return };
        run.measured = if run.channel == channel { run.measured + 1 } else { 1 };
        run.channel = channel;
        let (place, name) = (run.wells[well], run.channels[channel].name.to_owned());
        let value = run.value(record);
        let experiment = experiment_id(&run.settings);
        if let Some(slot) = self.cultures[label(place)].values.get_mut(channel) {
            *slot = Some((value.unwrap_or(f64::NAN), at));
        }
        self.truth.push(Made {
            experiment,
            cycle: record.cycle,
            filterset: channel as u32 + 1,
            channel: name.clone(),
            well: place.to_string(),
            elapsed_s: u64::from(record.time),
            value,
        });
        self.outbox.push_back(Update::MeasurementStatus(MeasurementStatus {
            cultivation: label(place) as i32,
            channel_index: channel as u32 + self.settings.faults.index_base,
            channel_name: name,
            value: value.unwrap_or(f64::NAN) as f32,
            experiment_duration: u64::from(record.time),
            timestamp: Some(wire_time(at)),
        }));
        let run_on = self.run.as_ref().is_some_and(|run| run.is_measuring());
        self.plan_visit(run_on, record.cycle);
    }

    /// Whoever takes samples comes when a cycle is measured.
    fn plan_visit(&mut self, measuring: bool, cycle: u32) {
        let every = self.settings.visit_every.filter(|every| *every > 0 && cycle.is_multiple_of(*every));
        if every.is_some() && !measuring && self.visits.is_empty() {
            let pause = self.now + 7.0;
            let open = pause + self.settings.faults.pause_latency_s + 1.0;
            self.visits.extend([(pause, Visit::Pause), (open, Visit::Open), (open + VISIT, Visit::Continue)]);
        }
    }

    // ----- what it is asked for -----

    /// Moves the cover.
    ///
    /// # Errors
    /// Why it stays where it is.
    pub fn move_cover(&mut self, to: CoverState) -> Result<(), &'static str> {
        if to == CoverState::CovOpen
            && matches!(self.state(), State::Starting | State::Measuring | State::PauseRequested)
        {
            return Err("the cover stays closed while wells are measured");
        }
        let aim = self.controls.cover.arrives.map_or(self.controls.cover.state, |(_, aim)| aim);
        if aim == to {
            return Ok(());
        }
        if self.settings.faults.cover_blocked {
            self.say(Voice::System, "Coverstate changed to FAILING");
            return Ok(());
        }
        self.say(Voice::System, "Coverstate changed to BUSY");
        self.controls.cover.arrives = Some((self.now + COVER_SECONDS, to));
        Ok(())
    }

    fn cover_is(&mut self, state: CoverState) {
        let word = if state == CoverState::CovOpen { "OPEN" } else { "CLOSED" };
        self.say(Voice::System, format!("Coverstate changed to {word}"));
        let ending = self.run.as_ref().and_then(|run| run.pause).is_some_and(|pause| pause.ending);
        if ending && state == CoverState::CovClosed {
            self.go_on();
        }
    }

    /// A robot added something to a well, or took something where the volume is negative.
    pub fn add_external(&mut self, well: usize, microlitres: f64) {
        if let Some(culture) = self.cultures.get_mut(well) {
            culture.external += microlitres;
        }
        self.account();
    }

    /// An identifier as it is handed out.
    pub fn dressed(&self, id: &str) -> String {
        if self.settings.faults.braces { format!("{{{id}}}") } else { id.to_owned() }
    }
}

/// A well's place in the wire's row-major labels.
pub(super) fn label(well: Well) -> usize {
    usize::from(well.row) * 8 + usize::from(well.column)
}

/// A time as the wire has it.
pub(super) fn wire_time(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// An identifier without braces.
pub(super) fn bare(id: &str) -> &str {
    id.trim().trim_start_matches('{').trim_end_matches('}')
}

pub(super) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(bare(other))
}
