//! The writer thread: takes what is waiting, writes it in one transaction, tells everyone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};

use super::condition::Condition;
use super::lock::Lock;
use super::mark::MarkFile;
use super::queue::Command;
use super::retention::{self, Removed};
use super::room::{self, Reserve};
use super::state::Pending;
use super::transaction::{Constants, Memory, Outcome, Writing, roll_back};
use super::{Shared, chores::Chores, locked, schema};
use crate::config::settings::{JournalSettings, WhenFull};
use crate::event::DeviceId;

/// One transaction takes at most this many events …
const ROWS: usize = 4096;
/// … and begins no further batch beyond this many bytes: a sync of a few MiB is still a matter of milliseconds.
const BYTES: usize = 2 * 1024 * 1024;

/// How long brokers' positions wait to be written: then with the next commit, or alone.
const SETTLE_WITHIN: Duration = Duration::from_millis(250);

/// When writing fails: the first pause, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// After so many bytes the file's size is looked at again; until then it is reckoned.
const LOOK_AFTER: usize = 64 * 1024;

/// While the journal is full it is looked at this often, beside whenever a broker settles something.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// What the writer is given.
pub(super) struct Parts {
    pub(super) connection: Connection,
    pub(super) lock: Lock,
    pub(super) mark: MarkFile,
    pub(super) constants: Constants,
    pub(super) settings: JournalSettings,
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Connection,
    pub(super) settings: JournalSettings,
    pub(super) chores: Chores,
    constants: Constants,
    memory: Memory,
    mark: MarkFile,
    reserve: Reserve,
    /// How much of the file is in use.
    used: u64,
    /// Bytes written since the file's size was looked at.
    unseen: usize,
    /// By when positions that wait have to be written.
    settle_by: Option<Instant>,
    pause: Duration,
    commits: u64,
    _lock: Lock,
}

/// However the writer ends, by a panic too, nobody waits for it any longer.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.queue.end();
    }
}

/// What kept the waiting batches from being written.
enum Obstacle {
    /// The configured size is reached.
    Full,
    /// SQLite or the system said so.
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Obstacle {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, parts: Parts) -> Self {
        let Parts { connection, lock, mark, constants, settings } = parts;
        let mut reserve = Reserve::new(&settings.path);
        reserve.keep();
        Self {
            used: retention::used(&connection).unwrap_or(0),
            unseen: 0,
            shared,
            connection,
            settings,
            chores: Chores::new(),
            constants,
            memory: Memory::default(),
            mark,
            reserve,
            settle_by: None,
            pause: FIRST_PAUSE,
            commits: 0,
            _lock: lock,
        }
    }

    pub(super) fn run(mut self) {
        let _end = End(Arc::clone(&self.shared));
        let mut waiting: Vec<Command> = Vec::new();
        loop {
            // What could not be written does not wait for something else to happen; its pause is over.
            let until = match waiting.is_empty() {
                true => self.settle_by.into_iter().chain([self.chores.due()]).min(),
                false => Some(Instant::now()),
            };
            let taken = self.shared.queue.take(until, ROWS, BYTES);
            waiting.extend(taken.commands);
            let due = self.settle_by.is_some_and(|by| by <= Instant::now());
            if waiting.is_empty() && !due && !taken.closed {
                self.note_pending();
                self.do_chores();
                continue;
            }
            let obstacle = self.write_waiting(&mut waiting).err();
            if taken.closed {
                if let Some(Obstacle::Failed(error)) = obstacle {
                    tracing::warn!(%error, "The journal closed without writing what was still waiting.");
                }
                return self.finish();
            }
            let Some(obstacle) = obstacle else {
                self.pause = FIRST_PAUSE;
                self.is_well();
                self.do_chores();
                continue;
            };
            let pause = match &obstacle {
                Obstacle::Full => FULL_PAUSE,
                Obstacle::Failed(_) => self.pause,
            };
            self.pause = (pause * 2).min(LAST_PAUSE);
            self.is_ill(&obstacle);
            if self.write_urgent(&mut waiting, &obstacle) {
                continue;
            }
            self.shared.queue.pause(Instant::now() + pause);
        }
    }

    /// Sets by when the positions that wait are to be written, with other things or alone.
    fn note_pending(&mut self) {
        let pending = !locked(&self.shared.state).pending.is_empty();
        self.settle_by = match (pending, self.settle_by) {
            (false, _) => None,
            (true, None) => Some(Instant::now() + SETTLE_WITHIN),
            (true, set) => set,
        };
    }

