//! What the journal keeps in memory: the devices, the brokers' positions, the tail.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::batch::{DeviceStatus, Row};
use super::tail::Tail;
use crate::event::DeviceId;

/// A device's rows in the file: its number there, and how far they go.
#[derive(Debug, Clone, Default)]
pub(super) struct Stream {
    /// The number by which the tables name the device.
    pub(super) number: i64,
    /// The last sequence.
    pub(super) last: u64,
    /// The first sequence whose payload is there.
    pub(super) first_available: Option<u64>,
    /// Whether the operator retired it.
    pub(super) retired: bool,
    /// The CloudEvents source of its events, once there is one.
    pub(super) source: Option<Arc<str>>,
    /// The number of the commit that touched it last, counted from the daemon's start; 0 for none.
    pub(super) commit: u64,
}

/// A row that a broker refused for good.
#[derive(Debug, Clone)]
pub(super) struct DeadLetter {
    pub(super) broker: Arc<str>,
    pub(super) device: DeviceId,
    pub(super) sequence: u64,
    pub(super) reason: String,
}

/// What is to be written with the next commit and has no batch of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    /// Settled up to, by broker and device.
    pub(super) settled: HashMap<(Arc<str>, DeviceId), u64>,
    /// Dead letters.
    pub(super) dead: Vec<DeadLetter>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.dead.is_empty()
    }
}

/// Dead letters that wait for a commit are bounded: beyond this they are only logged.
const DEAD_LETTERS: usize = 1024;

pub(super) struct State {
    pub(super) id: Uuid,
    /// The id before, when this start found that the journal was rolled back.
    pub(super) previous: Option<Uuid>,
    pub(super) streams: HashMap<DeviceId, Stream>,
    /// Settled up to, by broker and device; the configured brokers are all here.
    pub(super) positions: HashMap<Arc<str>, HashMap<DeviceId, u64>>,
    pub(super) pending: Pending,
    pub(super) rows: Tail,
    /// Bytes of the file that are in use, as of the last look.
    pub(super) used: u64,
    /// How long the last transaction took.
    pub(super) last_commit: Duration,
    /// Since when the writer is in a transaction.
    pub(super) busy_since: Option<Instant>,
}

impl State {
    pub(super) fn new(id: Uuid) -> Self {
        Self {
            id,
            previous: None,
            streams: HashMap::new(),
            positions: HashMap::new(),
            pending: Pending::default(),
            rows: Tail::default(),
            used: 0,
            last_commit: Duration::ZERO,
            busy_since: None,
        }
    }

    /// Takes a position; true when the writer has to be told that there is something to write.
    pub(super) fn settle(&mut self, broker: &Arc<str>, device: &DeviceId, sequence: u64) -> bool {
        let Some(last) = self.streams.get(device).map(|stream| stream.last) else { return false };
        let Some(position) = self.positions.get_mut(broker) else { return false };
        let position = position.entry(device.clone()).or_default();
        let sequence = sequence.min(last);
        if sequence <= *position {
            return false;
        }
        *position = sequence;
        let first = self.pending.settled.is_empty();
        self.pending.settled.insert((Arc::clone(broker), device.clone()), sequence);
        first
    }

    pub(super) fn dead_letter(&mut self, broker: &Arc<str>, device: &DeviceId, sequence: u64, reason: &str) {
        if self.pending.dead.len() >= DEAD_LETTERS {
            tracing::error!(%broker, %device, sequence, reason, "Too many dead letters at once; this one is not listed.");
            return;
        }
        let (broker, device, reason) = (Arc::clone(broker), device.clone(), reason.to_owned());
        self.pending.dead.push(DeadLetter { broker, device, sequence, reason });
    }

    /// Rows after `sequence` from memory; `None` when memory does not reach back that far.
    pub(super) fn tail(&self, device: &DeviceId, sequence: u64, limit: usize) -> Option<Vec<Row>> {
        match self.streams.get(device) {
            Some(stream) if sequence < stream.last => self.rows.after(device, sequence, limit),
            _ => Some(Vec::new()),
        }
    }

    /// The device's number in the file.
    pub(super) fn stream(&self, device: &DeviceId) -> Option<i64> {
        self.streams.get(device).map(|stream| stream.number)
    }

    pub(super) fn positions(&self, broker: &Arc<str>) -> BTreeMap<DeviceId, u64> {
        let positions = self.positions.get(broker).into_iter().flatten();
        positions.map(|(device, sequence)| (device.clone(), *sequence)).collect()
    }

    pub(super) fn devices(&self) -> Vec<DeviceStatus> {
        let mut devices: Vec<_> = self.streams.iter().map(status).collect();
        devices.sort_by(|a, b| a.device.cmp(&b.device));
        devices
    }

    pub(super) fn device(&self, device: &DeviceId) -> Option<DeviceStatus> {
        self.streams.get_key_value(device).map(status)
    }
}

fn status((device, stream): (&DeviceId, &Stream)) -> DeviceStatus {
    DeviceStatus {
        device: device.clone(),
        last_sequence: stream.last,
        first_available_sequence: stream.first_available,
        retired: stream.retired,
    }
}
