//! What Tecan's Genesis and Freedom EVO robots speak.
//!
//! Two forms of one language. On **RS-232** (Genesis, EVO; 9600 8N1) a block is `STX letter module text ETX check`, where the check byte is the
//! XOR of everything before it, STX and ETX included. The host's letters go from A to G and round again, for each module by itself; an
//! answer has the letter sixteen further on (Q to W), though errors may keep the host's own; `@` acknowledges. An answer's text begins with
//! its status, 0x40 plus the error's number. On **USB** (EVO) a block is `STX module text NUL`, without letter and check, and an answer's status has bit 7
//! set.
//!
//! - [`Scanner`] finds blocks in bytes that come in any pieces and says what was damaged;
//! - [`Message`] is one block;
//! - [`Conversation`] pairs answers with commands and knows what is said twice;
//! - [`mod@write`] makes blocks of both sides; [`TecanCodec`] is all of it for tokio-util;
//! - [`errors`] knows what an error's number means.
//!
//! Positions are tenths of a millimetre; plunger moves (`PPR`, `MTR`, `PPA`) are steps of the diluter, whose number per microlitre
//! depends on the syringe.
//!
//! Source: public byte captures and descriptions; nothing of it is published by the manufacturer.

mod conversation;
pub mod errors;
mod framed;
mod message;
mod scan;
#[cfg(test)]
mod tests;
pub mod write;

pub use conversation::{Conversation, MAX_MODULES, Pending, Seen};
pub use framed::{OwnedBody, Received, TecanCodec};
pub use message::{Arguments, Body, Message, Module, NoNumber};
pub use scan::{Damage, Form, Item, MAX_BLOCK, Scanner};
