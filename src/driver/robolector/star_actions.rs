//! What STAR commands do, and what their replies say of it.

use instrument_proto::codec::star::{Channels, Fault, Frame, Report};
use instrument_proto::geometry::Position;

use super::action::{Action, Arm, HEAD_96, Step, Verb};
use crate::event::liquid::ModuleError;

/// Channels of the 96-channel head are 9 mm apart.
const HEAD_PITCH: i32 = 90;

/// The most that any channel takes in one stroke, 0.1 µl: a 5 ml tip.
const MAX_VOLUME: i32 = 50_000;

/// The action of a command; `Ok(None)` for one that moves neither liquid nor labware.
///
/// `channels` is how many pipetting channels the machine has.
///
/// # Errors
/// What contradicts the syntax of such a command: it was altered on the way.
pub(super) fn action(frame: &Frame<'_>, channels: u8) -> Result<Option<Action>, String> {
    if frame.module != "C0" {
        return Ok(None);
    }
    let action = match frame.command.as_str() {
        "TP" => pipettes(frame, Verb::PickUp, channels)?,
        "TR" => pipettes(frame, Verb::Eject, channels)?,
        "AS" => pipettes(frame, Verb::Aspirate, channels)?,
        "DS" => pipettes(frame, Verb::Dispense, channels)?,
        "EP" => head(frame, Verb::PickUp)?,
        "ER" => head(frame, Verb::Eject)?,
        "EA" => head(frame, Verb::Aspirate)?,
        "ED" => head(frame, Verb::Dispense)?,
        "DI" => Action::Reset { arm: Arm::Channels, errors: Vec::new() },
        "EI" => Action::Reset { arm: Arm::Head96, errors: Vec::new() },
        "FI" => Action::Reset { arm: Arm::Gripper, errors: Vec::new() },
        "PP" | "ZP" => {
            let (at, direction) = gripper(frame)?;
            Action::Grip { at, direction, errors: Vec::new() }
        }
        "PR" | "ZR" => {
            let (at, direction) = gripper(frame)?;
            Action::Release { at, direction, errors: Vec::new() }
        }
        "ZB" | "CL" | "CI" => {
            let reader = if frame.command == "ZB" { "gripper" } else { "autoload" };
            let place = frame.number("cp").ok().map(|rail| format!("rail {rail}"));
            Action::Barcodes { reader: reader.to_owned(), place, codes: Vec::new(), errors: Vec::new() }
        }
        _ => return Ok(None),
    };
    Ok(Some(action))
}

/// Whether such a command moves something, so that its loss matters.
pub(super) fn matters(frame: &Frame<'_>) -> bool {
    let codes = ["TP", "TR", "AS", "DS", "EP", "ER", "EA", "ED", "PP", "PR", "ZP", "ZR"];
    frame.module == "C0" && codes.iter().any(|code| frame.command == *code)
}

/// One number for each channel, of the width that the firmware writes.
fn list(frame: &Frame<'_>, name: &'static str, width: usize, count: usize) -> Result<Channels, String> {
    let numbers = frame.channels(name).map_err(|bad| bad.to_string())?;
    let text = frame.value(name).unwrap_or_default();
    let text = text.strip_suffix(b"&").unwrap_or(text).trim_ascii();
    if numbers.values().len() != count || text.len() != count * (width + 1) - 1 {
        return Err(format!("`{name}` does not hold {count} numbers of {width} digits"));
    }
    Ok(numbers)
}

fn pipettes(frame: &Frame<'_>, verb: Verb, machine: u8) -> Result<Action, String> {
    let pattern = frame.channels("tm").map_err(|bad| bad.to_string())?;
    let count = pattern.values().len();
    if pattern.values().iter().any(|value| !(0..=1).contains(value)) {
        return Err("`tm` holds something else than 0 and 1".to_owned());
    }
    let xs = list(frame, "xp", 5, count)?;
    let ys = list(frame, "yp", 4, count)?;
    let volumes = match verb {
        Verb::Aspirate => Some(list(frame, "av", 5, count)?),
        Verb::Dispense => Some(list(frame, "dv", 5, count)?),
        _ => None,
    };
    let modes = match verb {
        Verb::Dispense if frame.value("dm").is_some() => Some(list(frame, "dm", 1, count)?),
        _ => None,
    };
    let mut steps = Vec::new();
    for channel in pattern.selected() {
        if channel > machine {
            return Err(format!("channel {channel} of a machine with {machine}"));
        }
        let (Some(x), Some(y)) = (xs.get(channel), ys.get(channel)) else {
            return Err(format!("no position for channel {channel}"));
        };
        let volume = volumes.and_then(|volumes| volumes.get(channel)).unwrap_or_default();
        if !(0..=MAX_VOLUME).contains(&volume) {
            return Err(format!("channel {channel} cannot move {volume} tenths of a microlitre"));
        }
        let mode = modes.and_then(|modes| modes.get(channel));
        steps.push(Step {
            channel,
            at: Some(Position { x, y }),
            piston_ul: f64::from(volume) / 10.0,
            empties: blows_out(mode),
            errors: Vec::new(),
        });
    }
    let tip_type = match verb {
        Verb::PickUp => frame.value("tt").map(|number| String::from_utf8_lossy(number).into_owned()),
        _ => None,
    };
    Ok(Action::Channels { verb, tip_type, steps })
}

/// Modes of dispensing: 0 and 2 give a part, 1 and 3 blow the tip out, 4 empties it.
fn blows_out(mode: Option<i32>) -> bool {
    matches!(mode, Some(1 | 3 | 4))
}

