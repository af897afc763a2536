//! Where publishers and device actors meet: requests go one way, answers and acknowledgements the other. Nothing here waits.
//!
//! A request stays in its device's line until the actor says that it is settled: that the journal knows what was decided.
//! Only then is the broker's delivery acknowledged. So one that is lost with the daemon is delivered again, and an actor
//! that fails finds at its next start what it had not decided.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tokio::sync::{Notify, watch};

use super::{Answer, Incoming};
use crate::event::DeviceId;

/// Requests that wait until their device's actor decides about them.
pub const WAITING: usize = 8;
/// Further ones that wait to be refused with an event of their own; beyond that they are only answered.
const TURNED_AWAY: usize = 8;
/// Answers that wait for a broker; beyond that the oldest is given up, and its event tells what it said.
const ANSWERS: usize = 64;

/// Why a request did not reach its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// There is no such device here.
    #[error("this node has no device of that name, or it is switched off")]
    NoDevice,
    /// Too many wait even to be refused.
    #[error("busy: earlier requests to this device wait; try again later")]
    Busy,
}

/// A delivery that the broker waits to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The connection, numbered over all brokers: on another one the identifier means nothing.
    pub session: u64,
    /// The packet identifier.
    pub identifier: u16,
}

/// The next request of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// To be judged.
    Judge(Incoming),
    /// To be refused: too many waited when it came.
    TurnAway(Incoming),
}

/// The devices, the requests that wait for each, and what waits for the brokers.
#[derive(Debug)]
pub struct Exchange {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    desks: BTreeMap<DeviceId, Desk>,
    answers: BTreeMap<Arc<str>, VecDeque<Answer>>,
    receipts: BTreeMap<Arc<str>, Vec<Receipt>>,
    /// The number of the last connection.
    sessions: u64,
    /// Grows when the set of devices changes.
    generation: u64,
}

/// A device's line.
#[derive(Debug, Default)]
struct Desk {
    /// Whether its configuration allows any command.
    allows: bool,
    arrived: Arc<Notify>,
    waiting: VecDeque<Incoming>,
    turned_away: VecDeque<Incoming>,
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

    /// A device is there from now on. One that allows no command takes requests too, to refuse them.
    pub fn add(&self, device: &DeviceId, allows: bool) {
        let mut inner = self.lock();
        inner.generation += u64::from(!inner.desks.contains_key(device));
        inner.desks.entry(device.clone()).or_default().allows = allows;
        drop(inner);
        self.bump();
    }

    /// A device is gone; what waited for it is refused.
    pub fn remove(&self, device: &DeviceId) {
        let mut inner = self.lock();
        let Some(desk) = inner.desks.remove(device) else { return };
        inner.generation += 1;
        for incoming in desk.waiting.into_iter().chain(desk.turned_away) {
            inner.refuse(incoming, NotTaken::NoDevice);
        }
        drop(inner);
        self.bump();
    }

    /// The line of a device, for its actor.
    pub fn listen(self: &Arc<Self>, device: &DeviceId) -> Option<Requests> {
        let arrived = self.lock().desks.get(device)?.arrived.clone();
        Some(Requests { exchange: self.clone(), device: device.clone(), arrived })
    }

    /// The devices, whether each allows any command, and the number of this state of affairs.
    pub fn devices(&self) -> (u64, Vec<(DeviceId, bool)>) {
        let inner = self.lock();
        let devices = inner.desks.iter().map(|(device, desk)| (device.clone(), desk.allows));
        (inner.generation, devices.collect())
    }

    /// A connection to a broker begins: its number.
    pub fn open_session(&self) -> u64 {
        let mut inner = self.lock();
        inner.sessions += 1;
        inner.sessions
    }

    /// Puts a request into its device's line. One that has no place there is answered, and its delivery acknowledged.
    ///
    /// # Errors
    /// Why it was not taken, for the log.
    pub fn submit(&self, incoming: Incoming) -> Result<(), NotTaken> {
        let mut inner = self.lock();
        let taken = match inner.desks.get_mut(&incoming.device) {
            None => Err((Box::new(incoming), NotTaken::NoDevice)),
            Some(desk) => desk.take(incoming).map_err(|incoming| (incoming, NotTaken::Busy)),
        };
        let result = taken.map_err(|(incoming, reason)| {
            inner.refuse(*incoming, reason);
            reason
        });
        drop(inner);
        if result.is_err() {
            self.bump();
        }
        result
    }

