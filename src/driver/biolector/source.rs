//! One file, archive or set of parts: from bytes to lines, from the first line to the family, from the header to a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use instrument_proto::codec::biolector::columns::Layout;
use instrument_proto::codec::biolector::detect::{Detection, Foreign, Format, detect};
use instrument_proto::codec::biolector::lines::{Line, Lines};
use instrument_proto::codec::biolector::row::{self, Kind, TableLine};
use instrument_proto::codec::biolector::{one, pro, xt};
use sha2::{Digest, Sha256};

use super::facts::{Facts, Family};
use super::run::{Moving, Past, Run, Volumes};
use super::{Context, clock, head, rows_one, snapshot, table};
use crate::driver::{Effects, FileInput, Refusal, Request, SourceKind, SourceName, Timer, TimerChange};
use crate::event::cultivation::RunFlag;
use crate::profile;

/// A header longer than this is none: a device with 48 wells and a dozen filter sets writes some 250 KiB.
const MAX_HEADER: u64 = 4 * 1024 * 1024;

/// The rows from which a bare XT table gets its identity: up to the first measurement, at most this many bytes.
const MAX_KEY: u64 = 32 * 1024;

/// The timer that ends a cycle, and a BioLector I's run, by silence.
const CYCLE_TIMER: &str = "cycle";

pub(super) struct Source {
    name: SourceName,
    kind: SourceKind,
    context: Arc<Context>,
    stage: Stage,
    lines: Lines,
    /// Bytes taken.
    position: u64,
    /// Length of an unterminated last line that counted already.
    taken: u64,
    members: Members,
    tail_written: bool,
    marked: bool,
    defects_told: u64,
}

#[derive(Default)]
struct Members {
    meta: Option<xt::Meta>,
    protocol: Option<xt::Protocol>,
    references: BTreeMap<u32, f64>,
    digests: [u64; 2],
}

enum Stage {
    /// The first line is not there yet.
    Fresh(Vec<u8>),
    ProHeader(Box<pro::Header>),
    OneHeader(Box<one::Header>, Vec<u8>),
    XtHeader,
    /// A bare XT table whose identity is not known yet: its lines so far.
    Keying {
        facts: Box<Facts>,
        layout: Box<Layout>,
        held: Vec<(Vec<u8>, u64)>,
        start: u64,
    },
    Running(Box<Run>),
    /// The run is over and silent. Its memory is given back; anything new makes the source be read again.
    Dormant,
    Refused,
    /// Waits to be read again.
    Stale,
}

impl Source {
    pub fn open(
        name: SourceName,
        kind: SourceKind,
        parts: &[(String, Vec<u8>)],
        context: Arc<Context>,
        effects: &mut Effects,
    ) -> Self {
        let mut source = Self {
            name,
            kind,
            context,
            stage: Stage::Fresh(Vec::new()),
            lines: Lines::default(),
            position: 0,
            taken: 0,
            members: Members::default(),
            tail_written: true,
            marked: false,
            defects_told: 0,
        };
        if parts.is_empty() {
            return source;
        }
        match snapshot::read(parts) {
            Some(restored) => {
                source.lines = restored.lines;
                source.position = restored.position;
                source.taken = restored.taken;
                let (moving, past, volumes) = (restored.moving, restored.past, restored.volumes);
                let run = Run::new(restored.facts, moving, past, volumes, source.context.clone());
                if run.state.closed {
                    source.stage = Stage::Dormant;
                } else {
                    run.introduce(effects);
                    source.stage = Stage::Running(Box::new(run));
                }
            }
            None => source.reread(effects),
        }
        source
    }

    pub fn take(&mut self, input: &FileInput<'_>, effects: &mut Effects) {
        if matches!(self.stage, Stage::Stale) {
            return;
        }
        match input {
            FileInput::Opened { .. } | FileInput::Gone => {}
            FileInput::Member { name, bytes } => self.member(name, bytes, effects),
            FileInput::Head(bytes) => self.head(bytes, effects),
            FileInput::Bytes { offset, bytes } => self.bytes(*offset, bytes, effects),
            FileInput::Ended => self.ended(effects),
            FileInput::Settled => self.settled(effects),
        }
        let rows = matches!(input, FileInput::Bytes { .. } | FileInput::Head(_) | FileInput::Member { .. });
        self.finish(rows, effects);
    }

