//! Which Tecan answer belongs to which command, and what is known to be missed.

use std::collections::VecDeque;
use std::time::Duration;

use instrument_proto::codec::tecan::{Body, Conversation, MAX_MODULES, Message, Module, Pending, Seen, errors, write};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::action::{Action, Done, Step, Verb};
use super::outlet::Outlet;
use super::tecan_motion::{Effect, Motion, is_followed, is_pipetting_arm};
use crate::driver::{Direction, Sees};
use crate::event::liquid::{LiquidFlag, ModuleError, Outcome};
use crate::profile::robolector::ReplyTimes;

/// What is known of commands and answers; what a snapshot holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Talk {
    conversation: Conversation<Note>,
    motion: Motion,
    /// What a syringe holds, in microlitres: the profile's, and so not part of what is kept.
    #[serde(skip)]
    syringe_ul: f64,
    /// A failure of the arm that waits for what the host asks next: the axes' own errors tell which tips failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    synced: bool,
    /// Answers that may still come though they are not awaited: late ones, and those to repeated commands.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    excused: VecDeque<(Module, Option<u8>)>,
    /// Whether a block was damaged while an answer was awaited: without letters the answer may be to that block.
    #[serde(default)]
    damaged: bool,
    /// The last letter of each module, and how many in a row followed each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    letters: Vec<(Module, u8, u8)>,
}

/// Answers that are remembered as excused.
const MAX_EXCUSED: usize = 16;

/// So many letters must have followed each other before one that does not tells of a missed command: not every host counts alike.
const REGULAR: u8 = 8;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    text: String,
    sent: Timestamp,
    offset: u64,
    /// Whether it moves something.
    matters: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Failure {
    module: Module,
    text: String,
    status: u8,
    at: Timestamp,
    offset: u64,
    access: Option<String>,
}

impl Talk {
    /// Nothing was said yet, of syringes of so many microlitres.
    pub fn new(syringe_ul: f64) -> Self {
        Self { syringe_ul, ..Self::default() }
    }

    /// What was kept of a talk, with this one's syringes.
    pub fn resumed(&self, kept: Self) -> Self {
        Self { syringe_ul: self.syringe_ul, ..kept }
    }

    /// A line was opened: answers to unseen commands are expected.
    pub fn opened(&mut self) {
        self.synced = false;
    }

    /// Bytes are missing, or the line is another one.
    pub fn cut(&mut self) {
        self.synced = false;
        self.damaged = false;
        self.letters.clear();
        self.excused.clear();
        self.motion.lose_track();
    }

    /// The line is gone: nobody will answer any more.
    pub fn give_up(&mut self, out: &mut Outlet<'_>) {
        self.settle(&[], out);
        for pending in self.conversation.give_up(|_| false) {
            self.lost(pending, out);
        }
    }

    /// Whether a failure waits for a question about it.
    pub fn has_failure(&self) -> bool {
        self.failure.is_some()
    }

    /// Whether something is awaited that moves something.
    pub fn waits(&self) -> bool {
        self.conversation.pending().any(|pending| pending.note.matters)
    }

    /// Something was no block.
    pub fn damage(&mut self, bytes: &[u8]) {
        self.damaged |= looks_like_text(bytes) && self.conversation.pending().next().is_some();
    }

    /// Takes one block.
    pub fn message(
        &mut self,
        message: &Message<'_>,
        direction: Direction,
        sees: Sees,
        times: ReplyTimes,
        out: &mut Outlet<'_>,
    ) {
        let wrong_way = matches!(
            (direction, message.body),
            (Direction::ToInstrument, Body::Answer { .. }) | (Direction::FromInstrument, Body::Command { .. })
        );
        if wrong_way {
            return out.defect("wrong-way", &format!("a block of {} from the wrong side", message.module));
        }
        if sees == Sees::CommandsOnly {
            return self.command_alone(message, out);
        }
        self.expire(times, out);
        self.follow_letters(message, out);
        let effect = match self.motion.effect(message, self.syringe_ul) {
            Ok(effect) => effect,
            Err(why) => {
                out.defect("unreadable-command", &format!("{}: {why}", message.module));
                self.missed(message.module, out);
                Effect::default()
            }
        };
        let text = match message.body {
            Body::Command { text } => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        };
        let matters = effect.motion.is_some();
        let (sent, offset) = (out.at, out.offset);
        let note = Note { text, sent, offset, matters };
        match self.conversation.place(message, || note) {
            Seen::Command { unanswered } => {
                self.synced = true;
                if let Some(pending) = unanswered {
                    self.lost(pending, out);
                }
                let is_question = message.body.command().is_some_and(|(name, _)| name == "REE");
                if self.failure.as_ref().is_some_and(|failure| failure.module == message.module) && !is_question {
                    self.settle(&[], out);
                }
                // What was lost may have moved the arm.
                let effect = self.motion.effect(message, self.syringe_ul).unwrap_or_default();
                if let Some(action) = &effect.approach {
                    out.approach(action);
                }
            }
            Seen::Answer(pending) => {
                let doubtful = pending.letter.is_none() && std::mem::take(&mut self.damaged);
                self.answered(pending, message, out);
                if doubtful {
                    self.missed(message.module, out);
                }
            }
            Seen::Orphan => self.orphan(message, out),
            Seen::Repeat { answered } => {
                out.defect("repeated-command", &format!("{} was told twice", message.module));
                if answered {
                    self.excuse(message.module, message.letter);
                }
            }
            Seen::Acknowledge => {}
        }
    }

