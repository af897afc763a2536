//! A trace of a line that another program writes: read on as it grows, and read again with the same ids.
//!
//! The epoch follows from the trace's first line. Whether a file under the trace's name is what was read before follows
//! from its content alone: the digest chain over all lines up to the position.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use instrument_proto::codec::capture::{Entry, Reader};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::inlet::{Gone, Outlet};
use super::stamp::stamp;
use super::worklists::Worklists;
use super::{Origin, Piece, StreamEvent};
use crate::config::streams::TraceFormat;
use crate::driver::{Direction, Mode};
use crate::link::recorder::direction;

/// What is read at once, and the longest line: what is longer is given in parts.
const PIECE: usize = 64 << 10;

/// A first line that has no end by then is taken as it is.
const HEAD: usize = 4 << 10;

/// A file system that needs longer than this does not answer.
const ANSWER: Duration = Duration::from_secs(10);

/// What there is to read.
pub(super) struct Reading {
    pub(super) file: PathBuf,
    pub(super) format: TraceFormat,
    pub(super) poll_interval: Duration,
    pub(super) mode: Mode,
    pub(super) direction: Direction,
    pub(super) time_zone: TimeZone,
    pub(super) position: Option<Vec<u8>>,
}

/// Follows a trace until `stop`.
pub(super) async fn run(
    reading: Reading,
    outlet: Outlet,
    worklists: Worklists,
    (stop, again): (CancellationToken, Arc<Notify>),
) {
    // It ends only when it is told to, or when nobody receives any more.
    let _ = stop.run_until_cancelled(follow(reading, outlet, worklists, &again)).await;
}

async fn follow(reading: Reading, outlet: Outlet, mut worklists: Worklists, again: &Notify) -> Result<(), Gone> {
    for news in worklists.first_look().await {
        outlet.tell(news).await?;
    }
    let (interval, place) = (reading.poll_interval, reading.file.display().to_string());
    let mut trace = Trace::new(reading);
    loop {
        let mut more = false;
        if !outlet.is_behind() {
            let mut look = tokio::task::spawn_blocking(move || {
                let looked = trace.look();
                (trace, looked)
            });
            let looked = match tokio::time::timeout(ANSWER, &mut look).await {
                Ok(looked) => looked,
                Err(_) => {
                    let reason = "its file system does not answer".to_owned();
                    let remedy = Some("look at the mount and the machine that shares it".to_owned());
                    outlet.tell(StreamEvent::Unreachable { place: place.clone(), reason, remedy }).await?;
                    look.await
                }
            };
            // A look that panicked ends the link; its supervisor starts it again.
            let Ok((back, looked)) = looked else { return Err(Gone) };
            trace = back;
            more = looked.more;
            for event in looked.events {
                outlet.tell(event).await?;
            }
        }
        if more {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = outlet.gone() => return Err(Gone),
            () = again.notified() => trace.forget(),
            news = worklists.changed() => for one in news {
                outlet.tell(one).await?;
            },
        }
    }
}

/// From where a trace is read on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The digest of the first line.
    head: String,
    /// How many other traces with this first line came before.
    generation: u32,
    /// Bytes of the file that were read.
    offset: u64,
    /// Bytes that were given of them.
    given: u64,
    /// The digest chain over the lines up to `offset`.
    chain: String,
    /// The last time that a line began with.
    at: Option<Timestamp>,
}

impl Position {
    fn start(head: String, generation: u32) -> Self {
        Self { head, generation, offset: 0, given: 0, chain: String::new(), at: None }
    }

    fn epoch(&self) -> String {
        match self.generation {
            0 => self.head.clone(),
            generation => format!("{}-{generation}", self.head),
        }
    }

    fn advance(&mut self, line: &[u8]) {
        self.offset += line.len() as u64;
        self.chain = digest(&[self.chain.as_bytes(), line]);
    }
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

struct Trace {
    reading: Reading,
    /// What was read last, under whatever name it is now.
    position: Option<Position>,
    open: Option<OpenTrace>,
    unreachable: Option<String>,
}

struct OpenTrace {
    file: File,
    /// Device and inode: a file that took its place has another.
    identity: (u64, u64),
}

/// What a look found, and whether another one at once would find more.
#[derive(Default)]
struct Looked {
    events: Vec<StreamEvent>,
    more: bool,
}

impl Trace {
    fn new(reading: Reading) -> Self {
        let position = reading.position.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
        Self { reading, position, open: None, unreachable: None }
    }

    /// What was read is read again, in the same epoch.
    fn forget(&mut self) {
        (self.open, self.position) = (None, None);
    }

    fn look(&mut self) -> Looked {
        let mut looked = Looked::default();
        if let Err(error) = self.look_into(&mut looked) {
            let was_open = self.open.take().is_some();
            let reason = match error.kind() {
                io::ErrorKind::NotFound => "it is not there".to_owned(),
                _ => error.to_string(),
            };
            let place = self.reading.file.display().to_string();
            let remedy = Some("it is read on as soon as it is there and can be read".to_owned());
            if was_open {
                looked.events.push(StreamEvent::Closed { place, reason: reason.clone(), remedy });
            } else if self.unreachable.as_ref() != Some(&reason) {
                looked.events.push(StreamEvent::Unreachable { place, reason: reason.clone(), remedy });
            }
            self.unreachable = Some(reason);
        }
        looked
    }

