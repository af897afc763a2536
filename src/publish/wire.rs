//! One connection: the client library's packets and state over one stream.
//!
//! The library's own event loop writes every PUBLISH with a system call of its own, which is most of what publishing costs. Here
//! everything that was handed over goes out at once, before anything is waited for: a message alone is not held back, a
//! hundred are one write. Unlike the library's, [`Wire::next`] can be dropped and called again: what is half written or half
//! read stays here.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::tokio_rustls::TlsConnector;
use rumqttc::tokio_rustls::client::TlsStream;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Connect, ConnectReturnCode, Packet, PubAck};
use rumqttc::v5::mqttbytes::{Error, QoS};
use rumqttc::v5::{ConnectionError, Event, MqttOptions, MqttState, Request, StateError, TlsError};
use rumqttc::{Outgoing, TlsConfiguration, Transport};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::io::{poll_read_buf, poll_write_buf};

/// Nothing more should be handed over while so many bytes wait to be written.
const FULL: usize = 256 << 10;
/// Room for what one read brings: some hundred acknowledgements.
const READ: usize = 8 << 10;
/// Where the broker says that it minds no silence: often enough to notice a line that is gone.
const UNHURRIED: Duration = Duration::from_secs(60);

/// What packets go over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Has the system tell the far end at once that what it sent has arrived, instead of with the next bytes or after 40 ms.
    fn confirm(&self) {}
}

impl Stream for TcpStream {
    fn confirm(&self) {
        // It is only slower without.
        let _ = self.set_quickack(true);
    }
}

impl Stream for TlsStream<TcpStream> {
    fn confirm(&self) {
        self.get_ref().0.confirm();
    }
}

/// An open connection.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    /// Packet identifiers, pings, and what happened and was not taken yet.
    state: MqttState,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// Whether bytes were written that the stream may still hold.
    unflushed: bool,
    /// Whether something was read since the last write.
    unconfirmed: bool,
    /// Why nothing can be written any more; told after what can still be read.
    broken: Option<io::Error>,
    /// Messages to acknowledge in the order of their delivery, and whether that may be done.
    delivered: VecDeque<(u16, bool)>,
    most_delivered: usize,
    largest_in: Option<u32>,
    largest_out: Option<u32>,
    keep_alive: Duration,
    ping: Pin<Box<Sleep>>,
}

impl Wire {
    /// Connects and waits for the CONNACK, however long that takes.
    pub async fn open(options: &MqttOptions) -> Result<(Self, ConnAck), ConnectionError> {
        let (host, port) = options.broker_address();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let tcp = TcpStream::connect((host, port)).await?;
        // A message is written whole, and should not wait for the acknowledgement of the one before.
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match options.transport() {
            Transport::Tls(TlsConfiguration::Rustls(config)) => Box::new(encrypted(tcp, host, config).await?),
            _ => Box::new(tcp),
        };
        Self::greet(stream, options).await
    }

    /// Says CONNECT over a stream and waits for the CONNACK.
    async fn greet(stream: Box<dyn Stream>, options: &MqttOptions) -> Result<(Self, ConnAck), ConnectionError> {
        let properties = options.connect_properties();
        let mut wire = Self {
            stream,
            state: MqttState::new(options.get_outgoing_inflight_upper_limit().unwrap_or(u16::MAX), true),
            incoming: BytesMut::with_capacity(READ),
            outgoing: BytesMut::with_capacity(READ),
            unflushed: false,
            unconfirmed: false,
            broken: None,
            delivered: VecDeque::new(),
            most_delivered: properties
                .as_ref()
                .and_then(|properties| properties.receive_maximum)
                .unwrap_or(u16::MAX)
                .into(),
            largest_in: properties.as_ref().and_then(|properties| properties.max_packet_size),
            largest_out: None,
            keep_alive: options.keep_alive(),
            ping: Box::pin(sleep_until(Instant::now())),
        };
        wire.put(&connect(options))?;
        let connack = match poll_fn(|context| wire.poll_first(context)).await? {
            Packet::ConnAck(connack) if connack.code == ConnectReturnCode::Success => connack,
            Packet::ConnAck(connack) => return Err(ConnectionError::ConnectionRefused(connack.code)),
            other => return Err(ConnectionError::NotConnAck(Box::new(other))),
        };
        if let Some(properties) = &connack.properties {
            wire.largest_out = properties.max_packet_size;
            match properties.server_keep_alive {
                Some(0) => wire.keep_alive = UNHURRIED,
                Some(seconds) => wire.keep_alive = Duration::from_secs(seconds.into()),
                None => {}
            }
        }
        wire.state.handle_incoming_packet(Packet::ConnAck(connack.clone()))?;
        wire.state.events.clear();
        wire.ping.as_mut().reset(Instant::now() + wire.keep_alive);
        Ok((wire, connack))
    }

