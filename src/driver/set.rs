//! What a file-set link says of one set: the files that a mass spectrometer's software leaves of one acquisition.

use std::sync::Arc;

use instrument_proto::codec::wiff::{Wiff, scan, wiff2};

use super::SourceName;
use crate::profile::zenotof::Member;

/// Names one set within its link: the root's name and the path of its files without their suffixes. It changes when the set
/// is renamed; what identifies the set stands in its content.
pub type SetName = SourceName;

/// What comes of a set. `Opened` first, then `Looked`, then anything.
#[derive(Debug, Clone, Copy)]
pub enum SetInput<'a> {
    /// The set is followed from now on, or again after a restart.
    Opened {
        /// The parts of the last committed snapshot; empty when it was never followed.
        snapshot: &'a [(String, Vec<u8>)],
    },
    /// How the set stands now: after it was opened, whenever something about it changed, and as the answer to
    /// [`super::Request::Look`].
    Looked(&'a Observation),
    /// A batch file says how many samples the set will hold.
    Expected {
        /// How many.
        samples: u32,
        /// The batch file.
        batch: &'a str,
    },
    /// A member was read whole and was the same file with the same size and time before and after.
    Hashed(&'a Hashed),
    /// Nothing more will come of this reading: the end of an offline decode. What would wait for time is decided now.
    Ended,
    /// Nothing more comes of it until it is opened again: it rests, or its files are gone. What was said stays said.
    Closed,
}

/// A set as it was found.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Observation {
    /// What the names of its files have in common.
    pub stem: String,
    /// Where a subscriber finds the root of its main file, as configured.
    pub base: Option<Arc<str>>,
    /// Its members, in the order of their kinds.
    pub members: Vec<MemberSeen>,
    /// A journal of the `.wiff2` is there: a commit is going on.
    pub journal: bool,
    /// The `.wiff`, as far as it can be read; `None` without one, or when the file system refuses, which the link tells.
    pub wiff: Option<Wiff>,
    /// The `.wiff.scan`, looked at as the `.wiff` says; `None` without either.
    pub scan: Option<ScanSeen>,
    /// The `.wiff2`; `None` without one.
    pub wiff2: Option<wiff2::Verdict>,
    /// By how many seconds its last change is before that of the newest file beside it, of a set that was there already when the
    /// link looked for the first time. Both times are of the same clock.
    pub behind_s: Option<u64>,
    /// A member has space that nothing was written to: a copy that reserves its place first.
    pub hollow: bool,
}

/// What was found in a `.wiff.scan`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ScanSeen {
    /// What is wrong with it, or not yet right; nothing when it is whole as far as it was looked at.
    pub findings: Vec<scan::Finding>,
    /// How many places that the index names were looked at.
    pub places: usize,
}

/// A member as it was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MemberSeen {
    /// What it is.
    pub kind: Member,
    /// Where it is.
    pub at: At,
    /// What the file system says of it.
    pub state: MemberState,
    /// A digest of its first bytes.
    pub beginning: u64,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct At {
    /// The name of the root.
    pub root: Arc<str>,
    /// The path relative to it.
    pub path: Arc<str>,
}

/// What the file system says of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MemberState {
    /// The size, in bytes.
    pub size: u64,
    /// When it was last written, in nanoseconds since 1970, by the clock of the machine that holds it.
    pub modified: i64,
    /// Which file it is on its file system; 0 where that cannot be told.
    pub file: u64,
}

/// A member's digest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hashed {
    /// What it is.
    pub kind: Member,
    /// Where it is.
    pub at: At,
    /// What it was while it was read.
    pub state: MemberState,
    /// The SHA-256 of its content, lower-case hexadecimal.
    pub sha256: String,
}
