//! Rows in memory in place of a journal, and a daemon's standing in place of a device board.

// Shared by several tests, none of which uses all of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use instrumentd::command::Exchange;
use instrumentd::config::settings::BrokerSettings;
use instrumentd::event::DeviceId;
use instrumentd::publish::{self, BrokerStatus, Extent, Outbox, Retained, Row, Standing, Topic};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const JOURNAL: Uuid = Uuid::from_u128(7);

/// The rows, and what was settled of them.
pub struct Rows {
    state: Mutex<State>,
    committed: watch::Sender<u64>,
    settled: watch::Sender<u64>,
    /// Whether the newest rows can be had without a "disk".
    pub tail: bool,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<DeviceId, Vec<Row>>,
    settled: BTreeMap<DeviceId, u64>,
    dead: Vec<(DeviceId, u64, String)>,
    retired: Vec<DeviceId>,
    going_back: Vec<String>,
}

impl Rows {
    pub fn new() -> Arc<Self> {
        let (committed, settled) = (watch::Sender::new(0), watch::Sender::new(0));
        Arc::new(Self { state: Mutex::new(State::default()), committed, settled, tail: true })
    }

    pub fn from_disk_only() -> Arc<Self> {
        let (committed, settled) = (watch::Sender::new(0), watch::Sender::new(0));
        Arc::new(Self { state: Mutex::new(State::default()), committed, settled, tail: false })
    }

    /// Adds a row with so many bytes of data; its sequence.
    pub fn add(&self, device: &str, size: usize) -> u64 {
        let device: DeviceId = device.parse().expect("valid");
        let mut state = self.state.lock().expect("lock");
        let rows = state.rows.entry(device.clone()).or_default();
        let sequence = rows.last().map_or(1, |row| row.sequence + 1);
        rows.push(Row {
            payload: event(&device, sequence, size),
            device,
            sequence,
            category: "cultivation".into(),
            name: "measured".into(),
        });
        drop(state);
        self.committed.send_modify(|n| *n += 1);
        sequence
    }

    pub fn forget(&self, device: &str, sequences: std::ops::RangeInclusive<u64>) {
        let mut state = self.state.lock().expect("lock");
        let rows = state.rows.get_mut(&device.parse().expect("valid")).expect("a device");
        rows.retain(|row| !sequences.contains(&row.sequence));
    }

    pub fn retire(&self, device: &str) {
        self.state.lock().expect("lock").retired.push(device.parse().expect("valid"));
    }

    pub fn settled(&self, device: &str) -> u64 {
        let device: DeviceId = device.parse().expect("valid");
        self.state.lock().expect("lock").settled.get(&device).copied().unwrap_or(0)
    }

    pub fn dead(&self) -> Vec<(DeviceId, u64, String)> {
        self.state.lock().expect("lock").dead.clone()
    }

    /// Settlements that went back; there must be none.
    pub fn going_back(&self) -> Vec<String> {
        self.state.lock().expect("lock").going_back.clone()
    }

    pub async fn until_settled(&self, device: &str, sequence: u64) {
        let mut settled = self.settled.subscribe();
        let wait = settled.wait_for(|_| self.settled(device) >= sequence);
        if tokio::time::timeout(Duration::from_secs(120), wait).await.is_err() {
            panic!("{device} is settled up to {}, not {sequence}", self.settled(device));
        }
    }
}

/// An event as the envelope writes it.
pub fn event(device: &DeviceId, sequence: u64, size: usize) -> Bytes {
    let id = Uuid::from_u128(u128::from(sequence) << 64 | device.as_str().len() as u128);
    let filler = "x".repeat(size);
    format!(
        "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"urn:instrumentd:lab:{device}\",\
         \"sequence\":\"{sequence:020}\",\"data\":{{\"n\":{sequence},\"filler\":\"{filler}\"}}}}"
    )
    .into()
}

impl Outbox for Rows {
    fn id(&self) -> Uuid {
        JOURNAL
    }

    fn devices(&self) -> Vec<Extent> {
        let state = self.state.lock().expect("lock");
        let extent = |(device, rows): (&DeviceId, &Vec<Row>)| Extent {
            device: device.clone(),
            last: rows.last().map_or(0, |row| row.sequence),
            retired: state.retired.contains(device),
        };
        state.rows.iter().map(extent).collect()
    }

    fn ends(&self, _: u64, each: &mut dyn FnMut(&DeviceId, u64)) {
        let state = self.state.lock().expect("lock");
        state.rows.iter().for_each(|(device, rows)| each(device, rows.last().map_or(0, |row| row.sequence)));
    }

    fn positions(&self, _: &Arc<str>) -> Result<BTreeMap<DeviceId, u64>, String> {
        Ok(self.state.lock().expect("lock").settled.clone())
    }

    fn try_tail(&self, device: &DeviceId, sequence: u64, limit: usize) -> Option<Vec<Row>> {
        if !self.tail {
            return None;
        }
        self.rows_after(device, sequence, limit).ok()
    }

    fn rows_after(&self, device: &DeviceId, sequence: u64, limit: usize) -> Result<Vec<Row>, String> {
        let state = self.state.lock().expect("lock");
        let rows = state.rows.get(device).map(Vec::as_slice).unwrap_or_default();
        let from = rows.partition_point(|row| row.sequence <= sequence);
        Ok(rows[from..].iter().take(limit).cloned().collect())
    }

