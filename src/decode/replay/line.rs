//! A line.

use instrument_proto::codec::capture::{Chunk, Direction as Way, Note, NoteKind};
use jiff::Timestamp;

use super::Follow;
use super::stage::Stage;
use crate::driver::{Direction, Input, Mode, SourceName, StreamInput};
use crate::link::recorder::direction;

pub(super) struct Line {
    source: SourceName,
    mode: Mode,
    /// The opening that is being replayed.
    epoch: Option<String>,
}

impl Line {
    pub fn new(source: SourceName, mode: Mode) -> Self {
        Self { source, mode, epoch: None }
    }

    fn open(&mut self, epoch: String, at: Timestamp, stage: &mut Stage<'_>) {
        stage.replayed.openings += 1;
        stage.timers.clear();
        let input = StreamInput::Opened { epoch: &epoch, mode: self.mode, resumed: false, snapshot: &[] };
        stage.input(Input::Stream(&self.source, input), at);
        self.epoch = Some(epoch);
    }
}

impl Follow for Line {
    fn chunk(&mut self, _: u64, chunk: Chunk, stage: &mut Stage<'_>) {
        if self.epoch.is_none() {
            // A capture that was cut out of a longer one: its opening follows from its content.
            self.open(format!("capture-{}", chunk.at.as_microsecond()), chunk.at, stage);
        }
        // What a host wrote itself does not come back to it.
        if self.mode == Mode::Host && chunk.direction == Way::ToInstrument {
            return;
        }
        let direction: Direction = direction(chunk.direction);
        let Chunk { at, offset, bytes, .. } = &chunk;
        let input = StreamInput::Bytes { direction, at: *at, offset: *offset, bytes };
        stage.input(Input::Stream(&self.source, input), *at);
    }

    fn note(&mut self, _: u64, note: &Note, stage: &mut Stage<'_>) {
        match note.kind {
            NoteKind::Opened => {
                let epoch = match note.text.as_str() {
                    "" => format!("capture-{}", note.at.as_microsecond()),
                    epoch => epoch.to_owned(),
                };
                self.open(epoch, note.at, stage);
            }
            NoteKind::Closed => {
                stage.input(Input::Stream(&self.source, StreamInput::Closed { reason: &note.text }), note.at);
                self.epoch = None;
            }
            NoteKind::Lost => {
                stage.replayed.losses.push(format!("{}: {}", note.at, note.text));
                stage.input(Input::Stream(&self.source, StreamInput::Lost { reason: &note.text }), note.at);
            }
        }
    }

    fn unreadable(&mut self, stage: &mut Stage<'_>) {
        if self.epoch.is_some() {
            let input = StreamInput::Lost { reason: "the capture cannot be read here" };
            stage.input(Input::Stream(&self.source, input), stage.last);
        }
    }

    fn end(&mut self, stage: &mut Stage<'_>) {
        if self.epoch.take().is_some() {
            let input = StreamInput::Closed { reason: "the capture ends here" };
            stage.input(Input::Stream(&self.source, input), stage.last);
        }
    }
}
