//! Reading the file, beside the writer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension};

use super::batch::{Row, StoredSource};
use super::tail::READ_BYTES;
use super::{locked, schema};
use crate::event::DeviceId;

/// Why the journal could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the journal {path}: {source}")]
pub struct ReadError {
    /// The journal.
    pub path: PathBuf,
    /// The reason.
    pub source: rusqlite::Error,
}

/// How many idle connections are kept.
const IDLE: usize = 2;

/// Read-only connections, opened when they are needed.
pub(super) struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
}

impl Pool {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `read` on a connection. One on which it failed is not used again.
    pub(super) fn with<T>(&self, read: impl FnOnce(&mut Reader) -> rusqlite::Result<T>) -> Result<T, ReadError> {
        let failed = |source| ReadError { path: self.path.clone(), source };
        let idle = locked(&self.idle).pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => Reader::new(schema::connect_reader(&self.path).map_err(failed)?),
        };
        let answer = read(&mut reader).map_err(failed)?;
        let mut idle = locked(&self.idle);
        if idle.len() < IDLE {
            idle.push(reader);
        }
        Ok(answer)
    }
}

/// The two last topic levels of a type.
type TypeNames = (Arc<str>, Arc<str>);

/// One read-only connection.
pub(super) struct Reader {
    pub(super) connection: Connection,
    types: HashMap<i64, TypeNames>,
}

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, types: HashMap::new() }
    }

    /// Rows of a device after `sequence`, ascending.
    pub(super) fn rows(
        &mut self,
        device: &DeviceId,
        number: i64,
        sequence: u64,
        limit: usize,
    ) -> rusqlite::Result<Vec<Row>> {
        Ok(self.entries(device, number, sequence, limit)?.into_iter().map(|(row, _)| row).collect())
    }

    /// The same with the millisecond at which each was recorded.
    pub(super) fn entries(
        &mut self,
        device: &DeviceId,
        number: i64,
        sequence: u64,
        limit: usize,
    ) -> rusqlite::Result<Vec<(Row, i64)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT key, type, payload, recorded FROM payloads WHERE key > ?1 AND key <= ?2 ORDER BY key LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let range = (schema::key(number, sequence), schema::key(number, u64::MAX), limit);
        let mut rows = statement.query(range)?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        while bytes < READ_BYTES {
            let Some(row) = rows.next()? else { break };
            let payload = Bytes::copy_from_slice(row.get_ref(2)?.as_blob()?);
            bytes += payload.len();
            let (category, name) = type_names(&self.connection, &mut self.types, row.get(1)?)?;
            let sequence = schema::sequence(row.get(0)?);
            found.push((Row { device: device.clone(), sequence, category, name, payload }, row.get(3)?));
        }
        Ok(found)
    }

    /// The last sequence that was recorded before a moment, found by halving: recorded times ascend with sequences, but
    /// for a clock that was set back.
    pub(super) fn last_before(&self, number: i64, millisecond: i64) -> rusqlite::Result<u64> {
        let mut at_or_after = self
            .connection
            .prepare_cached("SELECT key, recorded FROM payloads WHERE key >= ?1 AND key <= ?2 ORDER BY key LIMIT 1")?;
        let end = schema::key(number, u64::MAX);
        let (mut low, mut high) = (0, schema::sequence(end));
        while low < high {
            let middle = low + (high - low) / 2;
            let found: Option<(i64, i64)> = at_or_after
                .query_row((schema::key(number, middle + 1), end), |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            match found {
                Some((key, recorded)) if recorded < millisecond => low = schema::sequence(key),
                _ => high = middle,
            }
        }
        Ok(low)
    }

    pub(super) fn sources(&mut self, number: i64, link: &str) -> rusqlite::Result<Vec<StoredSource>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT source, value FROM sources WHERE device = ?1 AND link = ?2 AND part = '' ORDER BY source",
        )?;
        let rows = statement.query_map((number, link), |row| {
            let source: String = row.get(0)?;
            Ok(StoredSource { source: source.into(), position: row.get(1)? })
        })?;
        rows.collect()
    }

    pub(super) fn snapshot(
        &mut self,
        number: i64,
        link: &str,
        source: &str,
    ) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT part, value FROM sources WHERE device = ?1 AND link = ?2 AND source = ?3 AND part <> '' ORDER BY part",
        )?;
        let rows = statement.query_map((number, link, source), |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }

    pub(super) fn note(&mut self, number: i64, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
        let mut statement =
            self.connection.prepare_cached("SELECT value FROM notes WHERE device = ?1 AND name = ?2")?;
        statement.query_row((number, name), |row| row.get(0)).optional()
    }
}

/// A type's names, from what was read before or from the file. A number that the file does not explain, which only
/// damage can bring, becomes `unknown/unknown`.
fn type_names(
    connection: &Connection,
    known: &mut HashMap<i64, TypeNames>,
    number: i64,
) -> rusqlite::Result<TypeNames> {
    if let Some((category, name)) = known.get(&number) {
        return Ok((Arc::clone(category), Arc::clone(name)));
    }
    let mut statement = connection.prepare_cached("SELECT category, name FROM types WHERE number = ?1")?;
    let names =
        statement.query_row([number], |row| Ok((row.get::<_, String>(0)?.into(), row.get::<_, String>(1)?.into())));
    let names: TypeNames = names.optional()?.unwrap_or_else(|| ("unknown".into(), "unknown".into()));
    known.insert(number, (Arc::clone(&names.0), Arc::clone(&names.1)));
    Ok(names)
}
