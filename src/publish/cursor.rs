//! How far one device's rows are on one connection: read ahead, handed over, acknowledged, settled.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::outbox::Row;
use super::reason::{Refusal, Verdict};
use crate::event::DeviceId;

/// First and last wait before one row tries again after it was refused until somebody mends something: at least once in a
/// minute, and sooner at first, when whoever set it up is still watching.
const HOLD: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// First and last wait after a row that the broker could not take at that moment.
const LATER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A device's rows on one broker.
#[derive(Debug)]
pub struct Cursor {
    /// The device.
    pub device: DeviceId,
    /// Everything up to here is acknowledged.
    settled: u64,
    /// The last row that was read from the journal.
    read_to: u64,
    /// Read and not yet handed over; bounded by whoever reads.
    ahead: VecDeque<Row>,
    /// Handed over and not settled, ascending; at most a window's worth, because nothing new follows a refused row.
    open: VecDeque<Open>,
    pause: Option<Pause>,
    later: Backoff,
    hold: Backoff,
    /// The highest sequence that was ever handed over; what comes again below it is a repetition.
    highest: u64,
}

#[derive(Debug)]
struct Open {
    row: Row,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Handed over, no acknowledgement yet.
    Sent,
    /// Acknowledged, waits for those before it.
    Done,
    /// Refused; to be handed over again.
    Again,
}

/// Why nothing of the device is sent at the moment.
#[derive(Debug, Clone)]
pub struct Pause {
    /// The row that was refused.
    pub sequence: u64,
    /// Why.
    pub reason: String,
    /// What an operator can do.
    pub remedy: String,
    /// Whether somebody has to mend something, or time alone may.
    pub held: bool,
    /// Since when.
    pub since: Timestamp,
    /// When one row tries again.
    until: Instant,
    /// The row that is trying.
    probe: Option<u64>,
}

/// What an acknowledgement changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Everything up to here is settled now; `None` where nothing new is.
    pub settled: Option<u64>,
    /// The row is to be set aside as a dead letter, for this reason.
    pub dead: Option<&'static str>,
    /// Whether the device's pause began, changed or ended.
    pub pause_changed: bool,
}

impl Cursor {
    /// A cursor that begins after the row `settled`; rows up to `highest` were handed over before.
    pub fn new(device: DeviceId, settled: u64, highest: u64) -> Self {
        Self {
            device,
            settled,
            read_to: settled,
            ahead: VecDeque::new(),
            open: VecDeque::new(),
            pause: None,
            later: Backoff::new(LATER.0, LATER.1),
            hold: Backoff::new(HOLD.0, HOLD.1),
            highest,
        }
    }

    /// Everything up to here is acknowledged.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// The last row that was read from the journal; the next read begins after it.
    pub fn read_to(&self) -> u64 {
        self.read_to
    }

    /// The highest sequence that was ever handed over.
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Rows that are read and wait.
    pub fn waiting(&self) -> usize {
        self.ahead.len()
    }

