//! The simulated robot, heard over real pseudo-terminals and compared with what it says it did.

mod ear;
mod faults;
mod host;
mod program;
mod replaying;
mod sampling;
