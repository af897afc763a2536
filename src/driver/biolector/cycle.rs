//! What was seen of one cycle: decides what is a first row, what a further one, and when nothing more is expected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::defects::{DefectCode, Defects};
use super::facts::{self, WellCode};
use crate::event::EventType;
use crate::event::cultivation::{ChannelCount, DuplicateRow};

/// Further rows of one cycle that are told whole; a whole spliced cycle of the largest run fits. More are counted.
pub(super) const MAX_DUPLICATES: usize = 300;

/// Filter sets of one cycle that are followed; devices have a dozen, garbage may have any number.
pub(super) const MAX_SETS: usize = 64;

/// How many events of each type there were; kept by name in snapshots, so that new types shift nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "BTreeMap<String, u64>", from = "BTreeMap<String, u64>")]
pub(super) struct Counts([u64; EventType::ALL.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; EventType::ALL.len()])
    }
}

impl Counts {
    pub fn add(&mut self, event_type: EventType) {
        if let Some(count) = self.0.get_mut(event_type as usize) {
            *count += 1;
        }
    }

    pub fn told(&self) -> BTreeMap<&'static str, u64> {
        let counted = EventType::ALL.iter().zip(&self.0).filter(|(_, count)| **count > 0);
        counted.map(|(event_type, count)| (event_type.short(), *count)).collect()
    }
}

impl From<Counts> for BTreeMap<String, u64> {
    fn from(counts: Counts) -> Self {
        counts.told().into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    }
}

impl From<BTreeMap<String, u64>> for Counts {
    fn from(named: BTreeMap<String, u64>) -> Self {
        let mut counts = Self::default();
        for (event_type, count) in EventType::ALL.iter().zip(&mut counts.0) {
            *count = named.get(event_type.short()).copied().unwrap_or(0);
        }
        counts
    }
}

/// A further row, as the snapshot keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Duplicate {
    pub well: WellCode,
    pub filterset: u32,
    pub elapsed_s: f64,
    pub amplitude: Option<f64>,
    pub phase_deg: Option<f64>,
    pub instrument_value: Option<f64>,
    pub offset: u64,
    pub conflict: bool,
}

impl Duplicate {
    fn told(&self) -> Option<DuplicateRow> {
        Some(DuplicateRow {
            well: facts::well(self.well)?,
            filterset: self.filterset,
            elapsed_s: Some(self.elapsed_s),
            amplitude: self.amplitude,
            phase_deg: self.phase_deg,
            instrument_value: self.instrument_value,
            source_offset: self.offset,
            conflict: self.conflict,
        })
    }
}

/// One filter set in one cycle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Set {
    /// Wells in the order of their rows, each followed by a 16-bit digest of its row.
    seen: Vec<u16>,
    pub invalid: u32,
    /// Whether the reference's row came, and its amplitude where usable.
    pub referenced: bool,
    pub reference: Option<f64>,
    pub last_time: Option<f64>,
}

impl Set {
    /// The digest of the row that was seen of `well`.
    pub fn digest(&self, well: WellCode) -> Option<u16> {
        self.seen.chunks_exact(2).find(|pair| pair[0] == well).map(|pair| pair[1])
    }

    pub fn mark(&mut self, well: WellCode, digest: u16) {
        self.seen.extend([well, digest]);
    }

    pub fn wells(&self) -> impl Iterator<Item = WellCode> {
        self.seen.chunks_exact(2).map(|pair| pair[0])
    }

    pub fn count(&self) -> usize {
        self.seen.len() / 2
    }
}

/// One cycle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cycle {
    pub number: u32,
    pub sets: BTreeMap<u32, Set>,
    pub counts: Counts,
    pub duplicates: Vec<Duplicate>,
    pub defects: Defects,
    pub last_elapsed: Option<f64>,
    /// Filter set and well of the last new reading.
    pub last: Option<(u32, WellCode)>,
    /// The filter set of the last row that was filed under the next filter set, where there was one.
    pub misfiled: Option<u32>,
    /// Revisions of its completion so far.
    pub revision: u32,
    /// Rows came after its completion that no revision tells of yet.
    pub late: bool,
    /// Whether everything expected was there at its completion.
    pub complete: bool,
}

/// Expected wells by filter set, and whether a header says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub sets: &'a BTreeMap<u32, Vec<WellCode>>,
    pub from_header: bool,
}

impl Cycle {
    pub fn new(number: u32) -> Self {
        Self { number, ..Self::default() }
    }

    /// The filter set, where it may be followed.
    pub fn set(&mut self, filterset: u32) -> Option<&mut Set> {
        if self.sets.len() >= MAX_SETS && !self.sets.contains_key(&filterset) {
            return None;
        }
        Some(self.sets.entry(filterset).or_default())
    }

