//! One pass for an offline decode.

use std::ops::ControlFlow;

use super::*;
use crate::driver::{FileInput, FolderLayout};
use crate::link::files::{ReadError, read_once};

/// A line for each piece, and the tables by source.
type Read = (Vec<String>, BTreeMap<String, Vec<u8>>);

fn read(path: &Path) -> Result<Read, ReadError> {
    let (mut log, mut content) = (vec![], BTreeMap::<String, Vec<u8>>::new());
    let mut last = 0;
    read_once(path, FolderLayout::Results, &mut |event| {
        assert!(event.done >= last && event.done <= event.total);
        last = event.done;
        let bytes = content.entry(event.source.to_string()).or_default();
        log.push(match event.input {
            FileInput::Opened { kind, .. } => format!("opened {} {kind:?}", event.source),
            FileInput::Member { name, .. } => format!("member {name}"),
            FileInput::Bytes { offset, bytes: new } => {
                assert_eq!(offset, bytes.len() as u64);
                bytes.extend_from_slice(new);
                return ControlFlow::Continue(());
            }
            FileInput::Ended => format!("ended {}", event.source),
            other => panic!("{other:?} offline"),
        });
        ControlFlow::Continue(())
    })?;
    Ok((log, content))
}

#[test]
fn a_bare_file_of_any_name_is_a_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("result.txt");
    append(&path, &lines(0, 50_000));
    let (log, content) = read(&path).expect("read");
    assert_eq!(log, ["opened result.txt Table", "ended result.txt"]);
    assert!(content["result.txt"] == lines(0, 50_000));
}

#[test]
fn a_folder_is_read_oldest_first_with_all_below() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("sub/run")).expect("a folder");
    for (name, bytes) in [
        ("b.csv", &b"b"[..]),
        ("sub/a.csv", b"a"),
        ("sub/run/header.csv", b"h"),
        ("sub/run/C10.tmp", b"ten"),
        ("sub/run/C2.tmp", b"two"),
    ] {
        let path = folder.path().join(name);
        append(&path, bytes);
        let age = if name == "b.csv" { 100 } else { 50 };
        let when = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000 - age);
        std::fs::OpenOptions::new().write(true).open(path).and_then(|file| file.set_modified(when)).expect("dated");
    }
    let (log, content) = read(folder.path()).expect("read");
    let wanted = ["opened b.csv Table", "ended b.csv", "opened sub/a.csv Table", "ended sub/a.csv"];
    assert_eq!(log[..4], wanted);
    assert_eq!(log[4..], ["opened sub/run/header.csv Parts", "ended sub/run/header.csv"]);
    assert_eq!(content["sub/run/header.csv"], b"htwoten");
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("none.csv");
    assert!(matches!(read(&missing), Err(ReadError::NotFound { path }) if path == missing));
    assert!(matches!(read(folder.path()), Err(ReadError::Nothing { .. })));
    let broken = folder.path().join("broken.bin");
    append(&broken, b"PK\x03\x04 and then nothing");
    assert!(matches!(read(&broken), Err(ReadError::BrokenArchive { path, .. }) if path == broken));
}

#[test]
fn the_sink_breaks_it_off() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a.csv", "b.csv"] {
        append(&folder.path().join(name), b"1\n");
    }
    let mut events = 0;
    read_once(folder.path(), FolderLayout::Results, &mut |_| {
        events += 1;
        ControlFlow::Break(())
    })
    .expect("read");
    assert_eq!(events, 1);
}

#[test]
fn the_real_archive_that_is_no_experiment_is_given_as_it_is() {
    let Some(real) = real_data("biolector-xt/not-an-experiment.zip") else { return };
    let (log, content) = read(&real).expect("read");
    assert_eq!(log, ["opened not-an-experiment.zip Export", "ended not-an-experiment.zip"]);
    assert!(content["not-an-experiment.zip"].is_empty());
}
