//! Records what comes over a line into files of a folder, beside the way to the driver.
//!
//! The writing is done on a thread of its own: a slow disk delays no byte on its way to the journal. What the thread
//! cannot take is not recorded, and the recording says so.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use instrument_proto::codec::capture::{
    Direction as Way, Header, Note, NoteKind, VERSION, write_chunk, write_comment, write_header, write_note,
};
use jiff::Timestamp;

use crate::config::streams::CaptureSettings;
use crate::driver::Direction;

/// Pieces that wait for the thread.
const WAITING: usize = 512;

/// After a failure the next try comes after this long, so that a full disk does not fill the log.
const AGAIN: Duration = Duration::from_secs(60);

/// What happened on the line.
#[derive(Debug)]
pub(super) enum Happening {
    Note { at: Timestamp, kind: NoteKind, text: String },
    Bytes { at: Timestamp, direction: Direction, offset: u64, bytes: Vec<u8> },
}

/// The line's side of a recording.
#[derive(Debug)]
pub(super) struct Recorder {
    sender: SyncSender<(Happening, u64)>,
    missed: u64,
}

impl Recorder {
    /// Starts a recording of the line `link` of `device`.
    pub(super) fn start(settings: CaptureSettings, device: &str, link: &str) -> Option<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let header = Header { version: VERSION, device: device.to_owned(), link: link.to_owned() };
        let files = Files { settings, header, open: None, failed: None };
        let thread = std::thread::Builder::new().name("recorder".to_owned()).spawn(move || files.record(&receiver));
        if let Err(error) = thread {
            tracing::error!(%device, %error, "The recording of a line could not be started.");
            return None;
        }
        Some(Self { sender, missed: 0 })
    }

    pub(super) fn record(&mut self, happening: Happening) {
        match self.sender.try_send((happening, self.missed)) {
            Ok(()) => self.missed = 0,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.missed += 1,
        }
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
    fn record(mut self, happenings: &Receiver<(Happening, u64)>) {
        let mut text = Vec::new();
        while let Ok(first) = happenings.recv() {
            text.clear();
            let mut next = Some(first);
            // Everything that waits goes in one write; a write is at most as large as what can wait.
            while let Some((happening, missed)) = next {
                if missed > 0 {
                    write_comment(&mut text, &format!("{missed} pieces are missing here: the disk was too slow"));
                }
                write(&mut text, &happening);
                next = happenings.try_recv().ok();
            }
            if self.failed.is_some_and(|at| at.elapsed() < AGAIN) {
                continue;
            }
            if let Err(error) = self.append(&text) {
                let folder = self.settings.folder.display().to_string();
                tracing::warn!(device = %self.header.device, %folder, %error, "A line cannot be recorded.");
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

fn write(text: &mut Vec<u8>, happening: &Happening) {
    match happening {
        Happening::Note { at, kind, text: why } => {
            write_note(text, &Note { at: *at, source: None, kind: *kind, text: why.clone() });
        }
        Happening::Bytes { at, direction, offset, bytes } => {
            write_chunk(text, *at, way(*direction), None, *offset, bytes);
        }
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
