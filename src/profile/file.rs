//! The tables of a profile file, as they are written; the comments here are the descriptions in its JSON Schema.

use super::{Family, TimeTrust};
use crate::config::quantities::Lasting;
use crate::config::reader::At;
use crate::config::tables::tables;
use crate::config::values::{Number, OneOf, Positive, Text, Whole};
use crate::event::cultivation::ChannelKind;

/// Milliseconds in an hour and a day.
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

tables! {
    /// A device profile: what is true of a model. Its name is the file's name without `.toml`.
    pub struct ProfileTable, unknown keys Refused {
        /// Which driver speaks to it.
        must family: OneOf<Family>;
        /// Who makes it.
        must manufacturer: Text<100>;
        /// The model.
        must model: Text<100>;
        /// The ontology term of the instrument; left out where no ontology has one.
        may term: TermTable;
        /// The plates that it takes.
        may plates: Vec<At<PlateTable>>;
        /// The optical filters whose kind is known.
        may filters: Vec<At<FilterTable>>;
        /// The unit of each kind's calibrated or referenced value.
        may units: UnitsTable;
        /// What values there can be at all; outside them a reading's quality is `out-of-range`.
        may ranges: RangesTable;
        /// How far the instrument's own figure and the recomputed one may differ before the reading is flagged.
        may tolerance: ToleranceTable;
        /// Time-outs and clocks.
        may times: TimesTable;
    }

    /// Values of a profile that are different for one device.
    pub struct OverridesTable, unknown keys Refused {
        /// What values there can be at all.
        may ranges: RangesTable;
        /// How far the instrument's own figure and the recomputed one may differ.
        may tolerance: ToleranceTable;
        /// Time-outs and clocks.
        may times: TimesTable;
    }

    /// An ontology term.
    pub struct TermTable, unknown keys Refused {
        /// Its CURIE, `OBI:0001046` for instance.
        must id: Text<64>;
        /// Its label.
        must label: Text<100>;
    }

    /// A plate that the instrument takes.
    pub struct PlateTable, unknown keys Refused {
        /// The name by which the instrument's files call it.
        must name: Text<100>;
        /// The number by which the instrument's files call it, where they do.
        may id: Whole<0, 1_000_000>;
        /// Rows.
        must rows: Whole<1, 32>;
        /// Columns.
        must columns: Whole<1, 48>;
        /// The wells in which cells are grown and measured, from the upper left to the lower right one: `A01-F08`.
        must cultivation: Text<16>;
        /// The wells that serve as reservoirs, on microfluidic plates.
        may reservoirs: Text<16>;
        /// What a cultivation well holds at most, in microlitres.
        may well_max_ul: Positive;
    }

    /// An optical filter.
    pub struct FilterTable, unknown keys Refused {
        /// The instrument's filter id; left out where its files know filters by name only.
        may id: Whole<0, 1_000_000>;
        /// What is measured through it.
        must kind: OneOf<ChannelKind>;
        /// The vendor's name for it.
        must name: Text<100>;
        /// Excitation, in nanometres.
        may excitation_nm: Positive;
        /// Emission, in nanometres.
        may emission_nm: Positive;
    }

    /// Units of values.
    pub struct UnitsTable, unknown keys Refused {
        /// Of referenced backscatter.
        may biomass: Text<20> = "a.u.";
        /// Of pH.
        may ph: Text<20> = "pH";
        /// Of dissolved oxygen: `%` is air saturation; `unresolved` where nobody knows.
        may r#do: Text<20> = "unresolved";
        /// Of fluorescence.
        may fluorescence: Text<20> = "a.u.";
    }

    /// Possible values.
    pub struct RangesTable, unknown keys Refused {
        /// Raw amplitudes, arbitrary units.
        may amplitude: RangeTable;
        /// Phases, degrees.
        may phase: RangeTable;
        /// Temperatures, degrees Celsius.
        may temperature: RangeTable;
        /// pH values.
        may ph: RangeTable;
        /// Dissolved oxygen, in the instrument's unit.
        may r#do: RangeTable;
    }

    /// A range; both ends belong to it.
    pub struct RangeTable, unknown keys Refused {
        /// The smallest possible value.
        must min: Number;
        /// The largest possible value.
        must max: Number;
    }

    /// How far two figures of the same thing may differ.
    pub struct ToleranceTable, unknown keys Refused {
        /// Absolute, for pH.
        may ph: Positive = 0.02;
        /// Absolute, for dissolved oxygen in percent.
        may do_percent: Positive = 0.1;
        /// Absolute, for referenced amplitudes.
        may amplitude: Positive = 0.02;
        /// Relative, for all.
        may relative: Positive = 0.002;
    }

    /// Time-outs and clocks.
    pub struct TimesTable, unknown keys Refused {
        /// A cycle counts as over after this many cycle times without a new row.
        may cycle_timeout_factor: Positive = 2.0;
        /// The cycle time that is assumed where the file names none.
        may default_cycle_time: Lasting<1000, DAY> = "15m";
        /// Silence after which a last line without a line end counts.
        may settle: Lasting<100, HOUR> = "5s";
        /// Silence during a run after which the device's state turns to `unknown`.
        may silence: Lasting<1000, { 365 * DAY }> = "1h";
        /// Which of two contradicting statements of time is trusted.
        may trust: OneOf<TimeTrust> = "zone";
    }
}
