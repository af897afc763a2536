//! A folder of files.

use std::collections::BTreeSet;

use instrument_proto::codec::capture::{Chunk, Note, NoteKind};

use super::stage::Stage;
use super::{Follow, MEMBER};
use crate::driver::{FileInput, Input, SourceKind, SourceName};

#[derive(Default)]
pub(super) struct Folder {
    /// The sources that are open.
    opened: BTreeSet<SourceName>,
    /// A member of a source as far as it has come.
    member: Option<(SourceName, String, Vec<u8>)>,
}

impl Folder {
    /// Gives a member to the driver, once all of it is there; one without a name is a rewritten head.
    fn end_member(&mut self, stage: &mut Stage<'_>) {
        let Some((source, name, bytes)) = self.member.take() else { return };
        let input = match name.is_empty() {
            true => FileInput::Head(&bytes),
            false => FileInput::Member { name: &name, bytes: &bytes },
        };
        stage.input(Input::File(&source, input), stage.last);
    }
}

impl Follow for Folder {
    /// A piece of a file, or of a member beside it.
    fn chunk(&mut self, _: u64, chunk: Chunk, stage: &mut Stage<'_>) {
        let name = chunk.source.unwrap_or_default();
        let member = name.rsplit_once(MEMBER).filter(|(source, _)| self.opened.contains(*source));
        if let Some((source, member)) = member {
            match &mut self.member {
                Some((other, same, bytes)) if **other == *source && same == member && chunk.offset > 0 => {
                    bytes.extend_from_slice(&chunk.bytes);
                }
                _ => {
                    self.end_member(stage);
                    self.member = Some((source.into(), member.to_owned(), chunk.bytes));
                }
            }
            return;
        }
        self.end_member(stage);
        let source: SourceName = name.into();
        let input = FileInput::Bytes { offset: chunk.offset, bytes: &chunk.bytes };
        stage.input(Input::File(&source, input), chunk.at);
    }

    fn note(&mut self, _: u64, note: &Note, stage: &mut Stage<'_>) {
        self.end_member(stage);
        let source: SourceName = note.source.clone().unwrap_or_default().into();
        let input = match (note.kind, note.text.as_str()) {
            (NoteKind::Opened, kind) => {
                stage.replayed.openings += 1;
                self.opened.insert(source.clone());
                let kind = match kind {
                    "export" => SourceKind::Export,
                    "parts" => SourceKind::Parts,
                    _ => SourceKind::Table,
                };
                FileInput::Opened { kind, snapshot: &[] }
            }
            (NoteKind::Closed, "ended") => FileInput::Ended,
            (NoteKind::Closed, "settled") => FileInput::Settled,
            (NoteKind::Closed, _) => {
                self.opened.remove(&source);
                FileInput::Gone
            }
            (NoteKind::Lost, text) => {
                stage.replayed.losses.push(format!("{source}: {text}"));
                return;
            }
        };
        stage.input(Input::File(&source, input), note.at);
    }

    fn end(&mut self, stage: &mut Stage<'_>) {
        self.end_member(stage);
    }
}
