//! An experiment's file: fetched into a bounded temporary file, and read like one that an operator dropped.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use instrument_proto::biolector_xt::client::BioLectorXtRemoteControlClient;
use instrument_proto::biolector_xt::file_chunk::Content;
use tempfile::NamedTempFile;
use tokio::sync::watch;
use tonic::Request;

use super::{Outlet, Piece, XtEvent};
use crate::driver::{FileInput, FolderLayout, SourceName};
use crate::link::files::read_once;
use crate::link::grpc::{Connection, Service};

/// How long the instrument may take for the next piece.
const PIECE: Duration = Duration::from_secs(30);

/// What is wanted.
pub(super) struct Wanted {
    pub experiment: String,
    pub is_finished: bool,
    /// The largest file that is taken, in bytes.
    pub most: u64,
    pub cover_moves: watch::Receiver<bool>,
}

/// Fetches and reads; says how it went at the end.
pub(super) async fn run(
    client: BioLectorXtRemoteControlClient<Service>,
    connection: Connection,
    mut wanted: Wanted,
    outlet: Outlet,
) {
    let outcome = match fetch(client, &connection, &mut wanted).await {
        Err(reason) => Err(reason),
        Ok(file) => {
            let (outlet, is_finished, id) = (outlet.clone(), wanted.is_finished, wanted.experiment.clone());
            let read = tokio::task::spawn_blocking(move || read(&file, &id, is_finished, &outlet));
            read.await.unwrap_or_else(|error| Err(error.to_string()))
        }
    };
    // Where nobody receives any more nobody asks.
    let _ = outlet.send(XtEvent::Downloaded { experiment: wanted.experiment, outcome }).await;
}

async fn fetch(
    mut client: BioLectorXtRemoteControlClient<Service>,
    connection: &Connection,
    wanted: &mut Wanted,
) -> Result<NamedTempFile, String> {
    let mut file = NamedTempFile::new().map_err(|error| format!("no temporary file can be made: {error}"))?;
    // Not bounded as a whole: each piece is.
    let request = Request::new(wanted.experiment.clone());
    let late = || format!("the instrument gave no further piece for {} s", PIECE.as_secs());
    let said = |status: &tonic::Status| connection.failure(status).to_string();
    let opening = tokio::time::timeout(PIECE, client.download_experiment(request)).await.map_err(|_| late())?;
    let mut pieces = opening.map_err(|status| said(&status))?.into_inner();
    let mut size = 0u64;
    loop {
        let next = tokio::select! {
            next = tokio::time::timeout(PIECE, pieces.message()) => next.map_err(|_| late())?,
            () = moves(&mut wanted.cover_moves), if !wanted.is_finished => {
                return Err("the cover began to move meanwhile".to_owned());
            }
        };
        let Some(piece) = next.map_err(|status| said(&status))? else { break };
        let Some(Content::ChunkData(bytes)) = piece.content else { continue };
        size += bytes.len() as u64;
        if size > wanted.most {
            return Err(format!(
                "it is larger than {} bytes, which is `max_download` in the profile's `live`",
                wanted.most
            ));
        }
        // A file in memory or on the machine's own disk; pieces are small.
        file.write_all(&bytes).map_err(|error| format!("the temporary file cannot be written: {error}"))?;
    }
    file.flush().map_err(|error| format!("the temporary file cannot be written: {error}"))?;
    if size == 0 {
        return Err("the instrument gave an empty file".to_owned());
    }
    Ok(file)
}

/// Until the cover moves; for ever where nobody tells any more.
async fn moves(cover: &mut watch::Receiver<bool>) {
    if cover.wait_for(|moves| *moves).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Gives the file's pieces to the actor, waiting while it is busy.
fn read(file: &NamedTempFile, experiment: &str, is_finished: bool, outlet: &Outlet) -> Result<(), String> {
    let mut give = |source: &SourceName, piece: Piece| {
        let event = XtEvent::File { source: source.clone(), piece };
        match outlet.stop.is_cancelled() || outlet.send_blocking(event).is_err() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    read_pieces(file, experiment, is_finished, &mut give)
}

/// The same of a recorded file.
pub(super) fn read_recorded(
    bytes: &[u8],
    experiment: &str,
    is_finished: bool,
    give: &mut dyn FnMut(&SourceName, Piece),
) -> Result<(), String> {
    let mut file = NamedTempFile::new().map_err(|error| format!("no temporary file can be made: {error}"))?;
    file.write_all(bytes).map_err(|error| format!("the temporary file cannot be written: {error}"))?;
    read_pieces(&file, experiment, is_finished, &mut |source, piece| {
        give(source, piece);
        ControlFlow::Continue(())
    })
}

fn read_pieces(
    file: &NamedTempFile,
    experiment: &str,
    is_finished: bool,
    give: &mut dyn FnMut(&SourceName, Piece) -> ControlFlow<()>,
) -> Result<(), String> {
    let mut magic = [0u8; 4];
    let mut start = file.reopen().map_err(|error| error.to_string())?;
    let is_zip = std::io::Read::read_exact(&mut start, &mut magic).is_ok() && magic.starts_with(b"PK");
    if !is_zip {
        return Err("what the instrument gave is no zip archive".to_owned());
    }
    let id = experiment.trim().trim_start_matches('{').trim_end_matches('}').to_ascii_lowercase();
    let source: SourceName = format!("experiment/{id}").into();
    let done = read_once(file.path(), FolderLayout::Results, &mut |event| match event.input {
        FileInput::Opened { .. } => give(&source, Piece::Opened),
        FileInput::Member { name, bytes } => {
            give(&source, Piece::Member { name: name.to_owned(), bytes: bytes.to_vec() })
        }
        FileInput::Bytes { offset, bytes } => give(&source, Piece::Bytes { offset, bytes: bytes.to_vec() }),
        // One that runs has no end yet, whatever is written in it.
        FileInput::Ended if is_finished => give(&source, Piece::Ended),
        FileInput::Ended | FileInput::Head(_) | FileInput::Settled | FileInput::Gone => ControlFlow::Continue(()),
    });
    let _ = give(&source, Piece::Gone);
    done.map_err(|error| error.to_string())
}
