//! When a cycle or a run is over, and what is told of it.

use std::sync::Arc;

use jiff::Timestamp;

use super::clock;
use super::cycle::Cycle;
use super::facts::Family;
use super::run::{Past, Run, span};
use crate::driver::Effects;
use crate::event::cultivation::{CycleCompleted, Ended};
use crate::event::{Body, Event, Key, Subject, TimeQuality};

/// Cycles that are followed whole after their completion, for rows that come late. Older ones are known by what
/// they still miss.
const RECENT: usize = 4;

/// Further rows that all recent cycles together may hold, so that a snapshot stays small.
const RECENT_DUPLICATES: usize = 300;

/// Readings that old cycles miss and that are remembered.
const MAX_MISSING: usize = 1000;

/// Ranges of old cycles that are remembered; numbers go up, so real runs have a few.
const MAX_OLD: usize = 500;

impl Run {
    /// Ends the open cycle, where there is one.
    pub fn complete_current(&mut self, ended_by: &'static str, effects: &mut Effects) {
        let Some(cycle) = self.state.current.take() else { return };
        self.past.recent.push_back(cycle);
        self.changed.past = true;
        let at = self.past.recent.len() - 1;
        self.learn_subset(ended_by);
        self.complete(at, ended_by, effects);
        if !self.expected().from_header
            && let Some(cycle) = self.past.recent.get(at)
        {
            for (filterset, set) in &cycle.sets {
                let known = self.past.learned.entry(*filterset).or_default();
                known.extend(set.wells().filter(|well| !known.contains(well)).collect::<Vec<_>>());
            }
        }
        let duplicates = |past: &Past| past.recent.iter().map(|cycle| cycle.duplicates.len()).sum::<usize>();
        while self.past.recent.len() > RECENT
            || (self.past.recent.len() > 1 && duplicates(&self.past) > RECENT_DUPLICATES)
        {
            self.forget_oldest(effects);
        }
    }

    /// Finds out from a BioLector I's first whole cycle that only some wells are measured: the same ones in each filter
    /// set, nothing torn, and the instrument went on.
    fn learn_subset(&mut self, ended_by: &str) {
        let first = self.past.old.is_empty() && self.past.recent.len() == 1;
        if self.facts.family != Family::One || !first || ended_by != "next-cycle" || self.state.totals.sum() > 0 {
            return;
        }
        let Some(cycle) = self.past.recent.back() else { return };
        let sets = || cycle.sets.iter().map(|(filterset, set)| (*filterset, set.wells().collect::<Vec<_>>()));
        let wells = sets().next().map(|(_, wells)| wells).unwrap_or_default();
        let all_sets = self.facts.expected.keys().all(|filterset| cycle.sets.contains_key(filterset));
        if !wells.is_empty() && all_sets && sets().all(|(_, others)| others == wells) {
            self.past.learned = sets().collect();
            self.past.subset = true;
        }
    }

    /// Keeps of the oldest recent cycle only what it misses.
    fn forget_oldest(&mut self, effects: &mut Effects) {
        if self.past.recent.front().is_some_and(|cycle| cycle.late) {
            self.complete(0, "late-rows", effects);
        }
        let Some(cycle) = self.past.recent.pop_front() else { return };
        for (filterset, wells) in self.expected().sets.clone() {
            let set = cycle.sets.get(&filterset);
            let missing = wells.iter().filter(|well| set.is_none_or(|set| set.digest(**well).is_none()));
            self.past.missing.extend(missing.map(|well| (cycle.number, filterset, *well)));
        }
        while self.past.missing.len() > MAX_MISSING {
            self.past.missing.pop_first();
        }
        match self.past.old.iter_mut().find(|(_, to)| to.checked_add(1) == Some(cycle.number)) {
            Some((_, to)) => *to = cycle.number,
            None => self.past.old.push((cycle.number, cycle.number)),
        }
        if self.past.old.len() > MAX_OLD {
            self.past.old.remove(0);
        }
    }

