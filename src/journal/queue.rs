//! The way from the actors to the writer thread.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::batch::{Batch, Closed, Committed};
use super::locked;
use crate::event::DeviceId;

/// Batches that wait hold at most this much, in KiB; when it is reached, the next actor waits until the writer is done
/// with one. A single batch that is larger waits until it is alone.
const ROOM_KIB: u32 = 6 * 1024;

/// A patient batch waits until so long after the writer took some …
const GATHER: Duration = Duration::from_millis(50);
/// … where so many devices had one within this time: a transaction for each event of hundreds of devices takes more of the processor than all
/// else that is done with them. With fewer devices none waits.
const CROWD: usize = 32;
const LATELY: Duration = Duration::from_secs(1);
/// One with more events than this does not wait, nor does any once so many batches wait.
const FEW_EVENTS: usize = 64;
const MANY_BATCHES: usize = 256;

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
    /// When the writer is to take them; `None` while there are none.
    due: Option<Instant>,
    /// When it took some last.
    taken: Option<Instant>,
    /// When each device's last patient batch came, of those that came lately.
    crowd: HashMap<DeviceId, Instant>,
    /// Something else than a command is to be looked at: positions to write, or the end.
    woken: bool,
    closed: bool,
}

impl Inner {
    /// Puts a batch at the end; true where the writer has to look earlier than it would.
    fn add(&mut self, command: Command, now: Instant) -> bool {
        let waits = self.waits(&command.batch, now);
        let due = self.taken.filter(|_| waits).map_or(now, |taken| taken + GATHER);
        self.commands.push_back(command);
        let is_earlier = self.due.is_none_or(|before| due < before);
        if is_earlier {
            self.due = Some(due);
        }
        is_earlier
    }

    fn waits(&mut self, batch: &Batch, now: Instant) -> bool {
        if !batch.is_patient || batch.events.len() > FEW_EVENTS || self.commands.len() >= MANY_BATCHES {
            return false;
        }
        self.crowd.insert(batch.device.clone(), now);
        if self.crowd.len() >= CROWD {
            self.crowd.retain(|_, at| now.saturating_duration_since(*at) < LATELY);
        }
        self.crowd.len() >= CROWD
    }
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
        let is_earlier = inner.add(command, Instant::now());
        drop(inner);
        if is_earlier {
            self.wake.notify_one();
        }
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
        while !inner.woken && !inner.closed {
            let until = until.into_iter().chain(inner.due).min();
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
        let now = Instant::now();
        // What is left is taken next, without waiting for anything.
        inner.due = (!inner.commands.is_empty()).then_some(now);
        if !commands.is_empty() {
            inner.taken = Some(now);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn command(device: usize, events: usize, is_patient: bool) -> Command {
        let device: DeviceId = format!("d{device}").parse().expect("a valid name");
        let texts: Vec<String> = (0..events).map(|event| event.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut batch = crate::journal::tests::batch(&device, &texts);
        batch.is_patient = is_patient;
        Command::new(batch, oneshot::channel().0)
    }

    /// A queue whose writer took something at `now`, after so many devices had committed.
    fn after(devices: usize, now: Instant) -> Inner {
        let mut inner = Inner::default();
        for device in 0..devices {
            inner.add(command(device, 1, true), now);
        }
        inner.commands.clear();
        (inner.due, inner.taken) = (None, Some(now));
        inner
    }

    #[test]
    fn patient_batches_wait_for_each_other_where_many_devices_commit() {
        let now = Instant::now();
        let mut inner = after(CROWD, now);
        assert!(inner.add(command(0, 1, true), now + GATHER / 5), "the writer has to know when");
        assert_eq!(inner.due, Some(now + GATHER));
        assert!(!inner.add(command(1, 1, true), now + GATHER / 2), "nothing changes for it");
        assert_eq!(inner.due, Some(now + GATHER));
        assert!(inner.add(command(2, 1, false), now + GATHER * 3 / 4), "this one does not wait");
        assert_eq!(inner.due, Some(now + GATHER * 3 / 4));
    }

    #[test]
    fn nobody_waits_for_few_devices_or_with_much_or_behind_many() {
        let now = Instant::now();
        let at_once = |mut inner: Inner, command: Command, at: Instant| {
            inner.add(command, at);
            inner.due == Some(at)
        };
        let soon = now + GATHER / 2;
        assert!(at_once(after(CROWD - 1, now), command(0, 1, true), soon));
        assert!(at_once(after(CROWD, now), command(0, FEW_EVENTS + 1, true), soon));
        let later = now + LATELY;
        assert!(at_once(after(CROWD, now), command(0, 1, true), later), "those of the others came too long ago");
        let mut inner = after(CROWD, now);
        for device in 0..MANY_BATCHES {
            inner.add(command(device, 1, true), soon);
            assert_eq!(inner.due, Some(now + GATHER));
        }
        assert!(at_once(inner, command(0, 1, true), soon));
    }

    #[tokio::test]
    async fn what_waited_is_taken_together_and_in_order() {
        let queue = Queue::new();
        let now = Instant::now();
        *locked(&queue.inner) = after(CROWD, now);
        for device in 0..3 {
            queue.push(command(device, 1, true)).await.expect("the queue is open");
        }
        let taken = queue.take(None, 4096, usize::MAX);
        assert!(now.elapsed() >= GATHER, "it waited");
        let devices: Vec<_> = taken.commands.iter().map(|command| command.batch.device.to_string()).collect();
        assert_eq!(devices, ["d0", "d1", "d2"]);
        assert!(locked(&queue.inner).due.is_none());
    }
}
