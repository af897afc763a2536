//! What a line says, and what follows from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Actor;
use crate::device::exit::Exit;
use crate::device::record::Connection;
use crate::device::state::Fault;
use crate::driver::{FileInput, Input, Mode, Sees, SourceName, StreamInput, WORKLISTS};
use crate::event::{Ingest, TimeQuality};
use crate::journal::SourceUpdate;
use crate::link::stream::{Origin, Piece, StreamEvent, Write};

/// What is known of a device's line.
#[derive(Debug)]
pub struct Line {
    /// The name of its link, and of the source that it is.
    link: &'static str,
    source: SourceName,
    /// Up to where its bytes are committed; `None` before its first opening ever.
    committed: Option<LinePosition>,
    /// The opening that is followed now.
    epoch: String,
    /// Why it was lost last, while the daemon ran.
    cut: Option<String>,
}

/// Up to where the bytes of a line are committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LinePosition {
    epoch: String,
    offset: u64,
    at: Timestamp,
}

impl Line {
    /// The line of the link `link`, of which the journal knows `position`.
    pub fn new(link: &'static str, position: Option<&[u8]>) -> Self {
        let committed = position.and_then(|bytes| serde_json::from_slice(bytes).ok());
        Self { link, source: link.into(), committed, epoch: String::new(), cut: None }
    }

    fn position(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self.committed.as_ref()?).ok()
    }
}

