//! What is true of a model of BioLector.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::values::Choice;
use crate::event::Well;
use crate::event::cultivation::ChannelKind;

/// What the BioLector driver needs to know of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct BiolectorProfile {
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
    /// Which of two contradicting times is trusted.
    pub time_trust: TimeTrust,
    /// How its remote interface is asked, and how much of what it says is told.
    pub live: LiveProfile,
}

/// How the remote interface of a BioLector XT is asked, and how much of what it says is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveProfile {
    /// Between two questions how far the run is.
    pub progress_every: Duration,
    /// Between two questions for current values and volumes.
    pub values_every: Duration,
    /// Between two questions which experiments there are.
    pub experiments_every: Duration,
    /// Between two requests for the file of an experiment that runs; `None`: it is never asked for.
    pub download_running_every: Option<Duration>,
    /// The largest file of an experiment, in bytes.
    pub max_download_bytes: u64,
    /// Actual values that only waver are told this often.
    pub environment_every: Duration,
    /// A temperature that moved further is told at once, in degrees Celsius.
    pub temperature_band_c: f64,
    /// The same of the shaker, in revolutions per minute.
    pub shaker_band_rpm: f64,
    /// The same of gases, in percent.
    pub gas_band_percent: f64,
}

impl Default for LiveProfile {
    fn default() -> Self {
        Self {
            progress_every: Duration::from_secs(5),
            values_every: Duration::from_secs(30),
            experiments_every: Duration::from_secs(30),
            download_running_every: Some(Duration::from_secs(15 * 60)),
            max_download_bytes: 2_000_000_000,
            environment_every: Duration::from_secs(60),
            temperature_band_c: 0.2,
            shaker_band_rpm: 10.0,
            gas_band_percent: 0.2,
        }
    }
}

impl Default for BiolectorProfile {
    /// What holds where a profile says nothing.
    fn default() -> Self {
        let unit = |text: &str| Arc::from(text);
        Self {
            plates: Vec::new(),
            filters: Vec::new(),
            units: Units {
                biomass: unit("a.u."),
                ph: unit("pH"),
                oxygen: unit("unresolved"),
                fluorescence: unit("a.u."),
                unknown: unit("unresolved"),
            },
            ranges: BTreeMap::new(),
            tolerance: Tolerance { ph: 0.02, do_percent: 0.1, amplitude: 0.02, relative: 0.002 },
            cycle_timeout_factor: 2.0,
            default_cycle_time: Duration::from_secs(15 * 60),
            time_trust: TimeTrust::Zone,
            live: LiveProfile::default(),
        }
    }
}

impl BiolectorProfile {
    /// The filter with this id.
    pub fn filter(&self, id: u32) -> Option<&Filter> {
        self.filters.iter().find(|filter| filter.id == Some(id))
    }

    /// The filter with this name.
    pub fn filter_named(&self, name: &str) -> Option<&Filter> {
        self.filters.iter().find(|filter| filter.name == name)
    }
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
