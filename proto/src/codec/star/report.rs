//! What a reply says of success and failure.

use super::code::Code;
use super::errors;

/// The error field of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// What the module that answers says of itself.
    pub own: Fault,
    /// What it says of others: `P100/00 P235/00`.
    slaves: &'a [u8],
}

/// What one module says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Fault {
    /// Who.
    pub module: Code,
    /// The kind of error, which only the master and those it reports on have; 99 of the master: see the slaves.
    pub code: Option<u8>,
    /// What exactly; the numbers mean different things on different modules.
    pub trace: u8,
}

/// The master's code for "one or more slaves have an error".
pub const SLAVE_ERROR: u8 = 99;

impl Fault {
    /// Whether it says that all is well.
    pub fn is_ok(&self) -> bool {
        self.code.unwrap_or(0) == 0 && self.trace == 0
    }

    /// What it means, for a technician: `channel 4: clot detected (04/81)`.
    pub fn text(&self) -> String {
        errors::text(self)
    }
}

impl<'a> Report<'a> {
    /// Reads `99/00 P100/00 P402/98` of a master or `30` of another module; `slaves` is the text that a Vantage quotes.
    pub(super) fn read(module: Code, value: &'a [u8], slaves: Option<&'a [u8]>) -> Option<Self> {
        let (mut code, mut trace, rest) = figures(value)?;
        // A Vantage's one figure is the kind of error.
        if code.is_none() && module.as_bytes().len() == 4 {
            (code, trace) = (Some(trace), 0);
        }
        let rest = slaves.unwrap_or(rest);
        let report = Self { own: Fault { module, code, trace }, slaves: rest };
        let mut left = Slaves(rest);
        (&mut left).for_each(drop);
        left.0.trim_ascii().is_empty().then_some(report)
    }

    /// Whether neither the module itself nor any other has an error.
    pub fn is_ok(&self) -> bool {
        self.own.is_ok() && self.slaves().all(|fault| fault.is_ok())
    }

    /// What it says of other modules, those that are well included.
    pub fn slaves(&self) -> Slaves<'a> {
        Slaves(self.slaves)
    }

    /// The errors to tell: those of the slaves, and the module's own unless it only points to them.
    pub fn faults(&self) -> impl Iterator<Item = Fault> + use<'a> {
        let slaves: Slaves<'a> = self.slaves();
        let points = self.own.code == Some(SLAVE_ERROR) && slaves.clone().any(|fault| !fault.is_ok());
        let own = (!self.own.is_ok() && !points).then_some(self.own);
        own.into_iter().chain(slaves.filter(|fault| !fault.is_ok()))
    }

    /// The error of a pipetting channel, counted from 1.
    pub fn channel(&self, channel: u8) -> Option<Fault> {
        self.slaves().find(|fault| fault.module.channel() == Some(channel) && !fault.is_ok())
    }
}

/// Walks over what is said of other modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slaves<'a>(&'a [u8]);

impl Iterator for Slaves<'_> {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        let text = self.0.trim_ascii_start();
        let (module, rest) = text.split_at_checked(2)?;
        if !module.first().is_some_and(u8::is_ascii_uppercase) {
            return None;
        }
        let module = Code::new(module)?;
        let (code, trace, rest) = figures(rest)?;
        self.0 = rest;
        Some(Fault { module, code, trace })
    }
}

/// `99/00` or `30`: code and trace, or a trace alone; one digit is enough on a Vantage.
fn figures(text: &[u8]) -> Option<(Option<u8>, u8, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let figure = |digits: &[u8]| digits.iter().fold(0u8, |n, b| n * 10 + (b - b'0'));
    if digits == 0 || digits > 2 {
        return None;
    }
    let (first, rest) = text.split_at(digits);
    match rest {
        [b'/', tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] if digits == 2 => {
            Some((Some(figure(first)), (tens - b'0') * 10 + (ones - b'0'), rest))
        }
        [b'/', ..] => None,
        _ => Some((None, figure(first), rest)),
    }
}
