//! The journal: every event is here before it is anywhere else. The only user of SQLite.
//!
//! One file (SQLite, WAL, `synchronous=FULL`) and one writer thread. A commit holds the events with their sequences,
//! the position in the source that they came from and the driver's state, all or nothing. The writer never lingers: it
//! takes what is waiting, up to a bound, into one transaction; committed rows stay in a small tail in memory, from which
//! the publisher takes them without touching the disk.

mod batch;
mod check;
mod chores;
mod condition;
mod desk;
mod facts;
mod gap;
mod history;
mod lock;
mod mark;
mod open;
mod places;
mod preview;
mod queue;
mod read;
mod recover;
mod retention;
mod room;
mod schema;
mod spans;
mod state;
mod tail;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::config::settings::JournalSettings;
use crate::event::DeviceId;

pub use batch::{Batch, Closed, Committed, DeviceStatus, Row, SourceUpdate, StoredSource, Usage};
pub use check::{Findings, Readable, Survey};
pub use condition::{Condition, Trouble};
pub use desk::{Desk, DeskError};
pub use history::{Cursor, DeadLetter, Entry, History};
pub use open::OpenError;
pub use read::ReadError;
pub use recover::{Recovered, Report, examine, recover};

use queue::{Command, Queue};
use state::State;

/// What the handles and the writer share.
struct Shared {
    id: Uuid,
    queue: Queue,
    state: Mutex<State>,
    readers: read::Pool,
    condition: watch::Sender<Condition>,
    committed: watch::Sender<u64>,
}

/// Ends the writer when the last handle is gone.
struct Keeper {
    shared: Arc<Shared>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

/// A handle to the journal; clones share one writer thread.
#[derive(Clone)]
pub struct Journal {
    keeper: Arc<Keeper>,
}

impl Journal {
    /// Opens or creates the journal, takes its lock and starts the writer. `brokers` are the configured ones: nothing
    /// leaves the journal before each of them has settled it.
    pub fn open(settings: &JournalSettings, brokers: &[Arc<str>]) -> Result<Self, OpenError> {
        let opened = open::open(settings, brokers)?;
        let shared = Arc::new(Shared {
            id: opened.state.id,
            queue: Queue::new(),
            state: Mutex::new(opened.state),
            readers: read::Pool::new(settings.path.clone()),
            condition: watch::Sender::new(Condition::Ok),
            committed: watch::Sender::new(0),
        });
        let parts = writer::Parts {
            connection: opened.connection,
            lock: opened.lock,
            mark: opened.mark,
            constants: opened.constants,
            settings: settings.clone(),
        };
        let writer = writer::Writer::new(Arc::clone(&shared), parts);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Thread { source })?;
        Ok(Self { keeper: Arc::new(Keeper { shared, writer: Mutex::new(Some(thread)) }) })
    }

