//! What a simulated run is to be like.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::plate::{Plate, Spot};
use super::quirk::Quirk;

/// The instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    /// BioLector II or Pro: one csv with a header of sections.
    Pro,
    /// BioLector XT: a csv without header, its facts in other members, a zip at the end.
    Xt,
    /// BioLector I: a csv with a header of fixed lines.
    One,
}

impl Model {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Model::Pro => "pro",
            Model::Xt => "xt",
            Model::One => "one",
        }
    }
}

/// The names that a Pro gives its columns; the positions are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// `Temp_up`, `Temp_down`, `Temp_water`, …
    Old,
    /// `T_UC_HumSensor_analog`, `T_LC_PT100`, `T_UC_PT100`, …
    New,
}

/// A filter set: what is measured in every well in every cycle.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// The name that the user gave it.
    pub name: &'static str,
    /// What it looks at.
    pub kind: ChannelKind,
    /// The filter's number on the instrument.
    pub filter_id: u32,
    /// The gain of the detector.
    pub gain: u32,
    /// What the referencing of this filter set aims at; 0 where nothing is referenced.
    pub reference_value: f64,
    /// The amplitude that the reference spot gives.
    pub reference_amplitude: f64,
}

/// What a filter set looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// Scattered light.
    Biomass,
    /// Fluorescence of a product.
    Fluorescence,
    /// The pH optode.
    Ph,
    /// The oxygen optode.
    Oxygen,
}

impl ChannelKind {
    /// The spot under the well.
    pub fn spot(self) -> Spot {
        match self {
            ChannelKind::Biomass | ChannelKind::Fluorescence => Spot::Intensity,
            ChannelKind::Ph => Spot::Ph,
            ChannelKind::Oxygen => Spot::Oxygen,
        }
    }

    /// Whether a reference is measured for it in every cycle and its amplitude is referenced.
    pub fn is_intensity(self) -> bool {
        self.spot() == Spot::Intensity
    }
}

/// Everything that decides what a run writes. The same settings give the same bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The instrument.
    pub model: Model,
    /// The generation of column names of a Pro.
    pub columns: Columns,
    /// The seed of everything random.
    pub seed: u64,
    /// Cycles to measure, at least 1.
    pub cycles: u32,
    /// Filter sets, 1 to 6.
    pub filtersets: u32,
    /// Wells to measure, the first ones in reading order; 1 to the plate's number.
    pub wells: u32,
    /// The start of the run on the instrument's clock.
    pub start: DateTime,
    /// That clock's distance from UTC; only an XT writes it.
    pub offset: Offset,
    /// From the start of one cycle to the next, in seconds. A cycle that takes longer to measure is longer.
    pub cycle_seconds: u32,
    /// From inoculation to the stationary phase of a typical well, in hours.
    pub growth_hours: f64,
    /// A pause with an open cover after every so many cycles; `None` never.
    pub pause_every: Option<u32>,
    /// The amplitude above which the detector of a Pro is overloaded; `None`: it never is, but for the quirk.
    pub overload_above: Option<f64>,
    /// The number of the run, and the name of the protocol; file names are made of them.
    pub process: u32,
    /// The name of the protocol.
    pub protocol: String,
    /// The protocol's own identifier, which an XT writes; `None`: one that follows from seed and number.
    pub protocol_id: Option<String>,
    /// The quirks.
    pub quirks: BTreeSet<Quirk>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            model: Model::Pro,
            columns: Columns::New,
            seed: 1,
            cycles: 10,
            filtersets: 3,
            wells: 48,
            start: jiff::civil::date(2026, 3, 2).at(8, 0, 0, 0),
            offset: Offset::constant(1),
            cycle_seconds: 600,
            growth_hours: 20.0,
            pause_every: None,
            overload_above: None,
            process: 501,
            protocol: "SIM_Batch".to_owned(),
            protocol_id: None,
            quirks: BTreeSet::new(),
        }
    }
}

/// Settings that fit no instrument.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// The model's files were never seen with this quirk.
    #[error("quirk '{quirk}' does not happen on model '{model}'; it happens on {allowed}")]
    QuirkOfAnotherModel {
        /// The quirk.
        quirk: Quirk,
        /// The model.
        model: &'static str,
        /// Where it happens, in words.
        allowed: String,
    },
    /// Two quirks contradict each other.
    #[error("quirks '{0}' and '{1}' exclude each other")]
    Contradiction(Quirk, Quirk),
    /// A number is out of its range.
    #[error("{what} is {value}; allowed are {low} to {high}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// What it is.
        value: u32,
        /// The least allowed.
        low: u32,
        /// The most allowed.
        high: u32,
    },
    /// A protocol's name that cannot be part of a file name.
    #[error("the protocol name {0:?} cannot be part of a file name; use letters, digits, blanks, '_' and '-'")]
    Protocol(String),
}

