//! Retention, and what happens when there is no room.

use super::*;
use crate::journal::Condition;

/// A thousand events of about 1 KiB, in batches of 20.
fn many(device: &DeviceId, from: usize) -> Vec<Batch> {
    let texts: Vec<String> = (from..from + 1000).map(|n| format!("{n} {}", "x".repeat(600))).collect();
    texts.chunks(20).map(|texts| batch(device, &texts.iter().map(String::as_str).collect::<Vec<_>>())).collect()
}

fn small(folder: &Path, when_full: WhenFull) -> JournalSettings {
    JournalSettings { max_bytes: 1 << 20, when_full, ..settings(folder) }
}

async fn until(condition: &mut tokio::sync::watch::Receiver<Condition>, name: &str) {
    condition.wait_for(|condition| condition.name() == name).await.expect("the writer runs");
}

#[tokio::test]
async fn old_settled_payloads_go_and_the_file_shrinks_but_ids_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let d = device("bl");
    let settings = JournalSettings { keep_for: Duration::ZERO, ..settings(folder.path()) };
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    for round in 0..4 {
        for batch in many(&d, round * 1000) {
            journal.commit(batch).await.expect("open");
        }
    }
    journal.settle(&broker(), &d, 3000);
    journal.close().await;
    let before = std::fs::metadata(&settings.path).expect("a file").len();
    // The first quiet moment after a start removes what is old.
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    let mut shrunk = before;
    while journal.devices()[0].first_available_sequence != Some(3001) || shrunk > before * 2 / 3 {
        tokio::task::yield_now().await;
        let usage = journal.usage();
        shrunk = usage.file_bytes;
    }
    let rows = journal.rows_after(&d, 0, 1).expect("readable");
    assert_eq!(rows[0].sequence, 3001, "what is not settled is there");
    let again = journal.commit(many(&d, 0).swap_remove(0)).await.expect("open");
    assert_eq!((again.new, again.known, again.last_sequence), (0, 20, 4000));
    journal.settle(&broker(), &d, 4000);
    journal.close().await;
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    while journal.devices()[0].first_available_sequence.is_some() {
        tokio::task::yield_now().await;
    }
    journal.close().await;
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    assert_eq!(journal.previous_id(), None, "retention is no roll-back");
    let next = journal.commit(batch(&d, &["next"])).await.expect("open");
    assert_eq!(next.last_sequence, 4001);
    journal.close().await;
}

#[tokio::test]
async fn at_its_size_sources_wait_until_a_broker_settles_and_nothing_is_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let d = device("bl");
    let settings = small(folder.path(), WhenFull::Wait);
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    let mut condition = journal.condition();
    let writer = tokio::spawn({
        let (journal, d) = (journal.clone(), d.clone());
        async move {
            for batch in many(&d, 0).into_iter().chain(many(&d, 1000)) {
                journal.commit(batch).await.expect("open");
            }
        }
    });
    until(&mut condition, "full").await;
    assert!(condition.borrow().trouble().expect("trouble").remedy.contains("max_size"));
    let held = journal.devices()[0].last_sequence;
    assert!(held < 2000, "{held}");
    assert_eq!(journal.devices()[0].first_available_sequence, Some(1));
    // A gap is recorded all the same, from the reserved space.
    let e = device("serial");
    let mut gap = batch(&e, &["cannot wait"]);
    gap.events.truncate(1);
    assert_eq!(journal.commit(gap).await.expect("open").new, 1);
    assert_eq!(condition.borrow().name(), "full");
    // The subscriber catches up.
    let mut seen = 0;
    while seen < 2000 {
        for row in journal.rows_after(&d, seen, 100).expect("readable") {
            assert_eq!(row.sequence, seen + 1);
            seen = row.sequence;
        }
        journal.settle(&broker(), &d, seen);
        tokio::task::yield_now().await;
    }
    writer.await.expect("all were taken");
    until(&mut condition, "ok").await;
    journal.close().await;
}

#[tokio::test]
async fn dropping_the_oldest_leaves_a_gap_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let d = device("bl");
    let settings = small(folder.path(), WhenFull::DropOldest);
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    for batch in many(&d, 0).into_iter().chain(many(&d, 1000)) {
        journal.commit(batch).await.expect("open");
    }
    let status = journal.devices().remove(0);
    let first = status.first_available_sequence.expect("some are there");
    assert!(first > 1);
    let mut gaps = Vec::new();
    let mut expected = first;
    loop {
        let rows = journal.rows_after(&d, expected - 1, 100).expect("readable");
        if rows.is_empty() {
            break;
        }
        for row in rows {
            assert_eq!(row.sequence, expected, "what is kept is without a hole");
            expected += 1;
            let value = json(&row.payload);
            if &*row.name == "gap" {
                assert_eq!(value["data"]["reason"], "drop-oldest");
                gaps.push(value["data"]["text"].as_str().expect("a text").to_owned());
            }
        }
    }
    assert_eq!(expected, status.last_sequence + 1);
    // The last gap tells of the last that went.
    let last = gaps.last().expect("a gap");
    assert!(last.contains(&format!("to {} were removed", first - 1)), "{last}; first available {first}");
    journal.close().await;
}
