//! What the line does to bytes.

use super::fault::{Fault, Faults};
use super::voice::{Side, Utterance};

/// Bytes to write, after so many seconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub side: Side,
    pub bytes: Vec<u8>,
    pub after_s: f64,
}

/// Whether the cable can be pulled in the middle of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pull {
    /// In any case.
    Now,
    /// Where the fault strikes.
    Maybe,
    /// It is not plugged in.
    No,
}

/// What becomes of one frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mangled {
    pub pieces: Vec<Piece>,
    /// What happened to the line beside it.
    pub faults: Vec<Fault>,
    /// Whether the frame itself suffers.
    pub damaged: bool,
    /// Whether the cable is pulled after the pieces, which end inside the frame.
    pub pulled: bool,
}

pub(super) struct Mangler {
    pub faults: Faults,
    pub random: fastrand::Rng,
    /// Frames that wait for the next one: the controller's and the robot's.
    held: [Vec<u8>; 2],
}

/// Most frames are shorter; one that waits for the next one waits only once.
const LONGEST_NOISE: usize = 20;

impl Mangler {
    pub fn new(faults: Faults, random: fastrand::Rng) -> Self {
        Self { faults, random, held: [Vec::new(), Vec::new()] }
    }

    /// What is written for a frame. `one_line` says that both sides share a line.
    pub fn mangle(&mut self, said: &Utterance, pull: Pull, one_line: bool) -> Mangled {
        let mut bytes = said.bytes.clone();
        let mut out = Mangled { pieces: Vec::new(), faults: Vec::new(), damaged: false, pulled: false };
        let pulled = pull == Pull::Now || (pull == Pull::Maybe && self.strikes(Fault::Unplug));
        if pulled && bytes.len() > 1 {
            let half = self.random.usize(1..bytes.len());
            bytes.truncate(half);
            out.faults.push(Fault::Unplug);
            (out.damaged, out.pulled) = (true, true);
        } else if self.strikes(Fault::LostBytes) && bytes.len() > 4 {
            let from = self.random.usize(0..bytes.len() - 3);
            bytes.drain(from..from + self.random.usize(1..=3));
            out.faults.push(Fault::LostBytes);
            out.damaged = true;
        } else if self.strikes(Fault::AlteredBytes)
            && let Some(byte) = self.random.choice(bytes.iter_mut())
        {
            *byte ^= 1 << self.random.u8(0..8);
            out.faults.push(Fault::AlteredBytes);
            out.damaged = true;
        }
        let place = if one_line { 0 } else { usize::from(said.side == Side::Robot) };
        let held = std::mem::take(&mut self.held[place]);
        let was_held = !held.is_empty();
        let mut all = held;
        if self.strikes(Fault::LineNoise) {
            let length = self.random.usize(1..=LONGEST_NOISE);
            // No line end: it would end a frame that comes in pieces just now.
            all.extend(
                std::iter::repeat_with(|| self.random.u8(..)).filter(|b| !matches!(b, b'\r' | b'\n' | 0)).take(length),
            );
            out.faults.push(Fault::LineNoise);
        }
        all.extend(bytes);
        if !was_held && !out.pulled && self.strikes(Fault::MergedFrames) {
            self.held[place] = all;
            out.faults.push(Fault::MergedFrames);
            return out;
        }
        let mut after_s = said.after_s;
        if self.strikes(Fault::SplitFrames) {
            out.faults.push(Fault::SplitFrames);
            while all.len() > 1 && out.pieces.len() < 4 {
                let rest = all.split_off(self.random.usize(1..all.len()));
                out.pieces.push(Piece { side: said.side, bytes: all, after_s });
                (all, after_s) = (rest, 0.01);
            }
        }
        out.pieces.push(Piece { side: said.side, bytes: all, after_s });
        out
    }

    /// What still waits for a next frame.
    pub fn rest(&mut self) -> Vec<Piece> {
        let [controller, robot] = std::mem::take(&mut self.held);
        [(Side::Controller, controller), (Side::Robot, robot)]
            .into_iter()
            .filter(|(_, bytes)| !bytes.is_empty())
            .map(|(side, bytes)| Piece { side, bytes, after_s: 0.0 })
            .collect()
    }

    fn strikes(&mut self, fault: Fault) -> bool {
        self.faults.strikes(fault, &mut self.random)
    }
}