    /// The silence that the timer measures is over.
    pub fn timer(&mut self, effects: &mut Effects) {
        let Stage::Running(run) = &mut self.stage else { return };
        run.state.timer_armed = false;
        if run.facts.family == Family::One && run.facts.end.is_some() {
            end_by_facts(run, effects);
        } else {
            run.complete_current("timed-out", effects);
            run.flush_late(None, effects);
        }
        self.rest(effects);
        self.finish(false, effects);
    }

    /// Timers, snapshot and summary after an input.
    fn finish(&mut self, rows: bool, effects: &mut Effects) {
        let Stage::Running(run) = &mut self.stage else {
            let waits = matches!(self.stage, Stage::Fresh(_)) && self.position == 0;
            if !self.marked && !waits && !matches!(self.stage, Stage::Dormant) {
                effects.snapshots.push(snapshot::marker(&self.name));
                self.marked = true;
            }
            return;
        };
        let late = run.past.recent.iter().any(|cycle| cycle.late);
        let unended = run.facts.family == Family::One && run.facts.end.is_some() && !run.state.closed;
        let timer = Timer { source: self.name.clone(), name: CYCLE_TIMER };
        if run.state.current.is_some() || late || unended {
            if rows {
                effects.timers.push(TimerChange::Set(timer, patience(run)));
                run.state.timer_armed = true;
            }
        } else if std::mem::take(&mut run.state.timer_armed) {
            effects.timers.push(TimerChange::Cancel(timer));
        }
        let place = (&self.lines, self.position, self.taken);
        snapshot::write(&self.name, run, place, &mut self.tail_written, effects);
        let count = run.state.totals.sum();
        if count != self.defects_told {
            self.defects_told = count;
            effects.defects.extend(run.state.totals.told().into_iter().map(|defect| (self.name.clone(), defect)));
        }
    }

    fn reread(&mut self, effects: &mut Effects) {
        self.stage = Stage::Stale;
        effects.requests.push(Request::Reread(self.name.clone()));
    }

    fn refuse(&mut self, code: &'static str, reason: String, remedy: &str, effects: &mut Effects) {
        self.stage = Stage::Refused;
        let refusal = Refusal { code, reason: format!("`{}`: {reason}", self.name), remedy: remedy.to_owned() };
        effects.refused.push((self.name.clone(), refusal));
    }

    fn member(&mut self, name: &str, bytes: &[u8], effects: &mut Effects) {
        let member = xt::Member::of(name);
        if matches!(self.stage, Stage::Dormant | Stage::Refused) {
            if member != xt::Member::Other {
                self.reread(effects);
            }
            return;
        }
        match member {
            xt::Member::Meta => match xt::meta(bytes) {
                Ok(meta) => self.meta(meta, effects),
                Err(error) => {
                    let reason = format!("member `{name}`: {error}");
                    self.refuse(
                        "unreadable-member",
                        reason,
                        "export the experiment from the instrument again",
                        effects,
                    );
                }
            },
            // Without them channels and references are not known; the readings stand without, and say so.
            xt::Member::Protocol => {
                // Other json members, of other versions of the software, name neither channels nor a plate.
                let told = |protocol: &xt::Protocol| !protocol.channels.is_empty() || protocol.microplate.is_some();
                if let Some(protocol) = xt::protocol(bytes).ok().filter(told) {
                    self.members.protocol = Some(protocol);
                    self.changed_member(0, bytes, effects);
                }
            }
            xt::Member::FilterSettings => {
                self.members.references = xt::filter_settings(bytes).unwrap_or_default();
                self.changed_member(1, bytes, effects);
            }
            xt::Member::Other => {}
        }
    }

