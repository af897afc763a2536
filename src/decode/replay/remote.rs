//! The remote interface of a BioLector XT.

use std::collections::BTreeMap;

use instrument_proto::codec::capture::{Chunk, Note, NoteKind};
use jiff::Timestamp;

use super::Follow;
use super::messages::{Messages, Whole, call};
use super::stage::Stage;
use crate::driver::biolector_xt::{Ask, GRPC, Heard, XtInput};
use crate::driver::{Input, Request};
use crate::link::biolector_xt::recorded::{self, DOWNLOAD, Recorded};
use crate::link::biolector_xt::{Piece, XtEvent};

/// Downloads that are kept until the link says how they went.
const DOWNLOADS: usize = 8;

pub(super) struct Remote {
    messages: Messages,
    max_download: u64,
    is_open: bool,
    /// Why the last opening ended, where the daemon was there.
    cut: Option<String>,
    /// Experiments' files by the number of their call.
    downloads: BTreeMap<u64, Download>,
    /// Whether an experiment was finished when the driver asked for its file.
    asked: BTreeMap<String, bool>,
    /// The highest number of a call since the daemon was started; 0 before the first.
    last_call: u64,
    /// The same when the link was closed last: what comes of those calls afterwards nobody took.
    closed_call: u64,
}

#[derive(Debug, Default)]
struct Download {
    experiment: String,
    bytes: Vec<u8>,
    is_whole: bool,
}

impl Remote {
    pub fn new(max_download: u64) -> Self {
        Self {
            messages: Messages::default(),
            max_download,
            is_open: false,
            cut: None,
            downloads: BTreeMap::new(),
            asked: BTreeMap::new(),
            last_call: 0,
            closed_call: 0,
        }
    }

    fn open(&mut self, epoch: &str, at: Timestamp, stage: &mut Stage<'_>) {
        stage.replayed.openings += 1;
        if self.is_open {
            // Nobody said that it was closed: the daemon was killed.
            self.restart(stage);
        }
        self.is_open = true;
        let (snapshot, cut) = (stage.snapshot(&GRPC.into()), self.cut.take());
        self.give(XtInput::Opened { epoch, snapshot: &snapshot, cut: cut.as_deref() }, at, stage);
    }

    fn restart(&mut self, stage: &mut Stage<'_>) {
        stage.restart();
        (self.is_open, self.cut) = (false, None);
        (self.last_call, self.closed_call) = (0, 0);
        self.downloads.clear();
        self.asked.clear();
    }

    fn give(&mut self, input: XtInput<'_>, at: Timestamp, stage: &mut Stage<'_>) {
        for request in stage.input(Input::Xt(input), at) {
            if let Request::Ask(Ask::Download { experiment, is_finished }) = request {
                self.asked.insert(experiment, is_finished);
            }
        }
    }

    fn message(&mut self, line: u64, message: Whole, stage: &mut Stage<'_>) {
        let Whole { at, call, method, came, bytes } = message;
        if call == 1 && !came && self.last_call > 0 {
            // Each daemon counts from the beginning.
            self.restart(stage);
        }
        self.last_call = self.last_call.max(call);
        if !came {
            if let Some(experiment) = recorded::asked_for(&bytes).filter(|_| method == DOWNLOAD) {
                if self.downloads.len() >= DOWNLOADS {
                    self.downloads.pop_first();
                }
                self.downloads.insert(call, Download { experiment, ..Download::default() });
            }
            return;
        }
        match recorded::read(&method, &bytes) {
            Err(error) => {
                stage.replayed.passed_over += 1;
                stage.replayed.mistake(line, &format!("no message of {method}: {error}"));
            }
            Ok(Recorded::Chunk(bytes)) => {
                let download = self.downloads.get_mut(&call);
                let fits = |d: &&mut Download| (d.bytes.len() + bytes.len()) as u64 <= self.max_download;
                if let Some(download) = download.filter(fits) {
                    download.bytes.extend_from_slice(&bytes);
                }
            }
            Ok(Recorded::Other) => {}
            Ok(Recorded::Said(XtEvent::Heard(update))) => {
                if !self.is_open && call > self.closed_call {
                    // A capture that was cut out of a longer one: its opening follows from its content.
                    self.open(&format!("capture-{}", at.as_microsecond()), at, stage);
                }
                if self.is_open {
                    self.give(XtInput::Heard(&[Heard { at, update }]), at, stage);
                }
            }
            Ok(Recorded::Said(answer)) => {
                if let Some(input) = answer.as_answer().filter(|_| self.is_open) {
                    self.give(input, at, stage);
                }
            }
        }
    }

