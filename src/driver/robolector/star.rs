//! The STAR's dialect on one line: bytes become frames.

use std::time::Duration;

use instrument_proto::codec::star::{Framing, Marks, Scanner, Side, Terminator};

use super::outlet::Outlet;
use super::star_pairing::{Line, Pairing};
use crate::driver::{Direction, Sees};
use crate::profile::robolector::{self, ReplyTimes, StarDialect};

/// The dialect on one line.
#[derive(Debug)]
pub(super) struct Star {
    to: Scanner,
    from: Scanner,
    either: Scanner,
    line: Line,
    pub pairing: Pairing,
}

impl Star {
    pub fn new(dialect: &StarDialect, channels: u8, replies: ReplyTimes) -> Self {
        let terminator = match dialect.terminator {
            robolector::Terminator::Any => Terminator::Any,
            robolector::Terminator::CrLf => Terminator::CrLf,
            robolector::Terminator::Cr => Terminator::Cr,
            robolector::Terminator::Lf => Terminator::Lf,
            robolector::Terminator::Nul => Terminator::Nul,
            robolector::Terminator::None => Terminator::Gap,
        };
        let marks = dialect.marks.as_ref().map(|marks| Marks {
            command: marks.to_instrument.clone().into_bytes(),
            reply: marks.from_instrument.clone().into_bytes(),
        });
        let framing = Framing { terminator, marks };
        Self {
            to: Scanner::new(framing.clone(), Some(Side::Command)),
            from: Scanner::new(framing.clone(), Some(Side::Reply)),
            either: Scanner::new(framing, None),
            line: Line { channels, sees: Sees::Both, times: replies },
            pairing: Pairing::default(),
        }
    }

    pub fn opened(&mut self, sees: Sees) {
        self.line.sees = sees;
        self.pairing.cut();
    }

    /// What has no end yet, by the side that says it.
    pub fn held(&self) -> [(&'static str, &[u8]); 3] {
        [("to", self.to.held()), ("from", self.from.held()), ("either", self.either.held())]
    }

    pub fn resume(&mut self, side: &str, held: &[u8]) {
        match side {
            "to" => self.to.resume(held),
            "from" => self.from.resume(held),
            _ => self.either.resume(held),
        }
    }

    /// Bytes are missing: what is half read does not count.
    pub fn cut(&mut self) {
        self.to.cut();
        self.from.cut();
        self.either.cut();
        self.pairing.cut();
    }

    pub fn feed(&mut self, direction: Direction, bytes: &[u8], out: &mut Outlet<'_>) {
        let scanner = match direction {
            Direction::ToInstrument => &mut self.to,
            Direction::FromInstrument => &mut self.from,
            Direction::Either => &mut self.either,
        };
        let (pairing, line) = (&mut self.pairing, self.line);
        scanner.feed(bytes, |item| pairing.item(item, line, out));
        self.pairing.release(line, out);
    }

    /// The line fell silent, which ends a frame where nothing else does.
    pub fn gap(&mut self, out: &mut Outlet<'_>) {
        let line = self.line;
        for scanner in [&mut self.to, &mut self.from, &mut self.either] {
            scanner.gap(|item| self.pairing.item(item, line, out));
        }
        self.pairing.release(line, out);
    }

    /// Gives up commands whose time is over.
    pub fn expire(&mut self, out: &mut Outlet<'_>) {
        self.pairing.expire(self.line, out);
        self.pairing.release(self.line, out);
    }

    /// The line is gone: nobody will answer any more.
    pub fn give_up(&mut self, out: &mut Outlet<'_>) {
        self.pairing.give_up(self.line, out);
    }

    /// How long to wait for what is awaited; `None` where nothing is.
    pub fn patience(&self) -> Option<Duration> {
        self.pairing.waits().then_some(self.line.times.command)
    }
}
