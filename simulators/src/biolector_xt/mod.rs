//! A BioLector XT as it looks over its remote control (`biolectorxt.api.BioLectorXtRemoteControl`).
//!
//! The world behind it is the one of [`crate::biolector`]: what the stream tells, what the experiment's zip holds and what
//! `instrument-sim biolector-file` would write for the same seed are readings of the same cultures, with the same wells, values, cycles and seconds.
//!
//! ```
//! use std::time::Duration;
//! use instrumentd_simulators::biolector_xt::{Begin, Settings, XtServer};
//!
//! let mut settings = Settings { begin: Begin::AtOnce, ..Settings::default() };
//! (settings.run.cycles, settings.run.wells) = (2, 4);
//! let server = XtServer::start(settings)?;
//! // A client would connect to server.address() now.
//! assert!(server.wait_until_over(1, Duration::from_secs(60)));
//! // Two cycles of three channels in four wells.
//! assert_eq!(server.truth().len(), 24);
//! # Ok::<(), instrumentd_simulators::biolector_xt::StartError>(())
//! ```
//!
//! It runs in threads of its own and is controlled through [`XtServer`]: cut its streams, tear its connections, restart it, throw its switches.
//! [`XtServer::truth`] lists every reading that it made.

mod audience;
mod controls;
mod cultures;
mod engine;
mod garble;
mod line;
mod run;
mod scripts;
mod server;
mod service;
mod settings;
mod store;
mod truth;
mod world;

pub use server::{StartError, XtServer};
pub use settings::{Begin, FAULTS, FaultError, FaultSwitch, Faults, Settings, SlowClient};
pub use truth::{Download, Made};
pub use world::State;
