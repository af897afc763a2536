//! A run as the remote interface tells of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::channels::Channels;
use super::tracker::Tracker;
use crate::driver::biolector::{Context, clock};
use crate::event::cultivation::{Run, RunFlag};
use crate::event::{Alike, Body, Event, IdBase, Key, Known, Subject, TimeQuality, Way, Well, ids};

/// What is kept of a run, beside what changes with each reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The experiment as the instrument writes it: what it is asked for by.
    pub asked_as: String,
    /// The experiment's id without braces: the run's identity, as in the files.
    pub identity: String,
    pub protocol_id: String,
    pub name: String,
    /// The start as written, in UTC, and what is weak about it.
    pub written_start: String,
    pub started_at: Option<Timestamp>,
    pub flags: Vec<RunFlag>,
    pub channels: Channels,
    pub was_told: bool,
    /// The instrument's clock at the run's start: its readings' times less their seconds in the run.
    pub base: Option<Timestamp>,
    /// The daemon's clock at the run's start, from when readings came.
    pub zero: Option<Timestamp>,
    /// Microlitres by well: all, from A, from B, from outside.
    pub volumes: BTreeMap<u8, [f64; 4]>,
    /// The shortest cycle so far, in seconds.
    pub shortest_cycle_s: Option<f64>,
}

impl Kept {
    pub fn new(asked_as: &str, protocol_id: &str, start: &str, context: &Context) -> Self {
        let identity = bare(asked_as);
        let moment = clock::with_offset(start, &context.time_zone, context.profile.time_trust);
        Self {
            asked_as: asked_as.to_owned(),
            name: identity.clone(),
            identity,
            protocol_id: protocol_id.to_owned(),
            written_start: start.chars().take(64).collect(),
            started_at: moment.as_ref().map(|moment| moment.at),
            flags: moment.and_then(|moment| moment.flag).into_iter().collect(),
            channels: Channels::default(),
            was_told: false,
            base: None,
            zero: None,
            volumes: BTreeMap::new(),
            shortest_cycle_s: None,
        }
    }

    /// How far apart two ways may say that one reading was: two seconds, less where cycles are that short.
    pub fn window_s(&self) -> f64 {
        window(self.shortest_cycle_s)
    }

    /// Learns from a reading when the run began, on both clocks: the earliest is the nearest, since neither a message nor a
    /// truncated second makes anything earlier.
    pub fn learn_start(&mut self, elapsed_s: u64, written: Option<Timestamp>, heard: Timestamp) -> bool {
        let Ok(elapsed) = i64::try_from(elapsed_s) else { return false };
        let before = |at: Timestamp| at.checked_sub(SignedDuration::from_secs(elapsed)).ok();
        let earlier = |known: &mut Option<Timestamp>, found: Option<Timestamp>| match (&known, found) {
            (_, None) => false,
            (Some(known), Some(found)) if found >= *known => false,
            (_, found) => {
                *known = found;
                true
            }
        };
        let written = earlier(&mut self.base, written.and_then(before));
        earlier(&mut self.zero, before(heard)) || written
    }

    /// Seconds in the run of a moment on the daemon's clock; whether that is certain.
    pub fn elapsed_of(&self, at: Timestamp) -> Option<(f64, bool)> {
        let (zero, is_certain) = match self.zero {
            Some(zero) => (zero, true),
            None => (self.started_at?, false),
        };
        let seconds = at.duration_since(zero).as_secs_f64();
        Some(((seconds.max(0.0) * 1000.0).round() / 1000.0, is_certain))
    }
}

/// How far apart two ways may say that one reading was, with cycles of this length.
pub(super) fn window(shortest_cycle_s: Option<f64>) -> f64 {
    shortest_cycle_s.map_or(2.0, |cycle| (cycle * 0.4).clamp(0.0, 2.0))
}

/// An id as the files write it: without braces, in lower case.
pub(super) fn bare(id: &str) -> String {
    id.trim().trim_start_matches('{').trim_end_matches('}').to_ascii_lowercase()
}

/// What changes with each reading.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moving {
    pub tracker: Tracker,
    /// The last reading: seconds in the run.
    pub elapsed_s: Option<u64>,
    /// The last one that was told: those after it wait, and are lost with the stream.
    #[serde(default)]
    pub told_s: Option<u64>,
    /// The cycle of the last reading that was told, and the first and last second of it that were heard.
    pub cycle: Option<u32>,
    pub cycle_began_s: Option<u64>,
    /// Readings told of this cycle: by channel, wells.
    pub told: BTreeMap<u32, u64>,
    /// The same of the cycle before, some of which are the current values until this one has them too.
    #[serde(default)]
    pub told_before: BTreeMap<u32, u64>,
    pub invalid: BTreeMap<u32, u32>,
    pub cycle_counts: BTreeMap<String, u64>,
    pub cycle_is_told: bool,
    pub cycles: u32,
    pub counts: BTreeMap<String, u64>,
    pub pause: Option<(f64, String)>,
}

