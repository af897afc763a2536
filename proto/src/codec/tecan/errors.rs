//! What the numbers of errors mean, in words for whoever stands in front of the robot.
//!
//! Source: public descriptions of the EVO's firmware; the words are ours.

use super::message::Module;

/// What a module is called at the bench.
pub fn module_text(module: Module) -> String {
    let text = match module.as_bytes() {
        b"M1" => "master",
        b"A1" | b"C5" => "pipetting arm (LiHa)",
        b"R1" | b"C1" => "plate arm (RoMa)",
        b"W1" => "96-channel arm (MCA)",
        b"W2" => "pick-and-place arm (PnP)",
        [b'D', channel @ b'1'..=b'8'] => return format!("diluter {}", channel - b'0'),
        _ => return format!("module {module}"),
    };
    text.to_owned()
}

/// What an error of a module means; `None` for one that is not known, and for 0.
pub fn error_text(module: Module, status: u8) -> Option<&'static str> {
    let own = match module.as_bytes() {
        b"A1" | b"C5" => pipetting(status),
        b"R1" | b"C1" => plate_arm(status),
        [b'D', _] => diluter(status),
        _ => None,
    };
    own.or_else(|| any_module(status))
}

/// One sentence for an error: `pipetting arm (LiHa): no liquid detected (9)`.
pub fn text(module: Module, status: u8) -> String {
    let words = match status {
        0 => "no error",
        _ => error_text(module, status).unwrap_or("error that is not in the table"),
    };
    format!("{}: {words} ({status})", module_text(module))
}

fn any_module(status: u8) -> Option<&'static str> {
    Some(match status {
        1 => "could not be initialised",
        2 => "unknown command",
        3 => "argument out of range",
        4 => "internal bus (CAN): no acknowledgement",
        5 => "this module is not there",
        6 => "internal bus (CAN): no answer in time",
        7 => "not initialised",
        8 => "too many commands at once",
        10 => "drive moves without load",
        13 => "its programme memory cannot be read",
        15 => "a sub-module got too many commands at once",
        17 => "measurement failed",
        28 => "error of a sub-module",
        _ => return None,
    })
}

fn pipetting(status: u8) -> Option<&'static str> {
    Some(match status {
        9 => "no liquid detected",
        11 | 12 => "not enough liquid",
        18 => "clot detected",
        19 => "the clot did not come off",
        20 => "the liquid's surface was not left again",
        21 => "pressure out of limits",
        22 => "tip guard in the wrong position",
        23 => "did not move, or the move was aborted",
        24 => "liquid detection disturbed",
        25 => "tip not picked up",
        26 => "no tip on the channel",
        27 => "a tip is already on the channel",
        29 => "its programme does not fit its axes",
        30 => "wrong motor",
        31 => "an axis is only simulated",
        _ => return None,
    })
}

fn plate_arm(status: u8) -> Option<&'static str> {
    Some(match status {
        9 => "plate not gripped",
        11 => "a sub-module is not ready yet",
        14 => "hardware not defined",
        17 => "verification failed",
        21 => "barcode scanner does not answer",
        25 => "download failed",
        30 => "wrong motor",
        _ => return None,
    })
}

fn diluter(status: u8) -> Option<&'static str> {
    Some(match status {
        4 => "commands out of sequence",
        6 => "memory error",
        9 => "plunger overloaded: blocked line or tip",
        10 => "valve overloaded",
        11 => "plunger may not move in this valve position",
        _ => return None,
    })
}
