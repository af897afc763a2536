//! Commands from the broker to the devices' actors, and their answers back.

use std::sync::Arc;

use jiff::Timestamp;
use rumqttc::v5::mqttbytes::v5::Publish;
use serde_json::json;

use super::context::Context;
use super::session::Session;
use crate::command::Incoming;

impl Session<'_> {
    /// Hands a command to its device; what cannot be handed on is answered at once.
    pub(super) fn commanded_by(&mut self, publish: Publish) {
        let Ok(topic) = std::str::from_utf8(&publish.topic) else { return };
        let below = topic.strip_prefix(self.context.prefix.as_str()).and_then(Context::command_of);
        let Some((device, name)) = below else { return };
        let Ok(device) = device.parse() else { return };
        let name = name.to_owned();
        let properties = publish.properties.unwrap_or_default();
        let response = self.replays.response(properties.response_topic).map_err(|refused| refused.to_string());
        let incoming = Incoming {
            device,
            name,
            payload: publish.payload,
            retain: publish.retain,
            expiry_s: properties.message_expiry_interval,
            at: Timestamp::now(),
            correlation: properties.correlation_data,
            response,
            broker: Arc::clone(&self.context.settings.name),
        };
        let (device, command) = (incoming.device.clone(), incoming.name.clone());
        let (response, correlation) = (incoming.response.clone(), incoming.correlation.clone());
        if let Err(reason) = self.context.commands.submit(incoming) {
            tracing::warn!(broker = %self.context.settings.name, %device, %command, %reason, "A command is not taken.");
            if let Ok(topic) = response {
                let payload = json!({"command": command, "outcome": "refused", "reason": reason.to_string()});
                self.replays.reply(topic, correlation, payload.to_string().into());
            }
        }
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
