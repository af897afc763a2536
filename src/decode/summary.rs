//! What an offline decode found, for a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use uuid::Uuid;

use super::transfers::Transfers;
use crate::driver::{Refusal, SourceName};
use crate::event::cultivation::{Defect, Quality};
use crate::event::{Body, Event};

/// Runs, cycles, readings by quality, and what was wrong.
#[derive(Debug, Default)]
pub struct Summary {
    /// Sources that were refused.
    pub refused: Vec<(SourceName, Refusal)>,
    runs: BTreeMap<Uuid, Run>,
    transfers: Transfers,
    defects: BTreeMap<(SourceName, &'static str), Defect>,
    gaps: Vec<String>,
    events: u64,
}

#[derive(Debug, Default)]
struct Run {
    name: String,
    instrument_run_id: String,
    cycles: BTreeSet<u32>,
    readings: BTreeMap<Quality, u64>,
    incomplete: Vec<String>,
    duplicates: usize,
    ended: Option<&'static str>,
}

impl Summary {
    /// Counts an event.
    pub fn count(&mut self, event: &Event) {
        self.events += 1;
        if self.transfers.count(event) {
            return;
        }
        let Some(identity) = &event.run else { return };
        let run = self.runs.entry(identity.id).or_insert_with(|| Run {
            name: identity.name.clone(),
            instrument_run_id: identity.instrument_run_id.clone(),
            ..Run::default()
        });
        match &event.body {
            Body::Measured(reading) => {
                run.cycles.insert(reading.cycle);
                *run.readings.entry(reading.quality).or_default() += 1;
            }
            Body::CycleCompleted(cycle) => {
                run.duplicates += cycle.duplicate_rows.len();
                if !cycle.complete {
                    let missing: u32 = cycle.channels.iter().map(|c| c.expected.saturating_sub(c.seen)).sum();
                    run.incomplete.push(format!("{} ({missing} readings missing)", cycle.cycle));
                }
            }
            Body::CultivationCompleted(_) => run.ended = Some("completed"),
            Body::CultivationStopped(_) => run.ended = Some("stopped in the middle of a cycle"),
            _ => {}
        }
    }

    /// Takes a defect; `defect.count` is the source's total so far.
    pub fn defect(&mut self, source: SourceName, defect: Defect) {
        self.defects.insert((source, defect.code), defect);
    }

    /// Takes what is known to be lost.
    pub fn gap(&mut self, source: &SourceName, reason: &str, text: &str) {
        self.gaps.push(format!("gap {reason} in {source}: {text}"));
    }

    /// Whether anything was decoded at all.
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} event{}", self.events, if self.events == 1 { "" } else { "s" })?;
        write!(f, "{}", self.transfers)?;
        for run in self.runs.values() {
            let readings: u64 = run.readings.values().sum();
            let run_name = if run.name.is_empty() { "unnamed" } else { &run.name };
            writeln!(f, "run {run_name} ({})", run.instrument_run_id)?;
            writeln!(f, "  {}", run.ended.unwrap_or("no end in the source: running, or cut off"))?;
            let range = match (run.cycles.first(), run.cycles.last()) {
                (Some(first), Some(last)) => format!(", {first} to {last}"),
                _ => String::new(),
            };
            writeln!(f, "  cycles: {}{range}", run.cycles.len())?;
            let by_quality: Vec<String> =
                run.readings.iter().map(|(quality, count)| format!("{count} {}", name(*quality))).collect();
            match by_quality.is_empty() {
                true => writeln!(f, "  readings: 0")?,
                false => writeln!(f, "  readings: {readings} ({})", by_quality.join(", "))?,
            }
            if run.duplicates > 0 {
                writeln!(f, "  rows for a reading that was there already: {}", run.duplicates)?;
            }
            for cycle in &run.incomplete {
                writeln!(f, "  incomplete cycle {cycle}")?;
            }
        }
        for ((source, code), defect) in &self.defects {
            writeln!(
                f,
                "defect {code} in {source}: {} times, first at byte {} of the table: {}",
                defect.count, defect.first_offset, defect.text
            )?;
        }
        self.gaps.iter().try_for_each(|gap| writeln!(f, "{gap}"))?;
        for (source, refusal) in &self.refused {
            writeln!(f, "refused {source}: {refusal}")?;
        }
        Ok(())
    }
}

fn name(quality: Quality) -> &'static str {
    match quality {
        Quality::Ok => "ok",
        Quality::Overload => "overload",
        Quality::NotANumber => "not a number",
        Quality::OutOfRange => "out of range",
        Quality::Suspect => "suspect",
    }
}
