//! Replay requests: what a subscriber missed is sent again to its response topic.
//!
//! Rows go out ascending, as they are stored, slowly and only while no live row waits; a last message says how many
//! there were and which are missing. A request is forgotten when the connection ends: who does not get the last
//! message asks again.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::outbox::{Extent, Row};
use crate::event::DeviceId;

/// Rows that one request may ask for.
const MOST_ROWS: u64 = 1_000_000;
/// Requests that are answered at the same time; further ones are refused.
const MOST_REQUESTS: usize = 4;
/// Answers that wait to be sent; further refusals are only logged.
const MOST_ANSWERS: usize = 16;
/// Rows in a second over all requests.
const RATE: u32 = 1000;
/// Ranges of missing rows that the last message lists.
const MOST_RANGES: usize = 64;
/// A request with fewer rows in memory than this reads on.
const LOW: usize = 32;

/// An incoming message on the request topic.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Whether it was retained.
    pub retain: bool,
    /// The request.
    pub payload: Bytes,
    /// Where the answer goes.
    pub response_topic: Option<String>,
    /// To be echoed.
    pub correlation: Option<Bytes>,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
struct Request {
    device: DeviceId,
    journal: Uuid,
    from: Sequence,
    to: Sequence,
}

/// A sequence, as a number or as the decimal text of an event's `sequence`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Sequence {
    Number(u64),
    Text(String),
}

impl Sequence {
    fn value(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nowhere to answer to.
    #[error("the request has no response topic")]
    NoResponseTopic,
    /// No answer goes there.
    #[error("the response topic `{topic}` is not below `{prefix}` or holds a wildcard")]
    ResponseTopic {
        /// The topic.
        topic: String,
        /// The configured prefix.
        prefix: String,
    },
    /// A retained request would be answered again at each connection.
    #[error("the request is retained; send it without the retain flag")]
    Retained,
    /// No request at all.
    #[error(
        "the request is not understood ({0}); expected {{\"device\": \u{2026}, \"journal\": \u{2026}, \"from\": 1, \"to\": 9}}"
    )]
    NotUnderstood(String),
    /// The rows are not in this journal.
    #[error("this journal is {own}, not {asked}; sequences of another journal mean something else")]
    OtherJournal {
        /// Ours.
        own: Uuid,
        /// The one asked for.
        asked: Uuid,
    },
    /// No such device.
    #[error("this journal knows no device `{0}`")]
    UnknownDevice(DeviceId),
    /// Too many rows.
    #[error("{0} rows are more than one request may ask for ({MOST_ROWS})")]
    TooMany(u64),
    /// Too many requests.
    #[error("{MOST_REQUESTS} requests are being answered; try again later")]
    Busy,
}

/// A message that answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The request it belongs to; 0 for a refusal.
    pub request: u64,
    /// Where it goes.
    pub topic: String,
    /// The request's correlation data.
    pub correlation: Option<Bytes>,
    /// The content.
    pub payload: Bytes,
    /// Whether it is a stored event; otherwise it is the last message or a refusal.
    pub event: bool,
}

#[derive(Debug)]
struct Replay {
    request: u64,
    device: DeviceId,
    journal: Uuid,
    read_to: u64,
    to: u64,
    topic: String,
    correlation: Option<Bytes>,
    rows: VecDeque<Row>,
    reading: bool,
    ended: bool,
    count: u64,
    first: Option<u64>,
    last: Option<u64>,
    expected: u64,
    missing: Vec<(u64, u64)>,
    missing_more: bool,
}

/// The requests of one connection.
#[derive(Debug)]
pub struct Replays {
    active: VecDeque<Replay>,
    answers: VecDeque<Answer>,
    prefix: String,
    next_request: u64,
    /// When the next row may go.
    next_row: Option<Instant>,
}

impl Replays {
    /// Answers go below `prefix`.
    pub fn new(prefix: String) -> Self {
        Self { active: VecDeque::new(), answers: VecDeque::new(), prefix, next_request: 1, next_row: None }
    }

