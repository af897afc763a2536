//! Every command that the daemon can send to a robot, and nothing else: questions that move nothing and change nothing.
//!
//! This list is short on purpose and reviewed as a whole. A test fails when the driver sends any other bytes.

use instrument_proto::codec::tecan::{Form, Module, write};

/// A question to a STAR: module and command, both two letters, without parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StarQuery(pub &'static str, pub &'static str);

/// Firmware version, configuration, its extended part, whether it is initialised, on which channels tips are.
pub(super) const STAR: [StarQuery; 5] =
    [StarQuery("C0", "RF"), StarQuery("C0", "RM"), StarQuery("C0", "QM"), StarQuery("C0", "QW"), StarQuery("C0", "RT")];

/// A question to a Tecan: module on RS-232, module on USB, command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TecanQuery(pub &'static str, pub &'static str, pub &'static str);

/// Firmware versions of master and arm, number of tips, and the error of each axis, which tells whether it is initialised.
pub(super) const TECAN: [TecanQuery; 4] = [
    TecanQuery("M1", "M1", "RFV0"),
    TecanQuery("A1", "C5", "RFV0"),
    TecanQuery("A1", "C5", "RNT1"),
    TecanQuery("A1", "C5", "REE0"),
];

/// The questions that are asked again and again; those before them are asked until the first of them is answered.
pub(super) const STAR_POLLED_FROM: usize = 3;
/// See [`STAR_POLLED_FROM`].
pub(super) const TECAN_POLLED_FROM: usize = 3;

impl StarQuery {
    /// Its bytes, without what ends a frame.
    pub fn text(self, id: u16) -> Vec<u8> {
        format!("{}{}id{:04}", self.0, self.1, id % 10_000).into_bytes()
    }
}

impl TecanQuery {
    /// The module that it is for.
    pub fn module(self, form: Form) -> Option<Module> {
        Module::new(if form == Form::Serial { self.0 } else { self.1 }.as_bytes())
    }

    /// Its bytes.
    pub fn bytes(self, form: Form, letter: u8) -> Option<Vec<u8>> {
        Some(write::command(form, letter, self.module(form)?, self.2.as_bytes()))
    }
}
