//! Zip archives: read through a reader that holds no handle between two reads, and never trusted.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use super::disk::{self, Stat};
use super::group;
use super::position::{Digest, Position};
use crate::link::files::view::Marker;

/// The largest member that is given whole. Real protocols have about 100 KiB; a driver keeps what it needs in memory.
pub const MEMBER_LIMIT: u64 = 8 << 20;
/// The largest table. A run of weeks has some 100 MB; beyond this it is a mistake or malice.
const TABLE_LIMIT: u64 = 4 << 30;
/// How many times larger than packed a table may become; real ones reach 8, deflate itself ends at 1032.
const RATIO_LIMIT: u64 = 400;
/// More entries than any instrument packs; each costs memory.
const ENTRY_LIMIT: usize = 4096;
/// How much is read from the file at once.
const READ: u64 = 128 << 10;
/// The longest end-of-central-directory record with its comment.
const END_RECORD: u64 = 22 + 65_535;

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is not whole: still being copied, or broken.
    #[error("not a whole zip archive: {0}")]
    Incomplete(String),
    /// It became another one meanwhile.
    #[error("changed while it was read")]
    Changed,
    /// It is whole and is not read.
    #[error("{0}")]
    Refused(String),
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<ZipError> for ArchiveError {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::Io(error) => Self::from_reading(error),
            other => Self::Incomplete(other.to_string()),
        }
    }
}

impl ArchiveError {
    /// Sorts out what the decompressor wraps into an I/O error.
    pub fn from_reading(error: io::Error) -> Self {
        match error.kind() {
            _ if error.get_ref().is_some_and(|inner| inner.is::<ChangedMeanwhile>()) => Self::Changed,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                Self::Incomplete(error.to_string())
            }
            _ => Self::Io(error),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the file changed while it was read")]
struct ChangedMeanwhile;

/// A file that is opened for each read and closed after it: an open handle would keep an instrument's software on a
/// network share from writing.
#[derive(Debug)]
pub struct Reopening {
    path: PathBuf,
    stat: Stat,
    at: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl Reopening {
    fn new(path: &Path) -> io::Result<Self> {
        let (_, stat) = disk::open(path)?;
        Ok(Self { path: path.to_owned(), stat, at: 0, buffer: Vec::new(), buffer_at: 0 })
    }

    fn refill(&mut self) -> io::Result<()> {
        let (mut file, stat) = disk::open(&self.path)?;
        if stat != self.stat {
            return Err(io::Error::other(ChangedMeanwhile));
        }
        // The directory is looked for backwards, in small steps: reading a little before `at` serves the next ones.
        let from =
            if self.at + READ > self.stat.size { self.stat.size.saturating_sub(READ).min(self.at) } else { self.at };
        file.seek(SeekFrom::Start(from))?;
        self.buffer.clear();
        file.take(READ).read_to_end(&mut self.buffer)?;
        self.buffer_at = from;
        Ok(())
    }
}

impl Read for Reopening {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.stat.size || into.is_empty() {
            return Ok(0);
        }
        let within = |reader: &Self| {
            let skip = usize::try_from(reader.at.checked_sub(reader.buffer_at)?).ok()?;
            reader.buffer.get(skip..).filter(|rest| !rest.is_empty()).map(|_| skip)
        };
        let skip = match within(self) {
            Some(skip) => skip,
            None => {
                self.refill()?;
                within(self).ok_or(io::ErrorKind::UnexpectedEof)?
            }
        };
        let rest = &self.buffer[skip..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Reopening {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.stat.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// One file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name without folders.
    pub name: String,
    /// Its size as the directory says, in bytes.
    pub size: u64,
    index: usize,
}

/// An archive whose directory could be read.
#[derive(Debug)]
pub struct Archive {
    zip: ZipArchive<Reopening>,
    /// The file.
    pub stat: Stat,
    /// Over the central directory: equal when the content is.
    pub directory: Digest,
    /// The small members, in the order in which they are given.
    pub members: Vec<Entry>,
    /// The table.
    pub table: Option<Entry>,
    /// Members that are too large to be given, and why.
    pub skipped: Vec<String>,
}

impl Archive {
    /// Reads the directory of the archive at `path`.
    ///
    /// # Errors
    ///
    /// `Incomplete` while it is still being copied; `Refused` where a limit is passed.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let mut file = Reopening::new(path)?;
        has_end_record(&mut file)?;
        let stat = file.stat;
        let zip = ZipArchive::new(file)?;
        if zip.len() > ENTRY_LIMIT {
            return Err(ArchiveError::Refused(format!("{} entries, at most {ENTRY_LIMIT} are read", zip.len())));
        }
        let directory = directory_digest(path, &stat, zip.central_directory_start())?;
        let mut archive = Self { zip, stat, directory, members: Vec::new(), table: None, skipped: Vec::new() };
        archive.sort_entries()?;
        Ok(archive)
    }

    fn sort_entries(&mut self) -> Result<(), ArchiveError> {
        let mut tables = Vec::new();
        for index in 0..self.zip.len() {
            let file = self.zip.by_index_raw(index)?;
            // A name in no known encoding is none of an instrument's.
            let Ok(full) = file.name().map(std::borrow::Cow::into_owned) else { continue };
            let name = full.rsplit(['/', '\\']).next().unwrap_or(&full).to_owned();
            if !file.is_file() || name.is_empty() || group::is_hidden(name.as_ref()) {
                continue;
            }
            let entry = Entry { name, size: file.size(), index };
            if group::is_table(entry.name.as_ref()) {
                let (size, packed) = (file.size(), file.compressed_size());
                if file.encrypted() {
                    return Err(ArchiveError::Refused(format!("{} is encrypted", entry.name)));
                }
                if size > TABLE_LIMIT || size / RATIO_LIMIT > packed.max(1) {
                    let text =
                        format!("{} would unpack from {packed} to {size} bytes, more than is credible", entry.name);
                    return Err(ArchiveError::Refused(text));
                }
                tables.push(entry);
            } else if group::is_member(entry.name.as_ref()) {
                if entry.size > MEMBER_LIMIT {
                    self.skipped
                        .push(format!("{} has {} bytes, at most {MEMBER_LIMIT} are read", entry.name, entry.size));
                } else {
                    self.members.push(entry);
                }
            }
        }
        group::sort_members(&mut self.members, |entry| entry.name.clone().into());
        // The table of the run that the first `.meta` names; else the largest.
        let seed = self.members.first().and_then(|first| first.name.strip_suffix(".meta"));
        let of_seed =
            tables.iter().position(|table| seed.is_some_and(|seed| table.name.strip_suffix(".csv") == Some(seed)));
        let largest = (0..tables.len()).max_by_key(|index| tables[*index].size);
        if tables.len() > 1 {
            tracing::warn!(tables = tables.len(), "An archive holds several tables; one of them is read.");
        }
        self.table = of_seed.or(largest).map(|index| tables.swap_remove(index));
        Ok(())
    }

    /// A member's bytes.
    pub fn member(&mut self, entry: &Entry) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size.min(MEMBER_LIMIT)).unwrap_or(0));
        let file = self.zip.by_index(entry.index)?;
        // One byte more than the directory says would show that the directory lies.
        file.take(entry.size + 1).read_to_end(&mut bytes).map_err(ArchiveError::from_reading)?;
        if bytes.len() as u64 != entry.size {
            return Err(ArchiveError::Incomplete(format!("{} is not as long as the directory says", entry.name)));
        }
        Ok(bytes)
    }

    /// Unpacks the table once without giving it: its checksum is right after this, and the answer says whether what
    /// `position` says was read of it stands there. It is broken off, and means nothing, when `go_on` says no.
    pub fn verify(&mut self, position: &Position, go_on: &dyn Fn() -> bool) -> Result<Verified, ArchiveError> {
        let mut marker = Marker::new(position);
        self.read_table(0, &mut |chunk| {
            marker.take(chunk);
            if go_on() { std::ops::ControlFlow::Continue(()) } else { std::ops::ControlFlow::Break(()) }
        })?;
        Ok(Verified {
            head: marker.head_matches(),
            tail: marker.tail_matches(),
            rewritten: marker.head,
            before: marker.tail,
        })
    }

    /// Unpacks the table and gives it from byte `from` on, in chunks, until `give` breaks it off.
    pub fn read_table(
        &mut self,
        from: u64,
        give: &mut dyn FnMut(&[u8]) -> std::ops::ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        let Some(entry) = self.table.clone() else { return Ok(()) };
        let file = self.zip.by_index(entry.index)?;
        let mut file = file.take(entry.size + 1);
        let mut chunk = vec![0; CHUNK];
        let mut at = 0u64;
        loop {
            let mut filled = 0;
            while filled < chunk.len() {
                match file.read(&mut chunk[filled..]) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(ArchiveError::from_reading(error)),
                }
            }
            let end = at + filled as u64;
            if filled == 0 || end > entry.size {
                if end != entry.size {
                    return Err(ArchiveError::Incomplete(format!(
                        "{} is not as long as the directory says",
                        entry.name
                    )));
                }
                return Ok(());
            }
            let skip = usize::try_from(from.saturating_sub(at)).unwrap_or(usize::MAX).min(filled);
            if skip < filled && give(&chunk[skip..filled]).is_break() {
                return Ok(());
            }
            at = end;
        }
    }
}

