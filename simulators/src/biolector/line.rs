//! One line of a result file on its way there, with the reading that a reader should find in it.

use super::record::Optics;

/// A line, without its line end.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// When it is written, in seconds since the file was begun.
    pub at: f64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The reading in it, when it is a measurement.
    pub reading: Option<Reading>,
}

impl Line {
    /// A line of text.
    pub fn text(at: f64, text: impl Into<String>) -> Line {
        Line { at, bytes: text.into().into_bytes(), reading: None }
    }
}

/// A reading that the simulator wrote: what tests hold a reader against.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The cycle as printed.
    pub cycle: u32,
    /// The filter set as printed, from 1.
    pub filterset: u32,
    /// The well's label, also where the file prints its number.
    pub well: String,
    /// Seconds after the start of the run; a BioLector I prints them as hours.
    pub time: u32,
    /// The raw amplitude; `None` where the instrument had none.
    pub amplitude: Option<f64>,
    /// The phase in degrees; `None` where the instrument had none.
    pub phase: Option<f64>,
    /// The referenced amplitude; `None` where the filter set is not referenced or the instrument had none.
    pub referenced: Option<f64>,
    /// The calibrated value, pH or % oxygen; `None` where the filter set has none or the instrument had none.
    pub calibrated: Option<f64>,
    /// Whether a reader can rely on the row.
    pub condition: Condition,
}

/// What became of a reading on its way into the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It stands there as it was made.
    Sound,
    /// Its row is damaged: a reader may give it up, but must not report another value for it.
    Damaged,
    /// It stands there under another filter set than it was made with.
    Misfiled,
}

/// The values of a row as they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Values {
    /// Referenced amplitude.
    pub referenced: Option<f64>,
    /// Calibrated value.
    pub calibrated: Option<f64>,
}

/// Makes the list entry for a row.
pub fn reading(
    cycle: u32,
    filterset: usize,
    well: &str,
    time: u32,
    optics: &Optics,
    values: Values,
    misfiled: bool,
) -> Reading {
    let sound = optics.fault.is_none();
    Reading {
        cycle,
        filterset: filterset as u32 + 1,
        well: well.to_owned(),
        time,
        amplitude: sound.then_some(optics.amplitude),
        phase: sound.then_some(optics.phase),
        referenced: values.referenced.filter(|_| sound),
        calibrated: values.calibrated.filter(|_| sound),
        condition: if misfiled { Condition::Misfiled } else { Condition::Sound },
    }
}
