//! The scanner as a codec of tokio-util, for programs that read a line themselves.

use std::collections::VecDeque;
use std::io;

use bytes::{Buf as _, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::frame::{Damage, Frame, Side};
use super::scan::{Framing, Item, Scanner, Terminator};

/// What was read from a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A frame.
    Frame(Packet),
    /// Bytes that are none.
    Damaged {
        /// The bytes, without terminator.
        bytes: Vec<u8>,
        /// Why they are none.
        why: Damage,
    },
}

/// A frame that owns its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    text: Vec<u8>,
    side: Option<Side>,
}

impl Packet {
    /// The frame in it.
    ///
    /// # Errors
    /// Never for a packet that the codec gave, which looked at it before.
    pub fn frame(&self) -> Result<Frame<'_>, Damage> {
        Frame::read(&self.text, self.side)
    }
}

/// Frames of one line in both directions.
#[derive(Debug, Clone)]
pub struct StarCodec {
    framing: Framing,
    scanner: Scanner,
    found: VecDeque<Received>,
}

impl StarCodec {
    /// A codec for a line on which `side` alone speaks, or both where it is `None`.
    pub fn new(framing: Framing, side: Option<Side>) -> Self {
        Self { scanner: Scanner::new(framing.clone(), side), framing, found: VecDeque::new() }
    }

    /// Says that the line fell silent, which ends a frame that has no terminator; the next read gives it.
    pub fn gap(&mut self) {
        let found = &mut self.found;
        self.scanner.gap(|item| found.push_back(owned(item)));
    }
}

fn owned(item: Item<'_>) -> Received {
    match item {
        Item::Frame(frame) => Received::Frame(Packet { text: frame.text().to_vec(), side: frame.side }),
        Item::Damaged { bytes, why } => Received::Damaged { bytes: bytes.to_vec(), why },
    }
}

impl Decoder for StarCodec {
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
        match self.decode(buffer)? {
            Some(received) => Ok(Some(received)),
            None => {
                // Without a terminator the end of the line ends the last frame; with one, half a frame does not count.
                if self.framing.terminator == Terminator::Gap {
                    self.gap();
                }
                self.scanner.cut();
                Ok(self.found.pop_front())
            }
        }
    }
}

/// A frame's text with the side whose mark goes before it.
impl Encoder<(Side, &[u8])> for StarCodec {
    type Error = io::Error;

    fn encode(&mut self, (side, text): (Side, &[u8]), buffer: &mut BytesMut) -> io::Result<()> {
        if let Some(marks) = &self.framing.marks {
            buffer.extend_from_slice(match side {
                Side::Command => &marks.command,
                Side::Reply => &marks.reply,
            });
        }
        buffer.extend_from_slice(text);
        buffer.extend_from_slice(self.framing.terminator.bytes());
        Ok(())
    }
}
