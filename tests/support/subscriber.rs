//! An independent subscriber that comes back whenever it loses its broker.

// Shared by several tests, none of which uses all of it.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tokio::sync::watch;

/// What it received, in order.
pub struct Subscriber {
    got: Arc<Mutex<Vec<Publish>>>,
    count: watch::Sender<usize>,
    connected: watch::Receiver<bool>,
    client: AsyncClient,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Subscriber {
    /// Subscribes with QoS 1 and waits until that is acknowledged.
    pub async fn start(port: u16, filter: &str, user: Option<&str>) -> Self {
        let mut options = MqttOptions::new(format!("test-{}", fastrand::u32(..)), "127.0.0.1", port);
        options.set_clean_start(false).set_session_expiry_interval(Some(3600)).set_max_packet_size(Some(1 << 24));
        options.set_outgoing_inflight_upper_limit(100);
        if let Some(user) = user {
            options.set_credentials(user, "");
        }
        let (client, mut eventloop) = AsyncClient::new(options, 100);
        let got = Arc::new(Mutex::new(Vec::new()));
        let count = watch::Sender::new(0);
        let (up, connected) = watch::channel(false);
        let (of_task, to_count, subscriber, filter) = (got.clone(), count.clone(), client.clone(), filter.to_owned());
        let task = tokio::spawn(async move {
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        let _ = subscriber.try_subscribe(filter.clone(), QoS::AtLeastOnce);
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        let _ = up.send(true);
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        of_task.lock().expect("lock").push(publish);
                        to_count.send_modify(|n| *n += 1);
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let subscriber = Self { got, count, connected, client, task };
        subscriber.connected.clone().wait_for(|up| *up).await.expect("it lives");
        subscriber
    }

    pub fn got(&self) -> Vec<Publish> {
        self.got.lock().expect("lock").clone()
    }

    /// Publishes a request.
    pub fn request(&self, topic: &str, payload: String, response_topic: &str) {
        let properties =
            PublishProperties { response_topic: Some(response_topic.into()), ..PublishProperties::default() };
        self.client
            .try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties)
            .expect("room in the channel");
    }

    /// Publishes anything, with QoS 1.
    pub fn publish(&self, topic: &str, retain: bool, payload: &str, properties: PublishProperties) {
        self.client
            .try_publish_with_properties(topic, QoS::AtLeastOnce, retain, payload.to_owned(), properties)
            .expect("room in the channel");
    }

    /// Waits until what was received satisfies `enough`.
    pub async fn until(&self, what: &str, mut enough: impl FnMut(&[Publish]) -> bool) {
        let mut count = self.count.subscribe();
        let wait = count.wait_for(|_| enough(&self.got.lock().expect("lock")));
        if tokio::time::timeout(Duration::from_secs(120), wait).await.is_err() {
            panic!("not received: {what}; {} messages", self.got().len());
        }
    }
}

/// The topic as text.
pub fn topic(publish: &Publish) -> &str {
    std::str::from_utf8(&publish.topic).expect("UTF-8")
}
