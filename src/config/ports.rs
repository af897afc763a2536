//! What values can be where lines and decks are named: USB ids, network addresses, lists of paths, quarter turns.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use super::codes::Code;
use super::reader::{Read, Reader, Value};
use super::values::{FilePath, Whole, schema};
use crate::profile::deck::Rotation;

/// A USB vendor or product id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsbId(pub u16);

schema!([] UsbId, "UsbId", {"type": "string", "pattern": "^[0-9A-Fa-f]{4}$"});

impl Read for UsbId {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(value, "four hexadecimal digits")?;
        let is_hex = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = u16::from_str_radix(text, 16).ok().filter(|_| is_hex);
        if id.is_none() {
            reader
                .report(Code::BadText, value.span(), format!("`{text}` is no USB id"))
                .help("write the four hexadecimal digits that `lsusb` prints: \"0403\"");
        }
        id.map(Self)
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

schema!([] Address, "Address", {"type": "string", "pattern": "^.+:[0-9]{1,5}$"});

impl Address {
    /// The host and port that `text` names with a colon between them.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_name = !host.is_empty() && !host.chars().any(|c| c.is_whitespace() || "/@[]".contains(c));
        let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
        is_name.then(|| Self { host: host.to_owned(), port })
    }
}

impl Read for Address {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(value, "an address such as \"10.0.0.7:4001\"")?;
        let parts = Self::parse(text.strip_prefix("tcp://").unwrap_or(text));
        if parts.is_none() {
            reader.report(Code::BadHost, value.span(), format!("`{text}` is no host with a port")).help(
                "write both with a colon between: \"10.0.0.7:4001\", \"moxa-1.lab.example:4001\", \"[fe80::1]:4001\"",
            );
        }
        parts
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// One path or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePaths(pub Vec<FilePath>);

impl Read for FilePaths {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        match value.get_ref() {
            DeValue::Array(array) => Some(Self(array.iter().filter_map(|one| FilePath::read(one, reader)).collect())),
            _ => FilePath::read(value, reader).map(|path| Self(vec![path])),
        }
    }
}

impl JsonSchema for FilePaths {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FilePaths".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = FilePath::json_schema(generator);
        json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

/// A turn by a multiple of 90 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn(pub Rotation);

schema!([] Turn, "Turn", {"enum": [0, 90, 180, 270]});

impl Read for Turn {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let Whole(degrees) = Whole::<{ i64::MIN }, { i64::MAX }>::read(value, reader)?;
        let rotation = match degrees {
            0 => Rotation::None,
            90 => Rotation::Quarter,
            180 => Rotation::Half,
            270 => Rotation::ThreeQuarters,
            _ => {
                reader
                    .report(Code::OutOfRange, value.span(), format!("labware cannot be turned by {degrees} degrees"))
                    .help("use 0, 90, 180 or 270, counter-clockwise seen from above");
                return None;
            }
        };
        Some(Self(rotation))
    }
}
