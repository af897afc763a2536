//! A robot that is played at once into memory, for tests and captures.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use instrument_proto::codec::capture::{self, Direction, Header, Note, NoteKind};
use jiff::{SignedDuration, Timestamp};

use super::line::{Carried, LineError};
use super::mangle::Mangler;
use super::player::play;
use super::settings::{Ports, Settings};
use super::truth::Truth;
use super::voice::Side;
use super::work::{Carrier, RobotError, Work};
use crate::pace::{Pace, Shared};

/// Bytes that were on a line at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The robot's seconds since its start.
    pub at_s: f64,
    /// Who said it.
    pub side: Side,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// From one plugging of the cable to the next.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Opening {
    /// When it was plugged.
    pub from_s: f64,
    /// When it was pulled; the last one was not.
    pub to_s: Option<f64>,
    /// What was said, in order.
    pub said: Vec<Said>,
}

/// All that was said and done.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// What was on the line.
    pub openings: Vec<Opening>,
    /// What was done.
    pub truths: Vec<Truth>,
    one_line: bool,
}

impl Recording {
    /// Plays a plan to its end, without any waiting and without a terminal.
    ///
    /// # Errors
    /// [`RobotError`] where the truth was to be written and cannot be; there is no line that could fail.
    pub fn make(settings: Settings) -> Result<Self, RobotError> {
        let settings = Settings { pace: Pace::Max, host: false, stay: false, truth: None, ..settings };
        let one_line = matches!(settings.ports, Ports::One(_));
        let mut random = fastrand::Rng::with_seed(settings.seed);
        let mut work = Work {
            lines: Recorder { openings: vec![Opening::default()], one_line },
            shared: Arc::new(Shared::default()),
            pulls: Arc::default(),
            pace: settings.pace,
            wait_for_reader: false,
            mangler: Mangler::new(settings.faults.clone(), random.fork()),
            now: 0.0,
            access: 0,
            plug_at: None,
            file: None,
            sender: None,
            kept: Some(Vec::new()),
        };
        let (_, nothing) = sync_channel(0);
        play(settings, random, &mut work, &nothing)?;
        Ok(Self { openings: work.lines.openings, truths: work.kept.unwrap_or_default(), one_line })
    }

    /// The same as a capture. On one line a tap cannot tell directions; on two it can.
    pub fn to_capture(&self, device: &str, start: Timestamp) -> Vec<u8> {
        let at = |seconds: f64| {
            let since = SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
            start.checked_add(since).unwrap_or(start)
        };
        let mut out = Vec::new();
        let header = Header { version: capture::VERSION, device: device.to_owned(), link: "simulated".to_owned() };
        capture::write_header(&mut out, &header);
        let note = |out: &mut Vec<u8>, seconds, kind| {
            capture::write_note(out, &Note { at: at(seconds), source: None, kind, text: String::new() });
        };
        for opening in &self.openings {
            note(&mut out, opening.from_s, NoteKind::Opened);
            let mut offset = 0;
            for said in &opening.said {
                let direction = match said.side {
                    _ if self.one_line => Direction::Unknown,
                    Side::Controller => Direction::ToInstrument,
                    Side::Robot => Direction::FromInstrument,
                };
                capture::write_chunk(&mut out, at(said.at_s), direction, None, offset, &said.bytes);
                offset += said.bytes.len() as u64;
            }
            if let Some(pulled) = opening.to_s {
                note(&mut out, pulled, NoteKind::Closed);
            }
        }
        out
    }
}

struct Recorder {
    openings: Vec<Opening>,
    one_line: bool,
}

impl Carrier for Recorder {
    fn write(&mut self, at_s: f64, side: Side, bytes: &[u8], _: &dyn Fn() -> bool) -> Carried {
        match self.openings.last_mut() {
            Some(opening) if opening.to_s.is_none() => {
                opening.said.push(Said { at_s, side, bytes: bytes.to_vec() });
                Carried::Yes
            }
            _ => Carried::Nobody,
        }
    }

    fn plug(&mut self, at_s: f64) -> Result<(), LineError> {
        self.openings.push(Opening { from_s: at_s, ..Opening::default() });
        Ok(())
    }

    fn unplug(&mut self, at_s: f64, _: u64) {
        if let Some(opening) = self.openings.last_mut() {
            opening.to_s = Some(at_s);
        }
    }

    fn is_one_line(&self) -> bool {
        self.one_line
    }

    fn lacks_reader(&self) -> bool {
        false
    }

    fn read(&mut self, _: bool) -> Vec<u8> {
        Vec::new()
    }
}
