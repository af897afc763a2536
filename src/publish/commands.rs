//! Commands from the broker to the devices' actors, and their answers and acknowledgements back.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;

use super::context::Context;
use super::end::End;
use super::session::Session;
use crate::command::{Incoming, LONGEST_PAYLOAD, Receipt};
use crate::event::DeviceId;

/// Characters of a command's name that are kept: no command has a name as long as that.
const LONGEST_NAME: usize = 64;

impl Session<'_> {
    /// Puts a command into its device's line; it is acknowledged once the journal knows what was decided about it.
    pub(super) fn commanded_by(&mut self, publish: Publish) -> Result<(), End> {
        let Some((device, name)) = addressed(&publish, &self.context.prefix) else { return self.acknowledge(&publish) };
        let receipt =
            (publish.qos != QoS::AtMostOnce).then_some(Receipt { session: self.number, identifier: publish.pkid });
        let properties = publish.properties.unwrap_or_default();
        let response = self.replays.response(properties.response_topic).map_err(|refused| refused.to_string());
        let kept = &publish.payload[..publish.payload.len().min(LONGEST_PAYLOAD + 1)];
        let incoming = Incoming {
            device: device.clone(),
            name: name.clone(),
            // A copy: a part of what was read would keep all of it.
            payload: Bytes::copy_from_slice(kept),
            retain: publish.retain,
            expiry_s: properties.message_expiry_interval,
            at: Timestamp::now(),
            correlation: properties.correlation_data,
            response,
            broker: Arc::clone(&self.context.settings.name),
            receipt,
        };
        if let Err(reason) = self.context.commands.submit(incoming) {
            tracing::warn!(broker = %self.context.settings.name, %device, command = %name, %reason, "A command is not taken.");
        }
        Ok(())
    }

    /// Acknowledges a message that needs no further care.
    pub(super) fn acknowledge(&mut self, publish: &Publish) -> Result<(), End> {
        match publish.qos {
            QoS::AtMostOnce => Ok(()),
            _ => self.acknowledge_all([publish.pkid]),
        }
    }

    /// Acknowledges the commands about which something was decided.
    pub(super) fn acknowledge_settled(&mut self) -> Result<(), End> {
        let settled = self.context.commands.settled(&self.context.settings.name, self.number);
        self.acknowledge_all(settled)
    }

    fn acknowledge_all(&mut self, identifiers: impl IntoIterator<Item = u16>) -> Result<(), End> {
        for identifier in identifiers {
            let sent = self.wire.acknowledge(identifier);
            sent.map_err(|error| End::lost(format!("a message cannot be acknowledged: {error}")))?;
        }
        Ok(())
    }

    /// Takes the answers that wait, as many as fit.
    pub(super) fn answers(&mut self) {
        while self.replays.has_room()
            && let Some(answer) = self.context.commands.take(&self.context.settings.name)
        {
            self.replays.reply(answer.topic, answer.correlation, answer.payload);
        }
    }
}

/// The device and the command that a message is for; `None` where it is for none.
fn addressed(publish: &Publish, prefix: &str) -> Option<(DeviceId, String)> {
    let topic = std::str::from_utf8(&publish.topic).ok()?;
    let (device, name) = topic.strip_prefix(prefix).and_then(Context::command_of)?;
    Some((device.parse().ok()?, name.chars().take(LONGEST_NAME).collect()))
}
