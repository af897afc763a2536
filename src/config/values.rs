//! What values can be: names, texts, numbers, choices, paths, dates.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use super::codes::Code;
use super::nearest::nearest;
use super::reader::{Read, Reader, Value, list};
use crate::event::ids::is_valid_name;

/// Gives a type its JSON Schema.
macro_rules! schema {
    ([$($parameter:ident: $kind:ty),*] $type:ty, $name:literal, $json:tt) => {
        impl<$(const $parameter: $kind),*> JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($json)
            }
        }
    };
}
pub(super) use schema;

/// An id or name that becomes a topic level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(pub String);

schema!([] Name, "Name", {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"});

/// The help for names, used for keys as well.
pub(crate) const NAME_RULE: &str =
    "use 1 to 63 lower-case letters, digits and hyphens, starting with a letter or digit";

/// The valid name nearest to `text`, if anything is left of it.
pub fn made_valid(text: &str) -> Option<String> {
    let plain = text.trim().to_lowercase();
    let mapped: String = plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name: String = mapped.trim_matches('-').chars().take(63).collect();
    is_valid_name(&name).then_some(name)
}

impl Read for Name {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(value, "a name")?;
        if is_valid_name(text) {
            return Some(Self(text.to_owned()));
        }
        reader
            .report(Code::BadName, value.span(), format!("`{text}` is not a valid name"))
            .meant(made_valid(text))
            .help(NAME_RULE);
        None
    }
}

/// A text of 1 to `MAX` characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<const MAX: usize>(pub String);

schema!([MAX: usize] Text<MAX>, "Text", {"type": "string", "minLength": 1, "maxLength": MAX});

impl<const MAX: usize> Read for Text<MAX> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(value, "a text")?;
        if !text.trim().is_empty() && text.chars().count() <= MAX && !text.chars().any(char::is_control) {
            return Some(Self(text.to_owned()));
        }
        reader
            .report(Code::BadText, value.span(), "this text is empty, too long or holds control characters")
            .help(format!("use 1 to {MAX} characters on one line, or leave the key out"));
        None
    }
}

impl Read for bool {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let read = value.get_ref().as_bool();
        if read.is_none() {
            reader.wrong_type(value, "true or false, without quotes");
        }
        read
    }
}

/// A whole number between two bounds, both allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const MIN: i64, const MAX: i64>(pub i64);

schema!([MIN: i64, MAX: i64] Whole<MIN, MAX>, "Whole", {"type": "integer", "minimum": MIN, "maximum": MAX});

impl<const MIN: i64, const MAX: i64> Read for Whole<MIN, MAX> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let DeValue::Integer(integer) = value.get_ref() else {
            reader.wrong_type(value, &format!("a whole number from {MIN} to {MAX}, without quotes"));
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        match number.filter(|n| (MIN..=MAX).contains(n)) {
            Some(number) => Some(Self(number)),
            None => {
                let written = reader.source().slice(&value.span()).to_owned();
                reader
                    .report(Code::OutOfRange, value.span(), format!("{written} is out of range"))
                    .help(format!("use a whole number from {MIN} to {MAX}"));
                None
            }
        }
    }
}

/// A finite number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

schema!([] Number, "Number", {"type": "number"});

impl Read for Number {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let number = match value.get_ref() {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|n| n as f64),
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            _ => {
                reader.wrong_type(value, "a number, without quotes");
                return None;
            }
        };
        let finite = number.filter(|n| n.is_finite());
        if finite.is_none() {
            reader.report(Code::OutOfRange, value.span(), "this number is not finite").help("use a number such as 0.5");
        }
        finite.map(Self)
    }
}

/// A finite number of at least 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Positive(pub f64);

schema!([] Positive, "Positive", {"type": "number", "minimum": 0});

impl Read for Positive {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Number(number) = Number::read(value, reader)?;
        if number >= 0.0 {
            return Some(Self(number));
        }
        reader.report(Code::OutOfRange, value.span(), format!("{number} is negative")).help("use 0 or more");
        None
    }
}

/// One of a few words.
pub trait Choice: Copy + Sized + 'static {
    /// What the words choose between, in the singular.
    const WHAT: &'static str;
    /// Each word, what it stands for, and what that means.
    const CHOICES: &'static [(&'static str, Self, &'static str)];
}

