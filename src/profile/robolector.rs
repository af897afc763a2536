//! What is true of a model of RoboLector: the robot's dialect, its line, and the labware that stands on such decks.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::values::Choice;

/// What the RoboLector driver and its link need to know of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct RobolectorProfile {
    /// The protocol, with what varies of it.
    pub dialect: Dialect,
    /// The settings of its serial line, which the configuration of a device can change.
    pub line: LineSettings,
    /// Pipetting channels (STAR) or tips (Tecan).
    pub channels: u8,
    /// How long replies may take.
    pub replies: ReplyTimes,
    /// The labware whose geometry is known, by its name.
    pub labware: BTreeMap<String, LabwareType>,
    /// The liquid classes whose correction is known, by their name.
    pub liquid_classes: BTreeMap<String, LiquidClass>,
}

/// The robot's protocol.
#[derive(Debug, Clone, PartialEq)]
pub enum Dialect {
    /// Hamilton STAR firmware.
    Star(StarDialect),
    /// Tecan Genesis and Freedom EVO.
    Tecan(TecanDialect),
}

/// How STAR firmware strings, which are packets on USB, are framed on this line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StarDialect {
    /// What ends a string.
    pub terminator: Terminator,
    /// Silence on the line after which a string counts as ended even without a terminator; zero: never.
    pub gap: Duration,
    /// What stands before a command and before a reply in a trace that marks directions.
    pub marks: Option<Marks>,
}

/// What ends a STAR firmware string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminator {
    /// Carriage return, line feed, both, or a zero byte.
    Any,
    /// Carriage return.
    Cr,
    /// Line feed.
    Lf,
    /// Carriage return and line feed.
    CrLf,
    /// A zero byte.
    Nul,
    /// Nothing: only the gap ends it.
    None,
}

impl Choice for Terminator {
    const WHAT: &'static str = "terminator";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("any", Self::Any, "carriage return, line feed, both, or a zero byte"),
        ("cr", Self::Cr, "carriage return"),
        ("lf", Self::Lf, "line feed"),
        ("crlf", Self::CrLf, "carriage return and line feed"),
        ("nul", Self::Nul, "a zero byte"),
        ("none", Self::None, "nothing; `gap` alone ends a string"),
    ];
}

/// Marks of direction before each string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Before a command.
    pub to_instrument: String,
    /// Before a reply.
    pub from_instrument: String,
}

/// How a Tecan robot's frames come, and what its plungers' steps mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TecanDialect {
    /// The framing.
    pub form: TecanForm,
    /// What 3000 steps of a plunger, its whole stroke, move, in microlitres: the size of the diluters' syringes.
    pub syringe_ul: f64,
}

/// The framing of a Tecan robot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TecanForm {
    /// STX, sequence letter, ETX, exclusive or.
    Rs232,
    /// STX to a zero byte, as the Freedom EVO speaks on USB.
    Nul,
}

impl Choice for TecanForm {
    const WHAT: &'static str = "framing";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("rs232", Self::Rs232, "Genesis and EVO on RS-232: sequence letters, acknowledges, checksums"),
        ("nul", Self::Nul, "EVO on USB: each frame ends with a zero byte, no checksum"),
    ];
}

/// How long replies may take, and how often the daemon asks as the only host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyTimes {
    /// To a query.
    pub query: Duration,
    /// To a command that moves something; the master of a STAR gives up on a slave only after five minutes.
    pub command: Duration,
    /// Between two rounds of queries in host mode.
    pub poll: Duration,
}

impl Default for ReplyTimes {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { query: seconds(10), command: seconds(330), poll: seconds(10) }
    }
}

/// The settings of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineSettings {
    /// Bits per second.
    pub baud: u32,
    /// Data bits, 5 to 8.
    pub data_bits: u8,
    /// Parity.
    pub parity: Parity,
    /// Stop bits, 1 or 2.
    pub stop_bits: u8,
    /// Flow control; never used by a tap.
    pub flow_control: FlowControl,
    /// The DTR line.
    pub dtr: Signal,
    /// The RTS line.
    pub rts: Signal,
}

