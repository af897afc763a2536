//! What one transaction writes: sequences are given, revisions decided, spans filled in, events rendered.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use uuid::Uuid;

use super::batch::{Batch, Committed, Row, SourceUpdate};
use super::facts::{self, Told};
use super::places::{Name, Places};
use super::retention::Removed;
use super::spans::Spans;
use super::state::{Pending, Stream};
use super::{gap, schema};
use crate::clock::Clock;
use crate::event::envelope::{PreparedAlike, Recording, Twin};
use crate::event::{DeviceId, Prepared, Stamp, Way};

/// Why the journal minted a later revision.
const MINTED: &str = "the source says otherwise now";

const INSERT_ID: &str =
    "INSERT OR IGNORE INTO ids(locality, id, key, content, type, time, recorded) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const FIND_ID: &str = "SELECT key, content FROM ids WHERE locality = ?1 AND id = ?2";
const INSERT_PAYLOAD: &str = "INSERT INTO payloads(key, type, recorded, payload) VALUES(?1, ?2, ?3, ?4)";

/// What does not change from one transaction to the next.
pub(super) struct Constants {
    /// The journal's id.
    pub(super) journal: Uuid,
    /// For each of [`crate::event::EventType::ALL`]: its number in the file and its topic levels.
    pub(super) types: Vec<(i64, Arc<str>, Arc<str>)>,
}

/// What is remembered of the file from one transaction to the next. All of it follows from the file: after a transaction
/// that failed, a new memory takes its place.
#[derive(Default)]
pub(super) struct Memory {
    places: Places,
    spans: Spans,
    clock: Clock,
}

/// What a transaction changes in memory once it is durable.
#[derive(Default)]
pub(super) struct Outcome {
    /// For each batch, in order.
    pub(super) committed: Vec<Committed>,
    /// The new rows, in order.
    pub(super) rows: Vec<Row>,
    /// Devices that are new or have new rows.
    pub(super) streams: HashMap<DeviceId, Stream>,
}

/// One transaction while it is being written.
pub(super) struct Writing<'c> {
    connection: &'c Connection,
    constants: &'c Constants,
    memory: &'c mut Memory,
    now: Timestamp,
    recording: Recording,
    insert_id: CachedStatement<'c>,
    find_id: CachedStatement<'c>,
    insert_payload: CachedStatement<'c>,
    outcome: Outcome,
}

/// What became of one event.
enum Place {
    New { revision: u32 },
    Known { sequence: u64 },
}

