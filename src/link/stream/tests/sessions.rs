//! The life of a line, over in-memory pipes and with paused time.

use std::collections::VecDeque;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

use super::super::inlet::LINE_BYTES;
use super::super::open::{Incoming, Open, OpenLine, Opened, Unreachable};
use super::*;
use crate::driver::Sees;

const TAP: Mode = Mode::Listen { sees: Sees::Both };

/// What the next attempts to open the line find.
enum Attempt {
    Tap(Vec<(Direction, DuplexStream)>),
    Host(DuplexStream),
    Fails(&'static str),
}

struct Bench {
    attempts: VecDeque<Attempt>,
    waits: bool,
}

impl Open for Bench {
    async fn open(&mut self) -> Result<Opened, Unreachable> {
        let place = "here".to_owned();
        let line = match self.attempts.pop_front() {
            None => return std::future::pending().await,
            Some(Attempt::Fails(reason)) => {
                return Err(Unreachable { place, reason: reason.to_owned(), remedy: None });
            }
            Some(Attempt::Host(line)) => OpenLine::Host(Box::new(line)),
            Some(Attempt::Tap(ports)) => OpenLine::Listen(
                ports.into_iter().map(|(direction, port)| Incoming { direction, bytes: Box::new(port) }).collect(),
            ),
        };
        Ok(Opened { place, line, waits: self.waits })
    }
}

fn start(mode: Mode, waits: bool, attempts: impl IntoIterator<Item = Attempt>) -> (StreamLink, Inlet) {
    let (outlet, inlet) = inlet::channel();
    let (stop, again) = (CancellationToken::new(), Arc::new(Notify::new()));
    let (writes, written) = mpsc::channel(WRITES);
    let bench = Bench { attempts: attempts.into_iter().collect(), waits };
    let worklists = worklists::Worklists::new(Vec::new());
    tokio::spawn(session::run(bench, mode, outlet, written, worklists, None, (stop.clone(), again.clone())));
    (StreamLink { stop, again, writes: (mode == Mode::Host).then_some(writes) }, inlet)
}

fn pipe() -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(1 << 22)
}

