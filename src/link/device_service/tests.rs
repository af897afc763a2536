//! A subscription under any pattern of losses: every event once and in order, or a loss that is told.

use std::collections::BTreeSet;

use instrument_proto::device::echo_ms_plus::{NAMESPACE_URI, event_type, field};
use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{EventFields, EventNotification, NotificationMessage, SequenceRange, Variant};
use instrument_proto::device::{QUEUE_OVERFLOW, timestamp, variant};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::following::{Ask, Following, Page, Stop, Tell};
use super::position::Position;
use super::sequence::next;
use super::translate::Terms;
use super::{Gone, ServiceEvent, Way};
use crate::driver::echo_ms::WANTED;
use crate::driver::service::Happened;
use crate::link::grpc::{Failure, Kind};

/// What the n-th message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    Twice,
    Lost,
    /// Only a keep-alive comes after it, and it is lost.
    LostBeforeKeepAlive,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        4 => Just(Fate::Arrives),
        1 => Just(Fate::Twice),
        2 => Just(Fate::Lost),
        1 => Just(Fate::LostBeforeKeepAlive),
    ];
    proptest::collection::vec(fate, 1..60)
}

fn terms() -> Terms {
    let namespaces = ["http://opcfoundation.org/UA/", "urn:x", "urn:y", NAMESPACE_URI].map(str::to_owned);
    Terms::new(WANTED, &namespaces).expect("the model")
}

fn start() -> Timestamp {
    Timestamp::from_second(1_700_000_000).expect("a time")
}

/// The n-th event: ten seconds after the one before.
fn fields(number: u32, of: &str) -> EventFields {
    let mut fields = vec![Variant::default(); field::BASE.len()];
    fields[0] = variant(Value::ByteString(number.to_be_bytes().to_vec()));
    fields[1] = variant(Value::NodeId(of.replace("ns=2;", "ns=3;")));
    fields[4] = variant(Value::DateTime(timestamp(start() + SignedDuration::from_secs(10 * i64::from(number)))));
    for (known, names) in WANTED.events {
        for name in *names {
            let is_order = *known == of && *name == "Order";
            fields.push(if is_order { variant(Value::Uint32(number)) } else { Variant::default() });
        }
    }
    EventFields { fields }
}

fn message(sequence: u32, events: Vec<EventFields>, available: (u32, u32)) -> NotificationMessage {
    NotificationMessage {
        subscription_id: 7,
        sequence_number: sequence,
        events: events.into_iter().map(|event| EventNotification { client_handle: 0, event: Some(event) }).collect(),
        available_sequence_numbers: vec![SequenceRange { first: available.0, last: available.1 }],
        ..NotificationMessage::default()
    }
}

/// A server that has sent some messages, keeps the last of them, and the events from some number on.
struct Memory {
    sent: u32,
    queue: u32,
    archive_from: u32,
    tells_start: bool,
}

impl Memory {
    fn first_kept(&self) -> u32 {
        self.sent.saturating_sub(self.queue) + 1
    }
}

impl Ask for Memory {
    async fn republish(&mut self, _: u32, number: u32) -> Result<Option<NotificationMessage>, Failure> {
        let is_kept = (self.first_kept()..=self.sent).contains(&number);
        let range = (self.first_kept(), self.sent);
        Ok(is_kept.then(|| message(number, vec![fields(number, event_type::EJECTION)], range)))
    }

    async fn history(&mut self, from: Timestamp, more: &[u8]) -> Result<Option<Page>, Failure> {
        let time = |number: u32| start() + SignedDuration::from_secs(10 * i64::from(number));
        let skip = more.first().copied().unwrap_or(0);
        let there = (self.archive_from.max(1)..=self.sent).filter(|number| time(*number) >= from);
        let rest: Vec<u32> = there.skip(usize::from(skip)).collect();
        Ok(Some(Page {
            events: rest.iter().take(5).map(|number| fields(*number, event_type::EJECTION)).collect(),
            more: if rest.len() > 5 { vec![skip + 5] } else { Vec::new() },
            archive_start: (self.tells_start && self.archive_from > 1).then(|| time(self.archive_from)),
        }))
    }
}

#[derive(Default)]
struct Ear {
    heard: Vec<(u32, Way)>,
    lost: Vec<String>,
}

