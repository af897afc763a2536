//! Why connections end.

use std::io::ErrorKind;

use rumqttc::v5::mqttbytes;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, StateError};

use super::limits::Unusable;
use super::reason::refused_connection;
use super::window::OutOfStep;

/// Why a connection ended.
#[derive(Debug)]
pub enum End {
    /// The line or the broker is gone.
    Lost {
        /// In words.
        text: String,
        /// Whether the broker just closed it, without a word: what a taken-over session looks like at some brokers.
        closed: bool,
    },
    /// The broker closed the connection instead of answering the CONNECT, which has this many bytes.
    Unanswered(usize),
    /// The broker refused the connection.
    Refused(ConnectReturnCode),
    /// The broker cannot be used as it is configured.
    Unusable(Unusable),
    /// No acknowledgement for too long.
    Stalled,
    /// The broker says that another client uses our client identifier.
    TakenOver,
    /// Another node says that it publishes for one of our devices: look again before going on.
    Doubt(String),
    /// We were told to stop.
    Stopped,
}

impl End {
    /// A connection that ended for this reason.
    pub fn lost(text: impl Into<String>) -> Self {
        Self::Lost { text: text.into(), closed: false }
    }

    /// What an error of the client library means.
    pub fn from_error(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionRefused(code) => Self::Refused(*code),
            ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code: DisconnectReasonCode::SessionTakenOver,
                ..
            }) => Self::TakenOver,
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
                let more = reason_string.as_ref().map(|text| format!(", {text}")).unwrap_or_default();
                Self::lost(format!("the broker ended the connection: {reason_code:?}{more}"))
            }
            ConnectionError::MqttState(StateError::ConnectionAborted) => {
                Self::Lost { text: "the broker closed the connection".into(), closed: true }
            }
            ConnectionError::MqttState(StateError::Deserialization(mqttbytes::Error::Io(error)))
                if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) =>
            {
                Self::Lost { text: format!("the broker closed the connection: {error}"), closed: true }
            }
            ConnectionError::MqttState(StateError::AwaitPingResp) => Self::lost("the broker does not answer pings"),
            ConnectionError::Timeout(_) => Self::lost("no connection within 10 s"),
            other => Self::lost(other.to_string()),
        }
    }
}

impl From<OutOfStep> for End {
    fn from(error: OutOfStep) -> Self {
        Self::lost(error.to_string())
    }
}

/// What a refused connection says to the operator.
pub fn refusal_text(code: ConnectReturnCode) -> (String, &'static str) {
    let refusal = refused_connection(code);
    (format!("the broker refused the connection: {}", refusal.reason), refusal.remedy)
}
