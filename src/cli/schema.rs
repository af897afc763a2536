//! `instrumentd schema`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use serde_json::Value;

use crate::command::{Command, payload_schema};
use crate::config::{file::ConfigTable, nearest::nearest, schema_of};
use crate::event::{EventType, schema::data_schema};
use crate::profile::{self, file::ProfileTable};

/// Print a JSON Schema: of the configuration, of device profiles, of an event's data, or of a command's payload.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    of: Of,
}

const EXAMPLES: &str = "\
Examples:
  editors complete and check instrumentd.toml with it:
    instrumentd schema config > instrumentd.schema.json
  every event type, and the `data` of one:
    instrumentd schema event --list
    instrumentd schema event cultivation.measured
  what a command over MQTT has to hold:
    instrumentd schema command pause
  a shipped profile, to begin one of your own:
    instrumentd schema profile --shipped biolector-pro";

#[derive(Debug, Subcommand)]
enum Of {
    /// Of `instrumentd.toml`.
    Config,
    /// Of a device profile.
    Profile {
        /// Print this shipped profile instead, as TOML.
        #[arg(long, value_name = "NAME")]
        shipped: Option<String>,
    },
    /// Of the payload of a command over MQTT.
    Command {
        /// `add-comment`, `pause` or `continue`.
        #[arg(value_name = "NAME")]
        command: String,
    },
    /// Of the `data` of an event type.
    Event {
        /// `cultivation.measured`, for instance, or the full CloudEvents type.
        #[arg(required_unless_present = "list", value_name = "TYPE")]
        event_type: Option<String>,
        /// Print the names of all event types instead.
        #[arg(long, conflicts_with = "event_type")]
        list: bool,
    },
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let text = match arguments.of {
        Of::Config => pretty(&schema_of::<ConfigTable>("config", "instrumentd.toml")),
        Of::Profile { shipped: None } => pretty(&schema_of::<ProfileTable>("profile", "device profile")),
        Of::Profile { shipped: Some(name) } => shipped(&name)?.to_owned(),
        Of::Command { command } => match Command::from_name(&command) {
            Some(command) => pretty(&payload_schema(command)),
            None => bail!("there is no command `{command}`; there are {}", Command::ALL.map(Command::name).join(", ")),
        },
        Of::Event { event_type: Some(name), .. } => pretty(&data_schema(event_type(&name)?)),
        Of::Event { event_type: None, .. } => {
            EventType::ALL.iter().map(|event_type| format!("{}\n", event_type.short())).collect()
        }
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn pretty(schema: &Value) -> String {
    format!("{schema:#}\n")
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

fn shipped(name: &str) -> anyhow::Result<&'static str> {
    match profile::text(name) {
        Some(text) => Ok(text),
        None => {
            let names: Vec<&str> = profile::names().collect();
            bail!(
                "there is no shipped profile `{name}`, only {}{}",
                names.join(", "),
                meant(nearest(name, names.iter().copied()))
            )
        }
    }
}

fn event_type(name: &str) -> anyhow::Result<EventType> {
    match EventType::from_name(name) {
        Some(event_type) => Ok(event_type),
        None => {
            let names = EventType::ALL.iter().map(|event_type| event_type.short());
            bail!(
                "there is no event type `{name}`{} (`instrumentd schema event --list` prints all)",
                meant(nearest(name, names))
            )
        }
    }
}
