//! The scanner as a codec of tokio-util, for programs that read a line themselves.

use std::collections::VecDeque;
use std::io;

use bytes::{Buf as _, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::message::{Body, Message, Module};
use super::scan::{Damage, Form, Item, Scanner};

/// What was read from a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A block.
    Message {
        /// Who is spoken to, or who answers.
        module: Module,
        /// The host's letter.
        letter: Option<u8>,
        /// What is said.
        body: OwnedBody,
    },
    /// Bytes that are none.
    Damaged {
        /// The bytes.
        bytes: Vec<u8>,
        /// Why they are none.
        why: Damage,
    },
}

/// A [`Body`] that owns its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedBody {
    /// See [`Body::Command`].
    Command(Vec<u8>),
    /// See [`Body::Answer`].
    Answer(u8, Vec<u8>),
    /// See [`Body::Acknowledge`].
    Acknowledge,
}

impl Received {
    /// The block in it, where it is one.
    pub fn message(&self) -> Option<Message<'_>> {
        let Self::Message { module, letter, body } = self else { return None };
        let body = match body {
            OwnedBody::Command(text) => Body::Command { text },
            OwnedBody::Answer(status, data) => Body::Answer { status: *status, data },
            OwnedBody::Acknowledge => Body::Acknowledge,
        };
        Some(Message { module: *module, letter: *letter, body })
    }
}

/// Blocks of one line in both directions.
#[derive(Debug, Clone)]
pub struct TecanCodec {
    scanner: Scanner,
    found: VecDeque<Received>,
}

impl TecanCodec {
    /// A codec for a line of this form.
    pub fn new(form: Form) -> Self {
        Self { scanner: Scanner::new(form), found: VecDeque::new() }
    }

    /// How many blocks had a wrong check byte.
    pub fn checksum_errors(&self) -> u64 {
        self.scanner.checksum_errors()
    }
}

fn owned(item: Item<'_>) -> Received {
    match item {
        Item::Message(Message { module, letter, body }) => {
            let body = match body {
                Body::Command { text } => OwnedBody::Command(text.to_vec()),
                Body::Answer { status, data } => OwnedBody::Answer(status, data.to_vec()),
                Body::Acknowledge => OwnedBody::Acknowledge,
            };
            Received::Message { module, letter, body }
        }
        Item::Damaged { bytes, why } => Received::Damaged { bytes: bytes.to_vec(), why },
    }
}

impl Decoder for TecanCodec {
    type Item = Received;
    type Error = io::Error;

    // What was found waits in the codec; its size is bounded by the one buffer that it came from, since no more is read meanwhile.
    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Received>> {
        if self.found.is_empty() {
            let found = &mut self.found;
            self.scanner.feed(buffer, |item| found.push_back(owned(item)));
            buffer.advance(buffer.len());
        }
        Ok(self.found.pop_front())
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Received>> {
        let found = self.decode(buffer)?;
        if found.is_none() {
            // Half a block does not count.
            self.scanner.cut();
        }
        Ok(found)
    }
}

/// A block that [`super::write`] made.
impl Encoder<&[u8]> for TecanCodec {
    type Error = io::Error;

    fn encode(&mut self, block: &[u8], buffer: &mut BytesMut) -> io::Result<()> {
        buffer.extend_from_slice(block);
        Ok(())
    }
}
