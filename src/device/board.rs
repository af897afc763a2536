//! The board: the observable state of the node and its devices, from which the retained topics are made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::DeviceState;
use crate::clock::Clock;
use crate::command::Exchange;
use crate::event::envelope::milliseconds;
use crate::event::{DeviceId, NodeId};
use crate::publish::{BrokerStatus, Retained, Standing};

/// What the whole daemon shows of itself. Shared by actors, supervisors and publishers.
pub struct Board {
    node: NodeId,
    journal: String,
    started: Timestamp,
    inner: Mutex<Inner>,
    commands: Arc<Exchange>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    devices: BTreeMap<DeviceId, DeviceState>,
    brokers: BTreeMap<Arc<str>, BrokerStatus>,
    journal_condition: Option<String>,
    reload: Option<Value>,
}

impl Board {
    /// An empty board of `node`, whose journal is `journal`.
    pub fn new(node: NodeId, journal: String) -> Self {
        Self {
            node,
            journal,
            started: Timestamp::now(),
            inner: Mutex::default(),
            commands: Arc::default(),
            changed: watch::Sender::new(0),
        }
    }

    /// Puts a device on the board.
    pub fn add(&self, device: &DeviceId, state: DeviceState) {
        self.lock().devices.insert(device.clone(), state);
        self.bump();
    }

    /// Takes a device off the board.
    pub fn remove(&self, device: &DeviceId) {
        self.lock().devices.remove(device);
        self.bump();
    }

    /// Changes a device's state, and tells those who watch when `change` says that it is worth telling.
    pub fn update(&self, device: &DeviceId, change: impl FnOnce(&mut DeviceState) -> bool) {
        let worth_telling = self.lock().devices.get_mut(device).is_some_and(change);
        if worth_telling {
            self.bump();
        }
    }

    /// A copy of a device's state.
    pub fn device(&self, device: &DeviceId) -> Option<DeviceState> {
        self.lock().devices.get(device).cloned()
    }

    /// The brokers, as their publishers last told.
    pub fn brokers(&self) -> BTreeMap<Arc<str>, BrokerStatus> {
        self.lock().brokers.clone()
    }

    /// Says what the journal waits for; `None` when it works.
    pub fn journal_condition(&self, condition: Option<String>) {
        self.lock().journal_condition = condition;
        self.bump();
    }

    /// Says how the last reload of the configuration went.
    pub fn reloaded(&self, outcome: Value) {
        self.lock().reload = Some(outcome);
        self.bump();
    }

    /// A poisoned lock means that a thread panicked while it changed one field; the others are still true.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bump(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    fn node_topic(&self) -> String {
        format!("nodes/{}/state", self.node)
    }

    fn node_state(&self, state: &str) -> Value {
        json!({"state": state, "made_at": milliseconds(Timestamp::now()), "since": milliseconds(self.started)})
    }
}

fn retained(topic: String, payload: &Value, expires: bool) -> Retained {
    Retained { topic, payload: payload.to_string().into_bytes(), expires }
}

impl Standing for Board {
    fn commands(&self) -> Arc<Exchange> {
        self.commands.clone()
    }

    fn retained(&self) -> Vec<Retained> {
        let now = Timestamp::now();
        let inner = self.lock();
        let mut node = self.node_state("online");
        node["version"] = crate::cli::VERSION.into();
        node["journal"] = self.journal.as_str().into();
        node["journal_waits_for"] = inner.journal_condition.as_deref().into();
        node["devices"] = inner.devices.keys().map(|id| Value::from(id.as_str())).collect();
        node["brokers"] = json!(inner.brokers);
        let backlog = |status: &BrokerStatus| status.backlog.values().sum::<u64>();
        node["backlog"] = inner.brokers.iter().map(|(name, s)| (name.to_string(), Value::from(backlog(s)))).collect();
        node["clock_synchronised"] = Clock::default().is_synchronised().into();
        node["last_reload"] = inner.reload.clone().unwrap_or(Value::Null);
        let mut all = vec![retained(self.node_topic(), &node, true)];
        for (id, device) in &inner.devices {
            all.push(retained(format!("devices/{id}/info"), &device.info_json(&self.node), false));
            all.push(retained(format!("devices/{id}/state"), &device.state_json(&self.node, &self.journal, now), true));
        }
        all
    }

    fn will(&self) -> Retained {
        retained(self.node_topic(), &self.node_state("offline"), false)
    }

    fn stopped(&self) -> Retained {
        retained(self.node_topic(), &self.node_state("stopped"), false)
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn broker(&self, name: &Arc<str>, status: BrokerStatus) {
        // Progress alone is not worth publishing: every acknowledgement would publish a state.
        let last = self.lock().brokers.insert(name.clone(), status.clone());
        let same = |last: &BrokerStatus| last.phase == status.phase && last.held == status.held;
        if !last.as_ref().is_some_and(same) {
            self.bump();
        }
    }
}
