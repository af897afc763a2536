//! Opening: whose file it is, whether it is whole, and what of it goes into memory.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::lock::{Lock, LockError};
use super::schema;
use super::state::{State, Stream};
use crate::config::settings::JournalSettings;
use crate::event::DeviceId;

/// Why the journal was not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A second daemon.
    #[error("the journal {path} is in use by {holder}; stop that one first, or give this daemon a journal of its own")]
    InUse {
        /// The journal.
        path: PathBuf,
        /// Who has it, in its own words: process, machine, since when.
        holder: String,
    },
    /// The folder or a file beside the journal cannot be used.
    #[error("cannot use {path}: {source}; the folder must exist and belong to the user that the daemon runs as")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that is something else.
    #[error("{path} is not a journal of instrumentd ({found}); nothing was changed, give the journal another path")]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// Made by a newer program.
    #[error(
        "the journal {path} has version {version}, this program reads up to {}; nothing was changed, \
         use the newer program or restore the backup that was made before the upgrade",
        schema::VERSION
    )]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
    /// SQLite refuses it.
    #[error("cannot open the journal {path}: {source}")]
    Sqlite {
        /// The journal.
        path: PathBuf,
        /// The reason.
        source: rusqlite::Error,
    },
    /// The writer thread could not be started.
    #[error("cannot start the journal's writer: {source}")]
    Thread {
        /// The reason.
        source: std::io::Error,
    },
}

pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) lock: Lock,
    pub(super) state: State,
}

/// `<journal>.<suffix>`.
pub(super) fn beside(journal: &Path, suffix: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

pub(super) fn open(settings: &JournalSettings, brokers: &[Arc<str>]) -> Result<Opened, OpenError> {
    let path = &settings.path;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::Io { path: folder.to_owned(), source })?;
    }
    let lock = Lock::take(path).map_err(|error| match error {
        LockError::Held(holder) => OpenError::InUse { path: path.clone(), holder },
        LockError::Io(source) => OpenError::Io { path: super::lock::lock_path(path), source },
    })?;
    inspect_header(path)?;
    let (connection, state) =
        prepare(path, brokers).map_err(|source| OpenError::Sqlite { path: path.clone(), source })?;
    Ok(Opened { connection, lock, state })
}

/// Reads the header before SQLite touches the file: a foreign or newer one stays as it is.
fn inspect_header(path: &Path) -> Result<(), OpenError> {
    let mut header = [0u8; 100];
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(OpenError::Io { path: path.to_owned(), source }),
    };
    let length = file.metadata().map(|m| m.len()).unwrap_or_default();
    if length == 0 {
        return Ok(());
    }
    let foreign = |found: &str| OpenError::NotOurs { path: path.to_owned(), found: found.to_owned() };
    file.read_exact(&mut header).map_err(|_| foreign("it is too short to be one"))?;
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(foreign("it is no SQLite file"));
    }
    let number = |at: usize| i64::from(i32::from_be_bytes(std::array::from_fn(|i| header[at + i])));
    if number(68) != i64::from(schema::APPLICATION_ID) {
        return Err(foreign("it is an SQLite file of another program"));
    }
    let version = number(60);
    if version > i64::from(schema::VERSION) {
        return Err(OpenError::Newer { path: path.to_owned(), version });
    }
    Ok(())
}

fn prepare(path: &Path, brokers: &[Arc<str>]) -> rusqlite::Result<(Connection, State)> {
    let mut connection = schema::connect_writer(path)?;
    schema::migrate(&mut connection)?;
    let transaction = connection.transaction()?;
    let id: Option<Vec<u8>> =
        transaction.query_row("SELECT value FROM journal WHERE name = 'id'", [], |row| row.get(0)).optional()?;
    let id = match id.and_then(|bytes| Uuid::from_slice(&bytes).ok()) {
        Some(id) => id,
        None => {
            let id = Uuid::now_v7();
            transaction.execute("INSERT OR REPLACE INTO journal VALUES('id', ?1)", [id.as_bytes().as_slice()])?;
            id
        }
    };
    let mut state = State::new(id);
    load_streams(&transaction, &mut state)?;
    load_positions(&transaction, &mut state, brokers)?;
    transaction.commit()?;
    Ok((connection, state))
}

fn load_streams(connection: &Connection, state: &mut State) -> rusqlite::Result<()> {
    let mut devices = connection.prepare("SELECT number, device, source, last, retired FROM devices")?;
    let mut first = connection.prepare("SELECT min(key) FROM payloads WHERE key BETWEEN ?1 AND ?2")?;
    let mut last = connection.prepare("SELECT max(key) FROM payloads WHERE key BETWEEN ?1 AND ?2")?;
    let mut rows = devices.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let name: String = row.get(1)?;
        let source: Option<String> = row.get(2)?;
        let range = [schema::key(number, 0), schema::key(number, u64::MAX)];
        let first: Option<i64> = first.query_row(range, |row| row.get(0))?;
        let last: Option<i64> = last.query_row(range, |row| row.get(0))?;
        let kept: i64 = row.get(3)?;
        let retired: Option<i64> = row.get(4)?;
        let Ok(device) = name.parse::<DeviceId>() else { continue };
        let stream = Stream {
            number,
            last: last.map_or(0, schema::sequence).max(kept.cast_unsigned()),
            first_available: first.map(schema::sequence),
            retired: retired.is_some(),
            source: source.map(Into::into),
        };
        state.streams.insert(device, stream);
    }
    Ok(())
}

/// Positions of the configured brokers. One that the journal has not seen before starts at the current end.
fn load_positions(connection: &Connection, state: &mut State, brokers: &[Arc<str>]) -> rusqlite::Result<()> {
    let devices: HashMap<i64, (DeviceId, u64)> =
        state.streams.iter().map(|(device, stream)| (stream.number, (device.clone(), stream.last))).collect();
    let mut set = connection.prepare("INSERT OR REPLACE INTO positions VALUES(?1, ?2, ?3)")?;
    let mut get = connection.prepare("SELECT device, sequence FROM positions WHERE broker = ?1")?;
    for broker in brokers {
        let new = connection
            .execute("INSERT OR IGNORE INTO brokers VALUES(?1, ?2)", (&**broker, Timestamp::now().as_millisecond()))?
            == 1;
        if new {
            for (number, (_, last)) in &devices {
                set.execute((&**broker, number, last.cast_signed()))?;
            }
        }
        let mut positions = HashMap::new();
        let mut rows = get.query([&**broker])?;
        while let Some(row) = rows.next()? {
            let (number, sequence): (i64, i64) = (row.get(0)?, row.get(1)?);
            if let Some((device, last)) = devices.get(&number) {
                positions.insert(device.clone(), sequence.cast_unsigned().min(*last));
            }
        }
        state.positions.insert(Arc::clone(broker), positions);
    }
    Ok(())
}
