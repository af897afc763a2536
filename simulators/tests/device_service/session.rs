//! A client that keeps the rules of `docs/device-service.md`, and a server that makes it hard.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use instrument_proto::device::echo_ms_plus::{event_type, node};
use instrument_proto::device::v1::history_read_request::Details;
use instrument_proto::device::v1::history_read_result::History;
use instrument_proto::device::v1::monitored_item_create_request::Filter;
use instrument_proto::device::v1::{
    AcknowledgeRequest, AttributeId, CreateSubscriptionRequest, EventFields, EventFilter, HistoryReadRequest,
    HistoryReadValueId, MonitoredItemCreateRequest, NotificationMessage, PublishRequest, ReadEventDetails, ReadValueId,
    RepublishRequest, SelectClause, SubscriptionAcknowledgement,
};
use instrumentd_simulators::Control as _;
use instrumentd_simulators::device_service::Restart;
use instrumentd_simulators::echo_ms_plus::Fault;
use tonic::{Code, Status};

use super::*;

fn filter() -> EventFilter {
    let mut select_clauses: Vec<SelectClause> =
        [event_type::EJECTION, event_type::MARKER].map(|of| SelectClause::field(of, 2, "Order")).into();
    select_clauses.push(SelectClause::field("", 0, "EventType"));
    EventFilter { select_clauses, of_types: Vec::new() }
}

/// What a client knows.
#[derive(Debug, Default)]
struct Known {
    epoch: String,
    subscription: u32,
    last: u32,
    /// Orders of shots, wherever they came from.
    orders: BTreeSet<u32>,
    /// Those that came in a message.
    told: BTreeSet<u32>,
    /// Those that came in more than one.
    doubled: Vec<u32>,
    ended: bool,
    republished: u32,
    subscribed: u32,
}

impl Known {
    fn event(&mut self, fields: &EventFields, from_history: bool) {
        let order = fields.fields[..2].iter().find_map(|field| field.as_f64());
        if let Some(order) = order.map(|order| order as u32) {
            self.orders.insert(order);
            if !from_history && !self.told.insert(order) {
                self.doubled.push(order);
            }
        }
        if let Some(instrument_proto::device::v1::variant::Value::NodeId(of)) = &fields.fields[2].value {
            self.ended |= of == event_type::RUN_ENDED;
        }
    }

    fn message(&mut self, message: &NotificationMessage) {
        self.last = message.sequence_number;
        for event in message.events.iter().filter_map(|event| event.event.as_ref()) {
            self.event(event, false);
        }
    }

    /// Subscribes if there is nothing to go on with, and reads what happened before.
    async fn subscribe(&mut self, client: &mut Client) -> Result<(), Status> {
        let item = MonitoredItemCreateRequest {
            item_to_monitor: Some(ReadValueId {
                node_id: node::DEVICE.to_owned(),
                attribute_id: AttributeId::EventNotifier.into(),
                ..ReadValueId::default()
            }),
            filter: Some(Filter::Events(filter())),
            ..MonitoredItemCreateRequest::default()
        };
        let asked = CreateSubscriptionRequest {
            requested_publishing_interval_ms: 1.0,
            requested_lifetime_count: 100_000,
            requested_max_keep_alive_count: 1000,
            items_to_create: vec![item],
            ..CreateSubscriptionRequest::default()
        };
        let made = client.create_subscription(asked).await?.into_inner();
        (self.epoch, self.subscription, self.last) = (made.server_epoch, made.subscription_id, 0);
        self.subscribed += 1;
        let mut point = Vec::new();
        loop {
            let span = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
            let details = ReadEventDetails {
                start_time: span(0),
                end_time: span(32_503_680_000),
                num_values_per_node: 30,
                filter: Some(filter()),
            };
            let wanted = HistoryReadValueId { node_id: node::DEVICE.to_owned(), continuation_point: point };
            let asked = HistoryReadRequest {
                details: Some(Details::Events(details)),
                nodes_to_read: vec![wanted],
                ..HistoryReadRequest::default()
            };
            let result = client.history_read(asked).await?.into_inner().results.remove(0);
            if let Some(History::Events(events)) = &result.history {
                events.events.iter().for_each(|event| self.event(event, true));
            }
            if result.continuation_point.is_empty() {
                return Ok(());
            }
            point = result.continuation_point;
        }
    }

