//! A BioLector as it looks from its result files.
//!
//! [`BiolectorRun`] is an iterator over what the instrument does to its files, each [`Step`] with its time and with the readings that are
//! complete in the file after it, so that a test knows at every moment what a reader has to find:
//!
//! ```
//! use instrumentd_simulators::biolector::{BiolectorRun, Change, Settings};
//!
//! let run = BiolectorRun::new(Settings { cycles: 2, wells: 4, ..Settings::default() })?;
//! let mut table = Vec::new();
//! let mut readings = Vec::new();
//! for step in run {
//!     if let Change::Append { bytes, .. } = &step.change {
//!         table.extend_from_slice(bytes);
//!     }
//!     readings.extend(step.readings);
//! }
//! // Two cycles of three filter sets in four wells.
//! assert_eq!(readings.len(), 24);
//! assert!(table.starts_with(b"=====process====="));
//! # Ok::<(), instrumentd_simulators::biolector::SettingsError>(())
//! ```
//!
//! [`Player`](player::Player) writes the steps into a folder, at any speed, and can be held, slowed down and single-stepped meanwhile.

mod calibration;
mod chamber;
mod damage;
mod growth;
pub(crate) mod line;
mod one;
pub mod plate;
pub mod player;
mod pro;
mod pro_header;
mod quirk;
pub(crate) mod record;
mod run;
pub(crate) mod schedule;
mod settings;
mod step;
pub(crate) mod xt;
pub(crate) mod xt_members;

pub use line::{Condition, Reading};
pub use quirk::{Quirk, UnknownQuirk};
pub use run::BiolectorRun;
pub use settings::{Channel, ChannelKind, Columns, Model, Settings, SettingsError};
pub use step::{Change, Milestone, Step};
