//! Where a link's events go: a bounded channel, waited for until there is room or the link is to stop.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

/// The link is to stop, or nobody receives any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// The sending side.
#[derive(Debug)]
pub struct Outlet<E> {
    events: mpsc::Sender<E>,
    stop: CancellationToken,
    /// Only to wait on the channel and the token at once, on this thread; it drives no I/O and no timers.
    runtime: Runtime,
}

impl<E> Outlet<E> {
    /// For one link.
    pub fn new(events: mpsc::Sender<E>, stop: CancellationToken) -> io::Result<Self> {
        Ok(Self { events, stop, runtime: Builder::new_current_thread().build()? })
    }

    /// Whether the link is to stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled() || self.events.is_closed()
    }

    /// Hands an event over, waiting while the channel is full.
    pub fn send(&self, event: E) -> Result<(), Stopped> {
        if self.stop.is_cancelled() {
            return Err(Stopped);
        }
        let event = match self.events.try_send(event) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(Stopped),
            Err(TrySendError::Full(event)) => event,
        };
        let permit = self.runtime.block_on(self.stop.run_until_cancelled(self.events.reserve()));
        match permit {
            Some(Ok(permit)) => {
                permit.send(event);
                Ok(())
            }
            Some(Err(_)) | None => Err(Stopped),
        }
    }
}
