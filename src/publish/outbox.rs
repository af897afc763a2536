//! What the publisher needs of the journal, so that its tests can do with rows in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;

use crate::event::DeviceId;

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

/// How far a device's rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The device.
    pub device: DeviceId,
    /// The last sequence; 0 where it has none.
    pub last: u64,
    /// Whether the operator retired it: its retained topics are cleared.
    pub retired: bool,
}

/// The rows to be published, and how far they are.
pub trait Outbox: Send + Sync {
    /// The journal's id.
    fn id(&self) -> Uuid;
    /// Every device with rows. Never blocks.
    fn devices(&self) -> Vec<Extent>;
    /// Up to where `broker` has settled each device. Blocks.
    fn positions(&self, broker: &Arc<str>) -> Result<BTreeMap<DeviceId, u64>, String>;
    /// Rows after `sequence` from memory, ascending; `None` where memory does not reach back that far. Never blocks.
    fn try_tail(&self, device: &DeviceId, sequence: u64, limit: usize) -> Option<Vec<Row>>;
    /// Rows after `sequence`, ascending, at most `limit` and about 1 MiB. Blocks.
    fn rows_after(&self, device: &DeviceId, sequence: u64, limit: usize) -> Result<Vec<Row>, String>;
    /// Notes that `broker` has everything up to and with `sequence`. Never blocks.
    fn settle(&self, broker: &Arc<str>, device: &DeviceId, sequence: u64);
    /// Notes that `broker` refused a row for good.
    fn dead_letter(&self, broker: &Arc<str>, device: &DeviceId, sequence: u64, reason: &str);
    /// Changes at every commit with new rows.
    fn committed(&self) -> watch::Receiver<u64>;
}