    fn look_into(&mut self, looked: &mut Looked) -> io::Result<()> {
        let metadata = std::fs::metadata(&self.reading.file)?;
        let identity = identity(&metadata);
        let read = self.position.as_ref().map_or(0, |position| position.offset);
        match &self.open {
            Some(open) if open.identity == identity && metadata.len() >= read => {}
            Some(open) if open.identity != identity => {
                // What was written to the old one before it was replaced can still be read.
                if self.read_on(looked)? {
                    looked.more = true;
                    return Ok(());
                }
                self.open = None;
            }
            Some(_) => {
                let text = format!("it was cut from at least {read} to {} bytes", metadata.len());
                looked.events.push(StreamEvent::Replaced { text });
                self.open = None;
            }
            None => {}
        }
        if self.open.is_none() && !self.open_it(identity, looked)? {
            return Ok(());
        }
        looked.more = self.read_on(looked)?;
        Ok(())
    }

    /// Opens the file and finds out whether it is what was read before; `false` while its first line is not complete.
    fn open_it(&mut self, identity: (u64, u64), looked: &mut Looked) -> io::Result<bool> {
        let mut file = File::open(&self.reading.file)?;
        let mut head = vec![0; HEAD];
        let length = read_full(&mut file, &mut head)?;
        let head = head.get(..length).unwrap_or_default();
        let end = head.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let Some(first) = end.or((length == HEAD).then_some(HEAD)).and_then(|end| head.get(..end)) else {
            return Ok(false);
        };
        let head = digest(&[first]);
        let known = self.position.take().filter(|position| position.head == head);
        let (position, origin) = match known {
            Some(known) if self.holds(&mut file, &known)? => (known, Origin::TraceResumed),
            Some(other) => (Position::start(head, other.generation + 1), Origin::TraceStart),
            None => (Position::start(head, 0), Origin::TraceStart),
        };
        looked.events.push(StreamEvent::Opened {
            place: self.reading.file.display().to_string(),
            epoch: position.epoch(),
            mode: self.reading.mode,
            origin,
        });
        file.seek(SeekFrom::Start(position.offset))?;
        self.position = Some(position);
        self.open = Some(OpenTrace { file, identity });
        self.unreachable = None;
        Ok(true)
    }

    /// Whether the file begins with everything that was read up to `known`.
    fn holds(&self, file: &mut File, known: &Position) -> io::Result<bool> {
        file.seek(SeekFrom::Start(0))?;
        let mut again = Position::start(known.head.clone(), known.generation);
        let mut buffer = vec![0; PIECE];
        let mut filled = 0;
        while again.offset < known.offset {
            filled += read_full(file, buffer.get_mut(filled..).unwrap_or_default())?;
            let mut used = 0;
            while again.offset < known.offset {
                let Some(line) = next_line(buffer.get(used..filled).unwrap_or_default()) else { break };
                again.advance(line);
                used += line.len();
            }
            if used == 0 {
                return Ok(false);
            }
            buffer.copy_within(used..filled, 0);
            filled -= used;
        }
        Ok(again.offset == known.offset && again.chain == known.chain)
    }

    /// Reads the next whole lines, at most a piece; whether there may be more.
    fn read_on(&mut self, looked: &mut Looked) -> io::Result<bool> {
        let (Some(open), Some(position)) = (&mut self.open, &mut self.position) else { return Ok(false) };
        let mut buffer = vec![0; PIECE];
        open.file.seek(SeekFrom::Start(position.offset))?;
        let filled = read_full(&mut open.file, &mut buffer)?;
        let offset = position.given;
        let mut pieces: Vec<Piece> = Vec::new();
        let mut used = 0;
        while let Some(line) = next_line(buffer.get(used..filled).unwrap_or_default()) {
            used += line.len();
            position.advance(line);
            match self.reading.format {
                TraceFormat::Lines => {
                    let stamped = stamp(line, &self.reading.time_zone);
                    let (at, content) = stamped.map_or((position.at, line), |(at, content)| (Some(at), content));
                    position.at = at;
                    add(&mut pieces, self.reading.direction, at.unwrap_or(Timestamp::UNIX_EPOCH), content);
                    position.given += content.len() as u64;
                }
                // What is no piece is for people, or told by the file's own end.
                TraceFormat::Capture => Reader::default().feed(line, |_, entry| {
                    if let Ok(Entry::Chunk(chunk)) = entry {
                        add(&mut pieces, direction(chunk.direction), chunk.at, &chunk.bytes);
                        position.given += chunk.bytes.len() as u64;
                    }
                }),
            }
        }
        if !pieces.is_empty() {
            let position = serde_json::to_vec(position).ok();
            looked.events.push(StreamEvent::Bytes { offset, pieces, position });
        }
        Ok(used > 0 && filled == PIECE)
    }
}

/// Adds bytes to what was read at the same time in the same direction.
fn add(pieces: &mut Vec<Piece>, direction: Direction, at: Timestamp, bytes: &[u8]) {
    match pieces.last_mut().filter(|last| last.at == at && last.direction == direction) {
        Some(last) => last.bytes.extend_from_slice(bytes),
        None => pieces.push(Piece { direction, at, bytes: bytes.to_vec() }),
    }
}

/// The next line with its end; all of `bytes` where a line is longer than a piece.
fn next_line(bytes: &[u8]) -> Option<&[u8]> {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => bytes.get(..=end),
        None if bytes.len() == PIECE => Some(bytes),
        None => None,
    }
}

fn read_full(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> (u64, u64) {
    (0, 0)
}
