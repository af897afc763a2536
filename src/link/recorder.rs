//! Records what comes over a link, beside the way to the driver: into files of a folder, or for whoever asked.
//!
//! The writing is done on a thread of its own: a slow disk delays no byte on its way to the journal. What the thread
//! cannot take is not recorded, and the recording says so.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use instrument_proto::codec::capture::{
    Direction as Way, Header, Note, NoteKind, VERSION, write_chunk, write_comment, write_header, write_note,
};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::config::streams::CaptureSettings;
use crate::driver::Direction;

/// Pieces that wait for the thread.
const WAITING: usize = 512;

/// Their bytes; a single larger piece waits all the same.
const WAITING_BYTES: usize = 32 << 20;

/// After a failure the next try comes after this long, so that a full disk does not fill the log.
const AGAIN: Duration = Duration::from_secs(60);

/// What of a piece a person can read, for a remark above it; the source and the piece are given.
pub type Describe = fn(&str, Way, &[u8]) -> Option<String>;

/// What happened on the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Something happened to it.
    Note {
        /// When.
        at: Timestamp,
        /// The source, where the link has several.
        source: Option<Arc<str>>,
        /// What.
        kind: NoteKind,
        /// Why, or which opening it is.
        text: String,
    },
    /// Bytes came or went at once.
    Bytes {
        /// When.
        at: Timestamp,
        /// The source, where the link has several.
        source: Option<Arc<str>>,
        /// Which way.
        direction: Direction,
        /// Where they begin.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Something that only people need to know.
    Remark(String),
}

impl Happening {
    fn size(&self) -> usize {
        match self {
            Self::Bytes { bytes, .. } => bytes.len(),
            Self::Note { text, .. } | Self::Remark(text) => text.len(),
        }
    }
}

/// The time, to the microsecond: as a capture writes it, so that a replay gives the same.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// The link's side of a recording.
#[derive(Debug)]
pub struct Recorder {
    sender: mpsc::Sender<Waiting>,
    bytes: Arc<AtomicUsize>,
    missed: u64,
}

/// A happening, and how many before it found no room.
#[derive(Debug)]
struct Waiting {
    happening: Happening,
    missed: u64,
}

/// The other side of a recording: what waits to be written.
#[derive(Debug)]
pub struct Happenings {
    receiver: mpsc::Receiver<Waiting>,
    bytes: Arc<AtomicUsize>,
    describe: Option<Describe>,
}

impl Recorder {
    /// A recorder whose happenings come out beside it.
    pub fn new(describe: Option<Describe>) -> (Self, Happenings) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let bytes = Arc::new(AtomicUsize::new(0));
        (Self { sender, bytes: bytes.clone(), missed: 0 }, Happenings { receiver, bytes, describe })
    }

    /// Starts a recording of the link `link` of `device` into files.
    pub fn start(settings: CaptureSettings, device: &str, link: &str, describe: Option<Describe>) -> Option<Self> {
        let (recorder, happenings) = Self::new(describe);
        let header = Header { version: VERSION, device: device.to_owned(), link: link.to_owned() };
        let files = Files { settings, header, open: None, failed: None };
        let thread = std::thread::Builder::new().name("recorder".to_owned()).spawn(move || files.record(happenings));
        if let Err(error) = thread {
            tracing::error!(%device, %error, "The recording of a link could not be started.");
            return None;
        }
        Some(recorder)
    }

    /// Records it, if there is room; never waits.
    pub fn record(&mut self, happening: Happening) {
        let size = happening.size();
        let waiting = self.bytes.load(Ordering::Relaxed);
        if waiting > 0 && waiting + size > WAITING_BYTES {
            self.missed += 1;
            return;
        }
        self.bytes.fetch_add(size, Ordering::Relaxed);
        match self.sender.try_send(Waiting { happening, missed: self.missed }) {
            Ok(()) => self.missed = 0,
            Err(_) => {
                self.bytes.fetch_sub(size, Ordering::Relaxed);
                self.missed += 1;
            }
        }
    }
}

