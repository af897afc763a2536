//! What subscribers may ask of an instrument.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use super::codes::Code;
use super::file::{CommandsTable, DeviceTable};
use super::reader::{Read, Reader, Value};
use super::values::OneOf;
use crate::command::{Command, CommandSettings};

/// A list of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandNames(pub Vec<Command>);

impl Read for CommandNames {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let DeValue::Array(array) = value.get_ref() else {
            reader.wrong_type(value, "a list of commands such as [\"add-comment\", \"pause\", \"continue\"]");
            return None;
        };
        let mut commands = Vec::new();
        for one in array {
            let OneOf(command) = OneOf::<Command>::read(one, reader)?;
            if !commands.contains(&command) {
                commands.push(command);
            }
        }
        Some(Self(commands))
    }
}

impl JsonSchema for CommandNames {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CommandNames".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = OneOf::<Command>::json_schema(generator);
        json_schema!({"type": "array", "items": one, "uniqueItems": true})
    }
}

/// The settings of a table; without one nothing is allowed.
pub(super) fn commands(device: &DeviceTable, reader: &mut Reader) -> CommandSettings {
    let Some(at) = &device.commands else { return CommandSettings::default() };
    let table: &CommandsTable = &at.value;
    let allow = table.allow.as_ref().map(|at| at.value.0.clone()).unwrap_or_default();
    if device.grpc.is_none() && !reader.was_tried(&device.span, "grpc") {
        reader
            .report(Code::WrongFamily, at.span.clone(), "`commands` without `grpc`: nothing would carry them out")
            .help("commands go over the remote-control service of a BioLector XT: add `grpc`, or take `commands` out");
    }
    CommandSettings {
        allow,
        pause_max: table.pause_max.as_ref().map_or(CommandSettings::PAUSE_MAX, |at| at.value.0),
        pause_stops_shaker: table.pause_stops_shaker.as_ref().is_some_and(|at| at.value),
    }
}
