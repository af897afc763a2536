//! The calls to a server.

use instrument_proto::device::v1::device_service_client::DeviceServiceClient;
use instrument_proto::device::v1::history_read_request::Details;
use instrument_proto::device::v1::history_read_result::History;
use instrument_proto::device::v1::{
    AcknowledgeRequest, CreateSubscriptionRequest, CreateSubscriptionResponse, DataValue, DeleteSubscriptionsRequest,
    GetServerStatusRequest, HistoryReadRequest, HistoryReadValueId, NotificationMessage, PublishRequest,
    ReadEventDetails, ReadRequest, RepublishRequest, ServerStatus, SubscriptionAcknowledgement, TimestampsToReturn,
};
use instrument_proto::device::{STATUS_METADATA, StatusCode, timestamp, to_timestamp};
use jiff::Timestamp;
use tonic::{Status, Streaming};

use super::following::{Ask, Page};
use super::position::Position;
use super::translate::Terms;
use crate::config::grpc::GrpcSettings;
use crate::link::grpc::{Connection, Failure, Kind, Receipt, Service, connect};

/// How often a server looks at its queues for us; below a second, so that an event is told within one.
const PUBLISHING_MS: f64 = 100.0;

/// Publishing intervals without news after which a server says that it is there: ten seconds.
const KEEP_ALIVE: u32 = 100;

/// Publishing intervals for which a server keeps a subscription that nobody hears: four hours. It may revise them.
const LIFETIME: u32 = 144_000;

/// Notifications in a message, at most: what was decoded waits for room as a whole.
const TOGETHER: u32 = 64;

/// Events in a page of history: each takes some kibibytes when it is decoded.
const PAGE: u32 = 500;

/// The stream of a subscription, and what stands for its messages in a recording.
pub(super) type Heard = (Streaming<NotificationMessage>, Option<Receipt>);

/// A server that can be asked.
pub(super) struct Server<'a> {
    pub client: DeviceServiceClient<Service>,
    pub connection: &'a Connection,
    pub terms: &'a Terms,
    pub epoch: String,
}

/// The OPC UA StatusCode of a call that failed as a whole, where the server tells it.
pub fn opc_status(status: &Status) -> Option<StatusCode> {
    let text = status.metadata().get(STATUS_METADATA)?.to_str().ok()?;
    u32::from_str_radix(text.trim_start_matches("0x"), 16).ok().map(|code| StatusCode(code).without_info())
}

/// A client whose messages are bounded.
pub(super) fn client(connection: &Connection) -> DeviceServiceClient<Service> {
    DeviceServiceClient::new(connection.service()).max_decoding_message_size(connection.max_message())
}

/// Who the server is.
pub(super) async fn status(connection: &Connection) -> Result<ServerStatus, Failure> {
    let asked = client(connection).get_server_status(connection.call(GetServerStatusRequest {})).await;
    asked.map(tonic::Response::into_inner).map_err(|status| connection.failure(&status))
}

/// Gives up a subscription that nobody will hear again, as a daemon's is heard after its restart.
///
/// # Errors
/// Why the server could not be told. It then keeps the subscription until its lifetime ends.
pub async fn unsubscribe(settings: &GrpcSettings, subscription: u32) -> Result<(), Failure> {
    let connection = connect(settings).await?;
    let request = DeleteSubscriptionsRequest { subscription_ids: vec![subscription] };
    let told = client(&connection).delete_subscriptions(connection.call(request)).await;
    told.map(drop).map_err(|status| connection.failure(&status))
}

