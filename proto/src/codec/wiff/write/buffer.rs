//! A file in memory that can be looked at while it is written.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes with several handles on them, each at its own place.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffer {
    bytes: Arc<Mutex<Vec<u8>>>,
    position: u64,
}

impl Buffer {
    pub(super) fn copy(&self) -> Vec<u8> {
        self.lock().clone()
    }

    /// Bytes are whole at any moment, so a holder that panicked left them usable.
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Buffer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = {
            let bytes = self.lock();
            let mut cursor = Cursor::new(&*bytes);
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
            let mut bytes = self.lock();
            let mut cursor = Cursor::new(&mut *bytes);
            cursor.set_position(self.position);
            cursor.write(from)?
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
            SeekFrom::End(by) => (self.lock().len() as u64).checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
