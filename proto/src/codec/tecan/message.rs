//! One block.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A module: `M1` master, `A1` or `C5` pipetting arm, `R1` or `C1` plate arm, `D1` … `D8` diluters, `W1` 96-channel arm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Module([u8; 2]);

impl Module {
    /// The module of this name; `None` unless it is a capital letter and a letter or digit.
    pub fn new(name: &[u8]) -> Option<Self> {
        match name {
            [first, second]
                if first.is_ascii_uppercase() && (second.is_ascii_digit() || second.is_ascii_uppercase()) =>
            {
                Some(Self([*first, *second]))
            }
            _ => None,
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its name.
    pub fn as_bytes(&self) -> &[u8; 2] {
        &self.0
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<&str> for Module {
    fn eq(&self, other: &&str) -> bool {
        self.0.as_slice() == other.as_bytes()
    }
}

impl Serialize for Module {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Module {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(text.as_bytes())
            .ok_or_else(|| serde::de::Error::custom("a module is two capitals or a capital and a digit"))
    }
}

/// One block. It borrows its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who is spoken to, or who answers.
    pub module: Module,
    /// The host's letter, `A` to `G`, where the form has one and it is no acknowledgement; an answer's is told as the host's.
    pub letter: Option<u8>,
    /// What is said.
    pub body: Body<'a>,
}

/// What a block says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// The host wants something: `PAA3829,2051,90`.
    Command {
        /// The command with its arguments.
        text: &'a [u8],
    },
    /// The device answers.
    Answer {
        /// 0 is success.
        status: u8,
        /// What follows the status.
        data: &'a [u8],
    },
    /// Either side says that it got a block.
    Acknowledge,
}

impl<'a> Body<'a> {
    /// A command's three letters and its arguments; `None` for anything else, a diluter's own strings included.
    pub fn command(&self) -> Option<(&'a str, Arguments<'a>)> {
        let Self::Command { text } = self else { return None };
        let (name, arguments) = text.split_at_checked(3)?;
        if !name.iter().all(u8::is_ascii_uppercase) {
            return None;
        }
        Some((std::str::from_utf8(name).ok()?, Arguments::new(arguments)))
    }

    /// An answer's data as numbers; empty for anything else.
    pub fn numbers(&self) -> Arguments<'a> {
        match self {
            Self::Answer { data, .. } => Arguments::new(data),
            _ => Arguments::new(b""),
        }
    }
}

/// Walks over numbers between commas: `None` for one that is left out, an error for what is no number.
#[derive(Debug, Clone)]
pub struct Arguments<'a> {
    rest: Option<&'a [u8]>,
}

/// Something between commas that is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an argument that is no number")]
pub struct NoNumber;

impl<'a> Arguments<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { rest: (!text.is_empty()).then_some(text) }
    }

    /// All of them.
    ///
    /// # Errors
    /// [`NoNumber`] where one is none.
    pub fn all(self) -> Result<Vec<Option<i32>>, NoNumber> {
        self.collect()
    }
}

impl Iterator for Arguments<'_> {
    type Item = Result<Option<i32>, NoNumber>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let (field, rest) = match rest.iter().position(|b| *b == b',') {
            Some(comma) => (rest.get(..comma).unwrap_or_default(), rest.get(comma + 1..)),
            None => (rest, None),
        };
        self.rest = rest;
        let field = field.trim_ascii();
        if field.is_empty() {
            return Some(Ok(None));
        }
        let number = std::str::from_utf8(field).ok().and_then(|text| text.parse::<i32>().ok());
        Some(number.map(Some).ok_or(NoNumber))
    }
}
