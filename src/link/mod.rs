//! Links: how an instrument's input reaches the daemon.
//!
//! A link does all the I/O of its device, decodes nothing, and gives each piece of input together with the position
//! from which it can go on after a restart.

mod backoff;
mod baseline;
pub mod biolector_xt;
pub mod device_service;
mod digest;
pub(crate) mod disk;
pub mod files;
pub mod filesets;
pub mod grpc;
pub mod name;
mod outlet;
mod place;
pub mod recorder;
pub mod stream;
