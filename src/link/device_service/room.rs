//! Room for what is on its way to the journal, shared by all device services of the daemon.
//!
//! Each link bounds what it holds, and two hundred of them hold two hundred times as much when all gateways speak at once: at
//! the beginning of a shift, after the network was away. What finds no room waits at its server.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Values and events on their way, of all services together. With what becomes of it each takes some kibibytes.
const NOTIFICATIONS: u32 = 2048;

/// Pages of history that are read at the same time.
const PAGES: usize = 4;

static ON_THEIR_WAY: Semaphore = Semaphore::const_new(NOTIFICATIONS as usize);
static READ: Semaphore = Semaphore::const_new(PAGES);

/// Given back when what it is for is in the journal.
#[derive(Debug)]
pub(super) struct Room {
    _permit: Option<SemaphorePermit<'static>>,
}

/// Waits for room for so many. One who wants more than there is waits until nothing else is on its way.
pub(super) async fn room(notifications: usize) -> Room {
    let wanted = u32::try_from(notifications).unwrap_or(NOTIFICATIONS).min(NOTIFICATIONS);
    // Never closed.
    Room { _permit: ON_THEIR_WAY.acquire_many(wanted).await.ok().filter(|_| wanted > 0) }
}

/// Waits for the turn to read a page of history.
pub(super) async fn turn() -> Room {
    Room { _permit: READ.acquire().await.ok() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_sum_of_what_many_hold_is_bounded_and_everybody_gets_through() {
        let (held, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let each = |size: usize| {
            let (held, most) = (held.clone(), most.clone());
            tokio::spawn(async move {
                for _ in 0..20 {
                    let room = room(size).await;
                    let now = held.fetch_add(size, Ordering::SeqCst) + size;
                    most.fetch_max(now, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    held.fetch_sub(size, Ordering::SeqCst);
                    drop(room);
                }
            })
        };
        let tasks: Vec<_> = (0..200).map(|number| each(1 + number * 7)).collect();
        for task in tasks {
            task.await.expect("it gets through");
        }
        assert!(most.load(Ordering::SeqCst) <= NOTIFICATIONS as usize, "{most:?}");
        // More than there is at all.
        drop(room(10 * NOTIFICATIONS as usize).await);
    }
}