impl<'c> Writing<'c> {
    pub(super) fn begin(
        connection: &'c Connection,
        constants: &'c Constants,
        memory: &'c mut Memory,
        now: Timestamp,
    ) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Self::within(connection, constants, memory, now)
    }

    /// The same inside a transaction that was begun before.
    pub(super) fn within(
        connection: &'c Connection,
        constants: &'c Constants,
        memory: &'c mut Memory,
        now: Timestamp,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            constants,
            now,
            recording: Recording::new(constants.journal, now, memory.clock.is_synchronised()),
            memory,
            insert_id: connection.prepare_cached(INSERT_ID)?,
            find_id: connection.prepare_cached(FIND_ID)?,
            insert_payload: connection.prepare_cached(INSERT_PAYLOAD)?,
            outcome: Outcome::default(),
        })
    }

    /// Writes one batch. `known` finds the device as it was before this transaction.
    pub(super) fn batch(
        &mut self,
        batch: &mut Batch,
        known: impl FnOnce(&DeviceId) -> Option<Stream>,
    ) -> rusqlite::Result<()> {
        let mut stream = match self.outcome.streams.remove(&batch.device).or_else(|| known(&batch.device)) {
            Some(stream) => stream,
            None => self.add_device(&batch.device)?,
        };
        if stream.retired {
            // A device that sends again is not retired any more.
            self.connection.execute("UPDATE devices SET retired = NULL WHERE number = ?1", [stream.number])?;
            stream.retired = false;
        }
        let mut committed = Committed::default();
        for event in &mut batch.events {
            self.event(&batch.device, &mut stream, event, &mut committed)?;
        }
        for update in &batch.sources {
            self.source(stream.number, &batch.link, update)?;
        }
        for (name, value) in &batch.notes {
            match value {
                Some(value) => self
                    .connection
                    .prepare_cached("INSERT OR REPLACE INTO notes VALUES(?1, ?2, ?3)")?
                    .execute((stream.number, name, value))?,
                None => self
                    .connection
                    .prepare_cached("DELETE FROM notes WHERE device = ?1 AND name = ?2")?
                    .execute((stream.number, name))?,
            };
        }
        committed.last_sequence = stream.last;
        self.outcome.committed.push(committed);
        self.outcome.streams.insert(batch.device.clone(), stream);
        Ok(())
    }

    fn add_device(&self, device: &DeviceId) -> rusqlite::Result<Stream> {
        self.connection.execute("INSERT INTO devices(device) VALUES(?1)", [device.as_str()])?;
        Ok(Stream { number: self.connection.last_insert_rowid(), ..Stream::default() })
    }

    fn event(
        &mut self,
        device: &DeviceId,
        stream: &mut Stream,
        event: &mut Prepared,
        committed: &mut Committed,
    ) -> rusqlite::Result<()> {
        if stream.source.is_none() {
            let source = event.base.source();
            self.connection.execute("UPDATE devices SET source = ?1 WHERE number = ?2", (source, stream.number))?;
            stream.source = Some(source.into());
        }
        match event.alike.take() {
            None => self.record(device, stream, event, None, committed).map(drop),
            Some(mut alike) => {
                let recorded = self.alike(device, stream, event, &mut alike, committed);
                event.alike = Some(alike);
                recorded
            }
        }
    }

    /// Records an event of which another way may have told.
    fn alike(
        &mut self,
        device: &DeviceId,
        stream: &mut Stream,
        event: &mut Prepared,
        alike: &mut PreparedAlike,
        committed: &mut Committed,
    ) -> rusqlite::Result<()> {
        let known = self.known(event)?;
        let is_file = alike.way == Way::File.number();
        // A file can be decoded anew, and then says otherwise under the same id; what the other ways say of a known id was
        // said better when it happened.
        if let Some((sequence, is_equal)) = known
            && (is_equal || (!is_file && facts::is_own(self.connection, event, alike)?))
        {
            committed.known += 1;
            return self.widen(stream, event, sequence);
        }
        let twin = match facts::find(self.connection, event, alike)? {
            Told::Same(fact) => {
                facts::pair(self.connection, event, alike, &fact)?;
                self.widen(stream, event, fact.sequence())?;
                let twin = Twin { id: fact.id, disagrees: Some(fact.disagreements(alike)) };
                let Some(instead) = &mut alike.instead else {
                    committed.known += 1;
                    return Ok(());
                };
                return self.record(device, stream, instead, Some(twin), committed).map(drop);
            }
            Told::Perhaps(fact) if known.is_none() && is_file => {
                facts::pair(self.connection, event, alike, &fact)?;
                Some(Twin { id: fact.id, disagrees: None })
            }
            Told::Perhaps(_) | Told::Nothing => None,
        };
        let revisions = committed.revised;
        match self.record(device, stream, event, twin, committed)? {
            Some(sequence) if !is_file || known.is_none() => {
                let minted = if committed.revised > revisions { self.revision(event)? } else { event.revision };
                facts::insert(self.connection, stream.number, event.id(minted), alike, sequence)
            }
            _ => Ok(()),
        }
    }

    /// The last revision under which the event is known.
    fn revision(&mut self, event: &Prepared) -> rusqlite::Result<u32> {
        let locality = event.base.locality();
        let mut revision = event.revision;
        while self.find_id.exists(params![locality, event.id(revision + 1).as_bytes().as_slice()])? {
            revision += 1;
        }
        Ok(revision)
    }

    /// The sequence under which the event is known, and whether it said the same then.
    fn known(&mut self, event: &Prepared) -> rusqlite::Result<Option<(u64, bool)>> {
        let locality = event.base.locality();
        let mut known = None;
        for revision in event.revision.. {
            let id = event.id(revision);
            let row: Option<(i64, i64)> = self
                .find_id
                .query_row(params![locality, id.as_bytes().as_slice()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((key, content)) = row else { break };
            known = Some((schema::sequence(key), content == event.content));
            if content == event.content {
                break;
            }
        }
        Ok(known)
    }

    fn widen(&mut self, stream: &Stream, event: &Prepared, sequence: u64) -> rusqlite::Result<()> {
        match event.scope {
            Some(scope) => self.memory.spans.widen(self.connection, stream.number, scope, sequence),
            None => Ok(()),
        }
    }

    /// Records one event, where its id is not known with this content; gives its sequence then.
    fn record(
        &mut self,
        device: &DeviceId,
        stream: &mut Stream,
        event: &mut Prepared,
        twin: Option<Twin>,
        committed: &mut Committed,
    ) -> rusqlite::Result<Option<u64>> {
        let sequence = stream.last + 1;
        let revision = match self.place(stream.number, event, sequence)? {
            Place::New { revision } => revision,
            Place::Known { sequence } => {
                committed.known += 1;
                self.widen(stream, event, sequence)?;
                return Ok(None);
            }
        };
        let minted = revision != event.revision;
        // Asked for before the event itself counts: a closing event tells of those before it.
        let span = match event.scope {
            Some(scope) if event.closes => self.memory.spans.of(self.connection, stream.number, scope)?,
            _ => None,
        };
        let stamp = Stamp {
            sequence,
            recording: self.recording.clone(),
            revision,
            minted_because: minted.then_some(MINTED),
            span,
            twin,
        };
        let payload = event.render(&stamp);
        let (number, category, name) = &self.constants.types[event.event_type as usize];
        let row = params![schema::key(stream.number, sequence), number, self.now.as_millisecond(), &payload[..]];
        self.insert_payload.execute(row)?;
        self.outcome.rows.push(Row {
            device: device.clone(),
            sequence,
            category: Arc::clone(category),
            name: Arc::clone(name),
            payload,
        });
        self.widen(stream, event, sequence)?;
        stream.last = sequence;
        stream.first_available.get_or_insert(sequence);
        committed.new += 1;
        committed.revised += u64::from(minted);
        Ok(Some(sequence))
    }

    /// Finds the event among the known ids, or makes its id known under `sequence`.
    fn place(&mut self, number: i64, event: &Prepared, sequence: u64) -> rusqlite::Result<Place> {
        let locality = event.base.locality();
        let type_number = self.constants.types[event.event_type as usize].0;
        let mut revision = event.revision;
        loop {
            let id = event.id(revision);
            let row = params![
                locality,
                id.as_bytes().as_slice(),
                schema::key(number, sequence),
                event.content,
                type_number,
                event.time.map(Timestamp::as_millisecond),
                self.now.as_millisecond()
            ];
            if self.insert_id.execute(row)? == 1 {
                return Ok(Place::New { revision });
            }
            let (key, content): (i64, i64) = self
                .find_id
                .query_row(params![locality, id.as_bytes().as_slice()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if content == event.content {
                return Ok(Place::Known { sequence: schema::sequence(key) });
            }
            revision += 1;
        }
    }

    fn source(&mut self, device: i64, link: &str, update: &SourceUpdate) -> rusqlite::Result<()> {
        let source = &*update.source;
        if update.forget || update.reset {
            let removed = self
                .connection
                .prepare_cached(
                    "DELETE FROM sources WHERE device = ?1 AND link = ?2 AND source = ?3 AND (?4 OR part <> '')",
                )?
                .execute((device, link, source, update.forget))?;
            if removed > 0 {
                self.memory.places.forget();
            }
        }
        if update.forget {
            return Ok(());
        }
        let position = update.position.iter().map(|position| ("", position));
        for (part, value) in position.chain(update.parts.iter().map(|(part, value)| (part.as_str(), value))) {
            self.memory.places.put(self.connection, Name { device, link, source, part }, value)?;
        }
        Ok(())
    }

    /// Writes brokers' positions and dead letters.
    pub(super) fn pending(&self, pending: &Pending, number: impl Fn(&DeviceId) -> Option<i64>) -> rusqlite::Result<()> {
        let mut settle = self.connection.prepare_cached(
            "INSERT INTO positions VALUES(?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence)",
        )?;
        for ((broker, device), sequence) in &pending.settled {
            if let Some(number) = number(device) {
                settle.execute((&**broker, number, sequence.cast_signed()))?;
            }
        }
        let mut letter =
            self.connection.prepare_cached("INSERT OR REPLACE INTO dead_letters VALUES(?1, ?2, ?3, ?4, ?5)")?;
        for dead in &pending.dead {
            if let Some(number) = number(&dead.device) {
                let at = self.now.as_millisecond();
                letter.execute((&*dead.broker, number, dead.sequence.cast_signed(), &dead.reason, at))?;
            }
        }
        Ok(())
    }

    /// Records that payloads of `stream` were removed although some broker had them only up to `settled`.
    pub(super) fn drop_oldest(&mut self, removed: &Removed, settled: u64, stream: &Stream) -> rusqlite::Result<()> {
        let first = removed.first.max(settled + 1);
        let at = |millisecond| Timestamp::from_millisecond(millisecond).ok();
        let lost = gap::Lost {
            reason: "drop-oldest",
            key: format!("dropped/{}/{first}/{}", self.constants.journal, removed.last),
            from: at(removed.recorded.0),
            to: at(removed.recorded.1),
            text: format!(
                "the journal had reached its size before every broker had acknowledged: the events with sequences {first} \
                 to {} were removed; a broker that was behind does not get them, and they cannot be replayed",
                removed.last
            ),
        };
        match gap::batch(&removed.device, stream.source.as_deref(), lost, self.now) {
            Some(mut batch) => {
                self.batch(&mut batch, |_| Some(Stream { first_available: removed.first_available, ..stream.clone() }))
            }
            None => Ok(()),
        }
    }

    /// Makes it durable.
    pub(super) fn commit(self) -> rusqlite::Result<Outcome> {
        let connection = self.connection;
        let outcome = self.finish()?;
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(outcome)
    }

    /// Writes what is collected until the end; the transaction stays open.
    pub(super) fn finish(self) -> rusqlite::Result<Outcome> {
        let Memory { places, spans, .. } = self.memory;
        spans.write(self.connection, places)?;
        Ok(self.outcome)
    }
}

/// Ends a transaction that failed; SQLite may have ended it itself.
pub(super) fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        // Should this fail too, the connection is opened anew before the next transaction.
        let _ = connection.execute_batch("ROLLBACK");
    }
}
