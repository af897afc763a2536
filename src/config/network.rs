//! Values of brokers: hosts, topic roots, response prefixes.

use std::net::{IpAddr, Ipv6Addr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::codes::Code;
use super::reader::{Read, Reader, Value};
use super::values::schema;

/// A host name or address, without scheme and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(pub String);

schema!([] Host, "Host", {"type": "string", "pattern": "^([A-Za-z0-9._-]+|[0-9A-Fa-f:.%]+)$"});

impl Host {
    /// Whether it can only be this machine.
    pub fn is_loopback(&self) -> bool {
        let name = self.0.trim_end_matches('.');
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl Read for Host {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(value, "a host name or address")?;
        let is_name = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if is_name(text) || text.parse::<Ipv6Addr>().is_ok() {
            return Some(Self(text.to_owned()));
        }
        let bare = text.split("://").last().unwrap_or(text);
        let bare = bare.rsplit('@').next().unwrap_or(bare).trim_end_matches('/');
        let (host, port) = match bare.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port.parse::<u16>().ok()),
            _ => (bare, None),
        };
        let host = host.trim_matches(['[', ']']);
        let uses_tls = ["mqtts://", "ssl://", "tls://", "wss://"].iter().any(|scheme| text.starts_with(scheme));
        // The text may hold a password; the place shows it blotted out.
        let problem = reader.report(Code::BadHost, value.span(), "this is not a host name or address alone");
        if is_name(host) || host.parse::<Ipv6Addr>().is_ok() {
            let port = port.map(|port| format!(" and `port = {port}`")).unwrap_or_default();
            problem.help(format!("write `host = \"{host}\"`{port}"));
        } else {
            problem.help("write a name such as \"broker.example.org\" or an address such as \"192.0.2.10\"");
        }
        if uses_tls {
            problem.help("TLS is asked for by `tls = { ca_file = \"…\" }`");
        }
        if text.contains("://") {
            problem.help("user and password have their own keys, `user` and `password_file`");
        }
        None
    }
}

/// The longest root or prefix: with site, device and event name a topic stays far below MQTT's 65 535 bytes.
const MAX_TOPIC: usize = 200;

/// What is wrong with a topic's beginning, if anything.
fn topic_mistake(text: &str) -> Option<&'static str> {
    match text {
        "" => Some("it is empty"),
        t if t.len() > MAX_TOPIC => Some("it is longer than 200 bytes"),
        t if t.contains(['+', '#']) => Some("`+` and `#` are wildcards of subscriptions"),
        t if t.starts_with('$') => Some("topics that begin with `$` belong to the broker"),
        t if t.starts_with('/') => Some("a slash at the start makes an empty level"),
        t if t.contains("//") => Some("two slashes make an empty level"),
        t if t.chars().any(char::is_control) => Some("it holds control characters"),
        _ => None,
    }
}

fn read_topic(value: &Value<'_>, reader: &mut Reader, what: &str, example: &str) -> Option<String> {
    let text = reader.text(value, what)?;
    let plain = text.strip_suffix('/').unwrap_or(text);
    let Some(mistake) = topic_mistake(plain) else { return Some(plain.to_owned()) };
    reader
        .report(Code::BadTopic, value.span(), format!("`{text}` cannot be {what}: {mistake}"))
        .help(format!("write levels with slashes between them: \"{example}\""));
    None
}

/// The first levels of every topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRoot(pub String);

schema!([] TopicRoot, "TopicRoot", {"type": "string", "pattern": "^[^/+#$][^+#]*$", "maxLength": 200});

impl Read for TopicRoot {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        read_topic(value, reader, "a topic root", "instrumentd/v1").map(Self)
    }
}

/// The levels under which response topics must lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponsePrefix(pub String);

schema!([] ResponsePrefix, "ResponsePrefix", {"type": "string", "pattern": "^[^/+#$][^+#]*$", "maxLength": 200});

impl Read for ResponsePrefix {
    fn read(value: &Value<'_>, reader: &mut Reader) -> Option<Self> {
        read_topic(value, reader, "a response prefix", "instrumentd/v1/foundry/responses").map(Self)
    }
}
