//! An Echo MS+ behind a gateway that speaks the device service.
//!
//! [`EchoRun`] is what the instrument does, step by step; [`EchoMsPlus`] plays it into a [`crate::device_service::Host`] and lets go wrong
//! what it is asked to. [`EchoMsPlus::truth`] tells apart from the wire what was really ejected.

mod fault;
mod gateway;
mod model;
mod run;
mod settings;

pub use fault::{Fault, Faults, UnknownFault};
pub use gateway::{EchoError, EchoMsPlus};
pub use model::address_space;
pub use run::{EchoRun, Ejection, Kind, RunEnd, RunStart, Step, Survey, What};
pub use settings::{Order, PlateRun, Settings, SettingsError, Shot, Tells, plate_wells};