    fn changed_member(&mut self, which: usize, bytes: &[u8], effects: &mut Effects) {
        let digest = digest(&[bytes]);
        if let Some(slot) = self.members.digests.get_mut(which) {
            *slot = digest;
        }
        if let Stage::Running(run) = &self.stage
            && run.facts.members.get(which) != Some(&digest)
        {
            self.reread(effects);
        }
    }

    fn meta(&mut self, meta: xt::Meta, effects: &mut Effects) {
        if let Stage::Running(run) = &mut self.stage {
            let same = meta.experiment_id().as_deref() == Some(run.facts.run_id.as_str())
                || self.context.stated_run_id.is_some();
            if !same || meta.start != run.facts.instrument_time {
                self.reread(effects);
            } else if run.facts.end != meta.end {
                run.facts.end.clone_from(&meta.end);
                run.changed.facts = true;
            }
        }
        self.members.meta = Some(meta);
    }

    fn head(&mut self, bytes: &[u8], effects: &mut Effects) {
        if let Stage::Running(run) = &mut self.stage
            && run.facts.family == Family::One
            && let Ok(end) = head::rewritten(&run.facts.head, bytes)
        {
            if let Some(end) = end {
                let start = run.facts.instrument_time.as_deref().unwrap_or_default();
                let end = Some(end).filter(|end| end != start);
                run.changed.facts |= run.facts.end != end;
                run.facts.end = end;
            }
            return;
        }
        self.reread(effects);
    }

    fn bytes(&mut self, offset: u64, bytes: &[u8], effects: &mut Effects) {
        match self.stage {
            Stage::Refused | Stage::Stale => return,
            Stage::Dormant => return self.reread(effects),
            _ => {}
        }
        if offset != self.position {
            return self.reread(effects);
        }
        self.position += bytes.len() as u64;
        if let Stage::Fresh(held) = &mut self.stage {
            held.extend_from_slice(bytes);
            let detection = detect(held, false);
            self.detected(detection, effects);
        } else {
            self.feed(bytes, effects);
        }
    }

    fn detected(&mut self, detection: Detection, effects: &mut Effects) {
        let Stage::Fresh(held) = &mut self.stage else { return };
        let held = std::mem::take(held);
        let format = match detection {
            Detection::More => {
                self.stage = Stage::Fresh(held);
                return;
            }
            Detection::Foreign(foreign) => return self.foreign(foreign, &held, effects),
            Detection::Raw(format) => format,
        };
        if self.kind == SourceKind::Export && self.members.meta.is_none() {
            return self.no_meta(effects);
        }
        let (expected, found) = (self.context.profile.family, family(format));
        if expected != found {
            let (name, profile) = family_name(found);
            let reason = format!(
                "it is a file of the {name}, and profile `{}` is for another family",
                self.context.profile.name
            );
            let remedy = format!("use profile `{profile}` for this device");
            return self.refuse("other-family", reason, &remedy, effects);
        }
        self.stage = match format {
            Format::Pro => Stage::ProHeader(Box::default()),
            Format::One => Stage::OneHeader(Box::default(), Vec::new()),
            Format::Xt => Stage::XtHeader,
        };
        self.feed_from(&held, 0, effects);
    }

    fn no_meta(&mut self, effects: &mut Effects) {
        let reason = "it holds no `.meta` member, so it is no BioLector XT experiment".to_owned();
        self.refuse(
            "not-an-experiment",
            reason,
            "give the export as the instrument made it, with all its members",
            effects,
        );
    }

