//! Handing messages over, and reading rows ahead of that.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::Request;
use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};
use rumqttc::v5::mqttbytes::{QoS, valid_topic};
use tokio::task::JoinError;
use tokio::time::Instant;

use super::end::End;
use super::limits::publish_size;
use super::replay::Answer;
use super::retained::Due;
use super::rows::Next;
use super::session::{Item, Read, Session};
use crate::event::envelope::without_data;

/// The content type of an event.
const EVENT: &str = "application/cloudevents+json";
/// That of everything else.
const JSON: &str = "application/json";
/// Rows asked for in one read. A read is about 1 MiB at most whatever the rows' size.
const READ: usize = 500;
/// Reads from the file at the same time: enough to let one device's rows come while another's are being read.
const MOST_READS: usize = 2;
/// After a read failed.
const READ_AGAIN: Duration = Duration::from_secs(1);

impl Session<'_> {
    /// Fills the window: retained topics first, then rows in turn, then answers to requests.
    pub(super) fn fill(&mut self, now: Instant) -> Result<(), End> {
        self.read_ahead(now);
        while self.window.wants() && !self.wire.is_full() {
            if let Some(due) = self.shelf.next() {
                self.publish_retained(due)?;
            } else if let Some(next) = self.rows.next(now) {
                self.publish_row(next, now)?;
            } else if self.rows.hungry() && self.read_ahead(now) {
                // Rows came from memory.
            } else if let Some(answer) = self.next_answer(now) {
                self.publish_answer(answer)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Gets more rows where few are left: from memory at once (then true), else by a read in the background.
    fn read_ahead(&mut self, now: Instant) -> bool {
        if self.not_before.is_some_and(|at| at > now) || !self.rows.hungry() {
            return false;
        }
        let mut supplied = false;
        for (index, device, after) in self.rows.to_read() {
            if let Some(rows) = self.context.outbox.try_tail(&device, after, READ) {
                supplied |= !rows.is_empty();
                self.rows.supply(index, rows);
            } else if self.reads.len() < MOST_READS {
                self.rows.reading(index);
                let outbox = Arc::clone(&self.context.outbox);
                self.reads.spawn_blocking(move || Read::Rows(index, outbox.rows_after(&device, after, READ)));
            }
        }
        supplied
    }

    /// The next answer, unless live rows wait or the answers already take a quarter of the window.
    fn next_answer(&mut self, now: Instant) -> Option<Answer> {
        if self.replays.is_idle()
            || self.rows.live_waiting(now)
            || self.window.len() > usize::from(self.limits.window) / 4
        {
            return None;
        }
        if self.reads.len() < MOST_READS
            && let Some((request, device, after)) = self.replays.to_read()
        {
            self.replays.reading(request);
            let outbox = Arc::clone(&self.context.outbox);
            self.reads.spawn_blocking(move || Read::Replay(request, outbox.rows_after(&device, after, READ)));
        }
        self.replays.next(now)
    }

    /// Takes a read that ended.
    pub(super) fn read(&mut self, read: Result<Read, JoinError>) {
        match read {
            Ok(Read::Rows(index, Ok(rows))) => self.rows.supply(index, rows),
            Ok(Read::Rows(index, Err(error))) => {
                self.rows.read_failed(index);
                self.read_failed(&error);
            }
            Ok(Read::Replay(request, rows)) => {
                if let Err(error) = &rows {
                    self.read_failed(error);
                }
                self.replays.supply(request, rows.ok());
            }
            // A read that panicked: which one is not known, so that all that were under way are asked for again.
            Err(error) => {
                self.rows.reads_lost();
                self.read_failed(&error.to_string());
            }
        }
    }

    fn read_failed(&mut self, error: &str) {
        self.not_before = Some(Instant::now() + READ_AGAIN);
        let text = format!("the journal cannot be read: {error}");
        tracing::error!(broker = %self.context.settings.name, error, "The journal cannot be read.");
        self.report.status.fail(text, "check the journal's disk; reading is tried again each second");
    }

    fn publish_row(&mut self, next: Next, now: Instant) -> Result<(), End> {
        let Next { device, row, again } = next;
        let name = row.device.as_str();
        let prefix = &self.context.prefix;
        let mut topic = String::with_capacity(prefix.len() + name.len() + row.category.len() + row.name.len() + 17);
        for part in [prefix, "devices/", name, "/events/", &row.category, "/", &row.name] {
            topic.push_str(part);
        }
        let properties = event_properties(None);
        let Some(payload) = self.fitting(&topic, row.payload, EVENT.len() + 5) else {
            let max = self.limits.max_packet.unwrap_or_default();
            let reason = format!("event {} of device {name} exceeds {max} bytes even without its data", row.sequence);
            tracing::error!(broker = %self.context.settings.name, %reason, "An event is too large for the broker.");
            self.rows.hold(device, row.sequence, reason, "raise the broker's maximum packet size", now);
            self.report_rows();
            return Ok(());
        };
        if again {
            self.report.status.repeated += 1;
        }
        self.hand_over(topic, false, payload, properties, Item::Row { device, sequence: row.sequence })
    }

    /// The payload, or the same event without its data where the broker does not take it whole. `None` where it does
    /// not even take that.
    fn fitting(&mut self, topic: &str, payload: Bytes, properties: usize) -> Option<Bytes> {
        if self.limits.allows(publish_size(topic.len(), properties, payload.len())) {
            return Some(payload);
        }
        let short = without_data(&payload)?;
        if !self.limits.allows(publish_size(topic.len(), properties, short.len())) {
            return None;
        }
        self.report.status.without_data += 1;
        Some(short.into())
    }

    fn publish_retained(&mut self, due: Due) -> Result<(), End> {
        // Without content it is cleared.
        let payload = self.context.standing.content(&due.topic).unwrap_or_default();
        let expires = due.expires && !payload.is_empty();
        let topic = format!("{}{}", self.context.prefix, due.topic);
        let expiry = expires.then_some(self.context.settings.state_expiry.as_secs());
        let mut properties = PublishProperties {
            message_expiry_interval: expiry.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
            ..PublishProperties::default()
        };
        let mut size = if expires { 5 } else { 0 };
        if !payload.is_empty() {
            properties.payload_format_indicator = Some(1);
            properties.content_type = Some(JSON.to_owned());
            size += 2 + 3 + JSON.len();
        }
        if !self.limits.allows(publish_size(topic.len(), size, payload.len())) {
            let text = format!("{} of {} bytes is larger than the broker takes", due.topic, payload.len());
            tracing::warn!(broker = %self.context.settings.name, reason = %text, "A retained topic is not published.");
            self.report.status.fail(text, "raise the broker's maximum packet size");
            return Ok(());
        }
        // Without retained messages at the broker, those who listen now see it at least.
        let retain = self.limits.retain;
        self.hand_over(topic, retain, payload.into(), properties, Item::Retained(due.topic))
    }

    fn publish_answer(&mut self, answer: Answer) -> Result<(), End> {
        let correlation = answer.correlation.as_ref().map_or(0, |data| 3 + data.len());
        let (mut properties, kind) = if answer.event {
            (event_properties(None), EVENT)
        } else {
            let properties = PublishProperties { content_type: Some(JSON.to_owned()), ..event_properties(None) };
            (properties, JSON)
        };
        properties.correlation_data = answer.correlation;
        let size = 5 + kind.len() + correlation;
        let Some(payload) = self.fitting(&answer.topic, answer.payload, size) else {
            self.replays.abandon(answer.request);
            tracing::warn!(broker = %self.context.settings.name, "An answer is larger than the broker takes.");
            return Ok(());
        };
        self.hand_over(answer.topic, false, payload, properties, Item::Answer(answer.request))
    }

    /// Publishes the node's state, `stopped`.
    pub(super) fn farewell(&mut self) -> Result<(), End> {
        let message = self.context.standing.stopped();
        let topic = format!("{}{}", self.context.prefix, message.topic);
        let properties = event_properties(Some(JSON));
        self.hand_over(topic, self.limits.retain, message.payload.into(), properties, Item::Stopped)
    }

    fn hand_over(
        &mut self,
        topic: String,
        retain: bool,
        payload: Bytes,
        properties: PublishProperties,
        item: Item,
    ) -> Result<(), End> {
        if !valid_topic(&topic) {
            return Err(End::lost(format!("`{topic}` is no topic to publish to")));
        }
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload, Some(properties));
        publish.retain = retain;
        let sent = self.wire.send(Request::Publish(publish));
        sent.map_err(|error| End::lost(format!("a message cannot be sent: {error}")))?;
        self.window.hand_over(item);
        Ok(())
    }
}

/// UTF-8, and what it is.
fn event_properties(content_type: Option<&str>) -> PublishProperties {
    PublishProperties {
        payload_format_indicator: Some(1),
        content_type: Some(content_type.unwrap_or(EVENT).to_owned()),
        ..PublishProperties::default()
    }
}
