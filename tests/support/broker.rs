//! A broker that does what a script says, and notes everything that it sees and every breach of the standard.

// Shared by several tests, none of which uses all of it.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::packet::{self, Connect, Properties, Publish, Raw};

/// How the broker behaves; looked at anew for each connection, `refuse` for each PUBLISH.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The CONNACK's reason.
    pub connack: u8,
    /// Whether CONNACK says that the session is present, from the second connection on.
    pub resumes: bool,
    pub receive_maximum: Option<u16>,
    pub max_packet: Option<u32>,
    /// Holds a CONNECT to that too, and closes the connection without a word, as the Paho project's test broker does.
    pub minds_connect: bool,
    pub max_qos: Option<u8>,
    pub no_retain: bool,
    pub server_keep_alive: Option<u16>,
    /// Closes the connection after a random number of events between these.
    pub drops_after: Option<(u32, u32)>,
    /// Stops reading after so many events; each connection in turn when `sometimes`.
    pub stops_reading_after: Option<u32>,
    /// Reads on without acknowledging after so many events.
    pub silent_after: Option<u32>,
    /// The two above only on every third connection.
    pub sometimes: bool,
    /// Sends "session taken over" after so many events.
    pub taken_over_after: Option<u32>,
    /// The short form of DISCONNECT, without properties.
    pub long_disconnect: bool,
    /// Refuses a PUBLISH whose topic contains the text, with the reason.
    pub refuse: Vec<(String, u8)>,
    /// Acknowledges in random order.
    pub shuffles: bool,
}

/// What the broker saw.
#[derive(Debug, Clone)]
pub enum Seen {
    Connect(Connect),
    /// A PUBLISH, and the reason with which it was acknowledged, if it was.
    Publish(Publish, Option<u8>),
    Subscribe(Vec<(String, u8)>),
    Disconnect(u8),
    Closed,
}

/// A scripted broker on a port of its own.
pub struct Broker {
    pub port: u16,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    /// With the number of the connection, from 1.
    seen: Mutex<Vec<(usize, Seen)>>,
    breaches: Mutex<Vec<String>>,
    retained: Mutex<BTreeMap<String, Vec<u8>>>,
    count: watch::Sender<usize>,
    to_client: Mutex<Option<mpsc::UnboundedSender<Vec<u8>>>>,
    connections: Mutex<usize>,
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Broker {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared { script: Mutex::new(script), ..Shared::default() });
        let of_task = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&of_task)));
            }
        });
        Self { port, shared, task }
    }

    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.script.lock().expect("lock"));
    }

    pub fn retain(&self, topic: &str, payload: &str) {
        self.shared.retained.lock().expect("lock").insert(topic.to_owned(), payload.into());
    }

    pub fn retained(&self, topic: &str) -> Option<String> {
        let retained = self.shared.retained.lock().expect("lock");
        retained.get(topic).map(|payload| String::from_utf8_lossy(payload).into_owned())
    }

    /// Sends a PUBLISH to the client that is connected.
    pub fn send(&self, publish: &Publish) {
        let sender = self.shared.to_client.lock().expect("lock").clone();
        let _ = sender.expect("a connection").send(packet::to_client(publish));
    }

    pub fn seen(&self) -> Vec<(usize, Seen)> {
        self.shared.seen.lock().expect("lock").clone()
    }

    /// Breaches of the standard by the client.
    pub fn breaches(&self) -> Vec<String> {
        self.shared.breaches.lock().expect("lock").clone()
    }

    /// Waits until what was seen satisfies `enough`, looking again whenever something is seen.
    pub async fn until(&self, what: &str, mut enough: impl FnMut(&[(usize, Seen)]) -> bool) {
        let mut count = self.shared.count.subscribe();
        let wait = async {
            loop {
                count.borrow_and_update();
                if enough(&self.shared.seen.lock().expect("lock")) {
                    return;
                }
                count.changed().await.expect("the broker lives");
            }
        };
        if tokio::time::timeout(std::time::Duration::from_secs(120), wait).await.is_err() {
            let seen = self.seen();
            panic!("not seen: {what}; the last of {}: {:#?}", seen.len(), &seen[seen.len().saturating_sub(5)..]);
        }
    }
}

impl Shared {
    fn note(&self, connection: usize, seen: Seen) {
        self.seen.lock().expect("lock").push((connection, seen));
        self.count.send_modify(|count| *count += 1);
    }

