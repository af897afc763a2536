//! From outside: the daemon's binary on a BioLector XT's remote interface, whose streams are cut, whose server is restarted,
//! while the daemon itself is killed, and whose experiment's file comes by two ways. A subscriber gets what the journal holds.
#![cfg(feature = "demo")]

#[path = "../support/heard.rs"]
mod heard;
mod held;
#[path = "../support/mosquitto.rs"]
#[allow(dead_code, reason = "this broker only serves")]
mod mosquitto;
mod running;
mod server;
#[path = "../support/subscriber.rs"]
mod subscriber;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use heard::assert_as_recorded;
use instrumentd::journal::History;
use instrumentd_simulators::Pace;
use instrumentd_simulators::biolector_xt::{Begin, Settings, XtServer};
use mosquitto::Mosquitto;
use serde_json::Value;
use server::{Instrument, serve};
use subscriber::Subscriber;

/// Long enough for the slowest machine; a condition that never comes is a failure, not a slow test.
const PATIENCE: Duration = Duration::from_secs(120);

struct Daemon {
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Daemon {
    /// It publishes to the broker of `audience`, where there is one.
    fn new(address: SocketAddr, audience: Option<&Audience>) -> Self {
        let broker = audience.map(|audience| audience.broker.port);
        let broker = broker.map(|port| format!("[brokers.main]\nhost = \"127.0.0.1\"\nport = {port}\n"));
        let broker = broker.unwrap_or_default();
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("results")).expect("a folder");
        let text = format!(
            "site = {{ id = \"lab\" }}\njournal = {{ path = \"journal.db\" }}\n{broker}\
             [devices.xt]\nprofile = \"biolector-xt\"\ntime_zone = \"Europe/Berlin\"\n\
             files = {{ folder = \"results\", poll_interval = \"200ms\" }}\n\
             grpc = {{ endpoint = \"grpc://{address}\", plaintext = true }}\n\
             [devices.xt.overrides.live]\nprogress_every = \"100ms\"\nvalues_every = \"200ms\"\nexperiments_every = \"200ms\"\n"
        );
        std::fs::write(folder.path().join("instrumentd.toml"), text).expect("written");
        Self { folder, child: None }
    }

    fn start(&mut self) {
        let log =
            std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_instrumentd"))
            .env_remove("NOTIFY_SOCKET")
            .env_remove("JOURNAL_STREAM")
            .args(["run", "--config"])
            .arg(self.folder.path().join("instrumentd.toml"))
            .stderr(Stdio::from(log))
            .stdout(Stdio::null())
            .spawn()
            .expect("it runs");
        self.child = Some(child);
    }

    /// `kill -9`.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("waited for");
        }
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    fn events(&self) -> Vec<Value> {
        let Ok(mut history) = History::open(&self.journal()) else { return Vec::new() };
        let mut cursor = history.cursor(None, 0, None);
        let mut events = Vec::new();
        while let Ok(Some(entry)) = history.next(&mut cursor) {
            events.push(serde_json::from_slice(&entry.row.payload).expect("an event is JSON"));
        }
        events
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("the daemon's log ends with:\n{}", log.lines().rev().take(40).collect::<Vec<_>>().join("\n"));
        }
    }
}

/// A broker, and somebody who listens there from the beginning to the end.
struct Audience {
    broker: Mosquitto,
    subscriber: Subscriber,
}

impl Audience {
    /// `None`, said visibly, where there is no broker; what the journal holds is looked at all the same.
    async fn start() -> Option<Self> {
        let configuration = "listener PORT 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n";
        let broker = Mosquitto::start(configuration).await?;
        let subscriber = Subscriber::start(broker.port, "instrumentd/v1/lab/#", None).await;
        Some(Self { broker, subscriber })
    }

    /// All deliveries of events in the order of their arrival; states of devices and of the node have no sequence.
    fn deliveries(&self) -> Vec<Value> {
        let payload = |publish: &rumqttc::v5::mqttbytes::v5::Publish| serde_json::from_slice(&publish.payload).ok();
        self.subscriber.got().iter().filter_map(payload).filter(|event: &Value| event["sequence"].is_string()).collect()
    }
}

