//! Which reply belongs to which command.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::code::Code;
use super::frame::{Frame, Kind, Side};

/// The last id before the count starts at 0 again.
pub const LAST_ID: u16 = 9999;

/// What a reply repeats of its command. A command without id is known by module and command alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The module.
    pub module: Code,
    /// The command.
    pub command: Code,
    /// The id.
    pub id: Option<u16>,
}

impl From<&Frame<'_>> for Key {
    fn from(frame: &Frame<'_>) -> Self {
        Self { module: frame.module, command: frame.command, id: frame.id }
    }
}

/// A command whose reply is awaited, and what its owner wants to find again then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending<T> {
    /// What the reply will repeat.
    pub key: Key,
    /// The owner's note.
    pub note: T,
    /// A figure of the command's text, to know a repeated command from a reply without `er`.
    digest: u32,
}

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paired<T> {
    /// A command; its reply is awaited from now on. `lost` are commands that nobody will answer any more.
    Command {
        /// Given up for this one.
        lost: Vec<Lost<T>>,
    },
    /// The reply to this command.
    Reply(Pending<T>),
    /// A reply to nothing that was seen: the command was lost, or its time-out was over.
    Orphan,
}

/// A command that is no longer awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost<T> {
    /// The command.
    pub pending: Pending<T>,
    /// Why.
    pub why: Why,
}

/// Why a reply is no longer awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The same id was used again for the same command: the controller started anew, or sent it twice.
    Reused,
    /// More commands were outstanding than the table holds; the oldest went.
    Full,
}

/// The commands whose replies are awaited, the oldest first.
///
/// It holds so many and no more: [`Outstanding::command`] gives back what had to go. Replies may come in any order. After a restart of the
/// controller ids begin anew; a command that uses an awaited key again takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outstanding<T> {
    pending: VecDeque<Pending<T>>,
    capacity: usize,
}

impl<T> Outstanding<T> {
    /// A table for `capacity` commands, at least one.
    pub fn new(capacity: usize) -> Self {
        Self { pending: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// What a frame is: as the line or its mark says, else a reply if it has `er` or answers an awaited command, else a command.
    ///
    /// Answers of modules to queries have no `er`; such a frame that has nothing after its id, or is the awaited command letter for letter, is
    /// that command sent again.
    pub fn side(&self, frame: &Frame<'_>) -> Kind {
        if let Some(side) = frame.side {
            return side;
        }
        if frame.has_report() {
            return Side::Reply;
        }
        let key = Key::from(frame);
        let answers = !frame.is_bare()
            && self.pending.iter().any(|pending| pending.key == key && pending.digest != digest(frame.text()));
        if answers { Side::Reply } else { Side::Command }
    }

    /// Places a frame: remembers a command with what `note` makes for it, or finds the command of a reply.
    pub fn place(&mut self, frame: &Frame<'_>, note: impl FnOnce() -> T) -> Paired<T> {
        match self.side(frame) {
            Side::Command => Paired::Command { lost: self.command(frame, note()) },
            Side::Reply => match self.reply(frame) {
                Some(pending) => Paired::Reply(pending),
                None => Paired::Orphan,
            },
        }
    }

    /// Awaits the reply to a command; gives back what had to go for it.
    pub fn command(&mut self, frame: &Frame<'_>, note: T) -> Vec<Lost<T>> {
        let key = Key::from(frame);
        let mut lost = Vec::new();
        if let Some(at) = self.pending.iter().position(|pending| pending.key == key)
            && let Some(pending) = self.pending.remove(at)
        {
            lost.push(Lost { pending, why: Why::Reused });
        }
        while self.pending.len() >= self.capacity
            && let Some(pending) = self.pending.pop_front()
        {
            lost.push(Lost { pending, why: Why::Full });
        }
        self.pending.push_back(Pending { key, note, digest: digest(frame.text()) });
        lost
    }

    /// The command that a reply answers; it is no longer awaited then.
    pub fn reply(&mut self, frame: &Frame<'_>) -> Option<Pending<T>> {
        let key = Key::from(frame);
        let at = self.pending.iter().position(|pending| pending.key == key)?;
        self.pending.remove(at)
    }

    /// Those that are awaited, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Pending<T>> {
        self.pending.iter()
    }

    /// The same, to change notes.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pending<T>> {
        self.pending.iter_mut()
    }

    /// Gives up those for which `keep` is false, for instance after a time-out; returns them, the oldest first.
    pub fn give_up(&mut self, mut keep: impl FnMut(&Pending<T>) -> bool) -> Vec<Pending<T>> {
        let (kept, gone) = std::mem::take(&mut self.pending).into_iter().partition(|pending| keep(pending));
        self.pending = kept;
        Vec::from(gone)
    }

    /// How many are awaited.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether none is awaited.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

/// FNV-1a, which is the same everywhere: snapshots hold it.
fn digest(text: &[u8]) -> u32 {
    text.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
