//! The steps of a run: what happens to which file, and what that means.

use super::line::Reading;

/// One thing that the instrument does to a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When, in seconds since the file was begun.
    pub at: f64,
    /// What.
    pub change: Change,
    /// The readings whose rows are complete with this step.
    pub readings: Vec<Reading>,
    /// What this step means for somebody who watches; mostly nothing.
    pub milestones: Vec<Milestone>,
}

/// A change to a file. Names are relative to the folder into which the instrument writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Bytes at the end; the file comes to be with the first.
    Append {
        /// The file.
        file: String,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A whole file, in place of the one that may be there.
    Replace {
        /// The file.
        file: String,
        /// All its bytes.
        bytes: Vec<u8>,
    },
    /// Bytes in the place of as many others.
    Overwrite {
        /// The file.
        file: String,
        /// Where they begin.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// A point in a run that somebody who watches would name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Milestone {
    /// The file has its head.
    Begun,
    /// The last row of a cycle is written, with this number as printed.
    CycleWritten(u32),
    /// Somebody paused the run and opened the cover.
    PauseBegan,
    /// The run goes on.
    PauseEnded,
    /// The first reading without a value was written, in this well.
    FirstFault(String),
    /// Nothing follows.
    Ended,
}
