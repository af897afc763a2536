//! Writes commands and replies.

use super::code::Code;
use super::report::Fault;

/// A command or reply that is being written. Values that do not fit their width are written with as many digits as they need: a robot would
/// refuse that, and so does who reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    bytes: Vec<u8>,
}

impl Text {
    /// `C0AS` with an id, where it has one. A Vantage's id is written without leading zeros.
    pub fn new(module: Code, command: Code, id: Option<u16>) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(module.as_bytes());
        bytes.extend_from_slice(command.as_bytes());
        if let Some(id) = id {
            let text = if module.as_bytes().len() == 4 { format!("id{id}") } else { format!("id{id:04}") };
            bytes.extend_from_slice(text.as_bytes());
        }
        Self { bytes }
    }

    /// A parameter whose value is written as it is given.
    #[must_use]
    pub fn raw(mut self, name: &str, value: &str) -> Self {
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        self
    }

    /// A number with leading zeros.
    #[must_use]
    pub fn number(self, name: &str, value: i32, width: usize) -> Self {
        self.raw(name, &plain(value, width))
    }

    /// A number with its sign and leading zeros: `+1530`.
    #[must_use]
    pub fn signed(self, name: &str, value: i32, width: usize) -> Self {
        self.raw(name, &signed(value, width))
    }

    /// One number for each channel; `&` after the last one if there are fewer than the machine has.
    #[must_use]
    pub fn channels(self, name: &str, values: &[i32], width: usize, machine: usize) -> Self {
        self.list(name, values.iter().map(|value| plain(*value, width)), values.len() < machine)
    }

    /// The same with signs.
    #[must_use]
    pub fn signed_channels(self, name: &str, values: &[i32], width: usize, machine: usize) -> Self {
        self.list(name, values.iter().map(|value| signed(*value, width)), values.len() < machine)
    }

    /// A barcode with its length in front; of a longer one the first 99 characters.
    #[must_use]
    pub fn barcode(self, name: &str, code: Option<&str>) -> Self {
        let code: String = code.unwrap_or_default().chars().filter(char::is_ascii_graphic).take(99).collect();
        self.raw(name, &format!("/{:02}{code}", code.len()))
    }

    /// The error field: the module's own, and what it says of others.
    #[must_use]
    pub fn report(self, own: &Fault, slaves: &[Fault]) -> Self {
        let mut value = figures(own);
        for slave in slaves {
            value.push(' ');
            value.push_str(slave.module.as_str());
            value.push_str(&figures(slave));
        }
        self.raw("er", &value)
    }

    /// The text without a terminator.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, taken out.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn list(self, name: &str, values: impl Iterator<Item = String>, open: bool) -> Self {
        let mut value = values.collect::<Vec<_>>().join(" ");
        if open {
            value.push('&');
        }
        self.raw(name, &value)
    }
}

fn plain(value: i32, width: usize) -> String {
    if value < 0 { signed(value, width) } else { format!("{value:0width$}") }
}

fn signed(value: i32, width: usize) -> String {
    format!("{}{:0width$}", if value < 0 { '-' } else { '+' }, value.unsigned_abs())
}

fn figures(fault: &Fault) -> String {
    match fault.code {
        Some(code) => format!("{code:02}/{:02}", fault.trace),
        None => format!("{:02}", fault.trace),
    }
}
