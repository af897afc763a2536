//! Whether the journal can write.

use jiff::Timestamp;
use rusqlite::ErrorCode;

use crate::config::settings::JournalSettings;

/// What keeps the journal from writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// What was found, where.
    pub text: String,
    /// What a person can do.
    pub remedy: String,
}

/// Whether the journal can write. While it cannot, commits wait; that is a named outside cause, not a hang.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It can.
    Ok,
    /// It has reached its configured size with rows that a broker has not acknowledged.
    Full(Trouble),
    /// The file system has no room.
    DiskFull(Trouble),
    /// The file or its file system is read-only.
    ReadOnly(Trouble),
    /// Reading or writing the file fails.
    IoError(Trouble),
}

impl Condition {
    /// What keeps it from writing, if anything does.
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Ok => None,
            Self::Full(trouble) | Self::DiskFull(trouble) | Self::ReadOnly(trouble) | Self::IoError(trouble) => {
                Some(trouble)
            }
        }
    }

    /// The configured size is reached.
    pub(super) fn full(since: Timestamp, settings: &JournalSettings) -> Self {
        let text = format!(
            "the journal {} has reached its size of {} MiB with events that a broker has not acknowledged",
            settings.path.display(),
            settings.max_bytes >> 20
        );
        let remedy = "let the brokers acknowledge, raise max_size, or remove a broker that is gone from the \
                      configuration; sources wait and recording goes on by itself";
        Self::Full(Trouble { since, text, remedy: remedy.to_owned() })
    }

    /// SQLite or the system refused to write.
    pub(super) fn failed(since: Timestamp, settings: &JournalSettings, error: &rusqlite::Error) -> Self {
        let text = format!("writing the journal {} failed: {error}", settings.path.display());
        let trouble = |remedy: &str| Trouble { since, text, remedy: remedy.to_owned() };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                Self::DiskFull(trouble("make room on the file system; sources wait and recording goes on by itself"))
            }
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Self::ReadOnly(trouble(
                "mount the file system writable and give the file to the daemon's user; recording goes on by itself",
            )),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::IoError(trouble("the file is damaged: stop the daemon and run `instrumentd journal check`"))
            }
            _ => Self::IoError(trouble(
                "look at the kernel's log for errors of the disk; recording goes on by itself once writing succeeds",
            )),
        }
    }

    /// A short name for logs and metrics: `ok`, `full`, `disk-full`, `read-only`, `io-error`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Full(_) => "full",
            Self::DiskFull(_) => "disk-full",
            Self::ReadOnly(_) => "read-only",
            Self::IoError(_) => "io-error",
        }
    }
}
