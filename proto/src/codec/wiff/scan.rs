//! The `.wiff.scan`: headers, the chain of samples, and the verdict on a file.
//!
//! A file header of 20 bytes, then for each sample a block header of 24 bytes followed by its data. In a whole file each sample's data end
//! where the next sample's block header begins, and the last one's where the file ends: true for all 73 samples of four real pairs. The
//! index inside the `.wiff` says where they should end ([`super::IndexSummary`]).
//!
//! Size alone proves nothing: a copy can have its final size with zeros inside, and two runs of one method often have the same size. So the
//! caller reads what [`Chain::looks`] names and [`Chain::judge`] looks into it. Data of transitions are one 32-bit float for each; the
//! sum of those that are not negative is the scan's total ion current in the index (all 31 517 scans of two real files; negative
//! values stand for transitions that a scheduled method left out).

mod judge;

use super::{ModeKind, Sample, SampledRecord, Unknown, Wiff};

pub(super) use judge::looks_in_stream;
pub use judge::{MOST_LOOKS, judge_stream};

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
    /// Whether the data of transitions must add up to the total ion current in the index. Seen to be true of Analyst's files only; for
    /// others a difference is a hint.
    pub sums_bind: bool,
}

/// Whether a sample's method measures transitions and nothing else.
fn has_transitions(sample: &Sample) -> bool {
    sample.mode.as_ref().is_ok_and(|mode| mode.kind == ModeKind::Srm)
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
    /// Whether the data are transitions, whose sum can be checked.
    pub transitions: bool,
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
            Block { sample: sample.index, header_at, end, transitions: has_transitions(sample), sampled }
        });
        let sums_bind = wiff.file_record.as_ref().is_ok_and(|record| record.software.starts_with("Analyst"));
        Chain { blocks: blocks.collect(), sums_bind }
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
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    /// From here.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What is wrong with a `.wiff.scan`, or not yet right. No finding at all: the file is whole, as far as it was looked at.
#[derive(Debug, Clone, PartialEq, thiserror::Error, serde::Serialize, serde::Deserialize)]
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
    /// Data do not add up to what the index says of them: another run's file of the same size, or damage.
    #[error(
        "sample {sample}: the data at byte {offset} add up to {found}, the index says {stated} ({differing} of {checked} scans differ)"
    )]
    Differs {
        /// The sample.
        sample: u16,
        /// Where the first scan that differs stands.
        offset: u64,
        /// The total ion current by the index.
        stated: f64,
        /// The sum of the data.
        found: f64,
        /// Scans that differ.
        differing: usize,
        /// Scans that were added up.
        checked: usize,
        /// Whether that proves something: see [`Chain::sums_bind`].
        binding: bool,
    },
    /// The block header states another length than the index. Only seen to be used by the Echo MS; elsewhere the length is 0.
    #[error("the block header of sample {sample} states {stated} bytes of data, the index {expected}")]
    BlockLength {
        /// The sample.
        sample: u16,
        /// What the block header says.
        stated: u32,
        /// What the index says.
        expected: u64,
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

impl Finding {
    /// Whether it is a hint only, which alone must not keep a file from being taken as whole.
    pub fn is_hint(&self) -> bool {
        matches!(self, Finding::BlockLength { .. } | Finding::Differs { binding: false, .. })
    }
}
