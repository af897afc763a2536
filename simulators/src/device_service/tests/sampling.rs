//! Items are sampled at their own interval, whatever else happens or does not.

use instrument_proto::device::to_timestamp;
use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{DataValue, MonitoringMode};
use proptest::prelude::*;

use super::*;

/// Of a server on its own: the messages of a stream until a time, and how often it woke for them.
struct Heard {
    messages: Vec<NotificationMessage>,
    wakes: usize,
}

impl World {
    /// Lets a stream sleep as long as it wants to: nothing else happens.
    fn leave_alone(&mut self, stream: Stream, from: i64, until: i64) -> Heard {
        let (mut now, mut messages, mut wakes) = (at(from), Vec::new(), 0);
        loop {
            match self.server.poll(stream, now) {
                Poll::Say(message) => messages.push(*message),
                Poll::Wait(wake) if wake > at(until) => return Heard { messages, wakes },
                Poll::Wait(wake) => {
                    assert!(wake > now, "a wait that is over already is a busy loop");
                    (now, wakes) = (wake, wakes + 1);
                }
                Poll::End(last) => panic!("the stream ended: {last:?}"),
            }
        }
    }

    fn subscribe_every(&mut self, publishing_ms: i64, items: Vec<MonitoredItemCreateRequest>) -> Stream {
        let asked = CreateSubscriptionRequest {
            requested_publishing_interval_ms: publishing_ms as f64,
            requested_lifetime_count: 1000,
            requested_max_keep_alive_count: 100,
            items_to_create: items,
            timestamps_to_return: TimestampsToReturn::Both.into(),
            ..CreateSubscriptionRequest::default()
        };
        let made = self.server.create_subscription(&asked, self.me.clone(), at(0)).expect("a subscription");
        assert!(made.results.iter().all(|result| result.status_code == 0), "{:?}", made.results);
        self.open(made.subscription_id, 0)
    }
}

fn clock_item(sampling_ms: i64, queue_size: u32, discard_oldest: bool) -> MonitoredItemCreateRequest {
    let item_to_monitor = Some(ReadValueId { node_id: "i=2258".to_owned(), ..ReadValueId::default() });
    let sampling_interval_ms = sampling_ms as f64;
    MonitoredItemCreateRequest { item_to_monitor, sampling_interval_ms, ..value_item("", queue_size, discard_oldest) }
}

/// What the clock showed in milliseconds, and whether other values were dropped there.
fn times(message: &NotificationMessage) -> Vec<(i64, bool)> {
    let time = |value: &DataValue| match value.value.as_ref()?.value {
        Some(Value::DateTime(time)) => Some(to_timestamp(&time)?.as_millisecond()),
        _ => None,
    };
    let values = message.data_changes.iter().filter_map(|change| change.value.as_ref());
    values.map(|value| (time(value).expect("a time"), value.status().has_overflow())).collect()
}

/// What a queue that was empty shows of these.
fn queued(mut all: Vec<(i64, bool)>, size: usize, discard_oldest: bool) -> Vec<(i64, bool)> {
    let count = all.len();
    if count > size {
        if discard_oldest {
            all.drain(..count - size);
            all[0].1 = size > 1;
        } else {
            all.drain(size - 1..count - 1);
            all[size - 1].1 = size > 1;
        }
    }
    all
}

