//! One run: takes what rows say and makes events, in the order of the rows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use instrument_proto::codec::biolector::columns::{Column, Layout};
use serde::{Deserialize, Serialize};

use super::Context;
use super::clock;
use super::cycle::{Counts, Cycle, Expected};
use super::defects::{DefectCode, Defects};
use super::facts::{self, Facts, WellCode};
use super::reading::Channel;
use super::started;
use crate::driver::{Effects, Identity, Operation};
use crate::event::cultivation::Run as EventRun;
use crate::event::{Body, Event, IdBase, Key, Subject, TimeQuality, Well, ids};

/// What changes with the rows: the moving part of the snapshot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moving {
    pub started: bool,
    pub current: Option<Cycle>,
    /// The highest cycle so far.
    pub newest: Option<u32>,
    pub cycles: u32,
    pub counts: Counts,
    pub totals: Defects,
    /// Defects between cycles; they go to the next one.
    pub pending: Defects,
    pub pause: Option<Pause>,
    /// How many cells measurement rows have, and how many the last one had that differed.
    pub row_length: Option<usize>,
    pub odd_length: Option<usize>,
    /// BioLector I: whether the current cycle was begun by a reference, and the last filter set in it.
    pub last_filterset: Option<u32>,
    /// The run's end as the table tells it (Pro).
    pub end_section: bool,
    /// Revisions of the two closing events, and whether nothing came since.
    pub completed: u32,
    pub stopped: u32,
    pub closed: bool,
    pub timer_armed: bool,
}

/// Cycles that are over: a snapshot part of its own, changed when a cycle ends or a late row comes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    pub recent: VecDeque<Cycle>,
    /// Cycles before the recent ones, as ranges.
    pub old: Vec<(u32, u32)>,
    /// What they miss: cycle, filter set, well.
    pub missing: BTreeSet<(u32, u32, WellCode)>,
    /// Wells seen by filter set, where no header tells what to expect.
    pub learned: BTreeMap<u32, Vec<WellCode>>,
    /// Whether `learned` goes before what the header says: a BioLector I's header names a whole plate where only some
    /// of its wells are measured.
    pub subset: bool,
    /// Whether the newest cycle was measured to its end, so that the run was not stopped within one.
    pub measured_whole: bool,
}

/// A pause whose end did not come yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pause {
    pub elapsed_s: f64,
    pub access_id: String,
}

/// Volumes by well and source: a snapshot part of its own.
pub(super) type Volumes = BTreeMap<String, (Option<f64>, Option<f64>)>;

/// Parts of the snapshot that changed since they were last written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub facts: bool,
    pub past: bool,
    pub volumes: bool,
}

/// A run being read.
pub(super) struct Run {
    pub facts: Facts,
    pub state: Moving,
    pub past: Past,
    pub volumes: Volumes,
    pub changed: Changed,
    pub layout: Option<Layout>,
    pub sensors: Vec<(usize, Arc<str>)>,
    pub context: Arc<Context>,
    pub run: Arc<EventRun>,
    pub plate_id: Arc<str>,
    pub channels: Vec<Channel>,
    pub sensor: Option<Arc<str>>,
}

impl Run {
    pub fn new(facts: Facts, state: Moving, past: Past, volumes: Volumes, context: Arc<Context>) -> Self {
        let run = Arc::new(EventRun {
            id: ids::run_id(&context.source, &facts.run_id),
            name: facts.name.clone(),
            instrument_run_id: facts.run_id.clone(),
            started_at: facts.started_at,
            flags: facts.flags.clone(),
            identity: facts.run_id.clone(),
        });
        let plate_id = IdBase::new(&context.source, &facts.run_id, "plate", "").id(1).to_string().into();
        let layout = facts.layout();
        let names = |layout: &Layout| layout.temperatures().map(|(at, name)| (at, name.into())).collect();
        let sensor = match &layout {
            Some(layout) => layout.name(Column::Temperature).map(Into::into),
            None => Some("ACT TEMP".into()),
        };
        Self {
            sensors: layout.as_ref().map(names).unwrap_or_default(),
            sensor,
            channels: facts.channels.iter().map(|channel| Channel::new(&facts, channel, &context.profile)).collect(),
            facts,
            state,
            past,
            volumes,
            changed: Changed::default(),
            layout,
            context,
            run,
            plate_id,
        }
    }

