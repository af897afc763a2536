//! Committing, reading back, settling.

use super::*;
use crate::journal::{Committed, SourceUpdate};

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart_and_known_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let d = device("bl");
    let journal = Journal::open(&settings, &[broker()]).expect("a new journal");
    let id = journal.id();
    let done = journal.commit(batch(&d, &["a", "b", "c"])).await.expect("open");
    assert_eq!(done, Committed { new: 3, known: 0, revised: 0, last_sequence: 3 });
    let rows = journal.try_tail(&d, 1, 10).expect("in memory");
    assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((&*rows[0].category, &*rows[0].name), ("device", "faulted"));
    journal.settle(&broker(), &d, 2);
    assert_eq!(journal.positions(&broker()).expect("readable")[&d], 2);
    journal.close().await;

    let journal = Journal::open(&settings, &[broker()]).expect("the same journal");
    assert_eq!(journal.id(), id);
    assert_eq!(journal.positions(&broker()).expect("readable")[&d], 2);
    assert!(journal.try_tail(&d, 0, 10).is_none());
    assert_eq!(journal.try_tail(&d, 3, 10), Some(Vec::new()));
    let from_file = journal.rows_after(&d, 1, 10).expect("readable");
    assert_eq!(from_file, rows);
    let done = journal.commit(batch(&d, &["c", "d"])).await.expect("open");
    assert_eq!(done, Committed { new: 1, known: 1, revised: 0, last_sequence: 4 });
    let value = json(&journal.rows_after(&d, 3, 10).expect("readable")[0].payload);
    assert_eq!(value["sequence"], "00000000000000000004");
    assert_eq!(value["journalid"], id.to_string());
    journal.close().await;
}

#[tokio::test]
async fn whoever_asks_after_a_commit_is_told_of_the_devices_that_it_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::open(&settings(folder.path()), &[]).expect("a new journal");
    let ends = |since: u64| {
        let mut ends = Vec::new();
        journal.ends(since, |device, last| ends.push((device.to_string(), last)));
        ends.sort();
        ends
    };
    let both = |one: u64, two: u64| vec![("one".to_owned(), one), ("two".to_owned(), two)];
    journal.commit(batch(&device("one"), &["a"])).await.expect("open");
    journal.commit(batch(&device("two"), &["b"])).await.expect("open");
    let seen = *journal.committed().borrow();
    assert_eq!(ends(0), both(1, 1));
    assert_eq!(ends(seen + 1), []);
    journal.commit(batch(&device("two"), &["c", "d"])).await.expect("open");
    assert_eq!(ends(seen + 1), both(1, 3)[1..]);
    assert_eq!(ends(0), both(1, 3));
    journal.close().await;
}

#[tokio::test]
async fn other_content_under_a_known_id_becomes_the_next_revision_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::open(&settings(folder.path()), &[]).expect("a new journal");
    let d = device("bl");
    let say = |text: &str| {
        let mut batch = Batch::new(d.clone(), "files".into());
        batch.events.push(prepared(&d, &event(None, None, Key::Text("k".into()), text)));
        batch
    };
    for (text, new, revised) in [("one", 1, 0), ("two", 1, 1), ("one", 0, 0), ("two", 0, 0), ("three", 1, 1)] {
        let done = journal.commit(say(text)).await.expect("open");
        assert_eq!((done.new, done.revised), (new, revised), "{text}");
    }
    let rows = journal.rows_after(&d, 0, 10).expect("readable");
    let values: Vec<_> = rows.iter().map(|row| json(&row.payload)).collect();
    assert_eq!(values.len(), 3);
    assert_eq!(values[1]["data"]["supersedes"], values[0]["id"]);
    assert_eq!(values[2]["data"]["supersedes"], values[1]["id"]);
    assert_eq!(values[2]["data"]["revision"], 3);
    journal.close().await;
}

#[tokio::test]
async fn a_closing_event_tells_the_span_of_its_cycle_and_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::open(&settings(folder.path()), &[]).expect("a new journal");
    let d = device("bl");
    let r = run(&d, "run");
    let of = |cycle: Option<u32>, name: &str, closes: bool| {
        let mut e = event(Some(&r), cycle, Key::Text(name.into()), name);
        e.closes = closes;
        prepared(&d, &e)
    };
    let mut first = Batch::new(d.clone(), "files".into());
    first.events = vec![of(None, "start", false), of(Some(1), "a", false), of(Some(2), "b", false)];
    journal.commit(first).await.expect("open");
    let mut second = Batch::new(d.clone(), "files".into());
    second.events = vec![of(Some(1), "c", false), of(Some(1), "end-1", true), of(None, "end", true)];
    journal.commit(second).await.expect("open");
    let rows = journal.rows_after(&d, 4, 10).expect("readable");
    let spans: Vec<_> = rows
        .iter()
        .map(|row| json(&row.payload)["data"].clone())
        .map(|data| (data["first_sequence"].as_u64(), data["last_sequence"].as_u64()))
        .collect();
    assert_eq!(spans, [(Some(2), Some(4)), (Some(1), Some(5))]);
    journal.close().await;
}

#[tokio::test]
async fn sources_snapshots_and_notes_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let d = device("bl");
    let update = |position: &[u8], parts: &[(&str, &str)], reset, forget| SourceUpdate {
        source: "run.csv".into(),
        position: Some(position.to_vec()),
        parts: parts.iter().map(|(name, value)| ((*name).into(), value.as_bytes().to_vec())).collect(),
        reset,
        forget,
    };
    let journal = Journal::open(&settings, &[]).expect("a new journal");
    let mut one = Batch::new(d.clone(), "files".into());
    one.sources.push(update(b"p1", &[("head", "h"), ("rows", "r1")], false, false));
    one.notes.push(("baseline".into(), Some(b"now".to_vec())));
    journal.commit(one.clone()).await.expect("open");
    one.sources = vec![update(b"p2", &[("rows", "r2")], false, false)];
    journal.commit(one.clone()).await.expect("open");
    journal.close().await;
    let journal = Journal::open(&settings, &[]).expect("the same journal");
    assert_eq!(journal.sources(&d, "files").expect("readable")[0].position, b"p2");
    assert!(journal.sources(&d, "serial").expect("readable").is_empty());
    let parts = journal.snapshot(&d, "files", "run.csv").expect("readable");
    assert_eq!(parts, [("head".into(), b"h".to_vec()), ("rows".into(), b"r2".to_vec())]);
    assert_eq!(journal.note(&d, "baseline").expect("readable").as_deref(), Some(&b"now"[..]));
    one.sources = vec![update(b"p3", &[("rows", "r3")], true, false)];
    one.notes = vec![("baseline".into(), None)];
    journal.commit(one.clone()).await.expect("open");
    assert_eq!(journal.snapshot(&d, "files", "run.csv").expect("readable").len(), 1);
    assert_eq!(journal.note(&d, "baseline").expect("readable"), None);
    one.sources = vec![update(b"p3", &[], false, true)];
    journal.commit(one).await.expect("open");
    assert!(journal.sources(&d, "files").expect("readable").is_empty());
    journal.close().await;
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_told_who_has_the_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let journal = Journal::open(&settings, &[]).expect("a new journal");
    let error = Journal::open(&settings, &[]).err().expect("refused").to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    assert!(error.contains("since 20"), "{error}");
    journal.close().await;
}
