//! The device actor: one task that owns one driver and its link.
//!
//! Input comes from the link, goes through the driver, and what comes out is committed before the next input is
//! taken. Nothing else happens here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::exit::Exit;
use super::record::{Connection, Record};
use super::silence::Silence;
use super::state::{Fault, Found};
use super::supervisor::Pulse;
use crate::config::settings::DeviceSettings;
use crate::driver::{Driver, Effects, FileInput, Input, Request, SourceKind, SourceName};
use crate::event::Ingest;
use crate::journal::SourceUpdate;
use crate::link::files::{FileLink, How, LinkEvent};

/// How often an actor shows that it lives and how far it is, and looks whether silence is worth keeping.
const BEAT: Duration = Duration::from_secs(2);

/// A link that does not come back from its file system for so long hangs.
const HUNG: SignedDuration = SignedDuration::from_secs(30);

/// One run of a device's actor.
pub struct Actor {
    settings: Arc<DeviceSettings>,
    driver: Box<dyn Driver>,
    link: FileLink,
    record: Record,
    board: Arc<Board>,
    pulse: Arc<Pulse>,
    silence: Silence,
    effects: Effects,
    /// Sources whose next inputs are not to be taken: refused ones, and ones that are to be read again. What they
    /// say until they are opened again is neither decoded nor counted as read.
    closed: BTreeSet<SourceName>,
    /// Sources that the driver has open.
    open: BTreeSet<SourceName>,
    last_input: Instant,
    last_sequence: u64,
}

impl Actor {
    /// Puts an actor together.
    pub fn new(
        settings: Arc<DeviceSettings>,
        driver: Box<dyn Driver>,
        link: FileLink,
        record: Record,
        silence: Silence,
        board: Arc<Board>,
        pulse: Arc<Pulse>,
    ) -> Self {
        Self {
            settings,
            driver,
            link,
            record,
            board,
            pulse,
            silence,
            effects: Effects::default(),
            closed: BTreeSet::new(),
            open: BTreeSet::new(),
            last_input: Instant::now(),
            last_sequence: 0,
        }
    }

    /// Runs until `stop`, or until something ends it.
    pub async fn run(mut self, mut events: mpsc::Receiver<LinkEvent>, stop: CancellationToken) -> Exit {
        let mut beat = tokio::time::interval(BEAT);
        let exit = loop {
            let timer = self.silence.next();
            let done = tokio::select! {
                biased;
                () = stop.cancelled() => break Exit::Stopped,
                event = events.recv() => match event {
                    Some(event) => self.take(event).await,
                    None => break Exit::LinkEnded,
                },
                () = sleep_until(timer), if timer.is_some() => self.timers().await,
                _ = beat.tick() => self.beat().await,
            };
            match done {
                Ok(()) => self.pulse.beat(),
                Err(exit) => break exit,
            }
        };
        self.link.stop();
        exit
    }

