//! `<journal>.mark`: how far the journal had come, kept outside of it.
//!
//! Written after every commit that added rows and never synchronised: it costs one small write into the page cache. It is
//! therefore never ahead of a journal that lost nothing; a journal that is behind its mark was rolled back, by a restored
//! backup for instance, and gives sequences a second time. It gets a new id, so that subscribers can tell.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// What the mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// The journal's id.
    pub(super) journal: Uuid,
    /// How many events it held, over all devices.
    pub(super) events: u64,
}

/// `<journal>.mark`.
pub(super) fn mark_path(journal: &Path) -> PathBuf {
    super::open::beside(journal, "mark")
}

impl Mark {
    /// Reads the mark of `journal`; `None` where there is none, or none that can be read.
    pub(super) fn read(journal: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(mark_path(journal)).ok()?;
        let mut words = text.split_ascii_whitespace();
        Some(Self { journal: words.next()?.parse().ok()?, events: words.next()?.parse().ok()? })
    }
}

/// The open mark.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    events: u64,
}

impl MarkFile {
    /// Opens or makes the mark and writes how far the journal is.
    pub(super) fn open(journal: &Path, mark: Mark) -> std::io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(mark_path(journal))?;
        let mut this = Self { file, events: mark.events };
        this.write(mark)?;
        this.file.sync_all()?;
        Ok(this)
    }

    /// Counts committed events. A mark that cannot be written only weakens the detection of a roll-back.
    pub(super) fn add(&mut self, journal: Uuid, events: u64) {
        self.events += events;
        if let Err(error) = self.write(Mark { journal, events: self.events }) {
            tracing::debug!(%error, "The journal's mark was not written");
        }
    }

    /// Has the system write it to the disk; at the end.
    pub(super) fn sync(&self) {
        // As above: only the detection is weaker without it.
        let _ = self.file.sync_all();
    }

    /// Always the same length, so that no rest of a longer text is left.
    fn write(&mut self, mark: Mark) -> std::io::Result<()> {
        self.file.write_all_at(format!("{} {:020}\n", mark.journal, mark.events).as_bytes(), 0)
    }
}
