//! Takes values out of a stream's bytes, in order.

use super::reason::{Known, Unknown};

/// A place in a stream's bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    stream: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Begins at byte `at` of the stream.
    pub(super) fn new(stream: &'a str, bytes: &'a [u8], at: usize) -> Fields<'a> {
        Fields { stream, bytes, at }
    }

    /// Where the next value is taken from.
    pub(super) fn at(&self) -> u64 {
        self.at as u64
    }

    /// The error that what stands here is not sound.
    pub(super) fn unsound(&self, what: &'static str, why: impl Into<String>) -> Unknown {
        Unknown::Malformed { stream: self.stream.to_owned(), what: what.into(), offset: self.at(), why: why.into() }
    }

    /// The next bytes.
    pub(super) fn take(&mut self, count: usize, what: &'static str) -> Known<&'a [u8]> {
        let found = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end));
        let found = found.ok_or_else(|| self.unsound(what, format!("the stream ends at byte {}", self.bytes.len())))?;
        self.at += count;
        Ok(found)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Known<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Known<u16> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Known<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn f32(&mut self, what: &'static str) -> Known<f32> {
        self.array(what).map(f32::from_le_bytes)
    }

    pub(super) fn f64(&mut self, what: &'static str) -> Known<f64> {
        self.array(what).map(f64::from_le_bytes)
    }

    /// A text: its length in bytes (two bytes), then UTF-16. Half a character and lone surrogates come out as U+FFFD.
    pub(super) fn text(&mut self, what: &'static str) -> Known<String> {
        let length = self.u16(what)?;
        let bytes = self.take(usize::from(length), what)?;
        Ok(utf16(bytes))
    }
}

/// UTF-16 without the zeros at its end.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let mut text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.truncate(text.trim_end_matches('\0').len());
    text
}
