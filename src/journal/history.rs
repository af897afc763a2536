//! Reading a journal from outside the daemon, also while the daemon writes it.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::OptionalExtension;
use uuid::Uuid;

use super::batch::{DeviceStatus, Row};
use super::open::{OpenError, inspect_file};
use super::read::{ReadError, Reader};
use super::schema;
use crate::event::DeviceId;

/// Rows of a device that are read ahead, so that devices can be put in one order.
const AHEAD: usize = 256;

/// A stored event with the moment it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The event.
    pub row: Row,
    /// When the daemon recorded it.
    pub recorded: Timestamp,
}

/// An event that a broker refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The broker.
    pub broker: String,
    /// The device.
    pub device: String,
    /// The event's sequence.
    pub sequence: u64,
    /// What the broker said.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A journal that is only read.
pub struct History {
    pub(super) reader: Reader,
    path: PathBuf,
}

impl History {
    /// Opens the journal at `path`; it must be there.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        if let Err(source) = std::fs::metadata(path) {
            return Err(OpenError::Io { path: path.to_owned(), source });
        }
        inspect_file(path, None)?;
        let connection =
            schema::connect_reader(path).map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })?;
        Ok(Self { reader: Reader::new(connection), path: path.to_owned() })
    }

    pub(super) fn failed(&self, source: rusqlite::Error) -> ReadError {
        ReadError { path: self.path.clone(), source }
    }

    /// The journal's id.
    pub fn id(&self) -> Result<Option<Uuid>, ReadError> {
        let id = self
            .reader
            .connection
            .query_row("SELECT value FROM journal WHERE name = 'id'", [], |row| row.get::<_, Vec<u8>>(0))
            .optional()
            .map_err(|source| self.failed(source))?;
        Ok(id.and_then(|bytes| Uuid::from_slice(&bytes).ok()))
    }

    /// Every device that the journal knows.
    pub fn devices(&self) -> Result<Vec<DeviceStatus>, ReadError> {
        let mut state = super::state::State::new(Uuid::nil());
        super::open::load_streams(&self.reader.connection, &mut state).map_err(|source| self.failed(source))?;
        Ok(state.devices())
    }

    /// The events that brokers refused for good.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, ReadError> {
        let read = || -> rusqlite::Result<Vec<DeadLetter>> {
            let mut statement = self.reader.connection.prepare(
                "SELECT l.broker, d.device, l.sequence, l.reason, l.at FROM dead_letters l
                 JOIN devices d ON d.number = l.device ORDER BY l.at, l.broker, d.device, l.sequence",
            )?;
            let letters = statement.query_map([], |row| {
                Ok(DeadLetter {
                    broker: row.get(0)?,
                    device: row.get(1)?,
                    sequence: row.get::<_, i64>(2)?.cast_unsigned(),
                    reason: row.get(3)?,
                    at: moment(row.get(4)?),
                })
            })?;
            letters.collect()
        };
        read().map_err(|source| self.failed(source))
    }

    /// A cursor over the events of all devices, or of one, in the order in which they were recorded: those after
    /// `sequence` that were recorded at `since` or later.
    pub fn cursor(&self, device: Option<DeviceId>, sequence: u64, since: Option<Timestamp>) -> Cursor {
        Cursor { only: device, from: sequence, since, devices: BTreeMap::new() }
    }

    /// The next event; `None` when there is none yet. Ask again to see what came since.
    pub fn next(&mut self, cursor: &mut Cursor) -> Result<Option<Entry>, ReadError> {
        self.advance(cursor).map_err(|source| self.failed(source))
    }

    fn advance(&mut self, cursor: &mut Cursor) -> rusqlite::Result<Option<Entry>> {
        if cursor.devices.values().all(|ahead| ahead.entries.is_empty()) {
            self.find_devices(cursor)?;
        }
        for (device, ahead) in &mut cursor.devices {
            if ahead.entries.is_empty() && !ahead.at_end {
                let rows = self.reader.entries(device, ahead.number, ahead.sequence, AHEAD)?;
                ahead.at_end = rows.is_empty();
                for (row, recorded) in rows {
                    ahead.sequence = row.sequence;
                    ahead.entries.push_back(Entry { row, recorded: moment(recorded) });
                }
            }
        }
        let waiting = cursor.devices.values_mut().filter(|ahead| !ahead.entries.is_empty());
        let first = waiting.min_by_key(|ahead| ahead.entries.front().map(|entry| entry.recorded));
        let entry = first.and_then(|ahead| ahead.entries.pop_front());
        if entry.is_none() {
            // Next time all are looked at again.
            for ahead in cursor.devices.values_mut() {
                ahead.at_end = false;
            }
        }
        Ok(entry)
    }

    /// Adds devices that the cursor does not know yet.
    fn find_devices(&self, cursor: &mut Cursor) -> rusqlite::Result<()> {
        let mut statement = self.reader.connection.prepare_cached("SELECT number, device FROM devices")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (number, name): (i64, String) = (row.get(0)?, row.get(1)?);
            let Ok(device) = name.parse::<DeviceId>() else { continue };
            let wanted = cursor.only.as_ref().is_none_or(|only| *only == device);
            if !wanted || cursor.devices.contains_key(&device) {
                continue;
            }
            let sequence = match cursor.since {
                None => cursor.from,
                Some(since) => cursor.from.max(self.reader.last_before(number, since.as_millisecond())?),
            };
            let ahead = Ahead { number, sequence, entries: VecDeque::new(), at_end: false };
            cursor.devices.insert(device, ahead);
        }
        Ok(())
    }
}

/// Where a reading of the history is.
pub struct Cursor {
    only: Option<DeviceId>,
    from: u64,
    since: Option<Timestamp>,
    devices: BTreeMap<DeviceId, Ahead>,
}

struct Ahead {
    number: i64,
    sequence: u64,
    entries: VecDeque<Entry>,
    at_end: bool,
}

fn moment(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(millisecond).unwrap_or_default()
}