impl Server<'_> {
    /// A subscription to everything that is wanted.
    pub async fn subscribe(&mut self) -> Result<CreateSubscriptionResponse, Failure> {
        let request = CreateSubscriptionRequest {
            requested_publishing_interval_ms: PUBLISHING_MS,
            requested_lifetime_count: LIFETIME,
            requested_max_keep_alive_count: KEEP_ALIVE,
            max_notifications_per_publish: TOGETHER,
            items_to_create: self.terms.items(),
            timestamps_to_return: TimestampsToReturn::Both.into(),
            ..CreateSubscriptionRequest::default()
        };
        let made = self.client.create_subscription(self.connection.call(request)).await;
        made.map(tonic::Response::into_inner).map_err(|status| self.connection.failure(&status))
    }

    /// The stream of a subscription; without a deadline.
    pub async fn publish(&mut self, subscription: u32) -> Result<Heard, Status> {
        let request = PublishRequest { subscription_id: subscription, server_epoch: self.epoch.clone() };
        let opened = self.client.publish(request).await?;
        let receipt = Receipt::of(&opened);
        Ok((opened.into_inner(), receipt))
    }

    /// The values of all variables as they are now.
    pub async fn read(&mut self) -> Result<Vec<(&'static str, DataValue)>, Failure> {
        let request = ReadRequest {
            max_age_ms: 0.0,
            timestamps_to_return: TimestampsToReturn::Both.into(),
            nodes_to_read: self.terms.values(),
        };
        let read = self.client.read(self.connection.call(request)).await;
        let results = read.map_err(|status| self.connection.failure(&status))?.into_inner().results;
        Ok(self.terms.named(results))
    }

    /// Says that messages up to the position's need not be kept.
    pub async fn acknowledge(&mut self, position: &Position) -> Result<(), Failure> {
        let acknowledgement = SubscriptionAcknowledgement {
            subscription_id: position.subscription,
            sequence_number: position.sequence,
            and_earlier: true,
        };
        let request = AcknowledgeRequest { acknowledgements: vec![acknowledgement] };
        // Whether it was kept until now does not matter any more.
        let told = self.client.acknowledge(self.connection.call(request)).await;
        told.map(drop).map_err(|status| self.connection.failure(&status))
    }
}

impl Ask for Server<'_> {
    async fn republish(&mut self, subscription: u32, number: u32) -> Result<Option<NotificationMessage>, Failure> {
        let request = RepublishRequest {
            subscription_id: subscription,
            retransmit_sequence_number: number,
            server_epoch: self.epoch.clone(),
        };
        match self.client.republish(self.connection.call(request)).await {
            Ok(message) => Ok(Some(message.into_inner())),
            // Without the StatusCode gRPC's own words count.
            Err(status) => match (opc_status(&status), status.code()) {
                (Some(StatusCode::BAD_MESSAGE_NOT_AVAILABLE | StatusCode::BAD_SUBSCRIPTION_ID_INVALID), _)
                | (None, tonic::Code::NotFound) => Ok(None),
                _ => match self.connection.failure(&status) {
                    // What cannot be read once more is not to be had from the queue; the connection still stands.
                    Failure { kind: Kind::Malformed | Kind::TooLarge, .. } => Ok(None),
                    failure => Err(failure),
                },
            },
        }
    }

    async fn history(&mut self, from: Timestamp, more: &[u8]) -> Result<Option<Page>, Failure> {
        let details = ReadEventDetails {
            start_time: Some(timestamp(from)),
            end_time: None,
            num_values_per_node: PAGE,
            filter: Some(self.terms.filter()),
        };
        let node = HistoryReadValueId { node_id: self.terms.notifier(), continuation_point: more.to_vec() };
        let request = HistoryReadRequest {
            details: Some(Details::Events(details)),
            timestamps_to_return: TimestampsToReturn::Both.into(),
            release_continuation_points: false,
            nodes_to_read: vec![node],
        };
        let read = match self.client.history_read(self.connection.call(request)).await {
            Ok(read) => read.into_inner(),
            Err(status) if status.code() == tonic::Code::Unimplemented => return Ok(None),
            Err(status) => return Err(self.connection.failure(&status)),
        };
        let Some(result) = read.results.into_iter().next() else {
            return Err(Failure::nonsense(self.connection.peer(), "an answer about its history without a result"));
        };
        let status = StatusCode(result.status_code);
        match status.without_info() {
            StatusCode::BAD_HISTORY_OPERATION_UNSUPPORTED | StatusCode::BAD_NODE_ID_UNKNOWN => return Ok(None),
            _ if status.is_bad() => {
                let what = format!("{status} for its history of events");
                return Err(Failure::nonsense(self.connection.peer(), &what));
            }
            _ => {}
        }
        Ok(Some(Page {
            events: match result.history {
                Some(History::Events(events)) => events.events,
                _ => Vec::new(),
            },
            more: result.continuation_point.to_vec(),
            archive_start: result.start_of_archive.as_ref().and_then(to_timestamp),
        }))
    }
}