    /// Hands something over. It is written when [`Wire::next`] is called, together with all else that was handed over.
    pub fn send(&mut self, request: Request) -> Result<(), StateError> {
        match self.state.handle_outgoing_packet(request)? {
            Some(packet) => self.put(&packet),
            None => Ok(()),
        }
    }

    /// Acknowledges a message that was delivered with QoS 1: whoever took it has to, once it cannot be lost any more. What goes out
    /// waits for those that were delivered before it, since MQTT wants acknowledgements in order.
    pub fn acknowledge(&mut self, identifier: u16) -> Result<(), StateError> {
        if let Some((_, is_done)) = self.delivered.iter_mut().find(|(known, is_done)| *known == identifier && !is_done)
        {
            *is_done = true;
        }
        while let Some((identifier, true)) = self.delivered.front().copied() {
            self.delivered.pop_front();
            self.send(Request::PubAck(PubAck::new(identifier, None)))?;
        }
        Ok(())
    }

    /// Notes what has to be acknowledged.
    fn note_delivery(&mut self, packet: &Packet) -> Result<(), StateError> {
        let Packet::Publish(publish) = packet else { return Ok(()) };
        if publish.qos == QoS::AtMostOnce {
            return Ok(());
        }
        if self.delivered.len() >= self.most_delivered {
            let text = format!("the broker has more than {} messages under way to this client", self.most_delivered);
            return Err(written(io::Error::other(text)));
        }
        self.delivered.push_back((publish.pkid, false));
        Ok(())
    }

    /// Whether so much waits to be written that nothing more should be handed over.
    pub fn is_full(&self) -> bool {
        self.outgoing.len() >= FULL
    }