    /// An answer to nothing that is awaited: its command was missed, unless it is known why it comes.
    fn orphan(&mut self, message: &Message<'_>, out: &mut Outlet<'_>) {
        let key = (message.module, message.letter);
        if let Some(at) = self.excused.iter().position(|excused| *excused == key) {
            self.excused.remove(at);
            return out.defect("late-reply", &format!("an answer of {} after its time, or once more", message.module));
        }
        out.defect("unpaired-reply", &format!("an answer of {} to nothing that was seen", message.module));
        if self.synced {
            self.missed(message.module, out);
        }
    }

    fn excuse(&mut self, module: Module, letter: Option<u8>) {
        if self.excused.len() >= MAX_EXCUSED {
            self.excused.pop_front();
        }
        self.excused.push_back((module, letter));
    }

    /// A command was not seen.
    fn missed(&mut self, module: Module, out: &mut Outlet<'_>) {
        if !is_followed(module.as_str()) {
            return;
        }
        self.motion.lose_track();
        out.robot.line_cut();
        let text = format!(
            "a command to {module} was not seen: where its arm is and what it did is not known until it is moved again"
        );
        out.gap("missed-command", text);
    }

    /// A host counts its letters for each module: one that is left out is a command that was not seen.
    fn follow_letters(&mut self, message: &Message<'_>, out: &mut Outlet<'_>) {
        let (Body::Command { .. }, Some(letter)) = (message.body, message.letter) else { return };
        let Some(known) = self.letters.iter_mut().find(|known| known.0 == message.module) else {
            if self.letters.len() < MAX_MODULES {
                self.letters.push((message.module, letter, 0));
            }
            return;
        };
        let (_, last, regular) = *known;
        if letter == last {
            return;
        }
        let follows = letter == write::next_letter(last);
        *known = (message.module, letter, if follows { (regular + 1).min(REGULAR) } else { 0 });
        // An unpaired answer told of it already.
        if !follows && regular >= REGULAR && self.motion.is_known() {
            self.missed(message.module, out);
        }
    }

    fn command_alone(&mut self, message: &Message<'_>, out: &mut Outlet<'_>) {
        let Body::Command { text } = message.body else { return };
        let note =
            Note { text: String::from_utf8_lossy(text).into_owned(), sent: out.at, offset: out.offset, matters: true };
        // A host repeats a command that it believes lost.
        if matches!(self.conversation.place(message, || note), Seen::Repeat { .. }) {
            return;
        }
        match self.motion.effect(message, self.syringe_ul) {
            Ok(effect) => {
                let access = effect.approach.as_ref().and_then(|action| out.approach(action));
                let (at, offset) = (out.at, out.offset);
                let how = How { outcome: Outcome::Unknown, flags: vec![LiquidFlag::CommandsOnly], access, at, offset };
                self.carry_out(effect, &how, out);
            }
            Err(why) => {
                out.defect("unreadable-command", &format!("{}: {why}", message.module));
                self.missed(message.module, out);
            }
        }
    }

    fn answered(&mut self, pending: Pending<Note>, message: &Message<'_>, out: &mut Outlet<'_>) {
        let Body::Answer { status, data } = message.body else { return };
        let Pending { module, note, .. } = pending;
        if note.text.starts_with("RFV") && module == "M1" && status == 0 {
            out.identity(String::from_utf8_lossy(data).trim().to_owned(), "Tecan firmware");
        }
        if note.text.starts_with("REE") && self.failure.as_ref().is_some_and(|failure| failure.module == module) {
            return self.settle(data, out);
        }
        let Some(effect) = self.effect_of(module, &note) else { return };
        let (at, offset) = (out.at, out.offset);
        if status != 0 {
            if is_pipetting_arm(module.as_str()) {
                self.motion.failed(&note.text);
            }
            let failure = Failure { module, text: note.text, status, at, offset, access: out.access() };
            let waits = is_pipetting_arm(module.as_str()) && effect.tips.len() > 1;
            self.failure = Some(failure);
            if !waits {
                self.settle(&[], out);
            }
            return;
        }
        let how = How { outcome: Outcome::Confirmed, flags: Vec::new(), access: out.access(), at, offset };
        self.carry_out(effect, &how, out);
    }

    /// What a command does that was noted.
    fn effect_of(&self, module: Module, note: &Note) -> Option<Effect> {
        if !note.matters {
            return None;
        }
        let message = Message { module, letter: None, body: Body::Command { text: note.text.as_bytes() } };
        self.motion.effect(&message, self.syringe_ul).ok()
    }

    fn carry_out(&mut self, effect: Effect, how: &How, out: &mut Outlet<'_>) {
        if let Some(motion) = effect.motion {
            self.motion = motion;
        }
        for action in effect.actions {
            out.apply(&how.done(action));
        }
    }

