//! Makes blocks, of the host's and of the device's side.

use super::message::Module;
use super::scan::{ACKNOWLEDGE, ANSWERED, ETX, Form, STATUS, STATUS_USB, STX};

/// The letter of a host's first command to a module.
pub const FIRST_LETTER: u8 = b'A';

/// The letter after this one: `A` to `G` and round again.
pub fn next_letter(letter: u8) -> u8 {
    if (b'A'..b'G').contains(&letter) { letter + 1 } else { FIRST_LETTER }
}

/// A host's command. The letter is for RS-232 and left out on USB.
pub fn command(form: Form, letter: u8, module: Module, text: &[u8]) -> Vec<u8> {
    block(form, letter, module, &[text])
}

/// A device's answer to the command that had this letter; `status` is 0 for success, else the error's number (up to 62).
pub fn answer(form: Form, letter: u8, module: Module, status: u8, data: &[u8]) -> Vec<u8> {
    let base = match form {
        Form::Serial => STATUS,
        Form::Usb => STATUS_USB,
    };
    block(form, letter.wrapping_add(ANSWERED), module, &[&[base | (status & 0x3f)], data])
}

/// An error that keeps the host's letter, as a Genesis answers for a module that it has not. RS-232 only.
pub fn error_with_own_letter(letter: u8, module: Module, status: u8) -> Vec<u8> {
    block(Form::Serial, letter, module, &[&[STATUS | (status & 0x3f)]])
}

/// The acknowledgement of either side. RS-232 only.
pub fn acknowledge(module: Module) -> Vec<u8> {
    block(Form::Serial, ACKNOWLEDGE, module, &[])
}

/// Arguments between commas; those that are left out leave nothing.
pub fn arguments(name: &str, values: &[Option<i32>]) -> Vec<u8> {
    let values: Vec<String> =
        values.iter().map(|value| value.map(|value| value.to_string()).unwrap_or_default()).collect();
    format!("{name}{}", values.join(",")).into_bytes()
}

fn block(form: Form, letter: u8, module: Module, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![STX];
    if form == Form::Serial {
        bytes.push(letter);
    }
    bytes.extend_from_slice(module.as_bytes());
    for part in parts {
        bytes.extend_from_slice(part);
    }
    match form {
        Form::Serial => {
            bytes.push(ETX);
            bytes.push(bytes.iter().fold(0, |check, byte| check ^ byte));
        }
        Form::Usb => bytes.push(0),
    }
    bytes
}
