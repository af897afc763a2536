//! What was in the folder before the daemon looked for the first time.
//!
//! Serialised: `IFB1`, one byte of flags, the folder's path (length as u32, bytes), then for each source the first eight
//! bytes of the SHA-256 of its name, its inode and its size, ascending; all numbers little-endian. 24 bytes a source, so
//! that a folder with a hundred thousand old runs costs 2.4 MB and no names are kept in memory.

use std::path::{Path, PathBuf};

use super::digest::Digest;
use super::disk::Stat;

const MAGIC: &[u8; 4] = b"IFB1";
/// The folder was not there at the first start, so nobody knows yet what was in it.
const PENDING: u8 = 1;

/// The sources of the first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// The folder could not be looked at yet.
    pub pending: bool,
    /// By key, ascending.
    entries: Vec<Entry>,
}

/// One source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: u64,
    inode: u64,
    size: u64,
}

impl Entry {
    fn new(name: &str, stat: &Stat) -> Self {
        Self { key: Digest::of(name.as_bytes()).short(), inode: stat.inode, size: stat.size }
    }
}

impl Baseline {
    /// For a folder that is not there.
    pub fn pending() -> Self {
        Self { pending: true, ..Self::empty() }
    }

    /// For a folder without sources.
    pub fn empty() -> Self {
        Self { pending: false, entries: Vec::new() }
    }

    /// Adds a source; [`Self::sort`] must follow.
    pub fn add(&mut self, name: &str, stat: &Stat) {
        self.entries.push(Entry::new(name, stat));
    }

    /// Makes what was added findable.
    pub fn sort(&mut self) {
        self.entries.sort_unstable();
        self.entries.shrink_to_fit();
    }

    /// The size that a source had; `None` when it was not there.
    pub fn size(&self, name: &str) -> Option<u64> {
        if self.entries.is_empty() {
            return None;
        }
        let key = Digest::of(name.as_bytes()).short();
        let index = self.entries.binary_search_by_key(&key, |entry| entry.key).ok()?;
        self.entries.get(index).map(|entry| entry.size)
    }

    /// Whether a source of another name was this very file, unchanged.
    pub fn had(&self, stat: &Stat) -> bool {
        stat.inode != 0 && self.entries.iter().any(|entry| (entry.inode, entry.size) == (stat.inode, stat.size))
    }

    /// An old source has a new name: it stays an old one, and the old name is free for a new one.
    pub fn rename(&mut self, name: &str, stat: &Stat) {
        let old = self.entries.iter().position(|entry| (entry.inode, entry.size) == (stat.inode, stat.size));
        if let Some(index) = old {
            self.entries[index] = Entry::new(name, stat);
            self.entries.sort();
        }
    }

    /// How many sources there were.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// As it is kept.
    pub fn to_bytes(&self, folder: &Path) -> Vec<u8> {
        let folder = plain(folder);
        let folder = folder.as_os_str().as_encoded_bytes();
        let mut bytes = Vec::with_capacity(9 + folder.len() + self.entries.len() * 24);
        bytes.extend_from_slice(MAGIC);
        bytes.push(if self.pending { PENDING } else { 0 });
        bytes.extend_from_slice(&u32::try_from(folder.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(folder);
        for entry in &self.entries {
            for number in [entry.key, entry.inode, entry.size] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes
    }

    /// From what was kept; `None` when it is of another folder (a new one has a first start of its own) or not readable.
    pub fn from_bytes(bytes: &[u8], folder: &Path) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (flags, rest) = rest.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (name, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        if name != plain(folder).as_os_str().as_encoded_bytes() || !rest.len().is_multiple_of(24) {
            return None;
        }
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
        let entries = rest
            .chunks_exact(24)
            .map(|entry| Entry { key: number(&entry[..8]), inode: number(&entry[8..16]), size: number(&entry[16..]) })
            .collect();
        Some(Self { pending: flags & PENDING != 0, entries })
    }
}

/// A folder's path without what makes no other folder of it: a slash at the end, a dot.
fn plain(folder: &Path) -> PathBuf {
    folder.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_belong_to_one_folder() {
        let names: Vec<String> = (0..1000).map(|n| format!("run {n}.csv")).collect();
        let mut baseline = Baseline::empty();
        for (size, name) in (0..).zip(&names) {
            baseline.add(name, &Stat { inode: size + 1, size, ..Stat::default() });
        }
        baseline.sort();
        let folder = Path::new("/srv/results");
        let back = Baseline::from_bytes(&baseline.to_bytes(folder), folder).expect("the same");
        assert_eq!(back, baseline);
        assert!(Baseline::from_bytes(&baseline.to_bytes(folder), Path::new("/srv/./results/")).is_some());
        assert_eq!(back.size("run 17.csv"), Some(17));
        assert_eq!(back.size("run 1000.csv"), None);
        let stat = Stat { inode: 18, size: 17, ..Stat::default() };
        assert!(back.had(&stat) && !back.had(&Stat { size: 18, ..stat }));
        baseline.rename("elsewhere/run 17.csv", &stat);
        assert_eq!((baseline.size("run 17.csv"), baseline.size("elsewhere/run 17.csv")), (None, Some(17)));
        assert_eq!(Baseline::from_bytes(&baseline.to_bytes(folder), Path::new("/srv/other")), None);
        assert_eq!(Baseline::from_bytes(b"IFB1", folder), None);
        let pending = Baseline::pending();
        assert_eq!(Baseline::from_bytes(&pending.to_bytes(folder), folder), Some(pending));
    }
}