    /// Listens until the run is over or the line is cut.
    async fn listen(&mut self, client: &mut Client) -> Result<(), Status> {
        if self.subscription == 0 {
            self.subscribe(client).await?;
        }
        let (subscription_id, server_epoch) = (self.subscription, self.epoch.clone());
        let asked = PublishRequest { subscription_id, server_epoch: server_epoch.clone() };
        let mut stream = match client.publish(asked).await {
            Ok(stream) => stream.into_inner(),
            Err(status) if status.code() == Code::NotFound => {
                self.subscription = 0;
                return Ok(());
            }
            Err(status) => return Err(status),
        };
        while !self.ended {
            let Some(message) = stream.message().await? else { return Ok(()) };
            if message.status_change.is_some() {
                self.subscription = 0;
                return Ok(());
            }
            let carries = !message.events.is_empty();
            let until = message.sequence_number - 1;
            for missing in self.last + 1..=until {
                let asked = RepublishRequest {
                    subscription_id,
                    retransmit_sequence_number: missing,
                    server_epoch: server_epoch.clone(),
                };
                let again = client.republish(asked).await?.into_inner();
                self.republished += 1;
                self.message(&again);
            }
            if carries && message.sequence_number > self.last {
                self.message(&message);
                let one =
                    SubscriptionAcknowledgement { subscription_id, sequence_number: self.last, and_earlier: true };
                client.acknowledge(AcknowledgeRequest { acknowledgements: vec![one] }).await?;
            }
        }
        Ok(())
    }

    async fn until_the_end(&mut self, echo: &EchoMsPlus) {
        while !self.ended {
            let mut client = client(echo).await;
            // What was cut is tried again; whether everything came is what the test asks.
            let _ = self.listen(&mut client).await;
        }
    }
}

/// All orders that were due.
fn due(echo: &EchoMsPlus) -> BTreeSet<u32> {
    echo.truth().iter().map(|shot| shot.order).collect()
}

async fn follow(faults: Faults) -> (Known, EchoMsPlus) {
    // Shots come as fast as the client can follow them a little: 88 of them with 40 surveys before.
    let echo = echo(HostSettings::default(), Limits::default(), faults, Pace::Times(300.0));
    let mut known = Known::default();
    let all = known.until_the_end(&echo);
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("the end of the run is told");
    (known, echo)
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_lines_lost_and_doubled_messages_lose_and_double_nothing() {
    let faults = Faults::default().with(Fault::Cut, 12).with(Fault::SequenceGap, 4).with(Fault::Double, 8);
    let (known, echo) = follow(faults.with(Fault::Restart, 15)).await;
    assert_eq!((known.orders.clone(), known.doubled.clone()), (due(&echo), vec![]));
    assert!(known.republished > 0 && known.subscribed == 1, "{known:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_without_its_queues_has_in_its_history_is_not_lost() {
    let faults = Faults::default().with(Fault::RestartLost, 20).with(Fault::Expire, 20).with(Fault::Down, 30);
    let (known, echo) = follow(faults.with(Fault::Gone, 25)).await;
    assert_eq!(known.orders, due(&echo));
    assert!(known.subscribed > 1, "{known:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_messages_break_the_stream_and_are_had_again() {
    let faults = Faults::default().with(Fault::Malformed, 15).with(Fault::Oversized, 15);
    let (known, echo) = follow(faults).await;
    assert_eq!((known.orders.clone(), known.doubled.clone()), (due(&echo), vec![]));
    assert!(known.republished > 0, "{known:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_stalled_says_everything_afterwards() {
    let (known, echo) = follow(Faults::default().with(Fault::Stall, 10)).await;
    assert_eq!((known.orders.clone(), known.doubled.clone()), (due(&echo), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_for_good_is_missing_among_the_orders() {
    let echo = echo(HostSettings::default(), Limits::default(), Faults::default(), Pace::Times(1.0));
    echo.single_step();
    // The beginning, a temperature, 40 surveys and some shots.
    while echo.truth().len() < 10 {
        let done = echo.steps().get();
        echo.step();
        assert!(echo.steps().wait_for(done + 1, Duration::from_secs(10)));
    }
    echo.let_happen(Fault::GoneLost);
    echo.set_slowness(0.001);
    echo.free_run();
    let mut known = Known::default();
    tokio::time::timeout(Duration::from_secs(60), known.until_the_end(&echo)).await.expect("the end is told");
    let missing: Vec<u32> = due(&echo).difference(&known.orders).copied().collect();
    assert_eq!(missing.len(), 5, "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_changes_with_the_queues_and_not_with_the_line() {
    let echo = echo(HostSettings::default(), Limits::default(), Faults::default(), Pace::Max);
    echo.single_step();
    let epoch = || async {
        let asked = instrument_proto::device::v1::GetServerStatusRequest {};
        client(&echo).await.get_server_status(asked).await.expect("an answer").into_inner().server_epoch
    };
    let first = epoch().await;
    echo.cut().expect("served again");
    assert_eq!(epoch().await, first);
    echo.restart(Restart::WithQueues).expect("served again");
    assert_eq!(epoch().await, first);
    echo.restart(Restart::WithoutQueues).expect("served again");
    assert_ne!(epoch().await, first);
    echo.with_host(|host| host.go_down());
    let asked = instrument_proto::device::v1::GetServerStatusRequest {};
    let refused = client(&echo).await.get_server_status(asked).await.expect_err("nobody is there");
    assert_eq!(refused.code(), Code::Unavailable);
    echo.with_host(|host| host.come_up()).expect("served again");
    epoch().await;
    assert_eq!(echo.with_host(|host| host.switches().lost_messages.load(Ordering::Relaxed)), 0);
}
