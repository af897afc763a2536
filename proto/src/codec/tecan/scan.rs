//! Finds blocks in a stream of bytes that comes in any pieces.

use serde::{Deserialize, Serialize};

use super::message::{Body, Message, Module};

pub(super) const STX: u8 = 0x02;
pub(super) const ETX: u8 = 0x03;
/// The letter of an acknowledgement.
pub(super) const ACKNOWLEDGE: u8 = b'@';
/// From a host's letter to that of its answer.
pub(super) const ANSWERED: u8 = 0x10;
/// A status without error on RS-232.
pub(super) const STATUS: u8 = 0x40;
/// The same on USB.
pub(super) const STATUS_USB: u8 = 0x80;

/// Bytes of one block that are held; real ones have under 200. What goes on longer is no block.
pub const MAX_BLOCK: usize = 4 * 1024;

/// How blocks stand on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `STX letter module text ETX check`.
    Serial,
    /// `STX module text NUL`.
    Usb,
}

/// Why bytes are no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The check byte is another one.
    #[error("check byte {found:#04x} where {expected:#04x} belongs")]
    Checksum {
        /// What belongs there.
        expected: u8,
        /// What stands there.
        found: u8,
    },
    /// Bytes that no block holds.
    #[error("bytes that are no printable text")]
    NotPrintable,
    /// Another block begins before its end.
    #[error("its end was lost: another block begins inside")]
    NoEnd,
    /// It has not the letter, module and text of any block.
    #[error("no letter, module and text")]
    NoHead,
    /// It is longer than any block.
    #[error("longer than any block")]
    TooLong,
    /// Bytes outside of any block. Zero bytes and line ends alone are not told.
    #[error("bytes outside of any block")]
    Outside,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A block.
    Message(Message<'a>),
    /// Bytes that are none.
    Damaged {
        /// The bytes, as far as they were told apart.
        bytes: &'a [u8],
        /// Why they are none.
        why: Damage,
    },
}

/// Finds blocks; holds back what has no end yet.
#[derive(Debug, Clone)]
pub struct Scanner {
    form: Form,
    held: Vec<u8>,
    /// What follows belongs to damage that was told, up to the next block.
    told: bool,
    checksum_errors: u64,
}

/// What stands at the beginning of what is held.
enum Step<'a> {
    /// More bytes must come.
    Wait,
    /// So many bytes are done with.
    Skip(usize),
    /// So many bytes are this.
    Found(usize, Item<'a>),
}

impl Scanner {
    /// A scanner for a line of this form.
    pub fn new(form: Form) -> Self {
        Self { form, held: Vec::new(), told: false, checksum_errors: 0 }
    }

    /// Takes the next bytes and gives each block that they complete to `each`.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Item<'_>)) {
        // In parts, so that what is held stays bounded however much comes at once.
        for part in bytes.chunks(MAX_BLOCK) {
            self.held.extend_from_slice(part);
            let mut at = 0;
            loop {
                let rest = self.held.get(at..).unwrap_or_default();
                let (length, damage) = match step(self.form, rest, self.told) {
                    Step::Wait => break,
                    Step::Skip(length) => (length, None),
                    Step::Found(length, item) => {
                        each(item);
                        match item {
                            Item::Message(_) => (length, None),
                            Item::Damaged { why, .. } => (length, Some(why)),
                        }
                    }
                };
                at += length;
                // What follows a block that could not be told apart is the rest of it.
                self.told = matches!(damage, Some(Damage::NotPrintable | Damage::TooLong | Damage::Outside));
                self.checksum_errors += u64::from(matches!(damage, Some(Damage::Checksum { .. })));
            }
            self.held.drain(..at);
        }
    }

    /// Says that bytes are missing here, or that the line is another one: what is half read does not count. Gives back how much it was.
    pub fn cut(&mut self) -> usize {
        let held = self.held.len();
        self.held.clear();
        self.told = false;
        held
    }

    /// What has no end yet; a scanner [`Scanner::resume`]d with it goes on as this one would.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// Goes on after what another scanner had [`Scanner::held`].
    pub fn resume(&mut self, held: &[u8]) {
        self.cut();
        self.held.extend_from_slice(held.get(..held.len().min(MAX_BLOCK)).unwrap_or_default());
    }

    /// How many blocks had a wrong check byte.
    pub fn checksum_errors(&self) -> u64 {
        self.checksum_errors
    }
}

