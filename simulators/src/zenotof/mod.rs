//! A ZenoTOF 7600 under SCIEX OS, as it looks from its data folder.
//!
//! [`ZenotofRun`] is an iterator over what happens to the files: `.wiff` containers that grow in place, `.wiff.scan` beside them, a
//! `.wiff2` that is committed under its journal, and whatever goes wrong on request ([`Fault`]). Each [`Step`] says with its
//! [`Milestone`]s what it means, and [`ZenotofRun::outcomes`] what a watcher has to find when all is over.
//!
//! ```
//! use instrumentd_simulators::zenotof::{Milestone, Settings, ZenotofRun, plan};
//!
//! let run = ZenotofRun::new(Settings { files: plan(2, 3, 30.0), ..Settings::default() })?;
//! let ended = run.flat_map(|step| step.milestones).filter(|milestone| matches!(milestone, Milestone::SampleEnded { .. }));
//! assert_eq!(ended.count(), 6);
//! # Ok::<(), instrumentd_simulators::zenotof::RunError>(())
//! ```
//!
//! [`Player`] writes the steps into a folder at any speed. [`SamplePlan::plate_run`] makes the sample of an Echo MS, which is a whole plate,
//! and [`batch_csv`] the batch that SCIEX OS would have imported.

mod acquisition;
mod batch;
mod content;
mod delivery;
pub mod echo;
mod fault;
mod run;
mod settings;
mod step;

pub use batch::{HEADER as BATCH_HEADER, batch_csv};
pub use fault::{Fault, UnknownFault};
pub use instrument_proto::codec::wiff::{Layout, ModeKind, Polarity, Version};
pub use run::{End, Outcome, RunError, ZenotofRun};
pub use settings::{Copying, Delivery, FilePlan, Order, SamplePlan, Settings, SettingsError, plan};
pub use step::{Change, Milestone, Step};

/// A ZenoTOF at work.
pub type Player = crate::player::Player<Step>;
