//! Plays the robot on its lines, at any speed.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use instrument_proto::codec::tecan::Form;

use super::deck::Deck;
use super::fault::{Fault, Faults};
use super::host::Host;
use super::line::{Carried, Line, LineError};
use super::mangle::{Mangler, Pull};
use super::performer::Performer;
use super::plan::{Access, Plan};
use super::star::Star;
use super::tecan::Tecan;
use super::truth::{Truth, What};
use super::voice::{Dialect, Side, Step, Utterance, Voice};
use crate::control::{Control, Counter, Responsiveness};
use crate::pace::{Pace, Shared};

/// How long a pulled cable stays pulled, in the robot's seconds.
const UNPLUGGED_S: f64 = 5.0;

/// Accesses that may be asked for and are not begun.
const ASKED: usize = 64;

/// How long one look at what is asked for waits; a robot that was stopped notices within it.
const LOOK: Duration = Duration::from_millis(50);

/// The lines on which the robot is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// Both sides on one.
    One(PathBuf),
    /// A tap with a port for each side.
    Two {
        /// The control software.
        commands: PathBuf,
        /// The robot.
        replies: PathBuf,
    },
}

/// A robot.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its language.
    pub dialect: Dialect,
    /// Channels or tips, 1 to 16.
    pub channels: u8,
    /// What stands on its deck.
    pub deck: Deck,
    /// What it does; nothing in host mode.
    pub plan: Plan,
    /// What goes wrong.
    pub faults: Faults,
    /// The seed of everything random.
    pub seed: u64,
    /// How fast its time runs.
    pub pace: Pace,
    /// Where it is heard.
    pub ports: Ports,
    /// Whether the line is the robot alone, which answers a host.
    pub host: bool,
    /// Whether it waits while nobody has the line open. A real one does not, and what it says then is lost.
    pub wait_for_reader: bool,
    /// Whether it goes on after the plan, for what [`Robolector::ask`] asks for.
    pub stay: bool,
    /// Where the truth is written, one JSON object on a line.
    pub truth: Option<PathBuf>,
}

impl Settings {
    /// A robot with eight channels and the standard deck, that does nothing yet.
    pub fn new(dialect: Dialect, ports: Ports) -> Self {
        Self {
            channels: 8,
            deck: Deck::standard(dialect.y_axis()),
            dialect,
            plan: Plan::default(),
            faults: Faults::default(),
            seed: 1,
            pace: Pace::Times(1.0),
            ports,
            host: false,
            wait_for_reader: true,
            stay: false,
            truth: None,
        }
    }
}

