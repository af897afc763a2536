//! What a device service says, and what follows from it.

use jiff::Timestamp;
use tokio::time::Instant;

use super::Actor;
use crate::device::exit::Exit;
use crate::device::record::Connection;
use crate::device::state::Fault;
use crate::driver::service::ServiceInput;
use crate::driver::{Input, SourceName};
use crate::event::Ingest;
use crate::link::device_service::{LINK, Notified, ServiceEvent, Way};

impl Actor {
    pub(super) async fn take_service(&mut self, event: ServiceEvent) -> Result<(), Exit> {
        let source: SourceName = LINK.into();
        self.record.link(LINK);
        self.record.ingest(Ingest::Live);
        match event {
            ServiceEvent::Connected { place } => {
                let device = self.settings.id.clone();
                tracing::info!(%device, %place, "The device service is heard.");
                self.last_input = Instant::now();
                self.board.update(&device, |state| {
                    (state.connection, state.since) = ("connected", Timestamp::now());
                    state.place = Some(place.clone());
                    true
                });
                self.commit_connection(Connection::Connected, place, None).await?;
                let snapshot = self.record.snapshot(&source).await?;
                self.hear(&source, ServiceInput::Opened { snapshot: &snapshot });
                self.follow(Some(&source), None).await
            }
            ServiceEvent::Notified(notified) => {
                self.last_input = Instant::now();
                self.notified(&source, notified).await
            }
            ServiceEvent::Lost { from, text } => {
                tracing::warn!(device = %self.settings.id, %text, "Events of a device service are lost.");
                self.record.gap(&source, from, "not-recoverable", text.clone());
                self.hear(&source, ServiceInput::Lost { reason: &text });
                self.follow(Some(&source), None).await
            }
            ServiceEvent::Disconnected { place, reason, remedy } => {
                let device = self.settings.id.clone();
                tracing::warn!(%device, %place, %reason, %remedy, "The device service cannot be heard.");
                self.board.update(&device, |state| {
                    let now = Timestamp::now();
                    if state.connection != "disconnected" {
                        (state.connection, state.since) = ("disconnected", now);
                    }
                    state.place = Some(place.clone());
                    state.last_error =
                        Some(Fault { text: format!("{place}: {reason}"), remedy: Some(remedy.clone()), at: now });
                    true
                });
                let why = Some((reason.clone(), Some(remedy)));
                self.record.connection(Connection::Disconnected, place, why).await?;
                self.hear(&source, ServiceInput::Closed { reason: &reason });
                self.follow(Some(&source), None).await
            }
        }
    }

    /// Gives all of it to the driver and commits what follows as one; then the server need not keep it.
    async fn notified(&mut self, source: &SourceName, notified: Notified) -> Result<(), Exit> {
        let Notified { values, events, foreign, position, way } = notified;
        self.record.ingest(match way {
            Way::Live => Ingest::Live,
            Way::Again | Way::History => Ingest::Reconciled,
            Way::Before => Ingest::Backfill,
        });
        if foreign > 0 {
            tracing::debug!(device = %self.settings.id, foreign, "A device service told what nobody asked for.");
        }
        for (node, value) in &values {
            self.hear(source, ServiceInput::Value { node, value });
        }
        for notice in &events {
            self.hear(source, ServiceInput::Event(notice.happened()));
        }
        // A position without anything that was made is not worth a commit: it goes with the next one. What is read again
        // after a restart because of that was read for nothing, and makes nothing new.
        let effects = &self.effects;
        let is_worth_it = !(effects.events.is_empty() && effects.snapshots.is_empty() && effects.gaps.is_empty());
        let is_first = std::mem::replace(&mut self.service_epoch, position.epoch.clone()) != position.epoch;
        let kept = (is_worth_it || is_first).then(|| position.write());
        if kept.is_some() {
            // A server publishes at intervals: with hundreds of them, a moment more costs less than a transaction for each.
            self.record.be_patient();
        }
        self.follow(Some(source), kept).await?;
        if let Some((link, _)) = &self.links.service {
            link.handled(position);
        }
        Ok(())
    }

    fn hear(&mut self, source: &SourceName, input: ServiceInput<'_>) {
        self.driver.handle(Input::Service(source, input), Timestamp::now(), &mut self.effects);
    }
}
