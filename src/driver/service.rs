//! What a link to a device service says to a driver, and what a driver wants of it.

use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{DataValue, Variant};
use jiff::Timestamp;

/// What a driver wants to be told by a device service. Node ids are written with the index that the model's namespace usually
/// has (`ns=2`); the link knows which it has at a server.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The URI of the model's namespace.
    pub namespace: &'static str,
    /// The node whose events are wanted.
    pub notifier: &'static str,
    /// The fields of each type of event beyond those of BaseEventType, in the model's namespace.
    pub events: &'static [(&'static str, &'static [&'static str])],
    /// The variables whose values are wanted.
    pub values: &'static [&'static str],
}

/// What a link to a device service says. First `Opened`; `Closed` when the connection is lost, and nothing is lost with it.
#[derive(Debug, Clone, Copy)]
pub enum ServiceInput<'a> {
    /// The server can be heard from now on.
    Opened {
        /// The parts of the last committed snapshot.
        snapshot: &'a [(String, Vec<u8>)],
    },
    /// A variable of [`Wanted::values`] has a value, or none: its status says.
    Value {
        /// The node, as in [`Wanted::values`].
        node: &'static str,
        /// The value.
        value: &'a DataValue,
    },
    /// Something happened. One event can come more than once, and late.
    Event(Happened<'a>),
    /// Events may be missing here, and cannot be had any more.
    Lost {
        /// Why.
        reason: &'a str,
    },
    /// The connection was lost.
    Closed {
        /// Why.
        reason: &'a str,
    },
}

/// An event of a device service.
#[derive(Debug, Clone, Copy)]
pub struct Happened<'a> {
    /// What unites the event with itself: the server's EventId.
    pub id: &'a [u8],
    /// Its type, an entry of [`Wanted::events`].
    pub event_type: &'static str,
    /// When it happened, by the instrument's clock; absent where the server does not tell.
    pub time: Option<Timestamp>,
    /// The text for people.
    pub message: &'a str,
    /// The names of the fields, as in [`Wanted::events`].
    pub names: &'static [&'static str],
    /// Their values, beside the names.
    pub values: &'a [Variant],
}

impl<'a> Happened<'a> {
    /// The value of a field; `None` where the event has none.
    pub fn field(&self, name: &str) -> Option<&'a Value> {
        let at = self.names.iter().position(|known| *known == name)?;
        self.values.get(at)?.value.as_ref()
    }

    /// A field that is text; empty text counts as none.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        match self.field(name)? {
            Value::String(text) => Some(text.as_str()),
            Value::LocalizedText(text) => Some(text.text.as_str()),
            _ => None,
        }
        .filter(|text| !text.is_empty())
    }

    /// A field that is a finite number.
    pub fn number(&self, name: &str) -> Option<f64> {
        let at = self.names.iter().position(|known| *known == name)?;
        self.values.get(at)?.as_f64().filter(|number| number.is_finite())
    }

    /// A field that counts something.
    pub fn count(&self, name: &str) -> Option<u32> {
        match self.field(name)? {
            Value::Uint32(number) | Value::Uint16(number) | Value::Byte(number) => Some(*number),
            Value::Int32(number) | Value::Int16(number) | Value::Sbyte(number) => u32::try_from(*number).ok(),
            Value::Uint64(number) => u32::try_from(*number).ok(),
            Value::Int64(number) => u32::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A field that is a time.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        match self.field(name)? {
            Value::DateTime(time) => instrument_proto::device::to_timestamp(time),
            _ => None,
        }
    }

    /// The elements of a field that is an array.
    pub fn elements(&self, name: &str) -> Option<&'a [Variant]> {
        match self.field(name)? {
            Value::Array(array) => Some(array.elements.as_slice()),
            _ => None,
        }
    }
}
