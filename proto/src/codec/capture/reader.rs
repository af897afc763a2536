//! Reads captures.

use jiff::Timestamp;

use super::writer::MAGIC;
use super::{Chunk, Direction, Entry, Header, Note, NoteKind, VERSION};
use crate::codec::lines::{Line, Lines};

/// Why a line cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// It does not begin with a time; the first line of a file that was cut often does not.
    #[error("no time at its beginning: expected 2026-03-02T07:00:00.123456Z")]
    NoTime,
    /// After the time stands no mark.
    #[error("`{0}` after the time is none of < > = !")]
    NoMark(String),
    /// There is no offset where one belongs.
    #[error("no offset after the mark")]
    NoOffset,
    /// A backslash begins no escape.
    #[error("an escape that is none: expected \\\\ \\r \\n \\t or \\x and two hexadecimal digits")]
    BadEscape,
    /// A byte that must be escaped stands there as it is.
    #[error("a byte that must be escaped: {0:#04x}")]
    Unescaped(u8),
    /// After `!` stands none of its words.
    #[error("`{0}` is none of opened, closed, lost")]
    UnknownNote(String),
    /// The version is higher than this one knows.
    #[error("written by a later version ({0}) of the format")]
    LaterVersion(u32),
    /// It begins as a header does and is none.
    #[error("a header that cannot be read")]
    BadHeader,
    /// It is longer than any line.
    #[error("longer than any line")]
    TooLong,
    /// The file ends inside it.
    #[error("the file ends inside this line")]
    Cut,
}

/// Reads a capture that comes in any pieces.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    lines: Lines,
    number: u64,
}

impl Reader {
    /// Takes the next bytes of the file and gives what each whole line says, with the line's number counted from 1. Empty lines are passed over.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(u64, Result<Entry, Mistake>)) {
        let Self { lines, number } = self;
        lines.feed(bytes, |line| {
            *number += 1;
            if let Some(entry) = read(line) {
                each(*number, entry);
            }
        });
    }

    /// Says that the file ends here. A last line without line end is read if it can be: a frame that was cut in it has no end either, so
    /// nothing false comes of it.
    pub fn finish(&mut self, mut each: impl FnMut(u64, Result<Entry, Mistake>)) {
        if let Some(line) = self.lines.unterminated()
            && let Some(entry) = read(line)
        {
            each(self.number + 1, entry.map_err(|_| Mistake::Cut));
        }
        self.lines = Lines::default();
    }
}

fn read(line: Line<'_>) -> Option<Result<Entry, Mistake>> {
    // The line end takes up to two bytes; beyond that some were dropped.
    if line.length > line.bytes.len() as u64 + 2 {
        return Some(Err(Mistake::TooLong));
    }
    let text = line.bytes;
    if text.trim_ascii().is_empty() {
        return None;
    }
    Some(entry(text))
}

fn entry(text: &[u8]) -> Result<Entry, Mistake> {
    if let Some(header) = text.strip_prefix(MAGIC.as_bytes()) {
        return self::header(header).map(Entry::Header);
    }
    if let Some(comment) = text.strip_prefix(b"#") {
        let comment = comment.strip_prefix(b" ").unwrap_or(comment);
        return Ok(Entry::Comment(String::from_utf8_lossy(comment).into_owned()));
    }
    let (time, rest) = word(text);
    let at: Timestamp = std::str::from_utf8(time).ok().and_then(|time| time.parse().ok()).ok_or(Mistake::NoTime)?;
    let (mark, rest) = word(rest);
    let (source, rest) = match rest.strip_prefix(b"@") {
        Some(named) => {
            let (source, rest) = word(named);
            (Some(String::from_utf8_lossy(&unescape(source)?).into_owned()), rest)
        }
        None => (None, rest),
    };
    let direction = match mark {
        b"<" => Direction::FromInstrument,
        b">" => Direction::ToInstrument,
        b"=" => Direction::Unknown,
        b"!" => return note(at, source, rest).map(Entry::Note),
        other => return Err(Mistake::NoMark(shown(other))),
    };
    let (offset, bytes) = word(rest);
    let offset = whole(offset).ok_or(Mistake::NoOffset)?;
    Ok(Entry::Chunk(Chunk { at, direction, source, offset, bytes: unescape(bytes)? }))
}

fn header(text: &[u8]) -> Result<Header, Mistake> {
    let (version, rest) = word(text.strip_prefix(b" ").unwrap_or(text));
    let version = whole(version).and_then(|version| u32::try_from(version).ok()).ok_or(Mistake::BadHeader)?;
    if version > VERSION {
        return Err(Mistake::LaterVersion(version));
    }
    let (device, rest) = word(rest);
    let (link, _) = word(rest);
    let value = |field: &[u8], name: &[u8]| -> Result<String, Mistake> {
        let value = field.strip_prefix(name).ok_or(Mistake::BadHeader)?;
        Ok(String::from_utf8_lossy(&unescape(value)?).into_owned())
    };
    Ok(Header { version, device: value(device, b"device=")?, link: value(link, b"link=")? })
}

fn note(at: Timestamp, source: Option<String>, text: &[u8]) -> Result<Note, Mistake> {
    let (kind, text) = word(text);
    let kind = match kind {
        b"opened" => NoteKind::Opened,
        b"closed" => NoteKind::Closed,
        b"lost" => NoteKind::Lost,
        other => return Err(Mistake::UnknownNote(shown(other))),
    };
    Ok(Note { at, source, kind, text: String::from_utf8_lossy(&unescape(text)?).into_owned() })
}

/// What stands before the first blank, and what after it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|b| *b == b' ') {
        Some(blank) => (text.get(..blank).unwrap_or_default(), text.get(blank + 1..).unwrap_or_default()),
        None => (text, b""),
    }
}

fn whole(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(20).collect()
}

fn unescape(text: &[u8]) -> Result<Vec<u8>, Mistake> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' => {
                let (byte, after) = escape(rest).ok_or(Mistake::BadEscape)?;
                bytes.push(byte);
                rest = after;
            }
            0x20..=0x7e => bytes.push(*byte),
            other => return Err(Mistake::Unescaped(*other)),
        }
    }
    Ok(bytes)
}

/// What stands after a backslash.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    Some(match text {
        [b'\\', rest @ ..] => (b'\\', rest),
        [b'r', rest @ ..] => (b'\r', rest),
        [b'n', rest @ ..] => (b'\n', rest),
        [b't', rest @ ..] => (b'\t', rest),
        [b'x', high, low, rest @ ..] => {
            let digit = |b: &u8| char::from(*b).to_digit(16);
            (u8::try_from(digit(high)? * 16 + digit(low)?).ok()?, rest)
        }
        _ => return None,
    })
}