    fn settle(&self, _: &Arc<str>, device: &DeviceId, sequence: u64) {
        let mut state = self.state.lock().expect("lock");
        let before = state.settled.insert(device.clone(), sequence).unwrap_or(0);
        if sequence <= before {
            state.going_back.push(format!("{device}: {before} to {sequence}"));
        }
        drop(state);
        self.settled.send_modify(|n| *n += 1);
    }

    fn dead_letter(&self, _: &Arc<str>, device: &DeviceId, sequence: u64, reason: &str) {
        self.state.lock().expect("lock").dead.push((device.clone(), sequence, reason.to_owned()));
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }
}

/// A daemon's standing with some devices.
pub struct Daemon {
    node: String,
    devices: Mutex<Vec<String>>,
    changed: watch::Sender<u64>,
    pub commands: Arc<Exchange>,
    pub status: watch::Sender<Option<BrokerStatus>>,
}

impl Daemon {
    pub fn new(node: &str, devices: &[&str]) -> Arc<Self> {
        let devices = Mutex::new(devices.iter().map(|device| (*device).to_owned()).collect());
        Arc::new(Self {
            node: node.into(),
            devices,
            changed: watch::Sender::new(0),
            commands: Arc::default(),
            status: watch::Sender::new(None),
        })
    }

    pub fn set_devices(&self, devices: &[&str]) {
        *self.devices.lock().expect("lock") = devices.iter().map(|device| (*device).to_owned()).collect();
        self.changed.send_modify(|n| *n += 1);
    }

    fn node_state(&self, state: &str) -> Retained {
        let payload =
            format!("{{\"node\":\"{}\",\"since\":\"2026-11-20T10:00:00.000Z\",\"state\":\"{state}\"}}", self.node);
        Retained { topic: format!("nodes/{}/state", self.node), payload: payload.into() }
    }

    pub async fn until(&self, what: &str, enough: impl FnMut(&BrokerStatus) -> bool) -> BrokerStatus {
        let mut enough = enough;
        let mut status = self.status.subscribe();
        let wait = status.wait_for(|status| status.as_ref().is_some_and(&mut enough));
        match tokio::time::timeout(Duration::from_secs(120), wait).await {
            Ok(status) => status.expect("the sender lives").clone().expect("a status"),
            Err(_) => panic!("no such status: {what}; it is {:#?}", *self.status.borrow()),
        }
    }
}

impl Standing for Daemon {
    fn commands(&self) -> Arc<Exchange> {
        self.commands.clone()
    }

    fn topics(&self) -> Vec<Topic> {
        let topic = |topic: String, expires| Topic { topic: topic.into(), version: 0, expires };
        let mut all = vec![topic(self.node_state("online").topic, true)];
        for device in self.devices.lock().expect("lock").iter() {
            all.push(topic(format!("devices/{device}/info"), false));
            all.push(topic(format!("devices/{device}/state"), true));
        }
        all
    }

    fn content(&self, topic: &str) -> Option<Vec<u8>> {
        let node = self.node_state("online");
        if topic == node.topic {
            return Some(node.payload);
        }
        let (device, name) = topic.strip_prefix("devices/")?.split_once('/')?;
        let is_known = self.devices.lock().expect("lock").iter().any(|known| known == device);
        let content = match name {
            "info" => format!("{{\"node\":\"{}\",\"device\":\"{device}\"}}", self.node),
            _ => format!("{{\"node\":\"{}\",\"connection\":\"connected\"}}", self.node),
        };
        is_known.then(|| content.into())
    }

    fn will(&self) -> Retained {
        self.node_state("offline")
    }

    fn stopped(&self) -> Retained {
        self.node_state("stopped")
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn broker(&self, _: &Arc<str>, status: BrokerStatus) {
        self.status.send_replace(Some(status));
    }
}

/// A broker on loopback, everything at its default.
pub fn settings(port: u16) -> BrokerSettings {
    BrokerSettings {
        name: "main".into(),
        host: "127.0.0.1".into(),
        port,
        client_id: "instrumentd-lab-here".into(),
        user: None,
        password_file: None,
        tls: None,
        root: "instrumentd/v1".into(),
        window: 100,
        keep_alive: Duration::from_secs(30),
        will_delay: Duration::from_secs(10),
        state_expiry: Duration::from_secs(90),
        stall: Duration::from_secs(20),
        reconnect_within: Duration::from_secs(30),
        response_prefix: "instrumentd/v1/lab/replies/".into(),
    }
}

/// A publisher that runs.
pub struct Running {
    stop: CancellationToken,
    pub task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Stops it as the daemon does.
    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.task).await.expect("stops within 5 s").expect("no panic");
    }
}

/// Starts a publisher of the node `here` at the site `lab`.
pub fn start(settings: BrokerSettings, rows: &Arc<Rows>, daemon: &Arc<Daemon>) -> Running {
    let stop = CancellationToken::new();
    let (site, node) = ("lab".parse().expect("valid"), "here".parse().expect("valid"));
    let task = publish::spawn(settings, site, node, rows.clone(), daemon.clone(), stop.clone());
    Running { stop, task }
}
