//! What can go wrong between a server and its clients.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Switches that are thrown from outside. Each number is how many times it is still to happen.
#[derive(Debug, Default)]
pub struct Switches {
    /// Notification messages that are not sent: the client misses their numbers.
    pub lost_messages: AtomicU32,
    /// Notification messages that are sent twice.
    pub doubled_messages: AtomicU32,
    /// Messages, of any kind, whose bytes are none.
    pub malformed_messages: AtomicU32,
    /// Notification messages that are larger than the limit.
    pub oversized_messages: AtomicU32,
    /// Notification messages that have elements besides their own that make no sense.
    pub nonsensical_messages: AtomicU32,
    /// Streams say nothing while it is set.
    pub stalled: AtomicBool,
}

impl Switches {
    /// Takes one of what is still to happen.
    pub(super) fn takes(of: &AtomicU32) -> bool {
        of.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}
