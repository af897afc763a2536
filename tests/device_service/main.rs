//! From outside: the daemon's binary and a simulated Echo MS+ behind its gateway, over a real socket. What the journal and a
//! subscriber hold is compared with what the instrument says it did.

mod admission;
mod following;
#[path = "../support/heard.rs"]
mod heard;
mod laboratory;
#[path = "../end_to_end/mosquitto.rs"]
#[allow(dead_code, reason = "that broker is stopped and frozen, this one only serves")]
mod mosquitto;
mod probing;
#[path = "../end_to_end/subscriber.rs"]
#[allow(dead_code, reason = "that subscriber asks for replays, this one gets everything")]
mod subscriber;

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