    async fn take(&mut self, event: LinkEvent) -> Result<(), Exit> {
        self.last_input = Instant::now();
        let device = self.settings.id.clone();
        match event {
            LinkEvent::Connected { place } => {
                let watching = watching(&self.link);
                if self.board.device(&device).is_some_and(|state| state.connection == "disconnected") {
                    tracing::info!(%device, %place, "The folder can be looked at again.");
                }
                self.board.update(&device, |state| {
                    let news = state.connection != "connected";
                    (state.connection, state.place, state.watching) =
                        ("connected", Some(place.clone()), Some(watching));
                    if news {
                        state.since = Timestamp::now();
                    }
                    news
                });
                self.commit_connection(Connection::Connected, place, None).await
            }
            LinkEvent::Disconnected { place, reason, remedy } => {
                tracing::warn!(%device, %place, %reason, remedy = remedy.as_deref(), "The folder cannot be looked at.");
                self.board.update(&device, |state| {
                    (state.connection, state.since) = ("disconnected", Timestamp::now());
                    let text = format!("{place}: {reason}");
                    state.last_error = Some(Fault { text, remedy: remedy.clone(), at: Timestamp::now() });
                    true
                });
                self.commit_connection(Connection::Disconnected, place, Some((reason, remedy))).await
            }
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
                self.record.gap(&source, reason, text);
                self.commit().await
            }
            LinkEvent::Trouble { source, text, remedy } => {
                tracing::warn!(%device, source = source.as_deref(), reason = %text, remedy = remedy.as_deref(), "A source cannot be read.");
                self.fault(text.clone(), remedy.clone());
                self.record.faulted(source.as_ref(), text, remedy);
                self.commit().await
            }
            LinkEvent::TroubleOver { source } => {
                self.record.recovered(source.as_ref());
                self.commit().await
            }
        }
    }

    /// Gives one input about a source to the driver, and commits what follows together with the new position.
    async fn feed(&mut self, source: &SourceName, input: FileInput<'_>, position: Option<Vec<u8>>) -> Result<(), Exit> {
        if self.closed.contains(source) {
            return Ok(());
        }
        self.driver.handle(Input::File(source, input), Timestamp::now(), &mut self.effects);
        self.follow(Some(source), position).await
    }

    async fn timers(&mut self) -> Result<(), Exit> {
        while let Some(timer) = self.silence.take_due(Instant::now()) {
            self.record.ingest(Ingest::Live);
            self.open_for(&timer.source).await?;
            self.driver.handle(Input::Timer(&timer), Timestamp::now(), &mut self.effects);
            self.follow(Some(&timer.source), None).await?;
        }
        Ok(())
    }

    /// Opens a source whose silence began before the daemon's last start, so that the driver knows what it is about.
    async fn open_for(&mut self, source: &SourceName) -> Result<(), Exit> {
        if self.open.contains(source) {
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

    /// Does what the driver's effects ask for.
    async fn follow(&mut self, source: Option<&SourceName>, position: Option<Vec<u8>>) -> Result<(), Exit> {
        let device = &self.settings.id;
        let effects = &mut self.effects;
        for (source, refusal) in effects.refused.drain(..) {
            tracing::warn!(%device, %source, code = refusal.code, reason = %refusal.reason, remedy = %refusal.remedy, "A source is refused.");
            let fault = Fault {
                text: format!("{source}: {}", refusal.reason),
                remedy: Some(refusal.remedy),
                at: Timestamp::now(),
            };
            self.board.update(device, |state| {
                state.refused = (state.refused.0 + 1, Some(fault));
                true
            });
            // Its position is not kept, so that it is looked at again after the mistake was mended.
            self.record.source(SourceUpdate::forget(source.clone()));
            self.closed.insert(source);
        }
        for request in effects.requests.drain(..) {
            // A file link has nothing to write with.
            let Request::Reread(source) = request else { continue };
            tracing::info!(%device, %source, "A source is read again from its start.");
            self.record.source(SourceUpdate::forget(source.clone()));
            self.link.reread(&source);
            self.closed.insert(source);
        }
        if let Some(source) = source.filter(|source| !self.closed.contains(*source)) {
            let parts =
                effects.snapshots.drain(..).map(|part| (part.source, part.part.to_owned(), part.bytes)).collect();
            self.record.progress(source, position, parts);
        }
        effects.snapshots.clear();
        let now = Instant::now();
        for change in effects.timers.drain(..) {
            self.silence.change(change, now);
        }
        if let Some(note) = self.silence.note(now) {
            self.record.note("silence", Some(note));
        }
        let (operation, identity) = (effects.operation.take(), effects.identity.take());
        if operation.is_some() || identity.is_some() {
            self.board.update(device, |state| {
                state.silent = false;
                if let Some(operation) = operation {
                    state.operation = operation;
                }
                if identity.is_some() {
                    state.identity = identity;
                }
                true
            });
        }
        self.record.events(source, &effects.events);
        effects.clear();
        self.commit().await
    }

    async fn commit_connection(
        &mut self,
        connection: Connection,
        place: String,
        why: Option<(String, Option<String>)>,
    ) -> Result<(), Exit> {
        self.record.connection(connection, place, why).await?;
        self.commit().await
    }

    async fn commit(&mut self) -> Result<(), Exit> {
        // The journal waits for room, a disk or an operator, and says so: that is a named cause and no stuck actor.
        let _waiting = self.pulse.waiting();
        let committed = self.record.commit().await?;
        if let Some(last) = committed {
            self.last_sequence = last;
            // Told with the next beat, not for each commit: the events themselves tell it at once.
            self.board.update(&self.settings.id, |state| std::mem::take(&mut state.silent));
        }
        Ok(())
    }

    async fn beat(&mut self) -> Result<(), Exit> {
        if self.last_input.elapsed() > self.settings.profile.silence {
            self.board.update(&self.settings.id, |state| !std::mem::replace(&mut state.silent, true));
        }
        let (last, first) = (self.last_sequence, self.record.first_available());
        let found = found(&self.link);
        self.board.update(&self.settings.id, |state| {
            state.found = found;
            let news = last > state.last_sequence || first != state.first_available_sequence;
            (state.last_sequence, state.first_available_sequence) = (state.last_sequence.max(last), first);
            news
        });
        self.look_at_link();
        if let Some(note) = self.silence.note(Instant::now()) {
            self.record.note("silence", Some(note));
            return self.commit().await;
        }
        Ok(())
    }

    /// A link that is busy without a pause while nothing of it waits here hangs in its file system.
    fn look_at_link(&self) {
        let busy = self.link.status().borrow().busy_since;
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

    fn fault(&self, text: String, remedy: Option<String>) {
        self.board.update(&self.settings.id, |state| {
            state.last_error = Some(Fault { text, remedy, at: Timestamp::now() });
            true
        });
    }
}

/// What the link has found.
fn found(link: &FileLink) -> Found {
    let status = link.status();
    let status = status.borrow();
    Found {
        followed: status.sources,
        waiting: status.backlog,
        before_first_start: status.baseline,
        waiting_at_first: status.first_backlog,
    }
}

/// How the link finds changes, and why so, in words.
fn watching(link: &FileLink) -> String {
    let status = link.status();
    let status = status.borrow();
    let how = match status.watching.how {
        How::Undecided => "undecided",
        How::Notify => "notifications of the kernel",
        How::Poll => "polling",
    };
    format!("{how}: {}", status.watching.why)
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
