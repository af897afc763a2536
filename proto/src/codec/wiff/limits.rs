//! What a reading may cost.

/// What a reading may cost. Nothing is read beyond it; what is missing then is [`super::Unknown::Limit`].
///
/// The defaults hold for every file that an instrument writes, keep a reading below about 40 MB of memory and a hostile file
/// below a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes to read from the file, the container's tables included.
    pub bytes: u64,
    /// Calls that read from the file.
    pub reads: u64,
    /// The most of one stream that is held in memory, in bytes.
    pub stream: usize,
    /// Sectors of the container in use: its tables grow with them. A million are 4 GiB in version 4 and 512 MiB in version 3.
    pub sectors: usize,
    /// Storages and streams in the container: each costs 128 bytes while its directory is read.
    pub listed: usize,
    /// Those among them that are kept, because something in them may be read.
    pub entries: usize,
    /// Samples to read.
    pub samples: usize,
    /// Records of each index to sample for looking into the data.
    pub sampled_records: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 64 << 20,
            reads: 100_000,
            stream: 2 << 20,
            sectors: 1 << 20,
            listed: 1 << 17,
            entries: 1 << 15,
            samples: 1024,
            sampled_records: 16,
        }
    }
}