/// What the subscriber got is what the journal holds, all of it and nothing else.
async fn assert_heard(daemon: &Daemon, audience: Option<&Audience>) {
    let Some(audience) = audience else { return };
    wait_for("every event at the subscriber", || {
        let heard: BTreeSet<_> = audience.deliveries().iter().map(heard::place).collect();
        daemon.events().iter().all(|event| heard.contains(&heard::place(event)))
    })
    .await;
    // What comes to be told meanwhile is in the journal before it is heard.
    let deliveries = audience.deliveries();
    assert!(deliveries.len() > 100, "{} events", deliveries.len());
    assert_as_recorded(&deliveries, &daemon.events());
}

fn of<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    let wanted = format!("instrumentd.{name}.v1");
    events.iter().filter(|event| event["type"] == wanted.as_str()).collect()
}

async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

type Reading = (u64, u64, String);

/// How often each reading was measured.
fn measured(events: &[Value]) -> BTreeMap<Reading, u32> {
    let mut measured = BTreeMap::new();
    for event in of(events, "cultivation.measured") {
        let data = &event["data"];
        let number = |name: &str| data[name].as_u64().expect("a number");
        let well = data["well"].as_str().expect("a well").to_owned();
        *measured.entry((number("cycle"), number("filterset"), well)).or_default() += 1;
    }
    measured
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reading_is_measured_once_whatever_is_cut_or_killed() {
    let instrument = Arc::new(Instrument::new(5));
    let (address, mut serving) = serve(instrument.clone(), "127.0.0.1:0".parse().expect("an address")).await;
    let audience = Audience::start().await;
    let mut daemon = Daemon::new(address, audience.as_ref());
    daemon.start();
    wait_for("the stream to be followed", || instrument.listeners() > 0).await;
    let mut random = fastrand::Rng::with_seed(7);
    let total = instrument.readings.len();
    for at in 0..total {
        // Paced, so that answers and readings interleave.
        tokio::time::sleep(Duration::from_millis(4)).await;
        assert!(instrument.measure().await);
        match at {
            100 | 410 => instrument.cut(),
            170 | 520 => {
                daemon.kill();
                daemon.start();
            }
            300 => {
                serving.abort();
                instrument.cut();
                let _ = serving.await;
                (_, serving) = serve(instrument.clone(), address).await;
            }
            _ if random.u32(0..150) == 0 => instrument.cut(),
            _ => {}
        }
    }
    assert!(!instrument.measure().await, "the run is over");
    wait_for("the run's end", || !of(&daemon.events(), "cultivation.completed").is_empty()).await;
    // The operator's copy of the same file, and the daemon killed while it reads it.
    std::fs::write(daemon.folder.path().join("results/run.zip"), &instrument.zip).expect("written");
    let before = daemon.events().len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    daemon.kill();
    daemon.start();
    wait_for("the stream to be followed", || instrument.listeners() > 0).await;
    wait_for("the folder to be read", || {
        History::open(&daemon.journal())
            .map(|mut history| {
                let device = "xt".parse().expect("a name");
                history.sources(&device, "files").unwrap_or_default().iter().any(|s| !s.position.is_empty())
            })
            .unwrap_or(false)
    })
    .await;
    assert_heard(&daemon, audience.as_ref()).await;
    daemon.kill();
    let events = daemon.events();
    assert!(events.len() >= before);

    let told = measured(&events);
    let made: BTreeMap<Reading, u32> = instrument
        .readings
        .iter()
        .map(|one| ((u64::from(one.cycle), u64::from(one.filterset), one.well.clone()), 1))
        .collect();
    assert_eq!(told.len(), total);
    assert_eq!(told, made, "each reading is measured once");
    let raw = |event: &&&Value| !event["data"]["amplitude"].is_null();
    let measured = of(&events, "cultivation.measured");
    let refined = of(&events, "cultivation.refined");
    let from_file = measured.iter().filter(raw).count();
    let live = measured.iter().filter(|event| event["ingest"] == "live").count();
    assert!(live > total / 3, "most are told live: {live} of {total}");
    assert_eq!(refined.len(), total - from_file, "what was told without raw values is refined");
    let causes = refined.iter().filter(|event| event["causationid"].is_string()).count();
    assert_eq!(causes, refined.len());
    let disagree = refined.iter().filter(|event| !event["data"]["disagrees"].is_null()).count();
    assert_eq!(disagree, 0, "cycle, filter set and value were told rightly");
    assert!(!of(&events, "device.gap").is_empty());
    serving.abort();
}

/// The simulated instrument with what a client may not expect: identifiers in braces, a clock that is ahead, channels that
/// count from 0, whole seconds that differ between stream and file, streams that are cut, a server that is restarted,
/// messages that are none and ones that are too large.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulated_instrument_at_its_worst_is_followed_and_made_up_for() {
    let mut settings = Settings { begin: Begin::WithFirstClient, visit_every: Some(2), ..Settings::default() };
    (settings.run.cycles, settings.run.filtersets, settings.run.cycle_seconds) = (6, 3, 420);
    settings.run.quirks.insert(instrumentd_simulators::biolector::Quirk::LastWellBug);
    settings.pace = Pace::Times(200.0);
    let faults = &mut settings.faults;
    (faults.braces, faults.summer_offset, faults.refuse_running_download) = (true, true, true);
    (faults.clock_skew_s, faults.index_base, faults.file_late_s) = (431.0, 0, 1);
    (faults.cut_every, faults.restart_every, faults.down_s) = (Some(300), Some(900), 0.1);
    let instrument =
        tokio::task::spawn_blocking(|| XtServer::start(settings)).await.expect("joined").expect("it starts");
    let audience = Audience::start().await;
    let mut daemon = Daemon::new(instrument.address(), audience.as_ref());
    daemon.start();
    // Who sent what is no message is told, and that it is over.
    wait_for("the fault to be told", || {
        if instrument.listeners() > 0 {
            instrument.send_malformed();
        }
        let events = daemon.events();
        let text = |event: &&Value| event["data"]["text"].as_str().unwrap_or_default().to_owned();
        of(&events, "device.faulted").iter().map(text).any(|text| text.contains("127.0.0.1"))
    })
    .await;
    wait_for("the fault to be over", || !of(&daemon.events(), "device.recovered").is_empty()).await;
    let half = (6 * 3 * 48) / 2;
    wait_for("half of the run", || instrument.truth().len() > half).await;
    daemon.kill();
    daemon.start();
    let over =
        |events: &[Value]| of(events, "cultivation.completed").len() + of(events, "cultivation.stopped").len() > 0;
    wait_for("the run's end", || over(&daemon.events())).await;
    let truth = instrument.truth();
    let made: BTreeMap<Reading, u32> =
        truth.iter().map(|one| ((u64::from(one.cycle), u64::from(one.filterset), one.well.clone()), 1)).collect();
    wait_for("every reading", || measured(&daemon.events()).len() >= made.len()).await;
    assert_heard(&daemon, audience.as_ref()).await;
    daemon.kill();
    let events = daemon.events();
    assert_eq!(measured(&events), made, "each reading is measured once");
    let live = of(&events, "cultivation.measured").iter().filter(|event| event["ingest"] == "live").count();
    assert!(live > made.len() / 3, "{live} of {} came live", made.len());
    let paused = of(&events, "cultivation.paused").len();
    assert!(paused >= 2, "{paused} pauses");
    let disagree: Vec<&Value> = of(&events, "cultivation.refined")
        .into_iter()
        .map(|event| &event["data"]["disagrees"])
        .filter(|names| !names.is_null())
        .collect();
    // The software files a last well under the next filter set, and the stream does not.
    let is_misfiled = |names: &&Value| names.as_array().is_some_and(|names| names.contains(&"filterset".into()));
    assert!(!disagree.is_empty() && disagree.iter().all(is_misfiled), "{disagree:?}");
    tokio::task::spawn_blocking(move || drop(instrument)).await.expect("joined");
}
