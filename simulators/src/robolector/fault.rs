//! What goes wrong, each as a switch with a rate.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

macro_rules! faults {
    ($($variant:ident, $name:literal, $text:literal;)*) => {
        /// Something that goes wrong now and then.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $text] $variant,)*
        }

        impl Fault {
            /// All of them, in the order of the help text.
            pub const ALL: &'static [Fault] = &[$(Fault::$variant,)*];

            /// The name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Fault::$variant => $name,)* }
            }

            /// What it does, in one sentence.
            pub fn text(self) -> &'static str {
                match self { $(Fault::$variant => $text,)* }
            }
        }
    };
}

faults! {
    Clot, "clot", "A channel detects a clot while it aspirates; it is left out afterwards, the others go on.";
    TooLittleLiquid, "too-little-liquid", "A channel finds too little liquid.";
    NoTip, "no-tip", "A channel picks up no tip.";
    LostBytes, "lost-bytes", "One to three bytes of a frame are lost.";
    AlteredBytes, "altered-bytes", "A byte of a frame is another one.";
    LineNoise, "line-noise", "A burst of random bytes comes between two frames.";
    SplitFrames, "split-frames", "A frame comes in several pieces.";
    MergedFrames, "merged-frames", "A frame comes in one piece with the next one.";
    Unplug, "unplug", "The cable is pulled in the middle of a frame and plugged again; the robot goes on meanwhile.";
    ControllerRestart, "controller-restart", "The control software starts anew in the middle of an access; ids begin again.";
    OutOfOrder, "out-of-order", "A query is answered before the command that was sent ahead of it.";
    Stall, "stall", "A reply comes only after five minutes.";
    SlaveTimeout, "slave-timeout", "The master gives up on a module that still works, and does work to the end (STAR).";
    NoReply, "no-reply", "A reply is never sent.";
    Repeat, "repeat", "The host repeats a command whose answer did not come in time (Tecan on RS-232).";
}

/// A name that is none of [`Fault::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault `{0}`; `--fault list` says what there is")]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name).ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which faults happen, and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    every: BTreeMap<Fault, u32>,
}

impl Faults {
    /// Adds one that happens at one in `every` occasions on average; 1 is always.
    pub fn set(&mut self, fault: Fault, every: u32) {
        self.every.insert(fault, every.max(1));
    }

    /// The same, for building.
    #[must_use]
    pub fn with(mut self, fault: Fault, every: u32) -> Self {
        self.set(fault, every);
        self
    }

    /// Whether it happens now.
    pub(super) fn strikes(&self, fault: Fault, random: &mut fastrand::Rng) -> bool {
        self.every.get(&fault).is_some_and(|every| random.u32(0..*every) == 0)
    }
}
