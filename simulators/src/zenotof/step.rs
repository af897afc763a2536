//! What happens to the files, and what that means.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::player::{Act, WriteError};

/// What happens at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When, in seconds since the first acquisition began.
    pub at: f64,
    /// What, in this order.
    pub changes: Vec<Change>,
    /// What it means for somebody who watches; mostly nothing.
    pub milestones: Vec<Milestone>,
}

/// A change to a file. Names are relative to the folder into which is written, with `/`.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Bytes at a place; the file comes to be when it is not there. No bytes: an empty file.
    Write {
        /// The file.
        file: String,
        /// Where they begin.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A length; what is new is zeros.
    Length {
        /// The file.
        file: String,
        /// Its length from now on.
        length: u64,
    },
    /// Another name.
    Rename {
        /// The name before.
        from: String,
        /// The name from now on.
        to: String,
    },
    /// The file goes.
    Remove {
        /// The file.
        file: String,
    },
    /// The modification time of a copied file, which is that of its original.
    Modified {
        /// The file.
        file: String,
        /// The time.
        at: Timestamp,
    },
}

/// A point that somebody who watches would name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Milestone {
    /// A file was begun where it is acquired.
    FileBegan {
        /// Its stem.
        stem: String,
    },
    /// A sample was begun.
    SampleBegan {
        /// The file's stem.
        stem: String,
        /// The sample's index, from 1.
        sample: u16,
    },
    /// A sample's end stands in its run log.
    SampleEnded {
        /// The file's stem.
        stem: String,
        /// The sample's index.
        sample: u16,
        /// Whether it was aborted.
        aborted: bool,
    },
    /// Everything that will ever be written of the set is in the folder; what follows is renaming or one more sample.
    FileWhole {
        /// Its stem.
        stem: String,
    },
    /// Somebody gave the set another name.
    Renamed {
        /// The stem before.
        from: String,
        /// The stem from now on.
        to: String,
    },
    /// Nothing follows.
    Ended,
}

impl Change {
    /// The file that it is about.
    pub fn file(&self) -> &str {
        match self {
            Change::Write { file, .. }
            | Change::Length { file, .. }
            | Change::Remove { file }
            | Change::Modified { file, .. }
            | Change::Rename { to: file, .. } => file,
        }
    }

    fn act(&self, folder: &Path) -> io::Result<()> {
        let path = folder.join(self.file());
        let open = || OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match self {
            Change::Write { offset, bytes, .. } => {
                let mut file = open()?;
                file.seek(SeekFrom::Start(*offset))?;
                file.write_all(bytes)
            }
            Change::Length { length, .. } => open()?.set_len(*length),
            Change::Rename { from, .. } => fs::rename(folder.join(from), &path),
            Change::Remove { .. } => fs::remove_file(&path),
            Change::Modified { at, .. } => open()?.set_modified(SystemTime::from(*at)),
        }
    }
}

impl Act for Step {
    fn at(&self) -> f64 {
        self.at
    }

    fn act(&self, folder: &Path) -> Result<(), WriteError> {
        for change in &self.changes {
            change.act(folder).map_err(|source| WriteError { path: folder.join(change.file()), source })?;
        }
        Ok(())
    }
}
