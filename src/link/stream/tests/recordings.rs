//! What is recorded beside the way to the driver.

use instrument_proto::codec::capture::{Entry, NoteKind, Reader};

use super::*;
use crate::config::streams::CaptureSettings;
use crate::link::recorder::{Happening, Recorder};

/// The files of a recording, in the order of their names.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

/// Waits until `found` gives something.
async fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let give_up = tokio::time::Instant::now() + SOON;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(tokio::time::Instant::now() < give_up, "it did not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn entries(file: &std::path::Path) -> Vec<Entry> {
    let (mut reader, mut entries) = (Reader::default(), Vec::new());
    let mut take = |_, entry: Result<Entry, _>| entries.push(entry.expect("a line that can be read"));
    reader.feed(&std::fs::read(file).expect("a file"), &mut take);
    reader.finish(take);
    entries
}

#[tokio::test]
async fn a_line_is_recorded_with_its_epochs_times_and_directions() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = server.local_addr().expect("an address").port();
    let address = crate::config::ports::Address { host: "127.0.0.1".to_owned(), port };
    let capture = CaptureSettings { folder: folder.path().to_owned(), rotate_bytes: 1 << 20, keep: 4 };
    let settings =
        StreamSettings { line: Line::Tcp { address, replies: None }, mode: Mode::Host, capture: Some(capture) };
    let device = "robot".parse().expect("an id");
    let (link, mut inlet) =
        spawn(Start { device, settings, time_zone: TimeZone::UTC, worklists: Vec::new(), position: None });
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut peer, _) = server.accept().await.expect("a connection");
    let epoch = opened(&mut inlet).await;
    peer.write_all(b"C0RFid0001\r\n").await.expect("written");
    let event = next(&mut inlet).await;
    let StreamEvent::Bytes { pieces, .. } = &event else { panic!("{event:?}") };
    assert!(link.write(Write { epoch: epoch.clone(), bytes: b"C0QM".to_vec() }));
    peer.read_exact(&mut [0; 4]).await.expect("read");
    drop(peer);
    next(&mut inlet).await;
    let file = until(|| files(folder.path()).pop()).await;
    let found = until(|| Some(entries(&file)).filter(|found| found.len() == 5)).await;
    let [Entry::Header(header), Entry::Note(open), Entry::Chunk(came), Entry::Chunk(went), Entry::Note(closed)] =
        &found[..]
    else {
        panic!("{found:?}");
    };
    assert_eq!((header.device.as_str(), header.link.as_str()), ("robot", "tcp"));
    assert_eq!((open.kind, &open.text, closed.kind), (NoteKind::Opened, &epoch, NoteKind::Closed));
    assert_eq!((came.at, &came.bytes[..], came.offset), (pieces[0].at, &b"C0RFid0001\r\n"[..], 0));
    assert_eq!((went.direction.mark(), &went.bytes[..]), ('>', &b"C0QM"[..]));
}

#[tokio::test]
async fn recordings_are_rotated_and_the_oldest_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let of_another = folder.path().join("robot-2.serial.20260101T000000000000.capture");
    std::fs::write(&of_another, "x").expect("written");
    let settings = CaptureSettings { folder: folder.path().to_owned(), rotate_bytes: 500, keep: 3 };
    let mut recorder = Recorder::start(settings, "robot", "serial", None).expect("a recorder");
    for number in 0..20u64 {
        let bytes = format!("{number:0>600}").into_bytes();
        let at = Timestamp::UNIX_EPOCH;
        recorder.record(Happening::Bytes {
            at,
            source: None,
            direction: Direction::Either,
            offset: number * 600,
            bytes,
        });
        let wanted = format!("{number:0>600}");
        // One at a time, so that each finds the file of the one before full.
        until(|| {
            let newest = files(folder.path()).into_iter().rfind(|file| *file != of_another)?;
            let text = std::fs::read_to_string(newest).ok()?;
            text.contains(&wanted).then_some(())
        })
        .await;
    }
    until(|| (files(folder.path()).len() == 4).then_some(())).await;
    assert!(of_another.exists(), "only its own are removed");
}