    pub fn add_duplicate(&mut self, duplicate: Duplicate) {
        let (offset, text) = (duplicate.offset, "a further row for a reading");
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(duplicate);
        } else {
            self.defects.add(DefectCode::MoreDuplicates, offset, text);
        }
    }

    /// Whether every expected reading was seen; never where nothing is expected.
    pub fn all_read(&self, expected: Expected<'_>) -> bool {
        let seen = |(filterset, wells): (&u32, &Vec<WellCode>)| {
            // Counting first: it is cheap and nearly always decides.
            self.sets
                .get(filterset)
                .is_some_and(|set| set.count() >= wells.len() && wells.iter().all(|well| set.digest(*well).is_some()))
        };
        !expected.sets.is_empty() && expected.sets.iter().rev().all(seen)
    }

    /// Whether the reading just seen is the last one in measuring order, right after its predecessor `before`.
    pub fn last_read(&self, before: Option<(u32, WellCode)>, expected: Expected<'_>) -> bool {
        let Some((filterset, wells)) = expected.sets.last_key_value() else { return false };
        let [.., predecessor, last] = wells.as_slice() else { return false };
        self.misfiled.is_none() && self.last == Some((*filterset, *last)) && before == Some((*filterset, *predecessor))
    }

    /// Whether it was measured to its end, whatever was lost on the way: the last two wells of the last filter set are
    /// there. Two, because a row of the set before may stand in the place of the last one.
    pub fn reached_its_end(&self, expected: Expected<'_>) -> bool {
        let Some((filterset, wells)) = expected.sets.last_key_value() else { return false };
        let seen = |well: &WellCode| self.sets.get(filterset).is_some_and(|set| set.digest(*well).is_some());
        !wells.is_empty() && wells.iter().rev().take(2).all(seen)
    }

    /// Whether a row of `filterset` and `well`, not seen before, shows the quirk of the XT software 1.8.10: rows are
    /// written one event late, so that the last well's row is filed under the next filter set.
    ///
    /// It is then the first row of that set, comes right behind the last but one of the set before (or where that row
    /// is lost, behind most of the set), and that set has none of its own.
    pub fn looks_misfiled(&self, filterset: u32, well: WellCode, expected: Expected<'_>) -> bool {
        let Some((before, at)) = self.last else { return false };
        let Some(wells) = expected.sets.get(&before) else { return false };
        let [.., predecessor, last] = wells.as_slice() else { return false };
        let Some(set) = self.sets.get(&before) else { return false };
        before != filterset
            && well == *last
            && (at == *predecessor || set.count() * 2 >= wells.len().max(4))
            // A last row that is there may itself be the one of the set before.
            && (self.misfiled == Some(before) || set.digest(*last).is_none())
            && self.sets.get(&filterset).is_none_or(|set| set.count() == 0)
    }

    /// What was measured of each filter set that was expected or seen.
    pub fn channels(&self, expected: Expected<'_>) -> Vec<ChannelCount> {
        let mut filtersets: Vec<u32> = expected.sets.keys().chain(self.sets.keys()).copied().collect();
        filtersets.sort_unstable();
        filtersets.dedup();
        let none = Set::default();
        let count = |filterset: u32| {
            let set = self.sets.get(&filterset).unwrap_or(&none);
            let wells = expected.sets.get(&filterset).map(Vec::as_slice).unwrap_or_default();
            let missing = wells.iter().filter(|well| set.digest(**well).is_none());
            ChannelCount {
                filterset,
                // Where nothing tells, what was seen is what was to be seen.
                expected: if expected.sets.is_empty() { number(set.count()) } else { number(wells.len()) },
                seen: number(set.count()),
                invalid: set.invalid,
                missing_wells: missing.filter_map(|well| facts::well(*well)).collect(),
                expected_from: if expected.from_header { "header" } else { "learned" },
            }
        };
        filtersets.into_iter().map(count).collect()
    }

    pub fn duplicate_rows(&self) -> Vec<DuplicateRow> {
        self.duplicates.iter().filter_map(Duplicate::told).collect()
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Sixteen bits of a row's content, to tell an equal further row from a differing one (one in 65 536 differing ones
/// passes for equal).
pub(super) fn digest(line: &[u8]) -> u16 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut words = line.chunks_exact(8);
    let mut hash = line.len() as u64;
    for word in &mut words {
        let word = u64::from_le_bytes(std::array::from_fn(|i| word[i]));
        hash = (hash ^ word).wrapping_mul(FACTOR).rotate_left(29);
    }
    for byte in words.remainder() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(FACTOR).rotate_left(29);
    }
    (hash.wrapping_mul(FACTOR) >> 48) as u16
}
