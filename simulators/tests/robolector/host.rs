//! The robot alone: it answers what it is asked and is not commanded.

use std::path::Path;

use instrument_proto::codec::star::{Framing, Terminator};
use instrument_proto::codec::tecan::{Form, Module, write};
use instrumentd_simulators::robolector::{Dialect, Fault, Faults, Robolector, Settings, What};

use super::ear;

fn robot(dialect: Dialect, folder: &Path, faults: Faults) -> Robolector {
    let settings = Settings { host: true, faults, ..ear::settings(dialect, folder) };
    Robolector::spawn(settings, 64).expect("a terminal")
}

/// Says something and reads until so many bytes have come.
fn ask(terminal: &std::os::fd::OwnedFd, bytes: &[u8], wanted: usize) -> Vec<u8> {
    rustix::io::write(terminal, bytes).expect("written");
    let mut heard = Vec::new();
    let mut buffer = [0; 256];
    while heard.len() < wanted {
        let length = rustix::io::read(terminal, &mut buffer).expect("an answer");
        heard.extend_from_slice(&buffer[..length]);
    }
    heard
}

#[test]
fn a_star_answers_questions() {
    let (_kept, folder) = ear::folder();
    let framing = Framing { terminator: Terminator::CrLf, marks: None };
    let robot = robot(Dialect::Star(framing), &folder, Faults::default());
    let terminal = ear::open(&folder.join("line")).expect("it is there");
    for (question, answer) in [
        ("C0RFid0001\r\n", "C0RFid0001er00/00rf7.6S 35 2009-06-24 A\r\n"),
        ("C0QWid0002\r\n", "C0QWid0002er00/00qw1\r\n"),
        ("C0RTid0003\r\n", "C0RTid0003er00/00rt0 0 0 0 0 0 0 0\r\n"),
        ("P1RFid0004\r\n", "P1RFid0004rf7.6S 35 2009-06-24 A\r\n"),
        ("C0RSid0005\r\n", "C0RSid0005er01/30\r\n"),
        ("P1OQid0006\r\n", "P1OQid0006er00\r\n"),
    ] {
        let heard = ask(&terminal, question.as_bytes(), answer.len());
        assert_eq!(String::from_utf8_lossy(&heard), answer);
    }
    // The last one was no question.
    let commanded = robot.truths().iter().find_map(|truth| match truth.what {
        What::Commanded { frame } => Some(frame),
        _ => None,
    });
    assert_eq!(commanded.as_deref(), Some("P1OQid0006"));
}

#[test]
fn a_genesis_acknowledges_answers_and_does_nothing_twice() {
    let (_kept, folder) = ear::folder();
    let robot = robot(Dialect::TecanSerial, &folder, Faults::default());
    let terminal = ear::open(&folder.join("line")).expect("it is there");
    let (master, arm) = (Module::new(b"M1").expect("a module"), Module::new(b"A1").expect("a module"));
    let answer =
        [write::acknowledge(master), write::answer(Form::Serial, b'A', master, 0, b"GENESIS-V1.61-07/2001")].concat();
    let question = write::command(Form::Serial, b'A', master, b"RFV0");
    assert_eq!(ask(&terminal, &question, answer.len()), answer);
    assert_eq!(ask(&terminal, &question, answer.len()), answer, "asked twice, it answers twice");
    // A wrong check byte is heard by nobody; the host says it again.
    let mut wrong = question.clone();
    *wrong.last_mut().expect("a check byte") ^= 1;
    let again = [wrong, question].concat();
    assert_eq!(ask(&terminal, &again, answer.len()), answer);
    let absent = Module::new(b"O1").expect("a module");
    let not_there = [write::acknowledge(absent), write::error_with_own_letter(b'A', absent, 5)].concat();
    assert_eq!(ask(&terminal, &write::command(Form::Serial, b'A', absent, b"RFV0"), not_there.len()), not_there);
    let command = write::command(Form::Serial, b'A', arm, b"PPR300");
    let done = [write::acknowledge(arm), write::answer(Form::Serial, b'A', arm, 0, b"")].concat();
    for _ in 0..3 {
        assert_eq!(ask(&terminal, &command, done.len()), done);
    }
    drop(terminal);
    robot.stop();
    let commanded = robot.truths().iter().filter(|truth| matches!(truth.what, What::Commanded { .. })).count();
    assert_eq!(commanded, 1, "said three times, executed once");
}

#[test]
fn an_evo_on_usb_answers_too() {
    let (_kept, folder) = ear::folder();
    let _robot = robot(Dialect::TecanUsb, &folder, Faults::default().with(Fault::SplitFrames, 1));
    let terminal = ear::open(&folder.join("line")).expect("it is there");
    let arm = Module::new(b"C5").expect("a module");
    let answer = write::answer(Form::Usb, b'A', arm, 0, b"8");
    assert_eq!(ask(&terminal, &write::command(Form::Usb, b'A', arm, b"RNT1"), answer.len()), answer);
}
