//! What a device's retained topics say.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::driver::{Identity, Operation};
use crate::event::envelope::milliseconds;
use crate::event::{EventType, NodeId};
use crate::profile::Profile;

/// The last thing that went wrong, and what a person can do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What happened, where.
    pub text: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What a device's link found at its place.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Sources that are followed.
    pub followed: usize,
    /// Sources with something that was not read yet.
    pub waiting: usize,
    /// Sources that were there before the first start.
    pub before_first_start: usize,
    /// Sources that waited to be read at the link's first look; `None` before it.
    pub waiting_at_first: Option<usize>,
}

/// One device, as its actor and supervisor see it.
#[derive(Debug, Clone)]
pub struct DeviceState {
    /// Its profile.
    pub profile: Arc<Profile>,
    /// Where it stands, in the operator's words.
    pub location: Option<String>,
    /// `starting`, `running`, `restarting`, `failed`, `stopped`.
    pub actor: &'static str,
    /// How often the actor was restarted since the daemon's start, and why the last time.
    pub restarts: (u64, Option<String>),
    /// `connected`, `disconnected`, `unknown`.
    pub connection: &'static str,
    /// Since when the connection is as it is.
    pub since: Timestamp,
    /// The place of the link: a folder.
    pub place: Option<String>,
    /// How changes are found, and why so.
    pub watching: Option<String>,
    /// What its link has found and not read.
    pub found: Found,
    /// What the instrument does.
    pub operation: Operation,
    /// Whether the instrument has been silent for longer than its profile allows.
    pub silent: bool,
    /// Whether the link does not come back from its file system.
    pub hanging: bool,
    /// Who it is.
    pub identity: Option<Identity>,
    /// The last committed sequence.
    pub last_sequence: u64,
    /// The first sequence that a replay can still give; `None` where none can.
    pub first_available_sequence: Option<u64>,
    /// The last fault.
    pub last_error: Option<Fault>,
    /// Sources that were refused, the latest with its reason.
    pub refused: (u64, Option<Fault>),
}

impl DeviceState {
    /// A device that has not said anything yet.
    pub fn new(profile: Arc<Profile>, location: Option<String>, now: Timestamp) -> Self {
        Self {
            profile,
            location,
            actor: "starting",
            restarts: (0, None),
            connection: "unknown",
            since: now,
            place: None,
            watching: None,
            found: Found::default(),
            operation: Operation { name: "unknown", run: None, cycle: None },
            silent: false,
            hanging: false,
            identity: None,
            last_sequence: 0,
            first_available_sequence: None,
            last_error: None,
            refused: (0, None),
        }
    }

    /// The `state` topic's payload.
    pub fn state_json(&self, node: &NodeId, journal: &str, now: Timestamp) -> Value {
        let operation = if self.silent { "unknown" } else { self.operation.name };
        json!({
            "node": node,
            "made_at": milliseconds(now),
            "connection": if self.hanging { "unknown" } else { self.connection },
            "since": milliseconds(self.since),
            "place": self.place,
            "watching": self.watching,
            "sources": self.found.followed,
            "sources_waiting": self.found.waiting,
            "sources_before_first_start": self.found.before_first_start,
            "operation": operation,
            "run": self.operation.run.as_deref(),
            "cycle": self.operation.cycle,
            "journal": journal,
            "last_sequence": self.last_sequence,
            "first_available_sequence": self.first_available_sequence,
            "clock_offset_s": null,
            "actor": self.actor,
            "restarts": self.restarts.0,
            "last_restart_reason": self.restarts.1,
            "last_error": self.last_error,
            "refused_sources": self.refused.0,
            "last_refused": self.refused.1,
        })
    }

    /// The `info` topic's payload, the device's birth certificate.
    pub fn info_json(&self, node: &NodeId) -> Value {
        let instrument = self.identity.as_ref().map(|identity| &identity.instrument);
        let channels = self.identity.as_ref().map_or(&[][..], |identity| &identity.channels);
        let channels: Vec<Value> = channels
            .iter()
            .map(|c| json!({"filterset": c.filterset, "name": c.name, "kind": c.kind, "unit": c.unit, "gain": c.gain}))
            .collect();
        // A map and no list of objects: with many channels it still has to fit into the 4 KiB of a small broker.
        let types: serde_json::Map<String, Value> =
            EventType::ALL.iter().map(|t| (t.full().to_owned(), t.schema_uri().into())).collect();
        json!({
            "node": node,
            "profile": self.profile.name,
            "location": self.location,
            "identity": {
                "manufacturer": self.profile.manufacturer,
                "model": self.profile.model,
                "term": self.profile.term.as_ref().map(|(id, label)| json!({"id": id, "label": label})),
                "serial": instrument.and_then(|i| i.serial.as_deref()),
                "software": instrument.and_then(|i| i.software.as_deref()),
                "format": instrument.map(|i| i.format.as_str()),
            },
            "event_types": types,
            "channels": channels,
        })
    }
}
