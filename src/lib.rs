//! instrumentd: a daemon that makes lab instruments speak one language.
//!
//! `ARCHITECTURE.md` is the map. In short: a link hands input to a driver, the driver makes events, the journal
//! commits them, and the publisher delivers them over MQTT.

pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod daemon;
pub mod decode;
#[cfg(feature = "demo")]
pub mod demo;
pub mod device;
pub mod driver;
pub mod event;
pub mod journal;
pub mod link;
pub mod probe;
pub mod profile;
pub mod publish;
mod tls;
