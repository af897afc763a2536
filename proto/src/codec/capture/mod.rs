//! Captures: what came over a link, as text that a person can read and cut.
//!
//! The format is ours; `docs/capture-format.md` describes it. One line is one piece as it was read or written:
//!
//! ```text
//! #instrumentd-capture 1 device=robolector-1 link=/dev/ttyUSB0
//! 2026-03-02T07:00:00.000000Z ! opened
//! 2026-03-02T07:00:00.123456Z > 0 C0QMid0001\r\n
//! 2026-03-02T07:00:00.130021Z < 12 C0QMid0001er00/00\r\n
//! # lines that begin so are remarks
//! 2026-03-02T07:00:09.000000Z ! lost the adapter ran over
//! ```
//!
//! [`Reader`] takes a file in any pieces; [`write_chunk`] and its like write lines.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use jiff::Timestamp;

pub use reader::{Mistake, Reader};
pub use writer::{write_chunk, write_comment, write_header, write_note};

/// The version that is written; a reader refuses higher ones.
pub const VERSION: u32 = 1;

/// Bytes that one line holds at most; longer pieces are written as several lines with one time.
pub const MAX_CHUNK: usize = 2048;

/// What the first line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The version of the format.
    pub version: u32,
    /// The device in the configuration.
    pub device: String,
    /// Its link: a port, an address, a file.
    pub link: String,
}

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `<`: from the instrument.
    FromInstrument,
    /// `>`: to the instrument.
    ToInstrument,
    /// `=`: one of them; a tap that sees both cannot tell.
    Unknown,
}

impl Direction {
    /// Its mark.
    pub fn mark(self) -> char {
        match self {
            Self::FromInstrument => '<',
            Self::ToInstrument => '>',
            Self::Unknown => '=',
        }
    }
}

/// Bytes that came or went at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// When; to the microsecond.
    pub at: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// The source, where a link has several and it is not the one of the header.
    pub source: Option<String>,
    /// Bytes of this opening before them, both directions together.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What happened to a line, beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoteKind {
    /// The line was opened; offsets begin at 0.
    Opened,
    /// The line is gone.
    Closed,
    /// Bytes may be missing here.
    Lost,
}

impl NoteKind {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Lost => "lost",
        }
    }
}

/// Something that happened to the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When; to the microsecond.
    pub at: Timestamp,
    /// The source, as for [`Chunk::source`].
    pub source: Option<String>,
    /// What.
    pub kind: NoteKind,
    /// Why, or which opening this is; may be empty.
    pub text: String,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The first line.
    Header(Header),
    /// Bytes.
    Chunk(Chunk),
    /// What happened to the line.
    Note(Note),
    /// A remark, without its `#`.
    Comment(String),
}
