//! When what is said, and what a client that lost something can have again.

use instrument_proto::device::v1::{
    AcknowledgeRequest, DeleteSubscriptionsRequest, RepublishRequest, SubscriptionAcknowledgement,
};
use proptest::prelude::*;

use super::*;
use crate::device_service::subscription::following;

fn is_keep_alive(message: &NotificationMessage) -> bool {
    message.data_changes.is_empty() && message.events.is_empty() && message.status_change.is_none()
}

#[test]
fn a_keep_alive_has_the_number_of_the_next_notification() {
    let mut world = World::new(Limits::default());
    let subscription = world.subscribe(vec![event_item(10, true)], 0);
    let stream = world.open(subscription, 0);
    // The first message comes at once, further keep-alives after ten intervals each.
    let first = world.hear(stream, 0);
    assert!(first.len() == 1 && is_keep_alive(&first[0]) && first[0].sequence_number == 1);
    assert!(world.hear(stream, 999).is_empty());
    let second = world.hear(stream, 1000);
    assert!(second.len() == 1 && is_keep_alive(&second[0]) && second[0].sequence_number == 1);
    world.emit(1, 1100);
    let told = world.hear(stream, 1100);
    assert_eq!((told[0].sequence_number, orders(&told)), (1, vec![1]));
    assert_eq!(world.hear(stream, 2100)[0].sequence_number, 2);
}

#[test]
fn messages_come_at_most_once_an_interval_unless_there_is_more() {
    let mut world = World::new(Limits { notifications: 2, ..Limits::default() });
    let subscription = world.subscribe(vec![event_item(10, true)], 0);
    let stream = world.open(subscription, 0);
    world.hear(stream, 0);
    (1..=5).for_each(|order| world.emit(order, 10));
    assert!(world.hear(stream, 99).is_empty());
    let told = world.hear(stream, 100);
    let more: Vec<bool> = told.iter().map(|message| message.more_notifications).collect();
    assert_eq!((orders(&told), more), (vec![1, 2, 3, 4, 5], vec![true, true, false]));
}

#[test]
fn a_subscription_ends_when_nobody_takes_anything_for_its_lifetime() {
    let mut world = World::new(Limits::default());
    let subscription = world.subscribe(vec![event_item(10, true)], 0);
    // 30 intervals of 100 ms. A stream keeps it alive, and so does a call that names it.
    let stream = world.open(subscription, 2900);
    world.hear(stream, 5800);
    let republish = RepublishRequest {
        subscription_id: subscription,
        retransmit_sequence_number: 9,
        ..RepublishRequest::default()
    };
    let refused = world.server.republish(&republish, &world.me.clone(), at(8700)).expect_err("never sent");
    assert_eq!(refused.code, StatusCode::BAD_MESSAGE_NOT_AVAILABLE);
    assert!(world.hear(stream, 11_699).iter().all(is_keep_alive));
    let last = world.hear(stream, 14_699);
    assert_eq!(last[0].status_change.as_ref().map(|change| change.status_code), Some(StatusCode::BAD_TIMEOUT.0));
    let asked = PublishRequest { subscription_id: subscription, ..PublishRequest::default() };
    let refused = world.server.open(&asked, &world.me.clone(), at(14_700)).expect_err("it is gone");
    assert_eq!(refused.code, StatusCode::BAD_SUBSCRIPTION_ID_INVALID);
}

#[test]
fn another_stream_takes_the_place_of_the_one_before() {
    let mut world = World::new(Limits::default());
    let subscription = world.subscribe(vec![event_item(10, true)], 0);
    let first = world.open(subscription, 0);
    world.hear(first, 0);
    world.emit(1, 10);
    let second = world.open(subscription, 20);
    let last = world.hear(first, 20);
    let code = StatusCode::GOOD_SUBSCRIPTION_TRANSFERRED.0;
    assert_eq!(last[0].status_change.as_ref().map(|change| change.status_code), Some(code));
    assert_eq!(orders(&world.hear(second, 20)), [1]);
}

