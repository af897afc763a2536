//! Subscriptions, Republish, events and their history.

use std::time::Duration;

use instrument_proto::device::v1::history_read_request::Details;
use instrument_proto::device::v1::history_read_result::History;
use instrument_proto::device::v1::monitored_item_create_request::Filter;
use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{
    AcknowledgeRequest, AttributeId, CreateSubscriptionRequest, CreateSubscriptionResponse, DataChangeFilter,
    DataValue, DeadbandType, DeleteSubscriptionsRequest, EventFilter, HistoryReadRequest, HistoryReadValueId,
    MonitoredItemCreateRequest, NotificationMessage, PublishRequest, ReadEventDetails, ReadValueId, RepublishRequest,
    SelectClause, SubscriptionAcknowledgement, TimestampsToReturn,
};
use instrument_proto::device::{StatusCode, timestamp, to_timestamp};
use jiff::{SignedDuration, Timestamp};
use tonic::{Status, Streaming};

use super::{GRACE, Missing, Outcome, Probe, Rule, client, code};
use crate::link::device_service::opc_status;
use crate::link::grpc::connect;

/// The server's clock: it changes whenever it is looked at.
const CLOCK: &str = "i=2258";

/// Pages of history that are read.
const PAGES: usize = 5;

/// Messages among which one must tell of a queue that overflowed.
const MESSAGES: usize = 6;

fn item(node: &str, handle: u32) -> MonitoredItemCreateRequest {
    MonitoredItemCreateRequest {
        item_to_monitor: Some(ReadValueId {
            node_id: node.to_owned(),
            attribute_id: AttributeId::Value.into(),
            index_range: String::new(),
        }),
        client_handle: handle,
        sampling_interval_ms: 20.0,
        queue_size: 1,
        ..MonitoredItemCreateRequest::default()
    }
}

/// A message of a stream, in time.
async fn heard(
    stream: &mut Streaming<NotificationMessage>,
    patience: Duration,
) -> Result<NotificationMessage, Missing> {
    match tokio::time::timeout(patience, stream.message()).await {
        Ok(Ok(Some(message))) => Ok(message),
        Ok(Ok(None)) => Err(Missing("the stream ended".to_owned())),
        Ok(Err(status)) => Err(status.into()),
        Err(_) => Err(Missing(format!("no message within {} s", patience.as_secs_f64()))),
    }
}

fn is_keep_alive(message: &NotificationMessage) -> bool {
    message.data_changes.is_empty() && message.events.is_empty() && message.status_change.is_none()
}

fn says(status: &Status, expected: StatusCode) -> Outcome {
    let told = opc_status(status);
    Outcome::of(told == Some(expected), || match told {
        Some(told) => told.to_string(),
        None => format!("{:?} without a StatusCode in `opcua-status-code`", status.code()),
    })
}

