//! A file in memory that can be looked at while it is written.

use std::collections::BTreeSet;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Changes are told in pieces of this size: what an operating system writes at once.
const PAGE: usize = 4096;

/// Bytes with several handles on them, each at its own place.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffer {
    content: Arc<Mutex<Content>>,
    position: u64,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// Pages that were written since they were last told.
    changed: BTreeSet<usize>,
}

impl Buffer {
    pub(super) fn copy(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// The pages that were written since the last call, with their places, in their order.
    pub(super) fn changes(&self) -> Vec<(u64, Vec<u8>)> {
        let mut content = self.lock();
        let changed = std::mem::take(&mut content.changed);
        let length = content.bytes.len();
        let page = |page: usize| (page * PAGE).min(length)..((page + 1) * PAGE).min(length);
        changed.into_iter().map(|number| ((number * PAGE) as u64, content.bytes[page(number)].to_vec())).collect()
    }

    /// Bytes are whole at any moment, so a holder that panicked left them usable.
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Buffer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = {
            let content = self.lock();
            let mut cursor = Cursor::new(&content.bytes);
            cursor.set_position(self.position);
            cursor.read(into)?
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Buffer {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let count = {
            let mut content = self.lock();
            // A gap before the position becomes zeros.
            let begin = content.bytes.len().min(usize::try_from(self.position).unwrap_or(usize::MAX));
            let mut cursor = Cursor::new(&mut content.bytes);
            cursor.set_position(self.position);
            let count = cursor.write(from)?;
            let end = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
            content.changed.extend(begin / PAGE..end.div_ceil(PAGE));
            count
        };
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Buffer {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => (self.lock().bytes.len() as u64).checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
