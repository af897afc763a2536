//! The file of an experiment that still runs: what a cut lost comes out of it, and nothing of it comes twice.

use std::collections::BTreeMap;
use std::time::Duration;

use instrumentd::journal::History;
use instrumentd_simulators::Pace;
use instrumentd_simulators::biolector_xt::{Begin, Settings, XtServer};
use serde_json::Value;

use super::{Daemon, Reading, measured, of, wait_for};

/// The last of the instrument's cycles.
const CYCLES: u32 = 12;
/// Readings of a cycle: three filter sets, 48 wells.
const CYCLE: usize = 3 * 48;

fn instrument() -> XtServer {
    let mut settings = Settings { begin: Begin::WithFirstClient, visit_every: Some(2), ..Settings::default() };
    (settings.run.cycles, settings.run.filtersets, settings.run.cycle_seconds) = (CYCLES, 3, 420);
    (settings.faults.braces, settings.faults.clock_skew_s) = (true, -312.0);
    settings.pace = Pace::Times(200.0);
    XtServer::start(settings).expect("the simulated instrument starts")
}

/// Takes the server away until more than a cycle was measured.
async fn away_for_a_cycle(instrument: &XtServer, daemon: &Daemon) {
    let gaps = |events: &[Value]| of(events, "device.gap").iter().filter(|gap| missing(gap) > 0).count();
    let before = gaps(&daemon.events());
    assert!(instrument.restart(Duration::from_secs(4)));
    wait_for("what the cut lost to be named", || gaps(&daemon.events()) > before).await;
}

fn missing(gap: &Value) -> u64 {
    let readings = |missing: &Value| missing["readings"].as_u64().expect("a number");
    gap["data"]["missing"].as_array().into_iter().flatten().map(readings).sum()
}

fn made(instrument: &XtServer) -> BTreeMap<Reading, u32> {
    let reading = |one: &instrumentd_simulators::biolector_xt::Made| {
        ((u64::from(one.cycle), u64::from(one.filterset), one.well.clone()), 1)
    };
    instrument.truth().iter().map(reading).collect()
}

/// Files that were read while the run went on.
fn read(events: &[Value]) -> usize {
    let is_read = |gap: &&&Value| gap["data"]["text"].as_str().is_some_and(|text| text.contains("was read"));
    of(events, "device.gap").iter().filter(is_read).count()
}

/// What was told of the run, by id.
fn of_the_run(events: &[Value]) -> Vec<String> {
    let is_run = |event: &&Value| event["type"].as_str().is_some_and(|name| name.contains(".cultivation."));
    events.iter().filter(is_run).map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cut_lost_comes_out_of_the_file_of_the_running_experiment_and_nothing_twice() {
    let instrument = tokio::task::spawn_blocking(instrument).await.expect("joined");
    let mut daemon = Daemon::new(instrument.address(), None);
    daemon.start();
    wait_for("readings", || measured(&daemon.events()).len() > CYCLE / 2).await;
    away_for_a_cycle(&instrument, &daemon).await;
    wait_for("the running experiment's file", || read(&daemon.events()) == 1).await;
    let known = measured(&daemon.events());
    let truth = made(&instrument);
    assert!(known.len() + CYCLE > truth.len(), "all but the last few: {} of {}", known.len(), truth.len());
    let reconciled =
        of(&daemon.events(), "cultivation.measured").iter().filter(|e| e["ingest"] == "reconciled").count();
    assert!(reconciled > CYCLE / 2, "{reconciled} came out of the file");
    assert_eq!(instrument.downloads().iter().filter(|download| download.is_running).count(), 1);

    // Once more: the file of a running experiment is asked for every 15 minutes at most, and so not now.
    away_for_a_cycle(&instrument, &daemon).await;
    let over =
        |events: &[Value]| of(events, "cultivation.completed").len() + of(events, "cultivation.stopped").len() > 0;
    wait_for("the run's end", || over(&daemon.events())).await;
    let truth = made(&instrument);
    wait_for("every reading", || measured(&daemon.events()).len() >= truth.len()).await;
    assert_eq!(measured(&daemon.events()), truth, "each reading is measured once");
    let downloads = instrument.downloads();
    assert_eq!(downloads.iter().filter(|download| download.is_running).count(), 1, "{downloads:?}");
    assert!(downloads.iter().all(|download| !download.is_running || !download.cover_moves), "{downloads:?}");
    wait_for("the finished experiment's file", || read(&daemon.events()) == 2).await;

    // The operator's copy of the same file.
    let before = of_the_run(&daemon.events());
    let zip = instrument.zip(&downloads[0].experiment).expect("it is finished");
    std::fs::write(daemon.folder.path().join("results/run.zip"), zip).expect("written");
    wait_for("the copy to be read to its end", || {
        let device = "xt".parse().expect("a name");
        let sources = History::open(&daemon.journal()).map(|mut history| history.sources(&device, "files"));
        let is_ended = |position: &[u8]| serde_json::from_slice::<Value>(position).is_ok_and(|at| at["ended"] == true);
        sources.is_ok_and(|sources| sources.unwrap_or_default().iter().any(|source| is_ended(&source.position)))
    })
    .await;
    daemon.kill();
    assert_eq!(of_the_run(&daemon.events()), before, "the copy tells nothing new");
    tokio::task::spawn_blocking(move || drop(instrument)).await.expect("joined");
}