#[test]
fn a_server_that_lost_its_queues_has_another_epoch_and_none_of_the_old_subscriptions() {
    let mut world = World::new(Limits::default());
    let old = world.subscribe(vec![event_item(10, true)], 0);
    world.server.lose_queues("epoch-2".to_owned(), at(10));
    let new = world.subscribe(vec![event_item(10, true)], 20);
    assert_eq!(old, new, "the number is in use again, which is why the epoch is told with it");
    let asked = PublishRequest { subscription_id: old, server_epoch: "epoch-1".to_owned() };
    let refused = world.server.open(&asked, &world.me.clone(), at(30)).expect_err("of another epoch");
    assert_eq!(refused.code, StatusCode::BAD_SUBSCRIPTION_ID_INVALID);
}

#[test]
fn another_client_has_no_part_in_a_subscription() {
    let mut world = World::new(Limits::default());
    let subscription = world.subscribe(vec![event_item(10, true)], 0);
    let other = Identity(b"another certificate".to_vec());
    let asked = PublishRequest { subscription_id: subscription, ..PublishRequest::default() };
    assert!(world.server.open(&asked, &other, at(1)).is_err());
    let delete = DeleteSubscriptionsRequest { subscription_ids: vec![subscription] };
    let codes = world.server.delete_subscriptions(&delete, &other, at(1)).expect("an answer").results;
    assert_eq!(codes, [StatusCode::BAD_SUBSCRIPTION_ID_INVALID.0]);
    world.open(subscription, 2);
}

#[test]
fn what_is_beyond_a_limit_is_refused() {
    let mut world = World::new(Limits { subscriptions: 2, items: 1, per_call: 2, ..Limits::default() });
    let asked = CreateSubscriptionRequest {
        items_to_create: vec![event_item(1, true), event_item(1, true)],
        ..CreateSubscriptionRequest::default()
    };
    let made = world.server.create_subscription(&asked, world.me.clone(), at(0)).expect("a subscription");
    let codes: Vec<u32> = made.results.iter().map(|result| result.status_code).collect();
    assert_eq!(codes, [0, StatusCode::BAD_TOO_MANY_MONITORED_ITEMS.0]);
    world.subscribe(vec![], 0);
    let refused = world.server.create_subscription(&asked, world.me.clone(), at(0)).expect_err("the third");
    assert_eq!(refused.code, StatusCode::BAD_TOO_MANY_SUBSCRIPTIONS);
    let many = DeleteSubscriptionsRequest { subscription_ids: vec![1, 2, 3] };
    let refused = world.server.delete_subscriptions(&many, &world.me.clone(), at(0)).expect_err("three");
    assert_eq!(refused.code, StatusCode::BAD_TOO_MANY_OPERATIONS);
}

#[test]
fn an_answer_that_would_be_too_large_is_refused() {
    let mut world = World::new(Limits { message: 2000, ..Limits::default() });
    let read = |count: usize| {
        let one = ReadValueId { node_id: "i=2255".to_owned(), ..ReadValueId::default() };
        instrument_proto::device::v1::ReadRequest { nodes_to_read: vec![one; count], ..Default::default() }
    };
    assert_eq!(world.server.read(&read(2), at(0)).expect("an answer").results.len(), 2);
    let refused = world.server.read(&read(100), at(0)).expect_err("too large");
    assert_eq!(refused.code, StatusCode::BAD_RESPONSE_TOO_LARGE);
}

#[test]
fn after_the_highest_number_comes_one() {
    assert_eq!(following(u32::MAX), 1);
    assert_eq!(following(1), 2);
}

/// What happens to a server and its client.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Events(u8),
    /// The stream speaks, and the client hears it.
    Heard,
    /// The stream speaks into a line that is cut already; then it is opened again.
    Cut,
    /// The client forgets what it has not written down and starts again.
    Crash,
    /// It writes down what it has, and acknowledges it.
    Settle,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        3 => (1u8..6).prop_map(Turn::Events),
        3 => Just(Turn::Heard),
        2 => Just(Turn::Cut),
        1 => Just(Turn::Crash),
        2 => Just(Turn::Settle),
    ]
}

/// A client that keeps the rules of `docs/device-service.md`.
#[derive(Debug, Clone, Default)]
struct Client {
    last: u32,
    orders: Vec<u32>,
}

