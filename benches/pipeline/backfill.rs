//! A whole real run through journal and broker, against rumqttc that only publishes the same payloads.

use std::time::{Duration, Instant};

use crate::place::{Broker, Daemon, subscribe, wait_online};
use crate::{Wanted, bare, real_data, verdict};

/// How often each is measured; the medians are compared.
const ROUNDS: usize = 3;

pub fn measure() {
    let Some(source) = real_data("biolector-xt/4_BG_test.zip") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };
    let (mut ours, mut theirs, mut peak) = (Vec::new(), Vec::new(), 0.0_f64);
    for round in 0..ROUNDS {
        let deliveries = subscribe(broker.port, "instrumentd/v1/#");
        let daemon = Daemon::start(broker.port, "biolector-xt", 1);
        wait_online(&deliveries, 1);
        let copy = daemon.device(0).join("run.part");
        std::fs::copy(&source, &copy).expect("the run is copied");
        let start = Instant::now();
        std::fs::rename(&copy, daemon.device(0).join("run.zip")).expect("the run appears");
        let mut payloads = Vec::new();
        let last = loop {
            let delivery = deliveries.recv_timeout(Duration::from_secs(60)).expect("the run arrives");
            if !delivery.topic.contains("/events/") {
                continue;
            }
            let ended =
                ["completed", "stopped"].iter().any(|end| delivery.topic.ends_with(&format!("cultivation/{end}")));
            payloads.push(delivery.payload);
            if ended {
                break delivery.at;
            }
        };
        ours.push(payloads.len() as f64 / (last - start).as_secs_f64());
        peak = peak.max(daemon.memory_mb("VmHWM"));
        drop(daemon);

        let bare_topic = format!("bare/{round}");
        let counting = subscribe(broker.port, &bare_topic);
        let start = Instant::now();
        bare::publish(broker.port, &bare_topic, &payloads);
        let mut last = start;
        for _ in 0..payloads.len() {
            last = counting.recv_timeout(Duration::from_secs(60)).expect("the bare run arrives").at;
        }
        theirs.push(payloads.len() as f64 / (last - start).as_secs_f64());
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    println!("  events/s, durable and delivered: {ours:.0}; rumqttc alone with the same payloads: {theirs:.0}");
    verdict("rate of the whole way to that of rumqttc alone", ours / theirs, Wanted::AtLeast(0.7), "times");
    verdict("peak resident memory during the backfill", peak, Wanted::AtMost(40.0), "MB");
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
