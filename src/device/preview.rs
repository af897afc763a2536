//! A dry run's stand-in for the journal: prints what would be recorded, and remembers what the journal knows already.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::event::Prepared;
use crate::journal::{History, ReadError};

/// Where a dry run's events go.
pub struct Preview {
    /// The journal that the daemon would go on with; `None` where there is none yet. Only read.
    history: Option<Mutex<History>>,
    printed: AtomicU64,
    known: AtomicU64,
}

impl Preview {
    /// A dry run that goes on where `history` ends.
    pub fn new(history: Option<History>) -> Self {
        Self { history: history.map(Mutex::new), printed: AtomicU64::new(0), known: AtomicU64::new(0) }
    }

    /// Events that would have been recorded and published.
    pub fn printed(&self) -> u64 {
        self.printed.load(Ordering::Relaxed)
    }

    /// Events that the journal knows already, so that nothing new would have come of them.
    pub fn known(&self) -> u64 {
        self.known.load(Ordering::Relaxed)
    }

    /// Asks the journal; `T`'s default where there is none.
    pub(super) fn ask<T: Default>(
        &self,
        question: impl FnOnce(&mut History) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        match &self.history {
            // A panic while it was read left nothing half done: it is only read.
            Some(history) => question(&mut history.lock().unwrap_or_else(PoisonError::into_inner)),
            None => Ok(T::default()),
        }
    }

    /// Prints those of `events` that the journal does not know, one line of JSON each.
    pub(super) fn print(&self, events: &[Prepared]) -> Result<(), ReadError> {
        let mut lines = Vec::new();
        for event in events {
            let (event, revision) = match &self.history {
                Some(history) => {
                    let history = history.lock().unwrap_or_else(PoisonError::into_inner);
                    match history.instead_of(event)? {
                        None => (event, history.revision_of(event)?),
                        Some(None) => (event, None),
                        Some(Some(instead)) => (instead, history.revision_of(instead)?),
                    }
                }
                None => (event, Some(event.revision)),
            };
            match revision {
                Some(revision) => {
                    self.printed.fetch_add(1, Ordering::Relaxed);
                    lines.extend_from_slice(&event.render_unrecorded(revision));
                    lines.push(b'\n');
                }
                None => {
                    self.known.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        // A reader that went away ends the dry run with it; there is nothing to lose.
        let _ = std::io::stdout().lock().write_all(&lines);
        Ok(())
    }
}
