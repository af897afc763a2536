//! The envelope: CloudEvents 1.0 in JSON structured mode, rendered once and stored as it is published.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Event, EventSource, EventType, Figure, IdBase, Ingest, Known, Scope, Subject};

/// The version that goes into `producerversion`.
const PRODUCER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where an event's source stands; the same for all events of one input.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The device's CloudEvents source.
    pub source: EventSource,
    /// The device's name, for `partitionkey`.
    pub partition: super::DeviceId,
    /// The way in.
    pub ingest: Ingest,
    /// Names the file or stream that the offsets count in; `None` for events the daemon makes itself.
    pub position: Option<Arc<str>>,
}

/// What only the journal knows, or what it decided, at the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The event's place in its device's order, from 1.
    pub sequence: u64,
    /// By which journal, and when.
    pub recording: Recording,
    /// The revision: the prepared one, or a later one where its id was known with other content.
    pub revision: u32,
    /// Why the journal minted a later revision; `None` where it did not.
    pub minted_because: Option<&'static str>,
    /// The first and last sequence of the events that a closing event counts.
    pub span: Option<(u64, u64)>,
    /// The event by which another way has told of the same fact, or may have.
    pub twin: Option<Twin>,
}

/// An event by which another way has told of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// Its id; becomes the `causationid`.
    pub id: Uuid,
    /// Names of the figures that the two ways give differently; `None` where it is not certain that it is the same fact.
    pub disagrees: Option<Vec<&'static str>>,
}

/// Which journal recorded an event, and when: the same for all events of one transaction, and rendered once for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording(Arc<str>);

impl Recording {
    /// Recorded by `journal` at `at`; `synchronised` where it is known whether the clock that says so is.
    pub fn new(journal: Uuid, at: Timestamp, synchronised: Option<bool>) -> Self {
        let flag = if synchronised == Some(false) { ",\"clocksynchronised\":false" } else { "" };
        Self(format!(",\"recordedtime\":\"{}\",\"journalid\":\"{journal}\"{flag}", milliseconds(at)).into())
    }
}

/// What every event begins with.
const HEAD: &[u8] = b"{\"specversion\":\"1.0\",\"id\":\"";
/// The length of an id.
const ID: usize = 36;
/// What stands before the data.
const DATA: &[u8] = b",\"data\":";
/// Room for what the journal adds to every event, always of this length: most events are finished where they stand.
const SLOT: &[u8] = b",\"sequence\":\"00000000000000000000\",\"recordedtime\":\"0000-00-00T00:00:00.000Z\",\"journalid\":\"00000000-0000-0000-0000-000000000000\"";
/// Where in it the sequence's digits begin.
const SEQUENCE_AT: usize = 13;
/// Where in it that begins which is the same for all events of a transaction.
const RECORDING_AT: usize = 34;

/// An event that is serialised and waits for its commit.
///
/// Its text is ready, with room for the members that the journal adds, so that the journal's single writer only fills
/// them in.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The event's type.
    pub event_type: EventType,
    /// From which the id of any revision follows.
    pub base: IdBase,
    /// The revision that the driver gave.
    pub revision: u32,
    /// Which count it belongs to.
    pub scope: Option<Scope>,
    /// Whether it gets its scope's first and last sequence.
    pub closes: bool,
    /// When it happened; repeated here for retention and queries.
    pub time: Option<Timestamp>,
    /// The first eight bytes of the SHA-256 over what must never change under one id: subject, time and data.
    pub content: i64,
    id: Uuid,
    /// The whole event, with the journal's members as [`SLOT`] or as they were filled in last.
    text: Bytes,
    /// Where those members begin.
    slot: usize,
    reason: Option<Arc<str>>,
    /// By what another way's event about the same fact is found.
    pub alike: Option<Box<PreparedAlike>>,
}

