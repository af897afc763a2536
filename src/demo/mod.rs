//! `instrumentd demo`: simulated instruments, the daemon, a broker and a subscriber in one process, and a story about what
//! can go wrong on the way.
//!
//! The broker has no way to be shut down, so the daemon reaches it through a small proxy of ours that can cut its
//! connections. The subscriber goes to the broker directly and shares nothing with the daemon but the format of the
//! events: its count at the end is the proof.

mod account;
mod broker;
mod cultivation;
mod ejector;
mod folder;
mod last_words;
mod live;
mod narrator;
mod proxy;
mod robot;
mod score;
mod spectrometer;
mod stage;
mod story;
mod subscriber;
mod teller;

pub use broker::Place;
pub use story::{Plot, tell};
