//! Which answer belongs to which command, and what is said twice.

use serde::{Deserialize, Serialize};

use super::message::{Body, Message, Module};

/// Modules that are kept apart; a robot has under twenty. A further one takes the place of the one that was silent longest.
pub const MAX_MODULES: usize = 32;

/// A command, and what its owner wants to find again with the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending<T> {
    /// Who was spoken to.
    pub module: Module,
    /// The host's letter, on RS-232.
    pub letter: Option<u8>,
    /// The owner's note.
    pub note: T,
}

/// What became of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<T> {
    /// A command; its answer is awaited from now on.
    Command {
        /// The module's command before it, where that was never answered.
        unanswered: Option<Pending<T>>,
    },
    /// The last command once more, letter for letter, as a host does after its time-out. The device does not execute it twice.
    Repeat {
        /// Whether it was answered already.
        answered: bool,
    },
    /// The answer to this command.
    Answer(Pending<T>),
    /// An answer once more, or one to nothing that was seen.
    Orphan,
    /// An acknowledgement.
    Acknowledge,
}

/// The last command of each module.
///
/// A device has one command at work at a time. On RS-232 a repeated command is told by its letter; on USB, which loses nothing, none is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation<T> {
    /// The one that spoke last is last.
    modules: Vec<Last<T>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Last<T> {
    module: Module,
    letter: Option<u8>,
    text: Vec<u8>,
    /// Gone once it was answered.
    pending: Option<Pending<T>>,
}

impl<T> Default for Conversation<T> {
    fn default() -> Self {
        Self { modules: Vec::new() }
    }
}

impl<T> Conversation<T> {
    /// Places a block: remembers a command with what `note` makes for it, or finds the command of an answer.
    pub fn place(&mut self, message: &Message<'_>, note: impl FnOnce() -> T) -> Seen<T> {
        match message.body {
            Body::Command { text } => self.command(message, text, note),
            Body::Answer { .. } => self.answer(message),
            Body::Acknowledge => Seen::Acknowledge,
        }
    }

    /// The commands that wait for an answer.
    pub fn pending(&self) -> impl Iterator<Item = &Pending<T>> {
        self.modules.iter().filter_map(|last| last.pending.as_ref())
    }

    /// Gives up those for which `keep` is false, for instance after a time-out.
    pub fn give_up(&mut self, mut keep: impl FnMut(&Pending<T>) -> bool) -> Vec<Pending<T>> {
        self.modules.iter_mut().filter_map(|last| last.pending.take_if(|pending| !keep(pending))).collect()
    }

    fn command(&mut self, message: &Message<'_>, text: &[u8], note: impl FnOnce() -> T) -> Seen<T> {
        let Message { module, letter, .. } = *message;
        let before = self.modules.iter().position(|last| last.module == module).map(|at| self.modules.remove(at));
        if let Some(last) = before.as_ref()
            && letter.is_some()
            && last.letter == letter
            && last.text == text
        {
            let answered = last.pending.is_none();
            self.modules.extend(before);
            return Seen::Repeat { answered };
        }
        let mut unanswered = before.and_then(|last| last.pending);
        if self.modules.len() >= MAX_MODULES {
            let silent = self.modules.remove(0);
            unanswered = unanswered.or(silent.pending);
        }
        let pending = Some(Pending { module, letter, note: note() });
        self.modules.push(Last { module, letter, text: text.to_vec(), pending });
        Seen::Command { unanswered }
    }

    fn answer(&mut self, message: &Message<'_>) -> Seen<T> {
        let last = self.modules.iter_mut().find(|last| last.module == message.module && last.letter == message.letter);
        match last.and_then(|last| last.pending.take()) {
            Some(pending) => Seen::Answer(pending),
            None => Seen::Orphan,
        }
    }
}
