//! Just enough of MQTT 5 to be a broker in a test: read what a client sends, write what it expects.

// Shared by several tests, none of which uses all of it.
#![allow(dead_code)]

use tokio::io::{AsyncRead, AsyncReadExt};

/// A packet as it came, without its fixed header.
pub struct Raw {
    /// The first byte: type and flags.
    pub header: u8,
    /// Everything after the length.
    pub body: Vec<u8>,
    /// The size of the whole packet.
    pub size: usize,
}

/// Reads one packet; `None` at the end of the stream.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Raw> {
    let header = stream.read_u8().await.ok()?;
    let (mut length, mut shift, mut bytes) = (0usize, 0, 1);
    loop {
        let byte = stream.read_u8().await.ok()?;
        bytes += 1;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Raw { header, size: bytes + length, body })
}

/// A packet with this first byte and body.
pub fn packet(header: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![header];
    length(&mut out, body.len());
    out.extend_from_slice(body);
    out
}

fn length(out: &mut Vec<u8>, mut n: usize) {
    loop {
        let byte = (n % 128) as u8;
        n /= 128;
        out.push(if n > 0 { byte | 0x80 } else { byte });
        if n == 0 {
            return;
        }
    }
}

/// Reads the parts of a body one after the other. Test code: a malformed packet fails the test by panicking.
pub struct Parts<'a>(pub &'a [u8]);

impl<'a> Parts<'a> {
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (part, rest) = self.0.split_at(n);
        self.0 = rest;
        part
    }

    pub fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().expect("two bytes"))
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        let n = self.u16();
        self.take(n.into()).to_vec()
    }

    pub fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).expect("UTF-8")
    }

    fn variable(&mut self) -> usize {
        let (mut n, mut shift) = (0usize, 0);
        loop {
            let byte = self.u8();
            n |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return n;
            }
        }
    }

    pub fn properties(&mut self) -> Properties {
        let n = self.variable();
        let mut parts = Parts(self.take(n));
        let mut p = Properties::default();
        while !parts.0.is_empty() {
            match parts.u8() {
                0x01 => p.utf8 = parts.u8() == 1,
                0x02 => p.expiry = Some(parts.u32()),
                0x03 => p.content_type = Some(parts.text()),
                0x08 => p.response_topic = Some(parts.text()),
                0x09 => p.correlation = Some(parts.bytes()),
                0x11 => p.session_expiry = Some(parts.u32()),
                0x18 => p.will_delay = Some(parts.u32()),
                0x21 => p.receive_maximum = Some(parts.u16()),
                0x22 => p.alias_maximum = Some(parts.u16()),
                0x23 => p.alias = Some(parts.u16()),
                0x27 => p.max_packet = Some(parts.u32()),
                other => panic!("property {other:#x} is not expected from our client"),
            }
        }
        p
    }
}

/// The properties that our client may send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    pub utf8: bool,
    pub expiry: Option<u32>,
    pub content_type: Option<String>,
    pub response_topic: Option<String>,
    pub correlation: Option<Vec<u8>>,
    pub session_expiry: Option<u32>,
    pub will_delay: Option<u32>,
    pub receive_maximum: Option<u16>,
    pub alias_maximum: Option<u16>,
    pub alias: Option<u16>,
    pub max_packet: Option<u32>,
}

/// A CONNECT.
#[derive(Debug, Clone)]
pub struct Connect {
    pub client_id: String,
    pub clean_start: bool,
    pub keep_alive: u16,
    pub properties: Properties,
    pub will: Option<Will>,
    pub user: Option<String>,
    pub password: Option<Vec<u8>>,
}

/// A last will.
#[derive(Debug, Clone)]
pub struct Will {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
    pub qos: u8,
    pub properties: Properties,
}

/// A PUBLISH.
#[derive(Debug, Clone)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    pub id: u16,
    pub properties: Properties,
}

pub fn connect(body: &[u8]) -> Connect {
    let mut parts = Parts(body);
    assert_eq!((parts.text().as_str(), parts.u8()), ("MQTT", 5));
    let flags = parts.u8();
    assert_eq!(flags & 1, 0, "the reserved flag is set");
    let keep_alive = parts.u16();
    let properties = parts.properties();
    let client_id = parts.text();
    let will = (flags & 0x04 != 0).then(|| {
        let properties = parts.properties();
        let (topic, payload) = (parts.text(), parts.bytes());
        Will { topic, payload, retain: flags & 0x20 != 0, qos: flags >> 3 & 3, properties }
    });
    let user = (flags & 0x80 != 0).then(|| parts.text());
    let password = (flags & 0x40 != 0).then(|| parts.bytes());
    assert!(parts.0.is_empty(), "more than a CONNECT");
    Connect { client_id, clean_start: flags & 2 != 0, keep_alive, properties, will, user, password }
}

pub fn publish(raw: &Raw) -> Publish {
    let mut parts = Parts(&raw.body);
    let topic = parts.text();
    let qos = raw.header >> 1 & 3;
    let id = if qos > 0 { parts.u16() } else { 0 };
    let properties = parts.properties();
    let (retain, dup) = (raw.header & 1 != 0, raw.header & 8 != 0);
    Publish { topic, payload: parts.0.to_vec(), qos, retain, dup, id, properties }
}

/// The identifier and the filters of a SUBSCRIBE, each with its options.
pub fn subscribe(raw: &Raw) -> (u16, Vec<(String, u8)>) {
    assert_eq!(raw.header & 0x0f, 2);
    let mut parts = Parts(&raw.body);
    let id = parts.u16();
    parts.properties();
    let mut filters = Vec::new();
    while !parts.0.is_empty() {
        let filter = parts.text();
        filters.push((filter, parts.u8()));
    }
    (id, filters)
}

/// A PUBLISH to the client.
pub fn to_client(publish: &Publish) -> Vec<u8> {
    let mut properties = Vec::new();
    if let Some(topic) = &publish.properties.response_topic {
        properties.push(0x08);
        properties.extend_from_slice(&(topic.len() as u16).to_be_bytes());
        properties.extend_from_slice(topic.as_bytes());
    }
    if let Some(data) = &publish.properties.correlation {
        properties.push(0x09);
        properties.extend_from_slice(&(data.len() as u16).to_be_bytes());
        properties.extend_from_slice(data);
    }
    let mut body = (publish.topic.len() as u16).to_be_bytes().to_vec();
    body.extend_from_slice(publish.topic.as_bytes());
    if publish.qos > 0 {
        body.extend_from_slice(&publish.id.to_be_bytes());
    }
    length(&mut body, properties.len());
    body.extend_from_slice(&properties);
    body.extend_from_slice(&publish.payload);
    packet(0x30 | publish.qos << 1 | u8::from(publish.retain), &body)
}
