//! What the broker's CONNACK allows, and how large a packet is.

use rumqttc::v5::mqttbytes::v5::ConnAckProperties;

/// A broker that takes less than this is refused: not even an event without its data fits safely.
pub const SMALLEST_PACKET: u32 = 4096;

/// What holds for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages handed over and not acknowledged.
    pub window: u16,
    /// Bytes of a whole packet; `None` where the broker names no maximum.
    pub max_packet: Option<u32>,
    /// Whether the broker keeps retained messages.
    pub retain: bool,
}

/// Why a broker cannot be used, though it took the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Packets are limited to less than 4 KiB.
    #[error("the broker takes packets of at most {0} bytes, and events need {SMALLEST_PACKET}")]
    PacketsTooSmall(u32),
    /// Only QoS 0.
    #[error("the broker offers only QoS 0, which acknowledges nothing")]
    NoAcknowledgements,
    /// A receive maximum of 0 is a protocol error.
    #[error("the broker's receive maximum is 0, which MQTT 5 forbids")]
    NothingAccepted,
}

impl Unusable {
    /// What an operator can do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::PacketsTooSmall(_) => "raise the broker's maximum packet size to at least 4096 bytes, better 1 MiB",
            Self::NoAcknowledgements => "raise the broker's maximum QoS to 1",
            Self::NothingAccepted => "the broker is defective or misconfigured; see its log",
        }
    }
}

impl Limits {
    /// The limits that follow from a CONNACK and our own window.
    pub fn new(window: u16, connack: Option<&ConnAckProperties>) -> Result<Self, Unusable> {
        let mut limits = Self { window: window.clamp(1, 100), max_packet: None, retain: true };
        let Some(properties) = connack else { return Ok(limits) };
        if let Some(max) = properties.receive_max {
            if max == 0 {
                return Err(Unusable::NothingAccepted);
            }
            limits.window = limits.window.min(max);
        }
        if properties.max_qos == Some(0) {
            return Err(Unusable::NoAcknowledgements);
        }
        if let Some(max) = properties.max_packet_size {
            if max < SMALLEST_PACKET {
                return Err(Unusable::PacketsTooSmall(max));
            }
            limits.max_packet = Some(max);
        }
        limits.retain = properties.retain_available != Some(0);
        Ok(limits)
    }

    /// Whether a packet of `size` bytes may be sent.
    pub fn allows(&self, size: usize) -> bool {
        self.max_packet.is_none_or(|max| size <= max as usize)
    }
}

/// The size of a QoS 1 PUBLISH: `properties` is the encoded length of all properties without their own length.
pub fn publish_size(topic: usize, properties: usize, payload: usize) -> usize {
    let remaining = 2 + topic + 2 + variable_length(properties) + properties + payload;
    1 + variable_length(remaining) + remaining
}

/// Bytes of MQTT's variable byte integer.
fn variable_length(n: usize) -> usize {
    match n {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};

    fn connack() -> ConnAckProperties {
        ConnAckProperties {
            session_expiry_interval: None,
            receive_max: None,
            max_qos: None,
            retain_available: None,
            max_packet_size: None,
            assigned_client_identifier: None,
            topic_alias_max: None,
            reason_string: None,
            user_properties: Vec::new(),
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        }
    }

    #[test]
    fn the_brokers_limits_are_obeyed() {
        assert_eq!(Limits::new(500, None), Ok(Limits { window: 100, max_packet: None, retain: true }));
        let strict = ConnAckProperties {
            receive_max: Some(1),
            max_packet_size: Some(4096),
            retain_available: Some(0),
            max_qos: Some(1),
            ..connack()
        };
        let limits = Limits::new(50, Some(&strict)).expect("usable");
        assert_eq!(limits, Limits { window: 1, max_packet: Some(4096), retain: false });
        assert!(limits.allows(4096) && !limits.allows(4097));
        let small = ConnAckProperties { max_packet_size: Some(256), ..connack() };
        assert_eq!(Limits::new(50, Some(&small)), Err(Unusable::PacketsTooSmall(256)));
        let unreliable = ConnAckProperties { max_qos: Some(0), ..connack() };
        assert_eq!(Limits::new(50, Some(&unreliable)), Err(Unusable::NoAcknowledgements));
        let broken = ConnAckProperties { receive_max: Some(0), ..connack() };
        assert_eq!(Limits::new(50, Some(&broken)), Err(Unusable::NothingAccepted));
    }

    #[test]
    fn sizes_are_those_of_the_library() {
        for payload in [0usize, 1, 90, 100, 127, 128, 4000, 16_300, 16_384, 200_000] {
            let properties = PublishProperties {
                payload_format_indicator: Some(1),
                content_type: Some("application/cloudevents+json".into()),
                ..PublishProperties::default()
            };
            let mut publish = Publish::new("a/b/c", QoS::AtLeastOnce, vec![b'x'; payload], Some(properties));
            publish.pkid = 1;
            assert_eq!(publish_size(5, 2 + 3 + 28, payload), publish.size(), "{payload}");
        }
    }
}
