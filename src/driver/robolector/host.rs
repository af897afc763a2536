//! Host mode: the daemon alone asks the robot how it is.
//!
//! One question is out at a time, and there is a pause between two. The answer to a question whose time was over is known as such and never
//! taken for the next one's. As soon as something else comes than answers to its own questions, somebody else speaks to the robot: the
//! daemon asks no more, says so, and from then on only listens. Only a newly opened line makes it ask again.

use std::collections::VecDeque;
use std::time::Duration;

use instrument_proto::codec::star::{Frame, Framing, Item, Scanner, Side, Terminator};
use instrument_proto::codec::tecan::{self, Body, Damage, Form, Message, Module, write};
use jiff::{SignedDuration, Timestamp};

use super::dialect::Dialect;
use super::outlet::Outlet;
use super::queries::{STAR, STAR_POLLED_FROM, TECAN, TECAN_POLLED_FROM};
use crate::driver::{Direction, Effects, Operation, Request, SourceName};
use crate::event::device::Faulted;
use crate::profile::RobolectorProfile;
use crate::profile::robolector::{self, TecanForm};

/// The pause between two questions of a round: a controller of the nineties has other things to do.
const PAUSE: Duration = Duration::from_millis(250);

/// Questions whose time was over, of which an answer may still come.
const MAX_LATE: usize = 8;

/// Unanswered questions in a row after which the robot counts as not answering.
const PATIENCE: u32 = 3;

/// How often a Tecan question is repeated after a damaged answer; the device does not execute it twice.
const REPEATS: u32 = 2;

/// What the daemon asks as the only host.
#[derive(Debug)]
pub(super) struct Host {
    speech: Speech,
    /// Which question comes next.
    next: usize,
    out: Option<Asked>,
    late: VecDeque<Mark>,
    unanswered: u32,
    /// Whether its firmware is known. One that was switched on later, or does not answer for a while and may be another then, is asked anew.
    identified: bool,
    /// Somebody else speaks to the robot.
    silent: bool,
    /// Without letters a late answer cannot be told from the next one's: for a time nothing is asked, and what comes is late.
    drains: bool,
    poll: Duration,
    patience: Duration,
    operation: &'static str,
}

#[derive(Debug)]
enum Speech {
    Star { scanner: Scanner, terminator: Terminator, id: u16, any: bool },
    Tecan { scanner: tecan::Scanner, form: Form, letter: u8 },
}

/// What an answer repeats of its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Star(usize, u16),
    Tecan(Module, Option<u8>),
}

#[derive(Debug)]
struct Asked {
    mark: Mark,
    bytes: Vec<u8>,
    at: Timestamp,
    repeats: u32,
    query: usize,
}

/// What was heard.
enum Heard {
    /// The answer to a question, and what it says.
    Answer(Said),
    /// It was damaged.
    Damaged(String),
    Late,
    Nothing,
    /// Nobody was asked that.
    Strange(String),
}

#[derive(Default)]
struct Said {
    firmware: Option<String>,
    initialised: Option<bool>,
    /// The answer is acknowledged.
    acknowledge: Option<Module>,
}

impl Host {
    pub fn new(profile: &RobolectorProfile) -> Self {
        let speech = match &profile.dialect {
            robolector::Dialect::Star(star) => {
                let terminator = match star.terminator {
                    robolector::Terminator::Any => Terminator::Any,
                    robolector::Terminator::Cr => Terminator::Cr,
                    robolector::Terminator::Lf => Terminator::Lf,
                    robolector::Terminator::CrLf => Terminator::CrLf,
                    robolector::Terminator::Nul => Terminator::Nul,
                    robolector::Terminator::None => Terminator::Gap,
                };
                let framing = Framing { terminator, marks: None };
                Speech::Star {
                    scanner: Scanner::new(framing, None),
                    terminator,
                    id: 0,
                    any: terminator == Terminator::Gap,
                }
            }
            robolector::Dialect::Tecan(tecan) => {
                let form = match tecan.form {
                    TecanForm::Rs232 => Form::Serial,
                    TecanForm::Nul => Form::Usb,
                };
                Speech::Tecan { scanner: tecan::Scanner::new(form), form, letter: b'G' }
            }
        };
        Self {
            speech,
            next: 0,
            out: None,
            late: VecDeque::new(),
            unanswered: 0,
            identified: false,
            silent: false,
            drains: false,
            poll: profile.replies.poll,
            patience: profile.replies.query,
            operation: "hosting",
        }
    }

