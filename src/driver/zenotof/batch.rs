//! Batch files: how many samples are to come in which data file.
//!
//! SCIEX OS imports a batch as comma- or tab-separated text whose header is not published and differs by system, so the
//! column of the data file is found by a configured name. source: public description of the batch import (`docs/acquisitions.md`).

use std::collections::BTreeMap;

use super::group::key;

/// The name of the column where the configuration names none.
pub const DATA_FILE: &str = "Data File";

/// Rows beyond these are not counted: a batch for a whole day has hundreds.
const MAX_ROWS: usize = 100_000;

/// Why a batch file says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Its first line does not name the column.
    #[error("its first line names no column `{column}`")]
    NoColumn {
        /// The column that was looked for.
        column: String,
    },
    /// It is not text.
    #[error("it is not text in UTF-8 or UTF-16")]
    NotText,
}

/// How many samples a batch wants in each data file, by the [`key`] of the file's stem.
pub fn expectations(bytes: &[u8], column: &str) -> Result<BTreeMap<String, u32>, BatchError> {
    let text = decode(bytes).ok_or(BatchError::NotText)?;
    let mut rows = rows(&text).into_iter();
    let header = rows.next().unwrap_or_default();
    let no_column = || BatchError::NoColumn { column: column.to_owned() };
    let at = header.iter().position(|name| name.trim().eq_ignore_ascii_case(column)).ok_or_else(no_column)?;
    let mut expected = BTreeMap::new();
    for row in rows {
        let Some(file) = row.get(at) else { continue };
        let name = file.trim().rsplit(['/', '\\']).next().unwrap_or_default();
        let end = name.len().saturating_sub(5);
        let has_suffix = name.get(end..).is_some_and(|suffix| suffix.eq_ignore_ascii_case(".wiff"));
        let stem = if has_suffix { &name[..end] } else { name };
        if !stem.is_empty() {
            *expected.entry(key(stem)).or_insert(0u32) += 1;
        }
    }
    Ok(expected)
}

fn decode(bytes: &[u8]) -> Option<String> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => {
            let units: Vec<u16> = rest.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

/// The cells of each line; quotes may hold separators, line ends and doubled quotes.
fn rows(text: &str) -> Vec<Vec<String>> {
    let first = text.lines().next().unwrap_or_default();
    let separator = if first.contains('\t') { '\t' } else { ',' };
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            other if quoted => cell.push(other),
            '\r' => {}
            '\n' => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
                if rows.len() > MAX_ROWS {
                    return rows;
                }
            }
            other if other == separator => row.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_counted_by_data_file() {
        let text = "Sample Name,Data File,Comment\r\n\"a, b\",Day1\\Plate 3,\"x \"\"y\"\"\"\r\nc,day1\\plate 3,\r\nd,Other.wiff,\r\n";
        let expected = expectations(text.as_bytes(), DATA_FILE).expect("a batch");
        assert_eq!(expected, BTreeMap::from([("plate 3".to_owned(), 2), ("other".to_owned(), 1)]));
    }

    #[test]
    fn tabs_other_columns_and_utf_16_are_read() {
        let text = "Name\tDatei\nx\tA\ny\tA";
        let mut bytes = vec![0xff, 0xfe];
        bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(expectations(&bytes, "datei"), Ok(BTreeMap::from([("a".to_owned(), 2)])));
        let missing = BatchError::NoColumn { column: DATA_FILE.to_owned() };
        assert_eq!(expectations(text.as_bytes(), DATA_FILE), Err(missing));
        assert_eq!(expectations(&[0x80, 0xff], DATA_FILE), Err(BatchError::NotText));
    }
}
