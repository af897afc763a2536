//! Commands: what a subscriber may ask of an instrument, and how each request is judged.
//!
//! ```text
//! publish ──Incoming──▶ Exchange ──bounded──▶ device actor ──▶ Ledger (pure) ──commit──▶ link ──Call──▶ instrument
//!    ▲                     │  ▲                    │                         │
//!    │                     │  └──settled───────────┼─────────────────────────┘
//!    └──PUBACK, Answer─────┘◀──────────────────────┘ after the outcome is committed
//! ```
//!
//! A decision is in the journal before the broker's delivery is acknowledged and before the instrument is asked, the outcome
//! before the requester is answered.

mod exchange;
mod ledger;
mod payload;

pub use exchange::{Exchange, Next, NotTaken, Receipt, Requests};
pub use ledger::{Answered, Handled, InForce, Ledger, Settled};
pub use payload::{Call, payload_schema};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::Choice;
use crate::event::DeviceId;

/// What can be asked for. There are no others: nothing of the daemon starts, stops, opens or sets anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// A comment in the instrument's own record of the run.
    AddComment,
    /// The run stands, for a time.
    Pause,
    /// The run goes on.
    Continue,
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AddComment, Self::Pause, Self::Continue];

    /// The last level of its topic.
    pub fn name(self) -> &'static str {
        match self {
            Self::AddComment => "add-comment",
            Self::Pause => "pause",
            Self::Continue => "continue",
        }
    }

    /// The command of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name() == name)
    }
}

impl Choice for Command {
    const WHAT: &'static str = "command";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("add-comment", Self::AddComment, "a comment in the instrument's own record of the run"),
        ("pause", Self::Pause, "the run stands for a time that the request says, `pause_max` at most"),
        ("continue", Self::Continue, "the run goes on after a pause"),
    ];
}

/// What a device lets subscribers ask of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSettings {
    /// The commands that are allowed.
    pub allow: Vec<Command>,
    /// The longest pause.
    pub pause_max: Duration,
    /// Whether the shaker stands during a pause.
    pub pause_stops_shaker: bool,
}

impl Default for CommandSettings {
    fn default() -> Self {
        Self { allow: Vec::new(), pause_max: Self::PAUSE_MAX, pause_stops_shaker: false }
    }
}

impl CommandSettings {
    /// The longest pause where nothing else is said.
    pub const PAUSE_MAX: Duration = Duration::from_secs(600);
}

/// Bytes of a command's payload.
pub const LONGEST_PAYLOAD: usize = 8192;

/// A request as it came from a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The device that the topic names.
    pub device: DeviceId,
    /// The command that the topic names, known or not.
    pub name: String,
    /// The content; of one that is longer than [`LONGEST_PAYLOAD`] only the beginning, with one byte more.
    pub payload: Bytes,
    /// Whether it was retained.
    pub retain: bool,
    /// The message expiry interval that was left when it arrived, in seconds.
    pub expiry_s: Option<u32>,
    /// When it arrived.
    pub at: Timestamp,
    /// To be echoed.
    pub correlation: Option<Bytes>,
    /// Where the answer goes, or why there is nowhere.
    pub response: Result<String, String>,
    /// The broker that it came from.
    pub broker: Arc<str>,
    /// By which its delivery is acknowledged; `None` where the broker does not wait for that (QoS 0).
    pub receipt: Option<Receipt>,
}

impl Incoming {
    /// Whether a message is the same one, delivered again on a later connection.
    fn is_delivered_again_as(&self, other: &Self) -> bool {
        let session = |incoming: &Self| incoming.receipt.map(|receipt| receipt.session);
        let later = session(self).zip(session(other)).is_some_and(|(first, second)| first < second);
        later
            && self.correlation.is_some()
            && (&self.broker, &self.name, &self.correlation) == (&other.broker, &other.name, &other.correlation)
            && (&self.payload, &self.response) == (&other.payload, &other.response)
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The instrument did it.
    Done,
    /// The daemon did not ask the instrument.
    Refused,
    /// The instrument was not reached, or said no.
    Failed,
    /// The instrument was asked and nothing tells whether it did it.
    Unknown,
}

/// What came of asking the instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallResult {
    /// It did it.
    Done,
    /// It said that nothing is paused.
    NotPaused,
    /// It was not asked.
    NotAsked(String),
    /// It said no.
    Refused(String),
    /// It was asked, and no answer came.
    Unknown(String),
}

/// An answer on its way to the requester.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The broker.
    pub broker: Arc<str>,
    /// The response topic.
    pub topic: String,
    /// The request's correlation data.
    pub correlation: Option<Bytes>,
    /// The content, JSON.
    pub payload: Bytes,
}

/// Correlation data as text: lower-case hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of such a text.
pub fn from_hexadecimal(text: &str) -> Option<Bytes> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let pairs = digits?;
    Some(pairs.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