/// How much of a table is given at once.
const CHUNK: usize = 192 << 10;

/// What [`Archive::verify`] found.
#[derive(Debug)]
pub struct Verified {
    /// The first bytes are as they were given.
    pub head: bool,
    /// The bytes before the position are as they were given.
    pub tail: bool,
    /// The first bytes as they are now.
    pub rewritten: Vec<u8>,
    /// The bytes before the position.
    pub before: Vec<u8>,
}

/// A quick look whether the archive's end is there: looking for the directory in a file that is still growing would
/// read all of it each time.
fn has_end_record(file: &mut Reopening) -> Result<(), ArchiveError> {
    let from = file.stat.size.saturating_sub(END_RECORD);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).map_err(ArchiveError::from_reading)?;
    file.at = 0;
    if end.windows(4).any(|window| window == b"PK\x05\x06") {
        Ok(())
    } else {
        Err(ArchiveError::Incomplete("its end is missing".to_owned()))
    }
}

fn directory_digest(path: &Path, stat: &Stat, start: u64) -> Result<Digest, ArchiveError> {
    let (mut file, now) = disk::open(path)?;
    if now != *stat {
        return Err(ArchiveError::Changed);
    }
    file.seek(SeekFrom::Start(start))?;
    let mut directory = Vec::new();
    file.take(ENTRY_LIMIT as u64 * 512).read_to_end(&mut directory)?;
    Ok(Digest::of(&directory))
}
