//! A set's state between two inputs, and its snapshot.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::identity::Identity;
use crate::driver::set::{Hashed, SetName};
use crate::driver::{Effects, SnapshotPart};

/// The format of the snapshot. Another one means: the set is looked at as if for the first time, and what is known already has its ids.
const VERSION: u32 = 1;

/// The only part of the snapshot.
const PART: &str = "state";

/// Where a set is on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is there, and nothing in it says who it is.
    #[default]
    Seen,
    /// It is being measured, or copied.
    Acquiring,
    /// It was measured; the `.wiff.scan` waits to be filled.
    Converting,
    /// It is whole, and time has to show that nothing more comes.
    Settling,
    /// It is whole and its files are read for their digests.
    Hashing,
    /// It is complete or aborted, and that was told.
    Ended,
    /// It changed after its end, and its files are read again to find out whether their content is the same.
    Rechecking,
    /// It is not whole and nothing came for long, and that was told.
    Incomplete,
}

/// For what a set's timer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// A moment of rest, where there is proof that nothing more is to come.
    Calm,
    /// The settling time, in slices with a look after each.
    Settle,
    /// The time after which what is not whole is incomplete, and what fewer samples than expected came of is complete.
    Overdue,
}

/// What a look was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Due {
    /// Its timer ran out.
    Waited(Wait),
    /// All digests are there.
    Sealed,
    /// An offline decode has nothing more.
    Final,
}

/// What was told, so that it is not told again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// `acquisition.started`.
    pub started: bool,
    /// `acquisition.sample-completed`, by index.
    pub samples: Vec<u16>,
    /// `ejection.planned`.
    pub planned: bool,
    /// That it is converting.
    pub converting: bool,
    /// `acquisition.progressed`: the sample and the step of its run time.
    pub progress: (u16, u64),
    /// How many `acquisition.completed`.
    pub completed: u32,
    /// How many `acquisition.aborted`.
    pub aborted: u32,
    /// How many `acquisition.incomplete`.
    pub incomplete: u32,
    /// How many `acquisition.relocated`.
    pub relocated: u32,
}

/// What an end was told of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its members.
    pub members: Vec<Hashed>,
    /// Its samples.
    pub samples: u32,
}

/// How far a set was at a look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Grown {
    /// Its last sample.
    pub sample: u16,
    /// The records in that one's index.
    pub records: u64,
    /// Whether it was whole as far as it went.
    pub whole: bool,
}

/// Everything that is kept of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(super) version: u32,
    /// Who it is, once that is known.
    pub identity: Option<Identity>,
    /// Where it is.
    pub phase: Phase,
    /// A digest of how it was found when something changed last.
    pub print: u64,
    /// For what its timer runs.
    pub wait: Option<Wait>,
    /// For what a look was asked.
    pub due: Option<Due>,
    /// Looks in a row that found it unchanged, while it settles.
    pub looks: u32,
    /// How far it was when it changed last.
    pub grown: Option<Grown>,
    /// It was seen growing: it is measured here and now, and not copied in.
    pub lives: bool,
    /// Space without content was seen: it is being copied, and no shortcut is taken.
    pub hollow: bool,
    /// How many samples are to come, and which batch file says so.
    pub expected: Option<(u32, Arc<str>)>,
    /// The digests so far.
    pub hashes: Vec<Hashed>,
    /// Digests that were asked for and have not come.
    pub hashing: u32,
    /// The revision of its content.
    pub revision: u32,
    /// What was told.
    pub told: Told,
    /// What its last end was told of.
    pub kept: Option<Kept>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: VERSION,
            identity: None,
            phase: Phase::Seen,
            print: 0,
            wait: None,
            due: None,
            looks: 0,
            grown: None,
            lives: false,
            hollow: false,
            expected: None,
            hashes: Vec::new(),
            hashing: 0,
            revision: 1,
            told: Told::default(),
            kept: None,
        }
    }
}

impl State {
    /// From a snapshot; `None` where it cannot be used.
    pub fn read(parts: &[(String, Vec<u8>)]) -> Option<Self> {
        let (_, bytes) = parts.iter().find(|(part, _)| part == PART)?;
        serde_json::from_slice(bytes).ok().filter(|state: &Self| state.version == VERSION)
    }

    /// Into a snapshot.
    pub fn write(&self, set: &SetName, effects: &mut Effects) {
        // Plain data: writing it cannot fail. Should it, the part is empty and the set is looked at anew.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        effects.snapshots.push(SnapshotPart { source: set.clone(), part: PART, bytes });
    }
}
