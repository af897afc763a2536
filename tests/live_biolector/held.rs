//! The daemon is killed while it holds readings whose cycle is not certain. They come back, or a gap names them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::server::{Instrument, serve};
use super::{Daemon, Reading, measured, of, wait_for};

/// Readings of a cycle: three filter sets, 48 wells.
const CYCLE: usize = 3 * 48;

async fn measure(instrument: &Instrument, count: usize) {
    for _ in 0..count {
        // Paced, so that answers and readings interleave.
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(instrument.measure().await);
    }
}

/// Kills the daemon while it holds 20 readings, lets the instrument measure `away` more, starts the daemon again and ends the run.
/// What the journal holds then.
async fn killed_while_holding(away: usize, has_file: bool) -> (Arc<Instrument>, Vec<Value>) {
    let instrument = Arc::new(Instrument::new(5));
    if !has_file {
        instrument.keep_file();
    }
    let (address, serving) = serve(instrument.clone(), "127.0.0.1:0".parse().expect("an address")).await;
    let mut daemon = Daemon::new(address, None);
    daemon.start();
    wait_for("the stream to be followed", || instrument.listeners() > 0).await;
    measure(&instrument, 60).await;
    wait_for("what was measured", || measured(&daemon.events()).len() == 60).await;
    instrument.keep_progress(true);
    instrument.cut();
    wait_for("the stream to be followed", || instrument.listeners() > 0).await;
    measure(&instrument, 20).await;
    // It is told at once, and came after all of them.
    instrument.comment("they are all there").await;
    wait_for("the comment", || !of(&daemon.events(), "cultivation.commented").is_empty()).await;
    assert_eq!(measured(&daemon.events()).len(), 60, "the cycle of the others is not certain");
    daemon.kill();
    instrument.keep_progress(false);
    measure(&instrument, away).await;
    daemon.start();
    wait_for("the stream to be followed", || instrument.listeners() > 0).await;
    measure(&instrument, instrument.readings.len() - 80 - away).await;
    assert!(!instrument.measure().await, "the run is over");
    let is_over = |events: &[Value]| {
        let refused = |event: &&Value| event["data"]["reason"] == "download-refused";
        let ended = of(events, "cultivation.completed").len() + of(events, "cultivation.stopped").len() > 0;
        ended && (has_file || of(events, "device.gap").iter().any(refused))
    };
    wait_for("the run's end", || is_over(&daemon.events())).await;
    daemon.kill();
    serving.abort();
    let events = daemon.events();
    (instrument, events)
}

fn made(instrument: &Instrument) -> BTreeMap<Reading, u32> {
    let reading = |one: &instrumentd_simulators::biolector::Reading| {
        ((u64::from(one.cycle), u64::from(one.filterset), one.well.clone()), 1)
    };
    instrument.readings.iter().map(reading).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_when_the_daemon_was_killed_comes_back_without_any_file() {
    let (instrument, events) = killed_while_holding(10, false).await;
    assert_eq!(measured(&events), made(&instrument), "each reading is measured once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_and_overwritten_comes_with_the_file() {
    let (instrument, events) = killed_while_holding(CYCLE + 30, true).await;
    assert_eq!(measured(&events), made(&instrument), "each reading is measured once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_and_overwritten_is_named_where_there_is_no_file() {
    let (instrument, events) = killed_while_holding(CYCLE + 30, false).await;
    let (told, mut lost) = (measured(&events), BTreeMap::<u64, u64>::new());
    assert!(told.values().all(|count| *count == 1));
    for (cycle, ..) in made(&instrument).keys().filter(|reading| !told.contains_key(*reading)) {
        *lost.entry(*cycle).or_default() += 1;
    }
    let mut named = BTreeMap::<u64, u64>::new();
    for gap in of(&events, "device.gap") {
        for missing in gap["data"]["missing"].as_array().into_iter().flatten() {
            let number = |name: &str| missing[name].as_u64().expect("a number");
            *named.entry(number("cycle")).or_default() += number("readings");
        }
    }
    assert!(lost.values().sum::<u64>() >= 20, "what was held stands nowhere any more: {lost:?}");
    assert_eq!(named, lost);
}