proptest! {
    #[test]
    fn the_clock_is_sampled_at_its_interval_while_nothing_else_happens(
        sampling in 100i64..400, publishing in 20i64..2500, size in 1u32..9, discard_oldest: bool
    ) {
        let mut world = World::new(Limits::default());
        let stream = world.subscribe_every(publishing, vec![clock_item(sampling, size, discard_oldest)]);
        let heard = world.leave_alone(stream, 0, 10_000);
        prop_assert_eq!(times(&heard.messages[0]), [(0, false)]);
        let mut before = 0;
        for message in &heard.messages[1..] {
            let told = message.publish_time.as_ref().and_then(to_timestamp).expect("a time").as_millisecond();
            prop_assert!(told - before >= publishing);
            let samples = (before / sampling + 1..=told / sampling).map(|index| (index * sampling, false)).collect();
            prop_assert_eq!(times(message), queued(samples, size as usize, discard_oldest), "{} to {}", before, told);
            before = told;
        }
        prop_assert!(before > 10_000 - 2 * publishing.max(sampling), "the last message came at {}", before);
        prop_assert_eq!(heard.wakes + 1, heard.messages.len(), "it wakes to say something, and for nothing else");
    }

    #[test]
    fn what_was_sampled_while_nobody_listened_is_told_as_the_queue_holds_it(
        silence in 0i64..90_000, sampling in 100i64..400, size in 1u32..60, discard_oldest: bool
    ) {
        let mut world = World::new(Limits::default());
        let stream = world.subscribe_every(100, vec![clock_item(sampling, size, discard_oldest)]);
        world.hear(stream, 0);
        let told = world.hear(stream, silence).first().map(times).unwrap_or_default();
        let samples = (1..=silence / sampling).map(|index| (index * sampling, false)).collect();
        prop_assert_eq!(told, queued(samples, size as usize, discard_oldest));
    }
}

#[test]
fn a_queue_of_two_on_the_clock_overflows_in_an_idle_server() {
    let mut world = World::new(Limits::default());
    let stream = world.subscribe_every(500, vec![clock_item(20, 2, true)]);
    let told: Vec<_> = world.leave_alone(stream, 0, 1000).messages.iter().map(times).collect();
    // The clock is sampled every 100 ms at most.
    assert_eq!(told, [vec![(0, false)], vec![(400, true), (500, false)], vec![(900, true), (1000, false)]]);
}

#[test]
fn nothing_wakes_for_an_item_that_has_nothing_to_tell() {
    let mut world = World::new(Limits::default());
    world.set("Plain", 1.0, 0);
    let plain = MonitoredItemCreateRequest { sampling_interval_ms: 10.0, ..value_item("Plain", 10, true) };
    let silent = MonitoredItemCreateRequest {
        monitoring_mode: Some(MonitoringMode::Sampling.into()),
        ..clock_item(100, 10, true)
    };
    let stream = world.subscribe_every(100, vec![plain, silent]);
    let heard = world.leave_alone(stream, 0, 60_000);
    // The first value, then a keep-alive after each hundred intervals.
    assert_eq!((heard.messages.len(), heard.wakes), (7, 6));
}

#[test]
fn a_clock_that_was_set_back_silences_no_item() {
    let mut world = World::new(Limits::default());
    let plain = MonitoredItemCreateRequest { sampling_interval_ms: 200.0, ..value_item("Plain", 10, true) };
    let subscription = world.subscribe(vec![plain, clock_item(200, 10, true)], 5_000_000);
    let stream = world.open(subscription, 5_000_000);
    world.hear(stream, 5_000_000);
    world.set("Plain", 1.0, 1000);
    let heard = world.leave_alone(stream, 1000, 1500);
    let plain = values(&heard.messages).into_iter().filter(|(value, _)| !value.is_nan()).count();
    let clock = heard.messages.iter().flat_map(|message| &message.data_changes).count() - plain;
    assert_eq!((plain, clock), (1, 2), "{:?}", heard.messages);
}

#[test]
fn an_item_hears_that_the_server_started_anew() {
    let mut world = World::new(Limits::default());
    let item_to_monitor = Some(ReadValueId { node_id: "i=2257".to_owned(), ..ReadValueId::default() });
    let start = MonitoredItemCreateRequest { item_to_monitor, ..value_item("", 10, true) };
    let stream = world.subscribe_every(100, vec![start]);
    world.hear(stream, 0);
    world.server.restarted(at(700));
    assert_eq!(world.hear(stream, 800).iter().flat_map(times).collect::<Vec<_>>(), [(700, false)]);
}
