//! The embedded broker.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;
use std::time::Duration;

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use tokio::net::TcpStream;

/// MQTT's own port.
const USUAL_PORT: u16 = 1883;
/// How long the broker may take until it answers; it is there within milliseconds or not at all.
const UP_WITHIN: Duration = Duration::from_secs(5);
/// Ten of these rings are kept for subscribers that lag; the whole demonstration makes less.
const SEGMENT_BYTES: usize = 8 << 20;

/// Where a broker listens: `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A text that names no broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no broker; say mqtt://HOST:PORT, without user and without TLS")]
pub struct NotAPlace(String);

impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let refused = || NotAPlace(text.to_owned());
        let rest = text.strip_prefix("mqtt://").unwrap_or(text).trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| refused())?),
            None => (rest, USUAL_PORT),
        };
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return Err(refused());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// A broker that runs in this process until the process ends: it has no other end.
#[derive(Debug)]
pub struct Embedded {
    /// Where it listens.
    pub place: Place,
    /// Whether the usual port was taken by somebody else.
    pub usual_port_taken: bool,
}

/// Starts the broker on a free port of the loopback interface.
pub async fn start() -> io::Result<Embedded> {
    // The broker does not say when its port is taken, so it is tried beforehand.
    let usual = free(USUAL_PORT);
    let port = match usual {
        Some(port) => port,
        None => (18_830..18_840)
            .find_map(free)
            .or_else(|| free(0))
            .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "no port is free on the loopback interface"))?,
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut broker = Broker::new(config(address));
    std::thread::Builder::new().name("broker".to_owned()).spawn(move || {
        // Returns only where the broker could not start; then nothing answers below.
        let _ = broker.start();
    })?;
    let deadline = tokio::time::Instant::now() + UP_WITHIN;
    while let Err(error) = TcpStream::connect(address).await {
        if tokio::time::Instant::now() > deadline {
            return Err(io::Error::new(error.kind(), format!("the broker does not answer on {address}: {error}")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(Embedded { place: Place { host: address.ip().to_string(), port }, usual_port_taken: usual.is_none() })
}

/// The port, if nobody listens on it; any free one for 0.
fn free(port: u16) -> Option<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    listener.local_addr().ok().map(|address| address.port())
}

fn config(address: SocketAddr) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: 1 << 20,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings {
        name: "demo".to_owned(),
        listen: address,
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    let router = RouterConfig {
        max_connections: 32,
        max_outgoing_packet_count: 200,
        max_segment_size: SEGMENT_BYTES,
        max_segment_count: 10,
        ..RouterConfig::default()
    };
    Config { router, v5: Some(HashMap::from([("demo".to_owned(), server)])), ..Config::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_host_and_a_port() {
        let place = |text: &str| text.parse::<Place>().map(|place| (place.host, place.port));
        assert_eq!(place("mqtt://broker.example.org:1884"), Ok(("broker.example.org".to_owned(), 1884)));
        assert_eq!(place("localhost"), Ok(("localhost".to_owned(), 1883)));
        for wrong in ["", "mqtt://", "mqtt://user@host:1", "mqtts://host:8883", "host:port"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_taken_port_is_not_free() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
        let port = taken.local_addr().expect("it has an address").port();
        assert_eq!(free(port), None);
        assert!(free(0).is_some());
    }
}
