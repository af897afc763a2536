//! The state machine behind tonic.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use instrument_proto::device::text;
use instrument_proto::device::v1::device_service_server::DeviceService;
use instrument_proto::device::v1::{
    AcknowledgeRequest, AcknowledgeResponse, BrowseNextRequest, BrowseRequest, BrowseResponse, CallRequest,
    CallResponse, CreateMonitoredItemsRequest, CreateMonitoredItemsResponse, CreateSubscriptionRequest,
    CreateSubscriptionResponse, DataChange, DataValue, DeleteMonitoredItemsRequest, DeleteMonitoredItemsResponse,
    DeleteSubscriptionsRequest, DeleteSubscriptionsResponse, EventFields, EventNotification, GetServerStatusRequest,
    HistoryReadRequest, HistoryReadResponse, ModifySubscriptionRequest, ModifySubscriptionResponse,
    NotificationMessage, PublishRequest, ReadRequest, ReadResponse, RepublishRequest, ServerStatus, Variant,
    WriteRequest, WriteResponse,
};
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::fault::Switches;
use super::server::{Identity, Poll, Server, Stream};

/// Messages that a stream holds for a consumer that is slower; beyond that the items' queues fill.
const AHEAD: usize = 4;
/// How long a stream that is stalled waits before it looks again.
const STALL: Duration = Duration::from_millis(20);
/// The longest that a stream sleeps, whatever it was told: clocks are set.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// What all calls share.
#[derive(Debug)]
pub(super) struct Shared {
    server: Mutex<Server>,
    happened: Notify,
    pub switches: Switches,
}

impl Shared {
    pub fn new(server: Server) -> Self {
        Self { server: Mutex::new(server), happened: Notify::new(), switches: Switches::default() }
    }

    /// Each call leaves the server whole or panics before it changed anything that others need.
    fn lock(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the server, and lets the streams look.
    pub fn with<T>(&self, act: impl FnOnce(&mut Server, Timestamp) -> T) -> T {
        let result = act(&mut self.lock(), Timestamp::now());
        self.happened.notify_waiters();
        result
    }

    /// Asks the server for something that changes nothing for the streams.
    fn ask<T>(&self, act: impl FnOnce(&mut Server, Timestamp) -> T) -> T {
        act(&mut self.lock(), Timestamp::now())
    }
}

/// The service.
#[derive(Debug, Clone)]
pub(super) struct Handler(pub Arc<Shared>);

/// Who calls: the certificate, where there is one.
fn identity<T>(request: &Request<T>) -> Identity {
    let certificates = request.peer_certs();
    Identity(certificates.iter().flat_map(|chain| chain.first()).flat_map(|leaf| leaf.to_vec()).collect())
}

#[tonic::async_trait]
impl DeviceService for Handler {
    type PublishStream = ReceiverStream<Result<NotificationMessage, Status>>;

    async fn get_server_status(&self, _: Request<GetServerStatusRequest>) -> Result<Response<ServerStatus>, Status> {
        Ok(Response::new(self.0.ask(|server, now| server.status(now))))
    }

    async fn browse(&self, request: Request<BrowseRequest>) -> Result<Response<BrowseResponse>, Status> {
        let response = self.0.ask(|server, _| server.browse(request.get_ref()))?;
        Ok(Response::new(response))
    }

    async fn browse_next(&self, request: Request<BrowseNextRequest>) -> Result<Response<BrowseResponse>, Status> {
        let response = self.0.ask(|server, _| server.browse_next(request.get_ref()))?;
        Ok(Response::new(response))
    }

    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<ReadResponse>, Status> {
        let response = self.0.ask(|server, now| server.read(request.get_ref(), now))?;
        Ok(Response::new(response))
    }

    async fn history_read(
        &self,
        request: Request<HistoryReadRequest>,
    ) -> Result<Response<HistoryReadResponse>, Status> {
        let response = self.0.ask(|server, _| server.history_read(request.get_ref()))?;
        Ok(Response::new(response))
    }

    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<WriteResponse>, Status> {
        let response = self.0.with(|server, now| server.write(request.get_ref(), now))?;
        Ok(Response::new(response))
    }

    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        let response = self.0.with(|server, now| server.call(request.get_ref(), now))?;
        Ok(Response::new(response))
    }

    async fn create_subscription(
        &self,
        request: Request<CreateSubscriptionRequest>,
    ) -> Result<Response<CreateSubscriptionResponse>, Status> {
        let owner = identity(&request);
        let response = self.0.with(|server, now| server.create_subscription(request.get_ref(), owner, now))?;
        Ok(Response::new(response))
    }

    async fn modify_subscription(
        &self,
        request: Request<ModifySubscriptionRequest>,
    ) -> Result<Response<ModifySubscriptionResponse>, Status> {
        let owner = identity(&request);
        let response = self.0.with(|server, now| server.modify_subscription(request.get_ref(), &owner, now))?;
        Ok(Response::new(response))
    }