    /// The run's first event, once.
    pub fn begin(&mut self, effects: &mut Effects) {
        if self.state.started {
            return;
        }
        self.state.started = true;
        self.changed = Changed { facts: true, past: true, volumes: true };
        let body = started::started(self);
        effects.identity = Some(Identity { instrument: body.instrument.clone(), channels: body.channels.clone() });
        self.emit(effects, Body::CultivationStarted(body), Key::Run, None, Some(0.0), None);
        self.operation(effects, "measuring");
    }

    /// After a restart: what the device's information and state need, without an event.
    pub fn introduce(&self, effects: &mut Effects) {
        let started = started::started(self);
        effects.identity = Some(Identity { instrument: started.instrument, channels: started.channels });
        self.operation(effects, if self.state.pause.is_some() { "paused" } else { "measuring" });
    }

    pub fn operation(&self, effects: &mut Effects, name: &'static str) {
        let cycle = self.state.current.as_ref().map(|cycle| cycle.number).or(self.state.newest);
        effects.operation = Some(Operation { name, run: Some(self.run.clone()), cycle });
    }

    /// Emits an event about the run, counted in `cycle` where it belongs to one.
    pub fn emit(
        &mut self,
        effects: &mut Effects,
        body: Body,
        key: Key,
        cycle: Option<u32>,
        elapsed_s: Option<f64>,
        offset: Option<u64>,
    ) {
        let subject = match &body {
            Body::Measured(measured) => Subject::Well { plate: self.plate_id.clone(), well: measured.well },
            Body::Fed(fed) => Subject::Well { plate: self.plate_id.clone(), well: fed.well },
            _ => Subject::Run(self.run.id),
        };
        let time = elapsed_s.and_then(|elapsed| clock::after(self.facts.started_at, elapsed));
        let event = Event {
            body,
            key,
            run: Some(self.run.clone()),
            cycle,
            closes: false,
            subject,
            time,
            time_quality: if time.is_some() { TimeQuality::Instrument } else { TimeQuality::Unknown },
            revision: 1,
            reason: None,
            causation: None,
            offset,
            alike: None,
        };
        self.push(effects, event);
    }

    pub fn push(&mut self, effects: &mut Effects, event: Event) {
        let event_type = event.body.event_type();
        self.state.counts.add(event_type);
        if let Some(number) = event.cycle
            && let Some(cycle) = self.cycle_mut(number)
        {
            cycle.counts.add(event_type);
        }
        effects.events.push(event);
    }

    fn cycle_mut(&mut self, number: u32) -> Option<&mut Cycle> {
        let current = self.state.current.as_mut().filter(|cycle| cycle.number == number);
        current.or_else(|| self.past.recent.iter_mut().find(|cycle| cycle.number == number))
    }

    /// Counts a defect: in the open cycle, else in the next one, and in the run.
    pub fn defect(&mut self, code: DefectCode, offset: u64, text: &str) {
        self.state.totals.add(code, offset, text);
        match &mut self.state.current {
            Some(cycle) => cycle.defects.add(code, offset, text),
            None => self.state.pending.add(code, offset, text),
        }
    }

    /// The open cycle's number, where it is `cycle`: events of its time belong to its count.
    pub fn scope(&self, cycle: u32) -> Option<u32> {
        self.state.current.as_ref().map(|open| open.number).filter(|open| *open == cycle)
    }

    pub fn expected(&self) -> Expected<'_> {
        expected(&self.facts, &self.past)
    }

    /// The well that a cell names: a number in the header's table, or a label.
    pub fn well(&self, cell: &[u8]) -> Option<Well> {
        let number = instrument_proto::codec::biolector::number::whole(cell);
        match number {
            Some(number) => self.facts.numbers.get(&number).copied().and_then(facts::well),
            None => Well::from_label(cell),
        }
    }
}

fn expected<'a>(facts: &'a Facts, past: &'a Past) -> Expected<'a> {
    let from_header = !facts.expected.is_empty() && !past.subset;
    Expected { sets: if from_header { &facts.expected } else { &past.learned }, from_header }
}

/// A span that a clock can have measured.
pub(super) fn span(seconds: Option<f64>) -> Option<f64> {
    seconds.filter(|s| (0.0..1e9).contains(s)).map(|s| (s * 1000.0).round() / 1000.0)
}
