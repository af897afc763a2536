//! Decoding a capture offline: what came over a link, into the events that the daemon would have made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::sync::Arc;

use instrument_proto::codec::capture::{Chunk, Direction as Way, Entry, Mistake, Note, NoteKind, Reader};
use jiff::{SignedDuration, Timestamp};

use crate::driver::{
    Direction, Driver, Effects, FileInput, Input, Mode, SourceKind, SourceName, StreamInput, Timer, TimerChange,
    WORKLISTS,
};
use crate::event::envelope::Origin;
use crate::event::{EventType, Ingest, Prepared, TimeQuality};
use crate::link::stream::recorder::direction;

#[cfg(test)]
mod tests;

/// What is read of a capture at once.
const PIECE: usize = 256 << 10;

/// Lines that cannot be read are shown up to this number, then counted.
const SHOWN: usize = 5;

/// Between a source and its member in the captures of folders.
pub const MEMBER: char = '!';

/// Why nothing more was replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The capture cannot be read.
    #[error("the capture cannot be read: {0}")]
    Read(#[source] io::Error),
    /// No line of it is one of a capture.
    #[error("this is no capture: no line of it says what came over a link")]
    NoCapture,
    /// What came out cannot be written.
    #[error("cannot write the events: {0}")]
    Write(#[source] io::Error),
}

/// What a capture holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A line that was used in this mode.
    Stream(SourceName, Mode),
    /// A folder of files.
    Files,
}

/// What a replay found, for a person.
#[derive(Debug, Default)]
pub struct Replayed {
    types: BTreeMap<&'static str, u64>,
    openings: u64,
    losses: Vec<String>,
    mistakes: Vec<String>,
    mistaken: u64,
    pieces: u64,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: u64 = self.types.values().sum();
        writeln!(f, "{events} event{}", if events == 1 { "" } else { "s" })?;
        self.types.iter().try_for_each(|(name, count)| writeln!(f, "  {name}: {count}"))?;
        writeln!(f, "openings of the link: {}", self.openings)?;
        self.losses.iter().try_for_each(|loss| writeln!(f, "gap: {loss}"))?;
        self.mistakes.iter().try_for_each(|mistake| writeln!(f, "unreadable: {mistake}"))?;
        match self.mistaken.saturating_sub(self.mistakes.len() as u64) {
            0 => Ok(()),
            more => writeln!(f, "unreadable: {more} more lines"),
        }
    }
}

/// Replays the capture `file` through `driver`, and writes each event as a line of JSON to `out`. `worklists` are those
/// that the daemon would have read. `progress` is told the bytes read and all bytes.
///
/// # Errors
///
/// When the file cannot be read or is no capture, or the events cannot be written.
pub fn replay(
    file: &Path,
    kind: Kind,
    driver: Box<dyn Driver>,
    worklists: &[(String, Vec<u8>)],
    origin: Origin,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Replayed, ReplayError> {
    let mut capture = File::open(file).map_err(ReplayError::Read)?;
    let total = capture.metadata().map_or(0, |metadata| metadata.len());
    let origin = Origin { ingest: Ingest::Backfill, ..origin };
    let mut stage = Stage {
        kind,
        driver,
        origin,
        out,
        effects: Effects::default(),
        replayed: Replayed::default(),
        timers: BTreeMap::new(),
        epoch: None,
        opened: BTreeSet::new(),
        member: None,
        failed: None,
        last: Timestamp::UNIX_EPOCH,
    };
    for (name, bytes) in worklists {
        stage.input(Input::File(&WORKLISTS.into(), FileInput::Member { name, bytes }), Timestamp::UNIX_EPOCH);
    }
    let (mut reader, mut buffer, mut done) = (Reader::default(), vec![0; PIECE], 0);
    loop {
        let length = match capture.read(&mut buffer) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other.map_err(ReplayError::Read)?,
        };
        reader.feed(buffer.get(..length).unwrap_or_default(), |line, entry| stage.entry(line, entry));
        done += length as u64;
        progress(done, total);
        stage.check()?;
    }
    reader.finish(|line, entry| stage.entry(line, entry));
    stage.end();
    stage.check()?;
    if stage.replayed.pieces == 0 && stage.replayed.openings == 0 {
        return Err(ReplayError::NoCapture);
    }
    stage.out.flush().map_err(ReplayError::Write)?;
    Ok(stage.replayed)
}

