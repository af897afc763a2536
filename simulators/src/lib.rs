//! Simulated lab instruments: each does what its real counterpart does, as far as the daemon can see it.
//!
//! They know nothing of the daemon. Each is seeded and reproducible, has the quirks of the real one as switches, and is driven from outside
//! through [`Control`]: it can be silenced, slowed down and single-stepped, and it counts what it did so that a test waits for a fact and not
//! for a while.

#![forbid(unsafe_code)]

pub mod biolector;
pub mod biolector_xt;
mod control;
pub mod device_service;
pub mod echo_ms_plus;
mod pace;
pub mod player;
pub mod replay;
pub mod robolector;
pub mod zenotof;

pub use control::{Control, Counter, Responsiveness};
pub use pace::Pace;
