//! Plays a capture back over pseudo-terminals, as the line was.

use std::path::PathBuf;

use instrument_proto::codec::capture::{Chunk, Direction, Entry, Mistake, NoteKind, Reader};
use jiff::Timestamp;

use crate::control::Control as _;
use crate::pace::{Pace, Shared};
use crate::robolector::{Carried, Line, LineError};

/// The longest silence that is kept, in the capture's seconds; longer ones are cut to it.
const LONGEST_SILENCE_S: f64 = 3600.0;

/// Which bytes are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of them, on one line.
    Both,
    /// What came from the instrument, and what may have.
    FromInstrument,
    /// What went to the instrument, and what may have.
    ToInstrument,
}

impl Which {
    fn takes(self, direction: Direction) -> bool {
        match (self, direction) {
            (Self::Both, _) | (_, Direction::Unknown) => true,
            (Self::FromInstrument, direction) => direction == Direction::FromInstrument,
            (Self::ToInstrument, direction) => direction == Direction::ToInstrument,
        }
    }
}

/// What is played, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where the terminal is.
    pub link: PathBuf,
    /// Which bytes.
    pub which: Which,
    /// Only those of this source, where it is given.
    pub source: Option<String>,
    /// How fast.
    pub pace: Pace,
    /// Whether it waits while nobody has the terminal open.
    pub wait_for_reader: bool,
}

/// What was played.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Played {
    /// Pieces.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that nobody had the terminal open for.
    pub unheard: u64,
    /// Lines of the capture that could not be read.
    pub mistakes: Vec<(u64, Mistake)>,
}

/// Why nothing is played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// There is no terminal to be had.
    #[error(transparent)]
    Line(#[from] LineError),
    /// It is a capture of something else than a line.
    #[error("{what}, which does not go over a terminal: decode it with `instrumentd replay FILE --profile PROFILE`")]
    NoLine {
        /// What it is.
        what: &'static str,
    },
}

/// What a capture is that is none of a line: by its header, else by its first message.
fn other_than_a_line(entries: &[Entry]) -> Option<&'static str> {
    const GRPC: &str = "this is a capture of a gRPC service";
    entries.iter().find_map(|entry| match entry {
        Entry::Header(header) => match header.link.as_str() {
            "grpc" => Some(GRPC),
            "files" => Some("this is a capture of a folder of files"),
            "sets" => Some("this is a capture of looks at sets of files"),
            _ => None,
        },
        Entry::Chunk(Chunk { source: Some(source), .. }) => {
            let (call, method) = source.split_once('/')?;
            (call.parse::<u64>().is_ok() && method.starts_with(|c: char| c.is_ascii_uppercase())).then_some(GRPC)
        }
        _ => None,
    })
}

/// Mistakes that are told apart; of more only the first are kept.
const TOLD: usize = 100;

/// Plays a capture to its end. `opened` and `closed` plug and unplug the terminal.
///
/// # Errors
/// Where there is no terminal to be had, or it is a capture of something else than a line.
pub fn play(capture: &[u8], settings: &Settings) -> Result<Played, PlayError> {
    let mut played = Played::default();
    let entries = entries(capture, &mut played);
    if let Some(what) = other_than_a_line(&entries) {
        return Err(PlayError::NoLine { what });
    }
    let shared = Shared::default();
    let mut line = Line::open(&settings.link)?;
    let mut before: Option<Timestamp> = None;
    for entry in entries {
        let (at, source) = match &entry {
            Entry::Chunk(chunk) => (chunk.at, &chunk.source),
            Entry::Note(note) => (note.at, &note.source),
            Entry::Header(_) | Entry::Comment(_) => continue,
        };
        if settings.source.is_some() && *source != settings.source {
            continue;
        }
        if settings.wait_for_reader {
            while line.is_plugged() && !line.is_heard() {
                shared.pause(std::time::Duration::from_millis(50));
            }
        }
        let silence = before.map_or(0.0, |before| (at - before).total(jiff::Unit::Second).unwrap_or(0.0));
        shared.wait_for_turn(silence.clamp(0.0, LONGEST_SILENCE_S), settings.pace);
        before = Some(at);
        match entry {
            Entry::Chunk(Chunk { direction, bytes, .. }) if settings.which.takes(direction) => {
                // A capture may begin after its line was opened.
                line.plug()?;
                if line.write(&bytes, || shared.is_stopped()) == Carried::Nobody {
                    played.unheard += bytes.len() as u64;
                }
                played.chunks += 1;
                played.bytes += bytes.len() as u64;
                shared.steps().add(1);
            }
            Entry::Note(note) if note.kind == NoteKind::Closed => line.unplug(0),
            Entry::Note(note) if note.kind == NoteKind::Opened => line.plug()?,
            _ => {}
        }
    }
    line.unplug(0);
    Ok(played)
}

/// The lines of a capture; what cannot be read goes into `played`.
fn entries(capture: &[u8], played: &mut Played) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut each = |number, entry: Result<Entry, Mistake>| match entry {
        Ok(entry) => entries.push(entry),
        Err(mistake) if played.mistakes.len() < TOLD => played.mistakes.push((number, mistake)),
        Err(_) => {}
    };
    let mut reader = Reader::default();
    reader.feed(capture, &mut each);
    reader.finish(&mut each);
    entries
}
