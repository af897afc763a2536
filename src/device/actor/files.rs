//! What a file link says, and what follows from it.

use jiff::{SignedDuration, Timestamp};

use super::Actor;
use crate::device::exit::Exit;
use crate::device::links::FILES;
use crate::device::record::Connection;
use crate::device::state::{Fault, Found};
use crate::driver::{FileInput, Input, SourceKind, SourceName};
use crate::journal::SourceUpdate;
use crate::link::files::{How, LinkEvent, LinkStatus};

/// A link that does not come back from its file system for so long hangs.
const HUNG: SignedDuration = SignedDuration::from_secs(30);

impl Actor {
    pub(super) async fn take_file(&mut self, event: LinkEvent) -> Result<(), Exit> {
        self.record.link(FILES);
        match event {
            LinkEvent::Connected { place } => self.folder_is_there(place).await,
            LinkEvent::Disconnected { place, reason, remedy } => self.folder_is_away(place, reason, remedy).await,
            LinkEvent::Baseline(bytes) => {
                self.record.note("baseline", Some(bytes));
                self.commit().await
            }
            LinkEvent::Opened { source, kind, resume, ingest } => {
                self.closed.remove(&source);
                self.open.insert(source.clone());
                self.record.ingest(ingest);
                let snapshot = if resume { self.record.snapshot(&source).await? } else { Vec::new() };
                if !resume {
                    self.record.source(SourceUpdate::restart(source.clone()));
                }
                self.feed(&source, FileInput::Opened { kind, snapshot: &snapshot }, None).await
            }
            LinkEvent::Member { source, name, bytes, position } => {
                self.feed(&source, FileInput::Member { name: &name, bytes: &bytes }, Some(position)).await
            }
            LinkEvent::Head { source, bytes, position } => {
                self.feed(&source, FileInput::Head(&bytes), Some(position)).await
            }
            LinkEvent::Bytes { source, offset, bytes, position, ingest } => {
                self.record.ingest(ingest);
                self.feed(&source, FileInput::Bytes { offset, bytes: &bytes }, Some(position)).await
            }
            LinkEvent::Ended { source, position } => self.feed(&source, FileInput::Ended, Some(position)).await,
            LinkEvent::Settled { source, position } => self.feed(&source, FileInput::Settled, Some(position)).await,
            LinkEvent::Renamed { from, to, position } => {
                let parts = self.record.snapshot(&from).await?;
                self.record.source(SourceUpdate::forget(from.clone()));
                self.record.source(SourceUpdate { position: Some(position), parts, ..SourceUpdate::restart(to) });
                self.open.remove(&from);
                self.feed(&from, FileInput::Gone, None).await
            }
            LinkEvent::Gone { source } => {
                self.record.source(SourceUpdate::forget(source.clone()));
                self.open.remove(&source);
                self.feed(&source, FileInput::Gone, None).await
            }
            LinkEvent::Gap { source, reason, text } => {
                self.record.gap(&source, None, reason, text);
                self.commit().await
            }
            LinkEvent::Trouble { source, text, remedy } => self.trouble(source, text, remedy).await,
            LinkEvent::TroubleOver { source } => {
                self.record.recovered(source.as_ref());
                self.commit().await
            }
        }
    }

    /// The folder can be looked at.
    pub(super) async fn folder_is_there(&mut self, place: String) -> Result<(), Exit> {
        let device = self.settings.id.clone();
        let watching = self.links.status().map(|status| watching(&status.borrow()));
        if self.board.device(&device).is_some_and(|state| state.connection == "disconnected") {
            tracing::info!(%device, %place, "The folder can be looked at again.");
        }
        self.board.update(&device, |state| {
            let news = state.connection != "connected";
            (state.connection, state.place, state.watching) = ("connected", Some(place.clone()), watching);
            if news {
                state.since = Timestamp::now();
            }
            news
        });
        self.commit_connection(Connection::Connected, place, None).await
    }

    /// The folder cannot be looked at.
    pub(super) async fn folder_is_away(
        &mut self,
        place: String,
        reason: String,
        remedy: Option<String>,
    ) -> Result<(), Exit> {
        let device = self.settings.id.clone();
        tracing::warn!(%device, %place, %reason, remedy = remedy.as_deref(), "The folder cannot be looked at.");
        self.board.update(&device, |state| {
            if state.connection != "disconnected" {
                (state.connection, state.since) = ("disconnected", Timestamp::now());
            }
            let text = format!("{place}: {reason}");
            state.last_error = Some(Fault { text, remedy: remedy.clone(), at: Timestamp::now() });
            true
        });
        self.commit_connection(Connection::Disconnected, place, Some((reason, remedy))).await
    }

    /// Something cannot be read.
    pub(super) async fn trouble(
        &mut self,
        source: Option<SourceName>,
        text: String,
        remedy: Option<String>,
    ) -> Result<(), Exit> {
        let device = &self.settings.id;
        tracing::warn!(%device, source = source.as_deref(), reason = %text, remedy = remedy.as_deref(), "A source cannot be read.");
        self.fault(text.clone(), remedy.clone());
        self.record.faulted(source.as_ref(), text, remedy);
        self.commit().await
    }

    /// Gives one input about a source to the driver, and commits what follows together with the new position.
    async fn feed(&mut self, source: &SourceName, input: FileInput<'_>, position: Option<Vec<u8>>) -> Result<(), Exit> {
        if self.closed.contains(source) {
            return Ok(());
        }
        self.driver.handle(Input::File(source, input), Timestamp::now(), &mut self.effects);
        self.follow(Some(source), position).await
    }

    /// Opens a source whose silence began before the daemon's last start, so that the driver knows what it is about.
    pub(super) async fn open_for(&mut self, source: &SourceName) -> Result<(), Exit> {
        if self.links.files.is_none() || self.open.contains(source) {
            return Ok(());
        }
        let snapshot = self.record.snapshot(source).await?;
        if snapshot.is_empty() {
            return Ok(());
        }
        self.open.insert(source.clone());
        // The snapshot says what kind of source it is; the kind given here only counts where there is none.
        self.feed(source, FileInput::Opened { kind: SourceKind::Table, snapshot: &snapshot }, None).await
    }

    /// A link that is busy without a pause while nothing of it waits here hangs in its file system.
    pub(super) fn look_at_link(&self) {
        let Some(status) = self.links.status() else { return };
        let busy = status.borrow().busy_since;
        let hanging = busy.filter(|since| Timestamp::now().duration_since(*since) > HUNG);
        let known = self.board.device(&self.settings.id).is_some_and(|state| state.hanging);
        if hanging.is_some() == known {
            return;
        }
        if let Some(since) = hanging {
            tracing::error!(device = %self.settings.id, %since, "The folder's file system does not answer.");
            let text = format!("the folder's file system has not answered since {since}");
            self.fault(text, Some("look at the mount and the machine that shares it".to_owned()));
        }
        self.board.update(&self.settings.id, |state| {
            state.hanging = hanging.is_some();
            true
        });
    }
}

/// What the link has found.
pub(super) fn found(status: &LinkStatus) -> Found {
    Found {
        followed: status.sources,
        waiting: status.backlog,
        before_first_start: status.baseline,
        waiting_at_first: status.first_backlog,
    }
}

/// How the link finds changes, and why so, in words.
fn watching(status: &LinkStatus) -> String {
    let how = match status.watching.how {
        How::Undecided => "undecided",
        How::Notify => "notifications of the kernel",
        How::Poll => "polling",
    };
    format!("{how}: {}", status.watching.why)
}
