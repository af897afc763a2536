//! What the remote interface says becomes events: the run, its cycles and readings.

use std::collections::VecDeque;
use std::sync::Arc;

use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrument_proto::biolector_xt::{ExperimentInfo, MeasurementStatus, ProtocolInfo};
use jiff::Timestamp;

use super::conditions::Conditions;
use super::input::{Ask, Heard, XtInput};
use super::kept::{Cut, Fetch, Line};
use super::order::Position;
use super::run::{Kept, LiveRun, Moving, bare};
use super::tracker::Anchored;
use crate::driver::biolector::Context;
use crate::driver::{Effects, Operation, Request, SourceName};
use crate::event::Well;

/// Readings that wait until their cycle or their run is certain. A cycle of the largest plate with ten channels has 480.
const MAX_HELD: usize = 2500;

/// A run's seconds go back by more than this only when another run began.
const ANOTHER_RUN_S: u64 = 5;

/// A reading that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waiting {
    pub at: Timestamp,
    pub status: MeasurementStatus,
    pub lap: u32,
    pub is_first: bool,
}

/// The first reading of an opening, from which it is reckoned back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct First {
    pub status: MeasurementStatus,
}

/// The remote interface of one instrument.
pub(super) struct Live {
    pub context: Arc<Context>,
    pub source: SourceName,
    pub is_restored: bool,
    pub line: Line,
    pub run: Option<LiveRun>,
    pub conditions: Conditions,
    /// Readings whose run is not known yet.
    pub early: Vec<(Timestamp, MeasurementStatus)>,
    /// Readings whose cycle or channel is not certain yet.
    pub held: VecDeque<Waiting>,
    pub first: Option<First>,
    pub protocols: Vec<ProtocolInfo>,
    pub values: Option<Vec<instrument_proto::biolector_xt::CultivationValuesItem>>,
    pub has_asked_for_experiments: bool,
    pub has_asked_for_progress: bool,
    /// Whether the instrument was seen without a run in this opening, so that the next one is seen from its start.
    pub was_idle: bool,
    pub written: super::kept::Written,
}

impl Live {
    pub fn new(context: Arc<Context>, source: SourceName) -> Self {
        Self {
            context,
            source,
            is_restored: false,
            line: Line::default(),
            run: None,
            conditions: Conditions::default(),
            early: Vec::new(),
            held: VecDeque::new(),
            first: None,
            protocols: Vec::new(),
            values: None,
            has_asked_for_experiments: false,
            has_asked_for_progress: false,
            was_idle: false,
            written: super::kept::Written::default(),
        }
    }

    pub fn take(&mut self, input: XtInput<'_>, now: Timestamp, effects: &mut Effects) {
        match input {
            XtInput::Opened { epoch, snapshot, cut } => self.opened(epoch, snapshot, cut, now, effects),
            XtInput::Heard(items) => {
                for Heard { at, update } in items {
                    self.heard(*at, update, effects);
                }
            }
            XtInput::Progress(progress) => self.progress(progress.cycle, now, effects),
            XtInput::Experiments(experiments) => self.experiments(experiments, effects),
            XtInput::Protocols(protocols) => self.protocols = protocols.iter().take(1000).cloned().collect(),
            XtInput::Values(items) => self.take_values(items, now, effects),
            XtInput::Cover(cover) => self.cover(cover, "asked", now, effects),
            XtInput::Temperature(status) => self.temperature(status, now, effects),
            XtInput::Shaker(status) => self.shaker(status, now, effects),
            XtInput::Closed => {}
            XtInput::Downloaded { experiment, outcome } => self.downloaded(experiment, outcome, now, effects),
        }
        self.write(effects);
    }

    fn opened(
        &mut self,
        epoch: &str,
        snapshot: &[(String, Vec<u8>)],
        cut: Option<&str>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        if !std::mem::replace(&mut self.is_restored, true) {
            self.restore(snapshot);
            if let Some(run) = &self.run {
                effects.operation = Some(operation(run));
            }
        }
        let is_first = self.line.epoch.is_empty();
        (self.line.epoch, self.line.ordinal) = (epoch.to_owned(), 0);
        if !is_first {
            let from = self.waiting_since().or(self.line.last_at);
            let run = self.run.as_ref();
            let before = self.line.cut.take();
            let cut = Cut {
                from: before.as_ref().and_then(|cut| cut.from).or(from),
                to: now,
                why: cut.unwrap_or("the daemon did not follow it").to_owned(),
                run: run.map(|run| run.kept.identity.clone()),
                // A second cut before the first one was made up for belongs to it.
                cycle: before.as_ref().map_or_else(|| run.and_then(|run| run.moving.cycle), |cut| cut.cycle),
                elapsed_s: before.as_ref().map_or_else(|| run.and_then(|run| run.moving.told_s), |cut| cut.elapsed_s),
                told: before.map_or_else(|| run.map(|run| run.moving.told.clone()).unwrap_or_default(), |cut| cut.told),
            };
            self.tell_of_cut(&cut, from, now, effects);
            self.line.cut = Some(cut);
        }
        // What waited can be found among the current values or in the experiment's file.
        self.early.clear();
        self.held.clear();
        (self.first, self.values) = (None, None);
        (self.has_asked_for_experiments, self.has_asked_for_progress, self.was_idle) = (false, false, false);
        if let Some(run) = &mut self.run {
            run.moving.tracker.reopened();
        }
        for fetch in &mut self.line.fetches {
            fetch.is_asked = false;
        }
        self.line.last_at = Some(now);
    }

