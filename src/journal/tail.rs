//! The committed rows that are still in memory, so that the publisher need not read what was just written.

use std::collections::{HashMap, VecDeque};

use super::batch::Row;
use crate::event::DeviceId;

/// Payload bytes that the tail holds over all devices; beyond it the oldest rows go, and a publisher that is further
/// behind reads the file.
const BYTES: usize = 2 * 1024 * 1024;

/// What a row costs beside its payload.
const ROW_OVERHEAD: usize = 128;

/// A read stops at about this many payload bytes.
pub(super) const READ_BYTES: usize = 1024 * 1024;

/// The last rows of each device, without a hole, oldest first.
#[derive(Default)]
pub(super) struct Tail {
    rows: HashMap<DeviceId, VecDeque<Row>>,
    order: VecDeque<DeviceId>,
    bytes: usize,
}

impl Tail {
    /// Adds a committed row. The rows of a device come in the order of their sequences.
    pub(super) fn push(&mut self, row: Row) {
        self.bytes += row.payload.len() + ROW_OVERHEAD;
        self.order.push_back(row.device.clone());
        self.rows.entry(row.device.clone()).or_default().push_back(row);
        while self.bytes > BYTES {
            let Some(device) = self.order.pop_front() else { break };
            if let Some(row) = self.rows.get_mut(&device).and_then(VecDeque::pop_front) {
                self.bytes -= row.payload.len() + ROW_OVERHEAD;
            }
        }
    }

    /// Rows after `sequence`; `None` when the row that follows it is not here.
    pub(super) fn after(&self, device: &DeviceId, sequence: u64, limit: usize) -> Option<Vec<Row>> {
        let rows = self.rows.get(device)?;
        let first = rows.front()?.sequence;
        let skip = usize::try_from((sequence + 1).checked_sub(first)?).ok()?;
        let mut bytes = 0;
        let within = rows.iter().skip(skip).take(limit).take_while(|row| {
            let room = bytes < READ_BYTES;
            bytes += row.payload.len();
            room
        });
        Some(within.cloned().collect())
    }
}
