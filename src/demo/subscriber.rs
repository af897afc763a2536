//! An observer at the broker that knows of the daemon only what the contract says.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::broker::Place;
use super::score::{Counter, Made, Scores};
use super::stage::BIOLECTOR_XT;

/// Requests of the client library that wait; there are two at most.
const REQUESTS: usize = 8;
/// Events that the story has not told yet. When it is full the observer waits, and with it the broker.
const UNTOLD: usize = 1024;
/// Before a lost connection is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// The largest packet the observer takes.
const LARGEST_PACKET: u32 = 1 << 20;
/// Between two looks at the count.
const LOOK: Duration = Duration::from_millis(100);
/// How long the goodbye to a foreign broker may take.
const GOODBYE: Duration = Duration::from_secs(3);

/// What an observer reads of an event.
#[derive(Debug, Clone, Deserialize)]
pub struct Heard {
    id: String,
    sequence: String,
    /// The device, from the topic.
    #[serde(skip)]
    pub device: String,
    /// The CloudEvents type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// How it came to the daemon.
    #[serde(default)]
    pub ingest: String,
    /// The typed data.
    #[serde(default)]
    pub data: Value,
}

/// A subscriber at work.
#[derive(Debug)]
pub struct Subscriber {
    client: AsyncClient,
    heard: mpsc::Receiver<Heard>,
    scores: watch::Receiver<Scores>,
    ready: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Subscriber {
    /// Connects to the broker and subscribes to the events of all devices under `root`.
    pub fn start(broker: &Place, root: &str) -> Self {
        let name = format!("instrumentd-demo-observer-{}", std::process::id());
        let mut options = MqttOptions::new(name, broker.host.clone(), broker.port);
        let mut properties = ConnectProperties::new();
        properties.max_packet_size = Some(LARGEST_PACKET);
        options.set_connect_properties(properties);
        options.set_keep_alive(Duration::from_secs(10));
        let (client, events) = AsyncClient::new(options, REQUESTS);
        let (tell, heard) = mpsc::channel(UNTOLD);
        let (count, scores) = watch::channel(Scores::default());
        let (up, ready) = watch::channel(false);
        let devices = format!("{root}/devices/");
        let task = tokio::spawn(listen(events, client.clone(), devices, tell, count, up));
        Self { client, heard, scores, ready, task }
    }

    /// Waits until the subscription stands; false where it does not within `patience`.
    pub async fn wait_until_ready(&mut self, patience: Duration) -> bool {
        matches!(tokio::time::timeout(patience, self.ready.wait_for(|ready| *ready)).await, Ok(Ok(_)))
    }

    /// The next event worth telling, in the order of arrival.
    pub async fn heard(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }

    /// Waits, no longer than `patience`, until all that was made has arrived; gives what is worth telling of it.
    pub async fn hear_out(&mut self, made: &Made, patience: Duration) -> Vec<Heard> {
        let deadline = Instant::now() + patience;
        let mut heard = Vec::new();
        while self.scores.borrow().missing(made) > 0 && Instant::now() < deadline {
            // The last ones may not be worth telling: the count is looked at again all the same.
            if let Ok(Some(one)) = tokio::time::timeout(LOOK, self.heard.recv()).await {
                heard.push(one);
            }
        }
        heard.extend(std::iter::from_fn(|| self.heard.try_recv().ok()));
        heard
    }

    /// The count so far.
    pub fn scores(&self) -> Scores {
        self.scores.borrow().clone()
    }

    /// Removes retained messages from a broker that is not ours.
    pub async fn forget(&self, topics: &[String]) {
        let clear = async {
            for topic in topics {
                // A broker that takes it not keeps a state that says `stopped`: untidy, not wrong.
                let _ = self.client.publish(topic, QoS::AtLeastOnce, true, Vec::new()).await;
            }
            let _ = self.client.disconnect().await;
        };
        let _ = tokio::time::timeout(GOODBYE, clear).await;
    }

    /// Waits until the goodbye is said.
    pub async fn end(mut self) {
        drop(self.heard);
        let _ = tokio::time::timeout(GOODBYE, &mut self.task).await;
        self.task.abort();
    }
}

async fn listen(
    mut events: EventLoop,
    client: AsyncClient,
    devices: String,
    tell: mpsc::Sender<Heard>,
    count: watch::Sender<Scores>,
    up: watch::Sender<bool>,
) {
    let mut counter = Counter::default();
    let filter = format!("{devices}+/events/#");
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                // A full request queue is the only reason to refuse, and it is empty after a connect.
                let _ = client.try_subscribe(filter.clone(), QoS::AtLeastOnce);
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                up.send_replace(true);
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let heard = read(&message.payload, &message.topic, &devices);
                let first = match &heard {
                    Some((heard, sequence)) => counter.count(&heard.device, &heard.id, *sequence),
                    None => {
                        counter.unreadable();
                        false
                    }
                };
                count.send_replace(counter.scores());
                if let Some((heard, _)) = heard.filter(|(heard, _)| first && worth_telling(heard)) {
                    // The story is over when nobody listens; counting goes on.
                    let _ = tell.send(heard).await;
                }
            }
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return,
            Ok(_) => {}
            Err(_) => {
                up.send_replace(false);
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// An event and its sequence; `None` where the message is none.
fn read(payload: &[u8], topic: &[u8], devices: &str) -> Option<(Heard, u64)> {
    let mut heard = serde_json::from_slice::<Heard>(payload).ok()?;
    let topic = std::str::from_utf8(topic).ok()?;
    heard.device = topic.strip_prefix(devices)?.split('/').next()?.to_owned();
    let sequence = heard.sequence.parse().ok()?;
    Some((heard, sequence))
}

/// Whether the story needs the event: of the many readings only those of one well, those without a value, and those of the
/// BioLector XT, which are counted; of the robot's steps those without a beginning.
fn worth_telling(heard: &Heard) -> bool {
    let data = &heard.data;
    match heard.event_type.as_str() {
        "instrumentd.cultivation.measured.v1" => {
            heard.device == BIOLECTOR_XT || data["quality"] != "ok" || data["well"] == "A01"
        }
        "instrumentd.sampling.dispensed.v1" => is_without_aspirate(data),
        "instrumentd.cultivation.environment.v1"
        | "instrumentd.cultivation.referenced.v1"
        | "instrumentd.sampling.aspirated.v1"
        | "instrumentd.acquisition.progressed.v1" => false,
        _ => true,
    }
}

/// Whether liquid came out of a tip into which the daemon never saw it go.
fn is_without_aspirate(data: &Value) -> bool {
    data["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "no-aspirate"))
}