impl Happenings {
    /// What happened next, written at the end of `text`; gives it back. `None` when the link has ended.
    pub async fn next(&mut self, text: &mut Vec<u8>) -> Option<Happening> {
        let next = self.receiver.recv().await?;
        Some(self.take(next, text))
    }

    fn take(&self, waiting: Waiting, text: &mut Vec<u8>) -> Happening {
        let Waiting { happening, missed } = waiting;
        self.bytes.fetch_sub(happening.size(), Ordering::Relaxed);
        if missed > 0 {
            let why = format!("{missed} pieces are missing here: they came faster than they could be written");
            write_note(text, &Note { at: now(), source: None, kind: NoteKind::Lost, text: why });
        }
        match &happening {
            Happening::Note { at, source, kind, text: why } => {
                let source = source.as_deref().map(str::to_owned);
                write_note(text, &Note { at: *at, source, kind: *kind, text: why.clone() });
            }
            Happening::Bytes { at, source, direction, offset, bytes } => {
                let (source, way) = (source.as_deref(), way(*direction));
                if let Some(what) = self.describe.and_then(|describe| describe(source?, way, bytes)) {
                    write_comment(text, &what);
                }
                write_chunk(text, *at, way, source, *offset, bytes);
            }
            Happening::Remark(what) => write_comment(text, what),
        }
        happening
    }
}

/// The files of one recording.
struct Files {
    settings: CaptureSettings,
    header: Header,
    open: Option<(File, u64)>,
    failed: Option<Instant>,
}

impl Files {
    fn record(mut self, mut happenings: Happenings) {
        let mut text = Vec::new();
        while let Some(first) = happenings.receiver.blocking_recv() {
            text.clear();
            let mut next = Some(first);
            // Everything that waits goes in one write; a write is at most as large as what can wait.
            while let Some(waiting) = next {
                happenings.take(waiting, &mut text);
                next = happenings.receiver.try_recv().ok();
            }
            if self.failed.is_some_and(|at| at.elapsed() < AGAIN) {
                continue;
            }
            if let Err(error) = self.append(&text) {
                let folder = self.settings.folder.display().to_string();
                tracing::warn!(device = %self.header.device, %folder, %error, "A link cannot be recorded.");
                (self.open, self.failed) = (None, Some(Instant::now()));
            }
        }
    }

    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|(_, size)| *size >= self.settings.rotate_bytes) {
            self.open = Some(self.begin()?);
            self.drop_oldest()?;
        }
        if let Some((file, size)) = &mut self.open {
            file.write_all(text)?;
            *size += text.len() as u64;
        }
        self.failed = None;
        Ok(())
    }

    /// A new file, named by its device, link and time, so that names sort by age.
    fn begin(&self) -> io::Result<(File, u64)> {
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%S%6f").to_string();
        let path = self.settings.folder.join(format!("{}{time}.capture", self.prefix()));
        let mut file = File::create_new(path)?;
        let mut text = Vec::new();
        write_header(&mut text, &self.header);
        file.write_all(&text)?;
        Ok((file, text.len() as u64))
    }

    fn prefix(&self) -> String {
        format!("{}.{}.", self.header.device, self.header.link)
    }

    fn drop_oldest(&self) -> io::Result<()> {
        let prefix = self.prefix();
        let mut own: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(&self.settings.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(&prefix) && name.ends_with(".capture")) {
                own.push(entry.path());
            }
        }
        own.sort();
        let surplus = own.len().saturating_sub(self.settings.keep);
        own.iter().take(surplus).try_for_each(std::fs::remove_file)
    }
}

/// A direction as captures write it.
pub fn way(direction: Direction) -> Way {
    match direction {
        Direction::ToInstrument => Way::ToInstrument,
        Direction::FromInstrument => Way::FromInstrument,
        Direction::Either => Way::Unknown,
    }
}

/// A direction as captures write it, for drivers.
pub fn direction(way: Way) -> Direction {
    match way {
        Way::ToInstrument => Direction::ToInstrument,
        Way::FromInstrument => Direction::FromInstrument,
        Way::Unknown => Direction::Either,
    }
}
