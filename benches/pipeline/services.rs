//! Device services: two hundred gateways in one daemon, and one that tells as much as it can.

use std::time::{Duration, Instant};

use instrumentd::journal::History;
use instrumentd_simulators::device_service::{HostSettings, Limits};
use instrumentd_simulators::echo_ms_plus::{EchoMsPlus, Faults, Settings};
use instrumentd_simulators::player::Pace;
use jiff::Timestamp;

use crate::latency::paced;
use crate::place::{Broker, Daemon, processor_s, subscribe, wait_online};
use crate::{Wanted, bare, verdict};

/// Gateways in one daemon, each of which tells one event a second.
const GATEWAYS: usize = 200;

/// Bytes of an event of theirs, about.
const ROW: usize = 1300;

/// Wells that are surveyed at once.
const PLATE: usize = 384;

/// For how long.
const SECONDS: u64 = 30;

/// Notifications of one gateway in a second, and runs of 1536 shots.
const RATE: f64 = 20_000.0;
const RUNS: u32 = 80;

fn gateway(settings: Settings, pace: Pace) -> EchoMsPlus {
    let limits = Limits { history: 1_000_000, queue: 100_000, ..Limits::default() };
    EchoMsPlus::start(settings, HostSettings::default(), limits, Faults::default(), pace).expect("a gateway")
}

fn table(number: usize, echo: &EchoMsPlus) -> String {
    format!(
        "[devices.echo-{number}]\nprofile = \"echo-ms-plus\"\ntime_zone = \"UTC\"\n\
         grpc = {{ endpoint = \"grpc://{}\", plaintext = true }}\n",
        echo.address()
    )
}

/// The last sequence of the device in the daemon's journal.
fn recorded(daemon: &Daemon) -> u64 {
    let history = History::open(&daemon.folder.path().join("journal.db")).map(|history| history.devices());
    let devices = history.ok().and_then(Result::ok).unwrap_or_default();
    devices.iter().map(|device| device.last_sequence).sum()
}

/// Two hundred gateways, and a daemon that is connected to all of them.
fn all_followed(broker: &Broker, settings: impl Fn(usize) -> Settings) -> (Vec<EchoMsPlus>, Daemon) {
    let deliveries = subscribe(broker.port, "instrumentd/v1/bench/devices/+/state");
    let gateways: Vec<EchoMsPlus> = (0..GATEWAYS).map(|number| gateway(settings(number), Pace::Times(1.0))).collect();
    let tables: String = gateways.iter().enumerate().map(|(number, echo)| table(number, echo)).collect();
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk of the project");
    let daemon = Daemon::with(broker.port, folder, &tables);
    wait_online(&deliveries, GATEWAYS);
    (gateways, daemon)
}

/// The processor use of a bare pipeline that passes on as many rows of the same size, from memory: what durability and delivery cost on this machine.
fn bare_share(port: u16) -> f64 {
    let row = vec![b'x'; ROW];
    let every = Duration::from_secs(1) / u32::try_from(GATEWAYS).unwrap_or(u32::MAX);
    let (before, start) = (processor_s(std::process::id()), Instant::now());
    bare::pipeline(port, |line| {
        paced(every, 0..10 * GATEWAYS, |_| line(row.clone()));
    });
    (processor_s(std::process::id()) - before) / start.elapsed().as_secs_f64() * 100.0
}

/// Two hundred gateways, one change a second each.
pub fn many() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };
    println!("  bare pipeline with as many rows: {:.1} % of a core", bare_share(broker.port));
    let settings = |seed: usize| {
        let settings = Settings {
            seed: seed as u64,
            start: Timestamp::now(),
            interval_s: 1.0,
            survey_s: 0.0,
            lead_s: 0.1,
            ..Settings::default()
        };
        settings.plates(1, 384, 384, 1, 0)
    };
    let (_gateways, daemon) = all_followed(&broker, settings);
    // What came before the daemon was there is behind it when all of them are heard.
    #[allow(clippy::disallowed_methods)]
    std::thread::sleep(Duration::from_secs(5));
    let (before, events, start) = (daemon.processor_s(), recorded(&daemon), Instant::now());
    #[allow(clippy::disallowed_methods)]
    std::thread::sleep(Duration::from_secs(SECONDS));
    let elapsed = start.elapsed().as_secs_f64();
    let share = (daemon.processor_s() - before) / elapsed * 100.0;
    let rate = (recorded(&daemon) - events) as f64 / elapsed / GATEWAYS as f64;
    verdict("events a second of each of 200 gateways", rate, Wanted::AtLeast(0.9), "");
    verdict("peak resident memory with 200 gateways", daemon.memory_mb("VmHWM"), Wanted::AtMost(100.0), "MB");
    verdict("processor use with 200 gateways", share, Wanted::AtMost(12.0), "% of a core");
}

/// Two hundred gateways that survey a whole plate in the same second: first read from their histories, then live.
pub fn surveys() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };
    let settings = |seed: usize| {
        let settings = Settings {
            seed: seed as u64,
            start: Timestamp::now(),
            interval_s: 0.05,
            survey_s: 0.0,
            lead_s: 0.1,
            gap_s: 20.0,
            ..Settings::default()
        };
        settings.plates(2, 384, PLATE, 1, 0)
    };
    let (_gateways, daemon) = all_followed(&broker, settings);
    let (start, wanted) = (Instant::now(), (2 * GATEWAYS * (2 * PLATE + 2)) as u64);
    while recorded(&daemon) < wanted && start.elapsed() < Duration::from_secs(120) {
        #[allow(clippy::disallowed_methods)]
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("  {} events recorded of {wanted} or more", recorded(&daemon));
    verdict("peak resident memory with 200 surveys at once", daemon.memory_mb("VmHWM"), Wanted::AtMost(100.0), "MB");
}

/// One gateway that tells 20 000 events a second.
pub fn one() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };
    let deliveries = subscribe(broker.port, "instrumentd/v1/bench/devices/+/state");
    let settings = Settings {
        start: Timestamp::now(),
        interval_s: 1.0,
        survey_s: 0.0,
        lead_s: 0.1,
        gap_s: 0.1,
        ..Settings::default()
    };
    let settings = settings.plates(RUNS, 1536, 1536, 1, 0);
    let mut echo = gateway(settings, Pace::Times(RATE));
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk of the project");
    let daemon = Daemon::with(broker.port, folder, &table(0, &echo));
    wait_online(&deliveries, 1);
    let start = Instant::now();
    echo.wait().expect("it ran");
    let made = start.elapsed();
    let shots = echo.truth().len() as u64;
    while recorded(&daemon) < shots && start.elapsed() < made + Duration::from_secs(60) {
        #[allow(clippy::disallowed_methods)]
        std::thread::sleep(Duration::from_millis(20));
    }
    let behind = (start.elapsed() - made).as_secs_f64();
    println!("  {shots} shots in {:.1} s, {} events recorded", made.as_secs_f64(), recorded(&daemon));
    verdict("seconds until the last event was in the journal", behind, Wanted::AtMost(1.0), "s");
    verdict("peak resident memory", daemon.memory_mb("VmHWM"), Wanted::AtMost(100.0), "MB");
}