    /// Payload bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.ahead.iter().map(|row| row.payload.len()).sum()
    }

    /// Why nothing of the device is sent at the moment.
    pub fn pause(&self) -> Option<&Pause> {
        self.pause.as_ref()
    }

    /// When the device's pause may end; `None` where there is none, or where a row is trying just now.
    pub fn retry_at(&self) -> Option<Instant> {
        self.pause.as_ref().filter(|pause| pause.probe.is_none()).map(|pause| pause.until)
    }

    /// Takes rows that were read after [`Cursor::read_to`].
    pub fn supply(&mut self, rows: Vec<Row>) {
        for row in rows {
            // A read that overlaps an earlier one brings nothing twice.
            if row.sequence > self.read_to {
                self.read_to = row.sequence;
                self.ahead.push_back(row);
            }
        }
    }

    /// Whether nothing waits to be handed over, now or after a pause.
    pub fn is_idle(&self) -> bool {
        self.pause.is_none() && self.ahead.is_empty() && self.open.iter().all(|open| open.state != State::Again)
    }

    /// Whether [`Cursor::next`] would give a row.
    pub fn can_send(&self, now: Instant) -> bool {
        match &self.pause {
            Some(pause) => pause.probe.is_none() && pause.until <= now,
            None => !self.is_idle(),
        }
    }

    /// The next row to hand over, and whether it was handed over before. It counts as handed over from now on.
    pub fn next(&mut self, now: Instant) -> Option<(Row, bool)> {
        if let Some(pause) = &mut self.pause {
            if pause.probe.is_some() || pause.until > now {
                return None;
            }
            let open = self.open.iter_mut().find(|open| open.state == State::Again)?;
            open.state = State::Sent;
            pause.probe = Some(open.row.sequence);
            return Some((open.row.clone(), true));
        }
        if let Some(open) = self.open.iter_mut().find(|open| open.state == State::Again) {
            open.state = State::Sent;
            return Some((open.row.clone(), true));
        }
        let row = self.ahead.pop_front()?;
        self.open.push_back(Open { row: row.clone(), state: State::Sent });
        let again = row.sequence <= self.highest;
        self.highest = self.highest.max(row.sequence);
        Some((row, again))
    }

    /// Takes the broker's verdict on a row. `roll` is a random number from 0 to 1 for the back-off.
    pub fn acknowledge(&mut self, sequence: u64, verdict: Verdict, now: Instant, roll: f64) -> Change {
        let mut change = Change::default();
        let Ok(at) = self.open.binary_search_by_key(&sequence, |open| open.row.sequence) else { return change };
        if self.open[at].state != State::Sent {
            return change;
        }
        let was_probe = self.pause.as_ref().is_some_and(|pause| pause.probe == Some(sequence));
        match verdict {
            Verdict::Taken | Verdict::TakenByNobody | Verdict::Poison(_) => {
                self.open[at].state = State::Done;
                if let Verdict::Poison(refusal) = verdict {
                    change.dead = Some(refusal.reason);
                }
                if was_probe {
                    self.pause = None;
                    self.later.reset();
                    self.hold.reset();
                    change.pause_changed = true;
                }
                change.settled = self.advance();
            }
            Verdict::Later(refusal) => {
                self.open[at].state = State::Again;
                let first = self.pause.is_none();
                let wait = if was_probe || first { self.later.next(0.5 + roll / 2.0) } else { Duration::ZERO };
                change.pause_changed = self.refused(sequence, refusal, false, now + wait, was_probe);
            }
            Verdict::Hold(refusal) => {
                self.open[at].state = State::Again;
                // Of all the rows that were on their way, only the one that tries counts.
                let first = self.pause.as_ref().is_none_or(|pause| !pause.held);
                let wait = if was_probe || first { self.hold.next(1.0) } else { Duration::ZERO };
                change.pause_changed = self.refused(sequence, refusal, true, now + wait, was_probe);
            }
        }
        change
    }

    /// Holds the device because this row, just taken with [`Cursor::next`], cannot be sent at all on this connection.
    pub fn hold(&mut self, sequence: u64, reason: String, remedy: &str, now: Instant) {
        if let Some(open) = self.open.iter_mut().find(|open| open.row.sequence == sequence) {
            open.state = State::Again;
        }
        let since = self.pause.as_ref().map_or_else(Timestamp::now, |pause| pause.since);
        let remedy = remedy.to_owned();
        self.pause = Some(Pause { sequence, reason, remedy, held: true, since, until: now + HOLD.1, probe: None });
    }

    fn refused(&mut self, sequence: u64, refusal: Refusal, held: bool, until: Instant, was_probe: bool) -> bool {
        match &mut self.pause {
            // Rows that were on their way when the first was refused only add to the same pause.
            Some(pause) if !was_probe && (pause.held || !held) => false,
            earlier => {
                let since = earlier.as_ref().filter(|e| e.held == held).map_or_else(Timestamp::now, |e| e.since);
                let probe = earlier.as_ref().and_then(|e| e.probe).filter(|_| !was_probe);
                let (reason, remedy) = (refusal.reason.to_owned(), refusal.remedy.to_owned());
                *earlier = Some(Pause { sequence, reason, remedy, held, since, until, probe });
                true
            }
        }
    }

    /// Removes what is acknowledged without a hole; the new settled sequence, where there is one.
    fn advance(&mut self) -> Option<u64> {
        let before = self.settled;
        while let Some(open) = self.open.front().filter(|open| open.state == State::Done) {
            self.settled = open.row.sequence;
            self.open.pop_front();
        }
        (self.settled > before).then_some(self.settled)
    }
}
