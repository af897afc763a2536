//! From append to receipt at 200 events a second, against a bare pipeline fed in the same way in the same run.

use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::place::{Broker, Daemon, Delivery, subscribe, wait_online};
use crate::{Wanted, bare, real_data, verdict};

const EVENTS: usize = 3000;
/// The daemon and the bare pipeline take so many turns each.
const TURNS: usize = 15;
const EVERY: Duration = Duration::from_millis(5);

pub fn measure() {
    let Some(source) = real_data("biolector-pro/18-HM_CoryneBatch-HM-2018-04-26-07-27-33.csv") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };
    let text = std::fs::read(&source).expect("the real file");
    let (header, rows) = split(&text);

    // The bare pipeline; one row to warm it up, and to know that it runs.
    let watched = tempfile::tempdir_in(".").expect("a folder on the disk of the project");
    let passed_on = watched.path().join("run.csv");
    let to_bare = subscribe(broker.port, "bare/events");
    let (done, is_done) = std::sync::mpsc::channel();
    let pipe = {
        let (file, port) = (passed_on.clone(), broker.port);
        std::thread::spawn(move || bare::pipeline(port, |line| bare::file(&file, &is_done, line)))
    };
    while to_bare.recv_timeout(Duration::from_millis(300)).is_err() {
        append(&passed_on, b"warm\n");
    }
    while to_bare.recv_timeout(Duration::from_millis(300)).is_ok() {}

    // The daemon.
    let to_daemon = subscribe(broker.port, "instrumentd/v1/#");
    let daemon = Daemon::start(broker.port, "biolector-pro", 1);
    wait_online(&to_daemon, 1);
    let decoded = daemon.device(0).join("run.csv");
    append(&decoded, header);
    while !receive(&to_daemon).topic.ends_with("cultivation/started") {}

    let (mut ours, mut bare) = in_turns(
        rows.chunks(EVENTS / TURNS),
        |rows| arrivals(&feed(&decoded, rows), &to_daemon, |delivery| delivery.topic.ends_with("cultivation/measured")),
        |rows| arrivals(&feed(&passed_on, rows), &to_bare, |_| true),
    );
    let _ = done.send(());
    let _ = pipe.join();
    compare("append", &mut ours, &mut bare);
}

/// Measures the daemon and the bare pipeline in turns, since how fast a machine is changes within a minute; all latencies in
/// milliseconds.
pub fn in_turns<T: Copy>(
    turns: impl Iterator<Item = T>,
    mut ours: impl FnMut(T) -> Vec<f64>,
    mut bare: impl FnMut(T) -> Vec<f64>,
) -> (Vec<f64>, Vec<f64>) {
    let mut all = (Vec::new(), Vec::new());
    for turn in turns {
        all.1.extend(bare(turn));
        all.0.extend(ours(turn));
    }
    all
}

/// From each of these moments to the delivery that came of it, in milliseconds.
pub fn arrivals(begun: &[Instant], deliveries: &Receiver<Delivery>, is_wanted: impl Fn(&Delivery) -> bool) -> Vec<f64> {
    let arrival = |at: &Instant| loop {
        let delivery = receive(deliveries);
        if is_wanted(&delivery) {
            return millis(delivery.at - *at);
        }
    };
    begun.iter().map(arrival).collect()
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

pub fn receive(deliveries: &Receiver<Delivery>) -> Delivery {
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
