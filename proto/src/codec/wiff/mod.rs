//! File sets of SCIEX mass spectrometers: `.wiff`, `.wiff.scan` and `.wiff2`.
//!
//! - [`read()`]: the metadata of a `.wiff`: samples, times, run log, instrument, mode, and where each sample's data end ([`Wiff`]).
//! - [`scan`]: what of that must be found in the `.wiff.scan`, and the verdict on it.
//! - [`wiff2`]: the little that can be said of an encrypted `.wiff2`.
//! - [`write`]: the same formats the other way round, for the simulator.
//!
//! The formats are not published by the manufacturer. What is said here was found in files that Analyst 1.4 to 1.7 wrote; files of
//! SCIEX OS have the same tree as far as public descriptions tell (`openreadout` and `OpenSXRaw` notes on the format, `rtmsEcho` for
//! the Echo MS).
//! Nothing here fails on foreign bytes: what cannot be read is [`Unknown`] with its reason, field by field.

mod container;
mod describe;
mod fields;
mod index;
mod limits;
mod log;
mod method;
mod model;
mod reader;
mod reason;
pub mod scan;
pub mod shots;
mod table;
pub mod wiff2;
pub mod write;

pub use limits::Limits;
pub use model::{
    Container, Description, FileRecord, IndexRecord, IndexSummary, Instrument, Layout, LogEntry, Mode, ModeKind,
    Polarity, Provenance, RunLog, Sample, SampledRecord, Shot, ShotList, Spent, Start, TableEntry, Version, Wiff,
    Wiff2Link, Window,
};
pub use reader::read;
pub use reason::{Defect, Known, Torn, Unknown};
