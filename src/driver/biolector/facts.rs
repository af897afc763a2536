//! What is known of a run before its first row, from header or members. Changes rarely, so it is a snapshot part of its own.

use std::collections::BTreeMap;

use instrument_proto::codec::biolector::calibration::{DoCalibration, Linear, PhCalibration};
use instrument_proto::codec::biolector::columns::Layout;
use instrument_proto::codec::biolector::detect::Format;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::Well;
use crate::event::cultivation::{ChannelKind, RunFlag, RunSettings};

/// A well as a small number: 48 columns to a row, as on the largest plate.
pub(super) type WellCode = u16;

pub(super) fn code(well: Well) -> WellCode {
    u16::from(well.row()) * 48 + u16::from(well.column())
}

pub(super) fn well(code: WellCode) -> Option<Well> {
    Well::new(u8::try_from(code / 48).ok()?, u8::try_from(code % 48).ok()?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Family {
    One,
    Pro,
    Xt,
}

impl From<Format> for Family {
    fn from(format: Format) -> Self {
        match format {
            Format::One => Self::One,
            Format::Pro => Self::Pro,
            Format::Xt => Self::Xt,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub family: Family,
    /// What identifies the run at the instrument.
    pub run_id: String,
    pub name: String,
    pub flags: Vec<RunFlag>,
    pub started_at: Option<Timestamp>,
    pub instrument_time: Option<String>,
    /// The end as written, where it is known: members (XT) or header (I).
    pub end: Option<String>,
    /// The last cycle, where the header said already when it was first read that the run is over (BioLector I).
    pub last_cycle: Option<u32>,
    pub serial: Option<String>,
    pub software: Option<String>,
    pub format: String,
    pub operator: Option<String>,
    pub comment: Option<String>,
    pub plate_type: String,
    pub rows: u32,
    pub columns: u32,
    pub lot: Option<String>,
    pub settings: RunSettings,
    pub channels: Vec<ChannelFacts>,
    /// Wells by the numbers that the table uses (Pro).
    pub numbers: BTreeMap<u32, WellCode>,
    /// Expected wells by filter set, in measuring order; empty where the source does not tell.
    pub expected: BTreeMap<u32, Vec<WellCode>>,
    /// Distinct calibrations; a plate's wells mostly share one.
    pub calibrations: Vec<CalibrationFacts>,
    /// The table's header line (Pro, XT).
    pub header_line: String,
    /// Columns of the table (I).
    pub width: usize,
    /// Where the data section begins in the table.
    pub data_start: u64,
    /// The header's bytes (I), to tell a benign rewrite from another file.
    pub head: Vec<u8>,
    /// Digests of the members that the facts were taken from (XT).
    pub members: [u64; 2],
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ChannelFacts {
    pub filterset: u32,
    pub name: String,
    pub kind: ChannelKind,
    pub gain: Option<f64>,
    pub reference_value: Option<f64>,
    pub lot: Option<String>,
    pub mode: String,
    /// Index into the run's calibrations, by well.
    pub wells: Vec<(WellCode, u16)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct CalibrationFacts {
    pub kind: CalibrationKind,
    /// Slope and offset of each parameter: pH fmin, fmax, pH0, dpH; DO k0, k100; unknown formulas as they come.
    pub parameters: Vec<(f64, f64)>,
    pub range: Option<(f64, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CalibrationKind {
    Ph,
    Do,
    /// Parameters of a formula that is not published (DO on the XT).
    Unpublished,
}

impl CalibrationFacts {
    pub fn ph(&self) -> Option<PhCalibration> {
        match (self.kind, self.parameters.as_slice()) {
            (CalibrationKind::Ph, [phase_min, phase_max, ph0, dph]) => Some(PhCalibration {
                phase_min: linear(*phase_min),
                phase_max: linear(*phase_max),
                ph0: linear(*ph0),
                dph: linear(*dph),
            }),
            _ => None,
        }
    }

    pub fn oxygen(&self) -> Option<DoCalibration> {
        match (self.kind, self.parameters.as_slice()) {
            (CalibrationKind::Do, [k0, k100]) => Some(DoCalibration { phase_0: linear(*k0), phase_100: linear(*k100) }),
            _ => None,
        }
    }

    /// Names of the parameters, as the Pro's header has them.
    pub fn names(&self) -> &'static [&'static str] {
        match self.kind {
            CalibrationKind::Ph => &["fmin", "fmax", "ph0", "dph"],
            CalibrationKind::Do => &["k0", "k100"],
            CalibrationKind::Unpublished => &["parameter_0", "parameter_1", "parameter_2", "parameter_3"],
        }
    }
}

fn linear((slope, offset): (f64, f64)) -> Linear {
    Linear { slope, offset }
}

impl Facts {
    pub fn layout(&self) -> Option<Layout> {
        Layout::read(self.header_line.as_bytes())
    }

    pub fn cycle_time_s(&self) -> Option<f64> {
        self.settings.cycle_time_s.filter(|t| *t > 0.0)
    }
}