/// A run with what its events share.
pub(super) struct LiveRun {
    pub kept: Kept,
    pub moving: Moving,
    pub run: Arc<Run>,
    pub plate_id: Arc<str>,
    /// Whether `kept` changed since it was written.
    pub changed: bool,
}

impl LiveRun {
    pub fn new(kept: Kept, moving: Moving, context: &Context) -> Self {
        let run = Arc::new(Run {
            id: ids::run_id(&context.source, &kept.identity),
            name: kept.name.clone(),
            instrument_run_id: kept.identity.clone(),
            started_at: kept.started_at,
            flags: kept.flags.clone(),
            identity: kept.identity.clone(),
        });
        let plate_id = IdBase::new(&context.source, &kept.identity, "plate", "").id(1).to_string().into();
        Self { kept, moving, run, plate_id, changed: true }
    }

    /// Remembers that a reading is told of; `false` where it was before, so that the journal will know it.
    pub fn tells(&mut self, cycle: u32, filterset: u32, well: Well) -> bool {
        let Moving { cycle: open, told, told_before, .. } = &mut self.moving;
        let told = match *open {
            Some(open) if open == cycle => told,
            Some(open) if cycle.checked_add(1) == Some(open) => told_before,
            _ => return true,
        };
        let wells = told.entry(filterset).or_default();
        let bit = 1 << (u64::from(well.row()) * 8 + u64::from(well.column()));
        let is_new = *wells & bit == 0;
        *wells |= bit;
        is_new
    }

    /// An event of this run, counted.
    pub fn event(&mut self, body: Body, key: Key, cycle: Option<u32>, time: When) -> Event {
        self.count(&body, cycle);
        self.known_event(body, key, cycle, time)
    }

    fn count(&mut self, body: &Body, cycle: Option<u32>) {
        let event_type = body.event_type().short();
        if let Some(count) = self.moving.counts.get_mut(event_type) {
            *count += 1;
        } else {
            self.moving.counts.insert(event_type.to_owned(), 1);
        }
        if cycle.is_some() && cycle == self.moving.cycle {
            *self.moving.cycle_counts.entry(event_type.to_owned()).or_default() += 1;
        }
    }

    /// An event that was told before, and that was counted then.
    pub fn known_event(&self, body: Body, key: Key, cycle: Option<u32>, time: When) -> Event {
        let subject = match &body {
            Body::Measured(measured) => Subject::Well { plate: self.plate_id.clone(), well: measured.well },
            Body::Fed(fed) => Subject::Well { plate: self.plate_id.clone(), well: fed.well },
            _ => Subject::Run(self.run.id),
        };
        Event {
            body,
            key,
            run: Some(self.run.clone()),
            cycle,
            closes: false,
            subject,
            time: time.at,
            time_quality: time.quality,
            revision: 1,
            reason: None,
            causation: None,
            offset: None,
            alike: None,
        }
    }

    /// Makes an event one that only counts where nothing else has told of it.
    pub fn once(event: Event, about: &str) -> Event {
        let alike = Alike {
            about: about.to_owned(),
            elapsed_s: None,
            window_s: 0.0,
            way: Way::Live,
            figures: Vec::new(),
            known: Known::Keep,
        };
        Event { alike: Some(Box::new(alike)), ..event }
    }
}

/// When an event happened, and how far that can be trusted.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub at: Option<Timestamp>,
    pub quality: TimeQuality,
}

impl When {
    /// When the daemon heard of it, at once.
    pub fn observed(at: Timestamp) -> Self {
        Self { at: Some(at), quality: TimeQuality::Observed }
    }

    /// So many seconds into the run, on the daemon's clock where its offset to the instrument's was learnt.
    pub fn in_run(kept: &Kept, elapsed_s: f64) -> Self {
        match (kept.zero, kept.started_at) {
            (Some(zero), _) => Self { at: clock::after(Some(zero), elapsed_s), quality: TimeQuality::Corrected },
            (None, Some(start)) => Self { at: clock::after(Some(start), elapsed_s), quality: TimeQuality::Instrument },
            (None, None) => Self { at: None, quality: TimeQuality::Unknown },
        }
    }
}
