//! The connection: what is half done stays, what is together goes together.

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
        while tokio::select! { biased; event = wire.next() => event.is_ok(), () = std::future::ready(()) => false } {}
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
