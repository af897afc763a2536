//! What a cultivation's events say: the `data` of the `cultivation.*` types.
//!
//! Field names carry their unit. An absent value is absent, never 0, -9999 or "nan".

mod added;
mod conditions;
mod cycle;
mod reading;
mod run;

pub use added::Added;
pub use conditions::{Commented, CoverChanged, Environment, Fed, Paused, Resumed, SetpointChanged};
pub use cycle::{ChannelCount, CycleCompleted, CycleStarted, Defect, DuplicateRow};
pub use reading::{Measured, Quality, ReadingFlag, ReferenceKind, Referenced, Refined, ValueOrigin};
pub use run::{Calibration, Channel, ChannelKind, Ended, Instrument, Plate, Run, RunFlag, RunSettings, Started};
