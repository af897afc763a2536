//! The device actor: one task that owns one driver and its links.
//!
//! Input comes from a link, goes through the driver, and what comes out is committed before the next input is
//! taken. Nothing else happens here.

mod commands;
mod files;
mod service;
mod sets;
mod stream;
mod xt;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use commands::{Commands, NOTE as COMMANDS};
pub use stream::Line;

use super::board::Board;
use super::exit::Exit;
use super::links::{Links, Said};
use super::record::{Connection, Record};
use super::silence::Silence;
use super::state::Fault;
use super::supervisor::Pulse;
use crate::config::settings::DeviceSettings;
use crate::driver::{Driver, Effects, Input, Request, SourceName};
use crate::event::Ingest;
use crate::journal::SourceUpdate;

/// How often an actor shows that it lives and how far it is, and looks whether silence is worth keeping.
const BEAT: Duration = Duration::from_secs(2);

/// How often its state tells how far the events go while more and more come; with the first beat after which none came in any case.
const COUNTED: Duration = Duration::from_secs(10);

/// One run of a device's actor.
pub struct Actor {
    settings: Arc<DeviceSettings>,
    driver: Box<dyn Driver>,
    links: Links,
    commands: Commands,
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
    /// The last look at each open set.
    looks: BTreeMap<SourceName, u64>,
    /// Why the remote interface's stream was lost last, while the daemon ran.
    cut: Option<String>,
    /// Why the experiment's file that is read was refused.
    refusal: Option<String>,
    /// Whether a command was taken last: what else waits comes before the next.
    after_command: bool,
    last_input: Instant,
    last_sequence: u64,
    told: Told,
    /// The epoch of the device service in the last committed position.
    service_epoch: String,
}

/// What the board was told of how far the events go.
struct Told {
    sequence: u64,
    at: Instant,
    /// How far they went at the beat before.
    before: u64,
}

impl Actor {
    /// Puts an actor together.
    pub fn new(
        settings: Arc<DeviceSettings>,
        driver: Box<dyn Driver>,
        (links, commands): (Links, Commands),
        record: Record,
        silence: Silence,
        board: Arc<Board>,
        pulse: Arc<Pulse>,
    ) -> Self {
        Self {
            settings,
            driver,
            links,
            commands,
            record,
            board,
            pulse,
            silence,
            effects: Effects::default(),
            closed: BTreeSet::new(),
            open: BTreeSet::new(),
            looks: BTreeMap::new(),
            cut: None,
            refusal: None,
            after_command: false,
            last_input: Instant::now(),
            last_sequence: 0,
            told: Told { sequence: 0, at: Instant::now(), before: 0 },
            service_epoch: String::new(),
        }
    }

    /// Runs until `stop`, or until something ends it.
    pub async fn run(mut self, stop: CancellationToken) -> Exit {
        let mut beat = tokio::time::interval(BEAT);
        if let Err(exit) = self.take_up_commands().await {
            self.links.stop();
            return exit;
        }
        let exit = loop {
            let timer = self.silence.next();
            let (is_busy, overdue) = (self.commands.ledger.is_busy(), self.commands.due());
            let after_command = std::mem::take(&mut self.after_command);
            let done = tokio::select! {
                biased;
                () = stop.cancelled() => break Exit::Stopped,
                Some(answer) = self.commands.calls.join_next() => match answer {
                    Ok((by_itself, result)) => self.take_answer(by_itself, result).await,
                    Err(error) => break Exit::Panicked(error.to_string()),
                },
                () = sleep_until(overdue), if overdue.is_some() => {
                    self.continue_by_itself();
                    Ok(())
                }
                next = Commands::next(self.commands.requests.as_ref(), is_busy), if !after_command => self.take_command(next).await,
                said = self.links.next() => match said {
                    Some(said) => self.take(said).await,
                    None => break Exit::LinkEnded,
                },
                () = sleep_until(timer), if timer.is_some() => self.timers().await,
                _ = beat.tick() => self.beat().await,
                // Whoever asks without end holds up no reading.
                next = Commands::next(self.commands.requests.as_ref(), is_busy) => self.take_command(next).await,
            };
            match done {
                Ok(()) => self.pulse.beat(),
                Err(exit) => break exit,
            }
        };
        self.links.stop();
        exit
    }