    fn foreign(&mut self, foreign: Foreign, held: &[u8], effects: &mut Effects) {
        let raw = "give the raw file that the instrument wrote";
        let (code, reason, remedy) = match foreign {
            Foreign::EditedExport => (
                "edited-export",
                "it was saved by the software BioLection (`=====parameters=====`) and is no raw file".to_owned(),
                raw,
            ),
            Foreign::TransformExport => (
                "transform-export",
                "it is a TRANSFORM export of the BioLector I's software (`FILE NAME;`) and no raw file".to_owned(),
                raw,
            ),
            Foreign::Zip => (
                "not-a-biolector-file",
                "it is a zip archive where a table was expected".to_owned(),
                "give the archive itself, with a name that ends in `.zip`",
            ),
            Foreign::Binary => ("not-a-biolector-file", "its first bytes are no text".to_owned(), raw),
            Foreign::OtherText if held.is_empty() => ("not-a-biolector-file", "it is empty".to_owned(), raw),
            Foreign::OtherText => {
                let line = held.split(|b| *b == b'\n').next().unwrap_or_default();
                let line = table::clean(&line[..line.len().min(60)]);
                ("not-a-biolector-file", format!("no BioLector writes a first line such as `{line}`"), raw)
            }
        };
        self.refuse(code, reason, remedy, effects);
    }

    fn feed(&mut self, bytes: &[u8], effects: &mut Effects) {
        let (tail, dropped) = self.lines.tail();
        let held = bytes.len() as u64 + tail.len() as u64 + dropped;
        let at = self.position.saturating_sub(held);
        self.feed_from(bytes, at, effects);
    }

