//! How the driver's events get their ids, times and places in the stream.

use jiff::Timestamp;

use crate::event::body::Body;
use crate::event::{Event, EventSource, IdBase, Key, Subject, TimeQuality};

/// Makes events, in the order in which they are told.
pub(super) struct Teller<'a> {
    /// The device.
    pub source: &'a EventSource,
    /// The opening of the line.
    pub epoch: &'a str,
    /// How many events this epoch had.
    pub ordinal: &'a mut u64,
    /// When what is told happened.
    pub at: Timestamp,
    /// Whose clock that is.
    pub quality: TimeQuality,
    /// Where in the epoch.
    pub offset: u64,
    /// Where they go.
    pub events: &'a mut Vec<Event>,
}

impl Teller<'_> {
    /// Tells one event.
    pub fn tell(&mut self, body: Body, subject: Subject) {
        self.tell_at(body, subject, self.at);
    }

    /// Tells one event that happened at another time.
    pub fn tell_at(&mut self, body: Body, subject: Subject, at: Timestamp) {
        *self.ordinal += 1;
        self.events.push(Event {
            body,
            key: Key::Text(format!("{}/{}", self.epoch, self.ordinal)),
            run: None,
            cycle: None,
            closes: false,
            subject,
            time: Some(at),
            time_quality: self.quality,
            revision: 1,
            reason: None,
            causation: None,
            offset: Some(self.offset),
            alike: None,
        });
    }

    /// An id of something that begins with the next event.
    pub fn mint(&self, what: &str) -> String {
        let key = (*self.ordinal + 1).to_string();
        IdBase::new(self.source, self.epoch, what, &key).id(1).to_string()
    }
}
