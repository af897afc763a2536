//! Tests of the driver.

mod evo;
mod protocols;
mod support;
