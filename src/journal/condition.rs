//! Whether the journal can write.

use jiff::Timestamp;

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