impl Default for LineSettings {
    fn default() -> Self {
        Self {
            baud: 9600,
            data_bits: 8,
            parity: Parity::None,
            stop_bits: 1,
            flow_control: FlowControl::None,
            dtr: Signal::Leave,
            rts: Signal::Leave,
        }
    }
}

/// Parity of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// None.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

impl Choice for Parity {
    const WHAT: &'static str = "parity";
    const CHOICES: &'static [(&'static str, Self, &'static str)] =
        &[("none", Self::None, "no parity bit"), ("even", Self::Even, "even parity"), ("odd", Self::Odd, "odd parity")];
}

/// Flow control of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowControl {
    /// None.
    None,
    /// XON and XOFF bytes.
    Software,
    /// RTS and CTS lines.
    Hardware,
}

impl Choice for FlowControl {
    const WHAT: &'static str = "flow control";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("none", Self::None, "none"),
        ("software", Self::Software, "XON and XOFF bytes"),
        ("hardware", Self::Hardware, "the RTS and CTS lines"),
    ];
}

/// What is done with a control line when the port is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Nothing: a pulse resets some instruments.
    Leave,
    /// It is set.
    Set,
    /// It is cleared.
    Clear,
}

impl Choice for Signal {
    const WHAT: &'static str = "state of a control line";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("leave", Self::Leave, "left as it is: a pulse resets some instruments"),
        ("set", Self::Set, "set when the port is opened"),
        ("clear", Self::Clear, "cleared when the port is opened"),
    ];
}

/// The geometry of a kind of labware, seen from above with row A at the back and column 1 at the left.
#[derive(Debug, Clone, PartialEq)]
pub struct LabwareType {
    /// Rows.
    pub rows: u8,
    /// Columns.
    pub columns: u8,
    /// From the centre of a well to the next, in both directions, in millimetres.
    pub pitch_mm: f64,
    /// From the left edge to the centre of A01, in millimetres.
    pub a1_x_mm: f64,
    /// From the back edge to the centre of A01, in millimetres.
    pub a1_y_mm: f64,
    /// The footprint's extent from left to right, in millimetres.
    pub length_mm: f64,
    /// The footprint's extent from front to back, in millimetres.
    pub width_mm: f64,
    /// How far from a well's centre, along either axis, a position still means that well, in millimetres.
    pub tolerance_mm: f64,
    /// What a well holds at most, in microlitres.
    pub well_max_ul: Option<f64>,
}

/// The correction curve of a liquid class: which liquid volume a commanded piston volume moves.
#[derive(Debug, Clone, PartialEq)]
pub struct LiquidClass {
    /// Points (commanded piston volume, liquid volume), both in microlitres and strictly ascending; between two of them
    /// the curve is a straight line, outside of them it is not known.
    pub curve: Vec<(f64, f64)>,
}

impl LiquidClass {
    /// The liquid volume that a piston volume moves, in microlitres; `None` outside the curve.
    pub fn liquid_ul(&self, piston_ul: f64) -> Option<f64> {
        self.curve.iter().zip(self.curve.iter().skip(1)).find_map(|(&(p0, l0), &(p1, l1))| {
            (p0..=p1).contains(&piston_ul).then(|| l0 + (l1 - l0) * (piston_ul - p0) / (p1 - p0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_known_between_its_points_only() {
        let class = LiquidClass { curve: vec![(0.0, 0.0), (107.2, 100.0), (200.0, 190.0)] };
        assert_eq!(class.liquid_ul(107.2), Some(100.0));
        assert_eq!(class.liquid_ul(53.6), Some(50.0));
        assert_eq!(class.liquid_ul(200.0), Some(190.0));
        assert_eq!((class.liquid_ul(200.1), class.liquid_ul(-0.1), class.liquid_ul(f64::NAN)), (None, None, None));
    }
}
