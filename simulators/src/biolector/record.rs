//! What happens in a run, before it takes the form of one instrument's file.

/// One thing that the instrument records.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// When the instrument writes it, in seconds since the run began to be written.
    pub at: f64,
    /// The time that it prints, in seconds since the start of the run. Rows that are written late print an earlier time.
    pub time: u32,
    /// The cycle that it prints.
    pub cycle: u32,
    /// What it is about.
    pub what: What,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// One well seen through one filter set.
    Measurement {
        /// Index of the filter set, from 0.
        channel: usize,
        /// Index of the filter set under which the row is filed; another than `channel` only where the instrument errs.
        filed: usize,
        /// Index of the well in reading order, from 0.
        well: usize,
        /// What was seen.
        optics: Optics,
        /// The chamber meanwhile.
        chamber: Chamber,
    },
    /// The reference spot seen through one filter set.
    Reference {
        /// Index of the filter set, from 0.
        channel: usize,
        /// Amplitude as printed; `None` where the instrument has none.
        amplitude: Option<f64>,
        /// The detector's own reference at that moment.
        detector: f64,
        /// The chamber meanwhile.
        chamber: Chamber,
    },
    /// The internal reference of a filter (XT).
    Internal {
        /// Index of the filter set, from 0.
        channel: usize,
        /// Its value.
        detector: f64,
    },
    /// The chamber on its own, every half minute.
    Periodic {
        /// The chamber.
        chamber: Chamber,
    },
    /// Something that was done or said.
    Comment {
        /// Who says it.
        voice: Voice,
        /// The words.
        text: String,
    },
    /// The fluid account of a well.
    Fluid {
        /// Index of the well in reading order, from 0.
        well: usize,
        /// Where the fluid came from.
        source: Source,
        /// What came from there so far, in µL.
        pumped: f64,
        /// What is in the well, in µL.
        total: f64,
    },
}

/// Who comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// The instrument's operation.
    System,
    /// The user or a script of the user.
    User,
    /// The service software.
    Service,
}

/// Where fluid comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The filling at the start, a pipette, a robot.
    External,
    /// The first or second row of reservoirs, 0 or 1; the reservoir is the one of the well's column.
    Reservoir(u8),
}

/// What the detector saw, as it will be printed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optics {
    /// Amplitude; meaningless when there is a fault.
    pub amplitude: f64,
    /// Phase in degrees; meaningless when there is a fault.
    pub phase: f64,
    /// The reference amplitude of the same cycle and filter set, where there is one.
    pub reference: Option<f64>,
    /// The detector's own reference at that moment.
    pub detector: f64,
    /// Why there is no value.
    pub fault: Option<Fault>,
}

/// Why a reading has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The reference or the detector was overloaded: `REFOVERLD` on a Pro.
    Overload,
    /// The detector saturated: `SENS1` and `nan` on an XT.
    Saturated,
}

/// The chamber, as it will be printed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chamber {
    /// The temperature by which values are calibrated, °C.
    pub calibrating: f64,
    /// The lower chamber's temperature, °C.
    pub lower: f64,
    /// The humidifier's water temperature, °C.
    pub water: f64,
    /// Oxygen, %.
    pub oxygen: f64,
    /// Relative humidity, %.
    pub humidity: f64,
    /// The shaker's speed, rpm.
    pub shaker: u32,
    /// How hard the heater works, %.
    pub heater: f64,
}