impl Settings {
    /// Whether a quirk is on.
    pub fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// The plate.
    pub fn plate(&self) -> Plate {
        if self.has(Quirk::Microfluidic) { Plate::Mf32 } else { Plate::Flower48 }
    }

    /// How many wells are measured.
    pub fn well_count(&self) -> u32 {
        if self.has(Quirk::OneWell) { 1 } else { self.wells.min(self.plate().serpentine().len() as u32) }
    }

    /// Checks that the settings fit an instrument.
    ///
    /// # Errors
    /// [`SettingsError`] with the first thing that does not fit.
    pub fn check(&self) -> Result<(), SettingsError> {
        let range = |what, value, low, high| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(SettingsError::OutOfRange { what, value, low, high })
            }
        };
        range("the number of cycles", self.cycles, 1, 9_000)?;
        range("the number of filter sets", self.filtersets, 1, 6)?;
        range("the number of wells", self.wells, 1, 48)?;
        range("the cycle time in seconds", self.cycle_seconds, 30, 86_400)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || " _-".contains(c);
        if self.protocol.is_empty() || !self.protocol.chars().all(plain) {
            return Err(SettingsError::Protocol(self.protocol.clone()));
        }
        for quirk in &self.quirks {
            if !quirk.models().contains(&self.model) {
                let allowed = quirk.models().iter().map(|model| model.name()).collect::<Vec<_>>().join(", ");
                return Err(SettingsError::QuirkOfAnotherModel { quirk: *quirk, model: self.model.name(), allowed });
            }
        }
        for (one, other) in [
            (Quirk::ReplaceByLongerCopy, Quirk::HeadRewrite),
            (Quirk::ReplaceByLongerCopy, Quirk::TornWrites),
            (Quirk::HeaderRestart, Quirk::LateComments),
            (Quirk::HeaderRestart, Quirk::ShortTable),
            (Quirk::CycleJump, Quirk::HighStartCycle),
        ] {
            if self.has(one) && self.has(other) {
                return Err(SettingsError::Contradiction(one, other));
            }
        }
        // The last of several wells is what is filed late.
        if self.has(Quirk::LastWellBug) && self.well_count() == 1 {
            return Err(SettingsError::Contradiction(Quirk::LastWellBug, Quirk::OneWell));
        }
        Ok(())
    }

    /// The filter sets, in measuring order; their number counts from 1.
    pub fn channels(&self) -> Vec<Channel> {
        let (family, reference) = match self.model {
            Model::Pro => (200, [181.110_641, 203.582_016, 382.613_068]),
            Model::Xt => (500, [622.539_306_640_625, 622.539_306_640_625, 2_458.153_564_453_125]),
            Model::One => (0, [179.0, 179.0, 390.0]),
        };
        let channel = |name, kind, filter, gain, reference_value, reference_amplitude| Channel {
            name,
            kind,
            filter_id: if family == 0 { filter } else { family + filter },
            gain,
            reference_value,
            reference_amplitude,
        };
        let (ph, oxygen) = if self.model == Model::One { ("pH-hc", "pO2-hc") } else { ("pH(HP8)", "DO(PSt3)") };
        let ph = channel(ph, ChannelKind::Ph, 2, 7, 100.0, 0.0);
        let oxygen = channel(oxygen, ChannelKind::Oxygen, 3, 7, 100.0, 0.0);
        let biomass = |name, gain, amplitude| {
            channel(name, ChannelKind::Biomass, 1, gain, reference[usize::from(gain > 3)], amplitude)
        };
        let green = |name, gain, amplitude| channel(name, ChannelKind::Fluorescence, 4, gain, reference[2], amplitude);
        let wanted = self.filtersets as usize;
        let mut all = match wanted {
            1 => vec![biomass("Biomass", 3, 241.3)],
            2 => vec![biomass("Biomass", 3, 241.3), ph],
            3 => vec![biomass("Biomass", 3, 241.3), ph, oxygen],
            4 => vec![biomass("Biomass3", 3, 241.3), biomass("Biomass7", 7, 240.1), ph, oxygen],
            _ => vec![
                biomass("Biomass3", 3, 241.3),
                biomass("Biomass7", 7, 240.1),
                ph,
                oxygen,
                green("Fluorescence5", 5, 402.7),
                green("Fluorescence9", 9, 401.9),
            ],
        };
        all.truncate(wanted);
        all
    }
}
