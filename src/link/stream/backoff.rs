//! How long to wait before a line is opened again.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(100);

/// The longest: a replugged adapter is to be seen within two seconds, opening included.
const LONGEST: Duration = Duration::from_millis(1500);

/// Doubling waits with jitter, for ever: many daemons lose the same device server at one moment.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The next wait, from half of its ceiling to all of it; `roll` is a random number from 0 to 1.
    pub(super) fn next(&mut self, roll: f64) -> Duration {
        let ceiling = self.next;
        self.next = (ceiling * 2).min(LONGEST);
        ceiling.mul_f64(0.5 + roll.clamp(0.0, 1.0) / 2.0)
    }

    /// Starts over, after something came over the line.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_over() {
        let mut backoff = Backoff::new();
        let waits: Vec<u128> = (0..6).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1500, 1500]);
        assert_eq!(backoff.next(0.0).as_millis(), 750);
        backoff.reset();
        assert_eq!(backoff.next(1.0), FIRST);
    }
}
