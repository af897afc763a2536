//! The board: the observable state of the node and its devices, from which the retained topics are made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::DeviceState;
use crate::clock::Clock;
use crate::command::Exchange;
use crate::driver::Identity;
use crate::event::envelope::milliseconds;
use crate::event::{DeviceId, NodeId};
use crate::publish::{BrokerStatus, Retained, Standing, Topic};

/// What the whole daemon shows of itself. Shared by actors, supervisors and publishers.
pub struct Board {
    node: NodeId,
    node_topic: Arc<str>,
    journal: String,
    started: Timestamp,
    inner: Mutex<Inner>,
    commands: Arc<Exchange>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    devices: BTreeMap<DeviceId, Entry>,
    /// Counts what is worth telling. It is the version of the node's own state, which tells of everything.
    version: u64,
    brokers: BTreeMap<Arc<str>, BrokerStatus>,
    journal_condition: Option<String>,
    reload: Option<Value>,
}

/// A device on the board.
struct Entry {
    state: DeviceState,
    topics: Topics,
}

/// Its retained topics, with their versions: the board's when they changed last.
struct Topics {
    info: Topic,
    state: Topic,
}

impl Topics {
    fn new(device: &DeviceId, version: u64) -> Self {
        let topic = |name: &str, expires| Topic { topic: format!("devices/{device}/{name}").into(), version, expires };
        Self { info: topic("info", false), state: topic("state", true) }
    }
}

impl Board {
    /// An empty board of `node`, whose journal is `journal`.
    pub fn new(node: NodeId, journal: String) -> Self {
        Self {
            node_topic: format!("nodes/{node}/state").into(),
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
        let mut inner = self.lock();
        let topics = Topics::new(device, inner.version + 1);
        inner.devices.insert(device.clone(), Entry { state, topics });
        self.bump(inner);
    }

    /// Takes a device off the board.
    pub fn remove(&self, device: &DeviceId) {
        let mut inner = self.lock();
        inner.devices.remove(device);
        self.bump(inner);
    }

    /// Changes a device's state, and tells those who watch when `change` says that it is worth telling.
    pub fn update(&self, device: &DeviceId, change: impl FnOnce(&mut DeviceState) -> bool) {
        let mut inner = self.lock();
        let next = inner.version + 1;
        let Some(entry) = inner.devices.get_mut(device) else { return };
        if change(&mut entry.state) {
            entry.topics.state.version = next;
            self.bump(inner);
        }
    }

    /// Takes what an instrument says of itself.
    pub fn identify(&self, device: &DeviceId, identity: Identity) {
        let mut inner = self.lock();
        let next = inner.version + 1;
        let Some(entry) = inner.devices.get_mut(device) else { return };
        if entry.state.identity.as_ref() != Some(&identity) {
            entry.state.identity = Some(identity);
            entry.topics.info.version = next;
            self.bump(inner);
        }
    }

    /// A copy of a device's state.
    pub fn device(&self, device: &DeviceId) -> Option<DeviceState> {
        self.lock().devices.get(device).map(|entry| entry.state.clone())
    }

    /// The brokers, as their publishers last told.
    pub fn brokers(&self) -> BTreeMap<Arc<str>, BrokerStatus> {
        self.lock().brokers.clone()
    }

    /// Says what the journal waits for; `None` when it works.
    pub fn journal_condition(&self, condition: Option<String>) {
        let mut inner = self.lock();
        inner.journal_condition = condition;
        self.bump(inner);
    }

    /// Says how the last reload of the configuration went.
    pub fn reloaded(&self, outcome: Value) {
        let mut inner = self.lock();
        inner.reload = Some(outcome);
        self.bump(inner);
    }

    /// A poisoned lock means that a thread panicked while it changed one field; the others are still true.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bump(&self, mut inner: MutexGuard<'_, Inner>) {
        inner.version += 1;
        let version = inner.version;
        drop(inner);
        self.changed.send_replace(version);
    }

    fn node_state(&self, state: &str) -> Value {
        json!({"state": state, "made_at": milliseconds(Timestamp::now()), "since": milliseconds(self.started)})
    }

