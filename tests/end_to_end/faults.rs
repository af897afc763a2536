//! What a laboratory brings: the daemon is killed, the broker is stopped, killed and frozen, in the middle of a run.

use std::io::Write as _;
use std::path::Path;

use crate::daemon::{DEVICE, Place};
use crate::mosquitto::Mosquitto;
use crate::real_runs::assert_exactly;
use crate::subscriber::Subscriber;
use crate::{real_data, wait_for};

/// A small generator of our own, so that a failure can be repeated: the seed is printed.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("INSTRUMENTD_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) | 1);
        println!("INSTRUMENTD_TEST_SEED={seed}");
        Self(seed)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("small")
    }
}

fn append(file: &Path, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
    file.and_then(|mut file| file.write_all(bytes)).expect("the instrument writes");
}

#[test]
fn a_run_fed_in_pieces_survives_dozens_of_kills_and_broker_faults() {
    const KILLS: usize = 24;
    let Some(source) = real_data("biolector-pro/issue24.csv") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut broker) = Mosquitto::start(folder.path()) else { return };
    let place = Place::new("biolector-pro", broker.port);
    let expected = place.decode(&source);
    let bytes = std::fs::read(&source).expect("the real file");
    let mut dice = Dice::new();

    let subscriber = Subscriber::connect(broker.port);
    let target = place.results().join("316-run of a person.csv");
    let mut daemon = Some(place.run());
    let mut written = 0;
    for round in 0..KILLS {
        let until = if round + 1 == KILLS { bytes.len() } else { (bytes.len() * (round + 1)) / KILLS };
        while written < until {
            let piece = (1 + dice.roll(9000)).min(until - written);
            append(&target, &bytes[written..written + piece]);
            written += piece;
        }
        match dice.roll(5) {
            0 => {
                broker.down("TERM");
                broker.up();
            }
            1 => {
                broker.down("KILL");
                broker.up();
            }
            2 => broker.signal("STOP"),
            _ => {}
        }
        // Sometimes before the daemon has even started to read, sometimes after much of it was published.
        let seen = subscriber.with(|r| r.events.len());
        let wanted = seen + dice.roll(60);
        let start = std::time::Instant::now();
        let enough = std::time::Duration::from_millis(20 + dice.roll(400) as u64);
        wait_for("a moment to kill", || subscriber.with(|r| r.events.len()) >= wanted || start.elapsed() > enough);
        daemon.take().expect("a running daemon").end("KILL");
        broker.signal("CONT");
        daemon = Some(place.run());
    }

    let last = expected.len() as u64 + 1;
    let state = format!("instrumentd/v1/lab/devices/{DEVICE}/state");
    wait_for("the daemon to have read everything", || {
        subscriber.with(|r| r.retained.get(&state).is_some_and(|s| s["last_sequence"] == last))
    });
    let journal = subscriber.with(|r| r.retained[&state]["journal"].as_str().expect("a journal").to_owned());
    subscriber.fill_holes("gateway", DEVICE, &journal, last);
    assert_exactly(&subscriber, &expected);
    assert!(daemon.take().expect("a running daemon").end("TERM").success(), "{}", place.log());
}

#[test]
fn a_replaced_a_renamed_and_a_copied_file_make_nothing_new() {
    let Some(source) = real_data("biolector-pro/224-MO_Coryne--2019-07-12-16-54-30.csv") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start(folder.path()) else { return };
    let place = Place::new("biolector-pro", broker.port);
    let expected = place.decode(&source);
    let bytes = std::fs::read(&source).expect("the real file");
    let subscriber = Subscriber::connect(broker.port);
    let daemon = place.run();

    let results = place.results();
    append(&results.join("run.csv"), &bytes[..bytes.len() / 2]);
    wait_for("half a run", || subscriber.with(|r| r.events.len() > 100));
    // A longer copy takes the file's place, as when results are downloaded again and again.
    std::fs::write(results.join("download.part"), &bytes).expect("a copy");
    std::fs::rename(results.join("download.part"), results.join("run.csv")).expect("it takes the place");
    let last = expected.len() as u64 + 1;
    wait_for("the whole run", || subscriber.with(|r| r.events.len() as u64 >= last));
    std::fs::rename(results.join("run.csv"), results.join("renamed by hand.csv")).expect("a rename");
    std::fs::copy(results.join("renamed by hand.csv"), results.join("copy.csv")).expect("a copy");

    // A second run behind it shows that the others were looked at and made nothing.
    let Some(other) = real_data("biolector-pro/new_metadata_format.csv") else { return };
    let mut both = expected;
    both.extend(place.decode(&other));
    std::fs::copy(&other, results.join("second.csv")).expect("a second run");
    let last = both.len() as u64 + 1;
    wait_for("the second run", || subscriber.with(|r| r.events.len() as u64 >= last));
    assert_exactly(&subscriber, &both);
    assert!(daemon.end("TERM").success(), "{}", place.log());
}

#[test]
fn a_narrow_broker_gets_every_event_and_one_too_narrow_gets_none_and_loses_none() {
    let Some(source) = real_data("biolector-pro/224-MO_Coryne--2019-07-12-16-54-30.csv") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut broker) = Mosquitto::start_with(folder.path(), "max_packet_size 256") else { return };
    let place = Place::new("biolector-pro", broker.port);
    let expected = place.decode(&source);
    let last = expected.len() as u64 + 1;
    std::fs::copy(&source, place.results().join("run.csv")).expect("a run");
    let daemon = place.run();
    wait_for("the daemon to say that this broker takes too little", || place.log().contains("at most 256 bytes"));
    wait_for("the run to be recorded all the same", || place.recorded().len() as u64 >= last);

    // Now one that takes 4 KiB, one message at a time; the daemon is killed meanwhile, to be there at once.
    daemon.end("KILL");
    broker.down("TERM");
    broker.limits = "max_packet_size 4096\nmax_inflight_messages 1";
    broker.up();
    let subscriber = Subscriber::connect(broker.port);
    let daemon = place.run();
    wait_for("every event", || subscriber.holes(DEVICE, last).is_empty());
    subscriber.with(|r| {
        assert_eq!(r.complaints, Vec::<String>::new());
        for ((_, event), recorded) in r.events.values().map(|(e, b)| (b, e)).zip(place.recorded()) {
            assert_eq!(event["id"], recorded["id"]);
            let whole = recorded.to_string().len() < 3900;
            assert_eq!(event.get("data").is_some(), whole, "{}", event["type"]);
            assert_eq!(event.get("dataref").is_some(), !whole, "{}", event["type"]);
        }
        assert!(r.events.values().any(|(event, _)| event.get("dataref").is_some()), "the start is larger than 4 KiB");
    });
    assert!(daemon.end("TERM").success(), "{}", place.log());
}