#[tokio::test(start_paused = true)]
async fn both_directions_come_with_their_offsets_in_one_epoch() {
    let ((mut commands, first), (mut replies, second)) = (pipe(), pipe());
    let ports = vec![(Direction::ToInstrument, first), (Direction::FromInstrument, second)];
    let (_link, mut inlet) = start(TAP, false, [Attempt::Tap(ports)]);
    assert!(!opened(&mut inlet).await.is_empty());
    commands.write_all(b"C0RF").await.expect("written");
    let first = next(&mut inlet).await;
    replies.write_all(b"C0RFid").await.expect("written");
    let second = next(&mut inlet).await;
    let shape = |event: &StreamEvent| match event {
        StreamEvent::Bytes { offset, pieces, position: None } => (*offset, pieces[0].direction, text(event)),
        other => panic!("{other:?}"),
    };
    assert_eq!(shape(&first), (0, Direction::ToInstrument, "C0RF".to_owned()));
    assert_eq!(shape(&second), (4, Direction::FromInstrument, "C0RFid".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_given_at_once_and_nothing_lingers() {
    let (mut far, near) = pipe();
    let (_link, mut inlet) = start(TAP, false, [Attempt::Tap(vec![(Direction::Either, near)])]);
    opened(&mut inlet).await;
    let before = Instant::now();
    for number in 0..500 {
        far.write_all(format!("line {number}\n").as_bytes()).await.expect("written");
        tokio::task::yield_now().await;
    }
    let first = next(&mut inlet).await;
    assert!(text(&first).starts_with("line 0\n"));
    let length: usize = (0..500).map(|number| format!("line {number}\n").len()).sum();
    bytes(&mut inlet, length - text(&first).len()).await;
    assert_eq!(before.elapsed(), Duration::ZERO, "no timer had to run out");
}

#[tokio::test(start_paused = true)]
async fn a_lost_line_is_opened_again_under_another_epoch() {
    let ((mut far, near), (mut far_again, near_again)) = (pipe(), pipe());
    let attempts = [
        Attempt::Fails("it is not there"),
        Attempt::Fails("it is not there"),
        Attempt::Fails("it is in use"),
        Attempt::Tap(vec![(Direction::Either, near)]),
        Attempt::Fails("it is not there"),
        Attempt::Tap(vec![(Direction::Either, near_again)]),
    ];
    let (_link, mut inlet) = start(TAP, false, attempts);
    for wanted in ["it is not there", "it is in use"] {
        let said = next(&mut inlet).await;
        assert!(matches!(&said, StreamEvent::Unreachable { reason, .. } if reason == wanted), "{said:?}");
    }
    let epoch = opened(&mut inlet).await;
    far.write_all(b"half a fra").await.expect("written");
    assert_eq!(bytes(&mut inlet, 10).await, "half a fra");
    drop(far);
    assert!(matches!(next(&mut inlet).await, StreamEvent::Closed { .. }));
    assert!(matches!(next(&mut inlet).await, StreamEvent::Unreachable { .. }), "a new reason is said");
    let lost = Instant::now();
    let again = opened(&mut inlet).await;
    assert_ne!(epoch, again);
    assert!(lost.elapsed() < Duration::from_secs(2), "{:?}", lost.elapsed());
    far_again.write_all(b"whole").await.expect("written");
    let event = next(&mut inlet).await;
    assert!(matches!(event, StreamEvent::Bytes { offset: 0, .. }), "offsets begin anew: {event:?}");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_stays_away_is_tried_again_within_two_seconds_for_ever() {
    let (_far, near) = pipe();
    let away = (0..200).map(|_| Attempt::Fails("it is not there"));
    let (_link, mut inlet) = start(TAP, false, away.chain([Attempt::Tap(vec![(Direction::Either, near)])]));
    next(&mut inlet).await;
    let before = Instant::now();
    tokio::time::timeout(Duration::from_secs(1000), inlet.next()).await.expect("an opening");
    assert!(before.elapsed() < 200 * Duration::from_secs(2), "{:?}", before.elapsed());
    assert!(before.elapsed() > 190 * Duration::from_millis(700), "without pause it would keep a processor busy");
}

#[tokio::test(start_paused = true)]
async fn a_line_whose_bytes_nobody_takes_says_what_it_drops() {
    let (mut far, near) = pipe();
    let (_link, mut inlet) = start(TAP, false, [Attempt::Tap(vec![(Direction::Either, near)])]);
    opened(&mut inlet).await;
    let sent = 3 * LINE_BYTES as u64;
    let chunk = vec![b'x'; 4096];
    for _ in 0..sent / 4096 {
        far.write_all(&chunk).await.expect("written");
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    far.write_all(b"after").await.expect("written");
    let (mut read, mut lost, mut last) = (0, 0, 0);
    while last < sent + 5 {
        match next(&mut inlet).await {
            StreamEvent::Bytes { offset, pieces, .. } => {
                let length: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
                assert_eq!(offset, read + lost, "offsets count what was dropped");
                read += length as u64;
                last = offset + length as u64;
            }
            StreamEvent::Lost { bytes, .. } => lost += bytes,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(read + lost, sent + 5, "every byte was given or is named as lost");
    assert!(lost > 0 && read >= LINE_BYTES as u64 / 2, "{read} read, {lost} lost");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_can_wait_waits_and_loses_nothing() {
    let (far, near) = tokio::io::duplex(8192);
    let (_link, mut inlet) = start(TAP, true, [Attempt::Tap(vec![(Direction::Either, near)])]);
    opened(&mut inlet).await;
    let sent = 4 * LINE_BYTES;
    let writing = tokio::spawn(async move {
        let mut far = far;
        far.write_all(&vec![b'x'; sent]).await.expect("written");
        far
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!writing.is_finished(), "the peer is kept waiting");
    assert_eq!(bytes(&mut inlet, sent).await.len(), sent);
    writing.await.expect("it could write on");
}

#[tokio::test(start_paused = true)]
async fn only_a_host_writes_and_only_what_was_asked_in_this_epoch() {
    let ((mut far, near), (mut far_again, near_again)) = (pipe(), pipe());
    let (link, mut inlet) = start(Mode::Host, false, [Attempt::Host(near), Attempt::Host(near_again)]);
    let epoch = opened(&mut inlet).await;
    let write = |epoch: &str, bytes: &[u8]| link.write(Write { epoch: epoch.to_owned(), bytes: bytes.to_vec() });
    assert!(write(&epoch, b"C0RFid0001"));
    let mut read = [0; 10];
    far.read_exact(&mut read).await.expect("written");
    assert_eq!(&read, b"C0RFid0001");
    drop(far);
    next(&mut inlet).await;
    let again = opened(&mut inlet).await;
    assert!(write(&epoch, b"of the line that was lost") && write(&again, b"of this one"));
    let mut read = [0; 11];
    far_again.read_exact(&mut read).await.expect("written");
    assert_eq!(&read, b"of this one");

    let (_far, near) = pipe();
    let (tap, mut inlet) = start(TAP, false, [Attempt::Tap(vec![(Direction::Either, near)])]);
    let epoch = opened(&mut inlet).await;
    assert!(!tap.write(Write { epoch, bytes: b"never".to_vec() }), "a tap has nothing to write with");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_link_closes_its_line() {
    let (mut far, near) = pipe();
    let (link, mut inlet) = start(TAP, false, [Attempt::Tap(vec![(Direction::Either, near)])]);
    opened(&mut inlet).await;
    link.stop();
    assert_eq!(inlet.next().await, None);
    assert_eq!(far.read(&mut [0; 1]).await.expect("closed"), 0);
}
