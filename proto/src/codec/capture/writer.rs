//! Writes lines of a capture.

use std::io::Write as _;

use jiff::Timestamp;

use super::{Direction, Header, MAX_CHUNK, Note};

/// The first word of a capture.
pub(super) const MAGIC: &str = "#instrumentd-capture";

/// Writes the first line.
pub fn write_header(out: &mut Vec<u8>, header: &Header) {
    out.extend_from_slice(format!("{MAGIC} {} device=", header.version).as_bytes());
    escape(out, header.device.as_bytes(), true);
    out.extend_from_slice(b" link=");
    escape(out, header.link.as_bytes(), true);
    out.push(b'\n');
}

/// Writes bytes that came or went at once: one line, or several for more than [`MAX_CHUNK`]. No bytes write nothing.
pub fn write_chunk(
    out: &mut Vec<u8>,
    at: Timestamp,
    direction: Direction,
    source: Option<&str>,
    offset: u64,
    bytes: &[u8],
) {
    for (number, piece) in (0u64..).zip(bytes.chunks(MAX_CHUNK)) {
        start(out, at, direction.mark(), source);
        let offset = offset.saturating_add(number * MAX_CHUNK as u64);
        // Writing to a vector cannot fail.
        let _ = write!(out, "{offset} ");
        escape(out, piece, false);
        out.push(b'\n');
    }
}

/// Writes what happened to the line.
pub fn write_note(out: &mut Vec<u8>, note: &Note) {
    start(out, note.at, '!', note.source.as_deref());
    out.extend_from_slice(note.kind.word().as_bytes());
    if !note.text.is_empty() {
        out.push(b' ');
        escape(out, note.text.as_bytes(), false);
    }
    out.push(b'\n');
}

/// Writes a remark; each of its lines for itself.
pub fn write_comment(out: &mut Vec<u8>, text: &str) {
    for line in text.lines() {
        out.extend_from_slice(b"# ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

fn start(out: &mut Vec<u8>, at: Timestamp, mark: char, source: Option<&str>) {
    let _ = write!(out, "{at:.6} {mark} ");
    if let Some(source) = source {
        out.push(b'@');
        escape(out, source.as_bytes(), true);
        out.push(b' ');
    }
}

/// Printable ASCII as it is, the rest escaped. In a word blanks are escaped as well; elsewhere only where an editor would strip them.
fn escape(out: &mut Vec<u8>, bytes: &[u8], word: bool) {
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b' ' if word || at == 0 || at + 1 == bytes.len() => out.extend_from_slice(b"\\x20"),
            0x20..=0x7e => out.push(*byte),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
}