    fn node_online(&self, inner: &Inner) -> Value {
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
        node
    }

    fn farewell(&self, state: &str) -> Retained {
        Retained { topic: self.node_topic.to_string(), payload: self.node_state(state).to_string().into_bytes() }
    }
}

impl Standing for Board {
    fn commands(&self) -> Arc<Exchange> {
        self.commands.clone()
    }

    fn topics(&self) -> Vec<Topic> {
        let inner = self.lock();
        let node = Topic { topic: Arc::clone(&self.node_topic), version: inner.version, expires: true };
        let devices = inner.devices.values().flat_map(|entry| [&entry.topics.info, &entry.topics.state]);
        std::iter::once(node).chain(devices.cloned()).collect()
    }

    fn content(&self, topic: &str) -> Option<Vec<u8>> {
        let inner = self.lock();
        let content = if topic == &*self.node_topic {
            self.node_online(&inner)
        } else {
            let (device, name) = topic.strip_prefix("devices/")?.split_once('/')?;
            let state = &inner.devices.get(&device.parse::<DeviceId>().ok()?)?.state;
            match name {
                "info" => state.info_json(&self.node),
                "state" => state.state_json(&self.node, &self.journal, Timestamp::now()),
                _ => return None,
            }
        };
        Some(content.to_string().into_bytes())
    }

    fn will(&self) -> Retained {
        self.farewell("offline")
    }

    fn stopped(&self) -> Retained {
        self.farewell("stopped")
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn broker(&self, name: &Arc<str>, status: BrokerStatus) {
        // Progress alone is not worth publishing: every acknowledgement would publish a state.
        let mut inner = self.lock();
        let last = inner.brokers.get(name);
        let same = last.is_some_and(|last| last.phase == status.phase && last.held == status.held);
        inner.brokers.insert(name.clone(), status);
        if !same {
            self.bump(inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(board: &Board) -> Vec<(String, u64)> {
        board.topics().iter().map(|topic| (topic.topic.to_string(), topic.version)).collect()
    }

    fn changed(before: &[(String, u64)], after: &[(String, u64)]) -> Vec<String> {
        after.iter().filter(|topic| !before.contains(topic)).map(|(topic, _)| topic.clone()).collect()
    }

    #[test]
    fn a_topic_has_another_version_when_there_is_news_of_it_and_only_then() {
        let board = Board::new("pc".parse().expect("a node"), "a journal".to_owned());
        let [one, two]: [DeviceId; 2] = ["one", "two"].map(|name| name.parse().expect("a device"));
        let profile = crate::profile::shipped("biolector-pro").expect("a shipped profile");
        for device in [&one, &two] {
            board.add(device, DeviceState::new(Arc::clone(&profile), None, Timestamp::now()));
        }
        let added = versions(&board);
        let names: Vec<&str> = added.iter().map(|(topic, _)| topic.as_str()).collect();
        let devices = ["devices/one/info", "devices/one/state", "devices/two/info", "devices/two/state"];
        assert_eq!(names[1..], devices);
        for (topic, _) in &added {
            assert!(board.content(topic).is_some_and(|content| content.starts_with(b"{")), "{topic}");
        }

        board.update(&one, |state| {
            state.last_sequence = 7;
            false
        });
        assert_eq!(versions(&board), added, "not worth telling");
        board.update(&one, |state| {
            state.connection = "connected";
            true
        });
        let told = versions(&board);
        assert_eq!(changed(&added, &told), ["nodes/pc/state", "devices/one/state"]);
        let state = board.content("devices/one/state").expect("a state");
        assert!(String::from_utf8_lossy(&state).contains("\"last_sequence\":7"), "it is told as it is then");

        board.identify(&two, Identity::default());
        let identified = versions(&board);
        assert_eq!(changed(&told, &identified), ["nodes/pc/state", "devices/two/info"]);
        board.identify(&two, Identity::default());
        assert_eq!(versions(&board), identified, "the same instrument");

        board.remove(&one);
        assert_eq!(versions(&board).len(), 3);
        assert_eq!(board.content("devices/one/state"), None);
        assert_eq!(board.content("devices/two/events"), None);
    }
}
