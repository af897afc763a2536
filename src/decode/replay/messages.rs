//! Messages of a gRPC service, put together again from the lines that hold them.

use std::collections::VecDeque;

use instrument_proto::codec::capture::{Chunk, Direction};
use instrument_proto::codec::grpc::{PREFIX, length, message};
use jiff::Timestamp;

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whole {
    /// When it was taken, or sent.
    pub at: Timestamp,
    /// Its call's number.
    pub call: u64,
    /// Its call's method.
    pub method: String,
    /// Whether it came from the instrument.
    pub came: bool,
    /// The message, without its prefix.
    pub bytes: Vec<u8>,
}

/// Puts messages together. The lines of one stand together, so a message whose next line is not there is not whole.
#[derive(Debug, Default)]
pub(super) struct Messages {
    open: Option<Chunk>,
    passed_over: u64,
    /// The last calls that ended: what came of them afterwards nobody took.
    ended: VecDeque<u64>,
}

/// Ended calls that are remembered.
const ENDED: usize = 64;

impl Messages {
    /// Takes the next line; gives the message that is whole with it.
    pub fn take(&mut self, chunk: Chunk) -> Option<Whole> {
        let all = match self.open.take() {
            Some(mut open) if goes_on(&open, &chunk) => {
                open.bytes.extend_from_slice(&chunk.bytes);
                open
            }
            before => {
                self.passed_over += u64::from(before.is_some());
                if chunk.offset > 0 {
                    // The lines of one message count once.
                    self.passed_over += u64::from(before.is_none());
                    return None;
                }
                chunk
            }
        };
        let there = all.bytes.len().checked_sub(PREFIX);
        let wanted = length(&all.bytes).and_then(|length| usize::try_from(length).ok());
        match (there, wanted) {
            (Some(there), Some(wanted)) if there < wanted => {
                self.open = Some(all);
                None
            }
            _ => {
                let whole = whole(&all);
                self.passed_over += u64::from(whole.is_none());
                let whole = whole?;
                if !whole.came {
                    // Another daemon counts its calls from the beginning.
                    self.ended.retain(|call| *call != whole.call);
                }
                (!self.ended.contains(&whole.call)).then_some(whole)
            }
        }
    }

    /// Says that a call ended.
    pub fn ended(&mut self, call: u64) {
        if self.ended.len() >= ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(call);
    }

    /// Says that no more lines of a message come.
    pub fn interrupt(&mut self) {
        self.passed_over += u64::from(self.open.take().is_some());
    }

    /// How many messages were not whole since it was asked last.
    pub fn passed_over(&mut self) -> u64 {
        std::mem::take(&mut self.passed_over)
    }
}

fn goes_on(open: &Chunk, next: &Chunk) -> bool {
    next.offset > 0
        && usize::try_from(next.offset) == Ok(open.bytes.len())
        && (&next.source, next.direction) == (&open.source, open.direction)
}

fn whole(all: &Chunk) -> Option<Whole> {
    let (call, method) = call(all.source.as_deref()?)?;
    let bytes = message(&all.bytes)?.to_vec();
    Some(Whole { at: all.at, call, method: method.to_owned(), came: all.direction == Direction::FromInstrument, bytes })
}

/// The number and the method of a call's source.
pub(super) fn call(source: &str) -> Option<(u64, &str)> {
    let (number, method) = source.split_once('/')?;
    Some((number.parse().ok()?, method)).filter(|(_, method)| method.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Whether a source is a call.
pub(super) fn is_call(source: &str) -> bool {
    call(source).is_some_and(|(_, method)| !method.is_empty())
}
