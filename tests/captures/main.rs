//! From outside: what came over gRPC links and of file sets, recorded by the daemon's binary beside its work and by `instrumentd capture`, and
//! replayed: the events are the ones that the daemon's journal holds.
#![cfg(feature = "demo")]

mod bench;
mod remote;
mod service;
mod sets;

use std::time::{Duration, Instant};

/// Long enough for the slowest machine; a condition that never comes is a failure, not a slow test.
const PATIENCE: Duration = Duration::from_secs(120);

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        let (_sender, receiver) = std::sync::mpsc::channel::<()>();
        let _ = receiver.recv_timeout(Duration::from_millis(30));
    }
}