    /// Nobody answered: the command is taken to be carried out, and its events say that this is not known.
    fn lost(&mut self, pending: Pending<Note>, out: &mut Outlet<'_>) {
        let Pending { module, letter, note } = pending;
        self.excuse(module, letter);
        let Some(effect) = self.effect_of(module, &note) else { return };
        if effect.actions.iter().any(|action| !matches!(action, Action::Reset { .. })) {
            let text = format!("no answer of {module} to {} came: whether it was carried out is not known", note.text);
            out.gap("lost-reply", text);
        }
        let how = How {
            outcome: Outcome::Unknown,
            flags: vec![LiquidFlag::ReplyLost],
            access: out.access(),
            at: note.sent,
            offset: note.offset,
        };
        self.carry_out(effect, &how, out);
    }

    /// Tells a failure. `axes` are the errors of the arm's axes, one letter each: x, y, spacing, then one Z for each tip.
    fn settle(&mut self, axes: &[u8], out: &mut Outlet<'_>) {
        const FIRST_Z: usize = 3;
        let Some(failure) = self.failure.take() else { return };
        let Failure { module, text, status, at, offset, access } = failure;
        let note = Note { text, sent: at, offset, matters: true };
        let Some(effect) = self.effect_of(module, &note) else { return };
        let how = How { outcome: Outcome::Confirmed, flags: Vec::new(), access, at, offset };
        let whole = error(module, None, status);
        let of_tip = |tip: u8| {
            let letter = axes.get(FIRST_Z + usize::from(tip) - 1)?;
            let status = letter.checked_sub(b'@')?;
            (status != 0).then(|| error(module, Some(tip), status))
        };
        let some_tell = effect.tips.iter().any(|tip| of_tip(*tip).is_some());
        let fails = |tip: u8| if some_tell { of_tip(tip) } else { Some(whole.clone()) };
        let mut told = false;
        for action in effect.actions {
            let action = match action {
                Action::Channels { verb, tip_type, mut steps } => {
                    for step in &mut steps {
                        step.errors.extend(fails(step.channel));
                    }
                    told |= steps.iter().any(|step| !step.errors.is_empty());
                    Action::Channels { verb, tip_type, steps }
                }
                Action::Grip { at, direction, .. } => {
                    told = true;
                    Action::Grip { at, direction, errors: vec![whole.clone()] }
                }
                Action::Release { at, direction, .. } => {
                    told = true;
                    Action::Release { at, direction, errors: vec![whole.clone()] }
                }
                other => other,
            };
            if !matches!(action, Action::Reset { .. }) {
                out.apply(&how.done(action));
            }
        }
        if !told && !effect.tips.is_empty() {
            // The liquid was not found, or the arm could not go there.
            let verb = effect.verb.unwrap_or(Verb::Air);
            let at = effect.approach.as_ref();
            let steps: Vec<Step> = effect.tips.iter().map(|tip| failed(at, *tip, fails(*tip))).collect();
            let steps = steps.into_iter().filter(|step| !step.errors.is_empty()).collect();
            out.apply(&how.done(Action::Channels { verb, tip_type: None, steps }));
        }
    }

    /// Gives up commands whose time is over.
    pub fn expire(&mut self, times: ReplyTimes, out: &mut Outlet<'_>) {
        let now = out.at;
        let over = |sent: Timestamp, patience: Duration| {
            now.duration_since(sent) >= SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX)
        };
        if self.failure.as_ref().is_some_and(|failure| over(failure.at, times.query)) {
            self.settle(&[], out);
        }
        let gone = self.conversation.give_up(|pending| {
            !over(pending.note.sent, if pending.note.matters { times.command } else { times.query })
        });
        for pending in gone {
            self.lost(pending, out);
        }
    }
}

/// Whether damaged bytes hold words, so that they were a block and no noise.
fn looks_like_text(bytes: &[u8]) -> bool {
    bytes.windows(5).any(|five| five.iter().all(|byte| byte.is_ascii_graphic()))
}

/// How a command went.
struct How {
    outcome: Outcome,
    flags: Vec<LiquidFlag>,
    access: Option<String>,
    at: Timestamp,
    offset: u64,
}

impl How {
    fn done(&self, action: Action) -> Done {
        Done {
            action,
            outcome: self.outcome,
            flags: self.flags.clone(),
            access: self.access.clone(),
            at: self.at,
            offset: self.offset,
        }
    }
}

/// A tip that failed where it works.
fn failed(work: Option<&Action>, tip: u8, error: Option<ModuleError>) -> Step {
    let at = match work {
        Some(Action::Channels { steps, .. }) => steps.iter().find(|step| step.channel == tip).and_then(|step| step.at),
        _ => None,
    };
    Step { channel: tip, at, piston_ul: 0.0, empties: false, errors: error.into_iter().collect() }
}

fn error(module: Module, tip: Option<u8>, status: u8) -> ModuleError {
    ModuleError {
        module: module.to_string(),
        channel: tip,
        code: status.into(),
        trace: None,
        text: errors::text(module, status),
    }
}
