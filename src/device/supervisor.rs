//! The supervisor: keeps one device's actor running, and says why when it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::actor::{Actor, Commands, Line};
use super::board::Board;
use super::exit::Exit;
use super::kept::Kept;
use super::links::{Links, Remote};
use super::record::{Record, Store};
use super::silence::Silence;
use crate::command::Ledger;
use crate::config::settings::{DeviceSettings, FilesSettings};
use crate::driver::{self, Driver, Mode, Sees};
use crate::event::envelope::Origin;
use crate::event::{EventSource, Ingest, SiteId};
use crate::link::biolector_xt;
use crate::link::device_service;
use crate::link::files::Start;
use crate::link::filesets;
use crate::link::stream;
use crate::profile::Kind;
use crate::publish::Standing as _;

/// Inputs that wait between a file link and its actor.
const INPUTS: usize = 4;
/// The first pause before an actor is started again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// An actor that ran for so long is healthy: the next pause is the first again.
const HEALTHY: Duration = Duration::from_secs(300);
/// An actor that did not show that it lives for so long, and waits for nothing that has a name, is restarted.
const UNRESPONSIVE: Duration = Duration::from_secs(60);
/// How long an actor may take to stop; its link may take a quarter of a second of it.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often the supervisor looks.
const LOOK: Duration = Duration::from_secs(1);

/// By which an actor shows that it lives.
#[derive(Debug)]
pub struct Pulse {
    start: Instant,
    last_ms: AtomicU64,
    waiting: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { start: Instant::now(), last_ms: AtomicU64::new(0), waiting: AtomicBool::new(false) }
    }
}

impl Pulse {
    /// It lives.
    pub fn beat(&self) {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Relaxed);
    }

    /// It waits for something that has a name, until the guard is dropped.
    pub fn waiting(self: &Arc<Self>) -> impl Drop + use<> {
        struct Guard(Arc<Pulse>);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.waiting.store(false, Ordering::Relaxed);
                self.0.beat();
            }
        }
        self.waiting.store(true, Ordering::Relaxed);
        Guard(self.clone())
    }

    fn is_stale(&self) -> bool {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        !self.waiting.load(Ordering::Relaxed) && self.start.elapsed().saturating_sub(last) > UNRESPONSIVE
    }
}

/// What a supervisor needs to start its actor again and again.
pub struct Plan {
    /// The site.
    pub site: SiteId,
    /// The device.
    pub settings: Arc<DeviceSettings>,
    /// Where its events go.
    pub store: Store,
    /// Where its state is shown.
    pub board: Arc<Board>,
}

/// A supervised device.
pub struct Supervised {
    /// What it was started with.
    pub settings: Arc<DeviceSettings>,
    stop: CancellationToken,
    crash: mpsc::Sender<()>,
    task: JoinHandle<()>,
    looked: watch::Receiver<Instant>,
}

impl Supervised {
    /// Stops the actor and waits for it.
    pub async fn stop(self) {
        self.stop.cancel();
        // A supervisor that panicked has nothing left to stop.
        let _ = self.task.await;
    }

    /// Makes the actor crash, to show what happens then.
    pub async fn crash(&self) {
        let _ = self.crash.send(()).await;
    }

    /// When the supervisor last looked after its actor.
    pub fn looked(&self) -> Instant {
        *self.looked.borrow()
    }
}

/// Starts a device and keeps it running until it is stopped.
pub fn supervise(plan: Plan) -> Supervised {
    let stop = CancellationToken::new();
    let (crash, crashes) = mpsc::channel(1);
    let (look, looked) = watch::channel(Instant::now());
    let settings = plan.settings.clone();
    let task = tokio::spawn(keep_running(plan, stop.clone(), crashes, look));
    Supervised { settings, stop, crash, task, looked }
}

