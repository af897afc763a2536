//! What is wrong in a source: counted by kind, with the first of each told.

use serde::{Deserialize, Serialize};

use crate::event::cultivation::Defect;

/// The kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum DefectCode {
    TornLine,
    HeaderRestart,
    Placeholders,
    StaleCopy,
    DuplicateRow,
    MoreDuplicates,
    DuplicateReference,
    CycleJump,
    CycleBackwards,
    OldCycle,
    TimeBackwards,
    UnknownWell,
    UnknownFilterset,
    OddRowLength,
    MisfiledWell,
    UnterminatedLine,
    ValveRow,
    OtherProcess,
}

impl DefectCode {
    fn name(self) -> &'static str {
        match self {
            Self::TornLine => "torn-line",
            Self::HeaderRestart => "header-restart",
            Self::Placeholders => "placeholder-values",
            Self::StaleCopy => "stale-copy",
            Self::DuplicateRow => "duplicate-row",
            Self::MoreDuplicates => "more-duplicates",
            Self::DuplicateReference => "duplicate-reference",
            Self::CycleJump => "cycle-jump",
            Self::CycleBackwards => "cycle-backwards",
            Self::OldCycle => "row-of-old-cycle",
            Self::TimeBackwards => "time-backwards",
            Self::UnknownWell => "unknown-well",
            Self::UnknownFilterset => "unknown-filterset",
            Self::OddRowLength => "odd-row-length",
            Self::MisfiledWell => "misfiled-well",
            Self::UnterminatedLine => "unterminated-line",
            Self::ValveRow => "valve-rows",
            Self::OtherProcess => "other-process",
        }
    }
}

/// Longest text of a defect; what a line holds beyond it is cut.
const MAX_TEXT: usize = 120;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    code: DefectCode,
    count: u32,
    first_offset: u64,
    text: String,
}

/// Counted defects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Defects(Vec<Entry>);

impl Defects {
    /// Counts one more.
    pub fn add(&mut self, code: DefectCode, offset: u64, text: &str) {
        match self.0.iter_mut().find(|entry| entry.code == code) {
            Some(entry) => entry.count = entry.count.saturating_add(1),
            None => {
                let text = text.chars().take(MAX_TEXT).collect();
                self.0.push(Entry { code, count: 1, first_offset: offset, text });
            }
        }
    }

    /// How many there were, of all kinds.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|entry| u64::from(entry.count)).sum()
    }

    /// As events tell them.
    pub fn told(&self) -> Vec<Defect> {
        let tell = |entry: &Entry| Defect {
            code: entry.code.name(),
            count: entry.count,
            first_offset: entry.first_offset,
            text: entry.text.clone(),
        };
        self.0.iter().map(tell).collect()
    }
}
