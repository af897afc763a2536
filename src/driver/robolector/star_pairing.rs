//! Which STAR reply belongs to which command, and when it is known what became of it.
//!
//! An arm does one thing after the other: what became of its commands is told in the order of their giving, however replies come.

use std::collections::VecDeque;
use std::time::Duration;

use instrument_proto::codec::star::{Frame, Item, Key, Outstanding, Side};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::action::{Action, Arm, Done};
use super::outlet::Outlet;
use super::star_actions::{action, is_busy, is_slave_time_out, judge, matters};
use crate::driver::Sees;
use crate::event::liquid::{LiquidFlag, Outcome};
use crate::profile::robolector::ReplyTimes;

/// Commands whose replies are awaited. A further one makes the oldest count as lost.
const MAX_OUTSTANDING: usize = 24;

/// Commands that were given up, remembered so that a late reply is known as one.
const MAX_LATE: usize = 16;

/// What is known of commands and replies; what a snapshot holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pairing {
    outstanding: Outstanding<Note>,
    /// Commands that move something, in the order of their giving, until it is known what became of them.
    jobs: VecDeque<Job>,
    next_job: u64,
    late: VecDeque<Key>,
    /// Whether a command was seen since the line was opened: before, replies to unseen commands are expected.
    synced: bool,
}

/// What a reply finds again of its command.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Note {
    /// It moves nothing.
    Query { sent: Timestamp },
    /// It moves something.
    Job { number: u64, sent: Timestamp },
    /// It moves something, but could not be read.
    Unreadable { sent: Timestamp, why: String },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Job {
    number: u64,
    arm: Arm,
    text: String,
    /// What `text` says; read again of it after a restart.
    #[serde(skip)]
    action: Option<Action>,
    sent: Timestamp,
    offset: u64,
    access: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
    /// Nobody will answer any more.
    #[serde(default)]
    lost: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    text: String,
    at: Timestamp,
    offset: u64,
    /// A slave did not report in time: what became of it is not known yet.
    open: bool,
    /// It was so.
    slow: bool,
    outcome: Outcome,
}

impl Default for Pairing {
    fn default() -> Self {
        Self {
            outstanding: Outstanding::new(MAX_OUTSTANDING),
            jobs: VecDeque::new(),
            next_job: 0,
            late: VecDeque::new(),
            synced: false,
        }
    }
}

/// What is true of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Pipetting channels.
    pub channels: u8,
    pub sees: Sees,
    pub times: ReplyTimes,
}

impl Job {
    fn give_up(&mut self) {
        match &mut self.answer {
            None => self.lost = true,
            Some(answer) if answer.open => {
                answer.open = false;
                answer.outcome = Outcome::Unknown;
            }
            Some(_) => {}
        }
    }

    fn is_open(&self) -> bool {
        !self.lost && self.answer.as_ref().is_none_or(|answer| answer.open)
    }
}

impl Pairing {
    /// Bytes are missing, or the line is another one: replies to unseen commands are expected.
    pub fn cut(&mut self) {
        self.synced = false;
    }

    /// The line is gone: nobody will answer any more.
    pub fn give_up(&mut self, line: Line, out: &mut Outlet<'_>) {
        for job in &mut self.jobs {
            job.give_up();
        }
        self.outstanding.give_up(|_| false);
        self.late.clear();
        self.release(line, out);
    }

