//! What was there before the first start, and what came while the daemon was down.

use std::time::{Duration, SystemTime};

use super::*;
use crate::config::settings::Backfill;

fn dated(path: &Path, bytes: &[u8], days_ago: u64) {
    append(path, bytes);
    let when = SystemTime::now() - Duration::from_secs(days_ago * 86_400);
    std::fs::OpenOptions::new().write(true).open(path).and_then(|file| file.set_modified(when)).expect("dated");
}

#[test]
fn what_was_there_is_not_published_and_what_comes_is() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        for n in 0..300 {
            append(&folder.path().join(format!("old {n}.csv")), &lines(n, 3));
        }
        let mut rig = Rig::connected(folder.path(), watch);
        append(&folder.path().join("new.csv"), b"1\n");
        rig.until_logged("settled new.csv");
        assert_eq!(rig.count("opened"), 1);
        // Down: another new one, an append to the known one, and still not the old ones.
        rig.link().stop();
        append(&folder.path().join("newer.csv"), b"2\n");
        append(&folder.path().join("new.csv"), b"3\n");
        rig.restart();
        rig.until_content("new.csv", b"1\n3\n");
        rig.until_content("newer.csv", b"2\n");
        assert_eq!((rig.count("opened"), rig.live, rig.backfilled), (3, 6, 0));
        assert_eq!(rig.count("opened new.csv Table true"), 1);
        assert_eq!(rig.count("baseline"), 1);
    });
}

#[test]
fn an_old_file_that_grows_is_a_run_in_progress() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.csv");
        append(&path, &lines(0, 100));
        let mut rig = Rig::connected(folder.path(), watch);
        append(&path, &lines(100, 10));
        rig.until_content("run.csv", &lines(0, 110));
        assert_eq!((rig.backfilled, rig.live), (lines(0, 100).len(), lines(100, 10).len()));
    });
}

#[test]
fn an_old_file_that_is_renamed_stays_old() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        append(&folder.path().join("run.csv"), &lines(0, 100));
        let mut rig = Rig::connected(folder.path(), watch);
        std::fs::create_dir(folder.path().join("archive")).expect("a folder");
        std::fs::rename(folder.path().join("run.csv"), folder.path().join("archive/run.csv")).expect("renamed");
        append(&folder.path().join("new.csv"), b"1\n");
        rig.until_logged("settled new.csv");
        rig.restart();
        append(&folder.path().join("new.csv"), b"2\n");
        rig.until_content("new.csv", b"1\n2\n");
        assert_eq!((rig.live, rig.backfilled), (4, 0), "{:#?}", rig.log);
    });
}

#[test]
fn backfill_is_oldest_first() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, days) in [("b.csv", 30), ("a.csv", 2), ("sub/c.csv", 10)] {
            std::fs::create_dir_all(folder.path().join("sub")).expect("a folder");
            dated(&folder.path().join(name), &lines(days, 20), days as u64);
        }
        let mut start = start(folder.path(), watch);
        start.settings.backfill = Some(Backfill::All);
        let mut rig = Rig::new(start.clone());
        rig.until("all", |rig| rig.backfilled == [30, 2, 10].iter().map(|n| lines(*n, 20).len()).sum::<usize>());
        let opened: Vec<&String> = rig.log.iter().filter(|line| line.starts_with("opened")).collect();
        assert_eq!(opened, ["opened b.csv Table false", "opened sub/c.csv Table false", "opened a.csv Table false"]);
        assert_eq!(rig.live, 0);

        let since = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * 15);
        start.settings.backfill = Some(Backfill::Since(since));
        let mut rig = Rig::new(start);
        rig.until_logged("settled a.csv");
        let opened: Vec<&String> = rig.log.iter().filter(|line| line.starts_with("opened")).collect();
        assert_eq!(opened, ["opened sub/c.csv Table false", "opened a.csv Table false"]);
    });
}

#[test]
fn another_folder_has_a_first_start_of_its_own() {
    let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    append(&other.path().join("old.csv"), b"1\n");
    let mut rig = Rig::connected(one.path(), WatchMode::Notify);
    rig.start.settings.folder = other.path().to_owned();
    rig.restart();
    rig.until("a second baseline", |rig| rig.count("baseline") == 2);
    append(&other.path().join("new.csv"), b"2\n");
    rig.until_logged("settled new.csv");
    assert_eq!(rig.count("opened"), 1);
}