    /// Puts an answer down for its broker's publisher.
    pub fn answer(&self, answer: Answer) {
        self.lock().answer(answer);
        self.bump();
    }

    /// Takes the next answer for a broker.
    pub fn take(&self, broker: &Arc<str>) -> Option<Answer> {
        self.lock().answers.get_mut(broker)?.pop_front()
    }

    /// Takes the packet identifiers that a connection has to acknowledge; those of earlier connections mean nothing any more.
    pub fn settled(&self, broker: &Arc<str>, session: u64) -> Vec<u16> {
        let receipts = self.lock().receipts.get_mut(broker).map(std::mem::take).unwrap_or_default();
        receipts.into_iter().filter(|receipt| receipt.session == session).map(|receipt| receipt.identifier).collect()
    }

    /// Changes with each new answer or acknowledgement and each change of the devices.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

impl Inner {
    fn answer(&mut self, answer: Answer) {
        let waiting = self.answers.entry(answer.broker.clone()).or_default();
        if waiting.len() >= ANSWERS {
            tracing::warn!(broker = %answer.broker, "Too many answers to commands wait; the oldest is given up.");
            waiting.pop_front();
        }
        waiting.push_back(answer);
    }

    fn acknowledge(&mut self, incoming: &Incoming) {
        if let Some(receipt) = incoming.receipt {
            self.receipts.entry(incoming.broker.clone()).or_default().push(receipt);
        }
    }

    /// Answers a request that reaches no device.
    fn refuse(&mut self, incoming: Incoming, reason: NotTaken) {
        self.acknowledge(&incoming);
        let Incoming { name, broker, correlation, response, .. } = incoming;
        if let Ok(topic) = response {
            let payload = json!({"command": name, "outcome": "refused", "reason": reason.to_string()});
            self.answer(Answer { broker, topic, correlation, payload: payload.to_string().into() });
        }
    }
}

impl Desk {
    /// Takes a request, or gives it back where even those wait that are to be refused.
    fn take(&mut self, incoming: Incoming) -> Result<(), Box<Incoming>> {
        let mut known = self.waiting.iter_mut().chain(&mut self.turned_away);
        if let Some(known) = known.find(|known| known.is_delivered_again_as(&incoming)) {
            // The line was cut before the first delivery could be acknowledged.
            known.receipt = incoming.receipt;
            return Ok(());
        }
        let line = match self.waiting.len() < WAITING {
            true => &mut self.waiting,
            false if self.turned_away.len() < TURNED_AWAY => &mut self.turned_away,
            false => return Err(Box::new(incoming)),
        };
        line.push_back(incoming);
        self.arrived.notify_one();
        Ok(())
    }
}

/// A device's line, as its actor sees it.
#[derive(Debug)]
pub struct Requests {
    exchange: Arc<Exchange>,
    device: DeviceId,
    arrived: Arc<Notify>,
}

impl Requests {
    /// The next request. It stays first in line until it is [`settled`](Self::settled). While a command is under way
    /// only those come that are to be refused. Can be dropped at any time.
    pub async fn next(&self, is_busy: bool) -> Next {
        loop {
            if let Some(next) = self.first(is_busy) {
                return next;
            }
            self.arrived.notified().await;
        }
    }

    fn first(&self, is_busy: bool) -> Option<Next> {
        let inner = self.exchange.lock();
        let desk = inner.desks.get(&self.device)?;
        if let Some(incoming) = desk.turned_away.front() {
            return Some(Next::TurnAway(incoming.clone()));
        }
        desk.waiting.front().filter(|_| !is_busy).cloned().map(Next::Judge)
    }

    /// The journal knows what was decided about the first request: it leaves the line, and its delivery is acknowledged.
    pub fn settled(&self, next: &Next) {
        let mut inner = self.exchange.lock();
        let Some(desk) = inner.desks.get_mut(&self.device) else { return };
        let line = match next {
            Next::Judge(_) => &mut desk.waiting,
            Next::TurnAway(_) => &mut desk.turned_away,
        };
        if let Some(incoming) = line.pop_front() {
            inner.acknowledge(&incoming);
        }
        drop(inner);
        self.exchange.bump();
    }
}

#[cfg(test)]
mod tests;
