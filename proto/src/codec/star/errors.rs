//! What error and trace codes mean, in words for whoever stands in front of the robot.
//!
//! Source: public descriptions of the STAR's firmware codes; the words are ours.

use super::code::Code;
use super::report::{Fault, SLAVE_ERROR};

/// Modules whose trace codes share one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModuleClass {
    /// `C0`.
    Master,
    /// `P1` … `PG`, and `PX` for all of them.
    Channel,
    /// `R0`, the plate gripper.
    Gripper,
    /// `H0`, the 96-channel head.
    Head96,
    /// `I0`, the autoload.
    Autoload,
    /// `X0`, the drives along the deck.
    XDrives,
    /// Anything else.
    Other,
}

impl ModuleClass {
    /// The class of a module.
    pub fn of(module: Code) -> Self {
        match module.as_bytes() {
            b"C0" => Self::Master,
            b"PX" => Self::Channel,
            b"R0" => Self::Gripper,
            b"H0" => Self::Head96,
            b"I0" => Self::Autoload,
            b"X0" => Self::XDrives,
            _ if module.channel().is_some() => Self::Channel,
            _ => Self::Other,
        }
    }
}

/// What a module is called at the bench: `channel 4`, `plate gripper (iSWAP)`.
pub fn module_text(module: Code) -> String {
    if let Some(channel) = module.channel() {
        return format!("channel {channel}");
    }
    let text = match module.as_bytes() {
        b"C0" => "master",
        b"X0" => "X drives",
        b"I0" => "autoload",
        b"W1" => "wash station 1",
        b"W2" => "wash station 2",
        b"T1" => "temperature station 1",
        b"T2" => "temperature station 2",
        b"R0" => "plate gripper (iSWAP)",
        b"PX" => "channels",
        b"H0" => "96-channel head",
        b"HW" => "pump station 1",
        b"HU" => "pump station 2",
        b"HV" => "pump station 3",
        b"N0" => "nano dispenser",
        b"NP" => "nano dispenser pressure control",
        b"D0" => "384-channel head",
        _ => return format!("module {module}"),
    };
    text.to_owned()
}

/// What a master's code means; `None` for a code that is not known, and for 0.
pub fn code_text(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "the command was not understood",
        2 => "hardware error",
        3 => "the command was not completed",
        4 => "clot detected",
        5 => "barcode not readable",
        6 => "too little liquid in the well",
        7 => "a tip is already on the channel",
        8 => "no tip on the channel",
        9 => "no carrier",
        10 => "taken out of the queue before it was begun",
        11 => "liquid level by pressure failed while dispensing",
        12 => "no signal while teaching a position",
        13 => "loading tray: wrong position or occupied",
        14 => "liquid level by pressure failed in a series of aspirations",
        15 => "these parameters do not go together",
        16 => "cover or hood not closed",
        17 => "liquid was not aspirated as it should be",
        18 => "wash liquid empty or waste full",
        19 => "incubator error",
        20 | 26 => "the pressure curve left its limits (TADM)",
        21 => "nothing there to pick up",
        22 => "still holds something",
        23 => "lost what it held",
        24 => "the plate's target position is not allowed",
        25 => "somebody reached in, or the tray was moved by hand",
        27 => "position cannot be reached",
        28 => "liquid level where none was expected",
        29 => "the area is already occupied",
        30 => "the area cannot be taken",
        31 => "drop control failed: a tip may drip",
        32 => "decapper error",
        33 => "decapper: a cap was not handled",
        99 => "one or more modules report an error",
        100 => "wrong carrier",
        101 => "no barcode on the carrier",
        102 => "liquid level error",
        103 => "not detected",
        104 => "not aspirated",
        105 => "not dispensed as it should be",
        106 => "no labware",
        107 => "labware where none was expected",
        108 => "wrong labware",
        109 => "the barcode does not fit its mask",
        110 => "the barcode is not unique",
        111 => "the barcode was used before",
        112 => "the kit's lot has expired",
        113 => "delimiter error",
        _ => return None,
    })
}

