//! Where what the link says goes: to the actor, as soon as there is room for it, and what is no message of the server into the recording where there is one.

use instrument_proto::codec::capture::NoteKind;
use tokio::sync::mpsc;

use super::following::Tell;
use super::room::room;
use super::{Gone, Notified, ServiceEvent, Told, Way};
use crate::link::grpc::{Receipt, Tap};
use crate::link::recorder::now;

/// Where events go.
pub(super) struct Outlet {
    events: mpsc::Sender<Told>,
    tap: Option<Tap>,
    /// Of the stream that is heard.
    receipt: Option<Receipt>,
}

impl Outlet {
    pub fn new(events: mpsc::Sender<Told>, tap: Option<Tap>) -> Self {
        Self { events, tap, receipt: None }
    }

    /// Says which stream is heard from now on.
    pub fn hear(&mut self, receipt: Option<Receipt>) {
        self.receipt = receipt;
    }

    pub fn tap(&self) -> Option<&Tap> {
        self.tap.as_ref()
    }

    /// Waits until nobody listens any more.
    pub async fn closed(&self) {
        self.events.closed().await;
    }
}

impl Tell for Outlet {
    async fn tell(&mut self, event: ServiceEvent) -> Result<(), Gone> {
        // One task asks and hears. A message of the stream is recorded when it is told: what was missing before it is asked for
        // and told first.
        if let Some(tap) = &self.tap {
            match &event {
                ServiceEvent::Connected { place } => tap.note(now(), NoteKind::Opened, place),
                ServiceEvent::Disconnected { reason, .. } => tap.note(now(), NoteKind::Closed, reason),
                ServiceEvent::Lost { text, .. } => tap.note(now(), NoteKind::Lost, text),
                ServiceEvent::Notified(Notified { way: Way::Live, .. }) => {
                    tap.take(now(), self.receipt.as_slice(), None, || {});
                }
                ServiceEvent::Notified(_) => {}
            }
        }
        let room = match &event {
            ServiceEvent::Notified(notified) => Some(room(notified.size()).await),
            _ => None,
        };
        self.events.send(Told { event, room }).await.map_err(|_| Gone)
    }
}
