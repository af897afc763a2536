//! Traces that grow, vanish, are cut and replaced.

use std::io::Write as _;
use std::path::Path;

use super::*;
use crate::config::streams::TraceFormat;
use crate::driver::Sees;

fn follow(file: &Path, position: Option<Vec<u8>>) -> (StreamLink, Inlet) {
    let line =
        Line::Trace { file: file.to_owned(), format: TraceFormat::Lines, poll_interval: Duration::from_millis(10) };
    let settings = StreamSettings { line, mode: Mode::Listen { sees: Sees::Both }, capture: None };
    spawn(Start {
        device: "robot".parse().expect("an id"),
        settings,
        time_zone: TimeZone::UTC,
        worklists: Vec::new(),
        position,
    })
}

fn append(file: &Path, text: &str) {
    let mut file = std::fs::File::options().append(true).create(true).open(file).expect("the trace");
    file.write_all(text.as_bytes()).expect("written");
}

/// Everything that is read until `length` bytes have come, and the position after it.
async fn read(inlet: &mut Inlet, length: usize) -> (String, Vec<u8>) {
    let (mut all, mut last) = (String::new(), Vec::new());
    while all.len() < length {
        let event = next(inlet).await;
        all.push_str(&text(&event));
        if let StreamEvent::Bytes { position: Some(position), .. } = event {
            last = position;
        }
    }
    (all, last)
}

#[tokio::test]
async fn a_trace_is_read_on_as_it_grows_with_the_times_that_it_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("HxUsbComm.trc");
    let (_link, mut inlet) = follow(&file, None);
    assert!(matches!(next(&mut inlet).await, StreamEvent::Unreachable { .. }), "it is not there yet");
    append(&file, "trace of 2026-11-21\n2026-11-21 10:00:00.5 C0ASid0001\n2026-11-21 10:00:01 C0AS");
    opened(&mut inlet).await;
    let event = next(&mut inlet).await;
    let StreamEvent::Bytes { offset: 0, pieces, .. } = &event else { panic!("{event:?}") };
    let times: Vec<String> = pieces.iter().map(|piece| piece.at.to_string()).collect();
    assert_eq!(times, ["1970-01-01T00:00:00Z", "2026-11-21T10:00:00.5Z"], "half a line is not read yet");
    append(&file, "id0001er00/00\nwithout a time\n");
    let event = next(&mut inlet).await;
    assert_eq!(text(&event), "C0ASid0001er00/00\nwithout a time\n");
    let StreamEvent::Bytes { offset, pieces, .. } = &event else { panic!("{event:?}") };
    assert_eq!((*offset, pieces.len()), (31, 1), "a line without a time has that of the one before");
}

#[tokio::test]
async fn after_a_restart_only_what_is_new_is_read_wherever_the_file_is_now() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.trc");
    append(&file, "first\nsecond\n");
    let (link, mut inlet) = follow(&file, None);
    let epoch = opened(&mut inlet).await;
    let (_, position) = read(&mut inlet, 13).await;
    drop((link, inlet));
    // A copy under another inode, with more in it: what counts is the content.
    let moved = folder.path().join("b.trc");
    std::fs::copy(&file, &moved).expect("copied");
    append(&moved, "third\n");
    let (_link, mut inlet) = follow(&moved, Some(position));
    let StreamEvent::Opened { epoch: again, origin, .. } = next(&mut inlet).await else { panic!("not opened") };
    assert_eq!((again, origin), (epoch.clone(), Origin::TraceResumed));
    let event = next(&mut inlet).await;
    assert_eq!(text(&event), "third\n");
    assert!(matches!(event, StreamEvent::Bytes { offset: 13, .. }), "{event:?}");
    // And without a position everything again, with the same epoch.
    let (_link, mut inlet) = follow(&moved, None);
    assert_eq!(opened(&mut inlet).await, epoch);
    assert_eq!(read(&mut inlet, 19).await.0, "first\nsecond\nthird\n");
}

#[tokio::test]
async fn another_trace_with_the_same_first_line_has_another_epoch() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.trc");
    append(&file, "header\none\n");
    let (_link, mut inlet) = follow(&file, None);
    let epoch = opened(&mut inlet).await;
    read(&mut inlet, 11).await;
    // Written on to the last moment, then replaced.
    append(&file, "two\n");
    let other = folder.path().join("new");
    append(&other, "header\nother\n");
    std::fs::rename(&other, &file).expect("replaced");
    let mut rest = String::new();
    let again = loop {
        match next(&mut inlet).await {
            StreamEvent::Opened { epoch, origin, .. } => break (epoch, origin),
            event => rest.push_str(&text(&event)),
        }
    };
    assert_eq!(rest, "two\n", "the old one is read to its end");
    assert_eq!(again, (format!("{epoch}-1"), Origin::TraceStart));
    assert_eq!(read(&mut inlet, 13).await.0, "header\nother\n");
}

#[tokio::test]
async fn a_trace_that_is_cut_says_that_something_may_be_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.trc");
    append(&file, "header\none\n");
    let (_link, mut inlet) = follow(&file, None);
    opened(&mut inlet).await;
    read(&mut inlet, 11).await;
    std::fs::write(&file, "new\n").expect("cut and written anew");
    let said = next(&mut inlet).await;
    assert!(matches!(said, StreamEvent::Replaced { .. }), "{said:?}");
    opened(&mut inlet).await;
    assert_eq!(read(&mut inlet, 4).await.0, "new\n");
}

#[tokio::test]
async fn a_long_trace_comes_in_bounded_pieces_and_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.trc");
    let all: String = (0..40_000).map(|number| format!("line {number:010} of a long trace\n")).collect();
    append(&file, &all);
    // And one line that never ends.
    append(&file, &"x".repeat(100_000));
    let (_link, mut inlet) = follow(&file, None);
    opened(&mut inlet).await;
    let (read, _) = read(&mut inlet, all.len() + (64 << 10)).await;
    assert!(read.starts_with(&all), "what was read is what was written");
}