    /// Whether something is awaited that moves something.
    pub fn waits(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Takes what was found on the line.
    pub fn item(&mut self, item: Item<'_>, line: Line, out: &mut Outlet<'_>) {
        let frame = match item {
            Item::Frame(frame) => frame,
            Item::Damaged { bytes, why } => {
                let text = format!("{why}: {}", String::from_utf8_lossy(bytes));
                return out.defect("unreadable-frame", &text);
            }
        };
        match line.sees {
            Sees::CommandsOnly => self.command_alone(&frame, line, out),
            Sees::RepliesOnly => self.reply_alone(&frame, out),
            Sees::Both => self.both(&frame, line, out),
        }
    }

    /// Nobody will say what became of it.
    fn command_alone(&mut self, frame: &Frame<'_>, line: Line, out: &mut Outlet<'_>) {
        if frame.has_report() {
            return;
        }
        match action(frame, line.channels) {
            Ok(Some(action)) => {
                let access = out.approach(&action);
                let flags = vec![LiquidFlag::CommandsOnly];
                out.apply(&Done { action, outcome: Outcome::Unknown, flags, access, at: out.at, offset: out.offset });
            }
            Ok(None) => {}
            Err(why) => out.defect("unreadable-command", &format!("{}{}: {why}", frame.module, frame.command)),
        }
    }

    fn reply_alone(&mut self, frame: &Frame<'_>, out: &mut Outlet<'_>) {
        firmware(frame, out);
        if frame.value("bb").is_some()
            && let Ok(Some(mut action)) = action(frame, 0)
            && judge(&mut action, frame).is_ok()
        {
            let (at, offset) = (out.at, out.offset);
            out.apply(&Done { action, outcome: Outcome::Confirmed, flags: Vec::new(), access: None, at, offset });
        }
    }

    fn both(&mut self, frame: &Frame<'_>, line: Line, out: &mut Outlet<'_>) {
        self.expire(line, out);
        match self.outstanding.side(frame) {
            Side::Command => self.command(frame, line, out),
            Side::Reply => match self.outstanding.reply(frame) {
                Some(pending) => self.reply(frame, pending.note, out),
                None => self.orphan(frame, out),
            },
        }
        self.release(line, out);
    }

    fn command(&mut self, frame: &Frame<'_>, line: Line, out: &mut Outlet<'_>) {
        self.synced = true;
        let sent = out.at;
        let note = match action(frame, line.channels) {
            Ok(None) => Note::Query { sent },
            Err(why) => {
                out.defect("unreadable-command", &format!("{}{}: {why}", frame.module, frame.command));
                Note::Unreadable { sent, why }
            }
            Ok(Some(action)) => {
                self.moved_on(action.arm());
                self.release(line, out);
                let number = self.next_job;
                self.next_job += 1;
                let access = out.approach(&action);
                // Frames are printable ASCII.
                let text = String::from_utf8_lossy(frame.text()).into_owned();
                self.jobs.push_back(Job {
                    number,
                    arm: action.arm(),
                    text,
                    action: Some(action),
                    sent,
                    offset: out.offset,
                    access,
                    answer: None,
                    lost: false,
                });
                Note::Job { number, sent }
            }
        };
        for lost in self.outstanding.command(frame, note) {
            self.lose(lost.pending.key, &lost.pending.note, out);
        }
    }

    /// An arm gets a further command after one behind an unanswered one was answered: that reply will not come any more.
    fn moved_on(&mut self, arm: Arm) {
        let answered = self.jobs.iter().rposition(|job| job.arm == arm && job.answer.is_some()).unwrap_or(0);
        for job in self.jobs.iter_mut().take(answered).filter(|job| job.arm == arm && job.answer.is_none()) {
            job.lost = true;
        }
    }

    fn lose(&mut self, key: Key, note: &Note, out: &mut Outlet<'_>) {
        match note {
            Note::Query { .. } => out.defect("lost-reply", &format!("no reply to {}{}", key.module, key.command)),
            Note::Unreadable { .. } => {}
            Note::Job { number, .. } => {
                if let Some(job) = self.jobs.iter_mut().find(|job| job.number == *number) {
                    job.give_up();
                }
            }
        }
        if self.late.len() >= MAX_LATE {
            self.late.pop_front();
        }
        self.late.push_back(key);
    }

    fn reply(&mut self, frame: &Frame<'_>, note: Note, out: &mut Outlet<'_>) {
        firmware(frame, out);
        let report = match frame.report() {
            Ok(report) => report,
            Err(bad) => {
                out.defect("unreadable-reply", &bad.to_string());
                if matches!(note, Note::Job { .. }) {
                    let text = format!("the reply to {}{} cannot be read", frame.module, frame.command);
                    out.gap("unreadable-reply", text);
                }
                return self.lose(Key::from(frame), &note, out);
            }
        };
        let is_ok = report.as_ref().is_none_or(|report| report.is_ok());
        match note {
            Note::Query { .. } if frame.command == "EV" => {
                if is_ok {
                    self.resolve(Arm::Head96, Outcome::Confirmed);
                }
            }
            Note::Query { .. } => {}
            Note::Unreadable { why, .. } => {
                if is_ok && matters(frame) {
                    let text =
                        format!("{}{} was carried out, but was not read whole: {why}", frame.module, frame.command);
                    out.gap("unreadable-command", text);
                }
            }
            Note::Job { number, .. } => {
                let slow = report.as_ref().is_some_and(is_slave_time_out);
                let busy = report.as_ref().is_some_and(is_busy);
                let Some(at) = self.jobs.iter().position(|job| job.number == number) else { return };
                let arm = self.jobs.get(at).map(|job| job.arm);
                if let Some(job) = self.jobs.get_mut(at) {
                    job.lost = false;
                    job.answer = Some(Answer {
                        text: String::from_utf8_lossy(frame.text()).into_owned(),
                        at: out.at,
                        offset: out.offset,
                        open: slow,
                        slow,
                        outcome: Outcome::Confirmed,
                    });
                    let is_reset = frame.command == "DI" || frame.command == "EI" || frame.command == "FI";
                    if is_reset && is_ok {
                        for earlier in self.jobs.iter_mut().take(at).filter(|job| Some(job.arm) == arm) {
                            earlier.give_up();
                        }
                    }
                }
                // What an arm does next says how it fared with what it was slow to report.
                if let Some(arm) = arm.filter(|_| !slow && !busy) {
                    let outcome = if is_ok { Outcome::Confirmed } else { Outcome::Unknown };
                    self.resolve_before(arm, number, outcome);
                }
            }
        }
    }

    fn resolve(&mut self, arm: Arm, outcome: Outcome) {
        self.resolve_before(arm, u64::MAX, outcome);
    }

    fn resolve_before(&mut self, arm: Arm, number: u64, outcome: Outcome) {
        for job in self.jobs.iter_mut().filter(|job| job.arm == arm && job.number < number) {
            if let Some(answer) = job.answer.as_mut().filter(|answer| answer.open) {
                answer.open = false;
                answer.outcome = outcome;
            }
        }
    }

    /// A reply to nothing that is awaited.
    fn orphan(&mut self, frame: &Frame<'_>, out: &mut Outlet<'_>) {
        firmware(frame, out);
        let key = Key::from(frame);
        if let Some(at) = self.late.iter().position(|late| *late == key) {
            self.late.remove(at);
            return out.defect("late-reply", &format!("{}{} after its time", frame.module, frame.command));
        }
        out.defect("unpaired-reply", &format!("{}{} answers nothing that was seen", frame.module, frame.command));
        if self.synced
            && matters(frame)
            && frame.report().is_ok_and(|report| report.is_none_or(|report| report.is_ok()))
        {
            let text = format!("{}{} was carried out, but its command was not seen", frame.module, frame.command);
            out.gap("unpaired-reply", text);
        }
    }

    /// Gives up commands whose time is over.
    pub fn expire(&mut self, line: Line, out: &mut Outlet<'_>) {
        let now = out.at;
        let over = |sent: Timestamp, patience: Duration| {
            now.duration_since(sent) >= SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX)
        };
        let gone = self.outstanding.give_up(|pending| match &pending.note {
            Note::Query { sent } => !over(*sent, line.times.query),
            Note::Job { sent, .. } | Note::Unreadable { sent, .. } => !over(*sent, line.times.command),
        });
        for pending in gone {
            self.lose(pending.key, &pending.note, out);
        }
        for job in &mut self.jobs {
            if let Some(answer) =
                job.answer.as_mut().filter(|answer| answer.open && over(answer.at, line.times.command))
            {
                answer.open = false;
                answer.outcome = Outcome::Unknown;
            }
        }
    }

