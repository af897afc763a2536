//! The writer thread: takes what is waiting, writes it in one transaction, tells everyone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};

use super::condition::{Condition, Trouble};
use super::lock::Lock;
use super::queue::Command;
use super::state::Pending;
use super::transaction::{Constants, Outcome, Writing, roll_back};
use super::{Shared, locked, schema};
use crate::config::settings::JournalSettings;
use crate::event::EventType;

/// One transaction takes at most this many events …
const ROWS: usize = 4096;
/// … and begins no further batch beyond this many bytes: a sync of a few MiB is still a matter of milliseconds.
const BYTES: usize = 2 * 1024 * 1024;

/// Brokers' positions wait at most this long for a commit to ride on.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);

/// When writing fails: the first pause, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Pages in the log from which it is moved to the file when nothing waits, and from which it is moved in any case.
const LOG_IDLE: i64 = 1000;
const LOG_BUSY: i64 = 4000;

pub(super) struct Writer {
    shared: Arc<Shared>,
    connection: Connection,
    settings: JournalSettings,
    constants: Constants,
    /// Since when positions wait.
    settle_by: Option<Instant>,
    pause: Duration,
    commits: u64,
    /// About how many pages the log holds that are not in the file.
    log_pages: i64,
    _lock: Lock,
}

/// However the writer ends, by a panic too, nobody waits for it any longer.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.queue.end();
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, connection: Connection, lock: Lock, settings: JournalSettings) -> Self {
        let constants = Constants { journal: shared.id, types: Vec::new() };
        Self {
            shared,
            connection,
            settings,
            constants,
            settle_by: None,
            pause: FIRST_PAUSE,
            commits: 0,
            log_pages: 0,
            _lock: lock,
        }
    }

    pub(super) fn run(mut self) {
        let _end = End(Arc::clone(&self.shared));
        let mut waiting: Vec<Command> = Vec::new();
        loop {
            if waiting.is_empty() {
                let taken = self.shared.queue.take(self.settle_by, ROWS, BYTES);
                waiting = taken.commands;
                if taken.closed {
                    // One try for what was accepted before the end; whoever waits is told by the dropped reply.
                    if let Err(error) = self.write(&mut waiting) {
                        tracing::warn!(%error, "The journal closed without writing what was still waiting");
                    }
                    return self.finish();
                }
            }
            let due = self.settle_by.is_some_and(|by| by <= Instant::now());
            if waiting.is_empty() && !due {
                self.note_pending();
                continue;
            }
            match self.write(&mut waiting) {
                Ok(()) => {
                    self.pause = FIRST_PAUSE;
                    self.is_well();
                    self.tidy();
                }
                Err(error) => {
                    self.is_ill(&error);
                    let until = Instant::now() + self.pause;
                    self.pause = (self.pause * 2).min(LAST_PAUSE);
                    if self.shared.queue.pause(until) {
                        return self.finish();
                    }
                }
            }
        }
    }

    /// Positions that came while nothing else did are written within a second.
    fn note_pending(&mut self) {
        let pending = !locked(&self.shared.state).pending.is_empty();
        self.settle_by = match (pending, self.settle_by) {
            (false, _) => None,
            (true, None) => Some(Instant::now() + SETTLE_WITHIN),
            (true, set) => set,
        };
    }

    /// Writes all of `commands` and what rides along, and answers. On an error nothing is written and all is kept.
    fn write(&mut self, commands: &mut Vec<Command>) -> rusqlite::Result<()> {
        // Who does not wait any more does not want it; see `Journal::commit`.
        commands.retain(|command| !command.reply.is_closed());
        let pending = std::mem::take(&mut locked(&self.shared.state).pending);
        if commands.is_empty() && pending.is_empty() {
            self.settle_by = None;
            return Ok(());
        }
        match self.transaction(commands, &pending) {
            Ok(outcome) => {
                self.settle_by = None;
                let bytes: usize = commands.iter().map(|command| command.bytes).sum();
                // A page holds about 3 KiB of new rows; a few pages are touched by the smallest commit.
                self.log_pages += i64::try_from(bytes / 3072).unwrap_or(LOG_BUSY) + 6;
                self.publish(outcome, commands);
                Ok(())
            }
            Err(error) => {
                roll_back(&self.connection);
                self.take_back(pending);
                Err(error)
            }
        }
    }

    fn transaction(&mut self, commands: &[Command], pending: &Pending) -> rusqlite::Result<Outcome> {
        if self.constants.types.is_empty() {
            let numbers = schema::types(&self.connection)?;
            let names = EventType::ALL.iter().map(|t| (t.category().into(), t.name().into()));
            self.constants.types = numbers.into_iter().zip(names).map(|(n, (c, s))| (n, c, s)).collect();
        }
        let state = &self.shared.state;
        let mut writing = Writing::begin(&self.connection, &self.constants, Timestamp::now())?;
        for command in commands {
            writing.batch(&command.batch, |device| locked(state).streams.get(device).cloned())?;
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

    /// After the commit: memory first, then those who wait, then those who watch.
    fn publish(&mut self, outcome: Outcome, commands: &mut Vec<Command>) {
        let new_rows = !outcome.rows.is_empty();
        {
            let mut state = locked(&self.shared.state);
            state.streams.extend(outcome.streams);
            for row in outcome.rows {
                state.rows.push(row);
            }
        }
        if new_rows {
            self.commits += 1;
            self.shared.committed.send_replace(self.commits);
        }
        for (command, committed) in commands.drain(..).zip(outcome.committed) {
            let _ = command.reply.send(committed);
        }
    }

    /// Moves the log into the file, when that disturbs nobody or has to be.
    fn tidy(&mut self) {
        if self.log_pages < LOG_IDLE || (self.log_pages < LOG_BUSY && !self.shared.queue.is_idle()) {
            return;
        }
        match schema::checkpoint(&self.connection, "PASSIVE") {
            // What a reader still needs stays, and is moved with the next lot.
            Ok((logged, moved)) => self.log_pages = (logged - moved).min(LOG_IDLE / 2),
            Err(error) => {
                tracing::warn!(%error, "Moving the journal's log into its file failed; it is tried again");
                self.log_pages = 0;
            }
        }
    }

    fn is_well(&self) {
        self.shared.condition.send_if_modified(|condition| {
            let was_ill = *condition != Condition::Ok;
            *condition = Condition::Ok;
            was_ill
        });
    }

    fn is_ill(&self, error: &rusqlite::Error) {
        let path = self.settings.path.display();
        let text = format!("writing the journal {path} failed: {error}");
        let since = self.shared.condition.borrow().trouble().map_or_else(Timestamp::now, |t| t.since);
        let trouble = |remedy: &str| Trouble { since, text: text.clone(), remedy: remedy.to_owned() };
        let condition = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                Condition::DiskFull(trouble("make room on the file system; recording goes on by itself"))
            }
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => Condition::ReadOnly(trouble(
                "mount the file system writable and give the file to the daemon's user; recording goes on by itself",
            )),
            _ => Condition::IoError(trouble(
                "look at the kernel's log for errors of the disk; recording goes on by itself once writing succeeds",
            )),
        };
        self.shared.condition.send_if_modified(|now| {
            let changed = now.name() != condition.name();
            if changed {
                tracing::error!(condition = condition.name(), %error, "The journal cannot write");
            }
            *now = condition;
            changed
        });
    }

    /// Closes the file; its log goes into it.
    fn finish(self) {
        if let Err(error) = schema::checkpoint(&self.connection, "TRUNCATE") {
            tracing::warn!(%error, "The journal's log was not moved into its file; the next start does it");
        }
    }
}
