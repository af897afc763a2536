//! What a server promises, told on the state machine alone: time is an argument, so that nothing is waited for.

mod history;
mod queues;
mod sampling;
mod streams;

use instrument_proto::device::v1::monitored_item_create_request::Filter;
use instrument_proto::device::v1::{
    AttributeId, BuildInfo, CreateSubscriptionRequest, DataChangeFilter, EventFilter, MonitoredItemCreateRequest,
    NotificationMessage, PublishRequest, ReadValueId, SelectClause, TimestampsToReturn, Variant,
};
use instrument_proto::device::{NodeId, StatusCode, double, number};
use jiff::{SignedDuration, Timestamp};

use super::*;

/// A time of the tests, milliseconds after the beginning.
fn at(millis: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_millis(millis)
}

#[derive(Debug)]
struct NoMethods;

impl Methods for NoMethods {
    fn call(&mut self, _: &NodeId, _: &[Variant], _: Timestamp) -> Result<Vec<Variant>, StatusCode> {
        Err(StatusCode::BAD_METHOD_INVALID)
    }
}

/// A server with a notifier, a number with a range and one without.
struct World {
    server: Server,
    me: Identity,
}

impl World {
    fn new(limits: Limits) -> Self {
        let mut space = AddressSpace::new(vec!["urn:test".to_owned()]);
        space.add_path("Device", Kind::Object { notifier: true }, "");
        let ranged = Variable::live(11).with_range(0.0, 200.0).with_access(Access::ReadHistory);
        space.add_path("Device/Ranged", Kind::Variable(Box::new(ranged)), "");
        space.add_path("Device/Plain", Kind::Variable(Box::new(Variable::live(11))), "");
        space.add_event_type("ShotEventType", &["Order"]);
        let epoch = "epoch-1".to_owned();
        let server = Server::new(space, "urn:here", BuildInfo::default(), limits, Box::new(NoMethods), epoch, at(0));
        Self { server, me: Identity::default() }
    }

    fn set(&mut self, name: &str, value: f64, millis: i64) {
        self.server.set(&NodeId::string(2, format!("Device/{name}")), double(value), at(millis), at(millis));
    }

    fn emit(&mut self, order: u32, millis: i64) {
        let event = Event {
            id: order.to_be_bytes().to_vec(),
            event_type: NodeId::string(2, "ShotEventType"),
            source: NodeId::string(2, "Device"),
            source_name: "Device".to_owned(),
            time: at(millis),
            received: at(millis),
            message: String::new(),
            severity: 1,
            fields: [("Order", number(order))].into_iter().collect(),
        };
        self.server.emit(event, at(millis));
    }

    /// A subscription of 100 ms, keep-alive after 10, over after 30 intervals.
    fn subscribe(&mut self, items: Vec<MonitoredItemCreateRequest>, millis: i64) -> u32 {
        let asked = CreateSubscriptionRequest {
            requested_publishing_interval_ms: 100.0,
            requested_lifetime_count: 30,
            requested_max_keep_alive_count: 10,
            items_to_create: items,
            timestamps_to_return: TimestampsToReturn::Both.into(),
            ..CreateSubscriptionRequest::default()
        };
        let made = self.server.create_subscription(&asked, self.me.clone(), at(millis)).expect("a subscription");
        assert!(made.results.iter().all(|result| result.status_code == 0), "{:?}", made.results);
        made.subscription_id
    }

    fn open(&mut self, subscription: u32, millis: i64) -> Stream {
        let asked = PublishRequest { subscription_id: subscription, server_epoch: String::new() };
        self.server.open(&asked, &self.me, at(millis)).expect("a stream")
    }

    /// All that a stream says at a moment.
    fn hear(&mut self, stream: Stream, millis: i64) -> Vec<NotificationMessage> {
        let mut heard = Vec::new();
        loop {
            match self.server.poll(stream, at(millis)) {
                Poll::Say(message) => heard.push(*message),
                Poll::Wait(until) => {
                    assert!(until > at(millis), "a wait that is over already is a busy loop");
                    return heard;
                }
                Poll::End(last) => {
                    heard.extend(last.map(|last| *last));
                    return heard;
                }
            }
        }
    }
}

fn value_item(name: &str, queue_size: u32, discard_oldest: bool) -> MonitoredItemCreateRequest {
    MonitoredItemCreateRequest {
        item_to_monitor: Some(ReadValueId { node_id: format!("ns=2;s=Device/{name}"), ..ReadValueId::default() }),
        client_handle: 7,
        queue_size,
        discard_oldest: Some(discard_oldest),
        ..MonitoredItemCreateRequest::default()
    }
}

fn filtered(name: &str, filter: DataChangeFilter) -> MonitoredItemCreateRequest {
    MonitoredItemCreateRequest { filter: Some(Filter::DataChange(filter)), ..value_item(name, 100, true) }
}

fn event_filter() -> EventFilter {
    let select_clauses =
        vec![SelectClause::field("", 0, "EventType"), SelectClause::field("ns=2;s=ShotEventType", 2, "Order")];
    EventFilter { select_clauses, of_types: Vec::new() }
}

fn event_item(queue_size: u32, discard_oldest: bool) -> MonitoredItemCreateRequest {
    let attribute_id = AttributeId::EventNotifier.into();
    let node_id = "ns=2;s=Device".to_owned();
    MonitoredItemCreateRequest {
        item_to_monitor: Some(ReadValueId { node_id, attribute_id, ..ReadValueId::default() }),
        client_handle: 8,
        queue_size,
        discard_oldest: Some(discard_oldest),
        filter: Some(Filter::Events(event_filter())),
        ..MonitoredItemCreateRequest::default()
    }
}

/// The numbers of data changes, and whether each says that others before it were dropped.
fn values(messages: &[NotificationMessage]) -> Vec<(f64, bool)> {
    let changes = messages.iter().flat_map(|message| &message.data_changes);
    let value = changes.filter_map(|change| change.value.as_ref());
    value
        .map(|value| (value.value.as_ref().and_then(|v| v.as_f64()).unwrap_or(f64::NAN), value.status().has_overflow()))
        .collect()
}

/// The orders of events; 0 for a queue's overflow.
fn orders(messages: &[NotificationMessage]) -> Vec<u32> {
    let events = messages.iter().flat_map(|message| &message.events).filter_map(|event| event.event.as_ref());
    events.map(|event| event.fields[1].as_f64().map_or(0, |order| order as u32)).collect()
}
