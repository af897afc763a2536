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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rumqttc::v5::mqttbytes::v5::Publish;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    const MESSAGES: u16 = 50;

    /// A broker that acknowledges everything, reading and writing whatever fits.
    async fn broker(mut line: DuplexStream) -> Vec<Publish> {
        let (mut held, mut got) = (BytesMut::new(), Vec::new());
        while line.read_buf(&mut held).await.is_ok_and(|read| read > 0) {
            let mut answers = BytesMut::new();
            while let Ok(packet) = Packet::read(&mut held, None) {
                let answer = match packet {
                    Packet::Connect(..) => Packet::ConnAck(ConnAck {
                        session_present: false,
                        code: ConnectReturnCode::Success,
                        properties: None,
                    }),
                    Packet::Publish(publish) => {
                        let answer = Packet::PubAck(PubAck::new(publish.pkid, None));
                        got.push(publish);
                        answer
                    }
                    other => panic!("nothing else is sent: {other:?}"),
                };
                answer.write(&mut answers, None).expect("it is small");
            }
            line.write_all(&answers).await.expect("the line is open");
        }
        got
    }

    fn publish(number: u16) -> Request {
        Request::Publish(Publish::new("t", QoS::AtLeastOnce, number.to_string(), None))
    }

    #[tokio::test]
    async fn whoever_stops_waiting_half_way_loses_nothing() {
        // So narrow that hardly a packet goes through it at once.
        let (near, far) = tokio::io::duplex(7);
        let broker = tokio::spawn(broker(far));
        let mut options = MqttOptions::new("test", "localhost", 1883);
        options.set_outgoing_inflight_upper_limit(MESSAGES);
        let (mut wire, _) = Wire::greet(Box::new(near), &options).await.expect("a connection");
        for number in 0..MESSAGES {
            wire.send(publish(number)).expect("taken");
        }
        let mut acknowledged = Vec::new();
        let mut dropped = 0;
        while acknowledged.len() < usize::from(MESSAGES) {
            let event = tokio::select! {
                biased;
                event = wire.next() => event.expect("the line is open"),
                () = tokio::task::yield_now() => {
                    dropped += 1;
                    continue;
                }
            };
            if let Event::Incoming(Packet::PubAck(ack)) = event {
                acknowledged.push(ack.pkid);
            }
        }
        assert!(dropped > 0, "the line was too wide to wait for");
        assert_eq!(acknowledged, (1..=MESSAGES).collect::<Vec<_>>());
        wire.send(Request::Disconnect).expect("taken");
        while wire.next().await.expect("the line is open") != Event::Outgoing(Outgoing::Disconnect) {}
        drop(wire);
        let got = broker.await.expect("the broker ends");
        let expected: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
        assert_eq!(got.iter().map(|publish| String::from_utf8_lossy(&publish.payload)).collect::<Vec<_>>(), expected);
    }

    impl Stream for DuplexStream {}
    impl Stream for Closing {}

    /// A line that counts how often it was to confirm what came.
    struct Counting(DuplexStream, Arc<AtomicUsize>);

    impl AsyncRead for Counting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Counting {
        fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }

    impl Stream for Counting {
        fn confirm(&self) {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn what_came_is_confirmed_before_more_acknowledgements_are_waited_for() {
        let (near, mut far) = tokio::io::duplex(64 << 10);
        let confirmed = Arc::new(AtomicUsize::new(0));
        let mut options = MqttOptions::new("test", "localhost", 1883);
        options.set_outgoing_inflight_upper_limit(MESSAGES);
        let mut said = BytesMut::new();
        let connack = ConnAck { session_present: false, code: ConnectReturnCode::Success, properties: None };
        Packet::ConnAck(connack).write(&mut said, None).expect("it is small");
        far.write_all(&said).await.expect("the line is open");
        let line = Counting(near, Arc::clone(&confirmed));
        let (mut wire, _) = Wire::greet(Box::new(line), &options).await.expect("a connection");
        for number in 0..3 {
            wire.send(publish(number)).expect("taken");
        }
        // What is there to be heard, until there is nothing more.
        async fn hear(wire: &mut Wire) {
            while tokio::select! { biased; event = wire.next() => event.is_ok(), () = std::future::ready(()) => false }
            {
            }
        }
        for (acknowledged, confirmations) in [(1, 1), (2, 2), (3, 2)] {
            hear(&mut wire).await;
            let mut said = BytesMut::new();
            Packet::PubAck(PubAck::new(acknowledged, None)).write(&mut said, None).expect("it is small");
            far.write_all(&said).await.expect("the line is open");
            hear(&mut wire).await;
            assert_eq!(confirmed.load(Ordering::SeqCst), confirmations, "after the last nothing is waited for");
        }
    }

    /// A line whose far end said something, and takes nothing any more.
    struct Closing(BytesMut);

    impl AsyncRead for Closing {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let all = self.0.split();
            buffer.put_slice(&all);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Closing {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_was_said_before_the_line_broke_is_heard() {
        let mut said = BytesMut::new();
        let code = ConnectReturnCode::Banned;
        let connack = ConnAck { session_present: false, code, properties: None };
        Packet::ConnAck(connack).write(&mut said, None).expect("it is small");
        let options = MqttOptions::new("test", "localhost", 1883);
        let refused = Wire::greet(Box::new(Closing(said)), &options).await.err();
        assert!(matches!(refused, Some(ConnectionError::ConnectionRefused(given)) if given == code), "{refused:?}");
    }

    #[tokio::test]
    async fn what_is_handed_over_together_is_one_write() {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let mut answer = BytesMut::new();
        let connack = ConnAck { session_present: false, code: ConnectReturnCode::Success, properties: None };
        Packet::ConnAck(connack).write(&mut answer, None).expect("it is small");
        far.write_all(&answer).await.expect("the line is open");
        let mut options = MqttOptions::new("test", "localhost", 1883);
        options.set_outgoing_inflight_upper_limit(MESSAGES);
        let (mut wire, _) = Wire::greet(Box::new(near), &options).await.expect("a connection");
        let mut held = BytesMut::new();
        far.read_buf(&mut held).await.expect("CONNECT");
        held.clear();
        for number in 0..MESSAGES {
            wire.send(publish(number)).expect("taken");
        }
        let first = wire.next().await.expect("the line is open");
        assert_eq!(first, Event::Outgoing(Outgoing::Publish(1)));
        held.reserve(1 << 16);
        far.read_buf(&mut held).await.expect("all of them");
        let packets = std::iter::from_fn(|| Packet::read(&mut held, None).ok()).count();
        assert_eq!(packets, usize::from(MESSAGES), "when the first is told of, all are written");
    }

    #[tokio::test]
    async fn messages_are_acknowledged_when_it_is_said_and_in_the_order_of_their_delivery() {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let mut said = BytesMut::new();
        let connack = ConnAck { session_present: true, code: ConnectReturnCode::Success, properties: None };
        Packet::ConnAck(connack).write(&mut said, None).expect("it is small");
        for identifier in [7, 8, 9] {
            let mut publish = Publish::new("t", QoS::AtLeastOnce, "x", None);
            publish.pkid = identifier;
            Packet::Publish(publish).write(&mut said, None).expect("it is small");
        }
        far.write_all(&said).await.expect("the line is open");
        let mut options = MqttOptions::new("test", "localhost", 1883);
        options.set_connect_properties(rumqttc::v5::mqttbytes::v5::ConnectProperties {
            receive_maximum: Some(3),
            ..rumqttc::v5::mqttbytes::v5::ConnectProperties::new()
        });
        let (mut wire, _) = Wire::greet(Box::new(near), &options).await.expect("a connection");
        for _ in 0..3 {
            let event = wire.next().await.expect("the line is open");
            assert!(matches!(event, Event::Incoming(Packet::Publish(_))), "{event:?}");
        }
        let acknowledged = |wire: &mut Wire| -> Vec<u16> {
            let identifier = |event| if let Event::Outgoing(Outgoing::PubAck(id)) = event { Some(id) } else { None };
            std::iter::from_fn(|| wire.happened()).filter_map(identifier).collect()
        };
        wire.acknowledge(9).expect("taken");
        wire.acknowledge(8).expect("taken");
        assert_eq!(acknowledged(&mut wire), [0; 0], "nothing before its turn");
        wire.acknowledge(7).expect("taken");
        assert_eq!(acknowledged(&mut wire), [7, 8, 9]);
        let mut more = BytesMut::new();
        for identifier in 1..=4 {
            let mut publish = Publish::new("t", QoS::AtLeastOnce, "x", None);
            publish.pkid = identifier;
            Packet::Publish(publish).write(&mut more, None).expect("it is small");
        }
        far.write_all(&more).await.expect("the line is open");
        let error = loop {
            match wire.next().await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("more than 3 messages"), "{error}");
    }
}
