//! Acquisitions: digests against sha2 alone, and a tree of many files at the start and at each poll.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use instrumentd::config::settings::{Backfill, WatchMode};
use instrumentd::link::filesets::{self, Root, SetEvent, SetsSettings, Start};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::place::{Broker, Daemon, processor_s, subscribe, wait_online};
use crate::{Wanted, verdict};

/// Megabytes of 1024 × 1024 to be read for a digest.
const SIZE: usize = 512;
const ROUNDS: usize = 5;
const FOLDERS: usize = 500;
/// Sets in each folder, of two files each.
const SETS: usize = 100;
const POLLS: u32 = 5;

/// The digest of one member through the link, unthrottled, against sha2 in a loop of reads over the same file.
pub fn hashing() {
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk of the project");
    let path = folder.path().join("S.wiff.scan");
    let mut file = std::fs::File::create(&path).expect("a file");
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..SIZE {
        let block: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(1 << 20).collect();
        file.write_all(&block).expect("written");
    }
    drop(file);
    let (events, mut said) = mpsc::channel(64);
    let link = filesets::spawn(
        Start { settings: settings(folder.path(), Some(Backfill::All)), known: Vec::new(), baseline: None },
        events,
    );
    let (set, members) = loop {
        if let SetEvent::Looked { set, seen, .. } = said.blocking_recv().expect("the link lives") {
            break (set, seen.members);
        }
    };
    let (mut ours, mut plain) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let digest = sha256(&path);
        plain = plain.min(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        link.hash(set.clone(), members.clone());
        let hashed = loop {
            if let SetEvent::Hashed { hashed, .. } = said.blocking_recv().expect("the link lives") {
                break hashed;
            }
        };
        ours = ours.min(begin.elapsed().as_secs_f64());
        assert_eq!(hashed.sha256, digest, "the same digest");
    }
    link.stop();
    println!(
        "  {:.0} MB/s; sha2 in a loop of reads: {:.0} MB/s",
        SIZE as f64 * 1.048_576 / ours,
        SIZE as f64 * 1.048_576 / plain
    );
    verdict("rate of digests to that of sha2 alone", plain / ours, Wanted::AtLeast(0.9), "times");
}

fn sha256(path: &Path) -> String {
    let mut file = std::fs::File::open(path).expect("the file");
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 1 << 16]);
    while let read @ 1.. = file.read(&mut chunk).expect("a read") {
        hash.update(&chunk[..read]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hundred thousand files that were there before: the time until the daemon follows them, and what a poll costs when nothing changed.
pub fn scan() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder.path()) else { return };
    let place = tempfile::tempdir_in(".").expect("a folder on the disk of the project");
    let results = place.path().join("results");
    for folder in 0..FOLDERS {
        let folder = results.join(format!("project-{folder}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        for set in 0..SETS {
            for suffix in ["wiff", "wiff.scan"] {
                std::fs::write(folder.join(format!("{set:04}.{suffix}")), suffix).expect("a file");
            }
        }
    }
    let table =
        "[devices.ms]\nprofile = \"zenotof-7600\"\ntime_zone = \"Europe/Berlin\"\nfiles = { folder = \"results\" }\n";
    let deliveries = subscribe(broker.port, "instrumentd/v1/#");
    let begin = Instant::now();
    let mut daemon = Daemon::with(broker.port, place, table);
    wait_online(&deliveries, 1);
    let first = begin.elapsed().as_secs_f64();
    while deliveries.recv_timeout(Duration::from_secs(1)).is_ok() {}
    let begin = Instant::now();
    daemon.start_again();
    wait_online(&deliveries, 1);
    let again = begin.elapsed().as_secs_f64();
    println!("  first start: {first:.2} s; second: {again:.2} s; then {:.0} MB resident", daemon.memory_mb("VmRSS"));
    verdict("start on 100 000 files, the slower of two", first.max(again), Wanted::AtMost(3.0), "s");
    let _ = daemon.child.kill();

    let (events, mut said) = mpsc::channel(64);
    let link = filesets::spawn(Start { settings: settings(&results, None), known: Vec::new(), baseline: None }, events);
    let mut status = link.status();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut polled = || {
        let before = status.borrow().last_scan;
        runtime.block_on(status.wait_for(|status| status.last_scan != before)).expect("the link lives");
    };
    polled();
    let before = processor_s(std::process::id());
    (0..POLLS).for_each(|_| polled());
    let each = (processor_s(std::process::id()) - before) / f64::from(POLLS) * 1e3;
    verdict("a poll of 100 000 unchanged files", each, Wanted::AtMost(300.0), "ms of processor time");
    while let Ok(event) = said.try_recv() {
        assert!(!matches!(event, SetEvent::Opened { .. }), "nothing is followed");
    }
    link.stop();
}

fn settings(folder: &Path, backfill: Option<Backfill>) -> SetsSettings {
    SetsSettings {
        roots: vec![Root { name: "results".into(), folder: folder.to_owned(), base: None }],
        watch: WatchMode::Poll,
        poll_interval: Duration::from_secs(1),
        backfill,
        require_mount: false,
        hash_rate: None,
        hash_parallel: 1,
        manifests: None,
        batches: None,
    }
}