    async fn delete_subscriptions(
        &self,
        request: Request<DeleteSubscriptionsRequest>,
    ) -> Result<Response<DeleteSubscriptionsResponse>, Status> {
        let owner = identity(&request);
        let response = self.0.with(|server, now| server.delete_subscriptions(request.get_ref(), &owner, now))?;
        Ok(Response::new(response))
    }

    async fn create_monitored_items(
        &self,
        request: Request<CreateMonitoredItemsRequest>,
    ) -> Result<Response<CreateMonitoredItemsResponse>, Status> {
        let owner = identity(&request);
        let response = self.0.with(|server, now| server.create_items(request.get_ref(), &owner, now))?;
        Ok(Response::new(response))
    }

    async fn delete_monitored_items(
        &self,
        request: Request<DeleteMonitoredItemsRequest>,
    ) -> Result<Response<DeleteMonitoredItemsResponse>, Status> {
        let owner = identity(&request);
        let response = self.0.with(|server, now| server.delete_items(request.get_ref(), &owner, now))?;
        Ok(Response::new(response))
    }

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<Self::PublishStream>, Status> {
        let owner = identity(&request);
        // Wakes the stream that was there before, which then ends.
        let stream = self.0.with(|server, now| server.open(request.get_ref(), &owner, now))?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(feed(self.0.clone(), stream, sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn acknowledge(&self, request: Request<AcknowledgeRequest>) -> Result<Response<AcknowledgeResponse>, Status> {
        let owner = identity(&request);
        let response = self.0.ask(|server, now| server.acknowledge(request.get_ref(), &owner, now))?;
        Ok(Response::new(response))
    }

    async fn republish(&self, request: Request<RepublishRequest>) -> Result<Response<NotificationMessage>, Status> {
        let owner = identity(&request);
        let response = self.0.ask(|server, now| server.republish(request.get_ref(), &owner, now))?;
        Ok(Response::new(response))
    }
}

/// Gives a stream what it has to say, no faster than it is taken.
async fn feed(shared: Arc<Shared>, stream: Stream, sender: mpsc::Sender<Result<NotificationMessage, Status>>) {
    loop {
        let Ok(place) = sender.reserve().await else { return };
        if shared.switches.stalled.load(Ordering::Relaxed) {
            drop(place);
            tokio::time::sleep(STALL).await;
            continue;
        }
        let mut happened = pin!(shared.happened.notified());
        happened.as_mut().enable();
        let poll = shared.ask(|server, now| (server.poll(stream, now), server.limits().message));
        match poll {
            (Poll::Say(message), most) => {
                let switches = &shared.switches;
                if Switches::takes(&switches.lost_messages) {
                    continue;
                }
                if Switches::takes(&switches.oversized_messages) {
                    place.send(Ok(oversized(&message, most)));
                    continue;
                }
                if Switches::takes(&switches.doubled_messages) && sender.send(Ok((*message).clone())).await.is_err() {
                    return;
                }
                if Switches::takes(&switches.nonsensical_messages) {
                    place.send(Ok(nonsensical(*message)));
                    continue;
                }
                place.send(Ok(*message));
            }
            (Poll::End(last), _) => {
                if let Some(last) = last {
                    place.send(Ok(*last));
                }
                return;
            }
            (Poll::Wait(until), _) => {
                drop(place);
                let wait = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
                tokio::select! {
                    () = tokio::time::sleep(wait.min(LONGEST_SLEEP)) => {}
                    () = happened => {}
                    () = sender.closed() => return,
                }
            }
        }
    }
}

/// The same with elements that nobody asked for, and values and times that are none.
fn nonsensical(mut message: NotificationMessage) -> NotificationMessage {
    let nowhen = Some(prost_types::Timestamp { seconds: i64::MIN, nanos: -7 });
    let value = DataValue { status_code: u32::MAX, source_timestamp: nowhen, server_timestamp: nowhen, value: None };
    message.data_changes.push(DataChange { client_handle: u32::MAX, value: Some(value) });
    message.data_changes.push(DataChange { client_handle: u32::MAX, value: None });
    message.events.push(EventNotification { client_handle: u32::MAX, event: None });
    // One of its own with fields too few and of the wrong type, if it has one.
    if let Some(client_handle) = message.events.first().map(|event| event.client_handle) {
        let fields = vec![Variant::default(), instrument_proto::device::double(f64::NAN)];
        message.events.push(EventNotification { client_handle, event: Some(EventFields { fields }) });
    }
    message
}

/// The same with a value that is larger than any message may be.
fn oversized(message: &NotificationMessage, most: usize) -> NotificationMessage {
    let value = DataValue::of(text("x".repeat(most + 1)));
    let mut message = message.clone();
    message.data_changes.push(DataChange { client_handle: u32::MAX, value: Some(value) });
    message
}
