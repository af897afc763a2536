//! Decoding a capture offline: what came over a link, into the events that the daemon would have made of it.

mod folder;
mod line;
mod messages;
mod remote;
mod service;
mod sets;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::sync::Arc;

use instrument_proto::codec::capture::{Chunk, Entry, Header, Mistake, Note, Reader};
use jiff::Timestamp;

use crate::driver::service::Wanted;
use crate::driver::{Driver, FileInput, Input, Mode, SourceName, WORKLISTS};
use crate::event::Ingest;
use crate::event::envelope::Origin;
use stage::Stage;

/// What is read of a capture at once.
const PIECE: usize = 256 << 10;

/// So much of a capture is looked at to find out what it is of.
const LOOKED_AT: usize = 64 << 10;

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
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A line, whose link is called so, that was used in this mode.
    Stream(&'static str, Mode),
    /// A folder of files.
    Files,
    /// The remote interface of a BioLector XT; an experiment's file is at most so many bytes long.
    Remote(u64),
    /// A device service of which this was wanted.
    Service(Wanted),
    /// Looks at file sets.
    Sets,
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
    /// Messages of which a part is missing, or that cannot be decoded.
    passed_over: u64,
    is_capture: bool,
}

impl Replayed {
    fn mistake(&mut self, line: u64, what: &dyn fmt::Display) {
        self.mistaken += 1;
        if self.mistakes.len() < SHOWN {
            self.mistakes.push(format!("line {line}: {what}"));
        }
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: u64 = self.types.values().sum();
        writeln!(f, "{events} event{}", if events == 1 { "" } else { "s" })?;
        self.types.iter().try_for_each(|(name, count)| writeln!(f, "  {name}: {count}"))?;
        writeln!(f, "openings of the link: {}", self.openings)?;
        self.losses.iter().try_for_each(|loss| writeln!(f, "gap: {loss}"))?;
        if self.passed_over > 0 {
            writeln!(f, "messages passed over: {} are not whole, or none of this service", self.passed_over)?;
        }
        self.mistakes.iter().try_for_each(|mistake| writeln!(f, "unreadable: {mistake}"))?;
        match self.mistaken.saturating_sub(self.mistakes.len() as u64) {
            0 => Ok(()),
            more => writeln!(f, "unreadable: {more} more lines"),
        }
    }
}

/// What a capture is of: its header, else what its first lines look like. `None` where nothing tells.
///
/// # Errors
/// When the file cannot be read.
pub fn header_of(file: &Path) -> Result<Option<Header>, ReplayError> {
    let mut bytes = Vec::new();
    let capture = File::open(file).map_err(ReplayError::Read)?;
    capture.take(LOOKED_AT as u64).read_to_end(&mut bytes).map_err(ReplayError::Read)?;
    let mut found = None;
    Reader::default().feed(&bytes, |_, entry| {
        let guessed = |link: &str| Header { version: 0, device: String::new(), link: link.to_owned() };
        match entry {
            Ok(Entry::Header(header)) => found = Some(header),
            Ok(Entry::Chunk(Chunk { source: Some(source), .. })) if messages::is_call(&source) => {
                found.get_or_insert_with(|| guessed(GRPC));
            }
            _ => {}
        }
    });
    Ok(found)
}

/// The link of the captures of gRPC services.
pub const GRPC: &str = "grpc";

/// What follows what one kind of link said.
trait Follow {
    fn chunk(&mut self, line: u64, chunk: Chunk, stage: &mut Stage<'_>);
    fn note(&mut self, line: u64, note: &Note, stage: &mut Stage<'_>);
    /// A line that is none.
    fn unreadable(&mut self, _: &mut Stage<'_>) {}
    /// Nothing more comes.
    fn end(&mut self, stage: &mut Stage<'_>);
}

/// A replay of captures that follow one another: of one link, in their order.
pub struct Replay<'o> {
    stage: Stage<'o>,
    follow: Box<dyn Follow>,
}

impl<'o> Replay<'o> {
    /// A replay through the driver that `driver` makes, again after each restart of the daemon. Each event is written as a
    /// line of JSON to `out`. `worklists` are those that the daemon would have read.
    pub fn new(
        kind: Kind,
        driver: Box<dyn Fn() -> Box<dyn Driver>>,
        worklists: &[(String, Vec<u8>)],
        origin: Origin,
        out: &'o mut dyn Write,
    ) -> Self {
        let origin = Origin { ingest: Ingest::Backfill, ..origin };
        let mut stage = Stage::new(driver, origin, out);
        for (name, bytes) in worklists {
            stage.input(Input::File(&WORKLISTS.into(), FileInput::Member { name, bytes }), Timestamp::UNIX_EPOCH);
        }
        let follow: Box<dyn Follow> = match kind {
            Kind::Stream(source, mode) => Box::new(line::Line::new(source.into(), mode)),
            Kind::Files => Box::new(folder::Folder::default()),
            Kind::Remote(max_download) => Box::new(remote::Remote::new(max_download)),
            Kind::Service(wanted) => Box::new(service::Service::new(wanted)),
            Kind::Sets => Box::new(sets::Sets::default()),
        };
        Self { stage, follow }
    }

    /// Replays the next capture. `progress` is told the bytes read and all bytes.
    ///
    /// # Errors
    /// When the file cannot be read or is no capture, or the events cannot be written.
    pub fn read(&mut self, file: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), ReplayError> {
        let mut capture = File::open(file).map_err(ReplayError::Read)?;
        let total = capture.metadata().map_or(0, |metadata| metadata.len());
        let (mut reader, mut buffer, mut done) = (Reader::default(), vec![0; PIECE], 0);
        loop {
            let length = match capture.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(ReplayError::Read)?,
            };
            reader.feed(buffer.get(..length).unwrap_or_default(), |line, entry| self.entry(line, entry));
            done += length as u64;
            progress(done, total);
            self.stage.check()?;
        }
        reader.finish(|line, entry| self.entry(line, entry));
        self.stage.check()?;
        match self.stage.replayed.is_capture {
            true => Ok(()),
            false => Err(ReplayError::NoCapture),
        }
    }

    /// Ends it: nothing more comes.
    ///
    /// # Errors
    /// When the events cannot be written.
    pub fn end(&mut self) -> Result<(), ReplayError> {
        self.follow.end(&mut self.stage);
        self.stage.check()?;
        self.stage.flush()
    }

    /// What was found since it was asked for last.
    pub fn found(&mut self) -> Replayed {
        std::mem::take(&mut self.stage.replayed)
    }

    fn entry(&mut self, line: u64, entry: Result<Entry, Mistake>) {
        match entry {
            Ok(Entry::Chunk(chunk)) => {
                self.stage.replayed.pieces += 1;
                self.stage.replayed.is_capture = true;
                self.stage.run_timers(chunk.at);
                self.follow.chunk(line, chunk, &mut self.stage);
            }
            Ok(Entry::Note(note)) => {
                self.stage.replayed.is_capture = true;
                self.stage.run_timers(note.at);
                self.follow.note(line, &note, &mut self.stage);
            }
            Ok(Entry::Header(_)) => self.stage.replayed.is_capture = true,
            Ok(Entry::Comment(_)) => {}
            Err(mistake) => {
                self.stage.replayed.mistake(line, &mistake);
                self.follow.unreadable(&mut self.stage);
            }
        }
    }
}

/// The name under which a capture of a folder writes a member of a source; the empty name is the source's head.
pub fn member_name(source: &SourceName, member: &str) -> Arc<str> {
    format!("{source}{MEMBER}{member}").into()
}
