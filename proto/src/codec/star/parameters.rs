//! The parameters of a frame, and what their values hold.

use super::code::Code;

/// The most channels that a machine has.
pub const MAX_CHANNELS: usize = 16;

/// A parameter that is not what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("parameter `{name}` of {module}{command} {}", if *missing { "is missing" } else { "cannot be read" })]
pub struct BadValue {
    /// The frame's module.
    pub module: Code,
    /// The frame's command.
    pub command: Code,
    /// The parameter.
    pub name: &'static str,
    /// Whether it is not there at all.
    pub missing: bool,
}

/// A name of two small letters and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Two small letters.
    pub name: [u8; 2],
    /// What follows, up to the next name; without blanks at its end.
    pub value: &'a [u8],
    /// Where the name begins, counted from the first parameter's place.
    pub(super) offset: usize,
}

impl<'a> Parameter<'a> {
    /// Its name.
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.name).unwrap_or_default()
    }

    /// A whole number with or without sign.
    pub fn number(&self) -> Option<i32> {
        number(self.value)
    }

    /// A number in hexadecimal digits, such as a mask of 24 digits.
    pub fn hex(&self) -> Option<u128> {
        if self.value.is_empty() || self.value.len() > 32 {
            return None;
        }
        self.value.iter().try_fold(0u128, |n, b| char::from(*b).to_digit(16).map(|digit| n << 4 | u128::from(digit)))
    }

    /// One number for each channel.
    pub fn channels(&self) -> Option<Channels> {
        Channels::read(self.value)
    }

    /// A barcode with its length in front; `Some(None)` where its length is 0.
    pub fn barcode(&self) -> Option<Option<&'a str>> {
        let (length, text) = length_prefix(self.value)?;
        if text.len() != length {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        Some((length > 0).then_some(text))
    }

    /// Whether its text ends before its length or its closing quote.
    pub(super) fn is_cut(&self) -> bool {
        match self.value.first() {
            Some(b'"') => self.value.len() < 2 || !self.value.ends_with(b"\""),
            Some(b'/') if &self.name == b"bb" => {
                length_prefix(self.value).is_some_and(|(length, text)| text.len() < length)
            }
            _ => false,
        }
    }
}

/// `/08ABCDEFGH`: the length and what follows it.
fn length_prefix(value: &[u8]) -> Option<(usize, &[u8])> {
    let [b'/', tens @ b'0'..=b'9', ones @ b'0'..=b'9', text @ ..] = value else { return None };
    Some((usize::from(tens - b'0') * 10 + usize::from(ones - b'0'), text))
}

/// A whole number of at most nine digits.
fn number(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let value = digits.iter().try_fold(0i32, |n, b| b.is_ascii_digit().then(|| n * 10 + i32::from(b - b'0')))?;
    Some(if negative { -value } else { value })
}

/// One number for each channel, as in `xp02983 00000&`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    values: [i32; MAX_CHANNELS],
    count: u8,
    open: bool,
}

impl Channels {
    /// Reads numbers of one width between blanks, as a STAR writes them: another width shows that a digit was lost. `None` for anything else,
    /// and for more than 16 of them.
    pub fn read(value: &[u8]) -> Option<Self> {
        Self::read_if(value, |field, first| field.len() == first.len())
    }

    /// The same of any widths, as a Vantage writes them.
    pub fn read_of_any_width(value: &[u8]) -> Option<Self> {
        Self::read_if(value, |_, _| true)
    }

    /// Reads numbers between blanks, of which each `fits` to the first.
    fn read_if(value: &[u8], fits: impl Fn(&[u8], &[u8]) -> bool) -> Option<Self> {
        let (list, open) = match value.strip_suffix(b"&") {
            Some(list) => (list, true),
            None => (value, false),
        };
        let mut channels = Self { values: [0; MAX_CHANNELS], count: 0, open };
        let mut first = None;
        // Some answers have a blank in front, some lists one before `&`.
        for field in list.trim_ascii().split(|b| *b == b' ') {
            if !fits(field, first.get_or_insert(field)) {
                return None;
            }
            *channels.values.get_mut(usize::from(channels.count))? = number(field)?;
            channels.count += 1;
        }
        Some(channels)
    }

