//! Real faults, in child processes: killed in the middle, a disk that is full, a file that cannot be written.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::journal::{Condition, History, SourceUpdate};

/// Which folder a child works in; without it the child's test does nothing.
const FOLDER: &str = "JOURNAL_TEST_FOLDER";

/// Runs one test of this binary in a process of its own.
fn child(test: &str, folder: &Path) -> Child {
    let binary = std::env::current_exe().expect("a path");
    Command::new(binary)
        .args([&format!("journal::tests::faults::{test}"), "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this binary runs")
}

/// Commits for ever, each batch with its number as the source's position and in the snapshot, and says each number only
/// after the commit.
#[tokio::test]
async fn child_that_commits_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let journal = reopen(&settings(Path::new(&folder)));
    let d = device("bl");
    let mut number = journal
        .sources(&d, "files")
        .expect("readable")
        .first()
        .map_or(0, |source| u64::from_be_bytes(source.position.as_slice().try_into().expect("eight bytes")));
    loop {
        number += 1;
        // Between one and fifty events; each number always the same ones.
        let texts: Vec<String> =
            (0..number * 7 % 50 + 1).map(|n| format!("{number}/{n} {}", "x".repeat(700))).collect();
        let mut batch = batch(&d, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        batch.sources.push(SourceUpdate {
            source: "run.csv".into(),
            position: Some(number.to_be_bytes().to_vec()),
            parts: vec![("rows".into(), number.to_be_bytes().to_vec())],
            reset: false,
            forget: false,
        });
        journal.commit(batch).await.expect("open");
        println!("\ncommitted {number}");
    }
}

#[tokio::test]
async fn killed_at_any_moment_a_commit_is_whole_or_not_there() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let d = device("bl");
    let mut acknowledged = 0;
    for round in 0..8 {
        let mut running = child("child_that_commits_until_it_is_killed", folder.path());
        let lines = BufReader::new(running.stdout.take().expect("piped")).lines();
        let numbers =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("committed ")?.parse::<u64>().ok());
        // After so many it is in the middle of the next one.
        for (seen, number) in numbers.enumerate() {
            acknowledged = number;
            if seen >= round * 5 + 3 {
                running.kill().expect("it runs");
            }
        }
        running.wait().expect("it ended");

        let journal = reopen(&settings);
        assert_eq!(journal.previous_id(), None, "nothing was lost");
        let sources = journal.sources(&d, "files").expect("readable");
        let position = u64::from_be_bytes(sources[0].position.as_slice().try_into().expect("eight bytes"));
        assert!(position >= acknowledged, "what was acknowledged is there: {position} of {acknowledged}");
        let parts = journal.snapshot(&d, "files", "run.csv").expect("readable");
        assert_eq!(parts[0].1, position.to_be_bytes(), "position and snapshot are of one commit");
        let expected: u64 = (1..=position).map(|number| number * 7 % 50 + 1).sum();
        let mut sequence = 0;
        loop {
            let rows = journal.rows_after(&d, sequence, 1000).expect("readable");
            let Some(last) = rows.last() else { break };
            for (at, row) in (sequence + 1..).zip(&rows) {
                assert_eq!(row.sequence, at);
            }
            sequence = last.sequence;
        }
        assert_eq!(sequence, expected, "all events of every commit, none of one that is not there");
        journal.close().await;
    }
    assert!(acknowledged > 20);
}

/// A file system of two MiB; `None` where this user may not mount one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(at).output().ok()?;
        done.status.success().then(|| Self(at.to_owned()))
    }

    fn remount(&self, option: &str) -> bool {
        let done = Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(&self.0).status();
        done.is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a writer may still be about to end.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn until(condition: &mut tokio::sync::watch::Receiver<Condition>, name: &str) {
    condition.wait_for(|condition| condition.name() == name).await.expect("the writer runs");
}

#[tokio::test]
async fn a_full_disk_makes_commits_wait_keeps_room_for_a_gap_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(disk) = SmallDisk::mount(folder.path()) else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let d = device("bl");
    let journal = Journal::open(&settings(folder.path()), &[broker()]).expect("opens");
    let mut condition = journal.condition();
    let writer = tokio::spawn({
        let (journal, d) = (journal.clone(), d.clone());
        async move {
            for n in 0..4000 {
                let text = format!("{n} {}", "x".repeat(700));
                journal.commit(batch(&d, &[&text])).await.expect("open");
            }
        }
    });
    until(&mut condition, "disk-full").await;
    let before = journal.devices()[0].last_sequence;
    assert!(before > 0 && before < 4000, "{before}");
    // A device that cannot wait leaves a mark all the same.
    let gap = journal.commit(batch(&device("serial"), &["a gap"])).await.expect("open");
    assert_eq!(gap.new, 1);
    assert!(!writer.is_finished());
    assert!(disk.remount("size=64m"));
    writer.await.expect("all were taken");
    until(&mut condition, "ok").await;
    assert_eq!(journal.devices()[0].last_sequence, 4000);
    journal.close().await;
    let journal = reopen(&settings(folder.path()));
    let mut sequence = 0;
    while let Some(last) = journal.rows_after(&d, sequence, 1000).expect("readable").last() {
        sequence = last.sequence;
    }
    assert_eq!(sequence, 4000);
    journal.close().await;
}

#[tokio::test]
async fn a_read_only_file_system_is_refused_at_the_start_and_can_still_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(disk) = SmallDisk::mount(folder.path()) else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let d = device("bl");
    let settings = settings(folder.path());
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    journal.commit(batch(&d, &["before"])).await.expect("open");
    journal.close().await;
    while !disk.remount("ro") {
        // The writer's thread may still be about to let go of its files.
        tokio::task::yield_now().await;
    }
    let error = Journal::open(&settings, &[broker()]).err().expect("refused").to_string();
    assert!(error.contains("Read-only file system"), "{error}");
    let mut history = History::open(&settings.path).expect("readable");
    let mut cursor = history.cursor(None, 0, None);
    assert_eq!(history.next(&mut cursor).expect("readable").expect("one").row.sequence, 1);
    assert!(disk.remount("rw"));
    let journal = reopen(&settings);
    assert_eq!(journal.commit(batch(&d, &["after"])).await.expect("open").last_sequence, 2);
    journal.close().await;
}
