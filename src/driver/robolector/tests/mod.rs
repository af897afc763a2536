//! Tests of the driver.

mod evo;
mod faults;
mod host;
mod protocols;
mod splits;
mod star_deck;
mod support;
mod worklists;
