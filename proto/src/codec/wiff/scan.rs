//! The `.wiff.scan`: headers, the chain of samples, and the verdict on a file.
//!
//! A file header of 20 bytes, then for each sample a block header of 24 bytes followed by its data. In a whole file each sample's data end
//! where the next sample's block header begins, and the last one's where the file ends: true for all 73 samples of four real pairs. The
//! index inside the `.wiff` says where they should end ([`super::IndexSummary`]).

use super::{SampledRecord, Unknown, Wiff};

/// Length of the file header.
pub const FILE_HEADER: u64 = 20;
/// Length of a sample's block header.
pub const BLOCK_HEADER: u64 = 24;
/// A file that holds headers only: a ZT Scan that is still to be converted, or a run without data.
pub const HEADERS_ONLY: u64 = FILE_HEADER + BLOCK_HEADER;

/// What a `.wiff.scan` must look like by the word of its `.wiff`.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Its blocks, in the order of the samples' indices.
    pub blocks: Vec<Block>,
}

/// What is expected of one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The sample's index.
    pub sample: u16,
    /// Where its block header stands.
    pub header_at: Result<u64, Unknown>,
    /// Where its data end.
    pub end: Result<u64, Unknown>,
    /// Data to look at.
    pub sampled: Vec<SampledRecord>,
}

impl Chain {
    /// The expectations of a `.wiff`.
    pub fn of(wiff: &Wiff) -> Chain {
        let blocks = wiff.samples.iter().map(|sample| {
            let header_at = sample.block_at.clone();
            let end = match (&header_at, &sample.scans) {
                (Ok(at), Ok(scans)) => Ok(at + BLOCK_HEADER + scans.data_length),
                (Err(why), _) | (_, Err(why)) => Err(why.clone()),
            };
            let sampled = sample.scans.as_ref().map(|scans| scans.sampled.clone()).unwrap_or_default();
            Block { sample: sample.index, header_at, end, sampled }
        });
        Chain { blocks: blocks.collect() }
    }
}

/// Bytes of a `.wiff.scan` to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// From here.
    pub offset: u64,
    /// So many.
    pub length: usize,
}

/// What was found there. Fewer bytes than asked for are what a shorter file gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// From here.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What is wrong with a `.wiff.scan`, or not yet right. No finding at all: the file is whole, as far as it was looked at.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Finding {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file is not longer than one file header and one block header, though the index names data, or a single sample is
    /// expected and its index is empty.
    #[error("the file has {size} bytes: headers and no data")]
    HeadersOnly {
        /// The file's size.
        size: u64,
    },
    /// The data of the last sample end behind the end of the file.
    #[error("{missing} bytes are missing: sample {sample} ends at byte {expected}, the file at {size}")]
    Truncated {
        /// The first sample that is not whole.
        sample: u16,
        /// Where the last sample's data end by the index.
        expected: u64,
        /// The file's size.
        size: u64,
        /// The difference.
        missing: u64,
    },
    /// The file goes on behind the data of the last sample: the next sample is being written, or it is another run's file.
    #[error("{extra} bytes are too many: the last sample ends at byte {expected}, the file at {size}")]
    Longer {
        /// Where the last sample's data end by the index.
        expected: u64,
        /// The file's size.
        size: u64,
        /// The difference.
        extra: u64,
    },
    /// The file is not the one that belongs to this `.wiff`.
    #[error("the file belongs to another .wiff: {why}")]
    Mispaired {
        /// The sample with which it was noticed; 0 for the file's header.
        sample: u16,
        /// Where in the file.
        offset: u64,
        /// By what.
        why: String,
    },
    /// The `.wiff` contradicts itself: a sample's data do not end where the next one's header begins.
    #[error("sample {sample} ends at byte {end} and the next one begins at byte {next}")]
    Broken {
        /// The sample.
        sample: u16,
        /// Where its data end.
        end: u64,
        /// Where the next header stands.
        next: u64,
    },
    /// Zeros stand where the index names data: the space is there, the content is not.
    #[error("sample {sample} has zeros where there should be data, {length} bytes at byte {offset}")]
    Zeros {
        /// The sample.
        sample: u16,
        /// Where.
        offset: u64,
        /// How many bytes were looked at.
        length: u64,
    },
    /// Bytes could not be looked at.
    #[error("{length} bytes at byte {offset} were not read")]
    NotSeen {
        /// Where.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// The index of a sample is not known, so nothing can be said of its data.
    #[error("nothing can be said of sample {sample}: {why}")]
    NoIndex {
        /// The sample.
        sample: u16,
        /// Why.
        why: Unknown,
    },
}
