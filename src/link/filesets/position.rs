//! What the link keeps of a set between two starts: by which files and which content it is known again.

use serde::{Deserialize, Serialize};

use crate::driver::set::{At, MemberState};
use crate::profile::zenotof::Member;

/// The format of the serialised position. Another one means: the set is looked at anew.
const VERSION: u32 = 1;

/// A set as it was found last. Opaque outside the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub(super) v: u32,
    /// Its members.
    pub members: Vec<(Member, At, MemberState)>,
    /// A journal of the `.wiff2` was there.
    pub journal: bool,
    /// Who it is, by its content.
    pub identity: Option<String>,
    /// The driver has nothing to wait for.
    pub resting: bool,
    /// It was there before the daemon looked for the first time, and is published all the same.
    pub backfill: bool,
}

impl Position {
    /// Nothing was found yet.
    pub fn new(backfill: bool) -> Self {
        Self { v: VERSION, members: Vec::new(), journal: false, identity: None, resting: false, backfill }
    }

    /// As it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Plain data: writing it cannot fail. Should it, the position is unreadable, which has a meaning.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From what was kept.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|position: &Self| position.v == VERSION)
    }

    /// The member of a kind.
    pub fn member(&self, kind: Member) -> Option<&(Member, At, MemberState)> {
        self.members.iter().find(|(other, ..)| *other == kind)
    }
}