    fn breach(&self, text: String) {
        self.breaches.lock().expect("lock").push(text);
    }
}

/// What one connection needs.
struct Connection {
    number: usize,
    shared: Arc<Shared>,
    script: Script,
    write: OwnedWriteHalf,
    events: u32,
    drop_after: Option<u32>,
    in_flight: BTreeSet<u16>,
    to_acknowledge: Vec<(u16, u8)>,
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let number = {
        let mut connections = shared.connections.lock().expect("lock");
        *connections += 1;
        *connections
    };
    let script = shared.script.lock().expect("lock").clone();
    let (read, write) = stream.into_split();
    let mut read = tokio::io::BufReader::new(read);
    let drop_after = script.drops_after.map(|(from, to)| fastrand::u32(from..=to));
    let mut connection = Connection {
        number,
        shared: Arc::clone(&shared),
        script,
        write,
        events: 0,
        drop_after,
        in_flight: BTreeSet::new(),
        to_acknowledge: Vec::new(),
    };
    let (sender, mut receiver) = mpsc::unbounded_channel();
    *shared.to_client.lock().expect("lock") = Some(sender);
    loop {
        let raw = tokio::select! {
            biased;
            Some(bytes) = receiver.recv() => {
                let _ = connection.write.write_all(&bytes).await;
                continue;
            }
            // Not cancelled half-way: the other branch is only taken before the first byte is there.
            ready = readable(&mut read) => {
                if !ready { break; }
                match packet::read(&mut read).await { Some(raw) => raw, None => break }
            }
        };
        if connection.take(raw).await.is_none() {
            break;
        }
        // Acknowledge when nothing more is there to read, as a busy broker does.
        if read.buffer().is_empty() || connection.to_acknowledge.len() > 40 {
            connection.acknowledge().await;
        }
        if connection.stuck() {
            std::future::pending::<()>().await;
        }
    }
    shared.note(number, Seen::Closed);
}

async fn readable(read: &mut tokio::io::BufReader<tokio::net::tcp::OwnedReadHalf>) -> bool {
    use tokio::io::AsyncBufReadExt;
    read.fill_buf().await.is_ok_and(|buffer| !buffer.is_empty())
}

impl Connection {
    fn misbehaves(&self) -> bool {
        !self.script.sometimes || self.number.is_multiple_of(3)
    }

