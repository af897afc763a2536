//! One command or reply.

use super::code::Code;
use super::parameters::{BadValue, Channels, Parameter, Parameters};
use super::report::Report;

/// Which side said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The control software, to the robot.
    Command,
    /// The robot, to the control software.
    Reply,
}

/// What a frame turned out to be, once its pairing was looked at ([`super::Outstanding::side`]).
pub type Kind = Side;

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Bytes that no frame holds.
    #[error("bytes that are no printable text")]
    NotPrintable,
    /// It does not begin with a module and a command.
    #[error("no module and command at its beginning")]
    NoHead,
    /// The id has not its four digits.
    #[error("an id that is not four digits")]
    BadId,
    /// After the head stands something that is no parameter.
    #[error("something that is no parameter")]
    BadParameters,
    /// A barcode ends before its length says, or a quoted text has no end.
    #[error("a text that ends before its length or its closing quote")]
    CutText,
    /// Another frame begins inside: the end of this one was lost.
    #[error("its end was lost: another frame begins inside")]
    NoEnd {
        /// Where the other one begins.
        next: usize,
    },
    /// It is longer than any frame.
    #[error("longer than any frame")]
    TooLong,
}

/// One command or reply. It borrows its text; parameters are read when they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Who is spoken to, or who answers: `C0` for the master.
    pub module: Code,
    /// What: `AS` for aspirate.
    pub command: Code,
    /// The id that a reply repeats, 0 to 9999.
    pub id: Option<u16>,
    /// Who said it, where the line or a mark tells.
    pub side: Option<Side>,
    text: &'a [u8],
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads one frame without its terminator and marks.
    ///
    /// # Errors
    /// [`Damage`] says why it is none. Values are not judged here: that is for those who read them.
    pub fn read(text: &'a [u8], side: Option<Side>) -> Result<Self, Damage> {
        // Without leaving early: the compiler makes wide instructions of it.
        if text.iter().fold(false, |odd, b| odd | !matches!(b, 0x20..=0x7e)) {
            return Err(Damage::NotPrintable);
        }
        let (module, command, rest) = head(text).ok_or(Damage::NoHead)?;
        let (id, body) = match rest.strip_prefix(b"id") {
            Some(rest) => {
                let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                let (digits, body) = rest.split_at(digits);
                // A Vantage writes as many digits as it needs.
                let right =
                    if module.as_bytes().len() == 2 { digits.len() == 4 } else { (1..=4).contains(&digits.len()) };
                if !right {
                    return Err(Damage::BadId);
                }
                (Some(digits.iter().fold(0u16, |n, b| n * 10 + u16::from(b - b'0'))), body)
            }
            None => (None, rest),
        };
        check(text, body)?;
        Ok(Self { module, command, id, side, text, body })
    }

    /// The whole text, without terminator and marks.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Its parameters in their order, `er` of a reply included and the id excluded.
    pub fn parameters(&self) -> Parameters<'a> {
        Parameters::new(self.body)
    }

    /// The value of a parameter; the first, should it stand there twice.
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.parameters().find(|parameter| parameter.name == *name.as_bytes()).map(|parameter| parameter.value)
    }

    /// A whole number such as `tt01`, `xs02983` or `ry-0120`.
    ///
    /// # Errors
    /// [`BadValue`] names the parameter: it is missing or holds something else.
    pub fn number(&self, name: &'static str) -> Result<i32, BadValue> {
        self.parameter(name)?.number().ok_or_else(|| self.bad(name))
    }

    /// One number for each channel, as `xp02983 02983 00000&`: positions in 0.1 mm (`xp`, `yp`), volumes in 0.1 µl (`av`, `dv`) and so on.
    ///
    /// # Errors
    /// [`BadValue`] names the parameter: it is missing, holds something else, has numbers of different widths or more than 16.
    pub fn channels(&self, name: &'static str) -> Result<Channels, BadValue> {
        let parameter = self.parameter(name)?;
        let channels = match self.module.as_bytes().len() {
            2 => Channels::read(parameter.value),
            _ => Channels::read_of_any_width(parameter.value),
        };
        channels.ok_or_else(|| self.bad(name))
    }

    /// A length-prefixed barcode (`bb/08ABCDEFGH`); `Ok(None)` for `bb/00`: none was read.
    ///
    /// # Errors
    /// [`BadValue`] names the parameter: it is missing, or its length is none or not that of the text.
    pub fn barcode(&self, name: &'static str) -> Result<Option<&'a str>, BadValue> {
        self.parameter(name)?.barcode().ok_or_else(|| self.bad(name))
    }

    /// What a reply says of success: `Ok(None)` where it has no `er`, as answers of modules to queries.
    ///
    /// # Errors
    /// [`BadValue`] where `er` is no error field.
    pub fn report(&self) -> Result<Option<Report<'a>>, BadValue> {
        match self.parameters().next() {
            Some(first) if first.name() == "er" => {
                let slaves = self.value("es").map(unquoted);
                Report::read(self.module, first.value, slaves).map(Some).ok_or_else(|| self.bad("er"))
            }
            _ => Ok(None),
        }
    }

    /// Whether it has an error field, which only replies have.
    pub fn has_report(&self) -> bool {
        self.parameters().next().is_some_and(|first| first.name() == "er")
    }

    /// Whether nothing follows the id.
    pub fn is_bare(&self) -> bool {
        self.body.trim_ascii().is_empty()
    }

    fn parameter(&self, name: &'static str) -> Result<Parameter<'a>, BadValue> {
        self.parameters().find(|parameter| parameter.name == *name.as_bytes()).ok_or(BadValue {
            module: self.module,
            command: self.command,
            name,
            missing: true,
        })
    }

    fn bad(&self, name: &'static str) -> BadValue {
        BadValue { module: self.module, command: self.command, name, missing: false }
    }
}

