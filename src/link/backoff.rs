//! How long to wait before something is opened again.

use std::time::Duration;

/// Doubling waits with jitter, for ever: many daemons lose the same server at one moment.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// The ceilings of the first wait and of the longest.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The next wait, from half of its ceiling to all of it; `roll` is a random number from 0 to 1.
    pub(super) fn next(&mut self, roll: f64) -> Duration {
        let ceiling = self.next;
        self.next = (ceiling * 2).min(self.longest);
        ceiling.mul_f64(0.5 + roll.clamp(0.0, 1.0) / 2.0)
    }

    /// Starts over, after something came from the other side.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(1500));
        let waits: Vec<u128> = (0..6).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1500, 1500]);
        assert_eq!(backoff.next(0.0).as_millis(), 750);
        backoff.reset();
        assert_eq!(backoff.next(1.0).as_millis(), 100);
    }
}
