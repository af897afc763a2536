//! How fast a simulator's own time runs, and its switches.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::control::{Control, Counter, Responsiveness};

/// How fast the instrument's time runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many of its seconds in one of ours; 1 is real time.
    Times(f64),
    /// Without any waiting.
    Max,
}

#[derive(Debug)]
struct Switches {
    responsive: bool,
    slowness: f64,
    /// Steps that may still be done; `None` while it runs freely.
    allowed: Option<u64>,
    stopped: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self { responsive: true, slowness: 1.0, allowed: None, stopped: false }
    }
}

/// The switches of a simulator that runs in a thread of its own, and its pace.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    switches: Mutex<Switches>,
    changed: Condvar,
    steps: Counter,
}

impl Control for Shared {
    fn set_responsiveness(&self, responsiveness: Responsiveness) {
        self.set(|switches| switches.responsive = responsiveness == Responsiveness::Responsive);
    }

    fn set_slowness(&self, factor: f64) {
        self.set(|switches| switches.slowness = factor);
    }

    fn single_step(&self) {
        self.set(|switches| switches.allowed = Some(0));
    }

    fn step(&self) {
        self.set(|switches| switches.allowed = Some(switches.allowed.unwrap_or(0) + 1));
    }

    fn free_run(&self) {
        self.set(|switches| switches.allowed = None);
    }

    fn steps(&self) -> &Counter {
        &self.steps
    }
}

impl Shared {
    /// Each switch is whole at any moment, so a holder that panicked left them usable.
    fn lock(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Ends it at its next step.
    pub(crate) fn stop(&self) {
        self.set(|switches| switches.stopped = true);
    }

    /// Whether it was ended.
    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Waits a little in real time, less if a switch is thrown meanwhile.
    pub(crate) fn pause(&self, time: Duration) {
        drop(self.changed.wait_timeout(self.lock(), time));
    }

    /// Waits until the next step is due and allowed; false when the player was stopped.
    pub(crate) fn wait_for_turn(&self, seconds: f64, pace: Pace) -> bool {
        let mut left = match pace {
            Pace::Times(times) => {
                Duration::try_from_secs_f64(seconds.max(0.0) / times.max(1e-6)).unwrap_or(Duration::MAX)
            }
            Pace::Max => Duration::ZERO,
        };
        let mut switches = self.lock();
        left = left.mul_f64(switches.slowness.clamp(0.001, 1e6));
        loop {
            if switches.stopped {
                return false;
            }
            let held = !switches.responsive || switches.allowed == Some(0);
            if held {
                switches = self.changed.wait(switches).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if let Some(allowed) = &mut switches.allowed {
                // Single steps come when they are asked for, not when they are due.
                *allowed -= 1;
                return true;
            }
            if left.is_zero() {
                return true;
            }
            let begin = std::time::Instant::now();
            switches = self.changed.wait_timeout(switches, left).unwrap_or_else(PoisonError::into_inner).0;
            left = left.saturating_sub(begin.elapsed());
        }
    }
}
