//! What a publisher works with, and what it remembers from one connection to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Standing;
use super::claim::is_newer;
use super::outbox::Outbox;
use super::rows::Rows;
use crate::command::Exchange;
use crate::config::settings::BrokerSettings;
use crate::event::{DeviceId, NodeId, SiteId};

/// What a publisher works with.
pub struct Context {
    /// The broker.
    pub settings: BrokerSettings,
    /// `<root>/<site>/`, before every topic.
    pub prefix: String,
    /// This daemon.
    pub node: NodeId,
    /// The rows.
    pub outbox: Arc<dyn Outbox>,
    /// What the daemon says of itself.
    pub standing: Arc<dyn Standing>,
    /// Cancelled when the daemon stops.
    pub stop: CancellationToken,
    /// Where commands go.
    pub commands: Arc<Exchange>,
    requests: String,
    own_state: String,
}

impl Context {
    /// Everything of one broker's publisher.
    pub fn new(
        settings: BrokerSettings,
        site: &SiteId,
        node: NodeId,
        outbox: Arc<dyn Outbox>,
        standing: Arc<dyn Standing>,
        stop: CancellationToken,
    ) -> Self {
        let prefix = format!("{}/{site}/", settings.root.trim_end_matches('/'));
        let requests = format!("{prefix}nodes/{node}/requests/replay");
        let own_state = format!("nodes/{node}/state");
        let commands = standing.commands();
        Self { settings, prefix, node, outbox, standing, stop, commands, requests, own_state }
    }

    /// The whole topic of replay requests.
    pub fn request_topic(&self) -> &str {
        &self.requests
    }

    /// Whether a topic, below site and root, is one of a command: the device and the command's name.
    pub fn command_of(below: &str) -> Option<(&str, &str)> {
        let (device, rest) = below.strip_prefix("devices/")?.split_once('/')?;
        let name = rest.strip_prefix("commands/")?;
        (!name.contains('/')).then_some((device, name))
    }

    /// Whether a state of our node's name was made by a daemon that was started after this one.
    pub fn is_newer_than_us(&self, state: &[u8]) -> bool {
        self.standing.content(&self.own_state).is_some_and(|own| is_newer(state, &own))
    }
}

/// What outlives a connection; all of it can be had from the journal again.
#[derive(Debug, Default)]
pub struct Memory {
    /// Up to where each device is settled.
    pub settled: BTreeMap<DeviceId, u64>,
    /// The highest sequence that was ever handed over.
    pub highest: BTreeMap<DeviceId, u64>,
}

impl Memory {
    /// Keeps how far a connection came.
    pub fn remember(&mut self, rows: &Rows) {
        for cursor in rows.cursors() {
            self.settled.insert(cursor.device.clone(), cursor.settled());
            self.highest.insert(cursor.device.clone(), cursor.highest());
        }
    }
}