impl Actor {
    /// The link of the line, where `source` is the line.
    pub(super) fn line_link(&self, source: &SourceName) -> Option<&'static str> {
        self.links.line.as_ref().filter(|line| line.source == *source).map(|line| line.link)
    }

    pub(super) async fn take_stream(&mut self, event: StreamEvent) -> Result<(), Exit> {
        let Some(line) = &self.links.line else { return Ok(()) };
        let source = line.source.clone();
        self.record.link(line.link);
        self.record.ingest(Ingest::Live);
        match event {
            StreamEvent::Worklist { path, bytes } => {
                self.record.recovered(Some(&path.as_str().into()));
                let name =
                    std::path::Path::new(&path).file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
                let input = FileInput::Member { name: &name, bytes: &bytes };
                self.driver.handle(Input::File(&WORKLISTS.into(), input), Timestamp::now(), &mut self.effects);
                self.follow(Some(&source), None).await
            }
            StreamEvent::WorklistUnreadable { path, reason } => {
                let text = format!("the worklist {path} cannot be read: {reason}");
                let remedy =
                    Some("check `worklist` in the configuration and whether the daemon's user may read it".to_owned());
                tracing::warn!(device = %self.settings.id, %text, "A worklist cannot be read.");
                self.fault(text.clone(), remedy.clone());
                self.record.faulted(Some(&path.as_str().into()), text, remedy);
                self.commit().await
            }
            StreamEvent::Opened { place, epoch, mode, origin } => self.opened(place, epoch, mode, origin).await,
            StreamEvent::Bytes { offset, pieces, position } => {
                self.last_input = Instant::now();
                self.bytes(&source, offset, pieces, position).await
            }
            StreamEvent::Lost { from, bytes } => {
                tracing::warn!(device = %self.settings.id, bytes, "Bytes of a line were dropped: what is read cannot be recorded fast enough.");
                let text = format!("{bytes} bytes came faster than they could be recorded, and the line does not wait");
                self.record.gap(&source, Some(from), "overrun", text);
                let input = StreamInput::Lost { reason: "overrun" };
                self.driver.handle(Input::Stream(&source, input), Timestamp::now(), &mut self.effects);
                self.follow(Some(&source), None).await
            }
            StreamEvent::Closed { place, reason, remedy } => {
                self.lost(&place, &reason, remedy.clone());
                self.record.connection(Connection::Disconnected, place, Some((reason.clone(), remedy))).await?;
                let input = StreamInput::Closed { reason: &reason };
                self.driver.handle(Input::Stream(&source, input), Timestamp::now(), &mut self.effects);
                if let Some(line) = &mut self.links.line {
                    line.cut = Some(reason);
                }
                self.follow(Some(&source), None).await
            }
            StreamEvent::Unreachable { place, reason, remedy } => {
                self.lost(&place, &reason, remedy.clone());
                self.commit_connection(Connection::Disconnected, place, Some((reason, remedy))).await
            }
            StreamEvent::Replaced { text } => {
                self.record.gap(&source, None, "replaced", text);
                self.commit().await
            }
        }
    }

    async fn opened(&mut self, place: String, epoch: String, mode: Mode, origin: Origin) -> Result<(), Exit> {
        let now = Timestamp::now();
        let device = self.settings.id.clone();
        tracing::info!(%device, %place, "The line is open.");
        let watching = match mode {
            Mode::Host => "as the only host",
            Mode::Listen { sees: Sees::Both } => "as a tap of commands and replies",
            Mode::Listen { sees: Sees::CommandsOnly } => "as a tap of commands only: outcomes are unknown",
            Mode::Listen { sees: Sees::RepliesOnly } => "as a tap of replies only",
        };
        self.board.update(&device, |state| {
            (state.connection, state.place, state.since) = ("connected", Some(place.clone()), now);
            state.watching = Some(watching.to_owned());
            true
        });
        self.record.connection(Connection::Connected, place, None).await?;
        let Some(line) = &mut self.links.line else { return Ok(()) };
        let source = line.source.clone();
        line.epoch.clone_from(&epoch);
        let cut = line.cut.take();
        match origin {
            Origin::Line => {
                let reached = line.committed.replace(LinePosition { epoch: epoch.clone(), offset: 0, at: now });
                let position = line.position();
                if let Some(reached) = reached {
                    let why = cut.unwrap_or_else(|| "the daemon did not follow it".to_owned());
                    let text = format!(
                        "whatever passed on the line is lost ({why}); what came before is recorded up to byte {} of that opening",
                        reached.offset
                    );
                    self.record.gap(&source, Some(reached.at), "interrupted", text);
                }
                // The epoch is durable before the first byte of it is decoded.
                self.record.progress(&source, position, Vec::new());
            }
            Origin::TraceStart => self.record.source(SourceUpdate::restart(source.clone())),
            Origin::TraceResumed => {}
        }
        self.commit().await?;
        self.closed.remove(&source);
        self.silence.forget(&source);
        let snapshot = match origin {
            Origin::Line | Origin::TraceResumed => self.record.snapshot(&source).await?,
            Origin::TraceStart => Vec::new(),
        };
        let resumed = origin == Origin::TraceResumed;
        let input = StreamInput::Opened { epoch: &epoch, mode, resumed, snapshot: &snapshot };
        self.driver.handle(Input::Stream(&source, input), now, &mut self.effects);
        self.follow(Some(&source), None).await
    }

    /// Gives all of it to the driver and commits what follows as one.
    async fn bytes(
        &mut self,
        source: &SourceName,
        mut offset: u64,
        pieces: Vec<Piece>,
        position: Option<Vec<u8>>,
    ) -> Result<(), Exit> {
        if self.closed.contains(source) {
            return Ok(());
        }
        let mut last = None;
        for Piece { direction, at, bytes } in &pieces {
            let input = StreamInput::Bytes { direction: *direction, at: *at, offset, bytes };
            self.driver.handle(Input::Stream(source, input), Timestamp::now(), &mut self.effects);
            offset += bytes.len() as u64;
            last = Some(*at);
        }
        for event in self.effects.events.iter_mut().filter(|event| event.time == Some(Timestamp::UNIX_EPOCH)) {
            // A trace that writes no times.
            (event.time, event.time_quality) = (None, TimeQuality::Unknown);
        }
        // A position without anything that was made of the bytes is not worth a commit: it goes with the next one.
        let effects = &self.effects;
        let is_worth_it = !(effects.events.is_empty() && effects.snapshots.is_empty() && effects.gaps.is_empty());
        let Some(line) = self.links.line.as_mut().filter(|_| is_worth_it) else {
            return self.follow_ahead(source, None).await;
        };
        let position = position.or_else(|| {
            line.committed = last.map(|at| LinePosition { epoch: line.epoch.clone(), offset, at });
            line.position()
        });
        self.follow_ahead(source, position).await
    }

    /// Hands what the driver asks for to the line.
    pub(super) fn send(&self, source: &SourceName, bytes: Vec<u8>) {
        let Some((line, (link, _))) = self.links.line.as_ref().zip(self.links.stream.as_ref()) else { return };
        if line.source != *source || !link.write(Write { epoch: line.epoch.clone(), bytes }) {
            tracing::warn!(device = %self.settings.id, %source, "A request could not be written to the line.");
        }
    }

    fn lost(&self, place: &str, reason: &str, remedy: Option<String>) {
        let device = &self.settings.id;
        tracing::warn!(%device, %place, %reason, remedy = remedy.as_deref(), "The line cannot be followed.");
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
