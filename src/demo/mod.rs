//! `instrumentd demo`: a simulated instrument, the daemon, a broker and a subscriber in one process, and a story about
//! what can go wrong on the way.
//!
//! The broker has no way to be shut down, so the daemon reaches it through a small proxy of ours that can cut its
//! connections. The subscriber goes to the broker directly and shares nothing with the daemon but the format of the
//! events: its count at the end is the proof.

mod broker;
mod folder;
mod proxy;
mod score;
mod story;
mod subscriber;

pub use broker::Place;
pub use story::{Plot, tell};
