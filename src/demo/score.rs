//! What an observer counts: every event by its id and its sequence, and nothing of how it came about.

use std::collections::{BTreeSet, HashSet};

/// The count so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Score {
    /// Messages that arrived.
    pub received: u64,
    /// Different events among them.
    pub different: u64,
    /// Messages whose event had arrived before.
    pub repeated: u64,
    /// Events whose first arrival came after that of a later event.
    pub out_of_order: u64,
    /// Messages that are no event with an id and a sequence.
    pub unreadable: u64,
}

impl Score {
    /// Events that were made and never arrived, when `made` is their number.
    pub fn missing(&self, made: u64) -> u64 {
        made.saturating_sub(self.different)
    }
}

/// Counts.
#[derive(Debug, Default)]
pub struct Counter {
    ids: HashSet<String>,
    sequences: BTreeSet<u64>,
    score: Score,
}

impl Counter {
    /// The count so far.
    pub fn score(&self) -> Score {
        self.score
    }

    /// Counts a message; true where its event arrived for the first time.
    pub fn count(&mut self, id: &str, sequence: u64) -> bool {
        self.score.received += 1;
        if !self.ids.insert(id.to_owned()) {
            self.score.repeated += 1;
            return false;
        }
        if self.sequences.last().is_some_and(|highest| *highest > sequence) {
            self.score.out_of_order += 1;
        }
        // Two ids under one sequence would be one event too few: the second is not counted as different, so that it
        // shows as a missing one.
        if self.sequences.insert(sequence) {
            self.score.different += 1;
        }
        true
    }

    /// Counts a message that could not be read.
    pub fn unreadable(&mut self) {
        self.score.received += 1;
        self.score.unreadable += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_repeated_or_late_is_counted() {
        let mut counter = Counter::default();
        for (id, sequence) in [("a", 1), ("b", 2), ("b", 2), ("d", 4), ("c", 3), ("a", 1)] {
            counter.count(id, sequence);
        }
        counter.unreadable();
        let score = counter.score();
        let expected = Score { received: 7, different: 4, repeated: 2, out_of_order: 1, unreadable: 1 };
        assert_eq!(score, expected);
        assert_eq!(score.missing(4), 0);
        assert_eq!(score.missing(6), 2);
    }

    #[test]
    fn two_events_under_one_sequence_are_one_too_few() {
        let mut counter = Counter::default();
        counter.count("a", 1);
        counter.count("b", 1);
        assert_eq!(counter.score().missing(2), 1);
    }
}