/// [`Alike`](super::Alike) as the journal uses it.
#[derive(Debug, Clone)]
pub struct PreparedAlike {
    /// The same for all facts of a run; those of one run stand together in the journal.
    pub run: i64,
    /// A hash of run and what the fact is about.
    pub about: i64,
    /// Milliseconds in the run.
    pub at: Option<i64>,
    /// How far others may be apart, in milliseconds.
    pub window: i64,
    /// The way's number.
    pub way: i64,
    /// Whether the journal remembers which fact of another way this one was found to be.
    pub is_paired: bool,
    /// What else is said.
    pub figures: Vec<Figure>,
    /// What is recorded where the fact is known: `None` is nothing.
    pub instead: Option<Box<Prepared>>,
}

impl PreparedAlike {
    fn new(alike: &super::Alike, base: &IdBase, identity: &str, origin: &Origin) -> Self {
        let hash = |parts: &[&str]| {
            let mut hash = Sha256::new();
            for part in parts {
                hash.update(part.as_bytes());
                hash.update([0x1f]);
            }
            let digest = hash.finalize();
            i64::from_be_bytes(std::array::from_fn(|i| digest[i]))
        };
        let milliseconds = |seconds: f64| (seconds * 1000.0).round().clamp(-1e15, 1e15) as i64;
        Self {
            run: base.locality() >> 32,
            about: hash(&[origin.source.as_str(), identity, &alike.about]),
            at: alike.elapsed_s.filter(|seconds| seconds.is_finite()).map(milliseconds),
            window: milliseconds(alike.window_s),
            way: alike.way.number(),
            is_paired: alike.way != super::Way::Asked,
            figures: alike.figures.clone(),
            instead: match &alike.known {
                Known::Keep => None,
                Known::Instead(event) => Some(Box::new(Prepared::new(event, origin))),
            },
        }
    }
}

impl Prepared {
    /// Serialises `event`, whose way in is `origin`.
    pub fn new(event: &Event, origin: &Origin) -> Self {
        let event_type = event.body.event_type();
        let identity = event.run.as_ref().map_or("", |run| run.identity.as_str());
        let mut key = String::with_capacity(32);
        event.key.write(&mut key);
        let base = IdBase::new(&origin.source, identity, event_type.short(), &key);

        let id = base.id(event.revision);
        let mut data = Vec::with_capacity(640);
        // The bodies are structs of strings, numbers and lists: serialising them to memory cannot fail. Should a
        // future type break that, an empty object is still a valid event that says nothing wrong.
        if serde_json::to_writer(&mut data, &event.body).is_err() || data.first() != Some(&b'{') {
            data.clear();
            data.extend_from_slice(b"{}");
        }

        let mut a = String::with_capacity(HEAD.len() + 720 + SLOT.len() + DATA.len() + data.len());
        a.push_str("{\"specversion\":\"1.0\",\"id\":\"");
        a.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        a.push_str("\",\"source\":\"");
        a.push_str(origin.source.as_str());
        a.push_str("\",\"type\":\"");
        a.push_str(event_type.full());
        a.push('"');
        let content_from = a.len();
        match &event.subject {
            Subject::Device => text_member(&mut a, "subject", origin.partition.as_str()),
            Subject::Well { plate, well } => text_member(&mut a, "subject", &format!("{plate}/{well}")),
            Subject::Run(run) => text_member(&mut a, "subject", &run.to_string()),
            Subject::Other(text) => text_member(&mut a, "subject", text),
        }
        if let Some(time) = event.time {
            text_member(&mut a, "time", &milliseconds(time));
        }
        let mut hash = Sha256::new();
        hash.update(&a.as_bytes()[content_from..]);
        hash.update(&data);
        if let Some(reason) = &event.reason {
            hash.update(reason.as_bytes());
        }
        let digest = hash.finalize();
        let content = i64::from_be_bytes(std::array::from_fn(|i| digest[i]));

        a.push_str(",\"datacontenttype\":\"application/json\",\"dataschema\":\"");
        a.push_str(event_type.schema_uri());
        a.push('"');
        text_member(&mut a, "partitionkey", origin.partition.as_str());
        if let Some(run) = &event.run {
            text_member(&mut a, "correlationid", &run.id.to_string());
        }
        if let Some(cause) = event.causation {
            text_member(&mut a, "causationid", &cause.to_string());
        }
        if let Some(sample) = event.body.sample_id() {
            text_member(&mut a, "sampleid", sample);
        }
        text_member(&mut a, "timequality", event.time_quality.as_str());
        text_member(&mut a, "ingest", origin.ingest.as_str());
        if let Some(position) = &origin.position {
            match event.offset {
                Some(offset) => text_member(&mut a, "sourceposition", &format!("{position}#{offset}")),
                None => text_member(&mut a, "sourceposition", position),
            }
        }
        text_member(&mut a, "producerversion", PRODUCER_VERSION);
        if let Some(reference) = event.body.data_reference() {
            text_member(&mut a, "dataref", &reference);
        }

        let alike = event.alike.as_ref().map(|alike| Box::new(PreparedAlike::new(alike, &base, identity, origin)));
        let slot = a.len();
        let mut text = a.into_bytes();
        for part in [SLOT, DATA, &data, b"}"] {
            text.extend_from_slice(part);
        }
        Self {
            event_type,
            revision: event.revision,
            scope: event.run.as_ref().map(|run| Scope { run: run.id, cycle: event.cycle }),
            closes: event.closes,
            time: event.time,
            content,
            id,
            base,
            text: text.into(),
            slot,
            reason: event.reason.clone(),
            alike,
        }
    }

