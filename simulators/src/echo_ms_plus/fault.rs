//! What goes wrong at the gateway, each as a switch with a rate.

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
    Cut, "cut", "All connections are cut; the server goes on and can be reached again at once.";
    Restart, "restart", "The server restarts with its subscriptions and queues: the same epoch.";
    RestartLost, "restart-lost", "The server restarts without its subscriptions and queues, but with its history: another epoch.";
    RestartAmnesia, "restart-amnesia", "The server restarts without queues and history: what was not sent yet is lost for good.";
    Down, "down", "Nobody can connect for five shots; then the server comes up without its queues and reads what it missed from the instrument.";
    Gone, "gone", "The instrument does not answer its gateway for five shots; the gateway tells what it missed afterwards.";
    GoneLost, "gone-lost", "The same, and what happened meanwhile is never told.";
    SequenceGap, "sequence-gap", "A notification message is not sent; Republish has it.";
    Double, "double", "A notification message is sent twice.";
    Stall, "stall", "Streams say nothing for five shots, as behind a slow consumer; small queues overflow.";
    Expire, "expire", "The lifetimes of all subscriptions are over.";
    WrongStatus, "wrong-status", "The next Read and the next item that is created answer with a StatusCode that does not exist.";
    Malformed, "malformed", "The bytes of a message are none.";
    Nonsense, "nonsense", "A notification message has elements besides its own that nobody asked for, and values and times that are none.";
    Oversized, "oversized", "A notification message is larger than the server's own limit.";
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
    /// Adds one that happens at one in `every` shots on average; 1 is always.
    pub fn set(&mut self, fault: Fault, every: u32) {
        self.every.insert(fault, every.max(1));
    }

    /// The same, for building.
    #[must_use]
    pub fn with(mut self, fault: Fault, every: u32) -> Self {
        self.set(fault, every);
        self
    }

    /// Those that happen now.
    pub(super) fn strike(&self, random: &mut fastrand::Rng) -> Vec<Fault> {
        let strikes = |(fault, every): (&Fault, &u32)| (random.u32(0..*every) == 0).then_some(*fault);
        self.every.iter().filter_map(strikes).collect()
    }
}