    async fn take(&mut self, said: Said) -> Result<(), Exit> {
        match said {
            Said::Files(event) => {
                self.last_input = Instant::now();
                self.take_file(event).await
            }
            Said::Sets(event) => {
                self.last_input = Instant::now();
                self.take_set(event).await
            }
            Said::Stream(event) => self.take_stream(event).await,
            Said::Service(event) => self.take_service(event).await,
            Said::Heard(items) => {
                self.last_input = Instant::now();
                self.take_heard(&items).await
            }
            Said::Xt(event) => self.take_xt(event).await,
        }
    }

    async fn timers(&mut self) -> Result<(), Exit> {
        while let Some(timer) = self.silence.take_due(Instant::now()) {
            self.record.ingest(Ingest::Live);
            match self.line_link(&timer.source) {
                Some(link) => self.record.link(link),
                None => self.open_for(&timer.source).await?,
            }
            self.driver.handle(Input::Timer(&timer), Timestamp::now(), &mut self.effects);
            self.follow(Some(&timer.source), None).await?;
        }
        Ok(())
    }

    /// Does what the driver's effects ask for.
    async fn follow(&mut self, source: Option<&SourceName>, position: Option<Vec<u8>>) -> Result<(), Exit> {
        let device = &self.settings.id;
        let effects = &mut self.effects;
        let (mut sends, mut rereads, mut asked, mut questions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
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
            match request {
                Request::Reread(source) => rereads.push(source),
                Request::Send { source, bytes } => sends.push((source, bytes)),
                Request::Ask(ask) => questions.push(ask),
                request => asked.push(request),
            }
        }
        for source in rereads {
            tracing::info!(%device, %source, "A source is read again from its start.");
            self.record.source(SourceUpdate::forget(source.clone()));
            self.links.reread(&source);
            self.closed.insert(source);
        }
        if let Some(source) = source.filter(|source| !self.closed.contains(*source)) {
            // Of several inputs that are committed as one, the last state of each part counts.
            let parts: BTreeMap<_, _> =
                effects.snapshots.drain(..).map(|part| (part.part.to_owned(), part.bytes)).collect();
            self.record.progress(source, position, parts.into_iter().collect());
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
        if let Some(identity) = identity {
            self.board.identify(device, identity);
        }
        if let Some(operation) = operation {
            self.board.update(device, |state| {
                let was_silent = std::mem::take(&mut state.silent);
                let before = std::mem::replace(&mut state.operation, operation);
                was_silent || before != state.operation
            });
        }
        self.record.events(source, &effects.events);
        for (source, reason, text) in effects.gaps.drain(..) {
            self.record.gap(&source, None, reason, text);
        }
        effects.clear();
        self.commit().await?;
        // What is asked of the instrument rests on what is durable.
        sends.into_iter().for_each(|(source, bytes)| self.send(&source, bytes));
        asked.into_iter().for_each(|request| self.ask_sets(request));
        if let Some(remote) = &self.links.xt {
            questions.into_iter().for_each(|ask| remote.link().ask(ask));
        }
        Ok(())
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
        let found = self.links.status().map(|status| files::found(&status.borrow()));
        let is_quiet = std::mem::replace(&mut self.told.before, last) == last;
        let counts = last > self.told.sequence && (is_quiet || self.told.at.elapsed() >= COUNTED);
        if counts {
            (self.told.sequence, self.told.at) = (last, Instant::now());
        }
        self.board.update(&self.settings.id, |state| {
            let before = std::mem::replace(&mut state.found, found.unwrap_or_default());
            let news = counts || before != state.found || first != state.first_available_sequence;
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

    fn fault(&self, text: String, remedy: Option<String>) {
        self.board.update(&self.settings.id, |state| {
            state.last_error = Some(Fault { text, remedy, at: Timestamp::now() });
            true
        });
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
