//! What was in the folder before the daemon looked for the first time.
//!
//! Serialised: `IFB1`, one byte of flags, the folder's path (length as u32, bytes), then for each source the first eight
//! bytes of the SHA-256 of its name and its size, ascending; all numbers little-endian. Sixteen bytes a source, so
//! that a folder with a hundred thousand old runs costs 1.6 MB and no names are kept in memory.

use std::path::Path;

use super::position::Digest;

const MAGIC: &[u8; 4] = b"IFB1";
/// The folder was not there at the first start, so nobody knows yet what was in it.
const PENDING: u8 = 1;

/// The sources of the first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// The folder could not be looked at yet.
    pub pending: bool,
    /// Name's digest and size, ascending.
    entries: Vec<(u64, u64)>,
}

impl Baseline {
    /// For a folder that is not there.
    pub fn pending() -> Self {
        Self { pending: true, entries: Vec::new() }
    }

    /// From names and sizes.
    pub fn new(mut entries: Vec<(u64, u64)>) -> Self {
        entries.sort_unstable();
        Self { pending: false, entries }
    }

    /// How a source's name is kept.
    pub fn key(name: &str) -> u64 {
        Digest::of(name.as_bytes()).short()
    }

    /// The size that a source had; `None` when it was not there.
    pub fn size(&self, name: &str) -> Option<u64> {
        if self.entries.is_empty() {
            return None;
        }
        let key = Self::key(name);
        let index = self.entries.binary_search_by_key(&key, |entry| entry.0).ok()?;
        self.entries.get(index).map(|entry| entry.1)
    }

    /// How many sources there were.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// As it is kept.
    pub fn to_bytes(&self, folder: &Path) -> Vec<u8> {
        let folder = folder.as_os_str().as_encoded_bytes();
        let mut bytes = Vec::with_capacity(9 + folder.len() + self.entries.len() * 16);
        bytes.extend_from_slice(MAGIC);
        bytes.push(if self.pending { PENDING } else { 0 });
        bytes.extend_from_slice(&u32::try_from(folder.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(folder);
        for (key, size) in &self.entries {
            bytes.extend_from_slice(&key.to_le_bytes());
            bytes.extend_from_slice(&size.to_le_bytes());
        }
        bytes
    }

    /// From what was kept; `None` when it is of another folder (a new one has a first start of its own) or not readable.
    pub fn from_bytes(bytes: &[u8], folder: &Path) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (flags, rest) = rest.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (name, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        if name != folder.as_os_str().as_encoded_bytes() || rest.len() % 16 != 0 {
            return None;
        }
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
        let entries = rest.chunks_exact(16).map(|entry| (number(&entry[..8]), number(&entry[8..]))).collect();
        Some(Self { pending: flags & PENDING != 0, entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_belong_to_one_folder() {
        let names: Vec<String> = (0..1000).map(|n| format!("run {n}.csv")).collect();
        let baseline = Baseline::new((0..).zip(&names).map(|(size, name)| (Baseline::key(name), size)).collect());
        let folder = Path::new("/srv/results");
        let back = Baseline::from_bytes(&baseline.to_bytes(folder), folder).expect("the same");
        assert_eq!(back, baseline);
        assert_eq!(back.size("run 17.csv"), Some(17));
        assert_eq!(back.size("run 1000.csv"), None);
        assert_eq!(Baseline::from_bytes(&baseline.to_bytes(folder), Path::new("/srv/other")), None);
        assert_eq!(Baseline::from_bytes(b"IFB1", folder), None);
        let pending = Baseline::pending();
        assert_eq!(Baseline::from_bytes(&pending.to_bytes(folder), folder), Some(pending));
    }
}
