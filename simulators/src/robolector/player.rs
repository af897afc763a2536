//! Plays the robot on its lines, at any speed.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use instrument_proto::codec::tecan::Form;

use super::host::Host;
use super::mangle::Mangler;
use super::performer::Performer;
use super::plan::Access;
use super::settings::{Ports, Settings};
use super::star::Star;
use super::tecan::Tecan;
use super::truth::{Truth, What};
use super::voice::{Dialect, Voice};
use super::work::{Carrier, LOOK, Lines, RobotError, UNPLUGGED_S, Work};
use crate::control::{Control, Counter, Responsiveness};
use crate::pace::Shared;

/// Accesses that may be asked for and are not begun.
const ASKED: usize = 64;

/// A robot at work in a thread of its own, until its plan is done or it is dropped.
#[derive(Debug)]
pub struct Robolector {
    shared: Arc<Shared>,
    pulls: Arc<AtomicU64>,
    accesses: SyncSender<Access>,
    truths: Receiver<Truth>,
    ports: Ports,
    thread: Option<JoinHandle<Result<(), RobotError>>>,
}

impl Robolector {
    /// Opens the lines and starts. `remembered` is how many truths are kept for [`Robolector::truths`]; once so many were taken by nobody the
    /// robot waits. 0 keeps none and never waits.
    ///
    /// # Errors
    /// [`RobotError`] where there is no line, or no file for the truth.
    pub fn spawn(settings: Settings, remembered: usize) -> Result<Self, RobotError> {
        let lines = Lines::open(&settings.ports)?;
        let file = settings.truth.as_ref().map(|path| {
            File::create(path)
                .map_err(|source| RobotError::Truth { path: path.clone(), source })
                .map(|file| (path.clone(), file))
        });
        let file = file.transpose()?;
        let shared = Arc::new(Shared::default());
        let pulls = Arc::new(AtomicU64::new(0));
        let (accesses, asked) = sync_channel(ASKED);
        let (sender, truths) = sync_channel(remembered.max(1));
        let ports = settings.ports.clone();
        let mut random = fastrand::Rng::with_seed(settings.seed);
        let mut work = Work {
            lines,
            shared: shared.clone(),
            pulls: pulls.clone(),
            pace: settings.pace,
            wait_for_reader: settings.wait_for_reader,
            mangler: Mangler::new(settings.faults.clone(), random.fork()),
            now: 0.0,
            access: 0,
            plug_at: None,
            file,
            sender: (remembered > 0).then_some(sender),
            kept: None,
        };
        let thread = std::thread::spawn(move || play(settings, random, &mut work, &asked));
        Ok(Self { shared, pulls, accesses, truths, ports, thread: Some(thread) })
    }

    /// Where it is heard.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// What was done, in order; ends with the robot.
    pub fn truths(&self) -> &Receiver<Truth> {
        &self.truths
    }

    /// Asks for an access, to begin at once or when the one before is over.
    ///
    /// # Errors
    /// Gives it back where too many are waiting, or where the robot has ended.
    pub fn ask(&self, access: Access) -> Result<(), Access> {
        self.accesses.try_send(access).map_err(|error| match error {
            TrySendError::Full(access) | TrySendError::Disconnected(access) => access,
        })
    }

    /// Pulls the cable in the middle of the next frame; it is plugged again some seconds of the robot's time later.
    pub fn pull_cable(&self) {
        self.pulls.fetch_add(1, Ordering::SeqCst);
    }

    /// Switches it off at its next frame.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`RobotError`] where it ended before its plan.
    pub fn join(mut self) -> Result<(), RobotError> {
        self.listen_no_more();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }

    /// The thread must not wait for who takes no truths any more, nor for who asks for nothing any more.
    fn listen_no_more(&mut self) {
        let (nobody, nothing) = sync_channel(0);
        drop(std::mem::replace(&mut self.truths, nothing));
        drop(nobody);
        let (nobody, _) = sync_channel(0);
        drop(std::mem::replace(&mut self.accesses, nobody));
    }
}

impl Drop for Robolector {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop();
            self.listen_no_more();
            // A failure has been nobody's concern until now, and is not in a destructor either.
            let _ = thread.join();
        }
    }
}

impl Control for Robolector {
    fn set_responsiveness(&self, responsiveness: Responsiveness) {
        self.shared.set_responsiveness(responsiveness);
    }

    fn set_slowness(&self, factor: f64) {
        self.shared.set_slowness(factor);
    }

    fn single_step(&self) {
        self.shared.single_step();
    }

    fn step(&self) {
        self.shared.step();
    }

    fn free_run(&self) {
        self.shared.free_run();
    }

    fn steps(&self) -> &Counter {
        self.shared.steps()
    }
}

pub(super) fn play<C: Carrier>(
    settings: Settings,
    random: fastrand::Rng,
    work: &mut Work<C>,
    asked: &Receiver<Access>,
) -> Result<(), RobotError> {
    let dialect = settings.dialect.clone();
    if settings.host {
        return answer(Host::new(&dialect, settings.channels), work);
    }
    let channels = settings.channels.clamp(1, 16);
    let voice: Box<dyn Voice> = match &dialect {
        Dialect::Star(framing) => Box::new(Star::new(framing.clone(), channels)),
        Dialect::TecanSerial => Box::new(Tecan::new(Form::Serial, channels)),
        Dialect::TecanUsb => Box::new(Tecan::new(Form::Usb, channels)),
    };
    let equal = !matches!(dialect, Dialect::Star(_));
    let mut performer =
        Performer { voice, deck: settings.deck, channels, equal, faults: settings.faults, random, tips_used: 0 };
    for step in performer.opening() {
        if work.do_step(step)?.is_err() {
            return Ok(());
        }
    }
    let mut planned = settings.plan.accesses.into_iter();
    loop {
        let access = match planned.next() {
            Some(access) => access,
            None if settings.stay => match next_asked(asked, work)? {
                Some(access) => access,
                None => break,
            },
            None => break,
        };
        work.access += 1;
        let until = access.at_s - work.now;
        if until > 0.0 && !work.wait(until) {
            return Ok(());
        }
        for action in &access.actions {
            for step in performer.perform(action) {
                work.overhear()?;
                if work.do_step(step)?.is_err() {
                    return Ok(());
                }
            }
        }
        for piece in work.mangler.rest() {
            work.write(piece.side, &piece.bytes)?;
        }
    }
    work.overhear()?;
    work.tell(true, What::Ended)
}

/// What is asked for next; nothing once the robot is switched off or nobody can ask any more.
fn next_asked<C: Carrier>(asked: &Receiver<Access>, work: &mut Work<C>) -> Result<Option<Access>, RobotError> {
    loop {
        match asked.recv_timeout(LOOK) {
            Ok(access) => return Ok(Some(access)),
            Err(RecvTimeoutError::Timeout) if !work.shared.is_stopped() => work.overhear()?,
            Err(_) => return Ok(None),
        }
    }
}

/// Answers whoever asks, until it is switched off.
fn answer<C: Carrier>(mut host: Host, work: &mut Work<C>) -> Result<(), RobotError> {
    while !work.shared.is_stopped() {
        // A cable that was pulled is plugged again after its time, which passes here without anything that is said.
        if work.plug_at.take().is_some() {
            work.wait(UNPLUGGED_S);
            work.lines.plug(work.now)?;
        }
        let bytes = work.lines.read(true);
        if bytes.is_empty() {
            continue;
        }
        for step in host.hear(&bytes) {
            if work.do_step(step)?.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
