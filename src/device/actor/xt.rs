//! What the remote interface of a BioLector XT says, and what follows from it.

use jiff::Timestamp;

use super::Actor;
use crate::device::exit::Exit;
use crate::device::record::Connection;
use crate::device::state::Fault;
use crate::driver::biolector_xt::{GRPC, Heard, XtInput};
use crate::driver::{FileInput, Input, SourceKind, SourceName};
use crate::event::Ingest;
use crate::link::biolector_xt::{Piece, XtEvent};

impl Actor {
    /// Gives all that the stream said to the driver and commits what follows as one.
    pub(super) async fn take_heard(&mut self, items: &[Heard]) -> Result<(), Exit> {
        self.about_stream();
        self.driver.handle(Input::Xt(XtInput::Heard(items)), Timestamp::now(), &mut self.effects);
        self.notice_pauses();
        self.follow_ahead(&GRPC.into(), None).await
    }

    pub(super) async fn take_xt(&mut self, event: XtEvent) -> Result<(), Exit> {
        self.about_stream();
        match event {
            XtEvent::Opened { place, epoch } => self.xt_opened(place, &epoch).await,
            XtEvent::Closed { place, reason, remedy } => {
                self.xt_lost(&place, &reason, remedy.clone());
                self.record.connection(Connection::Disconnected, place, Some((reason.clone(), remedy))).await?;
                self.cut = Some(reason);
                self.feed_xt(XtInput::Closed).await
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
            XtEvent::Heard(item) => self.feed_xt(XtInput::Heard(&[item])).await,
            XtEvent::Progress(progress) => self.feed_xt(XtInput::Progress(&progress)).await,
            XtEvent::Experiments(experiments) => self.feed_xt(XtInput::Experiments(&experiments)).await,
            XtEvent::Protocols(protocols) => self.feed_xt(XtInput::Protocols(&protocols)).await,
            XtEvent::Values(values) => self.feed_xt(XtInput::Values(&values)).await,
            XtEvent::Cover(cover) => self.feed_xt(XtInput::Cover(cover)).await,
            XtEvent::Temperature(status) => self.feed_xt(XtInput::Temperature(&status)).await,
            XtEvent::Shaker(status) => self.feed_xt(XtInput::Shaker(&status)).await,
            XtEvent::File { source, piece } => self.take_piece(&source, piece).await,
            XtEvent::Downloaded { experiment, outcome } => {
                let outcome = outcome.and_then(|()| self.refusal.take().map_or(Ok(()), Err));
                self.refusal = None;
                let outcome = match &outcome {
                    Ok(()) => Ok(()),
                    Err(reason) => Err(reason.as_str()),
                };
                self.feed_xt(XtInput::Downloaded { experiment: &experiment, outcome }).await
            }
        }
    }

    fn about_stream(&mut self) {
        self.record.link(GRPC);
        self.record.ingest(Ingest::Live);
    }

    async fn feed_xt(&mut self, input: XtInput<'_>) -> Result<(), Exit> {
        self.driver.handle(Input::Xt(input), Timestamp::now(), &mut self.effects);
        self.follow(Some(&GRPC.into()), None).await
    }

    async fn xt_opened(&mut self, place: String, epoch: &str) -> Result<(), Exit> {
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
        self.feed_xt(XtInput::Opened { epoch, snapshot: &snapshot, cut: cut.as_deref() }).await
    }

    /// Gives a piece of an experiment's file to the driver. It is read from its start each time, so that nothing of it is
    /// kept but what it says.
    async fn take_piece(&mut self, source: &SourceName, piece: Piece) -> Result<(), Exit> {
        self.record.ingest(Ingest::Reconciled);
        let input = match &piece {
            Piece::Opened => {
                self.refusal = None;
                FileInput::Opened { kind: SourceKind::Export, snapshot: &[] }
            }
            Piece::Member { name, bytes } => FileInput::Member { name, bytes },
            Piece::Bytes { offset, bytes } => FileInput::Bytes { offset: *offset, bytes },
            Piece::Ended => FileInput::Ended,
            Piece::Gone => FileInput::Gone,
        };
        self.driver.handle(Input::File(source, input), Timestamp::now(), &mut self.effects);
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
