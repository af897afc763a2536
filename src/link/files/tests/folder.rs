//! The folder itself: not there yet, going away, not mounted.

use super::*;
use crate::link::files::{FolderState, How};

#[test]
fn a_folder_that_comes_later_is_new_with_all_that_is_in_it() {
    both(|watch| {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("results");
        let mut rig = Rig::new(start(&folder, watch));
        rig.until_logged("disconnected: the folder does not exist");
        assert!(matches!(rig.link().status().borrow().folder, FolderState::Disconnected { .. }));
        // Made elsewhere and moved in: whatever is in it came after the first start.
        std::fs::create_dir(place.path().join("new")).expect("a folder");
        append(&place.path().join("new/run.csv"), b"1;2\n");
        std::fs::rename(place.path().join("new"), &folder).expect("moved");
        rig.until_logged("connected");
        rig.until_content("run.csv", b"1;2\n");
        append(&folder.join("run.csv"), b"3;4\n");
        rig.until_content("run.csv", b"1;2\n3;4\n");
        assert_eq!((rig.live, rig.backfilled), (8, 0));
    });
}

#[test]
fn a_folder_that_goes_away_and_comes_back_loses_nothing() {
    both(|watch| {
        let place = tempfile::tempdir().expect("a folder");
        let (folder, away) = (place.path().join("results"), place.path().join("away"));
        std::fs::create_dir(&folder).expect("a folder");
        let mut rig = Rig::connected(&folder, watch);
        append(&folder.join("run.csv"), &lines(0, 100));
        rig.until_content("run.csv", &lines(0, 100));
        std::fs::rename(&folder, &away).expect("moved away");
        rig.until_logged("disconnected: the folder does not exist");
        append(&away.join("run.csv"), &lines(100, 100));
        std::fs::rename(&away, &folder).expect("moved back");
        rig.until_content("run.csv", &lines(0, 200));
        append(&folder.join("run.csv"), &lines(200, 1));
        rig.until_content("run.csv", &lines(0, 201));
        assert_eq!((rig.count("gone"), rig.count("gap"), rig.count("opened")), (0, 0, 1));
        assert_eq!(rig.count("connected"), 2);
        assert_eq!(rig.live, lines(0, 201).len());
    });
}

#[test]
fn another_folder_in_its_place_is_watched() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("results");
    std::fs::create_dir(&folder).expect("a folder");
    let mut rig = Rig::connected(&folder, WatchMode::Notify);
    std::fs::rename(&folder, place.path().join("old")).expect("moved away");
    std::fs::create_dir(&folder).expect("a folder");
    append(&folder.join("run.csv"), b"1\n");
    rig.until_content("run.csv", b"1\n");
    append(&folder.join("run.csv"), b"2\n");
    rig.until_content("run.csv", b"1\n2\n");
}

#[test]
fn what_must_be_a_mount_and_is_none_is_disconnected_and_nothing_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::connected(folder.path(), WatchMode::Poll);
    append(&folder.path().join("run.csv"), b"1\n");
    rig.until_content("run.csv", b"1\n");
    rig.start.settings.require_mount = true;
    std::fs::remove_file(folder.path().join("run.csv")).expect("removed");
    rig.restart();
    rig.until_logged("disconnected: not mounted");
    assert_eq!(rig.count("gone"), 0);
}

#[test]
fn an_empty_folder_on_another_device_is_disconnected() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::connected(folder.path(), WatchMode::Poll);
    append(&folder.path().join("run.csv"), b"1\n");
    rig.until_content("run.csv", b"1\n");
    rig.link().stop();
    std::fs::remove_file(folder.path().join("run.csv")).expect("removed");
    // As if it had been read from a share that is not mounted now.
    for position in rig.positions.values_mut() {
        let text = String::from_utf8(position.clone()).expect("text");
        *position = text.replace("\"dev\":", "\"dev\":99999").into_bytes();
    }
    rig.restart();
    rig.until_logged("disconnected: there are no results in the folder, and 1 were read from it before");
    append(&folder.path().join("NOT-MOUNTED"), b"");
    append(&folder.path().join("run.csv"), b"1\n2\n");
    rig.until("the rest", |rig| rig.live == 4);
    assert_eq!((rig.count("gone"), rig.count("gap"), rig.count("connected")), (0, 0, 2));
}

#[test]
fn what_cannot_be_looked_at_is_told_and_is_not_gone() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        let path = folder.path().join("run.csv");
        append(&path, b"1\n");
        rig.until_content("run.csv", b"1\n");
        std::fs::rename(&path, folder.path().join(".away")).expect("moved");
        // A link that leads to itself: every look at it fails.
        std::os::unix::fs::symlink(&path, &path).expect("a link");
        rig.until("trouble", |rig| rig.count("trouble - cannot read") == 1);
        append(&folder.path().join("other.csv"), b"1\n");
        rig.until_logged("settled other.csv");
        // By now the first one has been silent long enough as well, and cannot be looked at: that holds up nobody.
        append(&folder.path().join("third.csv"), b"1\n");
        rig.until_logged("settled third.csv");
        std::fs::rename(folder.path().join(".away"), &path).expect("moved back");
        rig.until_logged("trouble over -");
        append(&path, b"2\n");
        rig.until_content("run.csv", b"1\n2\n");
        assert_eq!((rig.count("gone"), rig.count("opened run.csv")), (0, 1));
    });
}

#[test]
fn the_means_and_the_reason_are_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let rig = Rig::connected(folder.path(), WatchMode::Poll);
    let watching = rig.link().status().borrow().watching.clone();
    assert_eq!((watching.how, watching.why.as_str()), (How::Poll, "as configured"));
    let mut rig = Rig::connected(folder.path(), WatchMode::Auto);
    let watching = rig.link().status().borrow().watching.clone();
    assert_eq!(watching.how, How::Notify);
    assert!(watching.why.starts_with("the folder lies on a local file system"), "{}", watching.why);
    append(&folder.path().join("run.csv"), b"1\n");
    rig.until_logged("settled run.csv");
    let mut status = rig.link().status();
    let shown = rig.runtime.block_on(async {
        tokio::time::timeout(PATIENCE, status.wait_for(|status| status.sources == 1 && status.last_scan.is_some()))
            .await
            .is_ok()
    });
    assert!(shown);
}
