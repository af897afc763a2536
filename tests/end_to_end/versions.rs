//! A journal that a program of journal version 1 wrote, in the middle of a run: this program takes it over and goes on.
//!
//! `version_1/journal.sql` is what such a program had made of the first 5 647 bytes of `version_1/run.csv`, a simulated run of two
//! wells and three cycles, when it was stopped within the third.

use crate::daemon::Place;
use crate::mosquitto::Mosquitto;
use crate::real_runs::assert_exactly;
use crate::subscriber::Subscriber;
use crate::wait_for;

const JOURNAL: &str = include_str!("version_1/journal.sql");
const MARK: &[u8] = include_bytes!("version_1/journal.db.mark");
const RUN: &[u8] = include_bytes!("version_1/run.csv");

#[test]
fn a_journal_of_version_1_is_taken_over_in_the_middle_of_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start(folder.path()) else { return };
    let place = Place::new("biolector-pro", broker.port);
    let old = rusqlite::Connection::open(place.root.path().join("journal.db")).expect("a file");
    old.execute_batch(JOURNAL).expect("the tables of version 1");
    drop(old);
    std::fs::write(place.root.path().join("journal.db.mark"), MARK).expect("the mark beside it");
    let run = place.results().join("run.csv");
    std::fs::write(&run, RUN).expect("the whole run");
    let expected = place.decode(&run);
    let was = place.recorded();
    assert_eq!(was.len(), 28, "it can be read as it is");

    let subscriber = Subscriber::connect(broker.port);
    let daemon = place.run();
    let last = expected.len() as u64 + 1;
    assert!(last > was.len() as u64);
    wait_for("the whole run", || subscriber.holes("biolector", last).is_empty());
    assert_exactly(&subscriber, &expected);
    assert_eq!(place.recorded()[..was.len()], was, "what was recorded stays what it was");
    assert!(daemon.end("TERM").success(), "{}", place.log());
}