/// Why a robot ended before its plan did.
#[derive(Debug, thiserror::Error)]
pub enum RobotError {
    /// There is no line.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The truth cannot be written.
    #[error("cannot write the truth to '{path}': {source}")]
    Truth {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

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
        let random = fastrand::Rng::with_seed(settings.seed);
        let work = Work {
            lines,
            shared: shared.clone(),
            pulls: pulls.clone(),
            pace: settings.pace,
            wait_for_reader: settings.wait_for_reader,
            mangler: Mangler::new(settings.faults.clone(), random.clone()),
            now: 0.0,
            access: 0,
            plug_at: None,
            file,
            sender: (remembered > 0).then_some(sender),
        };
        let thread = std::thread::spawn(move || play(settings, random, work, &asked));
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

/// One line for both sides, or one for each.
#[derive(Debug)]
struct Lines {
    controller: Line,
    robot: Option<Line>,
}

impl Lines {
    fn open(ports: &Ports) -> Result<Self, LineError> {
        match ports {
            Ports::One(path) => Ok(Self { controller: Line::open(path)?, robot: None }),
            Ports::Two { commands, replies } => {
                Ok(Self { controller: Line::open(commands)?, robot: Some(Line::open(replies)?) })
            }
        }
    }

    fn of(&mut self, side: Side) -> &mut Line {
        match (&mut self.robot, side) {
            (Some(robot), Side::Robot) => robot,
            _ => &mut self.controller,
        }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Line> {
        std::iter::once(&mut self.controller).chain(self.robot.as_mut())
    }
}

/// The robot has been switched off.
struct Off;

/// What goes on between the robot and its lines.
struct Work {
    lines: Lines,
    shared: Arc<Shared>,
    pulls: Arc<AtomicU64>,
    pace: Pace,
    wait_for_reader: bool,
    mangler: Mangler,
    now: f64,
    access: u32,
    /// When a pulled cable is plugged again.
    plug_at: Option<f64>,
    file: Option<(PathBuf, File)>,
    sender: Option<SyncSender<Truth>>,
}

type Done = Result<Result<(), Off>, RobotError>;

impl Work {
    /// Lets time pass; false when the robot was switched off.
    fn wait(&mut self, seconds: f64) -> bool {
        if !self.shared.wait_for_turn(seconds, self.pace) {
            return false;
        }
        self.now += seconds;
        true
    }

    /// Says everything of a step and tells what is true of it.
    fn do_step(&mut self, step: Step) -> Done {
        let mut heard = !step.faults.contains(&Fault::NoReply);
        let mut happened = Vec::new();
        let frame = step.said.first().map(|said| printable(&said.bytes)).unwrap_or_default();
        for fault in &step.faults {
            happened.push((fault.name(), frame.clone()));
        }
        for said in &step.said {
            let Ok(whole) = self.say(said, &mut happened)? else { return Ok(Err(Off)) };
            heard &= whole;
        }
        for (fault, frame) in happened {
            self.tell(heard, What::Happened { fault: fault.to_owned(), frame })?;
        }
        for what in step.truth {
            self.tell(heard, what)?;
        }
        Ok(Ok(()))
    }

    /// Says one frame; whether it went over the line whole.
    fn say(
        &mut self,
        said: &Utterance,
        happened: &mut Vec<(&'static str, String)>,
    ) -> Result<Result<bool, Off>, RobotError> {
        let pull = match (self.plug_at, self.pulls.load(Ordering::SeqCst)) {
            (Some(_), _) => Pull::No,
            (None, 0) => Pull::Maybe,
            (None, _) => Pull::Now,
        };
        let one_line = self.lines.robot.is_none();
        let mangled = self.mangler.mangle(said, pull, one_line);
        if pull == Pull::Now && mangled.pulled {
            self.pulls.fetch_sub(1, Ordering::SeqCst);
        }
        let mut whole = !mangled.damaged;
        if mangled.pieces.is_empty() && !self.wait(said.after_s) {
            return Ok(Err(Off));
        }
        for piece in &mangled.pieces {
            if !self.wait(piece.after_s) {
                return Ok(Err(Off));
            }
            whole &= self.write(piece.side, &piece.bytes)? == Carried::Yes;
        }
        for fault in mangled.faults {
            happened.push((fault.name(), printable(&said.bytes)));
        }
        if mangled.pulled {
            let unread = mangled.pieces.last().map_or(0, |piece| piece.bytes.len() as u64);
            self.lines.all().for_each(|line| line.unplug(unread));
            self.plug_at = Some(self.now + UNPLUGGED_S);
        }
        self.shared.steps().add(1);
        Ok(Ok(whole))
    }

    fn write(&mut self, side: Side, bytes: &[u8]) -> Result<Carried, LineError> {
        if self.plug_at.is_some_and(|at| self.now >= at) {
            self.plug_at = None;
            self.lines.all().try_for_each(Line::plug)?;
        }
        if self.wait_for_reader {
            self.await_reader();
        }
        let shared = self.shared.clone();
        Ok(self.lines.of(side).write(bytes, || shared.is_stopped()))
    }

    /// Waits until every line that is plugged in is open at its other end.
    fn await_reader(&mut self) {
        let shared = self.shared.clone();
        for line in self.lines.all() {
            while line.is_plugged() && !line.is_heard() && !shared.is_stopped() {
                shared.pause(LOOK);
            }
        }
    }

    fn tell(&mut self, heard: bool, what: What) -> Result<(), RobotError> {
        let truth = Truth { at_s: self.now, access: self.access, heard, what };
        if let Some((path, file)) = &mut self.file {
            let line = serde_json::to_string(&truth).map_err(io::Error::from);
            line.and_then(|line| writeln!(file, "{line}"))
                .map_err(|source| RobotError::Truth { path: path.clone(), source })?;
        }
        if let Some(sender) = &self.sender {
            // Nobody listens any more once the receiver is gone; the robot goes on all the same.
            let _ = sender.send(truth);
        }
        Ok(())
    }

    /// Whoever only taps the line must not write to it; what comes all the same is told.
    fn overhear(&mut self) -> Result<(), RobotError> {
        let heard: Vec<u8> = self.lines.all().flat_map(|line| line.read(false)).collect();
        if !heard.is_empty() {
            self.tell(true, What::Commanded { frame: printable(&heard) })?;
        }
        Ok(())
    }
}

fn printable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn play(settings: Settings, random: fastrand::Rng, mut work: Work, asked: &Receiver<Access>) -> Result<(), RobotError> {
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
            None if settings.stay => match next_asked(asked, &mut work)? {
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
fn next_asked(asked: &Receiver<Access>, work: &mut Work) -> Result<Option<Access>, RobotError> {
    loop {
        match asked.recv_timeout(LOOK) {
            Ok(access) => return Ok(Some(access)),
            Err(RecvTimeoutError::Timeout) if !work.shared.is_stopped() => work.overhear()?,
            Err(_) => return Ok(None),
        }
    }
}

/// Answers whoever asks, until it is switched off.
fn answer(mut host: Host, mut work: Work) -> Result<(), RobotError> {
    while !work.shared.is_stopped() {
        // A cable that was pulled is plugged again after its time, which passes here without anything that is said.
        if work.plug_at.take().is_some() {
            work.wait(UNPLUGGED_S);
            work.lines.all().try_for_each(Line::plug)?;
        }
        let bytes = work.lines.controller.read(true);
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
