//! The tables, their versions, and how a connection is set up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::event::EventType;

/// `application_id` of a journal: "insd".
pub(super) const APPLICATION_ID: i32 = 0x696e_7364;

/// The version of the tables that this program writes, `user_version`.
pub(super) const VERSION: i32 = 3;

/// Bytes in a page of a new journal.
pub(super) const PAGE: i64 = 8192;

/// After it was moved to the file, the log keeps so many bytes: a log that grows costs more to make durable than one that is written again.
const LOG_BYTES: i64 = 16 * 1024 * 1024;

/// How many low bits of a row's key are the sequence; the bits above are the device's number. 2^40 events for each of
/// 2^22 devices.
const SEQUENCE_BITS: u32 = 40;

/// The tables of version 1.
///
/// - `payloads` is written at its end only and read in order; retention removes its rows from the front.
/// - `ids` stays for ever: with it, what is read again makes nothing new. Ids are random, so an index ordered by them
///   would touch another page for each event; `locality` keeps those of one run and cycle together.
/// - `sources` holds a source's position (`part` empty) beside the parts of its driver's snapshot. It has row numbers
///   because only such a table keeps values of some KiB on the row's own page; `places.rs` says how they are numbered.
///   The row of no link holds the spans that were widened last.
/// - `scopes` holds the first and last sequence of each run and cycle (-1: of the run alone), as of when it was last
///   among those that stand in `sources`.
const TABLES: &str = "
CREATE TABLE journal(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE types(number INTEGER PRIMARY KEY, category TEXT NOT NULL, name TEXT NOT NULL, UNIQUE(category, name)) STRICT;
CREATE TABLE devices(number INTEGER PRIMARY KEY, device TEXT NOT NULL UNIQUE, source TEXT, last INTEGER NOT NULL DEFAULT 0,
  retired INTEGER) STRICT;
CREATE TABLE payloads(key INTEGER PRIMARY KEY, type INTEGER NOT NULL, recorded INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE ids(locality INTEGER NOT NULL, id BLOB NOT NULL, key INTEGER NOT NULL, content INTEGER NOT NULL,
  type INTEGER NOT NULL, time INTEGER, recorded INTEGER NOT NULL, PRIMARY KEY(locality, id)) STRICT, WITHOUT ROWID;
CREATE TABLE scopes(device INTEGER NOT NULL, run BLOB NOT NULL, cycle INTEGER NOT NULL, first INTEGER NOT NULL,
  last INTEGER NOT NULL, PRIMARY KEY(device, run, cycle)) STRICT, WITHOUT ROWID;
CREATE TABLE sources(number INTEGER PRIMARY KEY, device INTEGER NOT NULL, link TEXT NOT NULL, source TEXT NOT NULL,
  part TEXT NOT NULL, value BLOB NOT NULL, UNIQUE(device, link, source, part)) STRICT;
CREATE TABLE notes(device INTEGER NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY(device, name)) STRICT, WITHOUT ROWID;
CREATE TABLE brokers(broker TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE positions(broker TEXT NOT NULL, device INTEGER NOT NULL, sequence INTEGER NOT NULL,
  PRIMARY KEY(broker, device)) STRICT, WITHOUT ROWID;
CREATE TABLE dead_letters(broker TEXT NOT NULL, device INTEGER NOT NULL, sequence INTEGER NOT NULL, reason TEXT NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY(broker, device, sequence)) STRICT, WITHOUT ROWID;
";

/// Version 2 keeps the spans that were widened last in a row of `sources`. Those in `scopes` stay true; a program that
/// knows only version 1 would not find the later ones.
const SPANS: &str = "-- no table changes";

/// Version 3 knows by what a fact is recognised that two ways of a device can both tell of. Its rows stay as long as ids
/// do. They are ordered by run and minute of the run before what they are about, so that what happens now stands together.
/// `paired` holds the first bytes of the id of the other way's fact that was found to be this one.
const FACTS: &str = "
CREATE TABLE facts(run INTEGER NOT NULL, minute INTEGER NOT NULL, about INTEGER NOT NULL, key INTEGER NOT NULL, at INTEGER,
  way INTEGER NOT NULL, id BLOB NOT NULL, figures BLOB NOT NULL, paired INTEGER,
  PRIMARY KEY(run, minute, about, key)) STRICT, WITHOUT ROWID;
";

/// What leads from one version to the next; the first makes version 1. A statement here is never edited once released.
const MIGRATIONS: [&str; VERSION as usize] = [TABLES, SPANS, FACTS];

/// A row's key in `payloads` and `ids`.
pub(super) fn key(device: i64, sequence: u64) -> i64 {
    (device << SEQUENCE_BITS) | sequence.min((1 << SEQUENCE_BITS) - 1).cast_signed()
}

/// The sequence in a row's key.
pub(super) fn sequence(key: i64) -> u64 {
    (key & ((1 << SEQUENCE_BITS) - 1)).cast_unsigned()
}

/// The device's number in a row's key.
pub(super) fn device(key: i64) -> i64 {
    key >> SEQUENCE_BITS
}

/// The writer's connection; makes the file where there is none.
pub(super) fn connect_writer(path: &Path) -> rusqlite::Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_CREATE)
}

/// The writer's connection to a file that is there.
pub(super) fn reconnect_writer(path: &Path) -> rusqlite::Result<Connection> {
    connect(path, OpenFlags::empty())
}

fn connect(path: &Path, create: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(48);
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    if pages == 0 {
        // Before the first table is made, or it has no effect.
        // Some rows to a page: fewer pages to write and to move, and no more to make durable with a single row. Half as much writes
        // less for an event that comes alone, and takes a tenth longer for a burst.
        connection.pragma_update(None, "page_size", PAGE)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // In KiB: holds the pages at which the tables grow, of some hundred devices too, and little else.
    connection.pragma_update(None, "cache_size", -6144)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // The writer itself decides when pages go from the log to the file.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    Ok(connection)
}

/// A connection that only reads; works beside a writer in another process.
pub(super) fn connect_reader(path: &Path) -> rusqlite::Result<Connection> {
    reader(path, false)
}

/// The same for a file that may be damaged: SQLite refuses to read anything of a file that is shorter than its first page
/// says, as a disk or a copy leaves it that ended early, unless the schema is declared writable. Nothing is written.
pub(super) fn connect_salvager(path: &Path) -> rusqlite::Result<Connection> {
    reader(path, true)
}

fn reader(path: &Path, salvage: bool) -> rusqlite::Result<Connection> {
    let opened = open_reader(path, OpenFlags::empty(), salvage);
    match opened.as_ref().err().and_then(rusqlite::Error::sqlite_error_code) {
        // SQLite wants to make its log beside the file even to read. Who may not do that, and finds no log because no
        // daemon runs, reads a file that nobody writes.
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) if !super::open::log_path(path).exists() => {
            open_reader(&immutable(path), OpenFlags::SQLITE_OPEN_URI, salvage)
        }
        _ => opened,
    }
}

fn open_reader(name: &Path, more: OpenFlags, salvage: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(name, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    if salvage {
        connection.pragma_update(None, "writable_schema", true)?;
    }
    connection.pragma_update(None, "cache_size", -512)?;
    Ok(connection)
}

/// The URI by which SQLite opens a file that does not change.
fn immutable(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = String::from("file:");
    for byte in absolute.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(char::from(*byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    PathBuf::from(uri)
}

/// Brings the tables to this program's version, all steps in one transaction. The file's version is not newer.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let steps = MIGRATIONS.get(usize::try_from(version).unwrap_or(0)..).unwrap_or_default();
    let transaction = connection.transaction()?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    if !steps.is_empty() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    if !steps.is_empty() {
        // So that the version stands in the file's own header, where an older program looks before it opens anything.
        checkpoint(connection, "TRUNCATE")?;
    }
    Ok(())
}

/// Moves pages from the log to the file; says how many pages the log holds and how many of them were
/// moved.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<(i64, i64)> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| Ok((row.get(1)?, row.get(2)?)))
}

/// The numbers of the event types in this file, by their place in [`EventType::ALL`]; new types are added.
pub(super) fn types(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut find = connection.prepare("SELECT number FROM types WHERE category = ?1 AND name = ?2")?;
    let mut add = connection.prepare("INSERT INTO types(category, name) VALUES(?1, ?2)")?;
    let mut numbers = Vec::with_capacity(EventType::ALL.len());
    for event_type in EventType::ALL {
        let names = [event_type.category(), event_type.name()];
        numbers.push(match find.query_row(names, |row| row.get(0)) {
            Ok(number) => number,
            Err(rusqlite::Error::QueryReturnedNoRows) => add.insert(names)?,
            Err(error) => return Err(error),
        });
    }
    Ok(numbers)
}
