//! Durations and sizes: numbers with a unit.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use super::codes::Code;
use super::reader::{Read, Reader, Value};
use super::values::schema;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The units of durations in milliseconds; the first name is the one to write, the others are understood only to
/// say what was meant.
const DURATION_UNITS: [(&[&str], u64); 5] = [
    (&["ms", "msec", "millis", "millisecond", "milliseconds"], 1),
    (&["s", "sec", "secs", "second", "seconds"], 1000),
    (&["m", "min", "mins", "minute", "minutes"], MINUTE),
    (&["h", "hr", "hrs", "hour", "hours"], HOUR),
    (&["d", "day", "days"], DAY),
];

/// The units of sizes in bytes.
const SIZE_UNITS: [(&str, u64); 8] = [
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A whole number and the word after it.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text[..digits].parse().ok()?;
    Some((number, text[digits..].trim_start()))
}

/// A duration between two bounds in milliseconds, both allowed; written as `500ms`, `30s`, `15m`, `2h` or `90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lasting<const MIN_MS: u64, const MAX_MS: u64>(pub Duration);

schema!([MIN_MS: u64, MAX_MS: u64] Lasting<MIN_MS, MAX_MS>, "Duration", {
    "type": "string", "pattern": "^[0-9]+ ?(ms|s|m|h|d)$"
});

impl<const MIN_MS: u64, const MAX_MS: u64> Read for Lasting<MIN_MS, MAX_MS> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        const FORMS: &str = "a duration such as \"500ms\", \"30s\", \"15m\", \"2h\" or \"90d\"";
        let bounds = || format!("use {} to {}", duration_text(MIN_MS), duration_text(MAX_MS));
        if let DeValue::Integer(integer) = value.get_ref() {
            let number = integer.as_str().to_owned();
            reader.wrong_type(value, FORMS).help(format!("with its unit and in quotes: \"{number}s\"?"));
            return None;
        }
        let text = reader.text(value, FORMS)?;
        let parts = split(text);
        let unit = parts.and_then(|(_, word)| DURATION_UNITS.iter().find(|(names, _)| names[0] == word));
        let Some(((number, _), (_, factor))) = parts.zip(unit) else {
            let meant = parts.and_then(|(number, word)| {
                let word = word.to_lowercase();
                let (names, _) = DURATION_UNITS.iter().find(|(names, _)| names.contains(&word.as_str()))?;
                Some(format!("{number}{}", names[0]))
            });
            let problem =
                reader.report(Code::BadDuration, value.span(), format!("`{text}` is not a duration that can be read"));
            problem.meant(meant).help(
                "write a whole number and `ms`, `s`, `m`, `h` or `d`: \"500ms\", \"30s\", \"15m\", \"2h\", \"90d\"",
            );
            return None;
        };
        let milliseconds = number.checked_mul(*factor).filter(|ms| (MIN_MS..=MAX_MS).contains(ms));
        if milliseconds.is_none() {
            reader.report(Code::OutOfRange, value.span(), format!("`{text}` is out of range")).help(bounds());
        }
        milliseconds.map(|ms| Self(Duration::from_millis(ms)))
    }
}

/// `90d`, `15m`, `500ms`: the largest unit that leaves no rest.
pub fn duration_text(milliseconds: u64) -> String {
    let unit =
        DURATION_UNITS.iter().rev().find(|(_, factor)| milliseconds >= *factor && milliseconds.is_multiple_of(*factor));
    match unit {
        Some((names, factor)) => format!("{}{}", milliseconds / factor, names[0]),
        None => format!("{milliseconds}ms"),
    }
}

/// A size in bytes of at least `MIN`; written as `500 MB` or `20 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size<const MIN: u64>(pub u64);

schema!([MIN: u64] Size<MIN>, "Size", {"type": "string", "pattern": "^[0-9]+ ?([kMGT]B|[KMGT]iB)$"});

impl<const MIN: u64> Read for Size<MIN> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        const FORMS: &str = "a size such as \"500 MB\" or \"20 GB\"";
        if let DeValue::Integer(_) = value.get_ref() {
            reader.wrong_type(value, FORMS).help("write the unit and quotes: \"20 GB\"");
            return None;
        }
        let text = reader.text(value, FORMS)?;
        let parts = split(text);
        let unit = parts.and_then(|(_, word)| SIZE_UNITS.iter().find(|(name, _)| *name == word));
        let Some(((number, _), (_, factor))) = parts.zip(unit) else {
            let meant = parts.and_then(|(number, word)| {
                let word = word.to_lowercase();
                let same = |name: &str| {
                    let name = name.to_lowercase();
                    name == word || (!word.is_empty() && name.trim_end_matches('b') == word)
                };
                SIZE_UNITS.iter().find(|(name, _)| same(name)).map(|(name, _)| format!("{number} {name}"))
            });
            let problem =
                reader.report(Code::BadSize, value.span(), format!("`{text}` is not a size that can be read"));
            problem.meant(meant).help(
                "write a whole number and `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB` or `TiB`: \"500 MB\", \"20 GB\"",
            );
            return None;
        };
        let bytes = number.checked_mul(*factor).filter(|bytes| *bytes >= MIN && i64::try_from(*bytes).is_ok());
        if bytes.is_none() {
            reader
                .report(Code::OutOfRange, value.span(), format!("`{text}` is out of range"))
                .help(format!("use at least {}", size_text(MIN)));
        }
        bytes.map(Self)
    }
}

/// `64 MB`, `20 GiB`: the largest unit that leaves no rest.
pub fn size_text(bytes: u64) -> String {
    let unit =
        SIZE_UNITS.iter().filter(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor)).max_by_key(|u| u.1);
    match unit {
        Some((name, factor)) => format!("{} {name}", bytes / factor),
        None => format!("{bytes} bytes"),
    }
}
