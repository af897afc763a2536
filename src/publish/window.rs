//! Which row an acknowledgement names.
//!
//! rumqttc 0.25 tells neither at hand-over nor afterwards which packet identifier a publish got. It does say, in the
//! order of hand-over, `Outgoing::Publish(id)` once it wrote the packet; so the k-th such event of a connection is
//! the k-th message handed over. [`Window`] keeps that order, and models how the library counts identifiers (from 1
//! to the limit, then from 1 again), so that nothing is ever handed over that would get an identifier still in use:
//! the library handles such a collision badly.

use std::collections::VecDeque;

/// What is handed over and not yet acknowledged on one connection.
#[derive(Debug)]
pub struct Window<T> {
    /// The most that may be unacknowledged; also the highest packet identifier.
    limit: u16,
    /// The identifier used last; 0 before the first and after the highest.
    last: u16,
    /// Handed over, identifier not yet known, oldest first. At most `limit`.
    unsent: VecDeque<T>,
    /// By identifier; index 0 stays empty.
    sent: Vec<Option<T>>,
    in_flight: usize,
    /// Whether it was full and is not yet a tenth empty.
    draining: bool,
}

/// The library's identifiers are not what the window expects: the pairing cannot be trusted any more and the
/// connection has to be dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the mqtt client used packet identifier {got} where {expected:?} was expected")]
pub struct OutOfStep {
    /// What the client used.
    pub got: u16,
    /// What was expected; `None` where nothing was handed over.
    pub expected: Option<u16>,
}

impl<T> Window<T> {
    /// A window of `limit` messages (at least 1): the lesser of our own limit and the broker's receive maximum.
    pub fn new(limit: u16) -> Self {
        let limit = limit.max(1);
        let mut sent = Vec::new();
        sent.resize_with(usize::from(limit) + 1, || None);
        Self { limit, last: 0, unsent: VecDeque::with_capacity(limit.into()), sent, in_flight: 0, draining: false }
    }

    /// Whether one more message may be handed over.
    pub fn has_room(&self) -> bool {
        self.len() < usize::from(self.limit) && self.sent[usize::from(self.identifier(self.unsent.len()))].is_none()
    }

    /// Whether it should be filled. One that was full is filled again when a tenth of it is free: what waits by then goes
    /// out in one write, instead of a message for each acknowledgement.
    pub fn wants(&self) -> bool {
        !self.draining && self.has_room()
    }

    /// How many messages are handed over and not acknowledged.
    pub fn len(&self) -> usize {
        self.unsent.len() + self.in_flight
    }

    /// Whether nothing waits for an acknowledgement.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes that `item` was handed over. Only after [`Window::has_room`].
    pub fn hand_over(&mut self, item: T) {
        self.unsent.push_back(item);
        self.draining |= self.len() >= usize::from(self.limit);
    }

    /// Notes that a SUBSCRIBE took an identifier.
    pub fn subscribed(&mut self, identifier: u16) {
        self.last = if identifier >= self.limit { 0 } else { identifier };
    }

    /// Pairs `identifier` with the oldest message handed over.
    pub fn sent(&mut self, identifier: u16) -> Result<(), OutOfStep> {
        let expected = (!self.unsent.is_empty()).then(|| self.identifier(0));
        let slot = self.sent.get_mut(usize::from(identifier));
        match (self.unsent.pop_front(), slot) {
            (Some(item), Some(slot @ None)) if expected == Some(identifier) => {
                *slot = Some(item);
                self.in_flight += 1;
                self.last = identifier % self.limit;
                Ok(())
            }
            _ => Err(OutOfStep { got: identifier, expected }),
        }
    }

    /// The message that an acknowledgement of `identifier` is for; `None` where nothing waits for one.
    pub fn acknowledged(&mut self, identifier: u16) -> Option<T> {
        let item = self.sent.get_mut(usize::from(identifier))?.take()?;
        self.in_flight -= 1;
        self.draining &= self.len() > usize::from(self.limit - self.limit / 10);
        Some(item)
    }

