//! What an observer counts: every event by its id and its sequence, and nothing of how it came about.

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// How many events each device's journal holds.
pub type Made = BTreeMap<String, u64>;

/// The count of one device so far.
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
}

impl Score {
    /// Events that were made and never arrived, when `made` is their number.
    pub fn missing(&self, made: u64) -> u64 {
        made.saturating_sub(self.different)
    }
}

/// The count so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scores {
    devices: BTreeMap<String, Score>,
    /// Messages that are no event with an id and a sequence.
    pub unreadable: u64,
}

impl Scores {
    /// The count of one device.
    pub fn of(&self, device: &str) -> Score {
        self.devices.get(device).copied().unwrap_or_default()
    }

    /// Events of all devices that were made and never arrived.
    pub fn missing(&self, made: &Made) -> u64 {
        made.iter().map(|(device, made)| self.of(device).missing(*made)).sum()
    }

    /// Messages of all devices; those that could not be read are among them.
    pub fn received(&self) -> u64 {
        self.devices.values().map(|score| score.received).sum::<u64>() + self.unreadable
    }

    /// Messages of all devices whose event had arrived before.
    pub fn repeated(&self) -> u64 {
        self.devices.values().map(|score| score.repeated).sum()
    }

    /// Events of all devices that came after a later one of the same device.
    pub fn out_of_order(&self) -> u64 {
        self.devices.values().map(|score| score.out_of_order).sum()
    }
}

/// Counts.
#[derive(Debug, Default)]
pub struct Counter {
    ids: HashSet<String>,
    sequences: BTreeMap<String, BTreeSet<u64>>,
    scores: Scores,
}

impl Counter {
    /// The count so far.
    pub fn scores(&self) -> Scores {
        self.scores.clone()
    }

    /// Counts a message; true where its event arrived for the first time.
    pub fn count(&mut self, device: &str, id: &str, sequence: u64) -> bool {
        let score = self.scores.devices.entry(device.to_owned()).or_default();
        let sequences = self.sequences.entry(device.to_owned()).or_default();
        score.received += 1;
        if !self.ids.insert(id.to_owned()) {
            score.repeated += 1;
            return false;
        }
        if sequences.last().is_some_and(|highest| *highest > sequence) {
            score.out_of_order += 1;
        }
        // Two ids under one sequence would be one event too few: the second is not counted as different, so that it
        // shows as a missing one.
        if sequences.insert(sequence) {
            score.different += 1;
        }
        true
    }

    /// Counts a message that could not be read.
    pub fn unreadable(&mut self) {
        self.scores.unreadable += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_repeated_or_late_is_counted() {
        let mut counter = Counter::default();
        for (id, sequence) in [("a", 1), ("b", 2), ("b", 2), ("d", 4), ("c", 3), ("a", 1)] {
            counter.count("one", id, sequence);
        }
        counter.unreadable();
        let scores = counter.scores();
        assert_eq!(scores.of("one"), Score { received: 6, different: 4, repeated: 2, out_of_order: 1 });
        assert_eq!((scores.received(), scores.unreadable), (7, 1));
        assert_eq!(scores.of("one").missing(4), 0);
        assert_eq!(scores.of("one").missing(6), 2);
    }

    #[test]
    fn two_events_under_one_sequence_are_one_too_few() {
        let mut counter = Counter::default();
        counter.count("one", "a", 1);
        counter.count("one", "b", 1);
        assert_eq!(counter.scores().of("one").missing(2), 1);
    }

    #[test]
    fn each_device_has_its_own_sequence() {
        let mut counter = Counter::default();
        for (device, id, sequence) in [("one", "a", 1), ("one", "b", 2), ("two", "c", 1), ("two", "c", 1)] {
            counter.count(device, id, sequence);
        }
        let scores = counter.scores();
        let made = |one, two, three| {
            Made::from([("one".to_owned(), one), ("two".to_owned(), two), ("three".to_owned(), three)])
        };
        assert_eq!((scores.out_of_order(), scores.repeated(), scores.received()), (0, 1, 4));
        assert_eq!(scores.missing(&made(2, 1, 0)), 0);
        assert_eq!(scores.missing(&made(2, 2, 3)), 4, "more of one device never makes up for another");
    }
}
