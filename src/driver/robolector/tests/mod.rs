//! Tests of the driver.

mod protocols;
mod support;
