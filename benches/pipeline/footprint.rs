//! What an idle daemon with four devices costs.

use std::time::{Duration, Instant};

use crate::place::{Broker, Daemon, subscribe, wait_online};
use crate::{Wanted, verdict};

const IDLE: Duration = Duration::from_secs(60);

pub fn measure() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };
    let deliveries = subscribe(broker.port, "instrumentd/v1/#");
    let daemon = Daemon::start(broker.port, "biolector-pro", 4);
    wait_online(&deliveries, 4);
    let (before, start) = (daemon.processor_s(), Instant::now());
    #[allow(clippy::disallowed_methods)]
    std::thread::sleep(IDLE);
    let share = (daemon.processor_s() - before) / start.elapsed().as_secs_f64() * 100.0;
    verdict("resident memory, idle, four devices", daemon.memory_mb("VmRSS"), Wanted::AtMost(20.0), "MB");
    verdict("processor use, idle, four devices", share, Wanted::AtMost(0.3), "% of a core");
}
