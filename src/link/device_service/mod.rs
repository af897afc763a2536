//! The link to a device service (`docs/device-service.md`): events and values of an instrument from its gateway, each once.
//!
//! A subscription at the server outlives the connection, and the daemon: its id, the server's epoch, and the number of the last
//! message and the time of the last event are the link's *position*, committed with the events. So after a cut line, or the
//! daemon's own restart, the same subscription is heard further; what it no longer has is read from the server's history; what is
//! in neither is told as lost. A message is acknowledged only after what it held is in the journal.
//!
//! It asks for Browse, Read, HistoryRead, subscriptions and Republish. It has no code for Write and Call.

mod asking;
mod following;
mod outlet;
mod position;
pub mod recorded;
mod room;
mod sequence;
mod session;
#[cfg(test)]
mod tests;
mod translate;

use std::task::{Context, Poll};

use instrument_proto::device::v1::DataValue;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::config::grpc::GrpcSettings;
use crate::driver::service::Wanted;
use crate::link::grpc::Tap;

pub use asking::{opc_status, unsubscribe};
pub use position::Position;
use room::Room;
pub use translate::Notice;

/// The name of the link: by it the journal keeps the position and the driver's state.
pub const LINK: &str = "grpc";

/// Messages that wait for the actor, few of which are large. When there are as many, the server is not read, and keeps the next ones in its queues.
const WAITING: usize = 16;

/// Values and events that are given to the actor at once, and committed as one, at most; a single message may hold more.
const TOGETHER: usize = 1024;

/// What a link starts from.
#[derive(Debug, Clone)]
pub struct Start {
    /// How the server is reached.
    pub settings: GrpcSettings,
    /// What the driver wants to be told.
    pub wanted: Wanted,
    /// Up to where it was heard.
    pub position: Option<Vec<u8>>,
    /// What records all that passes.
    pub tap: Option<Tap>,
}

/// By which way notifications came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As they happened.
    Live,
    /// From the server's retransmission queue.
    Again,
    /// From its history, after something was missed.
    History,
    /// From its history, before it was heard for the first time.
    Before,
}

/// What a message or a page of history holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Notified {
    /// Values by the driver's names of the variables.
    pub values: Vec<(&'static str, DataValue)>,
    /// Events.
    pub events: Vec<Notice>,
    /// Things that nobody asked for.
    pub foreign: usize,
    /// The position after it.
    pub position: Position,
    /// By which way it came.
    pub way: Way,
}

/// What the link says.
#[derive(Debug, Clone, PartialEq)]
pub enum ServiceEvent {
    /// The server is heard.
    Connected {
        /// The endpoint.
        place: String,
    },
    /// Values and events.
    Notified(Notified),
    /// Something cannot be had any more.
    Lost {
        /// Since when.
        from: Option<Timestamp>,
        /// What, and why not.
        text: String,
    },
    /// The server cannot be heard. Told once for each reason; it is tried again for ever.
    Disconnected {
        /// The endpoint.
        place: String,
        /// Why.
        reason: String,
        /// What to do.
        remedy: String,
    },
}

/// Nobody listens any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// The handle of a link. Dropping it stops the link.
#[derive(Debug)]
pub struct ServiceLink {
    stop: CancellationToken,
    handled: watch::Sender<Option<Position>>,
}

impl ServiceLink {
    /// Says up to where what the link said is durable; the server is then told that it need not keep it.
    pub fn handled(&self, position: Position) {
        self.handled.send_replace(Some(position));
    }

    /// Stops it.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for ServiceLink {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The actor's side.
#[derive(Debug)]
pub struct ServiceInlet {
    events: mpsc::Receiver<Told>,
    next: Option<Told>,
    /// For what was said last: it is in the journal when the next is asked for.
    room: Vec<Room>,
}

/// What a link says, and the room that it takes.
#[derive(Debug)]
struct Told {
    event: ServiceEvent,
    room: Option<Room>,
}

impl ServiceInlet {
    /// What the link says next: messages that wait come together. `None` when the link has ended.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<ServiceEvent>> {
        self.room.clear();
        let first = match self.next.take() {
            Some(told) => told,
            None => match self.events.poll_recv(context) {
                Poll::Ready(Some(told)) => told,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            },
        };
        self.room.extend(first.room);
        let ServiceEvent::Notified(mut all) = first.event else { return Poll::Ready(Some(first.event)) };
        while let Ok(Told { event, room }) = self.events.try_recv() {
            match event {
                ServiceEvent::Notified(next)
                    if next.way == all.way && all.size() + next.size() <= TOGETHER && all.goes_before(&next) =>
                {
                    all.values.extend(next.values);
                    all.events.extend(next.events);
                    all.foreign += next.foreign;
                    all.position = next.position;
                    self.room.extend(room);
                }
                event => {
                    self.next = Some(Told { event, room });
                    break;
                }
            }
        }
        Poll::Ready(Some(ServiceEvent::Notified(all)))
    }
}

impl Notified {
    fn size(&self) -> usize {
        self.values.len() + self.events.len()
    }

    /// Values are given before events: what was a value after an event must not overtake it.
    fn goes_before(&self, next: &Self) -> bool {
        self.events.is_empty() || next.values.is_empty()
    }
}

/// Starts a link; what it says comes out of the inlet.
pub fn spawn(start: Start) -> (ServiceLink, ServiceInlet) {
    let stop = CancellationToken::new();
    let (events, inlet) = mpsc::channel(WAITING);
    let (handled, durable) = watch::channel(None);
    let ending = stop.clone();
    tokio::spawn(async move {
        // It ends only when it is told to, or when nobody listens any more.
        let _ = ending.run_until_cancelled(session::run(start, events, durable)).await;
    });
    (ServiceLink { stop, handled }, ServiceInlet { events: inlet, next: None, room: Vec::new() })
}
