//! Wells and plates.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A well, by row and column counted from 0; printed as `A01` … `AF48`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Well {
    row: u8,
    column: u8,
}

/// The largest plate that the labels cover: 1536 wells.
const MAX_ROWS: u8 = 32;
const MAX_COLUMNS: u8 = 48;

/// Why a well label was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{label}` is not a well: expected A01 to AF48")]
pub struct InvalidWell {
    /// The text that was refused.
    pub label: String,
}

impl Well {
    /// The well at `row` and `column`, both counted from 0; `None` outside a 1536-well plate.
    pub fn new(row: u8, column: u8) -> Option<Self> {
        (row < MAX_ROWS && column < MAX_COLUMNS).then_some(Self { row, column })
    }

    /// The row, counted from 0 (A is 0).
    pub fn row(self) -> u8 {
        self.row
    }

    /// The column, counted from 0.
    pub fn column(self) -> u8 {
        self.column
    }

    /// Reads `A1`, `A01`, `af48` … from bytes; `None` where it is no well.
    pub fn from_label(label: &[u8]) -> Option<Self> {
        let letters = label.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (row, digits) = label.split_at(letters);
        let letter = |b: &u8| b.to_ascii_uppercase() - b'A';
        let row = match row {
            [one] => letter(one),
            [b'A' | b'a', two] => 26 + letter(two),
            _ => return None,
        };
        if digits.is_empty() || digits.len() > 2 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let column = digits.iter().fold(0u8, |n, d| n * 10 + (d - b'0'));
        Self::new(row, column.checked_sub(1)?)
    }
}

impl fmt::Display for Well {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = char::from(b'A' + self.row % 26);
        let prefix = if self.row >= 26 { "A" } else { "" };
        write!(f, "{prefix}{letter}{:02}", self.column + 1)
    }
}

impl FromStr for Well {
    type Err = InvalidWell;
    fn from_str(text: &str) -> Result<Self, InvalidWell> {
        Self::from_label(text.as_bytes()).ok_or_else(|| InvalidWell { label: text.to_owned() })
    }
}

impl Serialize for Well {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Well {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Well {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Well".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^A?[A-Z][0-4][0-9]$",
            "description": "A well, A01 to AF48."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_round_trip() {
        for (text, row, column) in [("A01", 0, 0), ("F08", 5, 7), ("Z01", 25, 0), ("AF48", 31, 47)] {
            let well: Well = text.parse().expect("a well");
            assert_eq!((well.row(), well.column(), well.to_string()), (row, column, text.to_owned()));
        }
        assert_eq!("b7".parse::<Well>().expect("a well").to_string(), "B07");
        for bad in ["", "A", "1", "A00", "AG01", "A49", "A001", "A0x", "ABC1", "BA01"] {
            assert!(bad.parse::<Well>().is_err(), "{bad}");
        }
    }
}