    /// The numbers that were given, the first channel's first.
    pub fn values(&self) -> &[i32] {
        self.values.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// The number of a channel, counted from 1; `None` where none was given for it.
    pub fn get(&self, channel: u8) -> Option<i32> {
        self.values().get(usize::from(channel.checked_sub(1)?)).copied()
    }

    /// Whether `&` stood at the end: the machine has more channels than were given, and those take no part.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The channels whose number is not 0, counted from 1: those that a pattern such as `tm1 0 1&` selects.
    pub fn selected(&self) -> impl Iterator<Item = u8> {
        let values = self.values;
        (1..=self.count).filter(move |channel| values.get(usize::from(channel - 1)).is_some_and(|value| *value != 0))
    }
}

/// Walks over parameters; ends at what is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// What was not walked over yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        let rest = self.rest();
        let blanks = rest.iter().take_while(|b| **b == b' ').count();
        let [first, second, after @ ..] = rest.get(blanks..)? else { return None };
        if !first.is_ascii_lowercase() || !second.is_ascii_lowercase() {
            return None;
        }
        let name = [*first, *second];
        let length = value_length(name, after);
        let offset = self.at + blanks;
        self.at = offset + 2 + length;
        let value = after.get(..length).unwrap_or_default();
        Some(Parameter { name, value: value.trim_ascii_end(), offset })
    }
}

/// How far a value goes: a text as long as it says, else up to the next two small letters.
fn value_length(name: [u8; 2], after: &[u8]) -> usize {
    if &name == b"bb"
        && let Some((length, text)) = length_prefix(after)
    {
        return 3 + length.min(text.len());
    }
    if let Some(quoted) = after.strip_prefix(b"\"") {
        return memchr::memchr(b'"', quoted).map_or(after.len(), |end| end + 2);
    }
    next_name(after)
}

/// Where the first two small letters in a row stand, or the end. Every parameter is passed over in this way, by eight bytes at a time.
fn next_name(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    // The flag of the byte before the word's first.
    let mut before = 0;
    for (number, word) in words.iter().enumerate() {
        let small = small_letters(u64::from_le_bytes(*word));
        let second = small & (small << 8 | before);
        if second != 0 {
            return number * 8 + (second.trailing_zeros() / 8) as usize - 1;
        }
        before = small >> 56;
    }
    let mut last_was_small = before != 0;
    for (at, byte) in rest.iter().enumerate() {
        let small = byte.is_ascii_lowercase();
        if small && last_was_small {
            return text.len() - rest.len() + at - 1;
        }
        last_was_small = small;
    }
    text.len()
}

/// The highest bit of each byte that is a small letter: adding brings those from `a` on, and those after `z`, to it, and the seven bits
/// below it do not carry into the next byte.
fn small_letters(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = 0x80 * EACH;
    let low = word & !HIGHEST;
    let from_a = low + (0x80 - b'a' as u64) * EACH;
    let after_z = low + (0x80 - b'z' as u64 - 1) * EACH;
    from_a & !after_z & !word & HIGHEST
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Any bytes, and such in which small letters and their neighbours are frequent.
        #[test]
        fn names_are_found_as_letter_by_letter(
            text in prop_oneof![any::<Vec<u8>>(), prop::collection::vec(prop::sample::select(&b"azAZ`{09 \xe1\x00"[..]), 0..40)],
        ) {
            let letter_by_letter = text.windows(2).position(|pair| pair.iter().all(u8::is_ascii_lowercase));
            prop_assert_eq!(next_name(&text), letter_by_letter.unwrap_or(text.len()));
        }
    }
}