    fn feed_from(&mut self, bytes: &[u8], mut at: u64, effects: &mut Effects) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.feed(bytes, |line| {
            let taken = std::mem::take(&mut self.taken);
            if taken == 0 || line.bytes.len() as u64 != taken {
                self.line(line, at, effects);
            }
            at += line.length;
        });
        self.lines = lines;
    }

    fn line(&mut self, line: Line<'_>, at: u64, effects: &mut Effects) {
        match &mut self.stage {
            Stage::Running(run) => running(run, line, at, effects),
            Stage::ProHeader(header) => {
                if header.take(line.bytes) == pro::HeaderLine::Table {
                    let mut facts = Facts::of_pro(header, &self.context);
                    facts.header_line = String::from_utf8_lossy(line.bytes).into_owned();
                    facts.data_start = at + line.length;
                    self.run(facts, effects);
                } else {
                    self.check_header(at, effects);
                }
            }
            Stage::OneHeader(header, head) => {
                head.extend_from_slice(line.bytes);
                head.push(b'\n');
                if header.take(line.bytes) == one::HeaderLine::Table {
                    let mut facts = Facts::of_one(header, &self.context);
                    facts.head = std::mem::take(head);
                    // The link gives no more of a rewritten head.
                    facts.head.truncate(4096);
                    facts.data_start = at + line.length;
                    self.run(facts, effects);
                } else {
                    self.check_header(at, effects);
                }
            }
            Stage::XtHeader => self.xt_header(line, at, effects),
            Stage::Keying { layout, held, start, .. } => {
                let whole =
                    matches!(row::read(line.bytes, layout), TableLine::Row(row) if row.kind == Kind::Measurement);
                held.push((line.bytes.to_vec(), line.length));
                if whole || at + line.length - *start >= MAX_KEY {
                    self.keyed(effects);
                }
            }
            Stage::Fresh(_) | Stage::Dormant | Stage::Refused | Stage::Stale => {}
        }
    }

    fn check_header(&mut self, at: u64, effects: &mut Effects) {
        if at > MAX_HEADER {
            let reason = format!("its header goes on for more than {MAX_HEADER} bytes without a table");
            self.refuse("no-table", reason, "give the raw file that the instrument wrote", effects);
        }
    }

    fn xt_header(&mut self, line: Line<'_>, at: u64, effects: &mut Effects) {
        let Members { meta, protocol, references, digests } = &self.members;
        let mut facts = Facts::of_xt(meta.as_ref(), protocol.as_ref(), references, &self.context);
        facts.members = *digests;
        let text = line.bytes.strip_prefix(instrument_proto::codec::biolector::detect::BOM).unwrap_or(line.bytes);
        facts.header_line = String::from_utf8_lossy(text).into_owned();
        facts.data_start = at + line.length;
        match facts.layout() {
            None => {
                let reason = "its first line names no columns that can be read".to_owned();
                self.refuse("no-table", reason, "give the raw file that the instrument wrote", effects);
            }
            Some(_) if !facts.run_id.is_empty() => self.run(facts, effects),
            Some(layout) => {
                let start = facts.data_start;
                let (facts, layout) = (Box::new(facts), Box::new(layout));
                self.stage = Stage::Keying { facts, layout, held: Vec::new(), start };
            }
        }
    }

    /// Gives a bare table its identity and takes the rows that waited for it.
    fn keyed(&mut self, effects: &mut Effects) {
        let Stage::Keying { facts, held, start, .. } = std::mem::replace(&mut self.stage, Stage::Stale) else { return };
        let mut hash = Sha256::new();
        for line in std::iter::once(facts.header_line.as_bytes()).chain(held.iter().map(|(line, _)| line.as_slice())) {
            hash.update(line);
            hash.update(b"\n");
        }
        let key: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let mut facts = *facts;
        facts.run_id = format!("content:{key}");
        facts.flags.push(RunFlag::ContentKey);
        if facts.name.is_empty() {
            facts.name = "unnamed".to_owned();
        }
        self.run(facts, effects);
        let mut at = start;
        for (bytes, length) in held {
            self.line(Line { bytes: &bytes, length, terminated: true }, at, effects);
            at += length;
        }
    }

    fn run(&mut self, facts: Facts, effects: &mut Effects) {
        let mut run = Run::new(facts, Moving::default(), Past::default(), Volumes::new(), self.context.clone());
        run.begin(effects);
        self.stage = Stage::Running(Box::new(run));
    }

    fn ended(&mut self, effects: &mut Effects) {
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

    fn settled(&mut self, effects: &mut Effects) {
        self.unterminated(true, effects);
        if let Stage::Running(run) = &mut self.stage
            && run.facts.family != Family::One
        {
            end_by_facts(run, effects);
        }
        self.rest(effects);
    }

    /// Gives back the memory of a run that is over.
    fn rest(&mut self, effects: &mut Effects) {
        if matches!(&self.stage, Stage::Running(run) if run.state.closed) {
            self.finish(false, effects);
            self.stage = Stage::Dormant;
        }
    }

    /// Takes the last line though it has no end; `only_whole` where more may come: then only if it is as long as a
    /// measurement row is in this file, or tells the run's end.
    fn unterminated(&mut self, only_whole: bool, effects: &mut Effects) {
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

    fn is_whole(&self, line: &[u8]) -> bool {
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

fn running(run: &mut Run, line: Line<'_>, at: u64, effects: &mut Effects) {
    let offset = at - run.facts.data_start.min(at);
    // The layout is lent out so that the run can be changed; it comes back at once.
    match run.layout.take() {
        Some(layout) => {
            table::line(run, &layout, line, offset, effects);
            run.layout = Some(layout);
        }
        None => rows_one::line(run, line, offset, effects),
    }
}

/// Ends the run where header, members or an end section say that it is over.
fn end_by_facts(run: &mut Run, effects: &mut Effects) {
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

/// How long a cycle may be silent.
fn patience(run: &Run) -> Duration {
    let profile = &run.context.profile;
    let cycle = run.facts.cycle_time_s().unwrap_or(profile.default_cycle_time.as_secs_f64());
    Duration::try_from_secs_f64(cycle * profile.cycle_timeout_factor).unwrap_or(profile.default_cycle_time)
}

fn family(format: Format) -> profile::Family {
    match format {
        Format::One => profile::Family::BiolectorOne,
        Format::Pro => profile::Family::BiolectorPro,
        Format::Xt => profile::Family::BiolectorXt,
    }
}

fn family_name(family: profile::Family) -> (&'static str, &'static str) {
    match family {
        profile::Family::BiolectorOne => ("BioLector I", "biolector-1"),
        profile::Family::BiolectorPro => ("BioLector II or Pro", "biolector-pro"),
        profile::Family::BiolectorXt => ("BioLector XT", "biolector-xt"),
    }
}

fn digest(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().iter().take(8).fold(0, |value, byte| (value << 8) | u64::from(*byte))
}
