//! The way from a stream link to its actor: bounded, and with everything that waits given at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::StreamEvent;

/// Bytes of a line that wait for the actor: at 115 200 baud some 90 seconds. Beyond it they are dropped, and that is
/// said.
pub(super) const LINE_BYTES: usize = 1 << 20;

/// Pieces that wait; each is at least what one read gave.
const PIECES: usize = 1024;

/// A source that can wait is not read while so much of it waits.
const WAITING_BYTES: usize = 256 << 10;

/// What is given to the actor at once holds at most this much: it becomes one commit.
pub(super) const PIECE: usize = 64 << 10;

/// The link's side.
#[derive(Debug)]
pub(super) struct Outlet {
    events: mpsc::Sender<StreamEvent>,
    held: Arc<AtomicUsize>,
}

/// The actor's side.
#[derive(Debug)]
pub struct Inlet {
    events: mpsc::Receiver<StreamEvent>,
    held: Arc<AtomicUsize>,
    next: Option<StreamEvent>,
}

/// Nobody receives any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

pub(super) fn channel() -> (Outlet, Inlet) {
    let (sender, events) = mpsc::channel(PIECES);
    let held = Arc::new(AtomicUsize::new(0));
    (Outlet { events: sender, held: held.clone() }, Inlet { events, held, next: None })
}

impl Outlet {
    /// Hands over what must not be dropped; waits for room.
    pub(super) async fn tell(&self, event: StreamEvent) -> Result<(), Gone> {
        self.held.fetch_add(size(&event), Ordering::Relaxed);
        self.events.send(event).await.map_err(|_| Gone)
    }

    /// Hands over bytes of a line, which does not wait: `false` where there is no room.
    pub(super) fn offer(&self, event: StreamEvent) -> Result<bool, Gone> {
        let size = size(&event);
        if self.held.load(Ordering::Relaxed) + size > LINE_BYTES {
            return if self.events.is_closed() { Err(Gone) } else { Ok(false) };
        }
        self.held.fetch_add(size, Ordering::Relaxed);
        match self.events.try_send(event) {
            Ok(()) => Ok(true),
            Err(TrySendError::Closed(_)) => Err(Gone),
            Err(TrySendError::Full(_)) => {
                self.held.fetch_sub(size, Ordering::Relaxed);
                Ok(false)
            }
        }
    }

    /// Whether half of the room for a line is free again.
    pub(super) fn has_room(&self) -> bool {
        self.held.load(Ordering::Relaxed) <= LINE_BYTES / 2 && self.events.capacity() >= PIECES / 2
    }

    /// Whether a source that can wait should.
    pub(super) fn is_behind(&self) -> bool {
        self.held.load(Ordering::Relaxed) > WAITING_BYTES
    }

    /// Resolves when nobody receives any more.
    pub(super) async fn gone(&self) {
        self.events.closed().await;
    }
}

impl Inlet {
    /// What the link says next, with all bytes that wait at once. `None` when the link has ended.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// [`Inlet::next`], for whoever waits for several.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<StreamEvent>> {
        let first = match self.next.take() {
            Some(event) => event,
            None => match self.events.poll_recv(context) {
                Poll::Ready(Some(event)) => event,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            },
        };
        let merged = self.merged(first);
        self.held.fetch_sub(size(&merged), Ordering::Relaxed);
        Poll::Ready(Some(merged))
    }

    fn merged(&mut self, mut first: StreamEvent) -> StreamEvent {
        while let StreamEvent::Bytes { .. } = first {
            let Ok(next) = self.events.try_recv() else { break };
            if let Err(other) = append(&mut first, next) {
                self.next = Some(other);
                break;
            }
        }
        first
    }
}

/// Appends `next` to `first` where both are bytes and together not too many; gives it back where not.
fn append(first: &mut StreamEvent, next: StreamEvent) -> Result<(), StreamEvent> {
    let together = size(first) + size(&next);
    match (first, next) {
        (StreamEvent::Bytes { pieces, position, .. }, StreamEvent::Bytes { pieces: more, position: after, .. })
            if together <= PIECE =>
        {
            pieces.extend(more);
            *position = after;
            Ok(())
        }
        (_, next) => Err(next),
    }
}

fn size(event: &StreamEvent) -> usize {
    match event {
        StreamEvent::Bytes { pieces, .. } => pieces.iter().map(|piece| piece.bytes.len()).sum(),
        StreamEvent::Worklist { bytes, .. } => bytes.len(),
        _ => 0,
    }
}
