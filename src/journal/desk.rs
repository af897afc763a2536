//! What an operator changes in a journal that no daemon has open.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::lock::{Lock, LockError, lock_path};
use super::open::{OpenError, inspect_file};
use super::{mark::Mark, schema};
use crate::event::DeviceId;

/// Why a change was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The journal cannot be opened, most often because a daemon has it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The journal does not know the device.
    #[error("the journal {} knows no device `{device}`; it knows {known}", path.display())]
    Unknown {
        /// The journal.
        path: PathBuf,
        /// The name that was asked for.
        device: String,
        /// Those that it knows.
        known: String,
    },
    /// The new name is taken.
    #[error("the journal already has events of `{device}`; a device can only get a name that was never used")]
    Taken {
        /// The name.
        device: DeviceId,
    },
    /// SQLite refuses it.
    #[error("cannot change the journal {}: {source}", path.display())]
    Sqlite {
        /// The journal.
        path: PathBuf,
        /// The reason.
        source: rusqlite::Error,
    },
}

/// A journal under the operator's hands; no daemon can open it meanwhile.
pub struct Desk {
    connection: Connection,
    path: PathBuf,
    _lock: Lock,
}

impl Desk {
    /// Takes the journal at `path`; it must be there.
    pub fn open(path: &Path) -> Result<Self, DeskError> {
        if let Err(source) = std::fs::metadata(path) {
            return Err(OpenError::Io { path: path.to_owned(), source }.into());
        }
        let lock = take_lock(path)?;
        inspect_file(path, Mark::read(path))?;
        let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let mut connection = schema::connect_writer(path).map_err(sqlite)?;
        schema::migrate(&mut connection).map_err(sqlite)?;
        Ok(Self { connection, path: path.to_owned(), _lock: lock })
    }

    fn failed(&self, source: rusqlite::Error) -> DeskError {
        DeskError::Sqlite { path: self.path.clone(), source }
    }

    /// Ends a device: it is no longer expected in the configuration. Its events stay and are still delivered.
    pub fn retire(&mut self, device: &DeviceId) -> Result<(), DeskError> {
        let number = self.number(device.as_str())?;
        let now = Timestamp::now().as_millisecond();
        self.connection
            .execute("UPDATE devices SET retired = coalesce(retired, ?1) WHERE number = ?2", (now, number))
            .map_err(|source| self.failed(source))?;
        Ok(())
    }

    /// Gives a device a new name. Under the new one it begins with sequence 1; what its links and driver remember goes
    /// over to it, so that nothing is read twice. What was recorded under the old name stays there and is still
    /// delivered; the old name is retired.
    pub fn rename(&mut self, old: &DeviceId, new: &DeviceId) -> Result<(), DeskError> {
        let number = self.number(old.as_str())?;
        if self.find(new.as_str()).map_err(|source| self.failed(source))?.is_some() {
            return Err(DeskError::Taken { device: new.clone() });
        }
        let now = Timestamp::now().as_millisecond();
        let mut work = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute("INSERT INTO devices(device) VALUES(?1)", [new.as_str()])?;
            let fresh = transaction.last_insert_rowid();
            // All but the spans, which are of the old name's sequences.
            transaction.execute("UPDATE sources SET device = ?1 WHERE device = ?2 AND link <> ''", (fresh, number))?;
            transaction.execute("UPDATE notes SET device = ?1 WHERE device = ?2", (fresh, number))?;
            transaction
                .execute("UPDATE devices SET retired = coalesce(retired, ?1) WHERE number = ?2", (now, number))?;
            transaction.commit()
        };
        work().map_err(|source| DeskError::Sqlite { path: self.path.clone(), source })
    }

    /// Has dead letters delivered again: the broker's position goes back to before the first of them, so that it gets
    /// that event and all that follow it again, with the ids that they had. How many letters that were.
    pub fn retry(&mut self, broker: Option<&str>, device: Option<&DeviceId>) -> Result<u64, DeskError> {
        let number = device.map(|device| self.number(device.as_str())).transpose()?;
        let mut work = || -> rusqlite::Result<usize> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute(
                "UPDATE positions SET sequence = min(sequence, coalesce((SELECT min(l.sequence) - 1 FROM dead_letters l
                   WHERE l.broker = positions.broker AND l.device = positions.device), sequence))
                 WHERE (?1 IS NULL OR broker = ?1) AND (?2 IS NULL OR device = ?2)",
                (broker, number),
            )?;
            let count = transaction.execute(
                "DELETE FROM dead_letters WHERE (?1 IS NULL OR broker = ?1) AND (?2 IS NULL OR device = ?2)",
                (broker, number),
            )?;
            transaction.commit()?;
            Ok(count)
        };
        let count = work().map_err(|source| DeskError::Sqlite { path: self.path.clone(), source })?;
        Ok(count as u64)
    }

    fn find(&self, device: &str) -> rusqlite::Result<Option<i64>> {
        self.connection.query_row("SELECT number FROM devices WHERE device = ?1", [device], |row| row.get(0)).optional()
    }

    fn number(&self, device: &str) -> Result<i64, DeskError> {
        if let Some(number) = self.find(device).map_err(|source| self.failed(source))? {
            return Ok(number);
        }
        let names: Vec<String> = super::check::names(&self.connection).into_values().collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(DeskError::Unknown { path: self.path.clone(), device: device.to_owned(), known })
    }
}

/// The journal's lock, or who has it.
pub(super) fn take_lock(path: &Path) -> Result<Lock, OpenError> {
    Lock::take(path).map_err(|error| match error {
        LockError::Held(holder) => OpenError::InUse { path: path.to_owned(), holder },
        LockError::Io(source) => OpenError::Io { path: lock_path(path), source },
    })
}
