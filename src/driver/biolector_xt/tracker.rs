//! Which cycle a reading belongs to: the stream does not say it.
//!
//! Within one opening of the stream the steps from cycle to cycle can be seen. How many there were tells each reading's
//! *lap*; which cycle a lap is the instrument's progress tells, once two answers with a reading between them agree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::order::{Orders, Position};

/// What the tracker found out with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchored {
    /// Nothing new.
    No,
    /// The laps have numbers now; readings of laps before the given one are not certain.
    From(u32),
    /// They were numbered otherwise: readings since the given lap were told as of the cycle `told`, and are of `is`.
    Moved { told: u32, is: u32 },
}

/// What is known of the cycles in one opening.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tracker {
    orders: Orders,
    /// Steps into a next cycle since the opening.
    lap: u32,
    /// The cycle of lap 0; may be negative where the run's first cycle is a later lap.
    anchor: Option<i64>,
    last: Option<Position>,
    /// Wells seen in this lap, by channel.
    seen: BTreeMap<u32, u64>,
    /// Wells seen in the last whole lap.
    whole: BTreeMap<u32, u64>,
    /// Whether this lap was seen from its first reading.
    is_whole: bool,
    /// Readings since the opening.
    count: u64,
    /// The last answer: cycle, lap and count then.
    answer: Option<(i64, u32, u64)>,
}

impl Tracker {
    /// The stream was opened anew: what passed meanwhile is not known.
    pub fn reopened(&mut self) {
        let Self { orders, whole, .. } = std::mem::take(self);
        (self.orders, self.whole) = (orders, whole);
    }

    /// The run begins now: its first reading begins a cycle.
    pub fn begins(&mut self) {
        self.is_whole = self.count == 0;
    }

    /// Whether laps have no numbers yet.
    pub fn is_adrift(&self) -> bool {
        self.anchor.is_none()
    }

    /// Takes a reading; says its lap, and whether it is the first of it.
    pub fn reading(&mut self, position: Position) -> (u32, bool) {
        self.count += 1;
        let bit = 1u64 << (position.well % 64);
        let again = self.seen.get(&position.channel).is_some_and(|wells| wells & bit != 0);
        let steps = again || self.last.is_some_and(|last| self.orders.goes_back(last, position));
        if steps {
            let seen = std::mem::take(&mut self.seen);
            if self.is_whole {
                self.whole = seen;
            }
            self.is_whole = true;
            self.lap += 1;
        } else if let Some(last) = self.last {
            self.orders.learn(last, position);
        }
        let is_first = self.seen.is_empty() && self.is_whole;
        *self.seen.entry(position.channel).or_default() |= bit;
        self.last = Some(position);
        (self.lap, is_first)
    }

    /// Takes an answer about the progress.
    pub fn progress(&mut self, cycle: u64) -> Anchored {
        let cycle = i64::try_from(cycle).unwrap_or(i64::MAX);
        let before = self.answer.replace((cycle, self.lap, self.count));
        let Some((earlier, lap, count)) = before else { return Anchored::No };
        if count == self.count && earlier == cycle {
            // The earlier one says the same of more.
            self.answer = before;
        }
        let is = cycle - i64::from(self.lap);
        if count == self.count || cycle - earlier != i64::from(self.lap - lap) {
            return Anchored::No;
        }
        match self.anchor {
            None => {
                self.anchor = Some(is);
                // Without an order a step out of a lap that was joined in its middle is not seen.
                let reliable = self.orders.is_known() || lap > 0;
                Anchored::From(if reliable { 0 } else { lap })
            }
            Some(told) if told != is && lap == self.lap => {
                self.anchor = Some(is);
                let number = |anchor: i64| u32::try_from(anchor + i64::from(self.lap)).unwrap_or(0);
                Anchored::Moved { told: number(told), is: number(is) }
            }
            Some(_) => Anchored::No,
        }
    }

    /// The cycle of a lap, where it is certain.
    pub fn cycle(&self, lap: u32) -> Option<u32> {
        u32::try_from(self.anchor? + i64::from(lap)).ok()
    }

    /// The cycle of the last reading, where it is certain.
    pub fn current(&self) -> Option<u32> {
        self.cycle(self.lap)
    }

    /// Whether everything that the last whole cycle measured was measured in this one.
    pub fn is_all_read(&self) -> bool {
        !self.whole.is_empty() && self.is_whole && self.seen == self.whole
    }

    /// Wells seen in the last whole cycle, by channel; empty before there was one.
    pub fn expected(&self) -> &BTreeMap<u32, u64> {
        &self.whole
    }

    /// Whether this lap was seen from its first reading on.
    pub fn is_seen_from_its_start(&self) -> bool {
        self.is_whole
    }

    /// The orders that fit what was seen.
    pub fn orders(&self) -> Orders {
        self.orders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cycle of two channels and four wells in the order of the files.
    fn cycle() -> Vec<Position> {
        (1..=2).flat_map(|channel| [0, 1, 9, 8].map(|well| Position { channel, well })).collect()
    }

    #[test]
    fn two_answers_that_agree_with_a_reading_between_them_number_the_laps() {
        for joined_at in 0..8 {
            let mut tracker = Tracker::default();
            assert_eq!(tracker.progress(7), Anchored::No);
            let stream: Vec<Position> = cycle().into_iter().cycle().skip(joined_at).take(40).collect();
            assert_eq!(tracker.reading(stream[0]).0, 0);
            assert_eq!(tracker.progress(7), Anchored::From(0));
            let mut cycles = vec![tracker.current()];
            for position in &stream[1..] {
                tracker.reading(*position);
                cycles.push(tracker.current());
            }
            let wanted: Vec<Option<u32>> = (joined_at..joined_at + 40).map(|at| Some(7 + at as u32 / 8)).collect();
            assert_eq!(cycles, wanted, "joined at {joined_at}");
        }
    }

    #[test]
    fn an_answer_from_the_pause_between_two_cycles_numbers_nothing() {
        let mut tracker = Tracker::default();
        tracker.progress(3);
        tracker.progress(3);
        // The first reading of cycle 4, of which nobody can see that a cycle began before it.
        tracker.reading(cycle()[0]);
        assert_eq!(tracker.progress(4), Anchored::No);
        assert_eq!(tracker.current(), None);
        tracker.reading(cycle()[1]);
        assert_eq!(tracker.progress(4), Anchored::From(0));
        assert_eq!(tracker.current(), Some(4));
    }

    #[test]
    fn a_wrong_number_is_found_out() {
        let mut tracker = Tracker::default();
        tracker.progress(3);
        tracker.reading(cycle()[0]);
        tracker.progress(3);
        tracker.reading(cycle()[1]);
        tracker.progress(5);
        tracker.reading(cycle()[2]);
        assert_eq!(tracker.progress(5), Anchored::Moved { told: 3, is: 5 });
        assert_eq!(tracker.current(), Some(5));
    }
}