impl Client {
    fn take(&mut self, message: &NotificationMessage, world: &mut World, millis: i64) {
        let carries = !is_keep_alive(message);
        let until = if carries { message.sequence_number } else { message.sequence_number.saturating_sub(1) };
        for missing in self.last + 1..=until {
            if carries && missing == until {
                self.orders.extend(orders(std::slice::from_ref(message)));
            } else {
                let asked = RepublishRequest {
                    subscription_id: message.subscription_id,
                    retransmit_sequence_number: missing,
                    ..RepublishRequest::default()
                };
                let again = world.server.republish(&asked, &world.me.clone(), at(millis)).expect("it is kept");
                assert_eq!(again.sequence_number, missing);
                self.orders.extend(orders(&[again]));
            }
        }
        self.last = self.last.max(until);
    }
}

proptest! {
    #[test]
    fn whatever_is_cut_a_client_that_asks_again_has_everything_once(
        turns in proptest::collection::vec(turn(), 1..80)
    ) {
        let mut world = World::new(Limits { notifications: 3, ..Limits::default() });
        let subscription = world.subscribe(vec![event_item(10_000, true)], 0);
        let mut stream = world.open(subscription, 0);
        let (mut client, mut written) = (Client::default(), Client::default());
        let (mut millis, mut happened) = (0, 0);
        for turn in turns.into_iter().chain([Turn::Cut, Turn::Heard]) {
            millis += 100;
            match turn {
                Turn::Events(count) => for _ in 0..count {
                    happened += 1;
                    world.emit(happened, millis);
                },
                Turn::Heard => for message in world.hear(stream, millis) {
                    client.take(&message, &mut world, millis);
                },
                Turn::Cut => {
                    world.hear(stream, millis);
                    stream = world.open(subscription, millis);
                }
                Turn::Crash => {
                    client = written.clone();
                    stream = world.open(subscription, millis);
                }
                Turn::Settle => {
                    written = client.clone();
                    if client.last > 0 {
                        let one = SubscriptionAcknowledgement {
                            subscription_id: subscription, sequence_number: client.last, and_earlier: true,
                        };
                        let asked = AcknowledgeRequest { acknowledgements: vec![one] };
                        world.server.acknowledge(&asked, &world.me.clone(), at(millis)).expect("an answer");
                    }
                }
            }
        }
        let wanted: Vec<u32> = (1..=happened).collect();
        prop_assert_eq!(client.orders, wanted);
    }
}

#[test]
fn of_messages_that_are_kept_the_oldest_go_and_those_that_are_left_are_told() {
    let mut world = World::new(Limits { retransmission: 3, ..Limits::default() });
    let subscription = world.subscribe(vec![event_item(10, true)], 0);
    let stream = world.open(subscription, 0);
    world.hear(stream, 0);
    let mut last = None;
    for order in 1..=5 {
        world.emit(order, i64::from(order) * 100);
        last = world.hear(stream, i64::from(order) * 100).pop();
    }
    let available = last.expect("a message").available_sequence_numbers;
    assert_eq!(available.iter().map(|range| (range.first, range.last)).collect::<Vec<_>>(), [(3, 5)]);
    let me = world.me.clone();
    let mut again = |number: u32| {
        let asked = RepublishRequest {
            subscription_id: subscription,
            retransmit_sequence_number: number,
            ..RepublishRequest::default()
        };
        world.server.republish(&asked, &me, at(600)).map(|message| orders(&[message]))
    };
    assert_eq!(again(2).expect_err("it is gone").code, StatusCode::BAD_MESSAGE_NOT_AVAILABLE);
    assert_eq!(again(4).expect("it is kept"), [4]);
    let one = SubscriptionAcknowledgement { subscription_id: subscription, sequence_number: 4, and_earlier: false };
    let asked = AcknowledgeRequest { acknowledgements: vec![one, one] };
    let codes = world.server.acknowledge(&asked, &me, at(600)).expect("an answer").results;
    assert_eq!(codes, [0, StatusCode::BAD_SEQUENCE_NUMBER_UNKNOWN.0]);
}
