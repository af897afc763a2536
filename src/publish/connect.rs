//! The options of one connection: address, credentials, TLS, session, will.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, LastWill, LastWillProperties};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};

use super::Retained;
use crate::config::settings::BrokerSettings;
use crate::tls;

/// TCP connection, TLS handshake and CONNACK together; a broker that needs longer is as good as absent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The session outlives the will delay by this, or the will would come at once.
const SESSION_MARGIN: Duration = Duration::from_secs(30);
/// The largest packet that we accept: retained states of other nodes and replay requests are far smaller.
const MAX_INCOMING: u32 = 1 << 20;
/// Requests that the broker may send without an acknowledgement. Commands are acknowledged only when they are decided about, so
/// that one device's must leave room for the others'.
pub(super) const INCOMING_WINDOW: u16 = 64;
/// The client library accepts no shorter keep-alive.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Why no connection could be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A file is not there, or holds nothing usable.
    #[error(transparent)]
    File(#[from] tls::FileError),
    /// Preparing the connection panicked.
    #[error("preparing the connection failed: {0}")]
    Panicked(String),
}

impl PrepareError {
    /// What an operator can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::File(error) => error.remedy(),
            Self::Panicked(_) => "this is a defect; please report it with the log",
        }
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To publish.
    Publish {
        /// Whether the broker keeps retained messages, as far as is known.
        retain: bool,
    },
    /// To look, under another client identifier and without a will, whether another instance still publishes.
    Look,
}

/// The options for one connection. Reads the password and the certificates anew each time, so that a renewed one
/// counts from the next connection on. Blocks on those files.
pub fn options(
    settings: &BrokerSettings,
    prefix: &str,
    will: Option<&Retained>,
    purpose: Purpose,
) -> Result<MqttOptions, PrepareError> {
    let client_id = match purpose {
        Purpose::Publish { .. } => settings.client_id.clone(),
        Purpose::Look => format!("{}-look", settings.client_id),
    };
    let mut options = MqttOptions::new(client_id, host(settings), settings.port);
    let mut properties = ConnectProperties::new();
    properties.max_packet_size = Some(MAX_INCOMING);
    properties.receive_maximum = Some(INCOMING_WINDOW);
    match purpose {
        Purpose::Publish { retain } => {
            // Clean Start 0 and a session that outlives the will delay: otherwise the broker sends the will as soon
            // as the line drops. Nothing of the session is used again: rows come from the journal.
            let expiry = settings.will_delay.saturating_add(SESSION_MARGIN);
            properties.session_expiry_interval = Some(seconds(expiry));
            options.set_clean_start(false);
            if let Some(will) = will {
                options.set_last_will(last_will(settings, prefix, will, retain));
            }
        }
        Purpose::Look => {
            properties.session_expiry_interval = Some(0);
            options.set_clean_start(true);
        }
    }
    options.set_connect_properties(properties);
    options.set_outgoing_inflight_upper_limit(settings.window.clamp(1, 100));
    options.set_keep_alive(settings.keep_alive.clamp(SHORTEST_KEEP_ALIVE, Duration::from_secs(u16::MAX.into())));
    options.set_connection_timeout(CONNECT_TIMEOUT.as_secs());
    let mut network = NetworkOptions::new();
    // Small packets at a low rate should not wait for the acknowledgement of the one before.
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    if let Some(user) = &settings.user {
        let password = match &settings.password_file {
            Some(path) => tls::secret(path, "the password file")?,
            None => String::new(),
        };
        options.set_credentials(user.clone(), password);
    }
    if let Some(tls) = &settings.tls {
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::new(tls::client(tls)?))));
    }
    Ok(options)
}

/// The host as the library wants it: an IPv6 literal needs brackets before the port, but not where it is the name that
/// the certificate is checked against.
fn host(settings: &BrokerSettings) -> String {
    let bare = settings.host.trim_start_matches('[').trim_end_matches(']');
    if bare.contains(':') && settings.tls.is_none() { format!("[{bare}]") } else { bare.to_owned() }
}

fn last_will(settings: &BrokerSettings, prefix: &str, will: &Retained, retain: bool) -> LastWill {
    let properties = LastWillProperties {
        delay_interval: Some(seconds(settings.will_delay)),
        payload_format_indicator: Some(1),
        message_expiry_interval: None,
        content_type: Some("application/json".into()),
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    let topic = format!("{prefix}{}", will.topic);
    LastWill::new(topic, will.payload.clone(), QoS::AtLeastOnce, retain, Some(properties))
}

fn seconds(duration: Duration) -> u32 {
    // The largest value means "never"; one less is long enough.
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX).min(u32::MAX - 1)
}
