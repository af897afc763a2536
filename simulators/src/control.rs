//! How a simulator is driven from outside.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Whether a simulator does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responsiveness {
    /// It goes on with its work.
    Responsive,
    /// It does nothing at all; its own time stands still as well.
    Unresponsive,
}

/// What every simulator lets a test or a demonstration do with it.
pub trait Control {
    /// Silences it, or lets it go on.
    fn set_responsiveness(&self, responsiveness: Responsiveness);

    /// Makes everything take so many times as long; 1 is as it was started.
    fn set_slowness(&self, factor: f64);

    /// From now on it does one step for each call of [`Control::step`], and nothing by itself.
    fn single_step(&self);

    /// Allows one step more while it is single-stepped.
    fn step(&self);

    /// Goes back from single steps to its own pace.
    fn free_run(&self);

    /// How many steps it has done.
    fn steps(&self) -> &Counter;
}

/// A number that only grows, and for which one can wait.
#[derive(Debug, Default)]
pub struct Counter {
    value: Mutex<u64>,
    grown: Condvar,
}

impl Counter {
    /// The number now.
    pub fn get(&self) -> u64 {
        *self.lock()
    }

    /// Adds to it.
    pub fn add(&self, more: u64) {
        *self.lock() += more;
        self.grown.notify_all();
    }

    /// Waits until it is at least `wanted`; false when `patience` runs out before.
    pub fn wait_for(&self, wanted: u64, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut value = self.lock();
        while *value < wanted {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            value = self.grown.wait_timeout(value, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// A number is whole at any moment, so a holder that panicked left it usable.
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_counter_wakes_who_waits_for_it() {
        let counter = Arc::new(Counter::default());
        let other = counter.clone();
        let thread = std::thread::spawn(move || other.wait_for(3, Duration::from_secs(30)));
        for _ in 0..3 {
            counter.add(1);
        }
        assert!(thread.join().expect("the waiting thread ends"));
    }

    #[test]
    fn a_counter_that_stays_behind_is_waited_for_in_vain() {
        assert!(!Counter::default().wait_for(1, Duration::from_millis(1)));
    }
}
