//! Whether the file is ours, whole and the one it was.

use super::*;
use crate::journal::{lock, mark};

async fn filled(settings: &JournalSettings, count: usize) {
    let journal = Journal::open(settings, &[broker()]).expect("opens");
    let texts: Vec<String> = (0..count).map(|n| format!("{n} {}", "x".repeat(600))).collect();
    for texts in texts.chunks(50) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        journal.commit(batch(&device("bl"), &texts)).await.expect("open");
    }
    journal.close().await;
}

fn refused(settings: &JournalSettings) -> OpenError {
    Journal::open(settings, &[broker()]).err().expect("refused")
}

#[tokio::test]
async fn an_older_copy_is_another_journal_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let copy = folder.path().join("backup.db");
    filled(&settings, 3).await;
    std::fs::copy(&settings.path, &copy).expect("a backup");
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    let before = journal.id();
    assert_eq!(journal.previous_id(), None, "nothing was rolled back");
    journal.commit(batch(&device("bl"), &["later"])).await.expect("open");
    journal.close().await;
    std::fs::copy(&copy, &settings.path).expect("a restored backup");

    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    assert_ne!(journal.id(), before);
    assert_eq!(journal.previous_id(), Some(before));
    let rows = journal.rows_after(&device("bl"), 3, 10).expect("readable");
    let gap = json(&rows[0].payload);
    assert_eq!((rows.len(), rows[0].sequence, &*rows[0].name), (1, 4, "gap"));
    assert_eq!(gap["data"]["reason"], "rollback");
    assert_eq!(gap["journalid"], journal.id().to_string());
    let renewed = journal.id();
    journal.close().await;
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    assert_eq!((journal.id(), journal.previous_id()), (renewed, None), "it is new once");
    journal.close().await;
}

#[tokio::test]
async fn a_copy_without_its_mark_is_another_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    filled(&settings, 3).await;
    std::fs::remove_file(mark::mark_path(&settings.path)).expect("a mark");
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    assert!(journal.previous_id().is_some());
    journal.close().await;
}

#[tokio::test]
async fn a_journal_that_is_gone_is_not_made_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    filled(&settings, 3).await;
    std::fs::remove_file(&settings.path).expect("a journal");
    let error = refused(&settings);
    assert!(matches!(error, OpenError::Missing { events: 3, .. }), "{error}");
    assert!(!settings.path.exists());
    std::fs::write(&settings.path, "").expect("writable");
    assert!(matches!(refused(&settings), OpenError::Missing { what: "empty", .. }));
}

#[tokio::test]
async fn a_newer_journal_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    filled(&settings, 3).await;
    let newer = rusqlite::Connection::open(&settings.path).expect("opens");
    newer.pragma_update(None, "user_version", 1000).expect("writable");
    drop(newer);
    let before = std::fs::read(&settings.path).expect("readable");
    let error = refused(&settings);
    assert!(matches!(error, OpenError::Newer { version: 1000, .. }), "{error}");
    assert_eq!(std::fs::read(&settings.path).expect("readable"), before);
}

#[test]
fn another_programs_file_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    for other in [&b"just some text, long enough to be looked at: it is not a journal at all, and it is longer than a hundred bytes"[..], b"short"] {
        std::fs::write(&settings.path, other).expect("writable");
        assert!(matches!(refused(&settings), OpenError::NotOurs { .. }));
        assert_eq!(std::fs::read(&settings.path).expect("readable"), other);
    }
    std::fs::remove_file(&settings.path).expect("a file");
    let other = rusqlite::Connection::open(&settings.path).expect("opens");
    other.execute_batch("CREATE TABLE precious(x)").expect("writable");
    drop(other);
    let before = std::fs::read(&settings.path).expect("readable");
    assert!(matches!(refused(&settings), OpenError::NotOurs { .. }));
    assert_eq!(std::fs::read(&settings.path).expect("readable"), before);
}

#[tokio::test]
async fn damage_is_found_at_the_start_and_what_can_be_read_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    filled(&settings, 400).await;
    let whole = std::fs::read(&settings.path).expect("readable");
    let pages = whole.len() / 4096;
    let mut found = 0;
    for page in 1..pages {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xa5);
        std::fs::write(&settings.path, &damaged).expect("writable");
        match Journal::open(&settings, &[broker()]) {
            Err(OpenError::Damaged { found, readable, .. }) => {
                assert!(!found.is_empty() && !readable.is_empty());
                let after = std::fs::read(&settings.path).expect("readable");
                assert!(after == damaged, "page {page}: a damaged file is left alone");
            }
            Err(error) => panic!("page {page}: {error}"),
            // A page that nothing uses may be anything.
            Ok(journal) => {
                journal.close().await;
                continue;
            }
        }
        found += 1;
    }
    assert!(found > pages * 9 / 10, "{found} of {pages}");
    // The first page alone: the mark tells that this was a journal.
    let mut damaged = whole.clone();
    damaged[..100].fill(0);
    std::fs::write(&settings.path, &damaged).expect("writable");
    assert!(matches!(refused(&settings), OpenError::Damaged { .. }));
}

#[tokio::test]
async fn the_lock_is_free_again_when_its_holder_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let held = lock::Lock::take(&settings.path).expect("free");
    assert!(matches!(refused(&settings), OpenError::InUse { .. }));
    drop(held);
    Journal::open(&settings, &[broker()]).expect("opens").close().await;
}

#[tokio::test]
async fn of_a_journal_that_was_cut_short_the_rest_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    filled(&settings, 400).await;
    let length = std::fs::metadata(&settings.path).expect("a journal").len();
    let file = std::fs::File::options().write(true).open(&settings.path).expect("a journal");
    file.set_len(length / 2).expect("cut");
    drop(file);
    let OpenError::Damaged { readable, .. } = refused(&settings) else { panic!("damaged") };
    assert!(readable.contains("events of bl"), "{readable}");
    let report = crate::journal::examine(&settings.path).expect("readable");
    assert!(!report.findings.wrong.is_empty() && report.survey.devices[0].rows > 0);
    let done = crate::journal::recover(&settings.path).expect("recovered");
    assert_eq!(done.survey.devices[0].rows, report.survey.devices[0].rows);
    let journal = Journal::open(&settings, &[broker()]).expect("opens");
    for row in journal.rows_after(&device("bl"), 0, 1000).expect("readable") {
        json(&row.payload);
    }
    journal.close().await;
}
