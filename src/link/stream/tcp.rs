//! Serial device servers that pass bytes as they are over TCP.

use std::io;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

use super::open::{Incoming, Open, OpenLine, Opened, Unreachable};
use crate::config::ports::Address;
use crate::driver::{Direction, Mode};

/// How long a device server may take to accept a connection; on a laboratory's network it takes milliseconds.
const CONNECT: Duration = Duration::from_secs(5);

/// A quiet line is asked after this much silence, then again, so that a server that lost its power is noticed within
/// half a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_AGAIN: Duration = Duration::from_secs(5);
const KEEP_ALIVE_PROBES: u32 = 3;

/// One address, or one for each direction.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) address: Address,
    pub(super) replies: Option<Address>,
    pub(super) mode: Mode,
    /// Which way the bytes of the first one go.
    pub(super) direction: Direction,
}

impl Open for Peers {
    async fn open(&mut self) -> Result<Opened, Unreachable> {
        let first = connect(&self.address).await?;
        let mut place = format!("tcp://{}", self.address);
        let line = match (self.mode, &self.replies) {
            (Mode::Host, _) => OpenLine::Host(Box::new(first)),
            (Mode::Listen { .. }, replies) => {
                let mut ports = vec![Incoming { direction: self.direction, bytes: Box::new(first) }];
                if let Some(address) = replies {
                    place.push_str(&format!(" and tcp://{address}"));
                    let bytes = Box::new(connect(address).await?);
                    ports.push(Incoming { direction: Direction::FromInstrument, bytes });
                }
                OpenLine::Listen(ports)
            }
        };
        Ok(Opened { place, line, waits: true })
    }
}

async fn connect(address: &Address) -> Result<TcpStream, Unreachable> {
    let connecting = TcpStream::connect((address.host.as_str(), address.port));
    let connected = match tokio::time::timeout(CONNECT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")),
    };
    let stream = connected.and_then(|stream| {
        keep_alive(&stream)?;
        Ok(stream)
    });
    stream.map_err(|error| Unreachable {
        place: format!("tcp://{address}"),
        reason: error.to_string(),
        remedy: Some(
            "look at the device server, its port number, and whether another program is connected to it".to_owned(),
        ),
    })
}

fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEP_ALIVE)?;
    sockopt::set_tcp_keepintvl(stream, KEEP_ALIVE_AGAIN)?;
    sockopt::set_tcp_keepcnt(stream, KEEP_ALIVE_PROBES)?;
    Ok(())
}