    /// Takes a request. A refusal is queued as an answer where there is somewhere to answer to.
    pub fn request(&mut self, incoming: &Incoming, journal: Uuid, devices: &[Extent]) -> Result<(), Refused> {
        let topic = self.response(incoming.response_topic.clone())?;
        let refused = match self.accept(incoming, &topic, journal, devices) {
            Ok(replay) => {
                self.active.push_back(replay);
                return Ok(());
            }
            Err(refused) => refused,
        };
        if self.answers.len() < MOST_ANSWERS {
            let payload = json!({"refused": refused.to_string()}).to_string().into();
            let correlation = incoming.correlation.clone();
            self.answers.push_back(Answer { request: 0, topic, correlation, payload, event: false });
        }
        Err(refused)
    }

    /// Queues an answer to something else than a replay request; false where too many wait.
    pub fn reply(&mut self, topic: String, correlation: Option<Bytes>, payload: Bytes) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.answers.push_back(Answer { request: 0, topic, correlation, payload, event: false });
        }
        has_room
    }

    /// Whether another answer may be queued.
    pub fn has_room(&self) -> bool {
        self.answers.len() < MOST_ANSWERS
    }

    /// Where an answer goes.
    ///
    /// # Errors
    /// Why there is nowhere to answer to.
    pub fn response(&self, topic: Option<String>) -> Result<String, Refused> {
        match topic {
            None => Err(Refused::NoResponseTopic),
            Some(topic) if !self.may_answer(&topic) => {
                Err(Refused::ResponseTopic { topic, prefix: self.prefix.clone() })
            }
            Some(topic) => Ok(topic),
        }
    }

    fn may_answer(&self, topic: &str) -> bool {
        let below = topic.strip_prefix(self.prefix.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'));
        below && !topic.contains(['+', '#', '\0']) && topic.len() <= 1024
    }

    fn accept(
        &mut self,
        incoming: &Incoming,
        topic: &str,
        journal: Uuid,
        devices: &[Extent],
    ) -> Result<Replay, Refused> {
        if incoming.retain {
            return Err(Refused::Retained);
        }
        let not_understood = |text: &str| Refused::NotUnderstood(text.to_owned());
        let request: Request =
            serde_json::from_slice(&incoming.payload).map_err(|error| not_understood(&error.to_string()))?;
        let (Some(from), Some(to)) = (request.from.value(), request.to.value()) else {
            return Err(not_understood("`from` and `to` must be sequences"));
        };
        if from == 0 || to < from {
            return Err(not_understood("`from` must be at least 1 and at most `to`"));
        }
        if request.journal != journal {
            return Err(Refused::OtherJournal { own: journal, asked: request.journal });
        }
        let extent = devices.iter().find(|extent| extent.device == request.device);
        let extent = extent.ok_or_else(|| Refused::UnknownDevice(request.device.clone()))?;
        let rows = (to - from).saturating_add(1);
        if rows > MOST_ROWS {
            return Err(Refused::TooMany(rows));
        }
        if self.active.len() >= MOST_REQUESTS {
            return Err(Refused::Busy);
        }
        let number = self.next_request;
        self.next_request += 1;
        let to = to.min(extent.last);
        Ok(Replay {
            request: number,
            device: request.device,
            journal,
            read_to: from - 1,
            to,
            topic: topic.to_owned(),
            correlation: incoming.correlation.clone(),
            rows: VecDeque::new(),
            reading: false,
            ended: from > to,
            count: 0,
            first: None,
            last: None,
            expected: from,
            missing: Vec::new(),
            missing_more: false,
        })
    }

    /// A request that should read on: its number, the device and the sequence to read after.
    pub fn to_read(&self) -> Option<(u64, DeviceId, u64)> {
        let wants = |replay: &&Replay| !replay.reading && !replay.ended && replay.rows.len() < LOW;
        self.active.iter().find(wants).map(|replay| (replay.request, replay.device.clone(), replay.read_to))
    }

    /// Notes that a read is under way.
    pub fn reading(&mut self, request: u64) {
        if let Some(replay) = self.find(request) {
            replay.reading = true;
        }
    }

    /// Takes what was read; `None` where the read failed, which ends the request.
    pub fn supply(&mut self, request: u64, rows: Option<Vec<Row>>) {
        let Some(rows) = rows else { return self.abandon(request) };
        let Some(replay) = self.find(request) else { return };
        replay.reading = false;
        replay.ended = rows.is_empty();
        for row in rows {
            if row.sequence > replay.to {
                replay.ended = true;
                break;
            }
            replay.read_to = row.sequence;
            replay.rows.push_back(row);
        }
        replay.ended |= replay.read_to >= replay.to;
    }

    /// Whether nobody asks for anything.
    pub fn is_idle(&self) -> bool {
        self.answers.is_empty() && self.active.is_empty()
    }

    /// Whether something waits to be sent, now or later.
    pub fn is_waiting(&self) -> bool {
        !self.answers.is_empty() || self.active.iter().any(|replay| !replay.rows.is_empty() || replay.ended)
    }

    /// When the next row may go, where one waits.
    pub fn next_at(&self, now: Instant) -> Option<Instant> {
        self.is_waiting().then(|| self.next_row.map_or(now, |at| at.max(now)))
    }

    /// The next message. The requests take turns.
    pub fn next(&mut self, now: Instant) -> Option<Answer> {
        if let Some(answer) = self.answers.pop_front() {
            return Some(answer);
        }
        if self.next_row.is_some_and(|at| at > now) {
            return None;
        }
        for _ in 0..self.active.len() {
            let mut replay = self.active.pop_front()?;
            if let Some(row) = replay.rows.pop_front() {
                replay.count_row(row.sequence);
                let answer = replay.answer(row.payload, true);
                self.active.push_back(replay);
                // Bursts of a tenth of a second at most: a late timer is made up for, an idle minute is not.
                let earliest = now.checked_sub(Duration::from_millis(100)).unwrap_or(now);
                let from = self.next_row.map_or(now, |at| at.max(earliest));
                self.next_row = Some(from + Duration::from_secs(1) / RATE);
                return Some(answer);
            }
            if replay.ended {
                let last = replay.last_message();
                return Some(replay.answer(last, false));
            }
            self.active.push_back(replay);
        }
        None
    }

    /// Ends a request without a last message.
    pub fn abandon(&mut self, request: u64) {
        self.active.retain(|replay| replay.request != request);
    }

    fn find(&mut self, request: u64) -> Option<&mut Replay> {
        self.active.iter_mut().find(|replay| replay.request == request)
    }
}

impl Replay {
    fn count_row(&mut self, sequence: u64) {
        self.miss_until(sequence);
        self.expected = sequence + 1;
        self.count += 1;
        self.first.get_or_insert(sequence);
        self.last = Some(sequence);
    }

    /// Notes that nothing was there from the expected row to before `sequence`.
    fn miss_until(&mut self, sequence: u64) {
        if sequence > self.expected {
            if self.missing.len() < MOST_RANGES {
                self.missing.push((self.expected, sequence - 1));
            } else {
                self.missing_more = true;
            }
        }
    }

    fn last_message(&mut self) -> Bytes {
        self.miss_until(self.to + 1);
        let missing: Vec<_> = self.missing.iter().map(|(from, to)| json!({"from": from, "to": to})).collect();
        let mut message = json!({
            "device": self.device.as_str(),
            "journal": self.journal,
            "count": self.count,
            "first": self.first,
            "last": self.last,
            "missing": missing,
        });
        if self.missing_more {
            message["missing_more"] = json!(true);
        }
        message.to_string().into()
    }

    fn answer(&self, payload: Bytes, event: bool) -> Answer {
        let (topic, correlation) = (self.topic.clone(), self.correlation.clone());
        Answer { request: self.request, topic, correlation, payload, event }
    }
}
