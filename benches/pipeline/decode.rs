//! Bytes to typed events in memory, on one core.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Instant;

use instrumentd::driver::{Driver as _, Effects, FileInput, Input, SourceKind, SourceName, biolector};
use jiff::Timestamp;

use crate::{Wanted, real_data, verdict};

/// As much as the file link hands over at once.
const CHUNK: usize = 256 << 10;
const ROUNDS: usize = 5;

pub fn measure() {
    let Some(path) = real_data("biolector-xt/4_BG_test.zip") else { return };
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).expect("the real export")).expect("a zip");
    let mut members = Vec::new();
    let mut table = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).expect("a member");
        let name = member.name().expect("a name in UTF-8").into_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).expect("readable");
        if name.ends_with(".csv") {
            table = bytes;
        } else if !name.ends_with(".log") {
            members.push((name, bytes));
        }
    }
    let mut best = f64::MAX;
    let mut lines_best = f64::MAX;
    let mut events = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        events = decode(&members, &table);
        best = best.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        std::hint::black_box(table.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count());
        lines_best = lines_best.min(start.elapsed().as_secs_f64());
    }
    let megabytes = table.len() as f64 / 1e6;
    println!(
        "  {events} events from {megabytes:.1} MB in {:.0} ms; only splitting its lines takes {:.0} ms",
        best * 1e3,
        lines_best * 1e3
    );
    verdict("decoding a real XT csv to typed events", megabytes / best, Wanted::AtLeast(60.0), "MB/s");
}

fn decode(members: &[(String, Vec<u8>)], table: &[u8]) -> usize {
    let source: SourceName = Arc::from("run.zip");
    let site = "bench".parse().expect("a name");
    let device = "xt".parse().expect("a name");
    let profile = instrumentd::profile::shipped("biolector-xt").expect("a shipped profile");
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("a zone");
    let mut driver = biolector::driver(biolector::Context::new(&site, &device, profile, zone));
    let mut effects = Effects::default();
    let mut events = 0;
    let mut give = |input| {
        effects.clear();
        driver.handle(Input::File(&source, input), Timestamp::UNIX_EPOCH, &mut effects);
        events += effects.events.len();
    };
    give(FileInput::Opened { kind: SourceKind::Export, snapshot: &[] });
    for (name, bytes) in members {
        give(FileInput::Member { name, bytes });
    }
    for (number, bytes) in table.chunks(CHUNK).enumerate() {
        give(FileInput::Bytes { offset: (number * CHUNK) as u64, bytes });
    }
    give(FileInput::Ended);
    events
}
