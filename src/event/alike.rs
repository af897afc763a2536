//! Facts that two ways into the daemon can both tell of: one event for each, whichever way was first.
//!
//! An event's id follows from its natural key, and two ways of one device give the same key wherever both know it. Where
//! one of them infers a part of it (a live stream does not name the cycle) or has none (a comment), the journal matches
//! the two by what they are about and when in the run they happened, within the transaction that records them.

use super::Event;

/// By which way a fact is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As it happened.
    Live,
    /// By asking for what was last read.
    Asked,
    /// By a file, wherever it came from.
    File,
}

impl Way {
    /// Its number in the journal.
    pub fn number(self) -> i64 {
        match self {
            Self::Live => 1,
            Self::Asked => 2,
            Self::File => 3,
        }
    }
}

/// By what the journal finds out whether another way has told of the same fact.
#[derive(Debug, Clone, PartialEq)]
pub struct Alike {
    /// What the fact is about, within its run: `reading/A01` for instance.
    pub about: String,
    /// When in the run it happened, in seconds; `None` where that is not known. Then a fact of the same kind may be the same or not.
    pub elapsed_s: Option<f64>,
    /// How far the times of one fact may be apart, in seconds.
    pub window_s: f64,
    /// By which way it is told.
    pub way: Way,
    /// What else is said of it, in an order that is the same for all facts about this.
    pub figures: Vec<Figure>,
    /// What is recorded where the fact is known.
    pub known: Known,
}

/// A number that is said of a fact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Its name in the event's data.
    pub name: &'static str,
    /// The number; not a number where nothing is said.
    pub value: f64,
    /// How far two may be apart and still agree.
    pub tolerance: f64,
    /// Whether facts that differ in it are never the same one.
    pub is_strict: bool,
}

impl Figure {
    /// Whether another way says the same; what is not said disagrees with nothing.
    pub fn agrees(&self, other: f64) -> bool {
        self.value.is_nan() || other.is_nan() || (self.value - other).abs() <= self.tolerance
    }
}

/// What is recorded where the fact is known from another way.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// Nothing.
    Keep,
    /// This event, which names the known one as its cause.
    Instead(Box<Event>),
}
