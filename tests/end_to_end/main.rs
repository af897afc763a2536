//! From outside: the daemon's binary, a real broker, real instrument files, and the faults that a laboratory brings.

mod daemon;
mod dry_run;
mod faults;
mod mosquitto;
mod mounts;
mod operation;
mod real_runs;
mod robot_line;
mod subscriber;
mod versions;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Long enough for the slowest machine; a condition that never comes is a failure, not a slow test.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `condition` holds.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        pause();
    }
}

/// Between two looks at a condition that only another process can make true.
fn pause() {
    let (_sender, receiver) = std::sync::mpsc::channel::<()>();
    let _ = receiver.recv_timeout(Duration::from_millis(20));
}

/// A real instrument's file; a missing one is a visible skip, and a failure in CI.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/data").join(name))
        .find(|candidate| candidate.exists());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "real data is missing: {name}");
        println!("skipped: real data not present: {name}");
    }
    found
}
