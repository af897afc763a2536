//! The firmware language of the Hamilton STAR (and, where it differs little, of the Vantage).
//!
//! A frame is text: a module, a command, an id, then parameters of two small letters each: `C0ASid0001at0 0&tm1 0&xp02983 00000&…`. A reply
//! repeats module, command and id; `er` says how it went: `er00/00`, or `er99/00 P100/00 P402/98`. There is no checksum, and on the robot's own
//! line, USB, no terminator: a packet is a frame.
//!
//! - [`Scanner`] finds frames in bytes that come in any pieces, with a terminator or with gaps, with marks of direction or without;
//! - [`Frame`] reads one frame, its parameters only when they are asked for;
//! - [`Outstanding`] pairs replies with commands;
//! - [`errors`] knows what the figures of an error mean;
//! - [`Text`] writes commands and replies; [`StarCodec`] is all of it for tokio-util.
//!
//! Units on the wire: positions in 0.1 mm (x five digits, y and z four), volumes in 0.1 µl (five digits), flow rates in 0.1 µl/s (four). The
//! 96-channel head's own commands (`H0`) count increments of its drives instead.
//!
//! Source: public descriptions and command strings of open-source control software; nothing of it is published by the manufacturer.

mod code;
pub mod errors;
mod frame;
mod framed;
mod pairing;
mod parameters;
mod report;
mod scan;
#[cfg(test)]
mod tests;
mod write;

pub use code::Code;
pub use frame::{Damage, Frame, Kind, Side};
pub use framed::{Packet, Received, StarCodec};
pub use pairing::{Key, LAST_ID, Lost, Outstanding, Paired, Pending, Why};
pub use parameters::{BadValue, Channels, MAX_CHANNELS, Parameter, Parameters};
pub use report::{Fault, Report, SLAVE_ERROR, Slaves};
pub use scan::{Framing, Item, MAX_FRAME, Marks, Scanner, Terminator};
pub use write::Text;
