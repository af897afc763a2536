//! Opening: whose file it is, whether it is whole, and what of it goes into memory.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::lock::{Lock, LockError};
use super::mark::{self, Mark, MarkFile};
use super::state::{State, Stream};
use super::transaction::{self, Constants, Memory, Writing};
use super::{check, gap, schema};
use crate::config::settings::JournalSettings;
use crate::event::{DeviceId, EventType};

/// Why the journal was not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A second daemon.
    #[error("the journal {} is in use by {holder}; stop that one first, or give this daemon a journal of its own", path.display())]
    InUse {
        /// The journal.
        path: PathBuf,
        /// Who has it, in its own words: process, machine, since when.
        holder: String,
    },
    /// The folder or a file beside the journal cannot be used.
    #[error("cannot use {}: {source}; the folder must exist and belong to the user that the daemon runs as", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that is something else.
    #[error("{} is not a journal of instrumentd ({found}); nothing was changed, give the journal another path", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// Made by a newer program.
    #[error(
        "the journal {} has version {version}, this program reads up to {own}; nothing was changed, \
         use the newer program or restore the backup that was made before the upgrade",
        path.display(), own = schema::VERSION
    )]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
    /// The file is damaged.
    #[error(
        "the journal {path} is damaged: {found}; what can be read: {readable}; nothing was changed, \
         `instrumentd journal check --journal {path}` tells more, and \
         `instrumentd journal recover --journal {path}` keeps the damaged file aside and makes a new journal of what \
         can be read", path = path.display()
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What can be read, in words.
        readable: String,
    },
    /// The file is gone or empty although it held events.
    #[error(
        "the journal {path} is {what}, but its mark {mark} says that it held {events} events; restore it from a backup, \
         or remove the mark to begin a new journal", path = path.display(), mark = mark.display()
    )]
    Missing {
        /// The journal.
        path: PathBuf,
        /// The mark beside it.
        mark: PathBuf,
        /// `not there` or `empty`.
        what: &'static str,
        /// How many events the journal held.
        events: u64,
    },
    /// SQLite refuses it.
    #[error("cannot open the journal {}: {source}", path.display())]
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

impl OpenError {
    /// Whether it stays so until somebody does something about the journal or the configuration.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Self::InUse { .. } | Self::NotOurs { .. } | Self::Newer { .. } | Self::Damaged { .. } => true,
            Self::Missing { .. } => true,
            // A disk that is mounted late, or full for now.
            Self::Io { .. } | Self::Sqlite { .. } | Self::Thread { .. } => false,
        }
    }
}

pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) lock: Lock,
    pub(super) mark: MarkFile,
    pub(super) state: State,
    pub(super) constants: Constants,
}

/// A start waits at most this long for the check of the file; a larger file is checked as far as that goes, and damage
/// behind it is found when it is read.
const CHECK: Duration = Duration::from_secs(2);

/// `<journal>.<suffix>`.
pub(super) fn beside(journal: &Path, suffix: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// SQLite's log beside the journal, there while a daemon has it open.
pub(super) fn log_path(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push("-wal");
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
    let mark = Mark::read(path);
    inspect_file(path, mark)?;
    let sqlite = |source: rusqlite::Error| match check::is_damage(&source) {
        true => damaged(path, source.to_string()),
        false => OpenError::Sqlite { path: path.clone(), source },
    };
    if path.exists() {
        // Read-only, so that a damaged file stays as it was found.
        let reader = schema::connect_reader(path).map_err(sqlite)?;
        let findings = check::quick_check(&reader, CHECK).map_err(sqlite)?;
        if !findings.wrong.is_empty() {
            return Err(damaged(path, findings.wrong.join("; ")));
        }
        if !findings.complete {
            tracing::info!(journal = %path.display(), "The journal is large; its check at the start was cut short.");
        }
    }
    let mut connection = schema::connect_writer(path).map_err(sqlite)?;
    schema::migrate(&mut connection).map_err(sqlite)?;
    let (state, constants) = load(&connection, brokers, mark).map_err(sqlite)?;
    let now = Mark { journal: state.id, events: state.streams.values().map(|stream| stream.last).sum() };
    let mark = MarkFile::open(path, now).map_err(|source| OpenError::Io { path: mark::mark_path(path), source })?;
    Ok(Opened { connection, lock, mark, state, constants })
}

fn damaged(path: &Path, found: String) -> OpenError {
    let readable = match check::survey(path, CHECK) {
        Ok(survey) => survey.to_string(),
        Err(error) => format!("nothing ({error})"),
    };
    OpenError::Damaged { path: path.to_owned(), found, readable }
}

/// Looks at the file before SQLite touches it: a foreign or newer one stays as it is, and one that is gone is not made
/// anew behind its owner's back.
pub(super) fn inspect_file(path: &Path, mark: Option<Mark>) -> Result<(), OpenError> {
    let missing = |what| match mark {
        Some(Mark { events, .. }) if events > 0 => {
            Err(OpenError::Missing { path: path.to_owned(), mark: mark::mark_path(path), what, events })
        }
        _ => Ok(()),
    };
    let mut header = [0u8; 100];
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return missing("not there"),
        Err(source) => return Err(OpenError::Io { path: path.to_owned(), source }),
    };
    if file.metadata().map(|m| m.len()).unwrap_or_default() == 0 {
        return missing("empty");
    }
    // With a mark beside it, what looks like another file is a journal whose first page is damaged.
    let foreign = |found: &str| match mark {
        Some(_) => damaged(path, format!("its first page is not that of a journal: {found}")),
        None => OpenError::NotOurs { path: path.to_owned(), found: found.to_owned() },
    };
    file.read_exact(&mut header).map_err(|_| foreign("it is too short"))?;
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(foreign("it is no SQLite file"));
    }
    let number = |at: usize| i64::from(i32::from_be_bytes(std::array::from_fn(|i| header[at + i])));
    let version = number(60);
    if number(68) == 0 && version == 0 && mark.is_none() {
        // A first start that was cut short before the tables were made; SQLite's own check follows.
        return unused(path);
    }
    if number(68) != i64::from(schema::APPLICATION_ID) {
        return Err(foreign("it is an SQLite file of another program"));
    }
    if version > i64::from(schema::VERSION) {
        return Err(OpenError::Newer { path: path.to_owned(), version });
    }
    Ok(())
}

