//! Worklists that are there, come late and change.

use super::super::worklists::Worklists;
use super::*;

#[tokio::test]
async fn a_worklist_comes_before_the_line_and_again_when_it_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (plan, late) = (folder.path().join("plan.gwl"), folder.path().join("late.gwl"));
    std::fs::write(&plan, "A;one").expect("written");
    let mut worklists = Worklists::new(vec![plan.clone(), late.clone()]);
    let first = worklists.first_look().await;
    let path = |path: &std::path::Path| path.display().to_string();
    let [StreamEvent::Worklist { path: found, bytes }, StreamEvent::WorklistUnreadable { path: missing, .. }] =
        &first[..]
    else {
        panic!("{first:?}");
    };
    assert_eq!((found, &bytes[..], missing), (&path(&plan), &b"A;one"[..], &path(&late)));

    std::fs::write(&late, "A;two;").expect("written");
    std::fs::write(&plan, vec![b'x'; (1 << 20) + 1]).expect("written");
    let news = tokio::time::timeout(SOON, worklists.changed()).await.expect("a change");
    let [StreamEvent::WorklistUnreadable { path: large, reason }, StreamEvent::Worklist { bytes, .. }] = &news[..]
    else {
        panic!("{news:?}");
    };
    assert_eq!((large, &bytes[..]), (&path(&plan), &b"A;two;"[..]));
    assert!(reason.contains("1048577"), "{reason}");
}