async fn keep_running(
    plan: Plan,
    stop: CancellationToken,
    mut crashes: mpsc::Receiver<()>,
    look: watch::Sender<Instant>,
) {
    let device = plan.settings.id.clone();
    let mut pause = FIRST_PAUSE;
    loop {
        let started = Instant::now();
        plan.board.update(&device, |state| {
            state.actor = "running";
            true
        });
        let exit = run_once(&plan, &stop, &mut crashes, &look).await;
        if exit == Exit::Stopped || stop.is_cancelled() {
            plan.board.update(&device, |state| {
                state.actor = "stopped";
                true
            });
            return;
        }
        if started.elapsed() > HEALTHY {
            pause = FIRST_PAUSE;
        }
        tracing::error!(%device, reason = %exit, pause_s = pause.as_secs(), "The device's actor ended; it is started again.");
        plan.board.update(&device, |state| {
            state.actor = "restarting";
            state.restarts = (state.restarts.0 + 1, Some(exit.to_string()));
            true
        });
        let resume = Instant::now() + pause;
        while Instant::now() < resume {
            look.send_replace(Instant::now());
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(resume.min(Instant::now() + LOOK)) => {}
            }
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Runs the actor once, in a task of its own so that its panic ends only that task.
async fn run_once(
    plan: &Plan,
    stop: &CancellationToken,
    crashes: &mut mpsc::Receiver<()>,
    look: &watch::Sender<Instant>,
) -> Exit {
    let pulse = Arc::new(Pulse::default());
    let own_stop = stop.child_token();
    let mut actor = tokio::spawn(start_and_run(
        plan.site.clone(),
        plan.settings.clone(),
        plan.store.clone(),
        plan.board.clone(),
        pulse.clone(),
        own_stop.clone(),
    ));
    loop {
        look.send_replace(Instant::now());
        tokio::select! {
            ended = &mut actor => {
                return match ended {
                    Ok(exit) => exit,
                    Err(error) if error.is_panic() => Exit::Panicked(panic_text(error.into_panic().as_ref())),
                    Err(_) => Exit::Unresponsive,
                };
            }
            () = stop.cancelled() => {
                // An actor that waits for room in the journal does not hear it; what it holds is read again at the next start.
                if tokio::time::timeout(LAST_WORDS, &mut actor).await.is_err() {
                    actor.abort();
                }
                return Exit::Stopped;
            }
            Some(()) = crashes.recv() => {
                actor.abort();
                return Exit::Crashed;
            }
            () = tokio::time::sleep(LOOK) => {
                if pulse.is_stale() {
                    own_stop.cancel();
                    actor.abort();
                    return Exit::Unresponsive;
                }
            }
        }
    }
}

async fn start_and_run(
    site: SiteId,
    settings: Arc<DeviceSettings>,
    store: Store,
    board: Arc<Board>,
    pulse: Arc<Pulse>,
    stop: CancellationToken,
) -> Exit {
    let mut kept = match Kept::read(&store, &settings).await {
        Ok(kept) => kept,
        Err(exit) => return exit,
    };
    let driver = driver_of(&site, &settings);
    let origin = Origin {
        source: EventSource::new(&site, &settings.id),
        partition: settings.id.clone(),
        ingest: Ingest::Live,
        position: None,
    };
    let is_dry = matches!(store, Store::Print(_));
    let links = open_links(&settings, &mut kept, is_dry);
    let ledger = match Ledger::restore(kept.commands.as_deref()) {
        Ok(ledger) => ledger,
        Err(error) => {
            tracing::error!(device = %settings.id, %error, "What was asked of the instrument cannot be read; a pause may be in force: look at the instrument.");
            Ledger::default()
        }
    };
    let exchange = board.commands();
    // A dry run asks nothing of an instrument.
    let requests = if is_dry { None } else { exchange.listen(&settings.id) };
    let commands = Commands::new(exchange, requests, if is_dry { Ledger::default() } else { ledger });
    let record = Record::new(store, settings.id.clone(), origin, kept.own_events.as_deref());
    let silence = Silence::restore(kept.silence.as_deref(), Instant::now());
    Actor::new(settings, driver, (links, commands), record, silence, board, pulse).run(stop).await
}

/// The driver of a device.
pub fn driver_of(site: &SiteId, settings: &DeviceSettings) -> Box<dyn Driver> {
    let (profile, zone) = (settings.profile.clone(), settings.time_zone.clone());
    match &settings.profile.kind {
        Kind::Biolector(_) => {
            let context = driver::biolector::Context::new(site, &settings.id, profile, zone);
            match settings.grpc {
                Some(_) => Box::new(driver::biolector_xt::driver(context)),
                None => Box::new(driver::biolector::driver(context)),
            }
        }
        Kind::Robolector(_) => {
            let deck = Arc::new(settings.deck.clone());
            let context = driver::robolector::Context::new(site, &settings.id, profile, zone, deck);
            Box::new(driver::robolector::driver(context))
        }
        Kind::Echo(model) => {
            Box::new(driver::echo::driver(driver::echo::Context::new(site, &settings.id, model.clone(), zone)))
        }
        Kind::EchoMs(profile) => {
            Box::new(driver::echo_ms::driver(driver::echo_ms::Context::new(site, &settings.id, profile.order)))
        }
        Kind::Zenotof(model) => {
            let said = driver::zenotof::Settings {
                numbering: settings.acquisitions.numbering,
                order: settings.acquisitions.order,
            };
            Box::new(driver::zenotof::driver(driver::zenotof::Context::new(
                site,
                &settings.id,
                model.clone(),
                zone,
                said,
            )))
        }
    }
}

/// Starts the links that the device has. A dry run only listens: what it would ask the instrument is not asked.
fn open_links(settings: &DeviceSettings, kept: &mut Kept, is_dry: bool) -> Links {
    let mut links = Links::default();
    if let Some(files) = settings.files.clone()
        && matches!(settings.profile.kind, Kind::Zenotof(_))
    {
        let (known, baseline) = (std::mem::take(&mut kept.known), kept.baseline.take());
        let (sender, events) = mpsc::channel(INPUTS);
        let start = filesets::Start { settings: sets(settings, files), known, baseline };
        links.sets = Some((filesets::spawn(start, sender), events));
    } else if let Some(files) = settings.files.clone() {
        let (known, baseline) = (std::mem::take(&mut kept.known), kept.baseline.take());
        // When it is full, the link's thread waits: files can wait.
        let (sender, events) = mpsc::channel(INPUTS);
        let (layout, settle) = (settings.profile.family.layout(), settings.profile.settle);
        let start = Start { settings: files, layout, settle, known, baseline };
        links.files = Some((crate::link::files::spawn(start, sender), events));
    }
    if let (Some(grpc), Kind::EchoMs(_)) = (settings.grpc.clone(), &settings.profile.kind) {
        let (wanted, position) = (driver::echo_ms::WANTED, kept.service.take());
        let tap = device_service::recorded::tap(&grpc, &settings.id);
        let start = device_service::Start { settings: grpc, wanted, position, tap };
        links.service = Some(device_service::spawn(start));
    }
    if let (Some(grpc), Kind::Biolector(profile)) = (settings.grpc.clone(), &settings.profile.kind) {
        let tap = biolector_xt::recorded::tap(&grpc, &settings.id);
        let start = biolector_xt::Start { settings: grpc, live: profile.live, tap };
        links.xt = Some(Remote::new(biolector_xt::spawn(start)));
    }
    if let Some(mut stream) = settings.stream.clone() {
        if is_dry && stream.mode == Mode::Host {
            stream.mode = Mode::Listen { sees: Sees::RepliesOnly };
        }
        let link = stream.link();
        let position = kept.line.take();
        links.line = Some(Line::new(link, position.as_deref()));
        links.stream = Some(stream::spawn(stream::Start {
            device: settings.id.clone(),
            settings: stream,
            time_zone: settings.time_zone.clone(),
            worklists: settings.deck.worklists.clone(),
            position,
        }));
    }
    links
}

/// How a file-set link looks at its trees.
pub fn sets(settings: &DeviceSettings, files: FilesSettings) -> filesets::SetsSettings {
    let said = settings.acquisitions.clone();
    let first = filesets::Root { name: said.name.into(), folder: files.folder, base: said.public.map(Into::into) };
    let others = said.roots.into_iter().map(|root| filesets::Root {
        name: root.name.into(),
        folder: root.folder,
        base: root.public.map(Into::into),
    });
    filesets::SetsSettings {
        roots: std::iter::once(first).chain(others).collect(),
        watch: files.watch,
        poll_interval: files.poll_interval,
        backfill: files.backfill,
        require_mount: files.require_mount,
        hash_rate: said.hash_rate,
        hash_parallel: said.hash_parallel,
        manifests: said.manifests,
        batches: said.batches.map(|(folder, column)| filesets::Batches { folder, column }),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
