//! What the control software and the robot say to each other, whatever the language.

use instrument_proto::codec::star::Framing;
use instrument_proto::geometry::{Position, YAxis};

use super::batch::Hop;
use super::fault::Fault;
use super::truth::What;

/// The robot's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialect {
    /// Hamilton STAR, with what ends and marks its frames.
    Star(Framing),
    /// Tecan on RS-232.
    TecanSerial,
    /// Tecan on USB: frames end with a zero byte.
    TecanUsb,
}

impl Dialect {
    /// Which way the robot's y axis grows.
    pub fn y_axis(&self) -> YAxis {
        match self {
            Self::Star(_) => YAxis::ToTheBack,
            Self::TecanSerial | Self::TecanUsb => YAxis::ToTheFront,
        }
    }
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The control software.
    Controller,
    /// The robot.
    Robot,
}

/// One frame on the line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Utterance {
    pub side: Side,
    /// With its terminator and mark, if any.
    pub bytes: Vec<u8>,
    /// Seconds of the robot after what was said before.
    pub after_s: f64,
}

impl Utterance {
    /// The control software says something, soon after what was before.
    pub fn controller(bytes: Vec<u8>) -> Self {
        Self { side: Side::Controller, bytes, after_s: 0.02 }
    }

    /// The robot says something after so many seconds of work.
    pub fn robot(bytes: Vec<u8>, after_s: f64) -> Self {
        Self { side: Side::Robot, bytes, after_s }
    }
}

/// A command, what is answered, and what was really done with it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub said: Vec<Utterance>,
    pub truth: Vec<What>,
    /// What happened to the exchange as a whole.
    pub faults: Vec<Fault>,
}

impl Step {
    pub fn new(command: Vec<u8>, reply: Vec<u8>, takes_s: f64) -> Self {
        Self {
            said: vec![Utterance::controller(command), Utterance::robot(reply, takes_s)],
            truth: Vec::new(),
            faults: Vec::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, truth: Vec<What>) -> Self {
        self.truth = truth;
        self
    }
}

/// Puts what is done into the frames of a language.
pub(super) trait Voice: Send {
    /// Questions with which the control software starts.
    fn opening(&mut self) -> Vec<Step>;

    /// The control software is another one now, that counts from the start again.
    fn restart(&mut self);

    /// A question that disturbs nothing.
    fn query(&mut self) -> Step;

    /// Channels pick up tips; `failed` find none.
    fn pick_up(&mut self, hops: &[Hop], tips: &[Position], failed: &[u8], truth: Vec<What>) -> Vec<Step>;

    /// Channels take liquid; `failed` report what.
    fn aspirate(&mut self, hops: &[Hop], failed: &[(u8, Fault)], truth: Vec<What>) -> Vec<Step>;

    /// Channels give what they hold.
    fn dispense(&mut self, hops: &[Hop], truth: Vec<What>) -> Vec<Step>;

    /// Channels drop their tips.
    fn drop_tips(&mut self, channels: &[u8], waste: Position, truth: Vec<What>) -> Vec<Step>;

    /// The gripper takes labware from where its middle is.
    fn grip(&mut self, at: Position, truth: Vec<What>) -> Vec<Step>;

    /// The gripper puts labware down.
    fn release(&mut self, at: Position, truth: Vec<What>) -> Vec<Step>;

    /// The 96-channel head; A01 of both plates. `late` makes the master give up on it while it aspirates. Empty where there is none.
    fn stamp(&mut self, stamp: Stamp, late: bool, truth: [Vec<What>; 2]) -> Vec<Step>;

    /// Microlitres on the wire for microlitres of liquid.
    fn piston_ul(&self, volume_ul: f64) -> f64;

    /// The control software's own repetition of a command, where the language has one.
    fn repeats(&self) -> bool {
        false
    }
}

/// What the 96-channel head does; positions are those of A01.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stamp {
    pub tips: Position,
    pub from: Position,
    pub to: Position,
    pub waste: Position,
    pub volume_ul: f64,
}
