//! The short names of modules and commands.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A module (`C0`, `P1`, on a Vantage `A1PM`) or a command (`AS`): up to four capital letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code {
    bytes: [u8; 4],
    length: u8,
}

impl Code {
    /// The code that these bytes spell; `None` unless they are one to four capital letters or digits.
    pub fn new(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > 4 || !text.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
            return None;
        }
        let mut bytes = [0; 4];
        bytes[..text.len()].copy_from_slice(text);
        Some(Self { bytes, length: text.len() as u8 })
    }

    /// Its letters.
    pub fn as_str(&self) -> &str {
        // Letters and digits only, by the one way to make it.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Its letters.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Which pipetting channel a module is, counted from 1: `P1` to `P9`, `PA` (10) to `PG` (16).
    pub fn channel(&self) -> Option<u8> {
        match self.as_bytes() {
            [b'P', digit @ b'1'..=b'9'] => Some(digit - b'0'),
            [b'P', letter @ b'A'..=b'G'] => Some(letter - b'A' + 10),
            _ => None,
        }
    }

    /// The module of a pipetting channel, counted from 1; `None` beyond 16.
    pub fn of_channel(channel: u8) -> Option<Self> {
        let second = match channel {
            1..=9 => b'0' + channel,
            10..=16 => b'A' + channel - 10,
            _ => return None,
        };
        Self::new(&[b'P', second])
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_str())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<str> for Code {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(text.as_bytes())
            .ok_or_else(|| serde::de::Error::custom("a module or command is 1 to 4 capitals or digits"))
    }
}
