//! Plays an Echo MS+ into a server, and lets go wrong what it is asked to.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use instrument_proto::device::v1::BuildInfo;
use jiff::Timestamp;

use super::fault::{Fault, Faults};
use super::model::{self, HarmlessMethods, Progress, address_space};
use super::run::{EchoRun, Ejection, Step, What};
use super::settings::Settings;
use crate::control::{Control, Counter, Responsiveness};
use crate::device_service::{Event, Host, HostError, HostSettings, Limits, Restart, Server};
use crate::pace::{Pace, Shared};

/// How many shots long what does not happen at once lasts.
const LASTS: u32 = 5;

/// What the gateway and whoever drives it share.
#[derive(Debug)]
struct Gateway {
    host: Mutex<Host>,
    truth: Mutex<Vec<Ejection>>,
    /// What is to go wrong after the next shot.
    asked: Mutex<Vec<Fault>>,
}

impl Gateway {
    fn host(&self) -> MutexGuard<'_, Host> {
        // A host is whole between any two calls.
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An Echo MS+ at work behind its gateway, in threads of its own, until its runs are over; its server stays until this is dropped.
#[derive(Debug)]
pub struct EchoMsPlus {
    gateway: Arc<Gateway>,
    pace: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), HostError>>>,
    address: std::net::SocketAddr,
}