    /// What happens next. Can be dropped at any time.
    pub async fn next(&mut self) -> Result<Event, ConnectionError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// What has happened already.
    pub fn happened(&mut self) -> Option<Event> {
        // A DISCONNECT is told once it is written: who hears of it drops the connection.
        let is_told = match self.state.events.front()? {
            Event::Outgoing(Outgoing::Disconnect) => self.outgoing.is_empty() && !self.unflushed,
            _ => true,
        };
        if is_told { self.state.events.pop_front() } else { None }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Event, ConnectionError>> {
        loop {
            self.write(context);
            if let Some(event) = self.happened() {
                return Poll::Ready(Ok(event));
            }
            if self.ping.as_mut().poll(context).is_ready() {
                self.ping.as_mut().reset(Instant::now() + self.keep_alive);
                self.send(Request::PingReq)?;
                continue;
            }
            // What came in one piece with the CONNACK is there already.
            if !self.take_packets()? {
                let rest = self.poll_rest(context);
                if rest.is_pending() {
                    self.confirm();
                }
                ready!(rest)?;
                self.take_packets()?;
            }
        }
    }

    /// Before waiting for more acknowledgements: a broker that leaves Nagle's algorithm on, as Mosquitto does, keeps them back until it knows that the
    /// first has arrived. With nothing to be written, a full window would wait for that 40 ms, each time.
    fn confirm(&mut self) {
        if std::mem::take(&mut self.unconfirmed) && self.state.inflight() > 0 {
            self.stream.confirm();
        }
    }

    /// Takes the packets of what was read; false where there is none.
    fn take_packets(&mut self) -> Result<bool, StateError> {
        let mut took = false;
        while let Some(packet) = self.packet()? {
            took = true;
            self.note_delivery(&packet)?;
            if let Some(answer) = self.state.handle_incoming_packet(packet)? {
                self.put(&answer)?;
            }
        }
        Ok(took)
    }

    fn poll_first(&mut self, context: &mut Context<'_>) -> Poll<Result<Packet, ConnectionError>> {
        self.write(context);
        loop {
            if let Some(packet) = self.packet()? {
                return Poll::Ready(Ok(packet));
            }
            // A broker that refuses a certificate says so before it closes, when CONNECT may be on its way already.
            ready!(self.poll_rest(context))?;
        }
    }

    /// Writes what the stream takes, unless that failed before.
    fn write(&mut self, context: &mut Context<'_>) {
        if self.broken.is_none()
            && let Poll::Ready(Err(error)) = self.poll_write(context)
        {
            self.broken = Some(error);
        }
    }

    /// Reads; when there is nothing to read and writing failed, that is the error.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StateError>> {
        match self.poll_read(context) {
            Poll::Pending => match self.broken.take() {
                Some(error) => Poll::Ready(Err(written(error))),
                None => Poll::Pending,
            },
            read => read,
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            (self.unflushed, self.unconfirmed) = (true, false);
            if ready!(poll_write_buf(Pin::new(&mut self.stream), context, &mut self.outgoing))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.unflushed = false;
            // The broker may have been put behind this thread, on its processor. Nothing here is as urgent as what was written, and a
            // broker that reads at once acknowledges more at once.
            std::thread::yield_now();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StateError>> {
        self.incoming.reserve(READ / 2);
        match ready!(poll_read_buf(Pin::new(&mut self.stream), context, &mut self.incoming)) {
            Ok(0) => Poll::Ready(Err(StateError::ConnectionAborted)),
            Ok(_) => {
                self.unconfirmed = true;
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(written(error))),
        }
    }

    /// The next packet of what was read.
    fn packet(&mut self) -> Result<Option<Packet>, StateError> {
        match Packet::read(&mut self.incoming, self.largest_in) {
            Ok(packet) => Ok(Some(packet)),
            Err(Error::InsufficientBytes(_)) => Ok(None),
            Err(error) => Err(StateError::Deserialization(error)),
        }
    }

    fn put(&mut self, packet: &Packet) -> Result<(), StateError> {
        packet.write(&mut self.outgoing, self.largest_out)?;
        Ok(())
    }
}

/// How large the CONNECT with these options is, in bytes: it is sent before a broker can say what it takes.
pub(super) fn connect_size(options: &MqttOptions) -> usize {
    let mut written = BytesMut::new();
    connect(options).write(&mut written, None).unwrap_or(0)
}

fn connect(options: &MqttOptions) -> Packet {
    let connect = Connect {
        keep_alive: u16::try_from(options.keep_alive().as_secs()).unwrap_or(u16::MAX),
        client_id: options.client_id(),
        clean_start: options.clean_start(),
        properties: options.connect_properties(),
    };
    Packet::Connect(connect, options.last_will(), options.credentials())
}

/// An error of the stream, as the library tells it.
fn written(error: io::Error) -> StateError {
    StateError::Deserialization(Error::Io(error))
}

async fn encrypted(
    tcp: TcpStream,
    host: &str,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, ConnectionError> {
    let name = ServerName::try_from(host).map_err(TlsError::from)?.to_owned();
    Ok(TlsConnector::from(config).connect(name, tcp).await.map_err(TlsError::from)?)
}

#[cfg(test)]
mod tests;
