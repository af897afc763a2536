//! When nothing more comes of a source: an end that is told, or silence.

use std::time::Duration;

use instrument_proto::codec::biolector::detect::detect;
use instrument_proto::codec::biolector::row;

use super::clock;
use super::facts::Family;
use super::run::Run;
use super::source::{Source, Stage};
use crate::driver::{Effects, SourceKind};

impl Source {
    pub fn ended(&mut self, effects: &mut Effects) {
        if let Stage::Fresh(held) = &self.stage {
            if self.kind == SourceKind::Export && self.members.meta.is_none() {
                return self.no_meta(effects);
            }
            if self.kind == SourceKind::Export && held.is_empty() {
                let reason = "it holds a `.meta` member but no table".to_owned();
                return self.refuse("no-table", reason, "export the experiment from the instrument again", effects);
            }
            let detection = detect(held, true);
            self.detected(detection, effects);
        }
        self.unterminated(false, effects);
        if matches!(self.stage, Stage::Keying { .. }) {
            self.keyed(effects);
        }
        match &mut self.stage {
            Stage::Running(run) => {
                run.flush_late(None, effects);
                end_by_facts(run, effects);
            }
            Stage::ProHeader(_) | Stage::OneHeader(..) | Stage::XtHeader => {
                let reason = "its header ends before the table begins".to_owned();
                self.refuse("no-table", reason, "give the whole file", effects);
            }
            _ => {}
        }
        self.rest(effects);
    }

    pub fn settled(&mut self, effects: &mut Effects) {
        self.unterminated(true, effects);
        if let Stage::Running(run) = &mut self.stage
            && (run.facts.family != Family::One || is_read_to_its_end(run))
        {
            end_by_facts(run, effects);
        }
        self.rest(effects);
    }

    /// Gives back the memory of a run that is over.
    pub fn rest(&mut self, effects: &mut Effects) {
        if matches!(&self.stage, Stage::Running(run) if run.state.closed) {
            self.finish(false, effects);
            self.stage = Stage::Dormant;
        }
    }

    /// Takes the last line though it has no end; `only_whole` where more may come: then only if it is as long as a
    /// measurement row is in this file, or tells the run's end.
    pub fn unterminated(&mut self, only_whole: bool, effects: &mut Effects) {
        let lines = std::mem::take(&mut self.lines);
        if let Some(line) = lines.unterminated()
            && line.bytes.len() as u64 != self.taken
            && (!only_whole || self.is_whole(line.bytes))
        {
            self.line(line, self.position.saturating_sub(line.length), effects);
            self.taken = line.bytes.len() as u64;
        }
        self.lines = lines;
    }

    pub fn is_whole(&self, line: &[u8]) -> bool {
        let Stage::Running(run) = &self.stage else { return false };
        let cells = line.split(|b| *b == b';').count();
        match run.facts.family {
            Family::One => cells == run.facts.width && line.starts_with(b"C"),
            Family::Pro | Family::Xt => {
                let ended = row::entry(line).is_some_and(|(key, value)| key == b"end_date_time" && value.len() >= 20);
                ended || (line.starts_with(b"M;") && run.state.row_length == Some(cells))
            }
        }
    }
}

/// Ends the run where header, members or an end section say that it is over.
pub(super) fn end_by_facts(run: &mut Run, effects: &mut Effects) {
    let zone = &run.context.time_zone;
    match (run.facts.family, run.facts.end.clone()) {
        (Family::One, Some(end)) => {
            let at = clock::local(&end, zone).map(|moment| moment.at);
            run.end(Some(end), at, effects);
        }
        (Family::Xt, Some(end)) => {
            let at = clock::with_offset(&end, zone, run.context.profile.time_trust).map(|moment| moment.at);
            run.end(Some(end), at, effects);
        }
        (Family::Pro, _) if run.state.end_section => run.end(None, None, effects),
        _ => {}
    }
}

/// Whether a BioLector I's file was that of a finished run when it was first seen, and all its cycles were read. A
/// header that is rewritten later may be of a run that goes on.
fn is_read_to_its_end(run: &Run) -> bool {
    run.facts.last_cycle.is_some_and(|last| run.state.newest >= Some(last))
}

/// How long a cycle may be silent.
pub(super) fn patience(run: &Run) -> Duration {
    let profile = &run.context.profile;
    let cycle = run.facts.cycle_time_s().unwrap_or(profile.default_cycle_time.as_secs_f64());
    Duration::try_from_secs_f64(cycle * profile.cycle_timeout_factor).unwrap_or(profile.default_cycle_time)
}
