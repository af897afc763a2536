//! Decoding offline: a file, zip or folder into the events that the daemon would publish for it.

pub mod replay;
mod sets;
mod summary;
mod transfers;

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;

use crate::driver::{Driver, Effects, FolderLayout, Input, Refusal, SourceName};
use crate::event::envelope::Origin;
use crate::event::{Ingest, Prepared};
use crate::link::files::{ReadError, read_once};

pub use sets::{Verdicts, decode_sets};
pub use summary::Summary;

/// Why nothing more was decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The input cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What came out cannot be written.
    #[error("cannot write the events: {0}")]
    Write(#[source] io::Error),
    /// A source is not of the profile, or is no raw file.
    #[error("{source_name}: {refusal}")]
    Refused {
        /// The source.
        source_name: SourceName,
        /// Why.
        refusal: Refusal,
    },
}

/// Reads what is at `path` once, whose files are what `layout` says, and writes each event as a line of JSON to `out`. `progress` is told the bytes read
/// and all bytes.
///
/// In a folder, a source that is refused is named in the summary and the others are decoded; a single file that is
/// refused is an error.
pub fn decode(
    path: &Path,
    layout: FolderLayout,
    mut driver: Box<dyn Driver>,
    origin: Origin,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Summary, DecodeError> {
    let mut summary = Summary::default();
    let mut effects = Effects::default();
    let mut failed = None;
    let single = !path.is_dir();
    let mut origin = Origin { ingest: Ingest::Backfill, ..origin };
    read_once(path, layout, &mut |piece| {
        effects.clear();
        driver.handle(Input::File(piece.source, piece.input), Timestamp::UNIX_EPOCH, &mut effects);
        progress(piece.done, piece.total);
        if origin.position.as_ref() != Some(piece.source) {
            origin.position = Some(piece.source.clone());
        }
        for event in &effects.events {
            summary.count(event);
            let line = Prepared::new(event, &origin).render_offline();
            if let Err(error) = out.write_all(&line).and_then(|()| out.write_all(b"\n")) {
                failed = Some(DecodeError::Write(error));
                return ControlFlow::Break(());
            }
        }
        for (source, defect) in effects.defects.drain(..) {
            summary.defect(source, defect);
        }
        for (source, reason, text) in effects.gaps.drain(..) {
            summary.gap(&source, reason, &text);
        }
        for (source_name, refusal) in effects.refused.drain(..) {
            if single {
                failed = Some(DecodeError::Refused { source_name, refusal });
                return ControlFlow::Break(());
            }
            summary.refused.push((source_name, refusal));
        }
        ControlFlow::Continue(())
    })?;
    match failed {
        Some(error) => Err(error),
        None => out.flush().map(|()| summary).map_err(DecodeError::Write),
    }
}
