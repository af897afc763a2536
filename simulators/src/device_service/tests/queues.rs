//! What goes into an item's queue, and what goes when it is full.

use instrument_proto::device::v1::{DataChangeTrigger, DeadbandType};
use proptest::prelude::*;

use super::*;

#[test]
fn the_first_thing_that_is_told_is_the_value_now() {
    let mut world = World::new(Limits::default());
    world.set("Plain", 5.0, 0);
    let subscription = world.subscribe(vec![value_item("Plain", 10, true)], 10);
    let stream = world.open(subscription, 20);
    assert_eq!(values(&world.hear(stream, 20)), [(5.0, false)]);
}

proptest! {
    #[test]
    fn a_full_queue_keeps_what_it_should_and_marks_the_right_element(
        count in 1usize..40, size in 2u32..12, discard_oldest: bool
    ) {
        let mut world = World::new(Limits::default());
        world.set("Plain", 0.0, 0);
        let subscription = world.subscribe(vec![value_item("Plain", size, discard_oldest)], 0);
        for value in 1..count {
            world.set("Plain", value as f64, value as i64);
        }
        let stream = world.open(subscription, 1000);
        let told = values(&world.hear(stream, 1000));
        let size = size as usize;
        let mut wanted: Vec<(f64, bool)> = (0..count).map(|value| (value as f64, false)).collect();
        if count > size {
            if discard_oldest {
                // The oldest that is left says that others before it are gone.
                wanted.drain(..count - size);
                wanted[0].1 = true;
            } else {
                // The newest took the place of those before it, and says so.
                wanted.drain(size - 1..count - 1);
                wanted[size - 1].1 = true;
            }
        }
        prop_assert_eq!(told, wanted);
    }

    #[test]
    fn dropped_events_are_told_of_once_and_at_the_right_end(
        count in 1u32..40, size in 1u32..12, discard_oldest: bool
    ) {
        let mut world = World::new(Limits::default());
        let subscription = world.subscribe(vec![event_item(size, discard_oldest)], 0);
        (1..=count).for_each(|order| world.emit(order, order.into()));
        let stream = world.open(subscription, 1000);
        let told = orders(&world.hear(stream, 1000));
        let wanted: Vec<u32> = match count > size {
            false => (1..=count).collect(),
            true if discard_oldest => std::iter::once(0).chain(count - size + 1..=count).collect(),
            true => (1..size).chain([count, 0]).collect(),
        };
        prop_assert_eq!(told, wanted);
        // The next overflow is told of anew.
        (1..=size + 1).for_each(|order| world.emit(order, 1500));
        let again = orders(&world.hear(stream, 2000));
        prop_assert_eq!(again.iter().filter(|order| **order == 0).count(), 1);
    }

    #[test]
    fn with_a_dead_band_what_is_told_is_never_further_from_the_truth_than_that(
        steps in proptest::collection::vec(-10.0f64..10.0, 1..60), deadband in 0.0f64..20.0
    ) {
        let mut world = World::new(Limits::default());
        world.set("Plain", 0.0, 0);
        let filter = DataChangeFilter {
            deadband_type: DeadbandType::Absolute.into(), deadband_value: deadband, ..DataChangeFilter::default()
        };
        let subscription = world.subscribe(vec![filtered("Plain", filter)], 0);
        let stream = world.open(subscription, 0);
        world.hear(stream, 0);
        let (mut truth, mut told) = (0.0, 0.0);
        for (step, millis) in steps.iter().zip((1..).map(|step| step * 100)) {
            truth += step;
            world.set("Plain", truth, millis);
            let heard = values(&world.hear(stream, millis));
            if let [(value, _)] = heard.as_slice() {
                prop_assert!((value - told).abs() > deadband);
                told = *value;
            }
            prop_assert!((truth - told).abs() <= deadband);
        }
    }

    #[test]
    fn a_sampled_value_is_told_at_most_once_an_interval_and_the_last_one_always(
        times in proptest::collection::btree_set(1i64..2500, 1..60)
    ) {
        let mut world = World::new(Limits::default());
        world.set("Plain", 0.0, 0);
        let item = MonitoredItemCreateRequest { sampling_interval_ms: 500.0, ..value_item("Plain", 1000, true) };
        let subscription = world.subscribe(vec![item], 0);
        for millis in &times {
            world.set("Plain", *millis as f64, *millis);
        }
        let stream = world.open(subscription, 2900);
        let told: Vec<f64> = values(&world.hear(stream, 2900)).into_iter().map(|(value, _)| value).collect();
        // Samples are taken at 500, 1000, …; each sees the last value before or at its time.
        let sample = |time: i64| times.range(..=time).next_back().map_or(0.0, |millis| *millis as f64);
        let mut wanted: Vec<f64> = std::iter::once(0.0).chain((1..=5).map(|index| sample(index * 500))).collect();
        wanted.dedup();
        prop_assert_eq!(told, wanted);
    }
}

