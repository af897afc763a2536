//! Where what the link says goes: to the actor, and in the same order into the recording where there is one.

use std::sync::Arc;

use instrument_proto::codec::capture::NoteKind;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Told, XtEvent};
use crate::link::grpc::{Receipt, Tap};
use crate::link::recorder::{Happening, now};

/// The call whose end is told by [`XtEvent::Downloaded`].
pub const DOWNLOAD: &str = "DownloadExperiment";

/// Where events go.
#[derive(Debug, Clone)]
pub(super) struct Outlet {
    events: mpsc::Sender<Told>,
    pub stop: CancellationToken,
    tap: Option<Tap>,
}

/// Nobody receives any more.
#[derive(Debug)]
pub(super) struct Gone;

impl Outlet {
    pub fn new(events: mpsc::Sender<Told>, stop: CancellationToken, tap: Option<Tap>) -> Self {
        Self { events, stop, tap }
    }

    /// Tells it, waiting for room.
    pub async fn send(&self, event: XtEvent) -> Result<(), Gone> {
        self.take(&[], event).await
    }

    /// Tells what follows from what came with `receipts`, waiting for room.
    pub async fn take(&self, receipts: &[Receipt], event: XtEvent) -> Result<(), Gone> {
        let at = now();
        let room = self.events.reserve().await.map_err(|_| Gone)?;
        let Some(tap) = &self.tap else {
            room.send(Told { at, event });
            return Ok(());
        };
        let note = noted(&event).map(|(source, kind, text)| Happening::Note { at, source, kind, text });
        tap.take(at, receipts, note, || room.send(Told { at, event }));
        Ok(())
    }

    /// Tells it from a thread of its own.
    pub fn send_blocking(&self, event: XtEvent) -> Result<(), Gone> {
        self.events.blocking_send(Told { at: now(), event }).map_err(|_| Gone)
    }
}

/// What a recording says of it beside the messages.
fn noted(event: &XtEvent) -> Option<(Option<Arc<str>>, NoteKind, String)> {
    match event {
        XtEvent::Opened { epoch, .. } => Some((None, NoteKind::Opened, epoch.clone())),
        XtEvent::Closed { reason, .. } | XtEvent::Unreachable { reason, .. } => {
            Some((None, NoteKind::Closed, reason.clone()))
        }
        XtEvent::Downloaded { experiment, outcome } => {
            let why = outcome.as_ref().err().map(|reason| format!(": {reason}")).unwrap_or_default();
            Some((Some(DOWNLOAD.into()), NoteKind::Closed, format!("{experiment}{why}")))
        }
        _ => None,
    }
}