    /// When to be called again, should nothing come.
    pub fn next(&self) -> Option<Duration> {
        if self.silent {
            return None;
        }
        // The first question of all is asked when the line is opened.
        Some(match (&self.out, self.next == self.polled_from() || self.next == 0) {
            _ if self.drains => self.patience,
            (Some(_), _) => self.patience,
            (None, true) => self.poll,
            (None, false) => PAUSE,
        })
    }

    fn polled_from(&self) -> usize {
        match self.speech {
            Speech::Star { .. } => STAR_POLLED_FROM,
            Speech::Tecan { .. } => TECAN_POLLED_FROM,
        }
    }

    fn questions(&self) -> usize {
        match self.speech {
            Speech::Star { .. } => STAR.len(),
            Speech::Tecan { .. } => TECAN.len(),
        }
    }

    /// Asks the next question, if it is time.
    pub fn ask(&mut self, source: &SourceName, now: Timestamp, effects: &mut Effects) {
        if self.silent {
            return;
        }
        if let Some(asked) = &self.out {
            let patience = SignedDuration::try_from(self.patience).unwrap_or(SignedDuration::MAX);
            if now.duration_since(asked.at) < patience {
                return;
            }
            if self.late.len() >= MAX_LATE {
                self.late.pop_front();
            }
            self.late.push_back(asked.mark);
            self.out = None;
            self.unanswered += 1;
            if self.unanswered == PATIENCE {
                self.identified = false;
                self.operation("not-answering", effects);
            }
            if matches!(self.speech, Speech::Tecan { form: Form::Usb, .. }) {
                self.drains = true;
                return;
            }
        }
        if std::mem::take(&mut self.drains) {
            self.late.clear();
        }
        let query = self.next;
        self.next = match query + 1 {
            next if next < self.questions() => next,
            _ if self.identified => self.polled_from(),
            _ => 0,
        };
        let Some((mark, bytes)) = self.question(query) else { return };
        effects.requests.push(Request::Send { source: source.clone(), bytes: bytes.clone() });
        self.out = Some(Asked { mark, bytes, at: now, repeats: 0, query });
    }

    fn question(&mut self, query: usize) -> Option<(Mark, Vec<u8>)> {
        match &mut self.speech {
            Speech::Star { terminator, id, .. } => {
                *id = (*id + 1) % 10_000;
                let mut bytes = STAR.get(query)?.text(*id);
                bytes.extend_from_slice(terminator.bytes());
                Some((Mark::Star(query, *id), bytes))
            }
            Speech::Tecan { form, letter, .. } => {
                *letter = write::next_letter(*letter);
                let question = TECAN.get(query)?;
                let mark = Mark::Tecan(question.module(*form)?, (*form == Form::Serial).then_some(*letter));
                Some((mark, question.bytes(*form, *letter)?))
            }
        }
    }

    fn operation(&mut self, name: &'static str, effects: &mut Effects) {
        if self.operation != name {
            self.operation = name;
            effects.operation = Some(Operation { name, ..Operation::default() });
        }
    }

    /// Takes bytes that came. Once somebody else was heard, they go to the dialect as a tap's would.
    pub fn take(&mut self, direction: Direction, bytes: &[u8], dialect: &mut Dialect, out: &mut Outlet<'_>) {
        if self.silent {
            return dialect.feed(direction, bytes, out);
        }
        for heard in self.listen(bytes) {
            match heard {
                Heard::Nothing => {}
                Heard::Late => out.defect("late-reply", "an answer after its time"),
                Heard::Damaged(text) => {
                    out.defect("unreadable-frame", &text);
                    self.repeat(out);
                }
                Heard::Answer(said) => self.answered(said, out),
                Heard::Strange(text) => {
                    self.silent = true;
                    self.out = None;
                    self.operation("silenced", out.effects);
                    out.fault(Faulted {
                        code: "another-host".to_owned(),
                        text: format!("{text}: another host speaks to the robot; the daemon asks no more and only listens"),
                        remedy: Some(
                            "let the daemon listen (`mode = \"listen\"`), or disconnect the other host and open the line again"
                                .to_owned(),
                        ),
                    });
                    return;
                }
            }
        }
    }

    /// Asks a Tecan once more: its answer was damaged.
    fn repeat(&mut self, out: &mut Outlet<'_>) {
        if !matches!(self.speech, Speech::Tecan { form: Form::Serial, .. }) {
            return;
        }
        if let Some(asked) = self.out.as_mut().filter(|asked| asked.repeats < REPEATS) {
            asked.repeats += 1;
            out.send(asked.bytes.clone());
        }
    }