#[test]
fn a_queue_of_one_holds_the_last_value_without_a_flag() {
    let mut world = World::new(Limits::default());
    let subscription = world.subscribe(vec![value_item("Plain", 1, true)], 0);
    (1..9).for_each(|value| world.set("Plain", f64::from(value), value.into()));
    let stream = world.open(subscription, 100);
    assert_eq!(values(&world.hear(stream, 100)), [(8.0, false)]);
}

#[test]
fn a_dead_band_in_percent_is_of_the_range() {
    let mut world = World::new(Limits::default());
    world.set("Ranged", 100.0, 0);
    let percent = DataChangeFilter {
        deadband_type: DeadbandType::Percent.into(),
        deadband_value: 5.0,
        ..DataChangeFilter::default()
    };
    let subscription = world.subscribe(vec![filtered("Ranged", percent)], 0);
    for (value, millis) in [(110.0, 1), (110.5, 2), (100.0, 3), (121.0, 4)] {
        world.set("Ranged", value, millis);
    }
    let stream = world.open(subscription, 100);
    let told: Vec<f64> = values(&world.hear(stream, 100)).into_iter().map(|(value, _)| value).collect();
    assert_eq!(told, [100.0, 110.5, 100.0, 121.0]);
    // Without a range there is no percent of it, and texts have no dead-band.
    let asked = CreateSubscriptionRequest {
        items_to_create: vec![filtered("Plain", percent)],
        ..CreateSubscriptionRequest::default()
    };
    let made = world.server.create_subscription(&asked, world.me.clone(), at(100)).expect("a subscription");
    assert_eq!(made.results[0].status_code, StatusCode::BAD_DEADBAND_FILTER_INVALID.0);
}

#[test]
fn the_trigger_says_which_changes_count() {
    let told = |trigger: DataChangeTrigger| {
        let mut world = World::new(Limits::default());
        world.set("Plain", 1.0, 0);
        let filter = DataChangeFilter { trigger: trigger.into(), ..DataChangeFilter::default() };
        let subscription = world.subscribe(vec![filtered("Plain", filter)], 0);
        world.set("Plain", 1.0, 1);
        world.set("Plain", 2.0, 2);
        world.server.set_connected(false, at(3));
        world.server.set_connected(true, at(4));
        let stream = world.open(subscription, 100);
        values(&world.hear(stream, 100)).len()
    };
    // The value at the beginning; then a time-stamp, a value, the loss of the instrument and its return.
    assert_eq!(told(DataChangeTrigger::Status), 3);
    assert_eq!(told(DataChangeTrigger::StatusValue), 4);
    assert_eq!(told(DataChangeTrigger::StatusValueTimestamp), 5);
}

#[test]
fn what_an_instrument_that_is_gone_said_last_is_not_told_as_good() {
    let mut world = World::new(Limits::default());
    world.set("Plain", 1.0, 0);
    world.server.set_connected(false, at(10));
    let asked = instrument_proto::device::v1::ReadRequest {
        nodes_to_read: vec![ReadValueId { node_id: "ns=2;s=Device/Plain".to_owned(), ..ReadValueId::default() }],
        ..instrument_proto::device::v1::ReadRequest::default()
    };
    let value = world.server.read(&asked, at(20)).expect("an answer").results[0].clone();
    assert_eq!((value.status(), value.value), (StatusCode::BAD_NO_COMMUNICATION, None));
    world.server.set_connected(true, at(30));
    let value = world.server.read(&asked, at(40)).expect("an answer").results[0].clone();
    assert_eq!(value.status(), StatusCode::GOOD);
    assert_eq!(value.source_timestamp.map(|time| time.nanos), Some(0), "it is as old as it is");
}
