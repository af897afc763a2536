//! What the writer does when nothing waits: moving the log into the file, removing what is old, giving pages back.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::transaction::roll_back;
use super::writer::Writer;
use super::{locked, retention, schema};

/// Pages in the log from which it is moved to the file when nothing waits, and from which it is moved in any case. Each page is moved once, however
/// often it stands in the log: with hundreds of devices that take turns, a short log would hold each of their pages once or twice.
const LOG_IDLE: i64 = 1000;
const LOG_BUSY: i64 = 2000;

/// Between two looks for old payloads.
const EVERY: Duration = Duration::from_secs(60);

/// Chores that are due wait for a quiet moment at most this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// When there is something to do.
pub(super) struct Chores {
    /// About how many pages the log holds that are not in the file.
    log_pages: i64,
    /// Whether pages were given back that the file still holds.
    shrunk: bool,
    /// When payloads are looked through next.
    next: Instant,
}

impl Chores {
    pub(super) fn new() -> Self {
        Self { log_pages: 0, shrunk: false, next: Instant::now() }
    }

    /// When the writer should look, if nothing else has it look before.
    pub(super) fn due(&self) -> Instant {
        self.next
    }

    /// Counts what was written to the log: a page holds new rows of about three quarters of its size, and a few are touched by the smallest
    /// commit.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.log_pages += i64::try_from(bytes).unwrap_or(i64::MAX) / (schema::PAGE * 3 / 4) + 4;
    }

    /// Does what is due; true when it looked for old payloads and everything was quiet.
    pub(super) fn run(writer: &mut Writer) -> bool {
        writer.move_log();
        let now = Instant::now();
        let idle = writer.shared.queue.is_idle();
        let late = now.saturating_duration_since(writer.chores.next);
        if late.is_zero() || (!idle && late < PATIENCE) {
            return false;
        }
        let more = match writer.clean() {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(%error, "Removing old payloads from the journal failed; it is tried again.");
                false
            }
        };
        writer.chores.next = match (more, idle) {
            (true, true) => now,
            (true, false) => now + Duration::from_millis(20),
            (false, _) => now + EVERY,
        };
        writer.move_log();
        idle
    }
}

impl Writer {
    fn move_log(&mut self) {
        let pages = self.chores.log_pages;
        if pages < LOG_IDLE || (pages < LOG_BUSY && !self.shared.queue.is_idle()) {
            return;
        }
        self.chores.log_pages = match schema::checkpoint(&self.connection, "PASSIVE") {
            // What a reader still needs stays, and is moved with the next lot.
            Ok((logged, moved)) => (logged - moved).min(LOG_IDLE / 2),
            Err(error) => {
                tracing::warn!(%error, "Moving the journal's log into its file failed; it is tried again.");
                0
            }
        };
    }

    /// One step of removing what is older than it is kept and settled, and of giving pages back. True when there is more.
    fn clean(&mut self) -> rusqlite::Result<bool> {
        let candidates = locked(&self.shared.state).settled_candidates();
        let keep = jiff::SignedDuration::try_from(self.settings.keep_for).unwrap_or(jiff::SignedDuration::MAX);
        // A time before all times: nothing is that old.
        let before = Timestamp::now().checked_sub(keep).unwrap_or(Timestamp::MIN);
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let removed = retention::remove_old(&self.connection, &candidates, &self.lasts(), before)
            .and_then(|removed| self.connection.execute_batch("COMMIT").map(|()| removed))
            .inspect_err(|_| roll_back(&self.connection))?;
        let bytes: u64 = removed.iter().map(|removed| removed.bytes).sum();
        self.chores.wrote(usize::try_from(bytes / 16).unwrap_or(0));
        self.forget_removed(&removed);
        let pages = retention::shrink(&self.connection)?;
        if pages > 0 {
            // The file itself becomes shorter only when the log is moved into it.
            self.chores.log_pages += pages * 2;
            self.chores.shrunk = true;
        } else if std::mem::take(&mut self.chores.shrunk) {
            self.chores.log_pages += LOG_IDLE;
        }
        Ok(pages > 0 || !removed.is_empty())
    }
}