struct Stage<'o> {
    kind: Kind,
    driver: Box<dyn Driver>,
    origin: Origin,
    out: &'o mut dyn Write,
    effects: Effects,
    replayed: Replayed,
    /// The driver's timers, by the capture's clock.
    timers: BTreeMap<Timer, Timestamp>,
    /// The opening of the line that is being replayed.
    epoch: Option<String>,
    /// The sources of a folder that are open.
    opened: BTreeSet<SourceName>,
    /// A member of a source as far as it has come.
    member: Option<(SourceName, String, Vec<u8>)>,
    failed: Option<io::Error>,
    last: Timestamp,
}

impl Stage<'_> {
    fn check(&mut self) -> Result<(), ReplayError> {
        self.failed.take().map_or(Ok(()), |error| Err(ReplayError::Write(error)))
    }

    fn entry(&mut self, line: u64, entry: Result<Entry, Mistake>) {
        match entry {
            Ok(Entry::Chunk(chunk)) => {
                self.replayed.pieces += 1;
                self.run_timers(chunk.at);
                match self.kind.clone() {
                    Kind::Stream(source, mode) => self.piece(&source, mode, &chunk),
                    Kind::Files => self.part(chunk),
                }
            }
            Ok(Entry::Note(note)) => {
                self.run_timers(note.at);
                match self.kind.clone() {
                    Kind::Stream(source, mode) => self.line_note(&source, mode, &note),
                    Kind::Files => self.file_note(&note),
                }
            }
            Ok(Entry::Header(_) | Entry::Comment(_)) => {}
            Err(mistake) => {
                self.replayed.mistaken += 1;
                if self.replayed.mistakes.len() < SHOWN {
                    self.replayed.mistakes.push(format!("line {line}: {mistake}"));
                }
                if let (Kind::Stream(source, _), Some(_)) = (self.kind.clone(), &self.epoch) {
                    let input = StreamInput::Lost { reason: "the capture cannot be read here" };
                    self.input(Input::Stream(&source, input), self.last);
                }
            }
        }
    }

    /// Gives the driver the timers that ran out before `now`, in their order.
    fn run_timers(&mut self, now: Timestamp) {
        self.last = self.last.max(now);
        while let Some((timer, at)) = self.timers.iter().min_by_key(|(_, at)| **at).map(|(t, at)| (t.clone(), *at))
            && at <= now
        {
            self.timers.remove(&timer);
            self.input(Input::Timer(&timer), at);
        }
    }

    fn open(&mut self, source: &SourceName, mode: Mode, epoch: String, at: Timestamp) {
        self.replayed.openings += 1;
        self.timers.clear();
        let input = StreamInput::Opened { epoch: &epoch, mode, resumed: false, snapshot: &[] };
        self.input(Input::Stream(source, input), at);
        self.epoch = Some(epoch);
    }

    fn piece(&mut self, source: &SourceName, mode: Mode, chunk: &Chunk) {
        if self.epoch.is_none() {
            // A capture that was cut out of a longer one: its opening follows from its content.
            self.open(source, mode, format!("capture-{}", chunk.at.as_microsecond()), chunk.at);
        }
        // What a host wrote itself does not come back to it.
        if mode == Mode::Host && chunk.direction == Way::ToInstrument {
            return;
        }
        let direction: Direction = direction(chunk.direction);
        let Chunk { at, offset, bytes, .. } = chunk;
        let input = StreamInput::Bytes { direction, at: *at, offset: *offset, bytes };
        self.input(Input::Stream(source, input), *at);
    }

    fn line_note(&mut self, source: &SourceName, mode: Mode, note: &Note) {
        match note.kind {
            NoteKind::Opened => {
                let epoch = match note.text.as_str() {
                    "" => format!("capture-{}", note.at.as_microsecond()),
                    epoch => epoch.to_owned(),
                };
                self.open(source, mode, epoch, note.at);
            }
            NoteKind::Closed => {
                self.input(Input::Stream(source, StreamInput::Closed { reason: &note.text }), note.at);
                self.epoch = None;
            }
            NoteKind::Lost => {
                self.replayed.losses.push(format!("{}: {}", note.at, note.text));
                self.input(Input::Stream(source, StreamInput::Lost { reason: &note.text }), note.at);
            }
        }
    }

    /// A piece of a file, or of a member beside it.
    fn part(&mut self, chunk: Chunk) {
        let name = chunk.source.unwrap_or_default();
        let member = name.rsplit_once(MEMBER).filter(|(source, _)| self.opened.contains(*source));
        if let Some((source, member)) = member {
            match &mut self.member {
                Some((other, same, bytes)) if **other == *source && same == member && chunk.offset > 0 => {
                    bytes.extend_from_slice(&chunk.bytes);
                }
                _ => {
                    self.end_member();
                    self.member = Some((source.into(), member.to_owned(), chunk.bytes));
                }
            }
            return;
        }
        self.end_member();
        let source: SourceName = name.into();
        let input = FileInput::Bytes { offset: chunk.offset, bytes: &chunk.bytes };
        self.input(Input::File(&source, input), chunk.at);
    }

    /// Gives a member to the driver, once all of it is there; one without a name is a rewritten head.
    fn end_member(&mut self) {
        let Some((source, name, bytes)) = self.member.take() else { return };
        let input = match name.is_empty() {
            true => FileInput::Head(&bytes),
            false => FileInput::Member { name: &name, bytes: &bytes },
        };
        self.input(Input::File(&source, input), self.last);
    }

    fn file_note(&mut self, note: &Note) {
        self.end_member();
        let source: SourceName = note.source.clone().unwrap_or_default().into();
        let input = match (note.kind, note.text.as_str()) {
            (NoteKind::Opened, kind) => {
                self.replayed.openings += 1;
                self.opened.insert(source.clone());
                let kind = match kind {
                    "export" => SourceKind::Export,
                    "parts" => SourceKind::Parts,
                    _ => SourceKind::Table,
                };
                FileInput::Opened { kind, snapshot: &[] }
            }
            (NoteKind::Closed, "ended") => FileInput::Ended,
            (NoteKind::Closed, "settled") => FileInput::Settled,
            (NoteKind::Closed, _) => {
                self.opened.remove(&source);
                FileInput::Gone
            }
            (NoteKind::Lost, text) => {
                self.replayed.losses.push(format!("{source}: {text}"));
                return;
            }
        };
        self.input(Input::File(&source, input), note.at);
    }

    fn end(&mut self) {
        self.end_member();
        if let (Kind::Stream(source, _), Some(_)) = (self.kind.clone(), &self.epoch) {
            let input = StreamInput::Closed { reason: "the capture ends here" };
            self.input(Input::Stream(&source, input), self.last);
        }
    }

    fn input(&mut self, input: Input<'_>, now: Timestamp) {
        if self.failed.is_some() {
            return;
        }
        if let Input::File(source, _) | Input::Stream(source, _) = &input
            && self.origin.position.as_ref() != Some(*source)
        {
            self.origin.position = Some((*source).clone());
        }
        self.effects.clear();
        self.driver.handle(input, now, &mut self.effects);
        for change in self.effects.timers.drain(..) {
            match change {
                TimerChange::Set(timer, after) => {
                    let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
                    self.timers.insert(timer, now.checked_add(after).unwrap_or(Timestamp::MAX));
                }
                TimerChange::Cancel(timer) => drop(self.timers.remove(&timer)),
            }
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
                return;
            }
        }
    }
}

/// The name under which a capture of a folder writes a member of a source; the empty name is the source's head.
pub fn member_name(source: &SourceName, member: &str) -> Arc<str> {
    format!("{source}{MEMBER}{member}").into()
}