/// What a trace code of a class of modules means; `None` for one that is not known, and for 0.
pub fn trace_text(class: ModuleClass, trace: u8) -> Option<&'static str> {
    let own = match class {
        ModuleClass::Master => master(trace),
        ModuleClass::Channel => channel(trace),
        ModuleClass::Gripper => gripper(trace),
        ModuleClass::Head96 => head96(trace),
        ModuleClass::Autoload => autoload(trace),
        ModuleClass::XDrives => x_drives(trace),
        ModuleClass::Other => None,
    };
    own.or_else(|| any_module(trace))
}

/// One sentence for a fault: who, what, and the figures for the manual.
pub(super) fn text(fault: &Fault) -> String {
    let module = module_text(fault.module);
    let figures = match fault.code {
        Some(code) => format!("{code:02}/{:02}", fault.trace),
        None => format!("{:02}", fault.trace),
    };
    let trace = trace_text(ModuleClass::of(fault.module), fault.trace);
    // A Vantage numbers its errors in its own way; it writes the text beside them.
    let known = fault.code.filter(|code| fault.module.as_bytes().len() == 2 || *code == SLAVE_ERROR);
    let words = match (known.and_then(code_text), trace) {
        (Some(code), Some(trace)) if code != trace => format!("{code}, {trace}"),
        (Some(text), _) | (None, Some(text)) => text.to_owned(),
        (None, None) if fault.is_ok() => "no error".to_owned(),
        (None, None) => "error that is not in the table".to_owned(),
    };
    format!("{module}: {words} ({figures})")
}

fn any_module(trace: u8) -> Option<&'static str> {
    Some(match trace {
        // What the master says of a module that it waited for in vain.
        11 => "did not answer the master in time and may still be at work",
        20 => "its memory cannot be read",
        30 => "unknown command",
        31 => "unknown parameter",
        32 => "parameter out of range",
        35 => "voltages out of range",
        36 => "stopped while at work",
        40 => "busy with another command",
        _ => return None,
    })
}

fn master(trace: u8) -> Option<&'static str> {
    Some(match trace {
        10 => "internal bus (CAN) error",
        11 => "a module did not answer in time and may still be at work",
        33 => "a parameter is missing or does not belong here",
        34 => "unknown module name",
        35 => "error in the command's id",
        37 => "module name given twice",
        38 => "settings of the XL channels are wrong",
        39 => "settings of the robotic channels are wrong",
        40 => "pipetting channels are busy",
        41 => "autoload is busy",
        42 => "other task is busy",
        43 => "incubator is busy",
        44 => "washer is busy",
        45 => "plate gripper is busy",
        46 => "96-channel head is busy",
        47 => "carrier sensor does not work properly",
        48 => "384-channel head is busy",
        49 => "nano dispenser is busy",
        50 => "XL channels are busy",
        51 => "tube gripper is busy",
        52 => "imaging channel is busy",
        53 => "robotic channel is busy",
        _ => return None,
    })
}

/// What the channels and the 96-channel head share.
fn pipetting(trace: u8) -> Option<&'static str> {
    Some(match trace {
        51 => "dispensing drive not initialised",
        52 => "dispensing drive lost steps",
        53 => "the tip is full",
        54 => "position outside of the permitted area",
        56 => "Y drive not initialised",
        57 => "Y drive lost steps",
        61 => "Z drive not initialised",
        62 => "Z drive lost steps",
        66 => "tip squeezer not initialised",
        67 => "tip squeezer lost steps",
        70 => "no liquid level found",
        71 => "not enough liquid",
        75 => "no tip picked up",
        76 => "a tip was already picked up",
        81 => "clot detected",
        82 => "pressure fell below its limit curve (TADM)",
        83 => "pressure rose above its limit curve (TADM)",
        84 => "no memory left for the pressure curve (TADM)",
        90 => "limit curve cannot be reset",
        91 => "limit curve cannot be stored",
        92 => "limit curve not found",
        93 => "limit curve holds wrong data",
        94 => "no memory left for the limit curve",
        95 => "limit curve has a wrong number",
        96 => "limit curve is already stored",
        _ => return None,
    })
}