    /// Tells what became of a recent cycle, as its next revision.
    fn complete(&mut self, at: usize, ended_by: &'static str, effects: &mut Effects) {
        let expected = self.expected();
        let Some(cycle) = self.past.recent.get(at) else { return };
        let number = cycle.number;
        let channels = cycle.channels(expected);
        let complete = !channels.is_empty()
            && channels.iter().all(|channel| channel.missing_wells.is_empty() && channel.seen > 0)
            && (expected.from_header || ended_by != "run-ended");
        let measured_whole = complete || (expected.from_header && cycle.reached_its_end(expected));
        let body = CycleCompleted {
            run: self.run.clone(),
            cycle: number,
            elapsed_s: cycle.last_elapsed,
            channels,
            duplicate_rows: cycle.duplicate_rows(),
            defects: cycle.defects.told(),
            complete,
            reason: ended_by,
            events: cycle.counts.told(),
        };
        let revision = cycle.revision + 1;
        let elapsed = cycle.last_elapsed;
        if let Some(cycle) = self.past.recent.get_mut(at) {
            cycle.revision = revision;
            cycle.late = false;
            cycle.complete = complete;
        }
        if self.state.newest == Some(number) {
            self.past.measured_whole = measured_whole;
        }
        self.changed.past = true;
        let reason = (revision > 1).then(|| "rows of this cycle came after its end was told".into());
        let event = self.closing(Body::CycleCompleted(body), Key::Cycle(number), Some(number), revision, reason);
        let time = elapsed.and_then(|elapsed| clock::after(self.facts.started_at, elapsed));
        self.push(effects, timed(event, time));
    }

    /// Tells of rows that came after their cycle's end, except for those of `except`, which may still go on.
    pub fn flush_late(&mut self, except: Option<u32>, effects: &mut Effects) {
        for at in 0..self.past.recent.len() {
            let due = |cycle: &Cycle| cycle.late && Some(cycle.number) != except;
            if self.past.recent.get(at).is_some_and(due) {
                self.complete(at, "late-rows", effects);
            }
        }
    }

    /// The run is over: `written` is its end as the instrument wrote it, `at` the same in UTC.
    pub fn end(&mut self, written: Option<String>, at: Option<Timestamp>, effects: &mut Effects) {
        self.complete_current("run-ended", effects);
        self.flush_late(None, effects);
        if std::mem::replace(&mut self.state.closed, true) {
            return;
        }
        let whole = self.past.measured_whole;
        let revision = if whole { &mut self.state.completed } else { &mut self.state.stopped };
        *revision += 1;
        let revision = *revision;
        let elapsed_s = at.zip(self.facts.started_at).map(|(end, start)| end.duration_since(start).as_secs_f64());
        let ended = Ended {
            run: self.run.clone(),
            instrument_time: written,
            elapsed_s: span(elapsed_s),
            cycles: self.state.cycles,
            events: self.state.counts.told(),
        };
        let body = if whole { Body::CultivationCompleted(ended) } else { Body::CultivationStopped(ended) };
        let reason = (revision > 1).then(|| "rows came after the run's end was told".into());
        let event = self.closing(body, Key::Run, None, revision, reason);
        self.push(effects, timed(event, at));
        self.operation(effects, "idle");
    }

    fn closing(&self, body: Body, key: Key, cycle: Option<u32>, revision: u32, reason: Option<Arc<str>>) -> Event {
        Event {
            body,
            key,
            run: Some(self.run.clone()),
            cycle,
            closes: true,
            subject: Subject::Run(self.run.id),
            time: None,
            time_quality: TimeQuality::Unknown,
            revision,
            reason,
            causation: None,
            offset: None,
            alike: None,
        }
    }
}

fn timed(mut event: Event, time: Option<Timestamp>) -> Event {
    event.time = time;
    event.time_quality = if time.is_some() { TimeQuality::Instrument } else { TimeQuality::Unknown };
    event
}
