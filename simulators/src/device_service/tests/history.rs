//! Reading what was.

use instrument_proto::device::timestamp;
use instrument_proto::device::v1::history_read_request::Details;
use instrument_proto::device::v1::history_read_result::History;
use instrument_proto::device::v1::{
    HistoryReadRequest, HistoryReadResult, HistoryReadValueId, ReadEventDetails, ReadRawDetails,
};
use proptest::prelude::*;

use super::*;

fn read(world: &mut World, node_id: &str, details: Details, point: Vec<u8>) -> HistoryReadResult {
    let wanted = HistoryReadValueId { node_id: node_id.to_owned(), continuation_point: point };
    let asked =
        HistoryReadRequest { details: Some(details), nodes_to_read: vec![wanted], ..HistoryReadRequest::default() };
    world.server.history_read(&asked).expect("an answer").results.remove(0)
}

/// All pages of the events of a span.
fn events(world: &mut World, from: i64, to: i64, page: u32) -> (Vec<u32>, HistoryReadResult) {
    let (mut all, mut point) = (Vec::new(), Vec::new());
    loop {
        let details = ReadEventDetails {
            start_time: Some(timestamp(at(from))),
            end_time: Some(timestamp(at(to))),
            num_values_per_node: page,
            filter: Some(event_filter()),
        };
        let result = read(world, "ns=2;s=Device", Details::Events(details), point);
        assert!(StatusCode(result.status_code).is_good(), "{}", StatusCode(result.status_code));
        if let Some(History::Events(events)) = &result.history {
            assert!(page == 0 || events.events.len() <= page as usize);
            all.extend(events.events.iter().filter_map(|event| event.fields[1].as_f64()).map(|order| order as u32));
        }
        if result.continuation_point.is_empty() {
            return (all, result);
        }
        point = result.continuation_point;
    }
}

proptest! {
    #[test]
    fn however_it_is_read_each_event_of_the_span_comes_once_and_in_order(
        times in proptest::collection::vec(0i64..50, 0..60), page in 0u32..7, from in 0i64..50, length in 0i64..50,
        backwards: bool
    ) {
        let mut world = World::new(Limits::default());
        for (order, millis) in (1..).zip(&times) {
            world.emit(order, *millis);
        }
        let mut all: Vec<(i64, u32)> = times.iter().copied().zip(1..).collect();
        all.sort_unstable();
        let to = from + length;
        // The start is part of the span, the end is not.
        let wanted: Vec<u32> = if backwards {
            all.iter().rev().filter(|(time, _)| *time > from && *time <= to).map(|(_, order)| *order).collect()
        } else {
            all.iter().filter(|(time, _)| *time >= from && *time < to).map(|(_, order)| *order).collect()
        };
        let (start, end) = if backwards { (to, from) } else { (from, to) };
        if length > 0 {
            prop_assert_eq!(events(&mut world, start, end, page).0, wanted);
        }
    }
}

#[test]
fn what_was_dropped_is_told_by_the_start_of_the_archive() {
    let mut world = World::new(Limits { history: 3, ..Limits::default() });
    (1..=3).for_each(|order| world.emit(order, order.into()));
    assert_eq!(events(&mut world, 0, 100, 0).1.start_of_archive, None);
    world.emit(4, 4);
    let (orders, result) = events(&mut world, 0, 100, 2);
    assert_eq!(orders, [2, 3, 4]);
    let start = result.start_of_archive.expect("something was dropped");
    assert!(start.nanos > timestamp(at(1)).nanos && start.nanos <= timestamp(at(2)).nanos);
}

#[test]
fn values_are_kept_of_variables_that_say_so() {
    let mut world = World::new(Limits::default());
    world.set("Ranged", 1.0, 10);
    world.set("Plain", 1.0, 10);
    world.server.set_connected(false, at(20));
    let details = || {
        let (start_time, end_time) = (Some(timestamp(at(0))), Some(timestamp(at(100))));
        Details::Raw(ReadRawDetails { start_time, end_time, num_values_per_node: 0 })
    };
    let result = read(&mut world, "ns=2;s=Device/Ranged", details(), Vec::new());
    let Some(History::Data(data)) = result.history else { panic!("no values") };
    let codes: Vec<u32> = data.values.iter().map(|value| value.status_code).collect();
    assert_eq!(codes, [0, StatusCode::BAD_NO_COMMUNICATION.0], "a loss is part of what was");
    let result = read(&mut world, "ns=2;s=Device/Plain", details(), Vec::new());
    assert_eq!(result.status_code, StatusCode::BAD_HISTORY_OPERATION_UNSUPPORTED.0);
}

#[test]
fn a_continuation_point_is_used_once() {
    let mut world = World::new(Limits { history_page: 1, ..Limits::default() });
    (1..=3).for_each(|order| world.emit(order, order.into()));
    let details = || {
        Details::Events(ReadEventDetails {
            start_time: Some(timestamp(at(0))),
            end_time: Some(timestamp(at(9))),
            num_values_per_node: 1,
            filter: Some(event_filter()),
        })
    };
    let point = read(&mut world, "ns=2;s=Device", details(), Vec::new()).continuation_point;
    assert_eq!(read(&mut world, "ns=2;s=Device", details(), point.clone()).status_code, 0);
    let again = read(&mut world, "ns=2;s=Device", details(), point);
    assert_eq!(again.status_code, StatusCode::BAD_CONTINUATION_POINT_INVALID.0);
}
