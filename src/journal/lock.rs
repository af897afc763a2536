//! One daemon for each journal: a lock file that names who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// The journal's lock, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process has it; its own words about itself.
    Held(String),
    /// The file cannot be made or locked.
    Io(std::io::Error),
}

/// `<journal>.lock`.
pub(super) fn lock_path(journal: &Path) -> PathBuf {
    super::open::beside(journal, "lock")
}

impl Lock {
    /// Takes the lock of `journal`, without waiting.
    pub(super) fn take(journal: &Path) -> Result<Self, LockError> {
        let path = lock_path(journal);
        // Not truncated: until the lock is ours the words in it are another's.
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = options.map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut words = String::new();
                let _ = file.take(512).read_to_string(&mut words);
                let words = words.trim();
                return Err(LockError::Held(if words.is_empty() { "a process".into() } else { words.to_owned() }));
            }
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        let words = format!("process {} on {}, since {:.0}\n", std::process::id(), host(), Timestamp::now());
        // The words only help a person: without them the lock still holds.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(words.as_bytes()));
        Ok(Self { _file: file })
    }
}

/// The machine's name.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "this machine".to_owned() } else { name }
}