    /// Bytes that the event holds while it waits, for bounding queues.
    pub fn size(&self) -> usize {
        let instead = self.alike.as_ref().and_then(|alike| alike.instead.as_ref());
        self.text.len() + instead.map_or(0, |event| event.text.len())
    }

    /// The id of revision `revision`.
    pub fn id(&self, revision: u32) -> Uuid {
        if revision == self.revision { self.id } else { self.base.id(revision) }
    }

    /// The event as it is stored and published.
    ///
    /// It can be asked for again with another stamp, where the commit with the first one failed.
    pub fn render(&mut self, stamp: &Stamp) -> Bytes {
        let recording = stamp.recording.0.as_bytes();
        if !self.says_more(stamp.revision, stamp.span)
            && stamp.twin.is_none()
            && RECORDING_AT + recording.len() == SLOT.len()
        {
            // Nobody else holds the text but what a failed commit may have left, so that nothing is copied.
            let mut text =
                std::mem::take(&mut self.text).try_into_mut().unwrap_or_else(|text| BytesMut::from(&text[..]));
            fill(&mut text[self.slot..self.slot + SLOT.len()], stamp.sequence, recording);
            self.text = text.freeze();
            return self.text.clone();
        }
        let mut slot = SLOT[..RECORDING_AT].to_vec();
        slot.extend_from_slice(recording);
        fill(&mut slot, stamp.sequence, recording);
        let reason = stamp.minted_because.or(self.reason.as_deref());
        self.join(stamp.revision, &slot, reason, stamp.span, stamp.twin.as_ref()).into()
    }

    /// The event as an offline decode prints it: without what only a journal knows.
    pub fn render_offline(&self) -> Vec<u8> {
        self.join(self.revision, &[], self.reason.as_deref(), None, None)
    }

    /// The same as revision `revision`, which a journal would give it.
    pub fn render_unrecorded(&self, revision: u32) -> Vec<u8> {
        self.join(revision, &[], if revision == self.revision { self.reason.as_deref() } else { None }, None, None)
    }

    /// Whether its data gets members that depend on the commit.
    fn says_more(&self, revision: u32, span: Option<(u64, u64)>) -> bool {
        revision > 1 || self.event_type.always_shows_revision() || span.is_some()
    }

