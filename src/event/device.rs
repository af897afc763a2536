//! What a device's own events say: the `data` of the `device.*` types.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// `device.connected`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Connected {
    /// Which of the device's links: `files`, `serial`, `grpc`.
    pub link: String,
    /// Where: a folder, a port, an address.
    pub place: String,
}

/// `device.disconnected`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Disconnected {
    /// Which of the device's links.
    pub link: String,
    /// Where.
    pub place: String,
    /// What was found.
    pub reason: String,
    /// What a person can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// `device.faulted`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Faulted {
    /// A short name of the kind of fault, `unreadable-source` for instance.
    pub code: String,
    /// What happened, where.
    pub text: String,
    /// What a person can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// `device.recovered`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Recovered {
    /// The code of the fault that is over.
    pub code: String,
}

/// `device.gap`: something may have been lost.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Gap {
    /// Which of the device's links.
    pub link: String,
    /// Why: `replaced`, `truncated`, `deleted`, `cycle-jump`, `drop-oldest`, `rollback` …
    pub reason: String,
    /// From when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// To when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// What was recovered, and what was not, in words.
    pub text: String,
    /// The run that it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<uuid::Uuid>,
    /// Readings of it that are missing, by cycle, where that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// `device.command-handled`: what became of a command that was asked for over MQTT, or of the `continue` by which the daemon
/// itself ends a pause.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CommandHandled {
    /// The last level of the topic: `add-comment`, `pause`, `continue`, or what else was asked for.
    pub command: String,
    /// How it ended.
    pub outcome: crate::command::Outcome,
    /// Why, where there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The correlation data of the request, in lower-case hexadecimal; those of the pause where the daemon itself continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Where the answer went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_topic: Option<String>,
    /// The broker over which it was asked for; absent where the daemon did it by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
    /// Of a pause that is or may be in force: when the daemon continues at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Readings that are missing of a cycle.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Missing {
    /// The cycle, as the instrument counts.
    pub cycle: u32,
    /// How many.
    pub readings: u64,
}