    fn heard(&mut self, at: Timestamp, update: &Update, effects: &mut Effects) {
        match update {
            Update::MeasurementStatus(status) => self.measured(at, status, effects),
            other => self.condition(at, other, effects),
        }
        self.line.last_at = Some(at);
    }

    /// Since when something waits that is not recorded yet.
    pub fn waiting_since(&self) -> Option<Timestamp> {
        let early = self.early.first().map(|(at, _)| *at);
        early.into_iter().chain(self.held.front().map(|waiting| waiting.at)).min()
    }

    fn measured(&mut self, at: Timestamp, status: &MeasurementStatus, effects: &mut Effects) {
        let goes_back = |run: &LiveRun| {
            run.moving.elapsed_s.is_some_and(|last| status.experiment_duration.saturating_add(ANOTHER_RUN_S) < last)
        };
        if self.run.as_ref().is_some_and(goes_back) {
            self.leave_run(effects);
        }
        let Some(run) = &mut self.run else {
            if self.early.len() >= MAX_HELD {
                let since = self.early.first().map(|(at, _)| *at);
                let text = format!("{} readings came and no experiment that runs is listed", self.early.len());
                self.early.clear();
                self.gap("unknown-run", since, at, text, effects);
            }
            self.early.push((at, status.clone()));
            if !std::mem::replace(&mut self.has_asked_for_experiments, true) {
                effects.requests.push(Request::Ask(Ask::Experiments));
            }
            return;
        };
        let written = status.timestamp.as_ref().and_then(moment);
        run.changed |= run.kept.learn_start(status.experiment_duration, written, at);
        let known = run.kept.channels.names().len();
        run.kept.channels.hear(status.channel_index, &status.channel_name);
        let Some(well) = well(status.cultivation) else {
            let text = format!("a reading names the well {}, which no plate has", status.cultivation);
            return self.gap("unknown-well", Some(at), at, text, effects);
        };
        let position = Position { channel: status.channel_index, well };
        if self.first.is_none() {
            self.first = Some(First { status: status.clone() });
        }
        let before = run.moving.tracker.is_seen_from_its_start();
        let (lap, is_first) = run.moving.tracker.reading(position);
        if is_first && before && lap > 0 {
            run.kept.channels.heard_whole_cycle();
        }
        run.changed |= run.kept.channels.names().len() != known;
        run.moving.elapsed_s = Some(status.experiment_duration);
        let waiting = Waiting { at, status: status.clone(), lap, is_first };
        if self.held.is_empty() && self.tell(&waiting, effects) {
            return;
        }
        let is_adrift = self.run.as_ref().is_some_and(|run| run.moving.tracker.is_adrift());
        if is_adrift && !std::mem::replace(&mut self.has_asked_for_progress, true) {
            effects.requests.push(Request::Ask(Ask::Progress));
        }
        if self.held.is_empty() {
            effects.requests.push(Request::Ask(Ask::Values));
        }
        self.held.push_back(waiting);
        self.flush(effects);
        if self.held.len() > MAX_HELD {
            let since = self.held.front().map(|waiting| waiting.at);
            let text = format!(
                "the cycle of {} readings could not be found out: the instrument's progress does not fit them; the \
                 experiment's file tells of them",
                self.held.len()
            );
            self.held.clear();
            self.gap("unknown-cycle", since, at, text, effects);
        }
    }

    /// Tells of the readings that waited, as far as they are certain now.
    pub fn flush(&mut self, effects: &mut Effects) {
        while let Some(waiting) = self.held.pop_front() {
            if !self.tell(&waiting, effects) {
                self.held.push_front(waiting);
                return;
            }
        }
    }

    fn progress(&mut self, cycle: u64, now: Timestamp, effects: &mut Effects) {
        self.has_asked_for_progress = false;
        let Some(run) = &mut self.run else { return };
        match run.moving.tracker.progress(cycle) {
            Anchored::No => {}
            Anchored::From(lap) => {
                let before = self.held.len();
                let since = self.held.front().map(|waiting| waiting.at);
                self.held.retain(|waiting| waiting.lap >= lap);
                let lost = before - self.held.len();
                if lost > 0 {
                    let text =
                        format!("the cycle of {lost} readings is not certain; the experiment's file tells of them");
                    self.gap("unknown-cycle", since, now, text, effects);
                }
            }
            Anchored::Moved { told, is } => {
                let text = format!(
                    "readings were told as of cycle {told}, and the instrument says that it is cycle {is}; the experiment's \
                     file tells what each of them is"
                );
                self.gap("cycle-jump", None, now, text, effects);
            }
        }
        self.flush(effects);
        self.reconcile(now, effects);
        if let Some(run) = &self.run {
            effects.operation = Some(operation(run));
        }
    }