    /// Writes all of `waiting` and what rides along, and answers. What cannot be written stays.
    fn write_waiting(&mut self, waiting: &mut Vec<Command>) -> Result<(), Obstacle> {
        // Who does not wait any more does not want it; see `Journal::commit`.
        waiting.retain(|command| !command.reply.is_closed());
        if self.has_room(waiting)? {
            return Ok(self.write(waiting)?);
        }
        let mut small = room::take_allowed(waiting, room::is_small);
        let written = self.write(&mut small);
        waiting.append(&mut small);
        written?;
        Err(Obstacle::Full)
    }

    /// While nothing can be written: gaps, out of the reserved space. True when some were written.
    fn write_urgent(&mut self, waiting: &mut Vec<Command>, obstacle: &Obstacle) -> bool {
        let allowed = match obstacle {
            Obstacle::Full => self.used < self.settings.max_bytes + room::BEYOND,
            Obstacle::Failed(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
        };
        if !allowed || !waiting.iter().any(room::is_urgent) {
            return false;
        }
        let mut urgent = room::take_allowed(waiting, room::is_urgent);
        if urgent.is_empty() {
            return false;
        }
        let mut written = self.write(&mut urgent);
        if written.is_err() && self.reserve.release() {
            written = self.write(&mut urgent);
        }
        waiting.append(&mut urgent);
        written.is_ok()
    }

    /// Whether `waiting` fits into the configured size, after removing what may be removed.
    fn has_room(&mut self, waiting: &[Command]) -> rusqlite::Result<bool> {
        let bytes: usize = waiting.iter().filter(|c| !room::is_small(c)).map(|command| command.bytes).sum();
        if bytes == 0 {
            return Ok(true);
        }
        let most = self.settings.max_bytes.saturating_sub(bytes as u64);
        if self.used <= most {
            return Ok(true);
        }
        // Some more than is needed now, so that not every commit has to.
        let goal = most.saturating_sub(self.settings.max_bytes / 50);
        self.remove_until(goal, false)?;
        if self.used > most && self.settings.when_full == WhenFull::DropOldest {
            self.remove_until(goal, true)?;
        }
        Ok(self.used <= most)
    }

    /// Removes payloads, oldest first, until `goal` bytes are in use or there are none left to remove.
    fn remove_until(&mut self, goal: u64, unsettled: bool) -> rusqlite::Result<()> {
        while self.used > goal {
            let candidates = {
                let state = locked(&self.shared.state);
                if unsettled { state.all_candidates() } else { state.settled_candidates() }
            };
            let Some(candidate) = retention::oldest(&self.connection, candidates)? else { break };
            let used = self.used;
            let excess = used - goal;
            let settled = locked(&self.shared.state).settled(&candidate.device);
            let mut writing = Writing::begin(&self.connection, &self.constants, &mut self.memory, Timestamp::now())?;
            let step = (|| {
                let stream = locked(&self.shared.state).streams.get(&candidate.device).cloned().unwrap_or_default();
                let removed = retention::remove(&self.connection, &candidate, stream.last, i64::MAX, excess)?;
                if let Some(removed) = removed.as_ref().filter(|removed| removed.last > settled) {
                    writing.drop_oldest(removed, settled, &stream)?;
                }
                Ok(removed)
            })();
            let removed = match step {
                Ok(removed) => removed,
                Err(error) => {
                    drop(writing);
                    self.roll_back();
                    return Err(error);
                }
            };
            let outcome = writing.commit().inspect_err(|_| self.roll_back())?;
            let nothing_left = removed.is_none();
            self.forget_removed(removed.as_slice());
            self.publish(outcome, &mut Vec::new());
            if nothing_left {
                break;
            }
        }
        Ok(())
    }

    /// Takes what was removed out of memory too.
    pub(super) fn forget_removed(&mut self, removed: &[Removed]) {
        let mut state = locked(&self.shared.state);
        for removed in removed {
            state.removed(removed);
        }
        drop(state);
        self.look_at_size();
    }

    fn look_at_size(&mut self) {
        self.unseen = 0;
        self.used = retention::used(&self.connection).unwrap_or(self.used);
        locked(&self.shared.state).used = self.used;
    }

    /// Ends a transaction that failed.
    fn roll_back(&mut self) {
        self.memory = Memory::default();
        roll_back(&self.connection);
    }

    /// Writes all of `commands` and what rides along, and answers. On an error nothing is written and all is kept.
    fn write(&mut self, commands: &mut Vec<Command>) -> rusqlite::Result<()> {
        // Each position that is written makes a commit one page larger; a lost one only means a second delivery.
        self.note_pending();
        let settles = commands.is_empty() || self.settle_by.is_some_and(|by| by <= Instant::now());
        let pending =
            if settles { std::mem::take(&mut locked(&self.shared.state).pending) } else { Pending::default() };
        if commands.is_empty() && pending.is_empty() {
            self.settle_by = None;
            return Ok(());
        }
        let began = Instant::now();
        locked(&self.shared.state).busy_since = Some(began);
        let done = self.transaction(commands, &pending);
        {
            let mut state = locked(&self.shared.state);
            state.busy_since = None;
            state.last_commit = began.elapsed();
        }
        match done {
            Ok(outcome) => {
                if settles {
                    self.settle_by = None;
                }
                let bytes: usize = commands.iter().map(|command| command.bytes).sum();
                self.chores.wrote(bytes);
                self.publish(outcome, commands);
                self.unseen += bytes;
                self.used += bytes as u64;
                if self.unseen >= LOOK_AFTER {
                    self.look_at_size();
                }
                Ok(())
            }
            Err(error) => {
                self.roll_back();
                self.take_back(pending);
                self.reconnect(&error);
                Err(error)
            }
        }
    }

    fn transaction(&mut self, commands: &mut [Command], pending: &Pending) -> rusqlite::Result<Outcome> {
        let state = &self.shared.state;
        let mut writing = Writing::begin(&self.connection, &self.constants, &mut self.memory, Timestamp::now())?;
        for command in commands {
            writing.batch(&mut command.batch, |device| locked(state).streams.get(device).cloned())?;
        }
        writing.pending(pending, |device| locked(state).stream(device))?;
        writing.commit()
    }

    /// Puts positions that could not be written back; newer ones win.
    fn take_back(&mut self, pending: Pending) {
        let mut state = locked(&self.shared.state);
        for (key, sequence) in pending.settled {
            let newer = state.pending.settled.entry(key).or_default();
            *newer = sequence.max(*newer);
        }
        let mut dead = pending.dead;
        dead.append(&mut state.pending.dead);
        state.pending.dead = dead;
    }

    /// After the system failed to write, what its cache holds of the log is not to be trusted: a new connection reads the
    /// log again and takes from it what is whole.
    fn reconnect(&mut self, error: &rusqlite::Error) {
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            // Once all of the log is in the file, it is written from its start again and needs no further room. Without
            // room for that either, it is as it was.
            let _ = schema::checkpoint(&self.connection, "RESTART");
            return;
        }
        match schema::reconnect_writer(&self.settings.path) {
            Ok(connection) => self.connection = connection,
            Err(error) => tracing::debug!(%error, "The journal could not be opened again; it is tried again"),
        }
    }