    /// The text as revision `revision`, with `slot` as the journal's members.
    fn join(
        &self,
        revision: u32,
        slot: &[u8],
        reason: Option<&str>,
        span: Option<(u64, u64)>,
        twin: Option<&Twin>,
    ) -> Vec<u8> {
        let attributes = &self.text[HEAD.len() + ID..self.slot];
        let data = &self.text[self.slot + SLOT.len() + DATA.len()..self.text.len() - 1];
        let mut out = Vec::with_capacity(self.text.len() + 160);
        out.extend_from_slice(HEAD);
        out.extend_from_slice(self.id(revision).hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        let cause = twin.map(|twin| format!(",\"causationid\":\"{}\"", twin.id)).unwrap_or_default();
        for part in [attributes, cause.as_bytes(), slot, DATA] {
            out.extend_from_slice(part);
        }
        let body = &data[..data.len() - 1];
        out.extend_from_slice(body);
        let mut added = String::new();
        if self.says_more(revision, span) {
            added = self.added(revision, reason, span);
        }
        match twin.map(|twin| &twin.disagrees) {
            Some(Some(names)) if !names.is_empty() => {
                added.push_str(&format!(",\"disagrees\":[\"{}\"]", names.join("\",\"")));
            }
            Some(None) => added.push_str(",\"flags\":[\"possible-duplicate\"]"),
            _ => {}
        }
        let added = if body.len() == 1 { added.trim_start_matches(',') } else { &added };
        out.extend_from_slice(added.as_bytes());
        out.extend_from_slice(b"}}");
        out
    }

    /// The members that are added to the data of few events.
    fn added(&self, revision: u32, reason: Option<&str>, span: Option<(u64, u64)>) -> String {
        let mut added = String::new();
        if revision > 1 || self.event_type.always_shows_revision() {
            added.push_str(&format!(",\"revision\":{revision}"));
        }
        if revision > 1 {
            text_member(&mut added, "supersedes", &self.base.id(revision - 1).to_string());
            // A cycle's end has a `reason` of its own in every revision.
            if !self.event_type.always_shows_revision() {
                text_member(&mut added, "reason", reason.unwrap_or("the source says otherwise now"));
            }
        }
        if let Some((first, last)) = span {
            added.push_str(&format!(",\"first_sequence\":{first},\"last_sequence\":{last}"));
        }
        added
    }
}

/// Writes the sequence and `recording` into a slot.
fn fill(slot: &mut [u8], mut sequence: u64, recording: &[u8]) {
    for digit in slot[SEQUENCE_AT..SEQUENCE_AT + 20].iter_mut().rev() {
        *digit = b'0' + (sequence % 10) as u8;
        sequence /= 10;
    }
    slot[RECORDING_AT..].copy_from_slice(recording);
}

/// RFC 3339 in UTC with milliseconds, the contract's form of every time.
pub fn milliseconds(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// The same envelope without `data`, with `dataref` and `datasize`: for a broker that takes no packet of its size.
///
/// `None` where `payload` is no event of ours. `dataref` names the event for a replay request; it is
/// `urn:instrumentd:event:<id>`.
pub fn without_data(payload: &[u8]) -> Option<Vec<u8>> {
    let at = payload.windows(DATA.len()).position(|window| window == DATA)?;
    let id = payload.strip_prefix(HEAD)?.get(..ID)?;
    let size = payload.len().checked_sub(at + DATA.len() + 1)?;
    let mut out = without_reference(&payload[..at]);
    out.extend_from_slice(b",\"dataref\":\"urn:instrumentd:event:");
    out.extend_from_slice(id);
    out.extend_from_slice(format!("\",\"datasize\":\"{size}\"}}").as_bytes());
    Some(out)
}

/// Attributes without the `dataref` that an event about files has: there is one in an envelope.
fn without_reference(attributes: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b",\"dataref\":\"";
    let Some(from) = attributes.windows(NAME.len()).position(|window| window == NAME) else {
        return attributes.to_vec();
    };
    let value = &attributes[from + NAME.len()..];
    let mut escaped = false;
    let end = value.iter().position(|byte| match byte {
        b'"' if !escaped => true,
        byte => {
            escaped = *byte == b'\\' && !escaped;
            false
        }
    });
    let behind = end.map_or(&[][..], |end| &value[end + 1..]);
    [&attributes[..from], behind].concat()
}

/// Appends `,"name":"text"`, escaped; control characters, which CloudEvents strings must not hold, become spaces.
fn text_member(out: &mut String, name: &str, text: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":\"");
    if !text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0x7f | ..0x20) || byte == 0xc2) {
        // Nothing to escape; 0xc2 begins the control characters beyond ASCII (and some others).
        out.push_str(text);
        out.push('"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
}