/// Why an Echo MS+ does not run.
#[derive(Debug, thiserror::Error)]
pub enum EchoError {
    /// What it was to do.
    #[error(transparent)]
    Settings(#[from] super::settings::SettingsError),
    /// Its server.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl EchoMsPlus {
    /// Begins to work. Each step of the instrument is a step of its [`Control`].
    ///
    /// # Errors
    /// [`EchoError`] where the settings make no sense or the port cannot be used.
    pub fn start(
        settings: Settings,
        host: HostSettings,
        limits: Limits,
        faults: Faults,
        pace: Pace,
    ) -> Result<Self, EchoError> {
        let steps = EchoRun::new(settings.clone())?;
        let build = BuildInfo {
            product_uri: "urn:instrumentd:simulator:echo-ms-plus".to_owned(),
            manufacturer_name: "instrumentd".to_owned(),
            product_name: "simulated gateway of an Echo MS+".to_owned(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..BuildInfo::default()
        };
        let mut server = Server::new(
            address_space(&settings.serial_number),
            &format!("urn:instrumentd:simulator:echo-ms-plus:{}", settings.serial_number),
            build,
            limits,
            Box::new(HarmlessMethods::default()),
            crate::device_service::new_epoch(),
            Timestamp::now(),
        );
        model::idle(&mut server, settings.start, Timestamp::now());
        let host = Host::start(server, host)?;
        let address = host.address();
        let gateway = Arc::new(Gateway { host: Mutex::new(host), truth: Mutex::default(), asked: Mutex::default() });
        let shared = Arc::new(Shared::default());
        let thread = Some(play(&gateway, &shared, steps, settings.seed, faults, pace));
        Ok(Self { gateway, pace: shared, thread, address })
    }

    /// Does further runs on the same server, when those of before are over. Only `start` and what is about the runs counts of the settings.
    ///
    /// # Errors
    /// [`EchoError`] where the settings make no sense, or the server could not be brought up again after a fault.
    pub fn go_on(&mut self, settings: Settings, faults: Faults, pace: Pace) -> Result<(), EchoError> {
        let seed = settings.seed;
        let steps = EchoRun::new(settings)?;
        self.wait()?;
        self.thread = Some(play(&self.gateway, &self.pace, steps, seed, faults, pace));
        Ok(())
    }

    /// Where its server listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// Every shot that was due so far, in order, whatever the wire says of it.
    pub fn truth(&self) -> Vec<Ejection> {
        self.gateway.truth.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does something with the server or its connections, between two steps.
    pub fn with_host<T>(&self, act: impl FnOnce(&mut Host) -> T) -> T {
        act(&mut self.gateway.host())
    }

    /// Lets something go wrong after the next shot.
    pub fn let_happen(&self, fault: Fault) {
        self.gateway.asked.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Cuts all connections.
    ///
    /// # Errors
    /// [`HostError`] where it cannot serve again.
    pub fn cut(&self) -> Result<(), HostError> {
        self.gateway.host().cut()
    }

    /// Restarts the server.
    ///
    /// # Errors
    /// [`HostError`] where it cannot serve again.
    pub fn restart(&self, restart: Restart) -> Result<(), HostError> {
        self.gateway.host().restart(restart)
    }

    /// Whether all runs are over.
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the end of the runs. The server goes on.
    ///
    /// # Errors
    /// [`HostError`] where the server could not be brought up again after a fault.
    pub fn wait(&mut self) -> Result<(), HostError> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for EchoMsPlus {
    fn drop(&mut self) {
        self.pace.stop();
        if let Some(thread) = self.thread.take() {
            // What failed is of no interest any more.
            let _ = thread.join();
        }
    }
}

impl Control for EchoMsPlus {
    fn set_responsiveness(&self, responsiveness: Responsiveness) {
        self.pace.set_responsiveness(responsiveness);
    }

    fn set_slowness(&self, factor: f64) {
        self.pace.set_slowness(factor);
    }

    fn single_step(&self) {
        self.pace.single_step();
    }

    fn step(&self) {
        self.pace.step();
    }

    fn free_run(&self) {
        self.pace.free_run();
    }

    fn steps(&self) -> &Counter {
        self.pace.steps()
    }
}

/// Plays the steps in a thread of its own.
fn play(
    gateway: &Arc<Gateway>,
    shared: &Arc<Shared>,
    steps: EchoRun,
    seed: u64,
    faults: Faults,
    pace: Pace,
) -> JoinHandle<Result<(), HostError>> {
    let player = Player {
        gateway: gateway.clone(),
        faults,
        random: fastrand::Rng::with_seed(seed ^ 0xFA),
        progress: Progress::default(),
        held: Vec::new(),
        spell: None,
    };
    let shared = shared.clone();
    std::thread::spawn(move || player.play(steps, pace, &shared))
}

/// Something that lasts for some shots.
#[derive(Debug)]
struct Spell {
    fault: Fault,
    left: u32,
}

/// The thread that plays.
#[derive(Debug)]
struct Player {
    gateway: Arc<Gateway>,
    faults: Faults,
    random: fastrand::Rng,
    progress: Progress,
    /// What happened while the gateway could not hear of it.
    held: Vec<Event>,
    spell: Option<Spell>,
}

impl Player {
    fn play(mut self, steps: EchoRun, pace: Pace, shared: &Shared) -> Result<(), HostError> {
        let mut before = 0.0;
        for step in steps {
            if !shared.wait_for_turn(step.at - before, pace) {
                return Ok(());
            }
            before = step.at;
            if let What::Shot(shot) = &step.what {
                self.gateway.truth.lock().unwrap_or_else(PoisonError::into_inner).push(shot.clone());
            }
            self.happen(&step);
            if matches!(step.what, What::Shot(_)) {
                self.let_go_wrong()?;
            }
            shared.steps().add(1);
        }
        if let Some(spell) = &mut self.spell {
            spell.left = 0;
        }
        self.end_spell()
    }

    /// The gateway tells of a step, if it can.
    fn happen(&mut self, step: &Step) {
        let fault = self.spell.as_ref().map(|spell| spell.fault);
        let host = self.gateway.host();
        host.with(|server, now| {
            if fault != Some(Fault::Down) {
                model::show(server, step, &mut self.progress, now);
            }
            let events = model::events(step, now);
            match fault {
                Some(Fault::Gone | Fault::Down) => self.held.extend(events),
                Some(Fault::GoneLost) => {}
                _ => events.into_iter().for_each(|event| server.emit(event, now)),
            }
        });
    }

    fn let_go_wrong(&mut self) -> Result<(), HostError> {
        self.end_spell()?;
        let asked = std::mem::take(&mut *self.gateway.asked.lock().unwrap_or_else(PoisonError::into_inner));
        for fault in asked.into_iter().chain(self.faults.strike(&mut self.random)) {
            let mut host = self.gateway.host();
            let switches = host.switches();
            let add = |count: &std::sync::atomic::AtomicU32| {
                count.fetch_add(1, Ordering::Relaxed);
            };
            match fault {
                Fault::Cut => host.cut()?,
                Fault::Restart => host.restart(Restart::WithQueues)?,
                Fault::RestartLost => host.restart(Restart::WithoutQueues)?,
                Fault::RestartAmnesia => host.restart(Restart::WithoutHistory)?,
                Fault::SequenceGap => add(&switches.lost_messages),
                Fault::Double => add(&switches.doubled_messages),
                Fault::Malformed => add(&switches.malformed_messages),
                Fault::Nonsense => add(&switches.nonsensical_messages),
                Fault::Oversized => add(&switches.oversized_messages),
                Fault::Expire => host.with(|server, _| server.expire_all()),
                Fault::WrongStatus => host.with(|server, _| server.answer_wrongly(1)),
                Fault::Down | Fault::Gone | Fault::GoneLost | Fault::Stall => {
                    if self.spell.is_some() {
                        continue;
                    }
                    match fault {
                        Fault::Down => host.go_down(),
                        Fault::Stall => switches.stalled.store(true, Ordering::Relaxed),
                        _ => host.with(|server, now| server.set_connected(false, now)),
                    }
                    drop(host);
                    self.spell = Some(Spell { fault, left: LASTS });
                }
            }
        }
        Ok(())
    }

    /// Ends what has lasted long enough.
    fn end_spell(&mut self) -> Result<(), HostError> {
        let Some(spell) = &mut self.spell else { return Ok(()) };
        spell.left = spell.left.saturating_sub(1);
        if spell.left > 0 {
            return Ok(());
        }
        let fault = spell.fault;
        self.spell = None;
        let held = std::mem::take(&mut self.held);
        let mut host = self.gateway.host();
        match fault {
            Fault::Stall => host.switches().stalled.store(false, Ordering::Relaxed),
            Fault::Down => host.restart(Restart::WithoutQueues)?,
            _ => {}
        }
        host.with(|server, now| {
            server.set_connected(true, now);
            held.into_iter().for_each(|event| server.emit(Event { received: now, ..event }, now));
        });
        Ok(())
    }
}
