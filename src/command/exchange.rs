//! Where publishers and device actors meet: requests go one way, answers the other. Nothing here waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

use super::{Answer, Incoming};
use crate::event::DeviceId;

/// Requests that wait for a device's actor; further ones are answered `busy`.
const WAITING: usize = 8;
/// Answers that wait for a broker; beyond that the oldest is given up, and its event tells what it said.
const ANSWERS: usize = 64;

/// Why a request did not reach its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The device takes no commands.
    #[error("this device takes no commands; its configuration allows none")]
    NoCommands,
    /// Too many wait, or its actor is being started.
    #[error("busy: earlier requests to this device wait; try again later")]
    Busy,
}

/// The devices that take commands, and the answers that wait.
#[derive(Debug)]
pub struct Exchange {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The devices that take commands, and where each one's actor listens while it runs.
    devices: BTreeMap<DeviceId, Option<mpsc::Sender<Incoming>>>,
    answers: BTreeMap<Arc<str>, VecDeque<Answer>>,
    /// Grows when the set of devices changes.
    generation: u64,
}

impl Default for Exchange {
    fn default() -> Self {
        Self { inner: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Exchange {
    /// Each change is whole, so a holder that panicked left it usable.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bump(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    /// Says whether a device takes commands from now on.
    pub fn set(&self, device: &DeviceId, takes_commands: bool) {
        let mut inner = self.lock();
        let changed = match takes_commands {
            true => !inner.devices.contains_key(device) && inner.devices.insert(device.clone(), None).is_none(),
            false => inner.devices.remove(device).is_some(),
        };
        inner.generation += u64::from(changed);
        drop(inner);
        if changed {
            self.bump();
        }
    }

    /// The device's actor listens; what waited for one that is gone is lost with it.
    pub fn listen(&self, device: &DeviceId) -> Option<mpsc::Receiver<Incoming>> {
        let mut inner = self.lock();
        let place = inner.devices.get_mut(device)?;
        let (sender, receiver) = mpsc::channel(WAITING);
        *place = Some(sender);
        Some(receiver)
    }

    /// The devices that take commands, and the number of this state of affairs.
    pub fn devices(&self) -> (u64, Vec<DeviceId>) {
        let inner = self.lock();
        (inner.generation, inner.devices.keys().cloned().collect())
    }

    /// Hands a request to its device.
    ///
    /// # Errors
    /// Why it was not taken; the requester is to be told.
    pub fn submit(&self, incoming: Incoming) -> Result<(), NotTaken> {
        let inner = self.lock();
        let place = inner.devices.get(&incoming.device).ok_or(NotTaken::NoCommands)?;
        place.as_ref().ok_or(NotTaken::Busy)?.try_send(incoming).map_err(|_| NotTaken::Busy)
    }

    /// Puts an answer down for its broker's publisher.
    pub fn answer(&self, answer: Answer) {
        let mut inner = self.lock();
        let waiting = inner.answers.entry(answer.broker.clone()).or_default();
        if waiting.len() >= ANSWERS {
            tracing::warn!(broker = %answer.broker, "Too many answers to commands wait; the oldest is given up.");
            waiting.pop_front();
        }
        waiting.push_back(answer);
        drop(inner);
        self.bump();
    }

    /// Takes the next answer for a broker.
    pub fn take(&self, broker: &Arc<str>) -> Option<Answer> {
        self.lock().answers.get_mut(broker)?.pop_front()
    }

    /// Changes with each new answer and each change of the devices.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