impl Probe<'_> {
    async fn subscription(
        &mut self,
        items: Vec<MonitoredItemCreateRequest>,
        interval_ms: f64,
        keep_alive: u32,
    ) -> Result<CreateSubscriptionResponse, Missing> {
        let request = CreateSubscriptionRequest {
            requested_publishing_interval_ms: interval_ms,
            // Too short on purpose: three keep-alives are the least.
            requested_lifetime_count: keep_alive,
            requested_max_keep_alive_count: keep_alive,
            items_to_create: items,
            timestamps_to_return: TimestampsToReturn::Both.into(),
            ..CreateSubscriptionRequest::default()
        };
        Ok(self.client.create_subscription(self.connection.call(request)).await?.into_inner())
    }

    async fn stream(&mut self, id: u32, epoch: &str) -> Result<Streaming<NotificationMessage>, Status> {
        let request = PublishRequest { subscription_id: id, server_epoch: epoch.to_owned() };
        Ok(self.client.publish(request).await?.into_inner())
    }

    async fn republished(&mut self, id: u32, number: u32) -> Result<NotificationMessage, Status> {
        let server_epoch = self.status.server_epoch.clone();
        let request = RepublishRequest { subscription_id: id, retransmit_sequence_number: number, server_epoch };
        Ok(self.client.republish(self.connection.call(request)).await?.into_inner())
    }

    async fn delete(&mut self, id: u32) {
        let request = DeleteSubscriptionsRequest { subscription_ids: vec![id] };
        // Its lifetime ends it otherwise.
        let _ = self.client.delete_subscriptions(self.connection.call(request)).await;
    }

    pub(super) async fn subscribe(&mut self) {
        let outcome = self.quiet().await;
        if let Err(Missing(found)) = outcome {
            self.told(Rule::First, Outcome::Fail { found });
        }
        let outcome = self.busy().await;
        if let Err(Missing(found)) = outcome {
            self.told(Rule::Numbers, Outcome::Fail { found });
        }
        let outcome = self.overflow().await;
        self.found(Rule::Overflow, outcome);
        let outcome = self.events().await;
        self.found(Rule::Events, outcome);
        let outcome = self.history().await;
        self.found(Rule::History, outcome);
    }

    /// A subscription in which nothing happens after its first value.
    async fn quiet(&mut self) -> Result<(), Missing> {
        let percent = DataChangeFilter {
            deadband_type: DeadbandType::Percent.into(),
            deadband_value: 1.0,
            ..DataChangeFilter::default()
        };
        let items = vec![
            item("i=2257", 1),
            item("ns=1;s=instrumentd/no-such-node", 2),
            MonitoredItemCreateRequest { filter: Some(Filter::DataChange(percent)), ..item("i=2257", 3) },
        ];
        let made = self.subscription(items, 100.0, 5).await?;
        let (id, epoch) = (made.subscription_id, self.status.server_epoch.clone());
        let fits = id != 0
            && made.server_epoch == epoch
            && made.revised_lifetime_count >= made.revised_max_keep_alive_count.saturating_mul(3)
            && made.revised_publishing_interval_ms > 0.0;
        self.told(
            Rule::Revised,
            Outcome::of(fits, || {
                format!(
                    "subscription {id}, {} ms, lifetime {}, keep-alive {}, epoch `{}`",
                    made.revised_publishing_interval_ms,
                    made.revised_lifetime_count,
                    made.revised_max_keep_alive_count,
                    made.server_epoch
                )
            }),
        );
        let result = |at: usize| made.results.get(at).map_or(StatusCode::BAD, |result| code(result.status_code));
        let refused = result(1);
        self.told(Rule::ItemRefused, Outcome::of(refused == StatusCode::BAD_NODE_ID_UNKNOWN, || refused.to_string()));
        let band = result(2);
        self.told(Rule::Deadband, Outcome::of(band == StatusCode::BAD_DEADBAND_FILTER_INVALID, || band.to_string()));

        let interval = Duration::try_from_secs_f64(made.revised_publishing_interval_ms / 1000.0).unwrap_or(GRACE);
        let mut stream = self.stream(id, &epoch).await?;
        let first = heard(&mut stream, interval + GRACE).await?;
        let has_value = first.data_changes.iter().any(|change| change.client_handle == 1) || !result(0).is_good();
        self.told(Rule::First, Outcome::of(has_value, || "it has no value of the item".to_owned()));
        let patience = interval.saturating_mul(made.revised_max_keep_alive_count) + GRACE;
        let silent = heard(&mut stream, patience).await;
        let expected = first.sequence_number.wrapping_add(u32::from(!is_keep_alive(&first)));
        let outcome = silent.map(|message| {
            let fits = is_keep_alive(&message) && message.sequence_number == expected;
            Outcome::of(fits, || format!("number {} where {expected} is to come", message.sequence_number))
        });
        self.found(Rule::KeepAlive, outcome);

        let wrong = self.stream(id, "no-such-epoch").await;
        let outcome = match wrong {
            Err(status) => says(&status, StatusCode::BAD_SUBSCRIPTION_ID_INVALID),
            Ok(_) => Outcome::Fail { found: "a stream was opened".to_owned() },
        };
        self.told(Rule::WrongEpoch, outcome);
        self.delete(id).await;
        let outcome = match self.stream(id, &epoch).await {
            Err(status) => says(&status, StatusCode::BAD_SUBSCRIPTION_ID_INVALID),
            Ok(mut stream) => match heard(&mut stream, GRACE).await {
                Ok(_) => Outcome::Fail { found: "it still has a stream".to_owned() },
                Err(Missing(found)) => Outcome::Fail { found },
            },
        };
        self.told(Rule::Deleted, outcome);
        Ok(())
    }

    /// A subscription in which something always happens.
    async fn busy(&mut self) -> Result<(), Missing> {
        let made = self.subscription(vec![item(CLOCK, 1)], 100.0, 50).await?;
        let (id, epoch) = (made.subscription_id, self.status.server_epoch.clone());
        if made.results.first().is_none_or(|result| StatusCode(result.status_code).is_bad()) {
            self.delete(id).await;
            let why = format!("the server's clock {CLOCK} cannot be monitored");
            for rule in [Rule::Numbers, Rule::Republish, Rule::Acknowledge, Rule::Transfer, Rule::Survives] {
                self.told(rule, Outcome::untested(&why));
            }
            return Ok(());
        }
        let mut stream = self.stream(id, &epoch).await?;
        let mut messages: Vec<NotificationMessage> = Vec::new();
        while messages.len() < 4 {
            let message = heard(&mut stream, GRACE * 2).await?;
            if !is_keep_alive(&message) {
                messages.push(message);
            }
        }
        let numbers: Vec<u32> = messages.iter().map(|message| message.sequence_number).collect();
        self.told(Rule::Numbers, Outcome::of(numbers == [1, 2, 3, 4], || format!("{numbers:?}")));

        let outcome = match self.republished(id, numbers[1]).await {
            Ok(again) => {
                let was = &messages[1];
                let is_same = again.sequence_number == was.sequence_number
                    && again.publish_time == was.publish_time
                    && again.data_changes == was.data_changes;
                Outcome::of(is_same, || "it differs from what was sent".to_owned())
            }
            Err(status) => Outcome::Fail { found: Missing::from(status).0 },
        };
        self.told(Rule::Republish, outcome);
        let outcome = match self.republished(id, 1_000_000).await {
            Err(status) => says(&status, StatusCode::BAD_MESSAGE_NOT_AVAILABLE),
            Ok(_) => Outcome::Fail { found: "it gave a message that never was".to_owned() },
        };
        self.told(Rule::RepublishUnknown, outcome);
        let outcome = self.acknowledged(id, numbers[1]).await;
        self.found(Rule::Acknowledge, outcome);

        // A second stream, on a connection of its own.
        let connection = connect(self.settings).await.map_err(|failure| Missing(failure.to_string()))?;
        let (first, second) = (std::mem::replace(&mut self.client, client(&connection)), &connection);
        let mut taken = self.stream(id, &epoch).await?;
        let mut ended = Err(Missing("no status change".to_owned()));
        for _ in 0..50 {
            match heard(&mut stream, GRACE).await {
                Ok(message) => match message.status_change {
                    Some(change) => {
                        ended = Ok(StatusCode(change.status_code).without_info());
                        break;
                    }
                    None => messages.push(message),
                },
                Err(missing) => {
                    ended = Err(missing);
                    break;
                }
            }
        }
        let outcome =
            ended.map(|status| Outcome::of(status == StatusCode::GOOD_SUBSCRIPTION_TRANSFERRED, || status.to_string()));
        self.found(Rule::Transfer, outcome);
        let last =
            messages.iter().filter(|message| !is_keep_alive(message)).map(|message| message.sequence_number).max();
        let outcome = heard(&mut taken, GRACE).await.map(|message| {
            let number = message.sequence_number;
            let fits = last.is_some_and(|last| number > last) && number < last.unwrap_or(0).saturating_add(100);
            Outcome::of(fits, || format!("number {number} after {last:?}"))
        });
        self.found(Rule::Survives, outcome);
        self.delete(id).await;
        drop(taken);
        tracing::debug!(endpoint = second.peer(), "The second connection is closed.");
        self.client = first;
        Ok(())
    }

    async fn acknowledged(&mut self, id: u32, number: u32) -> Result<Outcome, Missing> {
        let acknowledge = || AcknowledgeRequest {
            acknowledgements: vec![SubscriptionAcknowledgement {
                subscription_id: id,
                sequence_number: number,
                and_earlier: false,
            }],
        };
        let results = |answer: instrument_proto::device::v1::AcknowledgeResponse| {
            code(answer.results.first().copied().unwrap_or(StatusCode::BAD.0))
        };
        let first = results(self.client.acknowledge(self.connection.call(acknowledge())).await?.into_inner());
        let kept = self.republished(id, number).await.is_ok();
        let again = results(self.client.acknowledge(self.connection.call(acknowledge())).await?.into_inner());
        let fits = first.is_good() && !kept && again == StatusCode::BAD_SEQUENCE_NUMBER_UNKNOWN;
        Ok(Outcome::of(fits, || {
            let kept = if kept { "still there" } else { "gone" };
            format!("{first}, then it is {kept}; again: {again}")
        }))
    }

    /// A queue of two that gets some ten values in an interval.
    async fn overflow(&mut self) -> Result<Outcome, Missing> {
        let two = MonitoredItemCreateRequest { queue_size: 2, discard_oldest: Some(true), ..item(CLOCK, 1) };
        let made = self.subscription(vec![two], 500.0, 50).await?;
        let (id, epoch) = (made.subscription_id, self.status.server_epoch.clone());
        let result = made.results.first();
        let is_fast = result.is_some_and(|result| {
            result.revised_queue_size == 2
                && result.revised_sampling_interval_ms * 4.0 < made.revised_publishing_interval_ms
        });
        let mut stream = self.stream(id, &epoch).await?;
        // A message that comes early, after fewer values than the queue takes, has nothing to mark.
        let mut marked = Vec::new();
        for _ in 0..MESSAGES {
            let message = heard(&mut stream, GRACE * 2).await?;
            let overflows = |value: &DataValue| value.status().has_overflow();
            marked = message.data_changes.iter().map(|change| change.value.as_ref().is_some_and(overflows)).collect();
            if marked == [true, false] {
                break;
            }
        }
        self.delete(id).await;
        if !is_fast {
            return Ok(Outcome::untested("the server's clock is not sampled fast enough to fill a queue"));
        }
        Ok(Outcome::of(marked == [true, false], || {
            format!("{} values in the last of {MESSAGES} messages, with the Overflow bits: {marked:?}", marked.len())
        }))
    }

    /// A node whose events can be subscribed to (1), or whose events' history can be read (4).
    fn notifier(&self, bit: u32) -> Option<String> {
        let found = self.references.iter().find(|reference| reference.event_notifier & bit != 0);
        found.map(|reference| reference.node_id.clone())
    }

    fn filter() -> EventFilter {
        let fields = ["EventId", "EventType", "Time"];
        let mut select_clauses: Vec<_> = fields.iter().map(|name| SelectClause::field("i=2041", 0, name)).collect();
        select_clauses.push(SelectClause::field("i=2041", 0, "NoEventHasThis"));
        EventFilter { select_clauses, of_types: Vec::new() }
    }

    async fn events(&mut self) -> Result<Outcome, Missing> {
        let Some(node) = self.notifier(1) else { return Ok(Outcome::untested("Browse found no notifier of events")) };
        let mut events = item(&node, 1);
        if let Some(item) = &mut events.item_to_monitor {
            item.attribute_id = AttributeId::EventNotifier.into();
        }
        events.filter = Some(Filter::Events(Self::filter()));
        let made = self.subscription(vec![events], 500.0, 10).await?;
        self.delete(made.subscription_id).await;
        let Some(result) = made.results.into_iter().next() else { return Err(Missing("no result".to_owned())) };
        let clauses: Vec<StatusCode> = result.select_clause_results.iter().map(|status| code(*status)).collect();
        let expected = [StatusCode::GOOD, StatusCode::GOOD, StatusCode::GOOD, StatusCode::BAD_NO_MATCH];
        let fits = !StatusCode(result.status_code).is_bad() && clauses == expected;
        Ok(Outcome::of(fits, || format!("`{node}`: {}, fields {clauses:?}", StatusCode(result.status_code))))
    }

    async fn history(&mut self) -> Result<Outcome, Missing> {
        let Some(node) = self.notifier(4) else {
            return Ok(Outcome::untested("Browse found no notifier that keeps a history"));
        };
        let since = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * 365)).unwrap_or(Timestamp::MIN);
        let (mut more, mut times, mut pages) = (Vec::new(), Vec::new(), 0);
        while pages < PAGES {
            let details = ReadEventDetails {
                start_time: Some(timestamp(since)),
                end_time: None,
                num_values_per_node: 2,
                filter: Some(Self::filter()),
            };
            let request = HistoryReadRequest {
                details: Some(Details::Events(details)),
                timestamps_to_return: TimestampsToReturn::Both.into(),
                release_continuation_points: false,
                nodes_to_read: vec![HistoryReadValueId { node_id: node.clone(), continuation_point: more }],
            };
            let results = self.client.history_read(self.connection.call(request)).await?.into_inner().results;
            let Some(result) = results.into_iter().next() else { return Err(Missing("no result".to_owned())) };
            if StatusCode(result.status_code).is_bad() {
                return Ok(Outcome::Fail { found: StatusCode(result.status_code).to_string() });
            }
            let events = match result.history {
                Some(History::Events(events)) => events.events,
                _ => Vec::new(),
            };
            if events.len() > 2 {
                return Ok(Outcome::Fail { found: format!("{} events in a page of 2", events.len()) });
            }
            times.extend(events.into_iter().filter_map(|event| match event.fields.into_iter().nth(2)?.value? {
                Value::DateTime(time) => to_timestamp(&time),
                _ => None,
            }));
            more = result.continuation_point;
            pages += 1;
            if more.is_empty() {
                break;
            }
        }
        if times.is_empty() {
            return Ok(Outcome::untested("there is no event in its history yet"));
        }
        Ok(Outcome::of(times.is_sorted(), || "they are not in the order of their times".to_owned()))
    }
}
