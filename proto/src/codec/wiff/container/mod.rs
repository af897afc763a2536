//! The compound file (OLE2) that a `.wiff` is.
//!
//! The crate `cfb` reads its storages and streams. It takes a file as a whole or not at all, though, and trusts what the file's tables
//! promise; a `.wiff` is looked at while it is written, cut off or copied. So the tables are read here first, once, within the limits
//! ([`tables`]); what is sound of them is laid out anew ([`clean`]) and given to `cfb` in place of the file's own ([`guard`]). A stream whose
//! bytes are not there then fails by itself, and the others can be read.

mod chains;
mod clean;
mod directory;
mod guard;
mod tables;

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;
use std::time::SystemTime;

use jiff::Timestamp;

use self::clean::Clean;
use self::guard::{Guard, Refused};
use self::tables::Tables;
use super::limits::Limits;
use super::model::{Container, Spent};
use super::reason::{Defect, Known, Torn, Unknown};

/// `cfb` reads this much at once where a part of a stream is wanted: its smallest.
const AT_ONCE: usize = 1024;

/// What is wrong with a container's tables; the first ones are kept.
#[derive(Debug, Default)]
struct Defects {
    list: Vec<Defect>,
}

impl Defects {
    fn add(&mut self, offset: u64, what: impl FnOnce() -> String) {
        if self.list.len() < Container::MAX_DEFECTS {
            self.list.push(Defect { offset, what: what() });
        }
    }
}

/// The streams of an open container.
pub(super) struct Streams<R> {
    file: cfb::CompoundFile<Guard<R>>,
    stream_limit: usize,
}

/// What was found when a file was opened.
pub(super) struct Opened<R> {
    /// The file's length.
    pub(super) length: u64,
    /// The streams, and what is said of the container as a whole.
    pub(super) streams: Result<(Streams<R>, Container), Torn>,
    /// What was and will be spent.
    pub(super) spent: Rc<Cell<Spent>>,
}

/// Opens a container.
pub(super) fn open<R: Read + Seek>(file: R, limits: &Limits) -> Opened<R> {
    let unreadable = |error: io::Error| Torn { offset: 0, why: error.to_string(), may_heal: true };
    let mut guard = match Guard::new(file, *limits) {
        Ok(guard) => guard,
        Err(error) => return Opened { length: 0, streams: Err(unreadable(error)), spent: Rc::default() },
    };
    let (length, spent) = (guard.length(), guard.spent());
    let streams = Tables::read(&mut guard, limits).and_then(|mut tables| {
        let (version, needed) = (tables.version, tables.needed);
        let committed = file_time(tables.directory.root.modified);
        let defects = std::mem::take(&mut tables.defects.list);
        let clean = Clean::of(tables);
        guard.cover(clean.head, clean.tail_at, clean.tail);
        let file = cfb::OpenOptions::new().max_buffer_size(AT_ONCE).open_with(guard).map_err(unreadable)?;
        let container = Container { version, needed, committed, defects };
        Ok((Streams { file, stream_limit: limits.stream }, container))
    });
    Opened { length, streams, spent }
}

/// A FILETIME (100 ns since 1601) as a time; none where it is not set or beyond all calendars.
fn file_time(ticks: u64) -> Option<Timestamp> {
    const UNIX_EPOCH_TICKS: i128 = 116_444_736_000_000_000;
    if ticks == 0 {
        return None;
    }
    Timestamp::from_nanosecond((i128::from(ticks) - UNIX_EPOCH_TICKS) * 100).ok()
}

/// The same of a time that `cfb` gives; what is not set comes out as 1601, what is beyond as 1970.
fn time(time: SystemTime) -> Option<Timestamp> {
    let time = Timestamp::try_from(time).ok()?;
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}

impl<R: Read + Seek> Streams<R> {
    /// Names of what stands in a storage, with whether it is a storage; nothing where the storage is not there.
    pub(super) fn children(&self, storage: &str) -> Vec<(String, bool)> {
        let Ok(entries) = self.file.read_storage(storage) else { return Vec::new() };
        entries.map(|entry| (entry.name().to_owned(), entry.is_storage())).collect()
    }

    /// Whether there is such a storage or stream.
    pub(super) fn has(&self, path: &str) -> bool {
        self.file.exists(path)
    }

    /// Creation and modification time of a storage.
    pub(super) fn times(&self, storage: &str) -> Known<(Option<Timestamp>, Option<Timestamp>)> {
        let entry = self.file.entry(storage).map_err(|_| Unknown::Missing(storage.to_owned()))?;
        Ok((time(entry.created()), time(entry.modified())))
    }

    /// The length that the directory gives a stream.
    pub(super) fn length(&self, path: &str) -> Known<u64> {
        match self.file.entry(path) {
            Ok(entry) if entry.is_stream() => Ok(entry.len()),
            _ => Err(Unknown::Missing(path.to_owned())),
        }
    }

    /// A whole stream.
    pub(super) fn all(&mut self, path: &str) -> Known<Vec<u8>> {
        let length = self.length(path)?;
        match usize::try_from(length) {
            Ok(length) if length <= self.stream_limit => self.part(path, 0, length),
            _ => {
                let limit = self.stream_limit;
                Err(Unknown::Limit(format!("'{path}' is longer than {limit} bytes")))
            }
        }
    }

    /// A part of a stream.
    pub(super) fn part(&mut self, path: &str, from: u64, length: usize) -> Known<Vec<u8>> {
        let stated = self.length(path)?;
        if length > self.stream_limit || from.checked_add(length as u64).is_none_or(|end| end > stated) {
            return Err(Unknown::Malformed {
                stream: path.to_owned(),
                what: "length".into(),
                offset: from,
                why: format!("{length} bytes were expected from here, the stream has {stated}"),
            });
        }
        let unreadable = |error: io::Error| match error.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
            Some(Refused::Budget(_)) => Unknown::Limit(error.to_string()),
            _ => Unknown::Unreadable { stream: path.to_owned(), offset: from, why: error.to_string() },
        };
        let mut stream = self.file.open_stream(path).map_err(unreadable)?;
        stream.seek(SeekFrom::Start(from)).map_err(unreadable)?;
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }
}
