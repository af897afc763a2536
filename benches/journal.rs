//! How fast the journal takes events: a backfill's batches, then one event at a time, beside a bare SQLite insert on the
//! same disk in the same run. `cargo bench --bench journal -- [FOLDER]`

#![allow(clippy::unwrap_used, reason = "a measurement, not the product: a failure should stop it")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use instrumentd::config::settings::{JournalSettings, WhenFull};
use instrumentd::event::cultivation::Run;
use instrumentd::event::device::Faulted;
use instrumentd::event::envelope::Origin;
use instrumentd::event::{Body, DeviceId, Event, EventSource, Ingest, Key, Prepared, Subject, TimeQuality, Well, ids};
use instrumentd::journal::{Batch, Journal, SourceUpdate};

const ROWS: usize = 1000;
const BATCHES: u32 = 300;
const SINGLE: usize = 2000;

fn main() {
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = named.unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let folder = tempfile::tempdir_in(folder).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure(folder.path()));
}

async fn measure(folder: &Path) {
    let settings = JournalSettings {
        path: folder.join("journal.db"),
        keep_for: Duration::from_secs(86_400),
        max_bytes: 8 << 30,
        when_full: WhenFull::Wait,
    };
    let broker: Arc<str> = "main".into();
    let journal = Journal::open(&settings, std::slice::from_ref(&broker)).unwrap();
    let device: DeviceId = "bl".parse().unwrap();
    let source = EventSource::new(&"lab".parse().unwrap(), &device);
    let run = Arc::new(Run {
        id: ids::run_id(&source, "run"),
        name: "run".into(),
        instrument_run_id: "run".into(),
        started_at: None,
        flags: Vec::new(),
        identity: "run".into(),
    });
    let origin = Origin { source, partition: device.clone(), ingest: Ingest::Backfill, position: None };
    let text = "x".repeat(500);
    let event = |number: u32| {
        let (cycle, rest) = (number / 240 + 1, number % 240);
        let well = Well::new((rest % 6) as u8, (rest / 6 % 8) as u8).unwrap();
        let event = Event {
            body: Body::DeviceFaulted(Faulted { code: "rate".into(), text: text.clone(), remedy: None }),
            key: Key::Reading(cycle, rest / 48 + 1, well),
            run: Some(Arc::clone(&run)),
            cycle: Some(cycle),
            closes: false,
            subject: Subject::Well { plate: "plate".into(), well },
            time: jiff::Timestamp::from_second(1_700_000_000 + i64::from(cycle)).ok(),
            time_quality: TimeQuality::Instrument,
            revision: 1,
            reason: None,
            causation: None,
            offset: Some(u64::from(number)),
            alike: None,
        };
        Prepared::new(&event, &origin)
    };
    let batch = |events: Vec<Prepared>, position: u32| {
        let mut batch = Batch::new(device.clone(), "files".into());
        batch.events = events;
        let parts = vec![("rows".to_owned(), vec![0; 2000])];
        let position = Some(position.to_be_bytes().to_vec());
        batch.sources.push(SourceUpdate { source: "run.csv".into(), position, parts, reset: false, forget: false });
        batch
    };
    let mut writing = Duration::ZERO;
    for number in 0..BATCHES {
        let rows = ROWS as u32;
        let made = batch((number * rows..(number + 1) * rows).map(event).collect(), number);
        let from = Instant::now();
        let done = journal.commit(made).await.unwrap();
        writing += from.elapsed();
        assert_eq!(done.new, u64::from(rows));
        journal.settle(&broker, &device, done.last_sequence);
    }
    let sample = journal.rows_after(&device, 0, 1).unwrap();
    println!(
        "backfill: {:.0} events/s in batches of {ROWS}, {} bytes each; resident {}",
        f64::from(BATCHES) * ROWS as f64 / writing.as_secs_f64(),
        sample[0].payload.len(),
        resident(),
    );
    let from = Instant::now();
    let mut known = 0;
    for number in 0..20 {
        let rows = ROWS as u32;
        let made = batch((number * rows..(number + 1) * rows).map(event).collect(), number);
        known += journal.commit(made).await.unwrap().known;
    }
    println!(
        "known again: {:.0} events/s, making them included",
        f64::from(known as u32) / from.elapsed().as_secs_f64()
    );

    let bare = rusqlite::Connection::open(folder.join("bare.db")).unwrap();
    bare.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
         CREATE TABLE o(seq INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;",
    )
    .unwrap();
    let payload = vec![b'x'; sample[0].payload.len()];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..SINGLE {
        let made = batch(vec![event(BATCHES * ROWS as u32 + number as u32)], number as u32);
        let from = Instant::now();
        let done = journal.commit(made).await.unwrap();
        ours.push(from.elapsed());
        journal.settle(&broker, &device, done.last_sequence);
        let from = Instant::now();
        bare.prepare_cached("INSERT INTO o(payload) VALUES(?1)").unwrap().execute([&payload]).unwrap();
        theirs.push(from.elapsed());
    }
    println!("one at a time, journal:     {}", percentiles(&mut ours));
    println!("one at a time, bare insert: {}", percentiles(&mut theirs));
    journal.close().await;
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_micros();
    format!("median {} us, 99th percentile {} us, most {} us", at(0.5), at(0.99), at(1.0))
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("unknown").trim().to_owned()
}