/// A position with its sign apart, as gripper and head have it.
fn signed(frame: &Frame<'_>, name: &'static str, sign: &'static str) -> Result<i32, String> {
    let value = frame.number(name).map_err(|bad| bad.to_string())?;
    match frame.value(sign) {
        None | Some(b"0") => Ok(value),
        Some(b"1") => Ok(-value),
        Some(_) => Err(format!("`{sign}` is neither 0 nor 1")),
    }
}

fn gripper(frame: &Frame<'_>) -> Result<(Position, Option<u8>), String> {
    let at = Position { x: signed(frame, "xs", "xd")?, y: signed(frame, "yj", "yd")? };
    let direction = match frame.value("gr") {
        None => None,
        Some([digit @ b'1'..=b'4']) => Some(digit - b'1'),
        Some(_) => return Err("`gr` is no direction".to_owned()),
    };
    Ok((at, direction))
}

fn head(frame: &Frame<'_>, verb: Verb) -> Result<Action, String> {
    let corner = Position { x: signed(frame, "xs", "xd")?, y: signed(frame, "yh", "yd")? };
    let volume = match verb {
        Verb::Aspirate => frame.number("af").map_err(|bad| bad.to_string())?,
        Verb::Dispense => frame.number("df").map_err(|bad| bad.to_string())?,
        _ => 0,
    };
    if !(0..=MAX_VOLUME).contains(&volume) {
        return Err(format!("the head cannot move {volume} tenths of a microlitre"));
    }
    let pattern = match frame.parameters().find(|parameter| parameter.name() == "cw") {
        Some(pattern) if pattern.value.len() == 24 => pattern.hex().ok_or("`cw` is no pattern of 96 channels")?,
        Some(_) => return Err("`cw` is no pattern of 96 channels".to_owned()),
        None => u128::MAX,
    };
    let mode = if verb == Verb::Dispense { frame.number("da").ok() } else { None };
    let steps = (0u8..96)
        .filter(|number| pattern >> number & 1 == 1)
        .map(|number| {
            let (column, row) = (i32::from(number / 8), i32::from(number % 8));
            Step {
                channel: HEAD_96 + number,
                at: Some(Position { x: corner.x + HEAD_PITCH * column, y: corner.y - HEAD_PITCH * row }),
                piston_ul: f64::from(volume) / 10.0,
                empties: blows_out(mode),
                errors: Vec::new(),
            }
        })
        .collect();
    let tip_type = match verb {
        Verb::PickUp => frame.value("tt").map(|number| String::from_utf8_lossy(number).into_owned()),
        _ => None,
    };
    Ok(Action::Channels { verb, tip_type, steps })
}

/// What a reply says of an action's parts.
pub(super) fn judge(action: &mut Action, reply: &Frame<'_>) -> Result<(), String> {
    let report = reply.report().map_err(|bad| bad.to_string())?;
    let faults: Vec<Fault> = report.as_ref().map(|report| report.faults().collect()).unwrap_or_default();
    match action {
        Action::Channels { steps, .. } => {
            for fault in &faults {
                let error = module_error(fault);
                let channel = fault.module.channel();
                for step in steps.iter_mut().filter(|step| channel.is_none_or(|channel| channel == step.channel)) {
                    step.errors.push(error.clone());
                }
            }
        }
        Action::Barcodes { codes, errors, .. } => {
            *codes = barcodes(reply);
            *errors = faults.iter().map(module_error).collect();
            if codes.is_empty() && !errors.is_empty() {
                codes.push(None);
            }
        }
        Action::Reset { errors, .. } | Action::Grip { errors, .. } | Action::Release { errors, .. } => {
            *errors = faults.iter().map(module_error).collect();
        }
    }
    Ok(())
}

/// The same in the events' words.
pub(super) fn module_error(fault: &Fault) -> ModuleError {
    let (code, trace) = match fault.code {
        Some(code) => (code.into(), Some(fault.trace.into())),
        None => (fault.trace.into(), None),
    };
    ModuleError { module: fault.module.to_string(), channel: fault.module.channel(), code, trace, text: fault.text() }
}

/// The barcodes of a reply: each with its length of two digits, `/00` where none was read.
fn barcodes(reply: &Frame<'_>) -> Vec<Option<String>> {
    let text = reply.text();
    let Some(at) = text.windows(3).position(|window| window == b"bb/") else { return Vec::new() };
    let mut rest = text.get(at + 2..).unwrap_or_default();
    let mut codes = Vec::new();
    while let [b'/', tens @ b'0'..=b'9', ones @ b'0'..=b'9', after @ ..] = rest {
        let length = usize::from(tens - b'0') * 10 + usize::from(ones - b'0');
        let Some((code, left)) = after.split_at_checked(length) else { break };
        codes.push((length > 0).then(|| String::from_utf8_lossy(code).into_owned()));
        rest = left;
    }
    codes
}

/// Whether a reply says that a part did not report in time and may still be at work.
pub(super) fn is_slave_time_out(report: &Report<'_>) -> bool {
    const TRACE: u8 = 11;
    const HARDWARE: u8 = 2;
    report.faults().any(|fault| fault.trace == TRACE && (fault.code == Some(HARDWARE) || fault.module == "C0"))
}

/// Whether a reply says that an arm is busy: it still does what it was told before.
pub(super) fn is_busy(report: &Report<'_>) -> bool {
    report.faults().any(|fault| fault.trace == 40 || (fault.module == "C0" && matches!(fault.trace, 40..=53)))
}
