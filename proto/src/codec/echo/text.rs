//! From bytes to text: UTF-8 with or without a mark, UTF-16 with one, else Latin-1.

use std::borrow::Cow;

/// The text, and whether its encoding had to be assumed.
pub(super) fn of(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        (Cow::Owned(text), false)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            match std::str::from_utf8(bytes) {
                Ok(text) => (Cow::Borrowed(text), false),
                Err(_) => (Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()), true),
            }
        }
    }
}

/// The longest text that is kept of one cell or attribute; what an instrument writes is far shorter.
const MAX_CELL: usize = 512;

/// A cell without control characters and without blanks around it.
pub(super) fn clean(cell: &str) -> String {
    let cell = cell.trim();
    let cell = cell.char_indices().nth(MAX_CELL).map_or(cell, |(end, _)| &cell[..end]);
    cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
