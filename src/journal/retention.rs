//! Removing payloads: those that are old and settled, those that must go to make room. Ids and sequences stay.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::schema;
use super::state::{State, Stream};
use crate::event::DeviceId;

/// Payloads that one step removes at most: a step is one transaction, and a commit that comes meanwhile waits for it.
const STEP_ROWS: i64 = 512;

/// Pages that one step gives back to the disk at most.
const STEP_PAGES: i64 = 64;

/// Free pages that stay in the file, because the next rows need them anyway: 1 MiB.
const SPARE_PAGES: i64 = 128;

/// How far a device's payloads may be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) device: DeviceId,
    pub(super) number: i64,
    /// The first sequence whose payload is there.
    pub(super) first: u64,
    /// The last that may go.
    pub(super) until: u64,
}

/// What a step removed of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Removed {
    pub(super) device: DeviceId,
    pub(super) first: u64,
    pub(super) last: u64,
    /// When the first and the last of them were recorded.
    pub(super) recorded: (i64, i64),
    /// The first sequence whose payload is still there.
    pub(super) first_available: Option<u64>,
    pub(super) bytes: u64,
}

impl State {
    /// What every configured broker has settled of `device`; everything where no broker is configured.
    pub(super) fn settled(&self, device: &DeviceId) -> u64 {
        let positions = self.positions.values();
        positions.map(|devices| devices.get(device).copied().unwrap_or(0)).min().unwrap_or(u64::MAX)
    }

    /// Devices with payloads that every configured broker has settled.
    pub(super) fn settled_candidates(&self) -> Vec<Candidate> {
        self.candidates(|device, stream| self.settled(device).min(stream.last))
    }

    /// Devices with payloads, settled or not.
    pub(super) fn all_candidates(&self) -> Vec<Candidate> {
        self.candidates(|_, stream| stream.last)
    }

    fn candidates(&self, until: impl Fn(&DeviceId, &Stream) -> u64) -> Vec<Candidate> {
        let candidate = |(device, stream): (&DeviceId, &Stream)| {
            let (first, until) = (stream.first_available?, until(device, stream));
            (first <= until).then(|| Candidate { device: device.clone(), number: stream.number, first, until })
        };
        self.streams.iter().filter_map(candidate).collect()
    }

    /// Takes over what was removed.
    pub(super) fn removed(&mut self, removed: &Removed) {
        if let Some(stream) = self.streams.get_mut(&removed.device) {
            stream.first_available = removed.first_available;
        }
    }
}

/// The candidate whose first payload was recorded first.
pub(super) fn oldest(connection: &Connection, candidates: Vec<Candidate>) -> rusqlite::Result<Option<Candidate>> {
    let mut recorded =
        connection.prepare_cached("SELECT recorded FROM payloads WHERE key >= ?1 ORDER BY key LIMIT 1")?;
    let mut oldest: Option<(i64, Candidate)> = None;
    for candidate in candidates {
        let from = schema::key(candidate.number, candidate.first);
        let at: i64 = recorded.query_row([from], |row| row.get(0)).optional()?.unwrap_or(i64::MAX);
        if oldest.as_ref().is_none_or(|(before, _)| at < *before) {
            oldest = Some((at, candidate));
        }
    }
    Ok(oldest.map(|(_, candidate)| candidate))
}

/// Removes payloads of `candidate` from its first on: those recorded before `before`, until `bytes` of them are gone or
/// the step is full. Inside a transaction of the caller. `None` when there was nothing to remove.
pub(super) fn remove(
    connection: &Connection,
    candidate: &Candidate,
    last: u64,
    before: i64,
    bytes: u64,
) -> rusqlite::Result<Option<Removed>> {
    let range = (schema::key(candidate.number, candidate.first), schema::key(candidate.number, candidate.until));
    let mut look = connection.prepare_cached(
        "SELECT key, recorded, length(payload) FROM payloads WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3",
    )?;
    let mut rows = look.query((range.0, range.1, STEP_ROWS))?;
    let mut found: Option<Removed> = None;
    while let Some(row) = rows.next()? {
        let (key, recorded, length): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let enough = found.as_ref().is_some_and(|removed| removed.bytes >= bytes);
        if recorded >= before || enough {
            break;
        }
        let sequence = schema::sequence(key);
        let removed = found.get_or_insert(Removed {
            device: candidate.device.clone(),
            first: sequence,
            last: sequence,
            recorded: (recorded, recorded),
            first_available: None,
            bytes: 0,
        });
        removed.last = sequence;
        removed.recorded.1 = recorded;
        removed.bytes += length.cast_unsigned();
    }
    drop(rows);
    let Some(mut removed) = found else { return Ok(None) };
    connection
        .prepare_cached("DELETE FROM payloads WHERE key BETWEEN ?1 AND ?2")?
        .execute((range.0, schema::key(candidate.number, removed.last)))?;
    // The last sequence is read from the payloads at a start; without them it has to stand elsewhere.
    connection
        .prepare_cached("UPDATE devices SET last = ?1 WHERE number = ?2")?
        .execute((last.cast_signed(), candidate.number))?;
    let next: Option<i64> = connection
        .prepare_cached("SELECT min(key) FROM payloads WHERE key BETWEEN ?1 AND ?2")?
        .query_row((range.0, schema::key(candidate.number, u64::MAX)), |row| row.get(0))?;
    removed.first_available = next.map(schema::sequence);
    Ok(Some(removed))
}

/// One step of retention by age. Inside a transaction of the caller. What was removed, by device.
pub(super) fn remove_old(
    connection: &Connection,
    candidates: &[Candidate],
    lasts: &HashMap<DeviceId, u64>,
    before: Timestamp,
) -> rusqlite::Result<Vec<Removed>> {
    let mut all = Vec::new();
    for candidate in candidates {
        let last = lasts.get(&candidate.device).copied().unwrap_or(candidate.until);
        all.extend(remove(connection, candidate, last, before.as_millisecond(), u64::MAX)?);
    }
    Ok(all)
}

/// How much of the file is in use, in bytes: free pages inside it are not.
pub(super) fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
    let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
    Ok(pages.max(0).cast_unsigned() * number("PRAGMA page_size")?.cast_unsigned())
}

/// Gives some free pages back to the disk; says how many.
pub(super) fn shrink(connection: &Connection) -> rusqlite::Result<i64> {
    let free: i64 = connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    if free <= SPARE_PAGES {
        return Ok(0);
    }
    let pages = (free - SPARE_PAGES).min(STEP_PAGES);
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = vacuum.query([])?;
    // Each row stands for a page; it ends when all of them were read.
    while rows.next()?.is_some() {}
    Ok(pages)
}
