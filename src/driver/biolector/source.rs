//! One file, archive or set of parts: from bytes to lines, from the first line to the family, from the header to a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use instrument_proto::codec::biolector::columns::Layout;
use instrument_proto::codec::biolector::detect::{Detection, Format, detect};
use instrument_proto::codec::biolector::lines::{Line, Lines};
use instrument_proto::codec::biolector::row::{self, Kind, TableLine};
use instrument_proto::codec::biolector::{one, pro, xt};
use sha2::{Digest, Sha256};

use super::ending::{end_by_facts, patience};
use super::facts::{Facts, Family};
use super::refusals::family_name;
use super::run::{Moving, Past, Run, Volumes};
use super::{Context, rows_one, snapshot, table};
use crate::driver::{Effects, FileInput, Request, SourceKind, SourceName, Timer, TimerChange};
use crate::event::cultivation::RunFlag;
use crate::profile;

/// A header longer than this is none: a device with 48 wells and a dozen filter sets writes some 250 KiB.
const MAX_HEADER: u64 = 4 * 1024 * 1024;

/// The rows from which a bare XT table gets its identity: up to the first measurement, at most this many bytes.
const MAX_KEY: u64 = 32 * 1024;

/// The timer that ends a cycle, and a BioLector I's run, by silence.
const CYCLE_TIMER: &str = "cycle";

pub(super) struct Source {
    pub name: SourceName,
    pub kind: SourceKind,
    pub context: Arc<Context>,
    pub stage: Stage,
    pub lines: Lines,
    /// Bytes taken.
    pub position: u64,
    /// Length of an unterminated last line that counted already.
    pub taken: u64,
    pub members: Members,
    tail_written: bool,
    marked: bool,
    defects_told: u64,
}

#[derive(Default)]
pub(super) struct Members {
    pub meta: Option<xt::Meta>,
    pub protocol: Option<xt::Protocol>,
    pub references: BTreeMap<u32, f64>,
    pub digests: [u64; 2],
}

pub(super) enum Stage {
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
    pub fn finish(&mut self, rows: bool, effects: &mut Effects) {
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

    pub fn reread(&mut self, effects: &mut Effects) {
        self.stage = Stage::Stale;
        effects.requests.push(Request::Reread(self.name.clone()));
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

    pub fn detected(&mut self, detection: Detection, effects: &mut Effects) {
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
        let (expected, found) = (self.context.model.family, family(format));
        if expected != found {
            let (name, profile) = family_name(format);
            let reason =
                format!("it is a file of the {name}, and profile `{}` is for another family", self.context.model.name);
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

    pub fn line(&mut self, line: Line<'_>, at: u64, effects: &mut Effects) {
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
    pub fn keyed(&mut self, effects: &mut Effects) {
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

fn family(format: Format) -> profile::Family {
    match format {
        Format::One => profile::Family::BiolectorOne,
        Format::Pro => profile::Family::BiolectorPro,
        Format::Xt => profile::Family::BiolectorXt,
    }
}
