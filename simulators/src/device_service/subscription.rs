//! A subscription: when what is told, and what is kept to be told again.

use std::collections::{BTreeMap, VecDeque};

use instrument_proto::device::StatusCode;
use instrument_proto::device::timestamp;
use instrument_proto::device::v1::{
    DataChange, DataValue, EventFields, EventNotification, NotificationMessage, SequenceRange,
};
use jiff::{SignedDuration, Timestamp};
use prost::Message as _;

use super::item::Item;
use super::server::Identity;

/// Times and counts as they were granted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Terms {
    pub interval_ms: f64,
    pub lifetime: u32,
    pub keep_alive: u32,
    pub notifications: usize,
    pub enabled: bool,
}

/// What a subscription has to say at a moment.
#[derive(Debug)]
pub(super) enum Turn {
    /// This.
    Say(NotificationMessage),
    /// Nothing before this time, unless something happens.
    Wait(Timestamp),
}

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    id: u32,
    pub owner: Identity,
    pub terms: Terms,
    pub items: BTreeMap<u32, Item>,
    /// The number that the next notification will have.
    next_number: u32,
    /// Messages for Republish, oldest first.
    sent: VecDeque<NotificationMessage>,
    kept: usize,
    /// Bytes of notifications in a message.
    room: usize,
    last_said: Timestamp,
    ends: Timestamp,
    /// Counts the streams; the last one opened is the one that counts.
    pub stream: u64,
    /// Whether the stream has not said anything yet.
    is_fresh: bool,
    more: bool,
}

/// The number after this one: 0 is never used.
pub(super) fn following(number: u32) -> u32 {
    number.checked_add(1).unwrap_or(1)
}

impl Subscription {
    pub fn new(id: u32, owner: Identity, terms: Terms, kept: usize, room: usize, now: Timestamp) -> Self {
        let mut subscription = Self {
            id,
            owner,
            terms,
            items: BTreeMap::new(),
            next_number: 1,
            sent: VecDeque::new(),
            kept,
            room,
            last_said: now,
            ends: now,
            stream: 0,
            is_fresh: false,
            more: false,
        };
        subscription.touch(now);
        subscription
    }

    /// So many publishing intervals.
    fn intervals(&self, count: u32) -> SignedDuration {
        let millis = (self.terms.interval_ms * f64::from(count)).min(1e15);
        SignedDuration::try_from_secs_f64(millis / 1000.0).unwrap_or(SignedDuration::MAX)
    }

    /// Somebody cares for it: its lifetime begins anew.
    pub fn touch(&mut self, now: Timestamp) {
        self.ends = now.checked_add(self.intervals(self.terms.lifetime)).unwrap_or(Timestamp::MAX);
    }

    /// Whether its lifetime is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.ends <= now
    }

    /// Another stream; returns its number.
    pub fn open(&mut self, now: Timestamp) -> u64 {
        self.touch(now);
        self.stream += 1;
        self.is_fresh = true;
        self.stream
    }

    /// What is to be said now on the stream, which can take it.
    pub fn turn(&mut self, now: Timestamp, epoch: &str) -> Turn {
        self.touch(now);
        // A clock that was set back must not silence it.
        self.last_said = self.last_said.min(now);
        let mut waiting = 0;
        let mut wake = Timestamp::MAX;
        for item in self.items.values_mut() {
            item.settle(now);
            waiting += item.waiting();
            wake = wake.min(item.next_sample().unwrap_or(Timestamp::MAX));
        }
        let after = |count: u32| self.last_said.checked_add(self.intervals(count)).unwrap_or(Timestamp::MAX);
        if waiting > 0 && self.terms.enabled {
            let due = after(1);
            if !(self.is_fresh || self.more || due <= now) {
                return Turn::Wait(due);
            }
            return Turn::Say(self.notification(now, epoch));
        }
        let due = after(self.terms.keep_alive);
        if self.is_fresh || due <= now {
            return Turn::Say(self.said(NotificationMessage::default(), now, epoch));
        }
        // A sample before the interval is over is not told before that, and is not missed: items take what was due.
        Turn::Wait(if self.terms.enabled { due.min(wake.max(after(1))) } else { due })
    }

    fn notification(&mut self, now: Timestamp, epoch: &str) -> NotificationMessage {
        let mut message = NotificationMessage::default();
        let (mut left, mut room) = (self.terms.notifications, self.room);
        for item in self.items.values_mut().filter(|item| item.reports) {
            let client_handle = item.client_handle;
            while left > 0 && room > 0 {
                if let Some(value) = item.next_value() {
                    room = room.saturating_sub(DataValue::encoded_len(&value) + 16);
                    message.data_changes.push(DataChange { client_handle, value: Some(value) });
                } else if let Some(event) = item.next_event() {
                    let size = EventFields::encoded_len(&event) + 16;
                    let is_first = message.data_changes.is_empty() && message.events.is_empty();
                    if size > room && !is_first {
                        item.put_back_event(event);
                        room = 0;
                        break;
                    }
                    room = room.saturating_sub(size);
                    message.events.push(EventNotification { client_handle, event: Some(event) });
                } else {
                    break;
                }
                left -= 1;
            }
        }
        message.more_notifications = self.items.values().any(|item| item.waiting() > 0);
        self.more = message.more_notifications;
        message.sequence_number = self.next_number;
        message.publish_time = Some(timestamp(now));
        message.subscription_id = self.id;
        message.server_epoch = epoch.to_owned();
        self.next_number = following(self.next_number);
        if self.sent.len() == self.kept {
            self.sent.pop_front();
        }
        self.sent.push_back(message.clone());
        self.said(message, now, epoch)
    }

    /// What goes around each message.
    fn said(&mut self, mut message: NotificationMessage, now: Timestamp, epoch: &str) -> NotificationMessage {
        self.is_fresh = false;
        self.last_said = now;
        if message.sequence_number == 0 {
            message.sequence_number = self.next_number;
            message.publish_time = Some(timestamp(now));
            message.subscription_id = self.id;
            message.server_epoch = epoch.to_owned();
        }
        message.available_sequence_numbers = self.available();
        message
    }

    /// The numbers that can be had again.
    fn available(&self) -> Vec<SequenceRange> {
        let mut ranges: Vec<SequenceRange> = Vec::new();
        for number in self.sent.iter().map(|message| message.sequence_number) {
            match ranges.last_mut() {
                Some(range) if range.last.checked_add(1) == Some(number) => range.last = number,
                _ => ranges.push(SequenceRange { first: number, last: number }),
            }
        }
        ranges
    }

    /// A message once more, as it was.
    pub fn again(&mut self, number: u32, now: Timestamp) -> Option<NotificationMessage> {
        self.touch(now);
        let found = self.sent.iter().find(|message| message.sequence_number == number)?;
        Some(NotificationMessage { available_sequence_numbers: self.available(), ..found.clone() })
    }

    /// Forgets a message, and those before it if asked for.
    pub fn acknowledge(&mut self, number: u32, and_earlier: bool, now: Timestamp) -> StatusCode {
        self.touch(now);
        let Some(at) = self.sent.iter().position(|message| message.sequence_number == number) else {
            return StatusCode::BAD_SEQUENCE_NUMBER_UNKNOWN;
        };
        if and_earlier {
            self.sent.drain(..=at);
        } else {
            self.sent.remove(at);
        }
        StatusCode::GOOD
    }
}
