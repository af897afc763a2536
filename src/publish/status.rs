//! How a broker is, for the operator.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::reason::Verdict;
use crate::event::DeviceId;

/// How one broker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokerStatus {
    /// The broker's address, `host:port`.
    pub address: String,
    /// What the connection is doing.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// Messages that may be unacknowledged at once on this connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u16>,
    /// The largest packet, in bytes, that the broker takes; absent where it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_packet: Option<u32>,
    /// Rows not yet settled, by device.
    pub backlog: BTreeMap<DeviceId, u64>,
    /// Devices whose rows wait because the broker refused one.
    pub held: Vec<Held>,
    /// Rows settled since the daemon's start.
    pub settled: u64,
    /// Of those, rows that the broker took though nobody was subscribed.
    pub no_subscribers: u64,
    /// Rows handed over more than once since the daemon's start: what subscribers may have seen twice.
    pub repeated: u64,
    /// Rows sent without their data because they are larger than the broker takes.
    pub without_data: u64,
    /// Rows that the broker refused for good.
    pub dead_letters: u64,
    /// The other instance that keeps this one from publishing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_instance: Option<String>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<Problem>,
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Connecting, or waiting to try again.
    Connecting,
    /// Publishing.
    Connected,
    /// The broker refuses the connection, or cannot be used as it is configured.
    Refused,
    /// Another instance publishes; this one records only.
    StandingBy,
    /// The daemon has ended the connection.
    Stopped,
}

/// A device whose rows wait at this broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The device.
    pub device: DeviceId,
    /// The row that was refused.
    pub sequence: u64,
    /// Why.
    pub reason: String,
    /// What an operator can do.
    pub remedy: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether somebody has to mend something; otherwise it is tried again with increasing waits.
    pub needs_operator: bool,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
    /// What an operator can do.
    pub remedy: String,
}

impl BrokerStatus {
    /// Logs that a device's events wait since the broker refused one, once; and that they go on.
    pub(super) fn tell_pause(&self, broker: &str, device: &DeviceId, sequence: u64, verdict: &Verdict) {
        match verdict {
            Verdict::Later(refusal) | Verdict::Hold(refusal) => {
                let reason = refusal.reason;
                if !self.held.iter().any(|held| held.device == *device && held.reason == reason) {
                    let remedy = refusal.remedy;
                    tracing::warn!(broker, %device, sequence, reason, remedy, "The broker refuses an event; the device's events wait.");
                }
            }
            _ => tracing::info!(broker, %device, sequence, "The broker takes the device's events again."),
        }
    }

    /// A broker that was not yet connected to.
    pub fn new(address: String) -> Self {
        Self {
            address,
            phase: Phase::Connecting,
            since: Timestamp::now(),
            window: None,
            max_packet: None,
            backlog: BTreeMap::new(),
            held: Vec::new(),
            settled: 0,
            no_subscribers: 0,
            repeated: 0,
            without_data: 0,
            dead_letters: 0,
            other_instance: None,
            last_error: None,
        }
    }

    /// Changes the phase; the time counts from the first moment in it.
    pub fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.since = Timestamp::now();
        }
        if phase != Phase::StandingBy {
            self.other_instance = None;
        }
    }

    /// Notes what went wrong.
    pub fn fail(&mut self, text: impl Into<String>, remedy: impl Into<String>) {
        let (text, remedy) = (text.into(), remedy.into());
        match &mut self.last_error {
            // The same trouble again keeps the time of its beginning.
            Some(last) if last.text == text => last.remedy = remedy,
            last => *last = Some(Problem { at: Timestamp::now(), text, remedy }),
        }
    }
}

/// Tells a status to whoever wants to know, but only when it changed.
pub(super) struct Report {
    pub(super) status: BrokerStatus,
    told: Option<BrokerStatus>,
    broker: Arc<str>,
    standing: Arc<dyn super::Standing>,
}

impl Report {
    pub(super) fn new(broker: Arc<str>, address: String, standing: Arc<dyn super::Standing>) -> Self {
        Self { status: BrokerStatus::new(address), told: None, broker, standing }
    }

    /// Tells the status where it changed since it was told last.
    pub(super) fn tell(&mut self) {
        if self.told.as_ref() != Some(&self.status) {
            self.standing.broker(&self.broker, self.status.clone());
            self.told = Some(self.status.clone());
        }
    }
}