fn step(form: Form, bytes: &[u8], told: bool) -> Step<'_> {
    match bytes.first() {
        None => Step::Wait,
        Some(&STX) => match form {
            Form::Serial => serial(bytes),
            Form::Usb => usb(bytes),
        },
        Some(_) => {
            let end = bytes.iter().position(|b| *b == STX);
            let outside = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            let idle = told || outside.iter().all(|b| matches!(b, 0 | b'\r' | b'\n'));
            match end {
                Some(end) if idle => Step::Skip(end),
                Some(end) => Step::Found(end, Item::Damaged { bytes: outside, why: Damage::Outside }),
                None if outside.len() > MAX_BLOCK => {
                    Step::Found(outside.len(), Item::Damaged { bytes: outside, why: Damage::Outside })
                }
                None => Step::Wait,
            }
        }
    }
}

fn damaged(bytes: &[u8], length: usize, why: Damage) -> Step<'_> {
    Step::Found(length, Item::Damaged { bytes: bytes.get(..length).unwrap_or_default(), why })
}

/// `STX letter module text ETX check`.
fn serial(bytes: &[u8]) -> Step<'_> {
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match *byte {
            STX => return damaged(bytes, at, Damage::NoEnd),
            ETX => {
                let Some(found) = bytes.get(at + 1).copied() else { return Step::Wait };
                let block = bytes.get(..=at).unwrap_or_default();
                let expected = block.iter().fold(0, |check, byte| check ^ byte);
                if found != expected {
                    // Where the check byte itself was lost, the next block begins in its place.
                    let length = if found == STX { at + 1 } else { at + 2 };
                    return damaged(bytes, length, Damage::Checksum { expected, found });
                }
                let inside = bytes.get(1..at).unwrap_or_default();
                return match read_serial(inside) {
                    Some(message) => Step::Found(at + 2, Item::Message(message)),
                    None => damaged(bytes, at + 2, Damage::NoHead),
                };
            }
            0x20..=0x7e => {}
            _ => return damaged(bytes, at + 1, Damage::NotPrintable),
        }
    }
    too_long_or_wait(bytes)
}

/// `STX module text NUL`.
fn usb(bytes: &[u8]) -> Step<'_> {
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        match *byte {
            STX => return damaged(bytes, at, Damage::NoEnd),
            0 => {
                let inside = bytes.get(1..at).unwrap_or_default();
                return match read_usb(inside) {
                    Some(message) => Step::Found(at + 1, Item::Message(message)),
                    None => damaged(bytes, at + 1, Damage::NoHead),
                };
            }
            0x20..=0x7e => {}
            // The status.
            0x80.. if at == 3 => {}
            _ => return damaged(bytes, at + 1, Damage::NotPrintable),
        }
    }
    too_long_or_wait(bytes)
}

fn too_long_or_wait(bytes: &[u8]) -> Step<'_> {
    if bytes.len() > MAX_BLOCK { damaged(bytes, bytes.len(), Damage::TooLong) } else { Step::Wait }
}

fn read_serial(inside: &[u8]) -> Option<Message<'_>> {
    let (letter, rest) = inside.split_first()?;
    let (module, text) = rest.split_at_checked(2)?;
    let module = Module::new(module)?;
    let (letter, body) = match *letter {
        ACKNOWLEDGE if text.is_empty() => (None, Body::Acknowledge),
        letter @ b'A'..=b'G' => (Some(letter), host_or_error(text)?),
        letter @ b'Q'..=b'W' => (Some(letter - ANSWERED), answer(text)?),
        _ => return None,
    };
    Some(Message { module, letter, body })
}

/// What stands under a host's letter: a command, or an error that kept it, which is a status alone.
fn host_or_error(text: &[u8]) -> Option<Body<'_>> {
    match text {
        [] => None,
        [status @ 0x41..=0x5f] => Some(Body::Answer { status: status - STATUS, data: b"" }),
        _ => Some(Body::Command { text }),
    }
}

fn answer(text: &[u8]) -> Option<Body<'_>> {
    let (status, data) = text.split_first()?;
    matches!(status, 0x40..=0x7e).then(|| Body::Answer { status: status - STATUS, data })
}

fn read_usb(inside: &[u8]) -> Option<Message<'_>> {
    let (module, text) = inside.split_at_checked(2)?;
    let module = Module::new(module)?;
    let body = match text.split_first()? {
        (status @ STATUS_USB.., data) => Body::Answer { status: status - STATUS_USB, data },
        (first, _) if first.is_ascii_uppercase() => Body::Command { text },
        _ => return None,
    };
    Some(Message { module, letter: None, body })
}
