//! A device service.

use instrument_proto::codec::capture::{Chunk, Note, NoteKind};
use jiff::Timestamp;

use super::Follow;
use super::messages::{Messages, call};
use super::stage::Stage;
use crate::driver::service::{ServiceInput, Wanted};
use crate::driver::{Input, SourceName};
use crate::link::device_service::LINK;
use crate::link::device_service::recorded::{self, Said};

pub(super) struct Service {
    source: SourceName,
    messages: Messages,
    reader: recorded::Messages,
    is_open: bool,
}

impl Service {
    pub fn new(wanted: Wanted) -> Self {
        let (messages, reader) = (Messages::default(), recorded::Messages::new(wanted));
        Self { source: LINK.into(), messages, reader, is_open: false }
    }

    fn open(&mut self, at: Timestamp, stage: &mut Stage<'_>) {
        stage.replayed.openings += 1;
        self.is_open = true;
        let snapshot = stage.snapshot(&self.source);
        stage.input(Input::Service(&self.source, ServiceInput::Opened { snapshot: &snapshot }), at);
    }
}

impl Follow for Service {
    fn chunk(&mut self, line: u64, chunk: Chunk, stage: &mut Stage<'_>) {
        let message = self.messages.take(chunk);
        stage.replayed.passed_over += self.messages.passed_over();
        let Some(message) = message.filter(|message| message.came) else { return };
        let Said { values, events } = match self.reader.read(&message.method, &message.bytes) {
            Ok(said) => said,
            Err(error) => {
                stage.replayed.passed_over += 1;
                return stage.replayed.mistake(line, &format!("no message of {}: {error}", message.method));
            }
        };
        if values.is_empty() && events.is_empty() {
            return;
        }
        if !self.is_open {
            // A capture that was cut out of a longer one.
            self.open(message.at, stage);
        }
        for (node, value) in &values {
            stage.input(Input::Service(&self.source, ServiceInput::Value { node, value }), message.at);
        }
        for notice in &events {
            stage.input(Input::Service(&self.source, ServiceInput::Event(notice.happened())), message.at);
        }
    }

    fn note(&mut self, _: u64, note: &Note, stage: &mut Stage<'_>) {
        self.messages.interrupt();
        stage.replayed.passed_over += self.messages.passed_over();
        // How a single call ended concerns the link alone.
        if let Some((number, _)) = note.source.as_deref().and_then(call).filter(|_| note.kind == NoteKind::Closed) {
            return self.messages.ended(number);
        }
        let reason = note.text.as_str();
        match note.kind {
            NoteKind::Opened => self.open(note.at, stage),
            NoteKind::Closed => {
                self.is_open = false;
                stage.input(Input::Service(&self.source, ServiceInput::Closed { reason }), note.at);
            }
            NoteKind::Lost => {
                stage.replayed.losses.push(format!("{}: {reason}", note.at));
                stage.input(Input::Service(&self.source, ServiceInput::Lost { reason }), note.at);
            }
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
