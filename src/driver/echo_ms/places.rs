//! Sets of numbers that are mostly without holes: places in a run's order, wells of a plate.

use serde::{Deserialize, Serialize};

/// Ranges that are kept at most: more holes than that make no run.
const MOST: usize = 1024;

/// Ranges from and to, ascending, apart from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Places(Vec<(u32, u32)>);

impl Places {
    /// Adds one; false where it was there. What would make too many ranges is not kept and counts as new.
    pub fn add(&mut self, place: u32) -> bool {
        let at = self.0.partition_point(|(_, to)| *to < place);
        if self.0.get(at).is_some_and(|(from, _)| *from <= place) {
            return false;
        }
        let joins_before = at > 0 && self.0.get(at - 1).is_some_and(|(_, to)| to.checked_add(1) == Some(place));
        let joins_after = self.0.get(at).is_some_and(|(from, _)| place.checked_add(1) == Some(*from));
        match (joins_before, joins_after) {
            (true, true) => {
                let (_, to) = self.0.remove(at);
                self.0[at - 1].1 = to;
            }
            (true, false) => self.0[at - 1].1 = place,
            (false, true) => self.0[at].0 = place,
            (false, false) if self.0.len() < MOST => self.0.insert(at, (place, place)),
            (false, false) => {}
        }
        true
    }

    /// The ranges from 1 to `last` that are not there.
    pub fn holes(&self, last: u32) -> Vec<(u32, u32)> {
        let mut holes = Vec::new();
        let mut next = 1;
        for (from, to) in &self.0 {
            if *from > last {
                break;
            }
            if *from > next {
                holes.push((next, from - 1));
            }
            next = next.max(to.saturating_add(1));
        }
        if next <= last {
            holes.push((next, last));
        }
        holes
    }

    /// The highest.
    pub fn last(&self) -> u32 {
        self.0.last().map_or(0, |(_, to)| *to)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(added in proptest::collection::vec(1u32..40, 0..80)) {
            let (mut places, mut model) = (Places::default(), BTreeSet::new());
            for place in added {
                prop_assert_eq!(places.add(place), model.insert(place));
            }
            let holes: BTreeSet<u32> = places.holes(40).into_iter().flat_map(|(from, to)| from..=to).collect();
            prop_assert_eq!(holes, (1..=40).filter(|n| !model.contains(n)).collect::<BTreeSet<_>>());
            prop_assert_eq!(places.last(), model.last().copied().unwrap_or_default());
        }
    }

    #[test]
    fn numbers_of_any_size_are_bounded() {
        let mut places = Places::default();
        for place in (0..5000).map(|n| n * 2).chain([u32::MAX, u32::MAX - 1]) {
            places.add(place);
        }
        assert!(places.0.len() <= MOST);
        assert!(places.holes(u32::MAX).len() <= MOST + 1);
    }
}