    fn stuck(&self) -> bool {
        self.misbehaves() && self.script.stops_reading_after.is_some_and(|n| self.events >= n)
    }

    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.write.write_all(bytes).await;
    }

    /// Takes a packet; `None` ends the connection.
    async fn take(&mut self, raw: Raw) -> Option<()> {
        let is_connect = raw.header >> 4 == 1;
        if is_connect && self.script.minds_connect && self.script.max_packet.is_some_and(|max| raw.size > max as usize)
        {
            return None;
        }
        if !is_connect && self.script.max_packet.is_some_and(|max| raw.size > max as usize) {
            self.shared.breach(format!("a packet of {} bytes", raw.size));
        }
        match raw.header >> 4 {
            1 => self.connect(packet::connect(&raw.body)).await,
            3 => self.publish(packet::publish(&raw)).await,
            4 => Some(()),
            8 => {
                let (id, filters) = packet::subscribe(&raw);
                self.subscribe(id, filters).await;
                Some(())
            }
            12 => {
                self.send(&packet::packet(0xd0, &[])).await;
                Some(())
            }
            14 => {
                self.shared.note(self.number, Seen::Disconnect(raw.body.first().copied().unwrap_or(0)));
                Some(())
            }
            other => {
                self.shared.breach(format!("packet type {other}"));
                None
            }
        }
    }

    async fn connect(&mut self, connect: Connect) -> Option<()> {
        let mut properties = Vec::new();
        if let Some(max) = self.script.receive_maximum {
            properties.push(0x21);
            properties.extend_from_slice(&max.to_be_bytes());
        }
        if let Some(max) = self.script.max_packet {
            properties.push(0x27);
            properties.extend_from_slice(&max.to_be_bytes());
        }
        if let Some(max) = self.script.max_qos {
            properties.extend_from_slice(&[0x24, max]);
        }
        if self.script.no_retain {
            properties.extend_from_slice(&[0x25, 0]);
        }
        if let Some(seconds) = self.script.server_keep_alive {
            properties.push(0x13);
            properties.extend_from_slice(&seconds.to_be_bytes());
        }
        let code = if self.script.no_retain && connect.will.as_ref().is_some_and(|will| will.retain) {
            0x9a
        } else {
            self.script.connack
        };
        self.shared.note(self.number, Seen::Connect(connect));
        let present = code == 0 && self.script.resumes && self.number > 1;
        let mut body = vec![u8::from(present), code, properties.len() as u8];
        body.extend_from_slice(&properties);
        self.send(&packet::packet(0x20, &body)).await;
        (code == 0).then_some(())
    }

    async fn subscribe(&mut self, id: u16, filters: Vec<(String, u8)>) {
        if self.in_flight.contains(&id) {
            self.shared.breach(format!("SUBSCRIBE uses the packet identifier {id}, which a PUBLISH has"));
        }
        let mut body = id.to_be_bytes().to_vec();
        body.push(0);
        body.extend(filters.iter().map(|(_, options)| options & 3));
        self.send(&packet::packet(0x90, &body)).await;
        for (filter, _) in &filters {
            let payload = self.shared.retained.lock().expect("lock").get(filter).cloned();
            if let Some(payload) = payload {
                let publish = Publish {
                    topic: filter.clone(),
                    payload,
                    qos: 0,
                    retain: true,
                    dup: false,
                    id: 0,
                    properties: Properties::default(),
                };
                self.send(&packet::to_client(&publish)).await;
            }
        }
        self.shared.note(self.number, Seen::Subscribe(filters));
    }

    async fn publish(&mut self, publish: Publish) -> Option<()> {
        if publish.properties.alias.is_some() || publish.topic.is_empty() {
            self.shared.breach("a topic alias".into());
        }
        if publish.qos != 1 || publish.dup {
            self.shared.breach(format!("QoS {} dup {}", publish.qos, publish.dup));
        }
        if publish.retain && self.script.no_retain {
            self.shared.breach("retained, though that is not available".into());
        }
        if !self.in_flight.insert(publish.id) || publish.id == 0 {
            self.shared.breach(format!("packet identifier {} is in use", publish.id));
        }
        if self.in_flight.len() > usize::from(self.script.receive_maximum.unwrap_or(u16::MAX)) {
            self.shared.breach(format!("{} unacknowledged", self.in_flight.len()));
        }
        if publish.properties.utf8 && std::str::from_utf8(&publish.payload).is_err() {
            self.shared.breach("the payload is not UTF-8".into());
        }
        let event = publish.topic.contains("/events/");
        self.events += u32::from(event);
        let refuse = self.shared.script.lock().expect("lock").refuse.clone();
        let reason = refuse.iter().find(|(text, _)| publish.topic.contains(text)).map_or(0, |(_, reason)| *reason);
        let silent = event && self.misbehaves() && self.script.silent_after.is_some_and(|n| self.events > n);
        let id = publish.id;
        if publish.retain && reason < 0x80 {
            let mut retained = self.shared.retained.lock().expect("lock");
            if publish.payload.is_empty() {
                retained.remove(&publish.topic);
            } else {
                retained.insert(publish.topic.clone(), publish.payload.clone());
            }
        }
        if !silent {
            self.to_acknowledge.push((id, reason));
        }
        self.shared.note(self.number, Seen::Publish(publish, (!silent).then_some(reason)));
        if event && self.script.taken_over_after == Some(self.events) {
            self.acknowledge().await;
            let long: &[u8] = if self.script.long_disconnect { &[0x8e, 0] } else { &[0x8e] };
            self.send(&packet::packet(0xe0, long)).await;
            return None;
        }
        // What is not yet acknowledged then never is.
        (!event || self.drop_after.is_none_or(|n| self.events < n)).then_some(())
    }

    async fn acknowledge(&mut self) {
        if self.script.shuffles {
            fastrand::shuffle(&mut self.to_acknowledge);
        }
        let mut bytes = Vec::new();
        for (id, reason) in std::mem::take(&mut self.to_acknowledge) {
            self.in_flight.remove(&id);
            let [high, low] = id.to_be_bytes();
            match reason {
                0 => bytes.extend_from_slice(&packet::packet(0x40, &[high, low])),
                reason => bytes.extend_from_slice(&packet::packet(0x40, &[high, low, reason, 0])),
            }
        }
        self.send(&bytes).await;
    }
}