fn channel(trace: u8) -> Option<&'static str> {
    Some(match trace {
        37 => "stopped while at work",
        50 => "dispensing drive did not find its start position",
        55 => "Y drive blocked",
        60 => "Z drive blocked",
        63 => "Z drive did not find its end stop",
        65 => "tip squeezer blocked",
        68 => "start position cannot be adjusted",
        72 => "pressure sensor cannot be calibrated",
        73 => "no liquid level found by either method",
        74 => "liquid where none is allowed",
        77 => "the tip was not dropped",
        78 => "wrong tip picked up",
        80 => "liquid was not aspirated as it should be",
        85 => "level sensor cannot be set",
        86 => "level sensor's converter failed",
        87 => "the second liquid phase was not found",
        88 => "not enough liquid for the immersion depth",
        _ => return pipetting(trace),
    })
}

fn head96(trace: u8) -> Option<&'static str> {
    Some(match trace {
        21 => "level sensor cannot be set",
        25..=28 => "its programme memory is damaged",
        37 => "adjustment sensor did not switch",
        50 => "dispensing drive could not be initialised",
        55 => "Y drive could not be initialised",
        58 => "Y drive outside of the permitted area",
        60 => "Z drive could not be initialised",
        63 => "Z drive outside of the permitted area",
        65 => "tip squeezer could not be initialised",
        68 => "tip squeezer outside of the permitted area",
        _ => return pipetting(trace),
    })
}

fn gripper(trace: u8) -> Option<&'static str> {
    Some(match trace {
        33 => "its programme does not fit its hardware",
        37 => "adjustment sensor did not switch",
        38 => "adjustment sensor cannot be searched",
        41 | 42 => "busy with another command",
        50 => "Y drive could not be initialised",
        51 => "Y drive not initialised",
        52 | 53 => "Y drive blocked or lost its position",
        60 => "Z drive could not be initialised",
        61 => "Z drive not initialised",
        62 | 63 => "Z drive blocked or lost its position",
        70 => "rotation drive could not be initialised",
        71 => "rotation drive not initialised",
        72 | 73 => "rotation drive blocked or lost its position",
        80 => "wrist drive could not be initialised",
        81 => "wrist drive not initialised",
        82 | 83 => "wrist drive blocked or lost its position",
        85 | 86 => "grip force sensor cannot be set",
        89 => "gripper blocked while gripping",
        90 => "gripper could not be initialised",
        91 => "gripper not initialised",
        92 | 93 => "gripper blocked while releasing, or lost its position",
        94 => "plate not found",
        96 => "plate not available",
        97 => "something is where nothing should be",
        _ => return None,
    })
}

fn autoload(trace: u8) -> Option<&'static str> {
    Some(match trace {
        36 => "the hood is open",
        50 => "scanner X drive did not find its start position",
        51 => "scanner X drive not initialised",
        52 => "scanner X drive lost steps",
        55 => "scanner rotation blocked",
        60 => "carrier Y drive did not find its start position",
        61 => "carrier Y drive not initialised",
        62 => "carrier Y drive lost steps",
        65 => "carrier Z drive did not find its start position",
        66 => "carrier Z drive not initialised",
        67 => "carrier Z drive lost steps",
        70 => "barcode scanner does not answer",
        75 => "loading lights do not answer",
        80 => "carrier's barcode not readable",
        81 => "no carrier there",
        82 => "no carrier loaded",
        83 => "loading tray is occupied",
        84 => "data of a free carrier are wrong",
        _ => return None,
    })
}

fn x_drives(trace: u8) -> Option<&'static str> {
    Some(match trace {
        25..=28 => "its programme memory is damaged",
        41 => "drive 2 is busy with another command",
        42 => "reserve drive is busy with another command",
        50 => "drive 1 could not be initialised",
        51 => "drive 1 not initialised",
        52 => "drive 1 blocked",
        53 => "drive 1 was displaced",
        54 | 55 => "drive 1 failed to dispense on the fly",
        70 => "drive 2 could not be initialised",
        71 => "drive 2 not initialised",
        72 => "drive 2 blocked",
        73 => "drive 2 was displaced",
        74 | 75 => "drive 2 failed to dispense on the fly",
        80 => "reserve drive could not be initialised",
        81 => "reserve drive not initialised",
        82 => "reserve drive blocked",
        _ => return None,
    })
}
