//! How long to wait before trying again.

use std::time::Duration;

/// Exponential back-off with full jitter: each wait is uniform between nothing and a ceiling that doubles.
///
/// Full jitter, because many daemons lose the same broker at the same moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    attempts: u32,
}

impl Backoff {
    /// The first ceiling is `base`, the last `cap`.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, attempts: 0 }
    }

    /// The ceiling of the next wait.
    pub fn ceiling(&self) -> Duration {
        self.base.saturating_mul(1u32.checked_shl(self.attempts).unwrap_or(u32::MAX)).min(self.cap)
    }

    /// The next wait; `roll` is a random number from 0 to 1.
    pub fn next(&mut self, roll: f64) -> Duration {
        let wait = self.ceiling().mul_f64(roll.clamp(0.0, 1.0));
        self.attempts = self.attempts.saturating_add(1);
        wait
    }

    /// Starts over, after something worked.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let waits: Vec<_> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        for _ in 0..100 {
            assert!(backoff.next(0.5) <= Duration::from_secs(15));
        }
        backoff.reset();
        assert_eq!(backoff.next(1.0), Duration::from_millis(500));
    }
}
