//! The way from the actors to the writer thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::batch::{Batch, Closed, Committed};
use super::locked;

/// Batches that wait hold at most this much, in KiB; when it is reached, the next actor waits until the writer is done
/// with one. A single batch that is larger waits until it is alone.
const ROOM_KIB: u32 = 6 * 1024;

/// A batch on its way, and whom to tell.
pub(super) struct Command {
    pub(super) batch: Batch,
    pub(super) bytes: usize,
    pub(super) reply: oneshot::Sender<Committed>,
    room: Option<OwnedSemaphorePermit>,
}

impl Command {
    pub(super) fn new(batch: Batch, reply: oneshot::Sender<Committed>) -> Self {
        let bytes = batch.size();
        Self { batch, bytes, reply, room: None }
    }
}

#[derive(Default)]
struct Inner {
    commands: VecDeque<Command>,
    /// Something else than a command is to be looked at: positions to write, or the end.
    woken: bool,
    closed: bool,
}

/// What the writer finds when it looks.
pub(super) struct Taken {
    pub(super) commands: Vec<Command>,
    pub(super) closed: bool,
}

pub(super) struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
    room: Arc<Semaphore>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { inner: Mutex::default(), wake: Condvar::new(), room: Arc::new(Semaphore::new(ROOM_KIB as usize)) }
    }

    /// Puts a batch into the queue; waits for room.
    pub(super) async fn push(&self, mut command: Command) -> Result<(), Closed> {
        let kib = u32::try_from(command.bytes / 1024 + 1).unwrap_or(ROOM_KIB).min(ROOM_KIB);
        let permit = Arc::clone(&self.room).acquire_many_owned(kib).await.map_err(|_| Closed)?;
        command.room = Some(permit);
        let mut inner = locked(&self.inner);
        if inner.closed {
            return Err(Closed);
        }
        inner.commands.push_back(command);
        drop(inner);
        self.wake.notify_one();
        Ok(())
    }

    /// No further batch is taken, and those that wait are told so; the writer is gone.
    pub(super) fn end(&self) {
        self.close();
        let left = std::mem::take(&mut locked(&self.inner).commands);
        drop(left);
    }

    /// Has the writer look at positions.
    pub(super) fn wake(&self) {
        locked(&self.inner).woken = true;
        self.wake.notify_one();
    }

    /// No further batch is taken; the writer ends.
    pub(super) fn close(&self) {
        locked(&self.inner).closed = true;
        self.room.close();
        self.wake.notify_one();
    }

    /// Waits until there is something to do or `until` has come, then takes batches, in order, until `rows` or `bytes`
    /// is reached.
    pub(super) fn take(&self, until: Option<Instant>, rows: usize, bytes: usize) -> Taken {
        let mut inner = locked(&self.inner);
        while inner.commands.is_empty() && !inner.woken && !inner.closed {
            inner = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => self.wake.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => break,
                Some(left) => self.wake.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        inner.woken = false;
        let (mut commands, mut held_rows, mut held_bytes) = (Vec::new(), 0, 0);
        while held_rows < rows && held_bytes < bytes {
            let Some(command) = inner.commands.pop_front() else { break };
            held_rows += command.batch.events.len().max(1);
            held_bytes += command.bytes;
            commands.push(command);
        }
        Taken { commands, closed: inner.closed }
    }

    /// Whether no batch waits.
    pub(super) fn is_idle(&self) -> bool {
        locked(&self.inner).commands.is_empty()
    }

    /// Waits until `until`, or until something other than a batch is to be looked at.
    pub(super) fn pause(&self, until: Instant) {
        let mut inner = locked(&self.inner);
        while !inner.closed && !inner.woken {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner = self.wake.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
