//! The driver of a replay: what it is given, what it asks for, and what it makes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};

use super::{ReplayError, Replayed};
use crate::driver::{Driver, Effects, Input, Request, SourceName, Timer, TimerChange};
use crate::event::envelope::Origin;
use crate::event::{EventType, Prepared, TimeQuality};

pub(super) struct Stage<'o> {
    make: Box<dyn Fn() -> Box<dyn Driver>>,
    driver: Box<dyn Driver>,
    origin: Origin,
    out: &'o mut dyn Write,
    pub effects: Effects,
    pub replayed: Replayed,
    /// The driver's timers, by the capture's clock.
    pub timers: BTreeMap<Timer, Timestamp>,
    /// What the driver last kept of each source.
    kept: BTreeMap<SourceName, BTreeMap<String, Vec<u8>>>,
    failed: Option<io::Error>,
    pub last: Timestamp,
}

impl<'o> Stage<'o> {
    pub fn new(make: Box<dyn Fn() -> Box<dyn Driver>>, origin: Origin, out: &'o mut dyn Write) -> Self {
        let driver = make();
        Self {
            make,
            driver,
            origin,
            out,
            effects: Effects::default(),
            replayed: Replayed::default(),
            timers: BTreeMap::new(),
            kept: BTreeMap::new(),
            failed: None,
            last: Timestamp::UNIX_EPOCH,
        }
    }

    /// Whether the events could be written until now.
    pub fn check(&mut self) -> Result<(), ReplayError> {
        self.failed.take().map_or(Ok(()), |error| Err(ReplayError::Write(error)))
    }

    pub fn flush(&mut self) -> Result<(), ReplayError> {
        self.out.flush().map_err(ReplayError::Write)
    }

    /// The daemon was started again: all that its driver knows is what was kept.
    pub fn restart(&mut self) {
        self.driver = (self.make)();
        self.timers.clear();
    }

    /// What was kept of a source.
    pub fn snapshot(&self, source: &SourceName) -> Vec<(String, Vec<u8>)> {
        let parts = self.kept.get(source).into_iter().flatten();
        parts.map(|(part, bytes)| (part.clone(), bytes.clone())).collect()
    }

    /// What was kept of a source is that of another name from now on.
    pub fn rename(&mut self, from: &SourceName, to: SourceName) {
        if let Some(parts) = self.kept.remove(from) {
            self.kept.insert(to, parts);
        }
    }

    /// Nothing is kept of a source any more.
    pub fn forget(&mut self, source: &SourceName) {
        self.kept.remove(source);
    }

    /// Gives the driver the timers that ran out before `now`, in their order.
    pub fn run_timers(&mut self, now: Timestamp) {
        self.last = self.last.max(now);
        while let Some((timer, at)) = self.timers.iter().min_by_key(|(_, at)| **at).map(|(t, at)| (t.clone(), *at))
            && at <= now
        {
            self.timers.remove(&timer);
            self.input(Input::Timer(&timer), at);
        }
    }

    /// Gives the driver an input and takes what follows from it. What it asks for is given back.
    pub fn input(&mut self, input: Input<'_>, now: Timestamp) -> Vec<Request> {
        self.handle(input, now);
        self.settle(now)
    }

    /// Gives the driver an input.
    pub fn handle(&mut self, input: Input<'_>, now: Timestamp) {
        let source = match &input {
            Input::File(source, _) | Input::Stream(source, _) | Input::Service(source, _) => Some(*source),
            Input::Set(set, _) => Some(*set),
            Input::Xt(_) | Input::Timer(_) => None,
        };
        if let Some(source) = source.filter(|source| self.origin.position.as_ref() != Some(*source)) {
            self.origin.position = Some(source.clone());
        }
        self.effects.clear();
        self.driver.handle(input, now, &mut self.effects);
    }

    /// Takes what followed from the last input.
    pub fn settle(&mut self, now: Timestamp) -> Vec<Request> {
        if self.failed.is_some() {
            return Vec::new();
        }
        for change in self.effects.timers.drain(..) {
            match change {
                TimerChange::Set(timer, after) => {
                    let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
                    self.timers.insert(timer, now.checked_add(after).unwrap_or(Timestamp::MAX));
                }
                TimerChange::Cancel(timer) => drop(self.timers.remove(&timer)),
            }
        }
        for part in self.effects.snapshots.drain(..) {
            self.kept.entry(part.source).or_default().insert(part.part.to_owned(), part.bytes);
        }
        for (source, reason, text) in self.effects.gaps.drain(..) {
            self.replayed.losses.push(format!("{source}: {reason}: {text}"));
        }
        for (source, refusal) in self.effects.refused.drain(..) {
            self.replayed.losses.push(format!("{source}: refused: {refusal}"));
        }
        for event in &mut self.effects.events {
            if event.time == Some(Timestamp::UNIX_EPOCH) {
                (event.time, event.time_quality) = (None, TimeQuality::Unknown);
            }
            let event_type: EventType = event.body.event_type();
            *self.replayed.types.entry(event_type.short()).or_default() += 1;
            let line = Prepared::new(event, &self.origin).render_offline();
            if let Err(error) = self.out.write_all(&line).and_then(|()| self.out.write_all(b"\n")) {
                self.failed = Some(error);
                break;
            }
        }
        std::mem::take(&mut self.effects.requests)
    }
}