    /// The identifier that a message gets which is handed over after `ahead` others.
    fn identifier(&self, ahead: usize) -> u16 {
        // `ahead` is at most `limit`, a u16.
        let steps = u32::from(self.last) + ahead as u32;
        (steps % u32::from(self.limit)) as u16 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_second_acknowledged_first_does_not_let_the_third_reuse_its_identifier() {
        let mut window = Window::new(2);
        for n in 1..=2u16 {
            window.hand_over(n);
            window.sent(n).expect("in step");
        }
        assert!(!window.has_room());
        assert_eq!(window.acknowledged(2), Some(2));
        // Identifier 1 comes next and is still in use.
        assert!(!window.has_room());
        assert_eq!(window.acknowledged(1), Some(1));
        assert!(window.has_room());
        assert_eq!(window.acknowledged(1), None);
        assert_eq!(window.acknowledged(77), None);
    }

    #[test]
    fn a_full_window_is_filled_again_when_a_tenth_is_free() {
        for (limit, in_flight) in [(100, 90), (20, 18), (8, 7), (3, 2), (1, 0)] {
            let mut window = Window::new(limit);
            while window.wants() {
                window.hand_over(());
            }
            assert_eq!(window.len(), usize::from(limit), "it is filled whole");
            for identifier in 1..=limit {
                window.sent(identifier).expect("in step");
            }
            let mut acknowledged = 1..=limit;
            while !window.wants() {
                window.acknowledged(acknowledged.next().expect("a free tenth is enough")).expect("it waits for one");
            }
            assert_eq!(window.len(), in_flight);
        }
    }

    #[test]
    fn an_unexpected_identifier_is_refused() {
        let mut window = Window::new(10);
        assert_eq!(window.sent(1), Err(OutOfStep { got: 1, expected: None }));
        window.hand_over('a');
        assert_eq!(window.sent(2), Err(OutOfStep { got: 2, expected: Some(1) }));
    }

    #[test]
    fn subscriptions_use_identifiers_too() {
        let mut window = Window::new(1);
        window.subscribed(1);
        window.hand_over('a');
        window.sent(1).expect("a window of one knows only the identifier 1");
        let mut window = Window::new(5);
        window.subscribed(1);
        window.subscribed(2);
        window.hand_over('a');
        window.sent(3).expect("after two subscriptions");
    }

    /// The library as its source reads: identifiers from 1 to the limit, one slot for each.
    struct Client {
        limit: u16,
        last: u16,
        channel: VecDeque<u32>,
        slots: Vec<Option<u32>>,
    }

    impl Client {
        fn step(&mut self) -> Option<(u16, u32)> {
            let item = self.channel.pop_front()?;
            let id = self.last + 1;
            self.last = if id == self.limit { 0 } else { id };
            assert!(self.slots[usize::from(id)].replace(item).is_none(), "collision");
            Some((id, item))
        }
    }

    proptest! {
        /// Whatever the order of acknowledgements, each names the message it is for, and no identifier collides.
        #[test]
        fn acknowledgements_name_their_message(limit in 1u16..12, steps in prop::collection::vec(0u16..100, 1..400)) {
            let mut window = Window::new(limit);
            let mut client =
                Client { limit, last: 0, channel: VecDeque::new(), slots: vec![None; usize::from(limit) + 1] };
            let mut next = 0u32;
            for step in steps {
                match step % 3 {
                    0 => while window.has_room() && (step % 2 == 0 || client.channel.len() < 2) {
                        window.hand_over(next);
                        client.channel.push_back(next);
                        next += 1;
                    },
                    1 => if let Some((id, _)) = client.step() {
                        prop_assert!(window.sent(id).is_ok());
                    },
                    _ => {
                        let taken: Vec<_> = (1..=limit).filter(|id| client.slots[usize::from(*id)].is_some()).collect();
                        if !taken.is_empty() {
                            let id = taken[usize::from(step) % taken.len()];
                            prop_assert_eq!(window.acknowledged(id), client.slots[usize::from(id)].take());
                        }
                    }
                }
                let in_client = client.channel.len() + client.slots.iter().flatten().count();
                prop_assert_eq!(window.len(), in_client);
                prop_assert!(window.len() <= usize::from(limit));
            }
        }
    }
}
