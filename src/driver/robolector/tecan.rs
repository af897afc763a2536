//! Tecan's dialect on one line: bytes become blocks.

use std::time::Duration;

use instrument_proto::codec::tecan::{Damage, Form, Item, Scanner};

use super::outlet::Outlet;
use super::tecan_talk::Talk;
use crate::driver::{Direction, Sees};
use crate::profile::robolector::{ReplyTimes, TecanDialect, TecanForm};

/// The dialect on one line.
#[derive(Debug)]
pub(super) struct Tecan {
    form: Form,
    to: Scanner,
    from: Scanner,
    either: Scanner,
    replies: ReplyTimes,
    sees: Sees,
    pub talk: Talk,
}

impl Tecan {
    pub fn new(dialect: TecanDialect, replies: ReplyTimes) -> Self {
        let form = match dialect.form {
            TecanForm::Rs232 => Form::Serial,
            TecanForm::Nul => Form::Usb,
        };
        let scanner = || Scanner::new(form);
        let (to, from, either) = (scanner(), scanner(), scanner());
        Self { form, to, from, either, replies, sees: Sees::Both, talk: Talk::new(dialect.syringe_ul) }
    }

    pub fn opened(&mut self, sees: Sees) {
        self.sees = sees;
        self.talk.opened();
    }

    /// How many of these bytes can complete one block at most.
    pub fn piece(&self, bytes: &[u8]) -> usize {
        const ETX: u8 = 3;
        match self.form {
            Form::Usb => bytes.iter().position(|b| *b == 0).map_or(bytes.len(), |at| at + 1),
            // A check byte follows the end.
            Form::Serial if self.held().iter().any(|(_, held)| held.last() == Some(&ETX)) => 1,
            Form::Serial => bytes.iter().position(|b| *b == ETX).map_or(bytes.len(), |at| at + 2),
        }
    }

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

    pub fn cut(&mut self) {
        self.to.cut();
        self.from.cut();
        self.either.cut();
        self.talk.cut();
    }

    pub fn feed(&mut self, direction: Direction, bytes: &[u8], out: &mut Outlet<'_>) {
        let scanner = match direction {
            Direction::ToInstrument => &mut self.to,
            Direction::FromInstrument => &mut self.from,
            Direction::Either => &mut self.either,
        };
        let (talk, sees, times) = (&mut self.talk, self.sees, self.replies);
        scanner.feed(bytes, |item| match item {
            Item::Message(message) => talk.message(&message, direction, sees, times, out),
            Item::Damaged { bytes, why } => {
                let code = if matches!(why, Damage::Checksum { .. }) { "checksum-error" } else { "unreadable-frame" };
                out.defect(code, &format!("{why}: {}", String::from_utf8_lossy(bytes)));
                talk.damage(bytes);
            }
        });
    }

    pub fn expire(&mut self, out: &mut Outlet<'_>) {
        self.talk.expire(self.replies, out);
    }

    pub fn give_up(&mut self, out: &mut Outlet<'_>) {
        self.talk.give_up(out);
    }

    pub fn patience(&self) -> Option<Duration> {
        match self.talk.has_failure() {
            true => Some(self.replies.query),
            false => self.talk.waits().then_some(self.replies.command),
        }
    }
}
