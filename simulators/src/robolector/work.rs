//! What goes on between a robot and its lines.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::fault::Fault;
use super::line::{Carried, Line, LineError};
use super::mangle::{Mangler, Pull};
use super::settings::Ports;
use super::truth::{Truth, What};
use super::voice::{Side, Step, Utterance};
use crate::control::Control as _;
use crate::pace::{Pace, Shared};

/// How long a pulled cable stays pulled, in the robot's seconds.
pub(super) const UNPLUGGED_S: f64 = 5.0;

/// How long one look at what may come waits; a robot that was stopped notices within it.
pub(super) const LOOK: Duration = Duration::from_millis(50);

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

/// What carries a robot's bytes.
pub(super) trait Carrier {
    /// Carries bytes of a side, as fast as they are taken; ends early once `stopped` says so.
    fn write(&mut self, at_s: f64, side: Side, bytes: &[u8], stopped: &dyn Fn() -> bool) -> Carried;

    /// Plugs everything in.
    fn plug(&mut self, at_s: f64) -> Result<(), LineError>;

    /// Pulls every cable; all but `unread` bytes should have been read before.
    fn unplug(&mut self, at_s: f64, unread: u64);

    /// Whether both sides share a line.
    fn is_one_line(&self) -> bool;

    /// Whether something is plugged in that nobody has open.
    fn lacks_reader(&self) -> bool;

    /// What was said from the other end, waiting for it a little when `wait` is set.
    fn read(&mut self, wait: bool) -> Vec<u8>;
}

/// One terminal for both sides, or one for each.
#[derive(Debug)]
pub(super) struct Lines {
    controller: Line,
    robot: Option<Line>,
}

impl Lines {
    pub fn open(ports: &Ports) -> Result<Self, LineError> {
        match ports {
            Ports::One(path) => Ok(Self { controller: Line::open(path)?, robot: None }),
            Ports::Two { commands, replies } => {
                Ok(Self { controller: Line::open(commands)?, robot: Some(Line::open(replies)?) })
            }
        }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Line> {
        std::iter::once(&mut self.controller).chain(self.robot.as_mut())
    }
}

impl Carrier for Lines {
    fn write(&mut self, _: f64, side: Side, bytes: &[u8], stopped: &dyn Fn() -> bool) -> Carried {
        match (&self.robot, side) {
            (Some(robot), Side::Robot) => robot.write(bytes, stopped),
            _ => self.controller.write(bytes, stopped),
        }
    }

    fn plug(&mut self, _: f64) -> Result<(), LineError> {
        self.all().try_for_each(Line::plug)
    }

    fn unplug(&mut self, _: f64, unread: u64) {
        self.all().for_each(|line| line.unplug(unread));
    }

    fn is_one_line(&self) -> bool {
        self.robot.is_none()
    }

    fn lacks_reader(&self) -> bool {
        [Some(&self.controller), self.robot.as_ref()]
            .into_iter()
            .flatten()
            .any(|line| line.is_plugged() && !line.is_heard())
    }

    fn read(&mut self, wait: bool) -> Vec<u8> {
        // Where a host asks, there is one line.
        let wait = wait && self.robot.is_none();
        self.all().flat_map(|line| line.read(wait)).collect()
    }
}

/// The robot has been switched off.
pub(super) struct Off;

/// What goes on between the robot and its lines.
pub(super) struct Work<C> {
    pub lines: C,
    pub shared: Arc<Shared>,
    pub pulls: Arc<AtomicU64>,
    pub pace: Pace,
    pub wait_for_reader: bool,
    pub mangler: Mangler,
    pub now: f64,
    pub access: u32,
    /// When a pulled cable is plugged again.
    pub plug_at: Option<f64>,
    pub file: Option<(PathBuf, File)>,
    pub sender: Option<SyncSender<Truth>>,
    /// What was told, where it is to be kept.
    pub kept: Option<Vec<Truth>>,
}

pub(super) type Done = Result<Result<(), Off>, RobotError>;

impl<C: Carrier> Work<C> {
    /// Lets time pass; false when the robot was switched off.
    pub fn wait(&mut self, seconds: f64) -> bool {
        if !self.shared.wait_for_turn(seconds, self.pace) {
            return false;
        }
        self.now += seconds;
        true
    }

    /// Says everything of a step and tells what is true of it.
    pub fn do_step(&mut self, step: Step) -> Done {
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
        let one_line = self.lines.is_one_line();
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
            self.lines.unplug(self.now, unread);
            self.plug_at = Some(self.now + UNPLUGGED_S);
        }
        self.shared.steps().add(1);
        Ok(Ok(whole))
    }

    pub fn write(&mut self, side: Side, bytes: &[u8]) -> Result<Carried, LineError> {
        if self.plug_at.is_some_and(|at| self.now >= at) {
            self.plug_at = None;
            self.lines.plug(self.now)?;
        }
        let shared = self.shared.clone();
        while self.wait_for_reader && self.lines.lacks_reader() && !shared.is_stopped() {
            shared.pause(LOOK);
        }
        Ok(self.lines.write(self.now, side, bytes, &|| shared.is_stopped()))
    }

    pub fn tell(&mut self, heard: bool, what: What) -> Result<(), RobotError> {
        let truth = Truth { at_s: self.now, access: self.access, heard, what };
        if let Some((path, file)) = &mut self.file {
            let line = serde_json::to_string(&truth).map_err(io::Error::from);
            line.and_then(|line| writeln!(file, "{line}"))
                .map_err(|source| RobotError::Truth { path: path.clone(), source })?;
        }
        if let Some(kept) = &mut self.kept {
            kept.push(truth.clone());
        }
        if let Some(sender) = &self.sender {
            // Nobody listens any more once the receiver is gone; the robot goes on all the same.
            let _ = sender.send(truth);
        }
        Ok(())
    }

    /// Whoever only taps the line must not write to it; what comes all the same is told.
    pub fn overhear(&mut self) -> Result<(), RobotError> {
        let heard = self.lines.read(false);
        if !heard.is_empty() {
            self.tell(true, What::Commanded { frame: printable(&heard) })?;
        }
        Ok(())
    }
}

fn printable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