    fn experiments(&mut self, experiments: &[ExperimentInfo], effects: &mut Effects) {
        self.has_asked_for_experiments = false;
        for fetch in &mut self.line.fetches {
            let listed = experiments.iter().find(|one| bare(&one.experiment_id) == bare(&fetch.experiment));
            fetch.is_finished |= listed.is_some_and(|one| one.finished);
        }
        if let Some(run) = &self.run {
            let listed = experiments.iter().find(|one| bare(&one.experiment_id) == run.kept.identity);
            if listed.is_none_or(|one| one.finished) {
                let is_finished = listed.is_some();
                self.leave_run(effects);
                if let Some(fetch) = self.line.fetches.last_mut() {
                    fetch.is_finished = is_finished;
                }
            }
        }
        let running = experiments.iter().filter(|one| !one.finished && !one.experiment_id.trim().is_empty());
        let running = running.max_by(|a, b| a.start_time.cmp(&b.start_time));
        if let Some(experiment) = running
            && self.run.as_ref().is_none_or(|run| run.kept.identity != bare(&experiment.experiment_id))
        {
            if self.run.is_some() {
                self.leave_run(effects);
            }
            self.begin(experiment, effects);
        }
        self.was_idle |= self.run.is_none();
        self.fetch(effects);
    }

    fn begin(&mut self, experiment: &ExperimentInfo, effects: &mut Effects) {
        // A run that ended is over: a list that is older than the last readings does not bring it back.
        let mut kept =
            Kept::new(&experiment.experiment_id, &experiment.protocol_id, &experiment.start_time, &self.context);
        if let Some(protocol) =
            self.protocols.iter().find(|one| bare(&one.id) == bare(&experiment.protocol_id) && !one.name.is_empty())
        {
            kept.name = protocol.name.chars().take(200).collect();
        }
        let mut run = LiveRun::new(kept, Moving::default(), &self.context);
        if std::mem::take(&mut self.was_idle) {
            run.moving.tracker.begins();
        }
        effects.operation = Some(operation(&run));
        self.run = Some(run);
        (self.first, self.values) = (None, None);
        self.held.clear();
        effects.requests.extend([Request::Ask(Ask::Progress), Request::Ask(Ask::Values)]);
        for (at, status) in std::mem::take(&mut self.early) {
            self.measured(at, &status, effects);
        }
    }

    /// The run is over, or another one is there: its file is fetched, which tells how it ended.
    fn leave_run(&mut self, effects: &mut Effects) {
        self.close_cycle("run-ended", effects);
        let Some(run) = self.run.take() else { return };
        self.held.clear();
        (self.first, self.values) = (None, None);
        effects.operation = Some(Operation { name: "idle", run: Some(run.run.clone()), cycle: run.moving.cycle });
        self.was_idle = true;
        let fetch = Fetch {
            experiment: run.kept.asked_as.clone(),
            is_finished: false,
            is_asked: false,
            is_for_end: true,
            tries: 0,
            kept: Some(run.kept),
            moving: Some(run.moving),
        };
        if self.line.fetches.len() >= 8 {
            self.line.fetches.remove(0);
        }
        self.line.fetches.push(fetch);
        effects.requests.push(Request::Ask(Ask::Experiments));
    }

    /// Asks for the files that are wanted and were not asked for in this opening.
    pub fn fetch(&mut self, effects: &mut Effects) {
        for fetch in &mut self.line.fetches {
            if !fetch.is_asked && (fetch.is_finished || !fetch.is_for_end) {
                fetch.is_asked = true;
                let (experiment, is_finished) = (fetch.experiment.clone(), fetch.is_finished);
                effects.requests.push(Request::Ask(Ask::Download { experiment, is_finished }));
            }
        }
    }
}

pub(super) fn operation(run: &LiveRun) -> Operation {
    let name = if run.moving.pause.is_some() { "paused" } else { "measuring" };
    let cycle = run.moving.tracker.current().or(run.moving.cycle);
    Operation { name, run: Some(run.run.clone()), cycle }
}

/// A well's number, row-major; the instrument's 48 stands for none.
pub(super) fn well(label: i32) -> Option<u8> {
    u8::try_from(label).ok().filter(|label| *label < 48)
}

/// The well with this number.
pub(super) fn labelled(well: u8) -> Option<Well> {
    Well::new(well / 8, well % 8)
}

/// A moment that the instrument wrote.
pub(super) fn moment(written: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(written.seconds, written.nanos).ok().filter(|at| at.as_second() > 0)
}
