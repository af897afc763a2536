//! Whether another instance publishes for the same devices.
//!
//! A device's retained `info` names the node that publishes for it, and that node's retained `state` says whether it
//! lives. What is found before the first own publication decides: a device that belongs to another live node is not
//! published for, and nobody is fought.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::event::{DeviceId, NodeId};

/// What the broker has retained about our devices and their nodes.
#[derive(Debug, Default)]
pub struct Claims {
    /// The node that a device's info names.
    owners: BTreeMap<DeviceId, String>,
    /// Whether a node is online, and what it said.
    nodes: BTreeMap<String, (bool, Vec<u8>)>,
}

/// The members of an `info` and of a node's `state` that matter here; the rest is ignored.
#[derive(Debug, Deserialize)]
struct Facts {
    node: Option<String>,
    state: Option<String>,
    since: Option<String>,
}

/// What a message below the site's prefix is about.
#[derive(Debug, PartialEq, Eq)]
pub enum About {
    /// The info of a device of ours names this node; `None` where it was cleared or names none.
    Owner(DeviceId, Option<String>),
    /// A node is online, or is not.
    Node(String, bool),
    /// Anything else.
    Other,
}

/// Reads a message on `topic`, which is below the site's prefix.
pub fn about(topic: &str, payload: &[u8]) -> About {
    let facts = serde_json::from_slice::<Facts>(payload).ok();
    let mut levels = topic.split('/');
    match (levels.next(), levels.next(), levels.next(), levels.next()) {
        (Some("devices"), Some(device), Some("info"), None) => match device.parse() {
            Ok(device) => About::Owner(device, facts.and_then(|facts| facts.node)),
            Err(_) => About::Other,
        },
        (Some("nodes"), Some(node), Some("state"), None) => {
            About::Node(node.to_owned(), facts.and_then(|facts| facts.state).as_deref() == Some("online"))
        }
        _ => About::Other,
    }
}

/// Whether `theirs`, a state of the node that we are, comes from a daemon that was started after the one that made
/// `ours`. One that is older is a run before this one, or has been told by the broker that we took its session.
pub fn is_newer(theirs: &[u8], ours: &[u8]) -> bool {
    let since = |payload| serde_json::from_slice::<Facts>(payload).ok()?.since?.parse::<Timestamp>().ok();
    since(theirs).zip(since(ours)).is_some_and(|(theirs, ours)| theirs > ours)
}

impl Claims {
    /// Notes a retained message.
    pub fn note(&mut self, topic: &str, payload: &[u8]) {
        match about(topic, payload) {
            About::Owner(device, Some(node)) => {
                self.owners.insert(device, node);
            }
            About::Owner(device, None) => {
                self.owners.remove(&device);
            }
            About::Node(node, online) => {
                self.nodes.insert(node, (online, payload.to_vec()));
            }
            About::Other => {}
        }
    }

    /// Nodes other than `own` that are named and whose state is not known yet.
    pub fn unknown_nodes(&self, own: &NodeId) -> Vec<String> {
        let mut nodes: Vec<_> =
            self.owners.values().filter(|n| *n != own.as_str() && !self.nodes.contains_key(*n)).cloned().collect();
        nodes.sort();
        nodes.dedup();
        nodes
    }

    /// A live node other than `own` to which one of our devices belongs.
    pub fn rival(&self, own: &NodeId) -> Option<(DeviceId, String)> {
        let live = |node: &String| node != own.as_str() && self.nodes.get(node).is_some_and(|(online, _)| *online);
        self.owners.iter().find(|(_, node)| live(node)).map(|(device, node)| (device.clone(), node.clone()))
    }

    /// What our own node's state says, where it says `online`.
    pub fn own_state(&self, own: &NodeId) -> Option<&[u8]> {
        self.nodes.get(own.as_str()).filter(|(online, _)| *online).map(|(_, payload)| payload.as_slice())
    }

    /// Whether the info of `device` names `own`.
    pub fn is_owner(&self, device: &DeviceId, own: &NodeId) -> bool {
        self.owners.get(device).is_some_and(|node| node == own.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_daemons_with_one_node_name_the_later_counts() {
        let state = |since: &str| format!(r#"{{"state":"online","since":"{since}"}}"#).into_bytes();
        let (early, late) = (state("2026-11-20T10:00:00.000Z"), state("2026-11-20T10:00:00.001Z"));
        assert!(is_newer(&late, &early));
        assert!(!is_newer(&early, &late) && !is_newer(&late, &late));
        assert!(!is_newer(b"{}", &early) && !is_newer(&late, b"{}"));
    }

    #[test]
    fn only_a_live_other_node_is_a_rival() {
        let own: NodeId = "here".parse().expect("valid");
        let mut claims = Claims::default();
        claims.note("devices/a/info", br#"{"node":"here","profile":"x"}"#);
        assert_eq!(claims.rival(&own), None);
        claims.note("devices/b/info", br#"{"node":"there"}"#);
        assert_eq!(claims.unknown_nodes(&own), ["there"]);
        assert_eq!(claims.rival(&own), None);
        claims.note("nodes/there/state", br#"{"state":"offline"}"#);
        assert_eq!(claims.rival(&own), None);
        claims.note("nodes/there/state", br#"{"state":"online","since":"x"}"#);
        assert_eq!(claims.rival(&own), Some(("b".parse().expect("valid"), "there".into())));
        claims.note("devices/b/info", b"");
        assert_eq!(claims.rival(&own), None);
        claims.note("devices/b/info", b"not json");
        claims.note("elsewhere", b"{}");
        assert_eq!(claims.rival(&own), None);
        assert!(claims.is_owner(&"a".parse().expect("valid"), &own));
    }
}
