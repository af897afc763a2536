//! The file as the container's library sees it: clean tables in place of the real ones, and a budget.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use super::super::limits::Limits;
use super::super::model::Spent;

/// Why bytes of the file were not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// The file is not so long.
    #[error("the file ends at byte {at}")]
    Ends { at: u64 },
    /// The budget is spent.
    #[error("more than {0} had to be read")]
    Budget(String),
}

/// How far [`Guard::fill`] came.
pub(super) struct Filled {
    /// Bytes that are the file's.
    pub(super) count: usize,
    /// Why not all of them.
    pub(super) short: Option<io::Error>,
}

/// A file that is read within a budget. Once [`Guard::cover`] was called its start and what follows behind its end come from memory.
pub(super) struct Guard<R> {
    file: R,
    /// The file's real length.
    length: u64,
    /// Bytes that stand at the start, in place of the file's.
    head: Vec<u8>,
    /// Bytes that stand from `tail_at` on.
    tail: Vec<u8>,
    tail_at: u64,
    position: u64,
    limits: Limits,
    spent: Rc<Cell<Spent>>,
}

impl<R: Read + Seek> Guard<R> {
    /// Takes the file and asks for its length.
    pub(super) fn new(mut file: R, limits: Limits) -> io::Result<Guard<R>> {
        let length = file.seek(SeekFrom::End(0))?;
        let spent = Rc::new(Cell::new(Spent::default()));
        Ok(Guard { file, length, head: Vec::new(), tail: Vec::new(), tail_at: u64::MAX, position: 0, limits, spent })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// A handle on what was spent, which outlives the moves of the guard.
    pub(super) fn spent(&self) -> Rc<Cell<Spent>> {
        self.spent.clone()
    }

    /// From now on the first bytes and those from `tail_at` on come from memory.
    pub(super) fn cover(&mut self, head: Vec<u8>, tail_at: u64, tail: Vec<u8>) {
        (self.head, self.tail_at, self.tail) = (head, tail_at, tail);
    }

    /// Fills `into` from the file itself, as far as the file goes; the rest becomes `pad`. Gives the error that stood in the way.
    pub(super) fn fill(&mut self, offset: u64, into: &mut [u8], pad: u8) -> Filled {
        self.position = offset;
        let mut count = 0;
        while count < into.len() {
            match self.read(&mut into[count..]) {
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    into[count..].fill(pad);
                    return Filled { count, short: Some(error) };
                }
            }
        }
        Filled { count, short: None }
    }

    fn charge(&self, bytes: usize) -> io::Result<()> {
        let mut spent = self.spent.get();
        spent.reads += 1;
        spent.bytes += bytes as u64;
        let refused = if spent.reads > self.limits.reads {
            format!("{} times", self.limits.reads)
        } else if spent.bytes > self.limits.bytes {
            format!("{} bytes", self.limits.bytes)
        } else {
            self.spent.set(spent);
            return Ok(());
        };
        Err(io::Error::other(Refused::Budget(refused)))
    }

    /// Bytes from memory, where there are some at the position.
    fn remembered(&self, into: &mut [u8]) -> Option<usize> {
        let (bytes, from) = if self.position < self.head.len() as u64 {
            (&self.head, self.position)
        } else if self.position >= self.tail_at {
            (&self.tail, self.position - self.tail_at)
        } else {
            return None;
        };
        let rest = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Some(count)
    }
}

impl<R: Read + Seek> Read for Guard<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let count = match self.remembered(into) {
            Some(count) => count,
            None if self.position >= self.length => {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, Refused::Ends { at: self.length }));
            }
            None => {
                let room = self.length.min(self.tail_at) - self.position;
                let count = usize::try_from(room).unwrap_or(usize::MAX).min(into.len());
                self.charge(count)?;
                self.file.seek(SeekFrom::Start(self.position))?;
                match self.file.read(&mut into[..count])? {
                    // It became shorter while it was read.
                    0 => {
                        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, Refused::Ends { at: self.position }));
                    }
                    count => count,
                }
            }
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl<R> Seek for Guard<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = if self.tail_at == u64::MAX { self.length } else { self.tail_at + self.tail.len() as u64 };
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => end.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
