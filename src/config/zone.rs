//! Time zones: names of the IANA database.

use jiff::tz::{TimeZone, db};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::Code;
use super::nearest::nearest;
use super::reader::{Read, Reader, Value};
use super::values::schema;

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(pub TimeZone);

schema!([] Zone, "TimeZone", {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"});

impl Read for Zone {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(value, "a time zone such as \"Europe/Berlin\"")?;
        if let Ok(zone) = TimeZone::get(text)
            && zone.iana_name().is_some_and(|name| name != "Etc/Unknown")
        {
            return Some(Self(zone));
        }
        let problem =
            reader.report(Code::BadTimeZone, value.span(), format!("`{text}` is not a time zone of the IANA database"));
        let is_offset = text.contains(|c: char| c.is_ascii_digit() || c == '+' || c == ':');
        let is_abbreviation = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_alphabetic());
        if is_offset || is_abbreviation {
            problem.help("an offset or abbreviation does not say when the clocks change: name the place");
        } else {
            problem.meant(nearest_zone(text));
        }
        problem.help(
            "the zone of the clock of the instrument's computer: \"Europe/Berlin\", \"America/New_York\", \"Etc/UTC\"",
        );
        None
    }
}

/// The zone whose name, or whose city, is nearest.
fn nearest_zone(text: &str) -> Option<String> {
    let names: Vec<String> = db().available().map(|name| name.as_str().to_owned()).collect();
    let text = text.replace(' ', "_");
    nearest(&text, names.iter().map(String::as_str)).map(str::to_owned).or_else(|| {
        let city = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let cities: Vec<String> = names.iter().map(|name| city(name)).collect();
        let found = nearest(&city(&text), cities.iter().map(String::as_str))?;
        names.iter().find(|name| city(name) == found && name.contains('/')).cloned()
    })
}
