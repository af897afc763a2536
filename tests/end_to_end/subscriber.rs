//! An independent subscriber: what it got, checked as a careful consumer would.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::{Value, json};

use crate::wait_for;

#[derive(Default)]
pub struct Received {
    /// Events by device and sequence, with the bytes of the first delivery.
    pub events: BTreeMap<(String, u64), (Value, Vec<u8>)>,
    /// Every first delivery in the order of arrival.
    pub order: Vec<(String, u64)>,
    pub deliveries: u64,
    /// What is wrong: an id under two sequences, other bytes in a second delivery, no JSON.
    pub complaints: Vec<String>,
    pub retained: BTreeMap<String, Value>,
    pub answers: Vec<Value>,
    pub connections: u64,
}

pub struct Subscriber {
    pub received: Arc<Mutex<Received>>,
    client: AsyncClient,
    runtime: tokio::runtime::Runtime,
}

impl Subscriber {
    /// One whom the broker forgets as soon as he is gone.
    pub fn connect(port: u16) -> Self {
        Self::connect_with(port, true)
    }

    /// One for whom the broker keeps what comes while he is away.
    pub fn connect_remembered(port: u16) -> Self {
        Self::connect_with(port, false)
    }

    fn connect_with(port: u16, forgotten: bool) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let mut options = MqttOptions::new("subscriber", "127.0.0.1", port);
        options.set_clean_start(forgotten).set_keep_alive(Duration::from_secs(5)).set_max_packet_size(Some(1 << 24));
        if !forgotten {
            options.set_session_expiry_interval(Some(3600));
        }
        let (client, mut events) = AsyncClient::new(options, 64);
        let received = Arc::new(Mutex::new(Received::default()));
        let (into, topics) = (received.clone(), client.clone());
        runtime.spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        into.lock().expect("unpoisoned").connections += 1;
                        let filters = ["instrumentd/v1/#", "answers/#"].map(|path| Filter {
                            path: path.to_owned(),
                            qos: QoS::AtLeastOnce,
                            ..Filter::default()
                        });
                        topics.try_subscribe_many(filters).expect("room for a request");
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                        into.lock().expect("unpoisoned").take(&topic, &publish.payload);
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        let subscriber = Self { received, client, runtime };
        wait_for("the subscriber to connect", || subscriber.with(|r| r.connections > 0));
        subscriber
    }

    pub fn with<T>(&self, look: impl FnOnce(&Received) -> T) -> T {
        look(&self.received.lock().expect("unpoisoned"))
    }

    /// Asks the node for what is missing, as a consumer that saw a hole does. The broker that died took with it what
    /// it had acknowledged and not yet delivered.
    pub fn ask_for_replay(&self, node: &str, device: &str, journal: &str, from: u64, to: u64) {
        let properties = PublishProperties {
            response_topic: Some("answers/here".to_owned()),
            correlation_data: Some("holes".into()),
            ..PublishProperties::default()
        };
        let request = json!({"device": device, "journal": journal, "from": from, "to": to}).to_string();
        let topic = format!("instrumentd/v1/lab/nodes/{node}/requests/replay");
        let publish = self.client.publish_with_properties(topic, QoS::AtLeastOnce, false, request, properties);
        self.runtime.block_on(publish).expect("a request is handed over");
    }

    /// Asks again and again until every sequence of `device` up to `last` is there.
    pub fn fill_holes(&self, node: &str, device: &str, journal: &str, last: u64) {
        wait_for("every event, asked for again where a dying broker took it along", || {
            let holes = self.holes(device, last);
            let answered = self.with(|r| r.answers.len());
            if let (Some(first), Some(end)) = (holes.first(), holes.last()) {
                self.ask_for_replay(node, device, journal, *first, *end);
                wait_for("an answer", || {
                    self.with(|r| r.answers.len()) > answered || self.holes(device, last).is_empty()
                });
            }
            holes.is_empty()
        });
    }

    /// The sequences of `device` from 1 to `last` that did not arrive.
    pub fn holes(&self, device: &str, last: u64) -> Vec<u64> {
        self.with(|r| (1..=last).filter(|s| !r.events.contains_key(&(device.to_owned(), *s))).collect())
    }
}

impl Received {
    fn take(&mut self, topic: &str, payload: &[u8]) {
        let Ok(value) = serde_json::from_slice::<Value>(payload) else {
            if !payload.is_empty() {
                self.complaints.push(format!("{topic}: no JSON"));
            }
            return;
        };
        if topic.ends_with("/state") || topic.ends_with("/info") {
            self.retained.insert(topic.to_owned(), value);
            return;
        }
        if topic.contains("/requests/") {
            return;
        }
        let Some(sequence) = value["sequence"].as_str().and_then(|s| s.parse::<u64>().ok()) else {
            self.answers.push(value);
            return;
        };
        self.deliveries += 1;
        let key = (value["partitionkey"].as_str().unwrap_or_default().to_owned(), sequence);
        match self.events.get(&key) {
            None => {
                self.order.push(key.clone());
                self.events.insert(key, (value, payload.to_vec()));
            }
            Some((_, first)) if first != payload => {
                self.complaints.push(format!("{key:?}: another delivery carries other bytes"));
            }
            Some(_) => {}
        }
    }
}
