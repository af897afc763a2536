//! Positions: how far a source was read, and how to recognise it again.

use serde::{Deserialize, Serialize};

use super::disk::Stat;
pub use crate::link::digest::Digest;

/// How much of a source's start and of what was read last is remembered, in bytes.
pub const MARK: u64 = 4096;

/// The format of the serialised position.
const VERSION: u32 = 1;

/// Some bytes of known place, by length and digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mark {
    /// How many.
    pub len: u32,
    /// Their digest.
    pub digest: Digest,
}

impl Mark {
    /// Of some bytes; at most [`MARK`] of them are meant to be given.
    pub fn of(bytes: &[u8]) -> Self {
        Self { len: u32::try_from(bytes.len()).unwrap_or(u32::MAX), digest: Digest::of(bytes) }
    }
}

/// How far a source was read. Opaque outside the link; kept with what was made from the bytes before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub(super) v: u32,
    /// Bytes of the table that were handed over; in concatenated parts, or of the unpacked table.
    pub at: u64,
    /// The device and inode of the table's (first) file, its whole size and its last change when it was looked at.
    #[serde(flatten, with = "stat")]
    pub stat: Stat,
    /// The table's first bytes as they were handed over, up to [`MARK`].
    pub head: Mark,
    /// The bytes before `at`, at most [`MARK`] and at most half of all.
    pub tail: Mark,
    /// Nothing more comes: an archive was read to its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// The silence after the last bytes was already told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settled: bool,
    /// In parts: the number of the part that `at` lies in, and where it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<(u32, u64)>,
    /// The members beside the table as they were given: a digest of an archive's directory, or of names, sizes and times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Digest>,
}

impl Position {
    /// Nothing was read yet.
    pub fn start() -> Self {
        Self {
            v: VERSION,
            at: 0,
            stat: Stat::default(),
            head: Mark::default(),
            tail: Mark::default(),
            ended: false,
            settled: false,
            part: None,
            members: None,
        }
    }

    /// As it is handed over.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Numbers and text only: this cannot fail. An empty position would be read as "from the start", which is safe.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From what was handed over; `None` when it is of another version or damaged, which means reading from the start.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(bytes).ok().filter(|position| position.v == VERSION)
    }
}

/// Where the tail mark of a position begins. At most half of what was read belongs to it, so that a header that an
/// instrument rewrites in place does not spoil it in a file that is still short.
pub fn tail_start(at: u64) -> u64 {
    at - MARK.min(at.div_ceil(2))
}

mod stat {
    use super::Stat;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Written {
        dev: u64,
        ino: u64,
        size: u64,
        mtime: i64,
    }

    pub fn serialize<S: Serializer>(stat: &Stat, to: S) -> Result<S::Ok, S::Error> {
        Written { dev: stat.device, ino: stat.inode, size: stat.size, mtime: stat.modified }.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Stat, D::Error> {
        let written = Written::deserialize(from)?;
        Ok(Stat { device: written.dev, inode: written.ino, size: written.size, modified: written.mtime })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_and_a_later_version_does_not() {
        let position = Position {
            at: 12_345,
            stat: Stat { device: 7, inode: u64::MAX, size: 20_000, modified: -5 },
            head: Mark::of(b"head"),
            tail: Mark::of(b"tail"),
            part: Some((12, 9_000)),
            members: Some(Digest::of(b"members")),
            ..Position::start()
        };
        assert_eq!(Position::from_bytes(&position.to_bytes()), Some(position.clone()));
        let later = String::from_utf8(position.to_bytes()).expect("text").replace("\"v\":1", "\"v\":2");
        assert_eq!(Position::from_bytes(later.as_bytes()), None);
        assert_eq!(Position::from_bytes(b"{"), None);
    }

    #[test]
    fn the_tail_begins_later_the_further_one_reads() {
        let mut last = 0;
        for at in 0..20_000 {
            assert!(tail_start(at) >= last && tail_start(at) <= at);
            last = tail_start(at);
        }
    }
}
