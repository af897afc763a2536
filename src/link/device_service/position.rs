//! Up to where a server was heard.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// An event that is further in the future than this does not move the time from which history is asked for.
const FUTURE: SignedDuration = SignedDuration::from_hours(1);

/// Up to where a server was heard: committed with the events that came before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The server's epoch.
    pub epoch: String,
    /// The subscription; 0 is none.
    pub subscription: u32,
    /// What the subscription's items stand for.
    #[serde(default)]
    pub items: u32,
    /// The number of the last message of it.
    pub sequence: u32,
    /// The latest time of an event, by the instrument's clock.
    pub time: Option<Timestamp>,
    /// From when on the history was read before the first event was heard.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

impl Position {
    /// The position that was committed, where there is one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// It, to be committed.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Takes the time of an event into account.
    pub(super) fn heard(&mut self, time: Option<Timestamp>, now: Timestamp) {
        let time = time.filter(|time| time.duration_since(now) < FUTURE);
        self.time = self.time.max(time);
    }
}
