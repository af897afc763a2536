//! What surveys and transfers an offline decode found, for a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use uuid::Uuid;

use crate::event::ejection::SurveyOutcome;
use crate::event::{Body, Event, EventType};

/// Surveys by plate, transfers by run.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    runs: BTreeMap<Uuid, Run>,
    surveys: BTreeMap<String, Survey>,
    /// What was counted, by what the ids are made of: a copy of a report makes the same events.
    seen: BTreeSet<(EventType, Option<Uuid>, String)>,
    copies: u64,
}

#[derive(Debug, Default)]
struct Run {
    name: String,
    instrument_run_id: String,
    completed: u64,
    volume_nl: f64,
    failed: BTreeMap<String, u64>,
    timeless: u64,
}

#[derive(Debug, Default)]
struct Survey {
    measured: u64,
    doubtful: u64,
    empty: u64,
    volume_ul: f64,
}

impl Transfers {
    /// Counts an event, if it is about these.
    pub fn count(&mut self, event: &Event) -> bool {
        let event_type = event.body.event_type();
        let ours = [EventType::EjectionSurveyed, EventType::TransferCompleted, EventType::TransferFailed];
        if !ours.contains(&event_type) {
            return false;
        }
        let mut key = String::new();
        event.key.write(&mut key);
        if !self.seen.insert((event_type, event.run.as_ref().map(|run| run.id), key)) {
            self.copies += 1;
            return true;
        }
        match &event.body {
            Body::EjectionSurveyed(it) => {
                let plate = it.plate.barcode.as_ref().unwrap_or(&it.plate.plate_type);
                let time = it.instrument_time.as_deref().unwrap_or("at an unknown time");
                let survey = self.surveys.entry(format!("{plate}, {time}")).or_default();
                match it.outcome {
                    SurveyOutcome::Measured => survey.measured += 1,
                    SurveyOutcome::Doubtful => survey.doubtful += 1,
                    SurveyOutcome::NoData => survey.empty += 1,
                }
                survey.volume_ul += it.volume_ul.unwrap_or_default();
                true
            }
            Body::TransferCompleted(it) => self.run(event).is_some_and(|run| {
                run.completed += 1;
                run.volume_nl += it.volume_nl.unwrap_or_default();
                true
            }),
            Body::TransferFailed(it) => self.run(event).is_some_and(|run| {
                *run.failed.entry(it.text.clone()).or_default() += 1;
                true
            }),
            _ => false,
        }
    }

    fn run(&mut self, event: &Event) -> Option<&mut Run> {
        let identity = event.run.as_ref()?;
        let run = self.runs.entry(identity.id).or_insert_with(|| Run {
            name: identity.name.clone(),
            instrument_run_id: identity.instrument_run_id.clone(),
            ..Run::default()
        });
        run.timeless += u64::from(event.time.is_none());
        Some(run)
    }
}

impl fmt::Display for Transfers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, survey) in &self.surveys {
            let Survey { measured, doubtful, empty, volume_ul } = survey;
            writeln!(f, "survey of {name}")?;
            write!(f, "  wells: {measured} measured, {empty} without data")?;
            if *doubtful > 0 {
                write!(f, ", {doubtful} doubtful")?;
            }
            writeln!(f, "; {volume_ul:.3} µl in all")?;
        }
        for run in self.runs.values() {
            let name = if run.name.is_empty() { "unnamed" } else { &run.name };
            writeln!(f, "run {name} ({})", run.instrument_run_id)?;
            writeln!(f, "  transfers: {} completed, {} nl in all", run.completed, run.volume_nl)?;
            run.failed.iter().try_for_each(|(text, count)| writeln!(f, "  {count} failed: {text}"))?;
            if run.timeless > 0 {
                writeln!(f, "  {} without a time that can be used", run.timeless)?;
            }
        }
        match self.copies {
            0 => Ok(()),
            copies => writeln!(f, "told again by copies, with the same ids: {copies}"),
        }
    }
}