    /// Tells what became of commands, each arm's in the order of their giving.
    pub fn release(&mut self, line: Line, out: &mut Outlet<'_>) {
        let mut waiting: Vec<Arm> = Vec::new();
        let mut at = 0;
        while let Some(job) = self.jobs.get(at) {
            if waiting.contains(&job.arm) || job.is_open() {
                if !waiting.contains(&job.arm) {
                    waiting.push(job.arm);
                }
                at += 1;
                continue;
            }
            if let Some(job) = self.jobs.remove(at) {
                tell(job, line, out);
            }
        }
    }
}

/// Hands a job whose outcome is known to the robot's model.
fn tell(job: Job, line: Line, out: &mut Outlet<'_>) {
    let Ok(frame) = Frame::read(job.text.as_bytes(), Some(Side::Command)) else { return };
    let known = job.action.or_else(|| action(&frame, line.channels).ok().flatten());
    let Some(mut action) = known else { return };
    let Some(answer) = job.answer else {
        let text =
            format!("no reply to {}{} came: whether it was carried out is not known", frame.module, frame.command);
        out.gap("lost-reply", text);
        let flags = vec![LiquidFlag::ReplyLost];
        let (access, at, offset) = (job.access, job.sent, job.offset);
        if !matches!(action, Action::Barcodes { .. }) {
            out.apply(&Done { action, outcome: Outcome::Unknown, flags, access, at, offset });
        }
        return;
    };
    let mut flags = Vec::new();
    if answer.slow {
        flags.push(LiquidFlag::SlaveTimeOut);
    } else if let Ok(reply) = Frame::read(answer.text.as_bytes(), Some(Side::Reply)) {
        // A report that cannot be read was refused when it came.
        let _ = judge(&mut action, &reply);
    }
    let (access, at, offset) = (job.access, answer.at, answer.offset);
    out.apply(&Done { action, outcome: answer.outcome, flags, access, at, offset });
}

/// The master's firmware version, wherever it is asked for.
fn firmware(frame: &Frame<'_>, out: &mut Outlet<'_>) {
    if frame.module == "C0"
        && frame.command == "RF"
        && let Some(version) = frame.value("rf")
    {
        out.identity(String::from_utf8_lossy(version).trim().to_owned(), "Hamilton STAR firmware");
    }
}
