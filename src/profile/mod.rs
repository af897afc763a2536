//! Device profiles: what is true of a model.
//!
//! Shipped profiles are inside the binary; a folder named in the configuration adds to them and replaces them by name.

pub mod file;
mod resolve;
mod shipped;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::values::Choice;
use crate::event::Well;
use crate::event::cultivation::ChannelKind;

pub use resolve::{overridden, parse};
pub use shipped::{Profiles, load, names, shipped, text};

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
    /// The plates that it takes.
    pub plates: Vec<Plate>,
    /// The optical filters whose kind is known.
    pub filters: Vec<Filter>,
    /// The unit of each kind's calibrated or referenced value.
    pub units: Units,
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

impl Profile {
    /// The filter with this id.
    pub fn filter(&self, id: u32) -> Option<&Filter> {
        self.filters.iter().find(|filter| filter.id == Some(id))
    }

    /// The filter with this name.
    pub fn filter_named(&self, name: &str) -> Option<&Filter> {
        self.filters.iter().find(|filter| filter.name == name)
    }
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

impl Choice for Family {
    const WHAT: &'static str = "family of instruments";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("biolector-1", Self::BiolectorOne, "BioLector I: csv with `FILENAME;` header, or header and one part a cycle"),
        ("biolector-pro", Self::BiolectorPro, "BioLector II and Pro: csv with sections"),
        ("biolector-xt", Self::BiolectorXt, "BioLector XT: zip, unpacked folder or bare csv"),
    ];
}

/// A plate that an instrument takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plate {
    /// The name by which the instrument's files call it.
    pub name: String,
    /// The number by which the instrument's files call it, where they do.
    pub id: Option<u32>,
    /// Rows.
    pub rows: u8,
    /// Columns.
    pub columns: u8,
    /// The first and last well in which cells are grown and measured.
    pub cultivation: (Well, Well),
    /// The first and last well that serve as reservoirs, on microfluidic plates.
    pub reservoirs: Option<(Well, Well)>,
    /// What a cultivation well holds at most, in microlitres.
    pub well_max_ul: Option<f64>,
}

/// An optical filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The instrument's filter id; `None` where its files know filters by name only.
    pub id: Option<u32>,
    /// What is measured through it.
    pub kind: ChannelKind,
    /// The vendor's name for it.
    pub name: String,
    /// Excitation, in nanometres.
    pub excitation_nm: Option<f64>,
    /// Emission, in nanometres.
    pub emission_nm: Option<f64>,
}

/// The units of calibrated or referenced values: `pH`, `%` (air saturation), `a.u.`, or `unresolved`.
#[derive(Debug, Clone, PartialEq)]
pub struct Units {
    /// Of referenced backscatter.
    pub biomass: Arc<str>,
    /// Of pH.
    pub ph: Arc<str>,
    /// Of dissolved oxygen.
    pub oxygen: Arc<str>,
    /// Of fluorescence.
    pub fluorescence: Arc<str>,
    /// Of channels of which nothing tells what they measure.
    pub unknown: Arc<str>,
}

impl Units {
    /// The unit of a channel's values.
    pub fn of(&self, kind: ChannelKind) -> &Arc<str> {
        match kind {
            ChannelKind::Biomass => &self.biomass,
            ChannelKind::Ph => &self.ph,
            ChannelKind::Do => &self.oxygen,
            ChannelKind::Fluorescence => &self.fluorescence,
            ChannelKind::Unknown => &self.unknown,
        }
    }
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

impl Choice for ChannelKind {
    const WHAT: &'static str = "kind of channel";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("biomass", Self::Biomass, "backscatter, in arbitrary units at a gain"),
        ("ph", Self::Ph, "pH by an optode"),
        ("do", Self::Do, "dissolved oxygen by an optode"),
        ("fluorescence", Self::Fluorescence, "fluorescence, in arbitrary units at a gain"),
    ];
}

/// A closed range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The smallest possible value.
    pub min: f64,
    /// The largest possible value.
    pub max: f64,
}

impl Range {
    /// Whether `value` lies in it.
    pub fn contains(&self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }
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

impl Choice for TimeTrust {
    const WHAT: &'static str = "statement of time to trust";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        ("offset", Self::Offset, "the UTC offset that the instrument wrote"),
        ("zone", Self::Zone, "the local time, in the device's declared time zone"),
    ];
}
