//! The payload of each command.

use jiff::SignedDuration;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Command, CommandSettings};

/// Characters of a comment.
const LONGEST_COMMENT: usize = 500;

/// The payload of `add-comment`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AddComment {
    /// The comment, on one line.
    #[schemars(length(min = 1, max = 500))]
    text: String,
}

/// The payload of `pause`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pause {
    /// After so many seconds the daemon itself continues; at most what the configuration allows.
    #[schemars(range(min = 1))]
    max_duration_s: u64,
}

/// The payload of `continue`: none, or an empty object.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Continue {}

/// What is asked of the instrument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// Write a comment.
    AddComment(String),
    /// Pause.
    Pause {
        /// Whether the shaker stands meanwhile.
        stop_shaker: bool,
        /// How long at most, in seconds.
        max_s: u64,
    },
    /// Go on.
    Continue,
}

impl Call {
    /// The command that it belongs to.
    pub fn command(&self) -> Command {
        match self {
            Self::AddComment(_) => Command::AddComment,
            Self::Pause { .. } => Command::Pause,
            Self::Continue => Command::Continue,
        }
    }

    /// How long a pause may last.
    pub fn lasts(&self) -> Option<SignedDuration> {
        match self {
            Self::Pause { max_s, .. } => Some(SignedDuration::from_secs(i64::try_from(*max_s).unwrap_or(i64::MAX))),
            _ => None,
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// What is wrong with it, and what is expected.
    pub fn read(command: Command, payload: &[u8], settings: &CommandSettings) -> Result<Self, String> {
        match command {
            Command::AddComment => {
                let AddComment { text } = parse(payload, r#"{"text": "…"}"#)?;
                let fits = !text.trim().is_empty() && text.chars().count() <= LONGEST_COMMENT;
                if !fits || text.chars().any(char::is_control) {
                    return Err(format!("`text` must have 1 to {LONGEST_COMMENT} characters on one line"));
                }
                Ok(Self::AddComment(text))
            }
            Command::Pause => {
                let Pause { max_duration_s } = parse(payload, r#"{"max_duration_s": 120}"#)?;
                let most = settings.pause_max.as_secs();
                if max_duration_s == 0 || max_duration_s > most {
                    return Err(format!("`max_duration_s` is {max_duration_s}; allowed are 1 to {most}"));
                }
                Ok(Self::Pause { stop_shaker: settings.pause_stops_shaker, max_s: max_duration_s })
            }
            Command::Continue if payload.is_empty() => Ok(Self::Continue),
            Command::Continue => parse(payload, "{}").map(|Continue {}| Self::Continue),
        }
    }
}

fn parse<'p, T: Deserialize<'p>>(payload: &'p [u8], expected: &str) -> Result<T, String> {
    serde_json::from_slice(payload)
        .map_err(|error| format!("the payload is not understood ({error}); expected {expected}"))
}

/// The JSON Schema of a command's payload.
pub fn payload_schema(command: Command) -> Value {
    let mut generator =
        SchemaSettings::draft2020_12().for_deserialize().with(|s| s.inline_subschemas = true).into_generator();
    let schema = match command {
        Command::AddComment => AddComment::json_schema(&mut generator),
        Command::Pause => Pause::json_schema(&mut generator),
        Command::Continue => Continue::json_schema(&mut generator),
    };
    let mut schema = schema.to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("$id".into(), json!(format!("urn:instrumentd:schema:command.{}:v1", command.name())));
        object.insert("title".into(), json!(format!("payload of the command {}", command.name())));
    }
    schema
}
