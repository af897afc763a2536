//! Looks at file sets.

use std::collections::BTreeSet;

use instrument_proto::codec::capture::{Chunk, MAX_CHUNK, Note, NoteKind};
use jiff::Timestamp;

use super::Follow;
use super::stage::Stage;
use crate::driver::Input;
use crate::driver::set::{SetInput, SetName};
use crate::link::filesets::recorded::{AGAIN, Line, RENAMED};

#[derive(Default)]
pub(super) struct Sets {
    /// The sets that are open.
    opened: BTreeSet<SetName>,
    /// What was found of a set, as far as it has come.
    part: Option<Chunk>,
}

impl Sets {
    fn open(&mut self, set: &SetName, is_known: bool, at: Timestamp, stage: &mut Stage<'_>) {
        stage.replayed.openings += 1;
        self.opened.insert(set.clone());
        let snapshot = if is_known { stage.snapshot(set) } else { Vec::new() };
        stage.input(Input::Set(set, SetInput::Opened { snapshot: &snapshot }), at);
    }

    fn interrupt(&mut self, stage: &mut Stage<'_>) {
        stage.replayed.passed_over += u64::from(self.part.take().is_some());
    }
}

impl Follow for Sets {
    fn chunk(&mut self, line: u64, chunk: Chunk, stage: &mut Stage<'_>) {
        let is_last = chunk.bytes.len() < MAX_CHUNK || chunk.bytes.last() == Some(&b'}');
        let all = match self.part.take() {
            Some(mut part)
                if chunk.offset > 0
                    && usize::try_from(chunk.offset) == Ok(part.bytes.len())
                    && chunk.source == part.source =>
            {
                part.bytes.extend_from_slice(&chunk.bytes);
                part
            }
            before => {
                stage.replayed.passed_over += u64::from(before.is_some());
                if chunk.offset > 0 {
                    stage.replayed.passed_over += u64::from(before.is_none());
                    return;
                }
                chunk
            }
        };
        if !is_last {
            self.part = Some(all);
            return;
        }
        match serde_json::from_slice::<Line>(&all.bytes) {
            Ok(found) => {
                let set: SetName = all.source.unwrap_or_default().into();
                if !self.opened.contains(&set) {
                    // A capture that was cut out of a longer one.
                    self.open(&set, true, all.at, stage);
                }
                stage.input(Input::Set(&set, found.input()), all.at);
            }
            Err(error) if error.is_eof() => self.part = Some(all),
            Err(error) => {
                stage.replayed.passed_over += 1;
                stage.replayed.mistake(line, &format!("nothing that is said of a set: {error}"));
            }
        }
    }

    fn note(&mut self, _: u64, note: &Note, stage: &mut Stage<'_>) {
        self.interrupt(stage);
        let set: SetName = note.source.clone().unwrap_or_default().into();
        match note.kind {
            NoteKind::Opened => self.open(&set, note.text == AGAIN, note.at, stage),
            NoteKind::Closed => {
                self.opened.remove(&set);
                stage.input(Input::Set(&set, SetInput::Closed), note.at);
                match note.text.strip_prefix(RENAMED) {
                    Some(name) => stage.rename(&set, name.into()),
                    None if note.text.ends_with("gone") => stage.forget(&set),
                    None => {}
                }
            }
            NoteKind::Lost => stage.replayed.losses.push(format!("{set}: {}", note.text)),
        }
    }

    fn unreadable(&mut self, stage: &mut Stage<'_>) {
        self.interrupt(stage);
    }

    fn end(&mut self, stage: &mut Stage<'_>) {
        self.interrupt(stage);
    }
}
