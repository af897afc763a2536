//! The robot alone, asked by a host.

use instrument_proto::codec::star::{Fault as Said, Frame, Framing, Item, Scanner, Side as StarSide, Text};
use instrument_proto::codec::tecan::{self, Body, Conversation, Form, Message, Module, Seen, write};

use super::truth::What;
use super::voice::{Dialect, Step, Utterance};

/// How long answers take, seconds.
const QUICK: f64 = 0.02;

/// A robot that answers questions. It moves for nobody: a host that commands it is told of in the truth.
pub(super) enum Host {
    Star {
        scanner: Scanner,
        framing: Framing,
    },
    Tecan {
        scanner: tecan::Scanner,
        form: Form,
        tips: u8,
        conversation: Conversation<()>,
        last: Vec<(Module, Vec<u8>)>,
    },
}

impl Host {
    pub fn new(dialect: &Dialect, channels: u8) -> Self {
        let tecan = |form| Self::Tecan {
            scanner: tecan::Scanner::new(form),
            form,
            tips: channels,
            conversation: Conversation::default(),
            last: Vec::new(),
        };
        match dialect {
            Dialect::Star(framing) => {
                let scanner = Scanner::new(framing.clone(), Some(StarSide::Command));
                Self::Star { scanner, framing: framing.clone() }
            }
            Dialect::TecanSerial => tecan(Form::Serial),
            Dialect::TecanUsb => tecan(Form::Usb),
        }
    }

    /// What the robot says to these bytes.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Step> {
        let mut steps = Vec::new();
        match self {
            Self::Star { scanner, framing } => {
                let mut each = |item: Item<'_>| {
                    // What is no frame is heard by nobody.
                    if let Item::Frame(frame) = item {
                        steps.push(star(&frame, framing));
                    }
                };
                scanner.feed(bytes, &mut each);
                if framing.terminator.bytes().is_empty() {
                    // A packet on USB is a frame.
                    scanner.gap(each);
                }
            }
            Self::Tecan { scanner, form, tips, conversation, last } => {
                scanner.feed(bytes, |item| {
                    // A block with a wrong check byte is heard by nobody: the host says it again.
                    if let tecan::Item::Message(message) = item {
                        let seen = conversation.place(&message, || ());
                        steps.extend(tecan_answer(&message, &seen, *form, *tips, last));
                        // A question is answered at once.
                        conversation.give_up(|_| false);
                    }
                });
            }
        }
        steps
    }
}

/// A reply and nothing else: the host's own frame is on the line already.
fn spoken(said: Vec<Utterance>, truth: Vec<What>) -> Step {
    Step { said, truth, faults: Vec::new() }
}

fn star(frame: &Frame<'_>, framing: &Framing) -> Step {
    let known = match frame.command.as_str() {
        "RM" => Some(("kb", "01kp08")),
        "QM" => Some(("ka", "010400xt30xa30xw08000xr00xm0000xx00000xu0000xv0000kl0kc0kr0ys000")),
        "RF" => Some(("rf", "7.6S 35 2009-06-24 A")),
        "QW" => Some(("qw", "1")),
        "RT" => Some(("rt", "0 0 0 0 0 0 0 0")),
        "QB" => Some(("qb", "1")),
        _ => None,
    };
    let master = frame.module == "C0";
    let is_question = frame.command.as_str().starts_with(['R', 'Q', 'V']);
    let mut truth = Vec::new();
    let (code, trace) = match known {
        Some(_) => (0, 0),
        None if is_question => (1, 30),
        None => {
            truth.push(What::Commanded { frame: String::from_utf8_lossy(frame.text()).into_owned() });
            (0, 0)
        }
    };
    let own = Said { module: frame.module, code: master.then_some(code), trace };
    let mut text = Text::new(frame.module, frame.command, frame.id);
    // Modules answer a question without an error field.
    if master || known.is_none() {
        text = text.report(&own, &[]);
    }
    if let Some((name, value)) = known {
        text = text.raw(name, value);
    }
    let bytes = super::star::framed(framing, super::voice::Side::Robot, text.bytes());
    spoken(vec![Utterance::robot(bytes, QUICK)], truth)
}

fn tecan_answer(
    message: &Message<'_>,
    seen: &Seen<()>,
    form: Form,
    tips: u8,
    last: &mut Vec<(Module, Vec<u8>)>,
) -> Option<Step> {
    let Body::Command { text } = message.body else { return None };
    let letter = message.letter.unwrap_or(write::FIRST_LETTER);
    let mut truth = Vec::new();
    let known = |module: &str| message.module == module;
    let there = known("M1") || known("A1") || known("R1") || known("C5") || known("C1");
    let data: Result<String, u8> = match text {
        _ if !there => Err(5),
        [b'R', b'F', b'V', ..] => Ok("GENESIS-V1.61-07/2001".to_owned()),
        [b'R', b'E', b'E', ..] => Ok("@".repeat(usize::from(tips) + 3)),
        [b'R', b'N', b'T', ..] => Ok(tips.to_string()),
        [b'R', b'P', b'X' | b'Y' | b'Z', ..] => Ok("889".to_owned()),
        [b'R', b'S', b'S', ..] => Ok("0".to_owned()),
        [b'R', ..] => Err(2),
        _ => {
            // Said twice, it would have been done once.
            if !matches!(seen, Seen::Repeat { .. }) {
                truth.push(What::Commanded { frame: String::from_utf8_lossy(text).into_owned() });
            }
            Ok(String::new())
        }
    };
    let mut said = Vec::new();
    if form == Form::Serial {
        said.push(Utterance::robot(write::acknowledge(message.module), 0.005));
    }
    let again = last.iter().find(|(module, _)| *module == message.module).map(|(_, answer)| answer.clone());
    let answer = match (seen, again, data) {
        (Seen::Repeat { .. }, Some(answer), _) => answer,
        (_, _, Ok(data)) => write::answer(form, letter, message.module, 0, data.as_bytes()),
        (_, _, Err(5)) if form == Form::Serial => write::error_with_own_letter(letter, message.module, 5),
        (_, _, Err(status)) => write::answer(form, letter, message.module, status, b""),
    };
    last.retain(|(module, _)| *module != message.module);
    if last.len() < tecan::MAX_MODULES {
        last.push((message.module, answer.clone()));
    }
    said.push(Utterance::robot(answer, QUICK));
    Some(spoken(said, truth))
}