/// Passes an SQLite file that says nothing about whose it is only when there is nothing in it.
fn unused(path: &Path) -> Result<(), OpenError> {
    let count = schema::connect_reader(path)
        .and_then(|connection| connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)));
    match count {
        Ok(0i64) => Ok(()),
        _ => Err(OpenError::NotOurs {
            path: path.to_owned(),
            found: "it is an SQLite file of another program".to_owned(),
        }),
    }
}

/// Takes into memory what the writer needs, and decides whether the journal is still the one it was.
fn load(connection: &Connection, brokers: &[Arc<str>], mark: Option<Mark>) -> rusqlite::Result<(State, Constants)> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let loaded = load_in_transaction(connection, brokers, mark);
    match loaded {
        Ok(loaded) => {
            connection.execute_batch("COMMIT")?;
            Ok(loaded)
        }
        Err(error) => {
            transaction::roll_back(connection);
            Err(error)
        }
    }
}

fn load_in_transaction(
    connection: &Connection,
    brokers: &[Arc<str>],
    mark: Option<Mark>,
) -> rusqlite::Result<(State, Constants)> {
    let id: Option<Vec<u8>> =
        connection.query_row("SELECT value FROM journal WHERE name = 'id'", [], |row| row.get(0)).optional()?;
    let id = id.and_then(|bytes| Uuid::from_slice(&bytes).ok());
    let mut state = State::new(id.unwrap_or_else(Uuid::now_v7));
    load_streams(connection, &mut state)?;
    load_positions(connection, &mut state, brokers)?;
    let events: u64 = state.streams.values().map(|stream| stream.last).sum();
    let rolled_back = match (id, mark) {
        (None, _) => None,
        (Some(_), None) if events > 0 => Some("the mark beside it is missing, so it may be an older copy".to_owned()),
        (Some(id), Some(mark)) if mark.journal != id => Some("the mark beside it is another journal's".to_owned()),
        (Some(_), Some(mark)) if mark.events > events => {
            Some(format!("it holds {events} events, but it had held {} before", mark.events))
        }
        _ => None,
    };
    if rolled_back.is_some() {
        state.previous = id;
        state.id = Uuid::now_v7();
    }
    if id != Some(state.id) {
        connection.execute("INSERT OR REPLACE INTO journal VALUES('id', ?1)", [state.id.as_bytes().as_slice()])?;
    }
    let names = EventType::ALL.iter().map(|t| (t.category().into(), t.name().into()));
    let types = schema::types(connection)?.into_iter().zip(names).map(|(n, (c, s))| (n, c, s)).collect();
    let constants = Constants { journal: state.id, types };
    if let Some(why) = rolled_back {
        tracing::warn!(journal = %state.id, previous = ?state.previous, why, "The journal was rolled back and has a new id.");
        record_roll_back(connection, &constants, &mut state, &why)?;
    }
    Ok((state, constants))
}

/// Every device's first event under the new id says that events may have been numbered twice.
fn record_roll_back(
    connection: &Connection,
    constants: &Constants,
    state: &mut State,
    why: &str,
) -> rusqlite::Result<()> {
    let now = Timestamp::now();
    let mut memory = Memory::default();
    let mut writing = Writing::within(connection, constants, &mut memory, now)?;
    for (device, stream) in state.streams.iter().filter(|(_, stream)| !stream.retired) {
        let lost = gap::Lost {
            reason: "rollback",
            key: format!("rollback/{}", constants.journal),
            from: None,
            to: Some(now),
            text: format!(
                "the journal is an older copy of itself ({why}): sequences after {} may have been given before under \
                 another journal id; what its sources still hold is read again under the same event ids",
                stream.last
            ),
        };
        if let Some(mut batch) = gap::batch(device, stream.source.as_deref(), lost, now) {
            writing.batch(&mut batch, |_| Some(stream.clone()))?;
        }
    }
    let outcome = writing.finish()?;
    state.streams.extend(outcome.streams);
    Ok(())
}

pub(super) fn load_streams(connection: &Connection, state: &mut State) -> rusqlite::Result<()> {
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
            commit: 0,
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