    fn shared(&self) -> &Shared {
        &self.keeper.shared
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.keeper.shared.state)
    }

    /// The journal's id, the `journalid` of every event it stores from now on.
    pub fn id(&self) -> Uuid {
        self.shared().id
    }

    /// The id that the journal had before, when this start found that it was rolled back (an older copy was restored).
    pub fn previous_id(&self) -> Option<Uuid> {
        self.state().previous
    }

    /// Commits a batch, all or nothing, and resolves when it is durable.
    ///
    /// Waits while the journal or the disk is full, read-only or failing; [`Journal::condition`] says so meanwhile. When
    /// the returned future is dropped before the writer began with the batch, the batch is not committed.
    pub async fn commit(&self, batch: Batch) -> Result<Committed, Closed> {
        let (reply, answer) = oneshot::channel();
        let command = Command::new(batch, reply);
        self.shared().queue.push(command).await?;
        answer.await.map_err(|_| Closed)
    }

    /// Notes that `broker` has everything of `device` up to and with `sequence`. Never blocks; becomes durable
    /// within a quarter of a second. Lost in a crash, it only means that rows are delivered again.
    pub fn settle(&self, broker: &Arc<str>, device: &DeviceId, sequence: u64) {
        if self.state().settle(broker, device, sequence) {
            self.shared().queue.wake();
        }
    }

    /// Notes that `broker` refused a row for good, and why. The row is not settled by this alone.
    pub fn dead_letter(&self, broker: &Arc<str>, device: &DeviceId, sequence: u64, reason: &str) {
        self.state().dead_letter(broker, device, sequence, reason);
        self.shared().queue.wake();
    }

    /// Whether the journal can write, and if not, since when and what to do.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.shared().condition.subscribe()
    }

    /// Changes at every commit that added rows; the value is the number of such commits since the start.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.shared().committed.subscribe()
    }

    /// Rows of a device after `sequence`, ascending, at most `limit` and about 1 MiB; from memory where it has them,
    /// else from the file. Payloads that retention has removed are skipped. Blocks: call it where that is allowed.
    pub fn rows_after(&self, device: &DeviceId, sequence: u64, limit: usize) -> Result<Vec<Row>, ReadError> {
        let stream = {
            let state = self.state();
            if let Some(rows) = state.tail(device, sequence, limit) {
                return Ok(rows);
            }
            state.stream(device)
        };
        let Some(stream) = stream else { return Ok(Vec::new()) };
        self.shared().readers.with(|reader| reader.rows(device, stream, sequence, limit))
    }

    /// The same from memory alone: never touches the disk. `None` when memory does not reach back that far.
    pub fn try_tail(&self, device: &DeviceId, sequence: u64, limit: usize) -> Option<Vec<Row>> {
        self.state().tail(device, sequence, limit)
    }

    /// Up to where `broker` has settled each device's rows.
    pub fn positions(&self, broker: &Arc<str>) -> Result<BTreeMap<DeviceId, u64>, ReadError> {
        Ok(self.state().positions(broker))
    }

    /// Every device that the journal knows.
    pub fn devices(&self) -> Vec<DeviceStatus> {
        self.state().devices()
    }

    /// One device, where the journal knows it.
    pub fn device(&self, device: &DeviceId) -> Option<DeviceStatus> {
        self.state().device(device)
    }

    /// Tells the last sequence of every device that a commit touched since the one of number `since`, and that one, as [`Journal::committed`] counts them,
    /// in no order; of every device since 0. Nothing else is committed meanwhile, and `each` must not ask the journal.
    pub fn ends(&self, since: u64, mut each: impl FnMut(&DeviceId, u64)) {
        for (device, stream) in self.state().streams.iter().filter(|(_, stream)| stream.commit >= since) {
            each(device, stream.last);
        }
    }

    /// How large the journal is.
    pub fn usage(&self) -> Usage {
        let path = self.shared().readers.path();
        let file_bytes = std::fs::metadata(path).map_or(0, |m| m.len());
        let state = self.state();
        Usage { file_bytes, used_bytes: state.used, last_commit: state.last_commit }
    }

    /// For how long the writer has been in one transaction; `None` while it is in none. A disk that does not answer shows
    /// here, whereas waiting for room or for a broker does not: for the watchdog.
    pub fn busy_for(&self) -> Option<Duration> {
        self.state().busy_since.map(|since| since.elapsed())
    }

    /// The sources that a device's link has told of, with the position of each.
    pub fn sources(&self, device: &DeviceId, link: &str) -> Result<Vec<StoredSource>, ReadError> {
        let Some(stream) = self.state().stream(device) else { return Ok(Vec::new()) };
        self.shared().readers.with(|reader| reader.sources(stream, link))
    }

    /// The parts of the driver's snapshot of one source.
    pub fn snapshot(&self, device: &DeviceId, link: &str, source: &str) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        let Some(stream) = self.state().stream(device) else { return Ok(Vec::new()) };
        self.shared().readers.with(|reader| reader.snapshot(stream, link, source))
    }

    /// A small named fact about a device.
    pub fn note(&self, device: &DeviceId, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(stream) = self.state().stream(device) else { return Ok(None) };
        self.shared().readers.with(|reader| reader.note(stream, key))
    }

    /// Writes what is still pending and closes the file. Commits that still wait end with [`Closed`].
    pub async fn close(self) {
        self.shared().queue.close();
        let thread = locked(&self.keeper.writer).take();
        if let Some(thread) = thread {
            // The writer ends after at most one more transaction.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// A lock whose holder panicked is still good here: every change under it is complete before the guard goes.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