    fn answered(&mut self, said: Said, out: &mut Outlet<'_>) {
        self.unanswered = 0;
        if let Some(module) = said.acknowledge {
            out.send(write::acknowledge(module));
        }
        if let Some(firmware) = said.firmware {
            self.identified = true;
            let format = match self.speech {
                Speech::Star { .. } => "Hamilton STAR firmware",
                Speech::Tecan { .. } => "Tecan firmware",
            };
            out.identity(firmware, format);
        }
        match said.initialised {
            Some(true) => self.operation("idle", out.effects),
            Some(false) => self.operation("not-initialised", out.effects),
            None if self.operation == "not-answering" => self.operation("hosting", out.effects),
            None => {}
        }
    }

    fn listen(&mut self, bytes: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        let (asked, late) = (&mut self.out, &mut self.late);
        match &mut self.speech {
            Speech::Star { scanner, any, .. } => {
                let mut each = |item: Item<'_>| {
                    heard.push(match item {
                        Item::Frame(frame) => star(&frame, asked, late),
                        Item::Damaged { bytes, why } => {
                            Heard::Damaged(format!("{why}: {}", String::from_utf8_lossy(bytes)))
                        }
                    });
                };
                scanner.feed(bytes, &mut each);
                if *any {
                    scanner.gap(&mut each);
                }
            }
            Speech::Tecan { scanner, form, .. } => {
                let form = *form;
                scanner.feed(bytes, |item| {
                    heard.push(match item {
                        tecan::Item::Message(message) => tecan(&message, form, asked, late),
                        tecan::Item::Damaged { why: Damage::Outside, .. } => Heard::Nothing,
                        tecan::Item::Damaged { bytes, why } => {
                            Heard::Damaged(format!("{why}: {}", String::from_utf8_lossy(bytes)))
                        }
                    });
                });
            }
        }
        heard
    }
}

/// Finds the question of an answer: the one that is out, or one whose time was over.
fn find(is: impl Fn(&Mark) -> bool, asked: &mut Option<Asked>, late: &mut VecDeque<Mark>) -> Option<Option<usize>> {
    if let Some(asked) = asked.take_if(|asked| is(&asked.mark)) {
        return Some(Some(asked.query));
    }
    let at = late.iter().position(is)?;
    late.remove(at);
    Some(None)
}

fn star(frame: &Frame<'_>, asked: &mut Option<Asked>, late: &mut VecDeque<Mark>) -> Heard {
    let is = |mark: &Mark| match mark {
        Mark::Star(query, id) => {
            STAR.get(*query).is_some_and(|query| frame.module == query.0 && frame.command == query.1)
                && frame.id == Some(*id)
        }
        Mark::Tecan(..) => false,
    };
    // A bare question is one that somebody asks.
    let is_reply = !frame.is_bare() && frame.side != Some(Side::Command);
    match find(is, asked, late).filter(|_| is_reply) {
        Some(Some(_)) => {
            let firmware = (frame.command == "RF").then(|| frame.value("rf")).flatten();
            let initialised = (frame.command == "QW").then(|| frame.number("qw").ok()).flatten();
            let said = Said {
                firmware: firmware.map(|version| String::from_utf8_lossy(version).trim().to_owned()),
                initialised: initialised.map(|value| value == 1),
                acknowledge: None,
            };
            Heard::Answer(said)
        }
        Some(None) => Heard::Late,
        None => Heard::Strange(format!("{}{} was not asked for", frame.module, frame.command)),
    }
}

fn tecan(message: &Message<'_>, form: Form, asked: &mut Option<Asked>, late: &mut VecDeque<Mark>) -> Heard {
    let (status, data) = match message.body {
        Body::Acknowledge => return Heard::Nothing,
        Body::Command { .. } => return Heard::Strange(format!("a command to {}", message.module)),
        Body::Answer { status, data } => (status, data),
    };
    let mark = Mark::Tecan(message.module, message.letter);
    match find(|other| *other == mark, asked, late) {
        Some(Some(query)) => {
            let text = TECAN.get(query).map_or("", |query| query.2);
            let firmware =
                (text == "RFV0" && query == 0 && status == 0).then(|| String::from_utf8_lossy(data).trim().to_owned());
            // `G` is error 7: not initialised.
            let initialised = (text == "REE0" && status == 0).then(|| !data.contains(&b'G'));
            Heard::Answer(Said { firmware, initialised, acknowledge: (form == Form::Serial).then_some(message.module) })
        }
        Some(None) => Heard::Late,
        None => Heard::Strange(format!("an answer of {} to nothing that was asked", message.module)),
    }
}