/// Reads a [`Choice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneOf<T>(pub T);

impl<T: Choice> Read for OneOf<T> {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let names: Vec<&str> = T::CHOICES.iter().map(|(name, ..)| *name).collect();
        let text = reader.text(value, &format!("one of {}", list(&names)))?;
        if let Some((_, choice, _)) = T::CHOICES.iter().find(|(name, ..)| *name == text) {
            return Some(Self(*choice));
        }
        let problem = reader.report(Code::BadChoice, value.span(), format!("`{text}` is not a known {}", T::WHAT));
        problem.meant(nearest(text, names.iter().copied()));
        for (name, _, about) in T::CHOICES {
            problem.help(format!("`{name}`: {about}"));
        }
        None
    }
}

impl<T: Choice> JsonSchema for OneOf<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::WHAT.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let choices: Vec<_> = T::CHOICES
            .iter()
            .map(|(name, _, about)| serde_json::json!({"const": name, "description": about}))
            .collect();
        json_schema!({"oneOf": choices})
    }
}

/// A file or folder, absolute or relative to the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

schema!([] FilePath, "FilePath", {"type": "string", "minLength": 1});

impl FilePath {
    /// The path, made absolute where it is relative to `base`.
    pub fn in_folder(&self, base: &Path) -> PathBuf {
        // `.` and doubled slashes go away; `..` stays, since a symbolic link may stand before it.
        base.join(&self.0).components().collect()
    }
}

impl Read for FilePath {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(value, "a path")?;
        let remedy = match text {
            "" => "write the path, or leave the key out",
            t if t.starts_with('~') || t.contains("$") || t.starts_with('%') => {
                "`~` and variables are not expanded: write the path in full"
            }
            t if cfg!(unix) && (t.starts_with("\\\\") || t.as_bytes().get(1..3) == Some(b":\\")) => {
                "this is a path of a Windows machine: mount the share on this one and name the mount point"
            }
            t if t.contains("://") => "this is a URL: mount the share and name the mount point",
            t if t.contains('\0') => "a path cannot contain a zero byte",
            _ => return Some(Self(PathBuf::from(text))),
        };
        let message = if text.is_empty() { "this path is empty".to_owned() } else { format!("`{text}` is no path") };
        reader.report(Code::BadPath, value.span(), message).help(remedy);
        None
    }
}

/// From when files that were there before the first start are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackfillText {
    /// None of them.
    None,
    /// All of them.
    All,
    /// Those last changed on or after this day or moment of the device's time zone.
    Local(DateTime),
    /// Those last changed at or after this moment.
    Moment(Timestamp),
}

schema!([] BackfillText, "Backfill", {
    "oneOf": [
        {"const": "none", "description": "None of them."},
        {"const": "all", "description": "All of them."},
        {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$",
            "description": "Those last changed on or after this day or moment, in the device's time zone unless it says an offset."}
    ]
});

impl BackfillText {
    /// The moment from which on files are published; a local time that does not exist is the next one that does.
    pub fn moment(&self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::None | Self::All => None,
            Self::Local(local) => zone.to_timestamp(*local).ok(),
            Self::Moment(moment) => Some(*moment),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "all" => Some(Self::All),
            _ => {
                let moment = text.parse::<Timestamp>().ok().map(Self::Moment);
                let date = || text.parse::<Date>().ok().map(|date| Self::Local(date.at(0, 0, 0, 0)));
                let local = || text.parse::<DateTime>().ok().map(Self::Local);
                // A bare date is a `DateTime` to jiff as well: the order does not matter.
                moment.or_else(local).or_else(date)
            }
        }
    }
}

impl Read for BackfillText {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        // TOML has dates of its own: `2026-01-01` without quotes is as good.
        let text = match value.get_ref() {
            DeValue::Datetime(datetime) => datetime.to_string(),
            _ => reader.text(value, "`none`, `all` or a date such as \"2026-01-01\"")?.to_owned(),
        };
        let read = Self::parse(&text);
        if read.is_none() {
            reader
                .report(Code::BadDate, value.span(), format!("`{text}` is neither a date nor `none` nor `all`"))
                .meant(nearest(&text, ["none", "all"]))
                .help(
                    "use \"none\", \"all\", a day such as \"2026-01-31\", or a moment such as \"2026-01-31T08:00:00Z\"",
                );
        }
        read
    }
}
