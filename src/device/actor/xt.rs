//! What the remote interface of a BioLector XT says, and what follows from it.

use jiff::Timestamp;

use super::Actor;
use crate::device::exit::Exit;
use crate::device::record::Connection;
use crate::device::state::Fault;
use crate::driver::biolector_xt::{GRPC, Heard, XtInput};
use crate::driver::{Input, SourceName};
use crate::event::Ingest;
use crate::link::biolector_xt::{Piece, Told, XtEvent};

impl Actor {
    /// Gives all that the stream said to the driver and commits what follows as one.
    pub(super) async fn take_heard(&mut self, items: &[Heard]) -> Result<(), Exit> {
        self.about_stream();
        self.driver.handle(Input::Xt(XtInput::Heard(items)), Timestamp::now(), &mut self.effects);
        self.notice_pauses();
        self.follow_ahead(&GRPC.into(), None).await
    }

    pub(super) async fn take_xt(&mut self, told: Told) -> Result<(), Exit> {
        self.about_stream();
        let Told { at, event } = told;
        match event {
            XtEvent::Opened { place, epoch } => self.xt_opened(place, &epoch, at).await,
            XtEvent::Closed { place, reason, remedy } => {
                self.xt_lost(&place, &reason, remedy.clone());
                self.record.connection(Connection::Disconnected, place, Some((reason.clone(), remedy))).await?;
                self.cut = Some(reason);
                self.feed_xt(XtInput::Closed, at).await
            }
            XtEvent::Unreachable { place, reason, remedy } => {
                self.xt_lost(&place, &reason, remedy.clone());
                self.commit_connection(Connection::Disconnected, place, Some((reason, remedy))).await
            }
            XtEvent::Faulted { what, text, remedy } => {
                tracing::warn!(device = %self.settings.id, %text, remedy = remedy.as_deref(), "An answer of the remote interface cannot be used.");
                self.fault(text.clone(), remedy.clone());
                self.record.faulted(Some(&what.into()), text, remedy);
                self.commit().await
            }
            XtEvent::Recovered { what } => {
                self.record.recovered(Some(&what.into()));
                self.commit().await
            }
            XtEvent::Heard(update) => self.take_heard(&[Heard { at, update }]).await,
            XtEvent::File { source, piece } => self.take_piece(&source, piece, at).await,
            XtEvent::Downloaded { experiment, outcome } => {
                let outcome = outcome.and_then(|()| self.refusal.take().map_or(Ok(()), Err));
                self.refusal = None;
                let outcome = outcome.as_ref().copied().map_err(String::as_str);
                self.feed_xt(XtInput::Downloaded { experiment: &experiment, outcome }, at).await
            }
            answer => match answer.as_answer() {
                Some(input) => self.feed_xt(input, at).await,
                None => Ok(()),
            },
        }
    }

    fn about_stream(&mut self) {
        self.record.link(GRPC);
        self.record.ingest(Ingest::Live);
    }

    async fn feed_xt(&mut self, input: XtInput<'_>, at: Timestamp) -> Result<(), Exit> {
        self.driver.handle(Input::Xt(input), at, &mut self.effects);
        self.follow(Some(&GRPC.into()), None).await
    }

    async fn xt_opened(&mut self, place: String, epoch: &str, at: Timestamp) -> Result<(), Exit> {
        let device = self.settings.id.clone();
        tracing::info!(%device, %place, "The remote interface answers.");
        self.board.update(&device, |state| {
            (state.connection, state.place, state.since) = ("connected", Some(place.clone()), Timestamp::now());
            state.watching = Some("the instrument's own remote interface".to_owned());
            true
        });
        self.commands.ledger.reached(Timestamp::now());
        self.record.connection(Connection::Connected, place, None).await?;
        self.commit().await?;
        let snapshot = self.record.snapshot(&GRPC.into()).await?;
        let cut = self.cut.take();
        // The opening is durable before anything of it is decoded.
        self.feed_xt(XtInput::Opened { epoch, snapshot: &snapshot, cut: cut.as_deref() }, at).await
    }

    /// Gives a piece of an experiment's file to the driver. It is read from its start each time, so that nothing of it is
    /// kept but what it says.
    async fn take_piece(&mut self, source: &SourceName, piece: Piece, at: Timestamp) -> Result<(), Exit> {
        self.record.ingest(Ingest::Reconciled);
        if matches!(piece, Piece::Opened) {
            self.refusal = None;
        }
        self.driver.handle(Input::File(source, piece.input()), at, &mut self.effects);
        self.effects.snapshots.clear();
        self.effects.timers.clear();
        self.effects.requests.clear();
        // What the instrument does the stream tells.
        self.effects.operation = None;
        if let Some((_, refusal)) = self.effects.refused.drain(..).next_back() {
            self.refusal = Some(refusal.to_string());
        }
        self.follow(Some(source), None).await
    }

    fn xt_lost(&mut self, place: &str, reason: &str, remedy: Option<String>) {
        let device = &self.settings.id;
        tracing::warn!(%device, %place, %reason, remedy = remedy.as_deref(), "The remote interface cannot be followed.");
        self.board.update(device, |state| {
            let now = Timestamp::now();
            if state.connection != "disconnected" {
                (state.connection, state.since) = ("disconnected", now);
            }
            state.last_error = Some(Fault { text: format!("{place}: {reason}"), remedy, at: now });
            true
        });
    }
}
