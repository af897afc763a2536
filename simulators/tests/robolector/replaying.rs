//! Captures, played back.

use instrument_proto::codec::capture::{self, Direction, Note, NoteKind};
use instrumentd_simulators::Pace;
use instrumentd_simulators::replay::{Played, Settings, Which, play};
use jiff::Timestamp;

use super::ear;

fn capture() -> Vec<u8> {
    let at = |second: i64| Timestamp::from_second(1_772_434_800 + second).expect("in range");
    let mut out = Vec::new();
    let note = |out: &mut Vec<u8>, second, kind| {
        capture::write_note(out, &Note { at: at(second), source: None, kind, text: String::new() });
    };
    note(&mut out, 0, NoteKind::Opened);
    capture::write_chunk(&mut out, at(1), Direction::ToInstrument, None, 0, b"C0QMid0001\r\n");
    capture::write_chunk(&mut out, at(2), Direction::FromInstrument, None, 12, b"C0QMid00");
    note(&mut out, 3, NoteKind::Closed);
    out.extend_from_slice(b"this is no line\n");
    note(&mut out, 9, NoteKind::Opened);
    capture::write_chunk(&mut out, at(10), Direction::FromInstrument, None, 0, b"\x00\xff");
    out
}

fn played(which: Which) -> (Vec<Vec<u8>>, Played) {
    let (_kept, folder) = ear::folder();
    let link = folder.join("line");
    let ear = ear::Ear::open(&link);
    let settings = Settings { link, which, source: None, pace: Pace::Max, wait_for_reader: true };
    let played = play(&capture(), &settings).expect("a terminal");
    (ear.heard(), played)
}

#[test]
fn a_capture_comes_back_byte_for_byte_with_its_hang_ups() {
    let (openings, played) = played(Which::Both);
    assert_eq!(openings, [b"C0QMid0001\r\nC0QMid00".to_vec(), b"\x00\xff".to_vec()]);
    assert_eq!((played.chunks, played.bytes, played.unheard), (3, 22, 0));
    assert_eq!(played.mistakes, [(5, capture::Mistake::NoTime)]);
}

#[test]
fn one_direction_can_be_played_alone() {
    assert_eq!(played(Which::ToInstrument).0, [b"C0QMid0001\r\n".to_vec()]);
    assert_eq!(played(Which::FromInstrument).0, [b"C0QMid00".to_vec(), b"\x00\xff".to_vec()]);
}

#[test]
fn what_never_went_over_a_line_is_refused_and_it_is_said_what_to_do() {
    let (_kept, folder) = ear::folder();
    let settings = Settings {
        link: folder.join("line"),
        which: Which::Both,
        source: None,
        pace: Pace::Max,
        wait_for_reader: true,
    };
    let header = |link: &str| format!("#instrumentd-capture 1 device=xt-1 link={link}\n");
    let message = "2026-03-02T07:00:00.000000Z < @3/StatusUpdateStream 0 \\x00\\x00\\x00\\x00\\x00\n".to_owned();
    for (capture, what) in [
        (header("grpc"), "a gRPC service"),
        (message, "a gRPC service"),
        (header("files"), "a folder of files"),
        (header("sets"), "sets of files"),
    ] {
        let error = play(capture.as_bytes(), &settings).expect_err("no line").to_string();
        assert!(error.contains(what) && error.contains("`instrumentd replay FILE --profile PROFILE`"), "{error}");
    }
    assert!(!folder.join("line").exists(), "nothing was opened");
}
