//! How much a reader may read, and the file handle that keeps to it.

/// What a reading may cost. Nothing is read beyond it; what is missing then is [`super::Unknown::Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes to read from the file, the container's tables included.
    pub bytes: u64,
    /// Calls that read from the file.
    pub reads: u64,
    /// The most of one stream that is held in memory.
    pub stream: usize,
    /// The longest file that is opened at all: the container's tables grow with it.
    pub file: u64,
    /// Samples to read.
    pub samples: usize,
    /// Records of each index to sample.
    pub sampled_records: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 64 << 20, reads: 200_000, stream: 1 << 20, file: 2 << 30, samples: 4096, sampled_records: 16 }
    }
}
