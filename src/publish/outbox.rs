//! What the publisher needs of the journal, so that its tests can do with rows in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use uuid::Uuid;

use crate::event::DeviceId;
use crate::journal::Journal;

pub use crate::journal::Row;

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
    /// Tells the last sequence of every device with rows that may have new ones since the commit of number `since`, and that one, as
    /// [`Outbox::committed`] counts them, in no order; of every device since 0. Never blocks.
    fn ends(&self, since: u64, each: &mut dyn FnMut(&DeviceId, u64));
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
    /// Counts the commits with new rows.
    fn committed(&self) -> watch::Receiver<u64>;
}

impl Outbox for Journal {
    fn id(&self) -> Uuid {
        Journal::id(self)
    }

    fn devices(&self) -> Vec<Extent> {
        let extent = |kept: crate::journal::DeviceStatus| Extent {
            device: kept.device,
            last: kept.last_sequence,
            retired: kept.retired,
        };
        Journal::devices(self).into_iter().map(extent).collect()
    }

    fn ends(&self, since: u64, each: &mut dyn FnMut(&DeviceId, u64)) {
        Journal::ends(self, since, each);
    }

    fn positions(&self, broker: &Arc<str>) -> Result<BTreeMap<DeviceId, u64>, String> {
        Journal::positions(self, broker).map_err(|error| error.to_string())
    }

    fn try_tail(&self, device: &DeviceId, sequence: u64, limit: usize) -> Option<Vec<Row>> {
        Journal::try_tail(self, device, sequence, limit)
    }

    fn rows_after(&self, device: &DeviceId, sequence: u64, limit: usize) -> Result<Vec<Row>, String> {
        Journal::rows_after(self, device, sequence, limit).map_err(|error| error.to_string())
    }

    fn settle(&self, broker: &Arc<str>, device: &DeviceId, sequence: u64) {
        Journal::settle(self, broker, device, sequence);
    }

    fn dead_letter(&self, broker: &Arc<str>, device: &DeviceId, sequence: u64, reason: &str) {
        Journal::dead_letter(self, broker, device, sequence, reason);
    }

    fn committed(&self) -> watch::Receiver<u64> {
        Journal::committed(self)
    }
}
