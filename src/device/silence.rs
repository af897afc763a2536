//! Timers that count a source's silence: only while the daemon is up, and across its restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::driver::{SourceName, Timer, TimerChange};

/// Kept values that are less than this off are not written again: a kill forgets at most so much silence.
const PRECISION: Duration = Duration::from_secs(30);

/// The timers of one device.
#[derive(Debug, Default)]
pub struct Silence {
    running: BTreeMap<Timer, Instant>,
    kept: BTreeMap<Timer, Duration>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    source: String,
    name: String,
    remaining_ms: u64,
}

/// The names of the timers that count on over a restart of the daemon. Others, a reply's time-out on a line, mean nothing
/// after it.
const NAMES: [&str; 2] = ["cycle", "set"];

impl Silence {
    /// Takes up the timers that `kept`, the journal's note, names.
    pub fn restore(kept: Option<&[u8]>, now: Instant) -> Self {
        let kept: Vec<Kept> = kept.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let mut silence = Self::default();
        for Kept { source, name, remaining_ms } in kept {
            let Some(name) = NAMES.iter().find(|known| **known == name) else { continue };
            let timer = Timer { source: source.into(), name };
            let remaining = Duration::from_millis(remaining_ms);
            silence.running.insert(timer.clone(), now + remaining);
            silence.kept.insert(timer, remaining);
        }
        silence
    }

    /// Follows a driver's wish.
    pub fn change(&mut self, change: TimerChange, now: Instant) {
        match change {
            TimerChange::Set(timer, after) => {
                self.running.insert(timer, now + after);
            }
            TimerChange::Cancel(timer) => {
                self.running.remove(&timer);
            }
        }
    }

    /// Drops the timers of a source.
    pub fn forget(&mut self, source: &SourceName) {
        self.running.retain(|timer, _| timer.source != *source);
    }

    /// When the next timer runs out.
    pub fn next(&self) -> Option<Instant> {
        self.running.values().min().copied()
    }

    /// Takes out a timer that has run out.
    pub fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let due = self.running.iter().find(|(_, at)| **at <= now).map(|(timer, _)| timer.clone())?;
        self.running.remove(&due);
        Some(due)
    }

    /// The note to keep, where the one in the journal is too far off.
    pub fn note(&mut self, now: Instant) -> Option<Vec<u8>> {
        let lasting = self.running.iter().filter(|(timer, _)| NAMES.contains(&timer.name));
        let current: BTreeMap<Timer, Duration> =
            lasting.map(|(timer, at)| (timer.clone(), at.saturating_duration_since(now))).collect();
        let near = |timer: &Timer, remaining: Duration| {
            self.kept.get(timer).is_some_and(|kept| kept.abs_diff(remaining) < PRECISION)
        };
        if current.len() == self.kept.len() && current.iter().all(|(timer, remaining)| near(timer, *remaining)) {
            return None;
        }
        self.kept = current;
        let kept: Vec<Kept> = self
            .kept
            .iter()
            .map(|(timer, remaining)| Kept {
                source: timer.source.to_string(),
                name: timer.name.to_owned(),
                remaining_ms: u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX),
            })
            .collect();
        serde_json::to_vec(&kept).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_time_out_on_a_line_is_not_kept() {
        let timer = Timer { source: "serial".into(), name: "reply" };
        let mut silence = Silence::default();
        silence.change(TimerChange::Set(timer.clone(), Duration::from_secs(10)), Instant::now());
        assert_eq!(silence.note(Instant::now()), None);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(silence.take_due(Instant::now()), Some(timer.clone()));
        silence.change(TimerChange::Set(timer, Duration::from_secs(10)), Instant::now());
        silence.forget(&"serial".into());
        assert_eq!(silence.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_goes_on_where_a_restart_left_it() {
        let timer = Timer { source: "a.csv".into(), name: "cycle" };
        let mut before = Silence::default();
        before.change(TimerChange::Set(timer.clone(), Duration::from_secs(600)), Instant::now());
        assert!(before.note(Instant::now()).is_some(), "a new timer is kept");
        assert!(before.note(Instant::now()).is_none(), "an unchanged one is not written again");
        tokio::time::advance(Duration::from_secs(400)).await;
        let note = before.note(Instant::now()).expect("400 s are worth keeping");

        // The daemon is down for an hour, which is not the source's silence.
        tokio::time::advance(Duration::from_secs(3600)).await;
        let mut after = Silence::restore(Some(&note), Instant::now());
        assert_eq!(after.take_due(Instant::now()), None);
        tokio::time::advance(Duration::from_secs(200)).await;
        assert_eq!(after.take_due(Instant::now()), Some(timer));
    }
}
