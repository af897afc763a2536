//! The two languages that robots speak, behind one face.

use std::time::Duration;

use serde::{Deserialize as _, Serialize};

use super::outlet::Outlet;
use super::star::Star;
use super::star_pairing::Pairing;
use super::tecan::Tecan;
use super::tecan_talk::Talk;
use crate::driver::{Direction, Sees};
use crate::profile::RobolectorProfile;
use crate::profile::robolector;

/// A dialect on one line.
#[derive(Debug)]
pub(super) enum Dialect {
    /// With the silence that ends a frame; zero where it ends none.
    Star(Box<Star>, Duration),
    Tecan(Box<Tecan>),
}

/// What a snapshot keeps of a dialect.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Saved<'a> {
    Star(&'a Pairing),
    Tecan(&'a Talk),
}

impl Dialect {
    pub fn new(profile: &RobolectorProfile) -> Self {
        match &profile.dialect {
            robolector::Dialect::Star(star) => {
                Self::Star(Box::new(Star::new(star, profile.channels, profile.replies)), star.gap)
            }
            robolector::Dialect::Tecan(tecan) => Self::Tecan(Box::new(Tecan::new(*tecan, profile.replies))),
        }
    }

    pub fn opened(&mut self, sees: Sees) {
        match self {
            Self::Star(star, _) => star.opened(sees),
            Self::Tecan(tecan) => tecan.opened(sees),
        }
    }

    /// How many of these bytes can complete one frame at most.
    pub fn piece(&self, bytes: &[u8]) -> usize {
        match self {
            Self::Star(..) => {
                bytes.iter().position(|b| matches!(b, b'\r' | b'\n' | 0)).map_or(bytes.len(), |at| at + 1)
            }
            Self::Tecan(tecan) => tecan.piece(bytes),
        }
    }

    pub fn feed(&mut self, direction: Direction, bytes: &[u8], out: &mut Outlet<'_>) {
        match self {
            Self::Star(star, _) => star.feed(direction, bytes, out),
            Self::Tecan(tecan) => tecan.feed(direction, bytes, out),
        }
    }

    /// Silence that ends a frame, also before its terminator; `None` where none does.
    pub fn gap(&self) -> Option<Duration> {
        match self {
            Self::Star(_, gap) => (!gap.is_zero()).then_some(*gap),
            Self::Tecan(_) => None,
        }
    }

    /// The line fell silent for so long.
    pub fn silent(&mut self, out: &mut Outlet<'_>) {
        if let Self::Star(star, _) = self {
            star.gap(out);
        }
    }

    /// Gives up what nobody answered in time.
    pub fn expire(&mut self, out: &mut Outlet<'_>) {
        match self {
            Self::Star(star, _) => star.expire(out),
            Self::Tecan(tecan) => tecan.expire(out),
        }
    }

    /// Nobody will answer any more.
    pub fn give_up(&mut self, out: &mut Outlet<'_>) {
        match self {
            Self::Star(star, _) => star.give_up(out),
            Self::Tecan(tecan) => tecan.give_up(out),
        }
    }

    /// Bytes are missing.
    pub fn cut(&mut self) {
        match self {
            Self::Star(star, _) => star.cut(),
            Self::Tecan(tecan) => tecan.cut(),
        }
    }

    /// How long to wait for what is awaited.
    pub fn patience(&self) -> Option<Duration> {
        match self {
            Self::Star(star, _) => star.patience(),
            Self::Tecan(tecan) => tecan.patience(),
        }
    }

    /// Bytes of frames without an end.
    pub fn held(&self) -> [(&'static str, &[u8]); 3] {
        match self {
            Self::Star(star, _) => star.held(),
            Self::Tecan(tecan) => tecan.held(),
        }
    }

    pub fn holds(&self) -> bool {
        self.held().iter().any(|(_, held)| !held.is_empty())
    }

    pub fn resume(&mut self, side: &str, held: &[u8]) {
        match self {
            Self::Star(star, _) => star.resume(side, held),
            Self::Tecan(tecan) => tecan.resume(side, held),
        }
    }

    /// What is known of commands and answers.
    pub fn saved(&self) -> Saved<'_> {
        match self {
            Self::Star(star, _) => Saved::Star(&star.pairing),
            Self::Tecan(tecan) => Saved::Tecan(&tecan.talk),
        }
    }

    pub fn restore(&mut self, saved: &serde_json::Value) -> bool {
        match self {
            Self::Star(star, _) => Pairing::deserialize(saved).map(|pairing| star.pairing = pairing).is_ok(),
            Self::Tecan(tecan) => Talk::deserialize(saved).map(|kept| tecan.talk = tecan.talk.resumed(kept)).is_ok(),
        }
    }

    /// Forgets all that was paired.
    pub fn reset(&mut self) {
        match self {
            Self::Star(star, _) => star.pairing = Pairing::default(),
            Self::Tecan(tecan) => tecan.talk = tecan.talk.resumed(Talk::default()),
        }
    }
}
