//! What is done with a journal beside the daemon: reading it, changing it, recovering it.

use super::*;
use crate::journal::{Desk, DeskError, History, SourceUpdate, examine, recover};

async fn filled(settings: &JournalSettings, names: &[&str], count: usize) -> uuid::Uuid {
    let journal = Journal::open(settings, &[broker()]).expect("opens");
    for n in 0..count {
        for name in names {
            let text = format!("{n} {}", "x".repeat(600));
            let mut batch = batch(&device(name), &[&text]);
            batch.sources.push(SourceUpdate {
                source: "run.csv".into(),
                position: Some(n.to_be_bytes().to_vec()),
                parts: Vec::new(),
                reset: false,
                forget: false,
            });
            journal.commit(batch).await.expect("open");
        }
    }
    let id = journal.id();
    journal.close().await;
    id
}

#[tokio::test]
async fn history_is_read_in_the_order_of_recording_while_a_daemon_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    filled(&settings, &["a", "b"], 3).await;
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    let mut history = History::open(&settings.path).expect("readable");
    let mut cursor = history.cursor(None, 0, None);
    let mut seen = Vec::new();
    while let Some(entry) = history.next(&mut cursor).expect("readable") {
        seen.push(entry);
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted_by_key(|entry| entry.recorded));
    journal.commit(batch(&device("c"), &["later"])).await.expect("open");
    let entry = history.next(&mut cursor).expect("readable").expect("the new one, of a device that is new too");
    assert_eq!((entry.row.device.as_str(), entry.row.sequence), ("c", 1));
    assert_eq!(history.next(&mut cursor).expect("readable"), None);
    let mut late = history.cursor(Some(device("a")), 0, Some(seen[3].recorded));
    let first = history.next(&mut late).expect("readable").expect("some are that late");
    assert!(first.recorded >= seen[3].recorded && first.row.device.as_str() == "a");
    let mut none = history.cursor(Some(device("a")), 3, None);
    assert_eq!(history.next(&mut none).expect("readable"), None);
    journal.close().await;
}

#[tokio::test]
async fn a_renamed_device_goes_on_where_the_old_one_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    filled(&settings, &["a", "b"], 2).await;
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    assert!(matches!(Desk::open(&settings.path), Err(DeskError::Open(OpenError::InUse { .. }))));
    journal.close().await;
    let mut desk = Desk::open(&settings.path).expect("free");
    assert!(matches!(desk.retire(&device("nobody")), Err(DeskError::Unknown { .. })));
    assert!(matches!(desk.rename(&device("a"), &device("b")), Err(DeskError::Taken { .. })));
    desk.rename(&device("a"), &device("z")).expect("a new name");
    desk.retire(&device("b")).expect("known");
    drop(desk);
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    let retired: Vec<_> = journal
        .devices()
        .into_iter()
        .map(|status| (status.device.to_string(), status.retired, status.last_sequence))
        .collect();
    assert_eq!(retired, [("a".to_owned(), true, 2), ("b".to_owned(), true, 2), ("z".to_owned(), false, 0)]);
    assert_eq!(journal.sources(&device("z"), "files").expect("readable").len(), 1);
    assert!(journal.sources(&device("a"), "files").expect("readable").is_empty());
    assert_eq!(journal.previous_id(), None);
    assert_eq!(journal.commit(batch(&device("z"), &["first"])).await.expect("open").last_sequence, 1);
    journal.commit(batch(&device("b"), &["back"])).await.expect("open");
    assert!(!journal.devices()[1].retired, "one that sends again is not retired");
    journal.close().await;
}

#[tokio::test]
async fn dead_letters_are_listed_and_delivered_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    filled(&settings, &["a"], 5).await;
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    journal.dead_letter(&broker(), &device("a"), 3, "payload format invalid");
    journal.settle(&broker(), &device("a"), 5);
    journal.close().await;
    let letters = History::open(&settings.path).expect("readable").dead_letters().expect("readable");
    assert_eq!((letters.len(), letters[0].sequence, letters[0].reason.as_str()), (1, 3, "payload format invalid"));
    let mut desk = Desk::open(&settings.path).expect("free");
    assert_eq!(desk.retry(Some("other"), None).expect("writable"), 0);
    assert_eq!(desk.retry(None, Some(&device("a"))).expect("writable"), 1);
    drop(desk);
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    assert_eq!(journal.positions(&broker()).expect("readable")[&device("a")], 2);
    journal.close().await;
    assert!(History::open(&settings.path).expect("readable").dead_letters().expect("readable").is_empty());
}

#[tokio::test]
async fn a_broker_that_is_new_starts_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    filled(&settings, &["a"], 5).await;
    let brokers = [broker(), "second".into()];
    let journal = Journal::open(&settings, &brokers).expect("opens");
    assert_eq!(journal.positions(&brokers[1]).expect("readable")[&device("a")], 5);
    assert_eq!(journal.positions(&brokers[0]).expect("readable").get(&device("a")), None);
    journal.commit(batch(&device("b"), &["of a device that came later"])).await.expect("open");
    assert_eq!(journal.positions(&brokers[1]).expect("readable").get(&device("b")), None);
    journal.close().await;
}

#[tokio::test]
async fn a_damaged_journal_is_kept_aside_and_what_can_be_read_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let id = filled(&settings, &["a"], 600).await;
    let whole = examine(&settings.path).expect("readable");
    assert!(whole.findings.wrong.is_empty());
    assert_eq!((whole.survey.devices[0].rows, whole.survey.devices[0].missing), (600, 0));
    // A page with payloads in the middle of the file.
    let mut bytes = std::fs::read(&settings.path).expect("readable");
    let at = bytes.windows(5).enumerate().filter(|(_, w)| w == b"{\"spe").map(|(at, _)| at).nth(300).expect("payloads");
    let page = at / 4096 * 4096;
    bytes[page..page + 4096].fill(0);
    std::fs::write(&settings.path, &bytes).expect("writable");
    assert!(matches!(Journal::open(&settings, &[broker()]), Err(OpenError::Damaged { .. })));
    let report = examine(&settings.path).expect("readable");
    assert!(!report.findings.wrong.is_empty());
    let readable = &report.survey.devices[0];
    assert!(readable.rows >= 590 && readable.rows < 600, "{readable:?}");
    assert_eq!(readable.range, Some((1, 600)), "what lies behind the damage is found");

    let done = recover(&settings.path).expect("writable");
    assert!(std::fs::read(&done.kept).expect("kept") == bytes, "the damaged file is kept as it was");
    assert_eq!(&done.survey.devices[0].rows, &readable.rows);
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    assert_eq!(journal.id(), id, "no sequence is given twice, so it is the same journal");
    assert_eq!(journal.sources(&device("a"), "files").expect("readable")[0].position, 599usize.to_be_bytes());
    let again = journal.commit(batch(&device("a"), &[&format!("599 {}", "x".repeat(600)), "new"])).await.expect("open");
    assert_eq!((again.new, again.known, again.last_sequence), (1, 1, 601));
    journal.close().await;
}
