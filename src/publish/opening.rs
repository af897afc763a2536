//! The beginning of a connection: what the broker allows, who else publishes for our devices, the request topic.
//!
//! SUBSCRIBE takes packet identifiers from the same numbers as PUBLISH, and the client library hands them out without
//! looking whether one is in use. So all subscriptions are made, and acknowledged, before anything is published.

use std::time::Duration;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish, RetainForwardRule, Subscribe, SubscribeReasonCode};
use rumqttc::v5::{Event, MqttOptions, Request};
use tokio::time::{Instant, timeout, timeout_at};

use super::claim::Claims;
use super::connect::INCOMING_WINDOW;
use super::context::Context;
use super::end::End;
use super::limits::Limits;
use super::replay::Incoming;
use super::wire::{Wire, connect_size};
use crate::event::DeviceId;

/// CONNACK and all subscriptions together.
const OPENING: Duration = Duration::from_secs(15);
/// Bytes of topic filters in one SUBSCRIBE, so that it fits the smallest packet a usable broker takes.
const FILTER_BYTES: usize = 2048;
/// Requests that arrive before the session begins; further ones are dropped, and the subscriber asks again.
const MOST_REQUESTS: usize = 16;
/// Commands that arrive before that: more than a broker may have under way. What it sends beyond that it does not expect to be
/// acknowledged, or keeps no rule.
const MOST_COMMANDS: usize = 2 * INCOMING_WINDOW as usize;

/// A connection that is ready to publish.
pub struct Opened {
    /// What the broker allows.
    pub limits: Limits,
    /// Whether the broker still knew the session.
    pub session_present: bool,
    /// What it has retained about our devices.
    pub claims: Claims,
    /// Packet identifiers that the subscriptions used.
    pub identifiers: Vec<u16>,
    /// Replay requests that have arrived.
    pub requests: Vec<Incoming>,
    /// Commands that have arrived; none of them is acknowledged yet.
    pub commands: Vec<Publish>,
    /// Which state of affairs the subscriptions to commands are of.
    pub generation: u64,
    /// Subscriptions that the broker refused, in words.
    pub refused: Vec<String>,
}

/// Opens connections.
pub struct Opening<'a> {
    context: &'a Context,
    wire: Wire,
    deadline: Instant,
    opened: Opened,
}

impl<'a> Opening<'a> {
    /// Connects and reads the CONNACK's limits.
    pub async fn begin(context: &'a Context, options: &MqttOptions) -> Result<Opening<'a>, End> {
        let deadline = Instant::now() + OPENING;
        let patience = Duration::from_secs(options.connection_timeout());
        let opened = timeout(patience, Wire::open(options)).await.unwrap_or_else(|late| Err(late.into()));
        let (wire, connack) = opened.map_err(|error| match End::from_error(&error) {
            End::Lost { closed: true, .. } => End::Unanswered(connect_size(options)),
            end => end,
        })?;
        let properties = connack.properties.as_ref();
        let limits = Limits::new(context.settings.window, properties);
        let opened = Opened {
            limits: Limits { window: 1, max_packet: None, retain: true },
            session_present: connack.session_present,
            claims: Claims::default(),
            identifiers: Vec::new(),
            requests: Vec::new(),
            commands: Vec::new(),
            generation: 0,
            refused: Vec::new(),
        };
        let mut opening = Opening { context, wire, deadline, opened };
        match limits {
            Ok(limits) => opening.opened.limits = limits,
            Err(unusable) => {
                opening.disconnect().await;
                return Err(End::Unusable(unusable));
            }
        }
        Ok(opening)
    }

    /// Asks for what is retained about `devices` and about the nodes that they belong to.
    pub async fn ask_for_claims(&mut self, devices: &[String]) -> Result<(), End> {
        let prefix = &self.context.prefix;
        let mut filters: Vec<String> = devices.iter().map(|device| format!("{prefix}devices/{device}/info")).collect();
        self.subscribe_all(std::mem::take(&mut filters), QoS::AtMostOnce).await?;
        // The acknowledgement of this one comes after the retained messages of the ones before.
        let own = format!("{prefix}nodes/{}/state", self.context.node);
        self.subscribe_all(vec![own.clone()], QoS::AtMostOnce).await?;
        let nodes = self.opened.claims.unknown_nodes(&self.context.node);
        if !nodes.is_empty() {
            let nodes = nodes.iter().filter(|node| node.parse::<crate::event::NodeId>().is_ok());
            self.subscribe_all(nodes.map(|node| format!("{prefix}nodes/{node}/state")).collect(), QoS::AtMostOnce)
                .await?;
        }
        self.subscribe_all(vec![own], QoS::AtMostOnce).await
    }

    /// Subscribes to commands and replay requests; the last step.
    pub async fn finish(mut self) -> Result<(Wire, Opened), End> {
        let filter = self.context.request_topic().to_owned();
        let (generation, devices) = self.context.commands.devices();
        self.opened.generation = generation;
        let prefix = &self.context.prefix;
        let of_device = |device: &DeviceId| format!("{prefix}devices/{device}/commands/+");
        let mut filters: Vec<String> =
            devices.iter().filter(|(_, allows)| *allows).map(|(device, _)| of_device(device)).collect();
        filters.push(filter);
        let others = devices.iter().filter(|(_, allows)| !allows).map(|(device, _)| of_device(device)).collect();
        self.subscribe_all(filters, QoS::AtLeastOnce).await?;
        // Where no command is allowed the broker need not let any through.
        let refused = self.opened.refused.len();
        self.subscribe_all(others, QoS::AtLeastOnce).await?;
        self.opened.refused.truncate(refused);
        Ok((self.wire, self.opened))
    }

    /// Ends the connection in order: what was found makes it useless.
    pub async fn abandon(mut self) -> Opened {
        self.disconnect().await;
        self.opened
    }

    /// What was found.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn disconnect(&mut self) {
        disconnect(&mut self.wire).await;
    }

