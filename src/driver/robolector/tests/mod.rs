//! Tests of the driver.

mod evo;
mod faults;
mod host;
mod protocols;
mod splits;
mod support;
mod worklists;
