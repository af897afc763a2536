//! Device profiles: what is true of a model.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::cultivation::ChannelKind;

/// A device profile, after it was read and validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Its name, `biolector-pro` for instance.
    pub name: String,
    /// Which driver speaks to it.
    pub family: Family,
    /// Who makes it.
    pub manufacturer: String,
    /// The model.
    pub model: String,
    /// The ontology term of the instrument, as a CURIE with its label.
    pub term: Option<(String, String)>,
    /// What values a kind of channel can have at all; outside them a reading's quality is `out-of-range`.
    pub ranges: BTreeMap<ChannelKindKey, Range>,
    /// How far the instrument's own figure and the recomputed one may differ.
    pub tolerance: Tolerance,
    /// Multiples of the cycle time without a new row after which a cycle counts as over.
    pub cycle_timeout_factor: f64,
    /// The cycle time that is assumed where the source names none.
    pub default_cycle_time: Duration,
    /// Silence after which an unterminated last line counts.
    pub settle: Duration,
    /// Silence after which the device's state turns to `unknown`.
    pub silence: Duration,
    /// Which of two contradicting times is trusted.
    pub time_trust: TimeTrust,
}

/// Which driver a profile is for, and which of its source families it expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// BioLector I: csv with `FILENAME;` header, or header and one part a cycle.
    BiolectorOne,
    /// BioLector II and Pro: csv with sections.
    BiolectorPro,
    /// BioLector XT: zip, unpacked folder or bare csv.
    BiolectorXt,
}

/// A channel kind as a map key, with `amplitude` and `temperature` for raw figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelKindKey {
    /// Raw amplitudes, arbitrary units.
    Amplitude,
    /// Phases, degrees.
    Phase,
    /// Temperatures, degrees Celsius.
    Temperature,
    /// pH values.
    Ph,
    /// Dissolved oxygen, as the instrument's unit.
    Do,
}

impl From<ChannelKind> for ChannelKindKey {
    fn from(kind: ChannelKind) -> Self {
        match kind {
            ChannelKind::Ph => Self::Ph,
            ChannelKind::Do => Self::Do,
            ChannelKind::Biomass | ChannelKind::Fluorescence | ChannelKind::Unknown => Self::Amplitude,
        }
    }
}

/// A closed range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The smallest possible value.
    pub min: f64,
    /// The largest possible value.
    pub max: f64,
}

/// How far two figures of the same thing may differ before that is reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Absolute, for pH.
    pub ph: f64,
    /// Absolute, for DO in percent.
    pub do_percent: f64,
    /// Absolute, for referenced amplitudes.
    pub amplitude: f64,
    /// Relative, for all.
    pub relative: f64,
}

/// Which of two contradicting statements of time is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeTrust {
    /// The offset that the instrument wrote.
    Offset,
    /// The local time, in the device's declared zone.
    Zone,
}