impl Tell for Ear {
    async fn tell(&mut self, event: ServiceEvent) -> Result<(), Gone> {
        match event {
            ServiceEvent::Notified(notified) => {
                let order = |happened: Happened<'_>| happened.count("Order").expect("an order");
                self.heard.extend(notified.events.iter().map(|notice| (order(notice.happened()), notified.way)));
            }
            ServiceEvent::Lost { text, .. } => self.lost.push(text),
            other => panic!("{other:?}"),
        }
        Ok(())
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Follows messages whose fates these are; what was heard, and where it ended.
fn follow(fates: &[Fate], queue: u32, archive_from: u32, tells_start: bool) -> (Ear, Position) {
    let terms = terms();
    let mut ear = Ear::default();
    let mut position = Position { epoch: "e".to_owned(), subscription: 7, time: None, ..Position::default() };
    let mut memory = Memory { sent: 0, queue, archive_from, tells_start };
    run(async {
        let mut following =
            Following { terms: &terms, position: &mut position, tell: &mut ear, peer: "test", repeated: 0 };
        // The first and the last arrive: without them nothing is known of what is missing.
        let all = [Fate::Arrives].iter().chain(fates).chain(&[Fate::Arrives]);
        for (number, fate) in (1..).zip(all) {
            memory.sent = number;
            let event = fields(number, event_type::EJECTION);
            let sent = message(number, vec![event], (memory.first_kept(), number));
            match fate {
                Fate::Lost => {}
                Fate::LostBeforeKeepAlive => {
                    let keep_alive = message(next(number), Vec::new(), (memory.first_kept(), number));
                    following.take(keep_alive, &mut memory).await.expect("followed");
                }
                Fate::Arrives | Fate::Twice => {
                    if *fate == Fate::Twice {
                        following.take(sent.clone(), &mut memory).await.expect("followed");
                    }
                    following.take(sent, &mut memory).await.expect("followed");
                }
            }
        }
    });
    (ear, position)
}

proptest! {
    #[test]
    fn any_losses_are_made_good_from_the_queue(fates in fates()) {
        let (ear, position) = follow(&fates, 1000, 1, true);
        let heard: Vec<u32> = ear.heard.iter().map(|(order, _)| *order).collect();
        prop_assert_eq!(heard, (1..=fates.len() as u32 + 2).collect::<Vec<_>>(), "each once and in order");
        prop_assert_eq!(ear.lost, Vec::<String>::new());
        prop_assert_eq!(position.sequence, fates.len() as u32 + 2);
    }

    #[test]
    fn or_from_the_history_or_are_told(fates in fates(), queue in 0u32..4, archive_from in 1u32..40, tells in any::<bool>()) {
        let (ear, _) = follow(&fates, queue, archive_from, tells);
        let heard: BTreeSet<u32> = ear.heard.iter().map(|(order, _)| *order).collect();
        let all: BTreeSet<u32> = (1..=fates.len() as u32 + 2).collect();
        prop_assert!(heard.is_subset(&all));
        prop_assert!(heard == all || !ear.lost.is_empty(), "{:?} is missing and nobody says so", all.difference(&heard));
        if archive_from == 1 {
            prop_assert_eq!(&heard, &all);
            prop_assert!(ear.lost.is_empty(), "{:?}", ear.lost);
        }
    }

    #[test]
    fn no_message_of_any_kind_breaks_it(
        numbers in proptest::collection::vec((any::<u32>(), 0u32..9, any::<bool>(), 0u32..3), 0..40),
    ) {
        let terms = terms();
        let mut ear = Ear::default();
        let mut position = Position { subscription: 7, ..Position::default() };
        let mut memory = Memory { sent: 5, queue: 3, archive_from: 2, tells_start: true };
        run(async {
            let mut following =
                Following { terms: &terms, position: &mut position, tell: &mut ear, peer: "test", repeated: 0 };
            for (far, near, is_near, events) in numbers {
                let mut sent = message(if is_near { near } else { far }, Vec::new(), (far, near));
                sent.events = (0..events).map(|_| EventNotification::default()).collect();
                let _ = following.take(sent, &mut memory).await;
            }
        });
    }
}

#[test]
fn a_full_queue_at_the_server_is_made_good_from_its_history() {
    let terms = terms();
    let mut ear = Ear::default();
    let mut position = Position { subscription: 7, ..Position::default() };
    let mut memory = Memory { sent: 9, queue: 9, archive_from: 1, tells_start: true };
    run(async {
        let mut following =
            Following { terms: &terms, position: &mut position, tell: &mut ear, peer: "test", repeated: 0 };
        let first = message(1, vec![fields(1, event_type::EJECTION)], (1, 1));
        following.take(first, &mut memory).await.expect("followed");
        let overflow = vec![fields(0, QUEUE_OVERFLOW), fields(9, event_type::EJECTION)];
        following.take(message(2, overflow, (1, 2)), &mut memory).await.expect("followed");
    });
    let heard: BTreeSet<u32> = ear.heard.iter().map(|(order, _)| *order).collect();
    assert!((4..=9).all(|order| heard.contains(&order)) && ear.lost.is_empty(), "{heard:?} {:?}", ear.lost);
}

#[test]
fn a_server_that_counts_backwards_is_subscribed_to_anew() {
    let terms = terms();
    let mut position = Position { subscription: 7, sequence: 40, ..Position::default() };
    let mut ear = Ear::default();
    let mut memory = Memory { sent: 9, queue: 9, archive_from: 1, tells_start: true };
    run(async {
        let mut following =
            Following { terms: &terms, position: &mut position, tell: &mut ear, peer: "test", repeated: 0 };
        let keep_alive = following.take(message(3, Vec::new(), (1, 2)), &mut memory).await;
        assert!(matches!(keep_alive, Err(Stop::NoSubscription(_))), "{keep_alive:?}");
        let other = NotificationMessage { subscription_id: 8, ..message(41, Vec::new(), (1, 2)) };
        let failed = following.take(other, &mut memory).await;
        assert!(matches!(failed, Err(Stop::Failed(Failure { kind: Kind::Malformed, .. }))), "{failed:?}");
    });
}