    async fn subscribe_all(&mut self, topics: Vec<String>, qos: QoS) -> Result<(), End> {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        for topic in topics {
            if bytes + topic.len() > FILTER_BYTES && !chunk.is_empty() {
                self.subscribe(std::mem::take(&mut chunk), qos).await?;
                bytes = 0;
            }
            bytes += topic.len() + 3;
            chunk.push(topic);
        }
        if chunk.is_empty() { Ok(()) } else { self.subscribe(chunk, qos).await }
    }

    /// Subscribes and waits for the acknowledgement. A refusal is noted and no failure: publishing goes without.
    async fn subscribe(&mut self, topics: Vec<String>, qos: QoS) -> Result<(), End> {
        let filter = |path: &String| Filter {
            path: path.clone(),
            qos,
            // What comes back from ourselves tells nothing new about requests, but a retained info of ours does.
            nolocal: qos != QoS::AtMostOnce,
            // A retained request is to be seen as one.
            preserve_retain: true,
            retain_forward_rule: RetainForwardRule::OnEverySubscribe,
        };
        let filters: Vec<Filter> = topics.iter().map(filter).collect();
        let subscribe = Request::Subscribe(Subscribe::new_many(filters, None));
        self.wire.send(subscribe).map_err(|error| End::lost(format!("a subscription cannot be made: {error}")))?;
        loop {
            let event = match timeout_at(self.deadline, self.wire.next()).await {
                Err(_) => return Err(End::lost("the broker does not acknowledge a subscription")),
                Ok(Err(error)) => return Err(End::from_error(&error)),
                Ok(Ok(event)) => event,
            };
            match event {
                Event::Outgoing(Outgoing::Subscribe(identifier)) => self.opened.identifiers.push(identifier),
                Event::Incoming(Packet::Publish(publish)) => self.take(publish)?,
                Event::Incoming(Packet::SubAck(ack)) => {
                    for (topic, code) in topics.iter().zip(&ack.return_codes) {
                        if !matches!(code, SubscribeReasonCode::Success(_)) {
                            self.opened.refused.push(format!("{topic}: {code:?}"));
                        }
                    }
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    /// Takes a message. All but commands are acknowledged at once.
    fn take(&mut self, publish: Publish) -> Result<(), End> {
        let topic = std::str::from_utf8(&publish.topic).unwrap_or_default();
        let below = topic.strip_prefix(self.context.prefix.as_str());
        if below.and_then(Context::command_of).is_some() {
            if self.opened.commands.len() < MOST_COMMANDS {
                self.opened.commands.push(publish);
            }
            return Ok(());
        }
        if publish.qos != QoS::AtMostOnce {
            let sent = self.wire.acknowledge(publish.pkid);
            sent.map_err(|error| End::lost(format!("a message cannot be acknowledged: {error}")))?;
        }
        if topic == self.context.request_topic() {
            if self.opened.requests.len() < MOST_REQUESTS {
                self.opened.requests.push(request(publish));
            }
        } else if let Some(below) = below {
            self.opened.claims.note(below, &publish.payload);
        }
        Ok(())
    }
}

/// A message on the request topic. It is acknowledged when it is taken.
pub fn request(publish: rumqttc::v5::mqttbytes::v5::Publish) -> Incoming {
    let properties = publish.properties.unwrap_or_default();
    Incoming {
        retain: publish.retain,
        payload: publish.payload,
        response_topic: properties.response_topic,
        correlation: properties.correlation_data,
    }
}

/// Sends DISCONNECT, so that the broker forgets the will, and waits until it is written, but not for long.
pub async fn disconnect(wire: &mut Wire) {
    const PATIENCE: Duration = Duration::from_secs(1);
    if wire.send(Request::Disconnect).is_err() {
        return;
    }
    let deadline = Instant::now() + PATIENCE;
    while let Ok(Ok(event)) = timeout_at(deadline, wire.next()).await {
        if event == Event::Outgoing(Outgoing::Disconnect) {
            return;
        }
    }
}
