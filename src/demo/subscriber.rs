//! An observer at the broker that knows of the daemon only what the contract says.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::broker::Place;
use super::score::{Counter, Score};

/// Requests of the client library that wait; there are two at most.
const REQUESTS: usize = 8;
/// Events that the story has not told yet. When it is full the observer waits, and with it the broker.
const UNTOLD: usize = 1024;
/// Before a lost connection is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// The largest packet the observer takes.
const LARGEST_PACKET: u32 = 1 << 20;
/// How long the goodbye to a foreign broker may take.
const GOODBYE: Duration = Duration::from_secs(3);

/// What an observer reads of an event.
#[derive(Debug, Clone, Deserialize)]
pub struct Heard {
    id: String,
    sequence: String,
    /// The CloudEvents type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The typed data.
    #[serde(default)]
    pub data: Value,
}

/// A subscriber at work.
#[derive(Debug)]
pub struct Subscriber {
    client: AsyncClient,
    heard: mpsc::Receiver<Heard>,
    score: watch::Receiver<Score>,
    ready: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Subscriber {
    /// Connects to the broker and subscribes to the events of one device.
    pub fn start(broker: &Place, device_topic: &str) -> Self {
        let name = format!("instrumentd-demo-observer-{}", std::process::id());
        let mut options = MqttOptions::new(name, broker.host.clone(), broker.port);
        let mut properties = ConnectProperties::new();
        properties.max_packet_size = Some(LARGEST_PACKET);
        options.set_connect_properties(properties);
        options.set_keep_alive(Duration::from_secs(10));
        let (client, events) = AsyncClient::new(options, REQUESTS);
        let (tell, heard) = mpsc::channel(UNTOLD);
        let (count, score) = watch::channel(Score::default());
        let (up, ready) = watch::channel(false);
        let filter = format!("{device_topic}/events/#");
        let task = tokio::spawn(listen(events, client.clone(), filter, tell, count, up));
        Self { client, heard, score, ready, task }
    }

    /// Waits until the subscription stands; false where it does not within `patience`.
    pub async fn wait_until_ready(&mut self, patience: Duration) -> bool {
        matches!(tokio::time::timeout(patience, self.ready.wait_for(|ready| *ready)).await, Ok(Ok(_)))
    }

    /// The next event worth telling, in the order of arrival.
    pub async fn heard(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }

    /// The count so far.
    pub fn score(&self) -> Score {
        *self.score.borrow()
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
    filter: String,
    tell: mpsc::Sender<Heard>,
    count: watch::Sender<Score>,
    up: watch::Sender<bool>,
) {
    let mut counter = Counter::default();
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
                let heard = serde_json::from_slice::<Heard>(&message.payload).ok();
                let heard = heard.and_then(|heard| heard.sequence.parse().ok().map(|sequence| (heard, sequence)));
                let first = match &heard {
                    Some((heard, sequence)) => counter.count(&heard.id, *sequence),
                    None => {
                        counter.unreadable();
                        false
                    }
                };
                count.send_replace(counter.score());
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

/// Whether the story needs the event: of the many readings only those of one well, and those without a value.
fn worth_telling(heard: &Heard) -> bool {
    match heard.event_type.as_str() {
        "instrumentd.cultivation.measured.v1" => heard.data["quality"] != "ok" || heard.data["well"] == "A01",
        "instrumentd.cultivation.environment.v1" | "instrumentd.cultivation.referenced.v1" => false,
        _ => true,
    }
}
