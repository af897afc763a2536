//! Devices: the actor that owns one driver and its links, the supervisor that restarts it, and the board on which
//! everybody's state can be read.

mod actor;
mod board;
mod exit;
mod kept;
mod links;
mod preview;
mod record;
mod silence;
mod state;
mod supervisor;
#[cfg(test)]
mod tests;

pub use board::Board;
pub use exit::Exit;
pub use preview::Preview;
pub use record::Store;
pub use state::{DeviceState, Fault, Found};
pub use supervisor::{Plan, Supervised, driver_of, sets, supervise};