    /// After the commit: memory first, then those who publish it, then those who wait to go on.
    fn publish(&mut self, mut outcome: Outcome, commands: &mut Vec<Command>) {
        let new_rows = outcome.rows.len() as u64;
        outcome.streams.values_mut().for_each(|stream| stream.commit = self.commits + 1);
        {
            let mut state = locked(&self.shared.state);
            state.streams.extend(outcome.streams);
            for row in outcome.rows {
                state.rows.push(row);
            }
        }
        if new_rows > 0 {
            self.commits += 1;
            self.shared.committed.send_replace(self.commits);
            self.mark.add(self.constants.journal, new_rows);
        }
        for (command, committed) in commands.drain(..).zip(outcome.committed) {
            let _ = command.reply.send(committed);
        }
    }

    fn do_chores(&mut self) {
        if Chores::run(self) {
            self.reserve.keep();
        }
    }

    fn is_well(&self) {
        self.shared.condition.send_if_modified(|condition| {
            let was_ill = *condition != Condition::Ok;
            if was_ill {
                tracing::info!(was = condition.name(), "The journal writes again.");
            }
            *condition = Condition::Ok;
            was_ill
        });
    }

    fn is_ill(&self, obstacle: &Obstacle) {
        let now = self.shared.condition.borrow().clone();
        let since = now.trouble().map_or_else(Timestamp::now, |trouble| trouble.since);
        let condition = match obstacle {
            Obstacle::Full => Condition::full(since, &self.settings),
            Obstacle::Failed(error) => Condition::failed(since, &self.settings, error),
        };
        if let Some(trouble) = condition.trouble().filter(|_| condition.name() != now.name()) {
            let (text, remedy) = (&trouble.text, &trouble.remedy);
            tracing::error!(condition = condition.name(), text, remedy, "The journal does not take events.");
        }
        self.shared.condition.send_if_modified(|now| std::mem::replace(now, condition.clone()) != condition);
    }

    /// The last sequences, for what has to stand in the file when payloads go.
    pub(super) fn lasts(&self) -> HashMap<DeviceId, u64> {
        let state = locked(&self.shared.state);
        state.streams.iter().map(|(device, stream)| (device.clone(), stream.last)).collect()
    }

    /// Closes the file; its log goes into it.
    fn finish(self) {
        if let Err(error) = schema::checkpoint(&self.connection, "TRUNCATE") {
            tracing::warn!(%error, "The journal's log was not moved into its file; the next start does it.");
        }
        self.mark.sync();
    }
}
