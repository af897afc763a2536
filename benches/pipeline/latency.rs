//! From append to receipt at 200 events a second, against a bare pipeline fed in the same way in the same run.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::place::{Broker, Daemon, Delivery, subscribe, wait_online};
use crate::{Wanted, bare, real_data, verdict};

const EVENTS: usize = 3000;
const EVERY: Duration = Duration::from_millis(5);

pub fn measure() {
    let Some(source) = real_data("biolector-pro/18-HM_CoryneBatch-HM-2018-04-26-07-27-33.csv") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };
    let text = std::fs::read(&source).expect("the real file");
    let (header, rows) = split(&text);

    // The bare pipeline.
    let watched = tempfile::tempdir_in(".").expect("a folder on the disk of the project");
    let file = watched.path().join("run.csv");
    let deliveries = subscribe(broker.port, "bare/events");
    let (done, is_done) = std::sync::mpsc::channel();
    let pipe = {
        let (file, port) = (file.clone(), broker.port);
        std::thread::spawn(move || bare::pipeline(port, |line| bare::file(&file, &is_done, line)))
    };
    // One row to warm it up, and to know that it runs.
    while deliveries.recv_timeout(Duration::from_millis(300)).is_err() {
        append(&file, b"warm\n");
    }
    while deliveries.recv_timeout(Duration::from_millis(300)).is_ok() {}
    let appended = feed(&file, &rows);
    let got: Vec<Delivery> = (0..appended.len()).map(|_| receive(&deliveries)).collect();
    let mut bare: Vec<f64> = appended.iter().zip(&got).map(|(at, d)| millis(d.at - *at)).collect();
    let _ = done.send(());
    let _ = pipe.join();

    // The daemon.
    let deliveries = subscribe(broker.port, "instrumentd/v1/#");
    let daemon = Daemon::start(broker.port, "biolector-pro", 1);
    wait_online(&deliveries, 1);
    let file = daemon.device(0).join("run.csv");
    append(&file, header);
    while !receive(&deliveries).topic.ends_with("cultivation/started") {}
    let appended = feed(&file, &rows);
    let mut ours = Vec::new();
    while ours.len() < appended.len() {
        let delivery = receive(&deliveries);
        if delivery.topic.ends_with("cultivation/measured") {
            ours.push(millis(delivery.at - appended[ours.len()]));
        }
    }
    compare("append", &mut ours, &mut bare);
}

/// Prints the latencies in milliseconds of the daemon and of the bare pipeline, and the ratios that are promised.
pub fn compare(from: &str, ours: &mut [f64], bare: &mut [f64]) {
    ours.sort_by(f64::total_cmp);
    bare.sort_by(f64::total_cmp);
    let at = |values: &[f64], share: f64| values[((values.len() - 1) as f64 * share) as usize];
    println!(
        "  {from} to receipt, median and 99th percentile: {:.2} and {:.2} ms; bare pipeline: {:.2} and {:.2} ms",
        at(ours, 0.5),
        at(ours, 0.99),
        at(bare, 0.5),
        at(bare, 0.99)
    );
    verdict("median to the bare pipeline's", at(ours, 0.5) / at(bare, 0.5), Wanted::AtMost(1.3), "times");
    verdict("99th percentile to the bare pipeline's", at(ours, 0.99) / at(bare, 0.99), Wanted::AtMost(2.0), "times");
}

pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub fn receive(deliveries: &std::sync::mpsc::Receiver<Delivery>) -> Delivery {
    deliveries.recv_timeout(Duration::from_secs(30)).expect("an event arrives")
}

/// The header up to the table, and the first measurements.
fn split(text: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let table = lines.iter().position(|line| line.starts_with(b"Type;Cycle")).expect("a table") + 1;
    let header: usize = lines[..table].iter().map(|line| line.len()).sum();
    let rows = lines[table..].iter().copied().filter(|line| line.starts_with(b"M;")).take(EVENTS).collect();
    (&text[..header], rows)
}

fn append(file: &Path, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
    file.and_then(|mut file| file.write_all(bytes)).expect("an append");
}

/// Appends a row every 5 ms; gives the moments just before each append.
fn feed(file: &Path, rows: &[&[u8]]) -> Vec<Instant> {
    paced(EVERY, rows.iter(), |row| append(file, row))
}

/// Does something with each of many, one every so often; gives the moments just before.
pub fn paced<T>(every: Duration, all: impl Iterator<Item = T>, mut each: impl FnMut(T)) -> Vec<Instant> {
    let start = Instant::now();
    let one = |(number, one)| {
        let due = start + every * u32::try_from(number).unwrap_or(u32::MAX);
        #[allow(clippy::disallowed_methods)]
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let at = Instant::now();
        each(one);
        at
    };
    all.enumerate().map(one).collect()
}
