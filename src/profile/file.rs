//! The tables of a profile file, as they are written; the comments here are the descriptions in its JSON Schema.

use super::robolector::{FlowControl, Parity, Signal, TecanForm, Terminator};
use super::zenotof::Member;
use super::{Family, TimeTrust};
use crate::config::quantities::{Lasting, Size};
use crate::config::reader::{At, Named};
use crate::config::tables::tables;
use crate::config::values::{Number, OneOf, Positive, Text, Whole};
use crate::driver::zenotof::ejection::Order;
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
        /// BioLector: the plates that it takes.
        may plates: Vec<At<PlateTable>>;
        /// BioLector: the optical filters whose kind is known.
        may filters: Vec<At<FilterTable>>;
        /// BioLector: the unit of each kind's calibrated or referenced value.
        may units: UnitsTable;
        /// BioLector: what values there can be at all; outside them a reading's quality is `out-of-range`.
        may ranges: RangesTable;
        /// BioLector: how far the instrument's own figure and the recomputed one may differ before the reading is flagged.
        may tolerance: ToleranceTable;
        /// Time-outs and clocks.
        may times: TimesTable;
        /// RoboLector: how the strings of a STAR are framed on this line.
        may star: StarTable;
        /// RoboLector: how the frames of a Tecan robot come.
        may tecan: TecanTable;
        /// RoboLector: pipetting channels, or tips.
        may channels: Whole<1, 16>;
        /// RoboLector: the settings of its serial line, which a device's `serial` can change.
        may line: LineTable;
        /// RoboLector: how long replies may take, and how often the daemon asks as the only host.
        may replies: RepliesTable;
        /// RoboLector: the labware whose geometry is known, by name.
        may labware: Named<LabwareTable>;
        /// RoboLector: the liquid classes whose correction is known.
        may liquid_classes: Vec<At<LiquidClassTable>>;
        /// ZenoTOF: when a set of files is complete.
        may file_sets: FileSetsTable;
        /// Echo MS: in which order a shot list is worked off where the instrument does not tell.
        may ejection_order: OneOf<Order> = "serpentine";
        /// BioLector XT: how its remote interface is asked.
        may live: LiveTable;
        /// Echo liquid handler: its droplets, plates and barcodes.
        may acoustic: AcousticTable;
    }

    /// Values of a profile that are different for one device.
    pub struct OverridesTable, unknown keys Refused {
        /// What values there can be at all.
        may ranges: RangesTable;
        /// How far the instrument's own figure and the recomputed one may differ.
        may tolerance: ToleranceTable;
        /// Time-outs and clocks.
        may times: TimesTable;
        /// ZenoTOF: when a set of files is complete.
        may file_sets: FileSetsTable;
        /// Echo MS: in which order a shot list is worked off where the instrument does not tell.
        may ejection_order: OneOf<Order> = "serpentine";
        /// BioLector XT: how its remote interface is asked.
        may live: LiveTable;
    }

    /// How the remote interface of a BioLector XT is asked, and how much of what it says is told.
    pub struct LiveTable, unknown keys Refused {
        /// The time between two questions how far the run is.
        may progress_every: Lasting<50, HOUR> = "5s";
        /// The time between two questions for current values and pumped volumes.
        may values_every: Lasting<50, HOUR> = "30s";
        /// The time between two questions which experiments there are.
        may experiments_every: Lasting<50, HOUR> = "30s";
        /// The least time between two requests for the file of an experiment that runs; `0s`: such a file is never asked
        /// for, and what was missed waits for the finished experiment.
        may download_running_every: Lasting<0, DAY> = "15m";
        /// The largest file of an experiment that is taken.
        may max_download: Size<100_000> = "2 GB";
        /// Actual temperature, speed and gases that only waver are told this often.
        may environment_every: Lasting<1000, DAY> = "1m";
        /// A temperature that moved further is told at once, in degrees Celsius.
        may temperature_band_c: Positive = 0.2;
        /// A speed that moved further is told at once, in revolutions per minute.
        may shaker_band_rpm: Positive = 10.0;
        /// A gas that moved further is told at once, in percent.
        may gas_band_percent: Positive = 0.2;
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

    /// How the strings of a STAR, which are packets on USB, are framed on this line.
    pub struct StarTable, unknown keys Refused {
        /// What ends a string.
        may terminator: OneOf<Terminator> = "any";
        /// Silence after which a string counts as ended even without a terminator; `0ms` is never.
        may gap: Lasting<0, 10_000> = "0ms";
        /// What stands before each string in a trace that marks directions.
        may marks: MarksTable;
    }

    /// Marks of direction.
    pub struct MarksTable, unknown keys Refused {
        /// Before a command.
        must to_instrument: Text<16>;
        /// Before a reply.
        must from_instrument: Text<16>;
    }

    /// How the frames of a Tecan robot come, and what its plungers' steps mean.
    pub struct TecanTable, unknown keys Refused {
        /// The framing.
        may form: OneOf<TecanForm> = "rs232";
        /// What the diluters' syringes hold, in microlitres: 3000 plunger steps move as much.
        may syringe_ul: Positive = 1000;
    }

    /// The settings of a serial line.
    pub struct LineTable, unknown keys Refused {
        /// Bits per second.
        may baud: Whole<50, 4_000_000> = 9600;
        /// Data bits.
        may data_bits: Whole<5, 8> = 8;
        /// Parity.
        may parity: OneOf<Parity> = "none";
        /// Stop bits.
        may stop_bits: Whole<1, 2> = 1;
        /// Flow control; a tap never uses it.
        may flow_control: OneOf<FlowControl> = "none";
        /// The DTR line; a tap never touches it.
        may dtr: OneOf<Signal> = "leave";
        /// The RTS line; a tap never touches it.
        may rts: OneOf<Signal> = "leave";
    }

    /// How long replies may take, and how often the daemon asks as the only host.
    pub struct RepliesTable, unknown keys Refused {
        /// To a query.
        may query: Lasting<100, HOUR> = "10s";
        /// To a command that moves something.
        may command: Lasting<1000, HOUR> = "330s";
        /// Between two rounds of queries in host mode.
        may poll: Lasting<1000, HOUR> = "10s";
    }

    /// The geometry of a kind of labware, seen from above with row A at the back and column 1 at the left.
    pub struct LabwareTable, unknown keys Refused {
        /// Rows.
        must rows: Whole<1, 32>;
        /// Columns.
        must columns: Whole<1, 48>;
        /// From the centre of a well to the next, in both directions.
        must pitch_mm: Positive;
        /// From the left edge to the centre of A01.
        must a1_x_mm: Positive;
        /// From the back edge to the centre of A01.
        must a1_y_mm: Positive;
        /// The footprint from left to right.
        may length_mm: Positive = 127.76;
        /// The footprint from front to back.
        may width_mm: Positive = 85.48;
        /// How far from a well's centre, along either axis, a position still means that well; less than half the pitch.
        must tolerance_mm: Positive;
        /// What a well holds at most.
        may well_max_ul: Positive;
    }

    /// A liquid class: which liquid volume a commanded piston volume moves.
    pub struct LiquidClassTable, unknown keys Refused {
        /// Its name.
        must name: Text<128>;
        /// Its correction curve: at least two points, ascending.
        must curve: Vec<At<PointTable>>;
    }

    /// A point of a correction curve.
    pub struct PointTable, unknown keys Refused {
        /// The volume that the firmware is told, in microlitres.
        must piston_ul: Positive;
        /// The volume of liquid that this moves, in microlitres.
        must liquid_ul: Positive;
    }

    /// When a set of files is complete.
    pub struct FileSetsTable, unknown keys Refused {
        /// The members that a complete set has; by default `.wiff` and `.wiff.scan`.
        may required: Vec<At<OneOf<Member>>>;
        /// How often a set must have been looked at and found unchanged.
        may stable_polls: Whole<1, 100> = 3;
        /// For how long a set must have been unchanged.
        may stable_for: Lasting<100, DAY> = "60s";
        /// How long a set that is not whole, or has fewer samples than its batch wants, is idle before it is told so.
        may idle: Lasting<100, DAY> = "15m";
        /// How long a `.wiff.scan` may stay an empty header before the set is incomplete.
        may conversion: Lasting<100, { 30 * DAY }> = "24h";
    }

    /// Droplets, plates and barcodes of an acoustic liquid handler.
    pub struct AcousticTable, unknown keys Refused {
        /// How large droplets are, by model.
        may droplets: Vec<At<DropletTable>>;
        /// How many wells plates have; by default 96, 384 and 1536.
        may plate_formats: Vec<At<Whole<1, 1536>>>;
        /// What stands in the place of a barcode where none was read; by default `UnknownBarCode`.
        may placeholder_barcodes: Vec<At<Text<64>>>;
    }

    /// The droplets of a model.
    pub struct DropletTable, unknown keys Refused {
        /// How the model's name begins in reports.
        must model: Text<64>;
        /// The volume of a droplet, in nanolitres.
        must nl: Positive;
    }
}
