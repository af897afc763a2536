//! The file that is recorded into, and how much is in it.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use instrument_proto::codec::capture::{
    Direction as Way, Header, Note, NoteKind, VERSION, write_chunk, write_comment, write_header, write_note,
};
use jiff::Timestamp;

use super::source::Said;
use crate::decode::replay::member_name;
use crate::driver::SourceKind;
use crate::event::DeviceId;
use crate::link::files::LinkEvent;
use crate::link::recorder::{Happening, way};
use crate::link::stream::StreamEvent;

/// The file, and how much is in it.
pub(super) struct Recording {
    file: File,
    text: Vec<u8>,
    bytes: u64,
    pieces: u64,
    connection: String,
    bar: ProgressBar,
}

impl Recording {
    pub fn new(file: File, device: &DeviceId, link: &str) -> anyhow::Result<Self> {
        let mut text = Vec::new();
        let header = Header { version: VERSION, device: device.to_string(), link: link.to_owned() };
        write_header(&mut text, &header);
        let bar = match std::io::stderr().is_terminal() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        let mut recording =
            Self { file, text, bytes: 0, pieces: 0, connection: "waiting for the link".to_owned(), bar };
        recording.write()?;
        Ok(recording)
    }

    pub fn show(&self) {
        self.bar.set_message(format!("{}: {} in {} pieces", self.connection, HumanBytes(self.bytes), self.pieces));
        self.bar.tick();
    }

    fn write(&mut self) -> anyhow::Result<()> {
        self.file.write_all(&self.text).context("the recording cannot be written")?;
        self.text.clear();
        Ok(())
    }

    /// Ends it; says what is in it.
    pub fn end(&self) -> String {
        self.bar.finish_and_clear();
        format!("{} in {} pieces recorded", HumanBytes(self.bytes), self.pieces)
    }

    pub fn record(&mut self, said: Said) -> anyhow::Result<()> {
        match said {
            Said::Stream(event) => self.stream(event),
            Said::Files(event) => self.files(event),
            Said::Passed(happening, text) => {
                if let Happening::Bytes { bytes, .. } = happening {
                    self.bytes += bytes.len() as u64;
                    self.pieces += 1;
                }
                self.text.extend_from_slice(&text);
            }
            Said::Connection(text) => self.connected(text),
        }
        self.write()
    }

    fn connected(&mut self, text: String) {
        if !self.bar.is_hidden() || self.connection != text {
            self.bar.suspend(|| eprintln!("{text}"));
        }
        self.connection = text;
    }

    fn note(&mut self, source: Option<&str>, kind: NoteKind, text: &str) {
        let (at, source) = (Timestamp::now(), source.map(str::to_owned));
        write_note(&mut self.text, &Note { at, source, kind, text: text.to_owned() });
    }

    fn chunk(&mut self, at: Timestamp, direction: Way, source: Option<&str>, offset: u64, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.pieces += 1;
        write_chunk(&mut self.text, at, direction, source, offset, bytes);
    }

    fn stream(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Opened { place, epoch, .. } => {
                self.note(None, NoteKind::Opened, &epoch);
                self.connected(format!("{place} is open"));
            }
            StreamEvent::Bytes { mut offset, pieces, .. } => {
                for piece in pieces {
                    self.chunk(piece.at, way(piece.direction), None, offset, &piece.bytes);
                    offset += piece.bytes.len() as u64;
                }
            }
            StreamEvent::Lost { bytes, .. } => self.note(None, NoteKind::Lost, &format!("{bytes} bytes")),
            StreamEvent::Closed { place, reason, .. } => {
                self.note(None, NoteKind::Closed, &reason);
                self.connected(format!("{place}: {reason}"));
            }
            StreamEvent::Unreachable { place, reason, .. } => self.connected(format!("{place}: {reason}")),
            StreamEvent::Replaced { text } => self.note(None, NoteKind::Lost, &text),
            StreamEvent::Worklist { .. } | StreamEvent::WorklistUnreadable { .. } => {}
        }
    }

    fn files(&mut self, event: LinkEvent) {
        let (now, way) = (Timestamp::now(), Way::FromInstrument);
        match event {
            LinkEvent::Connected { place } => self.connected(format!("{place} can be read")),
            LinkEvent::Disconnected { place, reason, .. } => self.connected(format!("{place}: {reason}")),
            LinkEvent::Opened { source, kind, resume: false, .. } => {
                let kind = match kind {
                    SourceKind::Table => "table",
                    SourceKind::Export => "export",
                    SourceKind::Parts => "parts",
                };
                self.note(Some(&source), NoteKind::Opened, kind);
            }
            LinkEvent::Member { source, name, bytes, .. } => {
                self.chunk(now, way, Some(&member_name(&source, &name)), 0, &bytes);
            }
            LinkEvent::Head { source, bytes, .. } => self.chunk(now, way, Some(&member_name(&source, "")), 0, &bytes),
            LinkEvent::Bytes { source, offset, bytes, .. } => self.chunk(now, way, Some(&source), offset, &bytes),
            LinkEvent::Ended { source, .. } => self.note(Some(&source), NoteKind::Closed, "ended"),
            LinkEvent::Settled { source, .. } => self.note(Some(&source), NoteKind::Closed, "settled"),
            LinkEvent::Gone { source } => self.note(Some(&source), NoteKind::Closed, "gone"),
            LinkEvent::Renamed { from, to, .. } => {
                write_comment(
                    &mut self.text,
                    &format!("{from} is called {to} now; it is recorded from its start again"),
                );
                self.note(Some(&from), NoteKind::Closed, "gone");
            }
            LinkEvent::Gap { source, text, .. } => self.note(Some(&source), NoteKind::Lost, &text),
            LinkEvent::Trouble { text, .. } => write_comment(&mut self.text, &text),
            LinkEvent::Opened { resume: true, .. } | LinkEvent::Baseline(_) | LinkEvent::TroubleOver { .. } => {}
        }
    }
}