/// The text between quotes.
fn unquoted(value: &[u8]) -> &[u8] {
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    value.strip_suffix(b"\"").unwrap_or(value)
}

/// Module, command and the rest: `C0AS…`, or `A1PMDA…` of a Vantage.
fn head(text: &[u8]) -> Option<(Code, Code, &[u8])> {
    let run = text.iter().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
    let width = match run {
        4 => 2,
        6 => 4,
        _ => return None,
    };
    let (head, rest) = text.split_at(run);
    let (module, command) = head.split_at(width);
    let right = match module {
        [first, _] => first.is_ascii_uppercase(),
        // A Vantage's modules all end so; anything looser would take noise before a STAR's head for one.
        [first, second, third, b'M'] => {
            first.is_ascii_uppercase() && second.is_ascii_digit() && third.is_ascii_uppercase()
        }
        _ => false,
    };
    if !right || !command.iter().all(u8::is_ascii_uppercase) {
        return None;
    }
    Some((Code::new(module)?, Code::new(command)?, rest))
}

/// Whether the parameters are some, and no other frame begins among them.
fn check(text: &[u8], body: &[u8]) -> Result<(), Damage> {
    let mut parameters = Parameters::new(body);
    for parameter in &mut parameters {
        if parameter.is_cut() {
            return Err(Damage::CutText);
        }
        if parameter.name == *b"id" && parameter.value.iter().take_while(|b| b.is_ascii_digit()).count() >= 4 {
            // Its value begins where `text` and `body` share their end.
            let at = text.len() - body.len() + parameter.offset;
            if let Some(start) = start_before(text, at) {
                return Err(Damage::NoEnd { next: start });
            }
        }
    }
    if parameters.rest().trim_ascii().is_empty() { Ok(()) } else { Err(Damage::BadParameters) }
}

/// Where the head before an `id` at `at` begins.
fn start_before(text: &[u8], at: usize) -> Option<usize> {
    [6, 4].into_iter().find_map(|width| {
        let start = at.checked_sub(width)?;
        head(text.get(start..at)?).map(|_| start)
    })
}

/// The first place after `from` where a frame with an id begins.
pub(super) fn next_start(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(found) = text.get(at..).and_then(|rest| rest.windows(2).position(|pair| pair == b"id")) {
        let id = at + found;
        if text.get(id + 2).is_some_and(u8::is_ascii_digit)
            && let Some(start) = start_before(text, id)
            && start >= from
        {
            return Some(start);
        }
        at = id + 2;
    }
    None
}