    /// A download is over: its file is read as the link read it.
    fn downloaded(&mut self, said: &str, at: Timestamp, stage: &mut Stage<'_>) {
        let told = |experiment: &str| {
            let rest = said.strip_prefix(experiment)?;
            if rest.is_empty() { Some(None) } else { rest.strip_prefix(": ").map(Some) }
        };
        let found = self.downloads.iter().rev().find_map(|(call, one)| Some((*call, told(&one.experiment)?)));
        let Some((download, reason)) = found.and_then(|(call, why)| Some((self.downloads.remove(&call)?, why))) else {
            stage.replayed.losses.push(format!("{at}: an experiment's file was asked for before the capture: {said}"));
            return;
        };
        let Download { experiment, bytes, is_whole } = download;
        let is_finished = self.asked.remove(&experiment).unwrap_or(true);
        let mut outcome = reason.map_or(Ok(()), |reason| Err(reason.to_owned()));
        if is_whole && !bytes.is_empty() {
            let mut refusal = None;
            let mut give = |source: &_, piece: Piece| {
                stage.handle(Input::File(source, piece.input()), at);
                stage.effects.snapshots.clear();
                stage.effects.timers.clear();
                if let Some((_, refused)) = stage.effects.refused.drain(..).next_back() {
                    refusal = Some(refused.to_string());
                }
                stage.settle(at);
            };
            let read = recorded::read_file(&bytes, &experiment, is_finished, &mut give);
            outcome = outcome.and(read).and(refusal.map_or(Ok(()), Err));
        } else if outcome.is_ok() {
            outcome = Err("the capture does not hold all of it".to_owned());
        }
        let outcome = outcome.as_ref().copied().map_err(String::as_str);
        self.give(XtInput::Downloaded { experiment: &experiment, outcome }, at, stage);
    }
}

impl Follow for Remote {
    fn chunk(&mut self, line: u64, chunk: Chunk, stage: &mut Stage<'_>) {
        let message = self.messages.take(chunk);
        stage.replayed.passed_over += self.messages.passed_over();
        if let Some(message) = message {
            self.message(line, message, stage);
        }
    }

    fn note(&mut self, _: u64, note: &Note, stage: &mut Stage<'_>) {
        self.unreadable(stage);
        match (note.source.as_deref(), note.kind) {
            (_, NoteKind::Lost) => stage.replayed.losses.push(format!("{}: {}", note.at, note.text)),
            (None, NoteKind::Opened) => self.open(&note.text, note.at, stage),
            (None, NoteKind::Closed) => {
                // What could not be reached was not open.
                self.closed_call = self.last_call;
                if std::mem::take(&mut self.is_open) {
                    self.cut = Some(note.text.clone());
                    self.give(XtInput::Closed, note.at, stage);
                }
            }
            (Some(DOWNLOAD), NoteKind::Closed) => self.downloaded(&note.text, note.at, stage),
            (Some(source), NoteKind::Closed) => {
                let Some((number, _)) = call(source) else { return };
                self.messages.ended(number);
                let download = self.downloads.get_mut(&number);
                if let Some(download) = download.filter(|_| note.text == "Ok") {
                    download.is_whole = true;
                }
            }
            (Some(_), NoteKind::Opened) => {}
        }
    }

    fn unreadable(&mut self, stage: &mut Stage<'_>) {
        self.messages.interrupt();
        stage.replayed.passed_over += self.messages.passed_over();
    }

    fn end(&mut self, stage: &mut Stage<'_>) {
        self.unreadable(stage);
    }
}
