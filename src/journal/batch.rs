//! What goes into the journal and what comes out of it.

use std::sync::Arc;

use bytes::Bytes;

use crate::driver::SourceName;
use crate::event::{DeviceId, Prepared};

/// What is committed as one.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The device.
    pub device: DeviceId,
    /// Which of its links the sources belong to.
    pub link: Arc<str>,
    /// The events, in order.
    pub events: Vec<Prepared>,
    /// Changed positions and snapshot parts of sources.
    pub sources: Vec<SourceUpdate>,
    /// Small named facts; `None` forgets one.
    pub notes: Vec<(String, Option<Vec<u8>>)>,
    /// Whether it may wait a moment for those of other devices, where many devices have such.
    pub is_patient: bool,
}

impl Batch {
    /// An empty batch.
    pub fn new(device: DeviceId, link: Arc<str>) -> Self {
        Self { device, link, events: Vec::new(), sources: Vec::new(), notes: Vec::new(), is_patient: false }
    }

    /// Bytes that it holds while it waits.
    pub(super) fn size(&self) -> usize {
        let events: usize = self.events.iter().map(|event| event.size() + 160).sum();
        let sources: usize = self.sources.iter().map(SourceUpdate::size).sum();
        let notes: usize = self.notes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        events + sources + notes + 64
    }
}

/// What changes about one source.
#[derive(Debug, Clone)]
pub struct SourceUpdate {
    /// The source.
    pub source: SourceName,
    /// From where its link resumes; opaque to the journal. `None` leaves it as it is.
    pub position: Option<Vec<u8>>,
    /// Parts of the driver's snapshot that changed.
    pub parts: Vec<(String, Vec<u8>)>,
    /// Whether the parts that were there before are dropped first.
    pub reset: bool,
    /// Whether the source is forgotten altogether; what it said stays said.
    pub forget: bool,
}

impl SourceUpdate {
    /// The source is read from its start: what was kept of its driver's state is dropped.
    pub fn restart(source: SourceName) -> Self {
        Self { source, position: None, parts: Vec::new(), reset: true, forget: false }
    }

    /// The source is forgotten: the link finds it anew, if it is still there.
    pub fn forget(source: SourceName) -> Self {
        Self { source, position: None, parts: Vec::new(), reset: true, forget: true }
    }

    fn size(&self) -> usize {
        let parts: usize = self.parts.iter().map(|(name, bytes)| name.len() + bytes.len()).sum();
        self.source.len() + self.position.as_ref().map_or(0, Vec::len) + parts + 32
    }
}

/// What a commit did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Committed {
    /// Events that got a sequence, later revisions included.
    pub new: u64,
    /// Events that were known with the same content.
    pub known: u64,
    /// Of the new ones, those that the journal made a later revision because the id was known with other content.
    pub revised: u64,
    /// The device's last sequence now; 0 where it has none.
    pub last_sequence: u64,
}

/// A stored event, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The device.
    pub device: DeviceId,
    /// Its sequence.
    pub sequence: u64,
    /// The type's category, the second last topic level.
    pub category: Arc<str>,
    /// The type's name, the last topic level.
    pub name: Arc<str>,
    /// The event as it is published: the same bytes in every delivery.
    pub payload: Bytes,
}

/// A source as the journal remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSource {
    /// Its name.
    pub source: SourceName,
    /// The position that was committed last.
    pub position: Vec<u8>,
}

/// A device as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStatus {
    /// Its id.
    pub device: DeviceId,
    /// The last sequence; 0 where it has none.
    pub last_sequence: u64,
    /// The first sequence whose payload is still there; `None` where none is.
    pub first_available_sequence: Option<u64>,
    /// Whether the operator retired it.
    pub retired: bool,
}

/// How large the journal is and how fast the disk takes what is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The file's size, in bytes, without SQLite's log beside it (16 MiB at most, more only while a reader holds it).
    pub file_bytes: u64,
    /// How much of it is in use; this is what the configured size bounds.
    pub used_bytes: u64,
    /// How long the last transaction took, until it was durable.
    pub last_commit: std::time::Duration,
}

/// The journal was closed before the batch was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal was closed before the events were committed")]
pub struct Closed;
