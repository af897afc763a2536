//! Worklists (`.gwl`): what a Tecan robot is told to pipette, one record on a line.
//!
//! `A;rack label;rack id;rack type;position;tube id;volume;liquid class;tip type;tip mask;forced rack type` aspirates, `D;…` dispenses,
//! `W1;` … `W4;`, `WD;` and `W;` wash or change tips, `F;` flushes, `B;` breaks, `S;n` chooses a tip type, `C;text` is a comment, `R;…` distributes
//! a reagent, and `B;Aspirate(…);` and the like are lines of a script, which are kept as they are. Text is Latin-1, lines end with CRLF; a line feed
//! alone is accepted too.
//!
//! A position counts wells down the columns, from 1: on a FlowerPlate A01 is 1, F01 is 6 and A02 is 7 ([`well`], [`position`]).
//!
//! Source: the public description of the format.

mod record;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

pub use record::{Distribution, Mistake, Pipetting, Record};

use crate::geometry::RowColumn;

/// The longest rack label and tube id that the control software takes.
pub const MAX_LABEL: usize = 32;

/// Bytes of a line that are read; longer ones are refused.
pub const MAX_LINE: usize = 4 * 1024;

/// A record and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The line, counted from 1.
    pub number: u32,
    /// What it says.
    pub record: Record,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {number}: {mistake}")]
pub struct LineError {
    /// The line, counted from 1.
    pub number: u32,
    /// What is wrong with it.
    pub mistake: Mistake,
}

/// Reads a whole worklist; every line that cannot be read is told, and the others are read all the same. Empty lines are passed over.
pub fn read(bytes: &[u8]) -> (Vec<Line>, Vec<LineError>) {
    let mut lines = Vec::new();
    let mut errors = Vec::new();
    for (number, line) in (1u32..).zip(bytes.split(|b| *b == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        let read = if line.len() > MAX_LINE { Err(Mistake::TooLong) } else { Record::read(&latin1(line)) };
        match read {
            Ok(record) => lines.push(Line { number, record }),
            Err(mistake) => errors.push(LineError { number, mistake }),
        }
    }
    (lines, errors)
}

/// Writes records as a worklist: Latin-1, CRLF. Characters that Latin-1 has not come out as `?`.
pub fn write<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<u8> {
    let mut text = String::new();
    for record in records {
        // Writing to a string cannot fail.
        let _ = write!(text, "{record}\r\n");
    }
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

/// The well of a position on labware with so many rows and columns; `None` where it has no such position.
pub fn well(position: u32, rows: u8, columns: u8) -> Option<RowColumn> {
    let index = position.checked_sub(1)?;
    let row = index.checked_rem(u32::from(rows))?;
    let column = index / u32::from(rows);
    (column < u32::from(columns)).then_some(RowColumn { row: row as u8, column: column as u8 })
}

/// The position of a well on labware with so many rows.
pub fn position(well: RowColumn, rows: u8) -> u32 {
    u32::from(well.column) * u32::from(rows) + u32::from(well.row) + 1
}

/// Each byte of Latin-1 is the character of its number.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}
