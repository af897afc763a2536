//! What a server allows.

use instrument_proto::device::v1::OperationLimits;

/// What one call and all clients together may ask for. None of them is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Nodes in a call of Browse, Read, Write, Call or HistoryRead; items in one that creates or deletes them.
    pub per_call: usize,
    /// References of a node that are told at once.
    pub references: usize,
    /// Values and events of a node's history that are told at once.
    pub history_page: usize,
    /// Values of a node, and events of all nodes, that history keeps.
    pub history: usize,
    /// Continuation points that are open at once; the oldest is forgotten for a further one.
    pub continuation_points: usize,
    /// Subscriptions at once.
    pub subscriptions: usize,
    /// Monitored items of a subscription.
    pub items: usize,
    /// Elements in the queue of an item.
    pub queue: usize,
    /// Data changes and events in a message.
    pub notifications: usize,
    /// Messages that a subscription keeps for Republish.
    pub retransmission: usize,
    /// Publishing intervals, milliseconds.
    pub publishing_ms: (f64, f64),
    /// Sampling intervals, milliseconds.
    pub sampling_ms: (f64, f64),
    /// The longest lifetime, publishing intervals.
    pub lifetime: u32,
    /// Bytes of a message in either direction.
    pub message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_call: 1000,
            references: 500,
            history_page: 1000,
            history: 100_000,
            continuation_points: 64,
            subscriptions: 64,
            items: 1000,
            queue: 10_000,
            notifications: 1000,
            retransmission: 1000,
            publishing_ms: (1.0, 3_600_000.0),
            sampling_ms: (0.0, 3_600_000.0),
            lifetime: 100_000,
            message: 4 << 20,
        }
    }
}

impl Limits {
    /// The same as a server tells them.
    pub fn told(&self) -> OperationLimits {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        OperationLimits {
            max_nodes_per_browse: count(self.per_call),
            max_nodes_per_read: count(self.per_call),
            max_nodes_per_write: count(self.per_call),
            max_nodes_per_method_call: count(self.per_call),
            max_nodes_per_history_read: count(self.per_call),
            max_monitored_items_per_call: count(self.per_call),
            max_references_per_node: count(self.references),
            max_history_values_per_node: count(self.history_page),
            max_history_events_per_node: count(self.history_page),
            max_continuation_points: count(self.continuation_points),
            max_subscriptions: count(self.subscriptions),
            max_monitored_items_per_subscription: count(self.items),
            max_queue_size: count(self.queue),
            max_notifications_per_publish: count(self.notifications),
            max_retransmission_queue_size: count(self.retransmission),
            min_publishing_interval_ms: self.publishing_ms.0,
            min_sampling_interval_ms: self.sampling_ms.0,
            max_message_size: count(self.message),
        }
    }

    /// Bytes of notifications or history in a message; the rest of the limit is for what is around them.
    pub(super) fn content(&self) -> usize {
        self.message / 2
    }

    /// What of a wished interval is granted. What is no number counts as the shortest.
    pub(super) fn interval((least, most): (f64, f64), wished: f64) -> f64 {
        if wished.is_nan() { least } else { wished.clamp(least, most) }
    }
}
