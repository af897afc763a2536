//! Host mode: what the daemon asks, and when it falls silent.

use instrument_proto::codec::tecan::{Form, Module, write};
use proptest::prelude::*;

use super::support::Bench;
use crate::driver::robolector::queries::{STAR, TECAN};
use crate::driver::{Direction, Mode};

/// Whether these bytes are a question of the short list, or an acknowledgement.
fn is_allowed(bytes: &[u8]) -> bool {
    let star = ["C0RF", "C0RM", "C0QM", "C0QW", "C0RT"];
    if let Some(text) = bytes.strip_suffix(b"\r\n") {
        let text = String::from_utf8_lossy(text);
        let (head, id) = text.split_at(text.len().min(4));
        let digits = id.strip_prefix("id").unwrap_or("");
        return star.contains(&head) && digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
    }
    let tecan = [("M1", "RFV0"), ("A1", "RFV0"), ("A1", "RNT1"), ("A1", "REE0")];
    let module = |name: &str| Module::new(name.as_bytes()).expect("a module");
    (b'A'..=b'G').any(|letter| {
        tecan.iter().any(|(name, text)| write::command(Form::Serial, letter, module(name), text.as_bytes()) == bytes)
    }) || ["M1", "A1"].iter().any(|name| write::acknowledge(module(name)) == bytes)
}

fn host(profile: &str) -> Bench {
    let mut bench = Bench::new(profile, |_| {});
    bench.open(Mode::Host);
    bench
}

/// The reply that a healthy STAR gives to the last question.
fn answer(bench: &mut Bench) {
    let asked = String::from_utf8_lossy(bench.sent.last().expect("asked")).trim().to_owned();
    let rest = match &asked[2..4] {
        "RF" => "rf1.0S 2009-06-24 A",
        "RT" => "rt0 0 0 0 0 0 0 0",
        "QW" => "qw1",
        _ => "kb01kp08",
    };
    bench.reply(&format!("{asked}er00/00{rest}"));
}

#[test]
fn it_asks_who_the_robot_is_once_and_how_it_is_again_and_again() {
    let mut bench = host("robolector");
    for _ in 0..9 {
        answer(&mut bench);
        bench.run_out("poll");
    }
    let asked: Vec<String> = bench.sent.iter().map(|bytes| String::from_utf8_lossy(bytes)[..4].to_owned()).collect();
    let round = ["C0RF", "C0RM", "C0QM", "C0QW", "C0RT", "C0QW", "C0RT", "C0QW", "C0RT", "C0QW"];
    assert_eq!(asked, round);
    assert!(bench.sent.iter().all(|bytes| is_allowed(bytes)));
    assert_eq!(bench.operations, ["hosting", "idle"]);
    assert!(bench.events.is_empty());
}

#[test]
fn a_pause_lies_between_two_questions_and_a_longer_one_between_rounds() {
    let mut bench = host("robolector");
    answer(&mut bench);
    let pause = |bench: &Bench| bench.timers.iter().find(|(timer, _)| timer.name == "poll").expect("set").1;
    assert!(pause(&bench).as_millis() >= 200);
    for _ in 0..4 {
        bench.run_out("poll");
        answer(&mut bench);
    }
    assert!(pause(&bench).as_secs() >= 5, "{:?}", pause(&bench));
    assert_eq!(bench.sent.len(), 5);
}

#[test]
fn it_falls_silent_when_somebody_else_speaks_to_the_robot() {
    for strange in ["C0ASid0777er00/00", "C0RTid4711er00/00rt1 0 0 0 0 0 0 0", "C0QMid0001"] {
        let mut bench = host("robolector");
        answer(&mut bench);
        let sent = bench.sent.len();
        bench.reply(strange);
        assert_eq!(bench.told(), ["DeviceFaulted"], "{strange}");
        assert_eq!(bench.operations.last(), Some(&"silenced"));
        assert!(!bench.timers.iter().any(|(timer, _)| timer.name == "poll"));
        bench.reply("C0RTid0002er00/00rt0 0 0 0 0 0 0 0");
        assert_eq!(bench.sent.len(), sent, "{strange}");
    }
}

#[test]
fn a_late_reply_is_nobodys_answer() {
    let mut bench = host("robolector");
    let first = String::from_utf8_lossy(&bench.sent[0]).trim().to_owned();
    bench.run_out("poll");
    assert_eq!(bench.sent.len(), 2, "the next question, after the first one's time");
    bench.reply(&format!("{first}er00/00rf1.0S"));
    assert!(bench.events.is_empty(), "{:?}", bench.told());
    assert_eq!(bench.defects, [("late-reply", 1)]);
    answer(&mut bench);
    bench.run_out("poll");
    assert_eq!(bench.sent.len(), 3);
}

#[test]
fn a_robot_that_does_not_answer_is_said_to_be_so() {
    let mut bench = host("robolector");
    for _ in 0..3 {
        bench.run_out("poll");
    }
    assert_eq!(bench.operations, ["hosting", "not-answering"]);
    answer(&mut bench);
    assert_eq!(bench.operations.last(), Some(&"idle"));
}

#[test]
fn one_that_is_switched_on_later_or_again_is_asked_who_it_is() {
    let asked =
        |bench: &Bench| bench.sent.iter().map(|b| String::from_utf8_lossy(b)[..4].to_owned()).collect::<Vec<_>>();
    let mut bench = host("robolector");
    for _ in 0..7 {
        bench.run_out("poll");
    }
    let round = ["C0RF", "C0RM", "C0QM", "C0QW", "C0RT"];
    assert_eq!(asked(&bench), [&round[..], &round[..3]].concat());
    // It is there now, and says who it is in the next round.
    for _ in 0..12 {
        answer(&mut bench);
        bench.run_out("poll");
    }
    assert_eq!(
        asked(&bench)[8..],
        ["C0QW", "C0RT", "C0RF", "C0RM", "C0QM", "C0QW", "C0RT", "C0QW", "C0RT", "C0QW", "C0RT", "C0QW"]
    );
    for _ in 0..3 {
        bench.run_out("poll");
    }
    assert_eq!(bench.operations.last(), Some(&"not-answering"));
    let before = bench.sent.len();
    for _ in 0..3 {
        answer(&mut bench);
        bench.run_out("poll");
    }
    assert!(asked(&bench)[before..].contains(&"C0RF".to_owned()), "{:?}", &asked(&bench)[before..]);
}

#[test]
fn a_tecan_is_acknowledged_and_asked_again_after_a_damaged_answer() {
    let mut bench = host("robolector-tecan");
    let module = Module::new(b"M1").expect("a module");
    assert_eq!(bench.sent[0], write::command(Form::Serial, b'A', module, b"RFV0"));
    let mut damaged = write::answer(Form::Serial, b'A', module, 0, b"GENESIS-V1.61-07/2001");
    damaged[8] ^= 1;
    bench.bytes(Direction::FromInstrument, &damaged);
    assert_eq!(bench.sent[1], bench.sent[0], "the same question, which is not executed twice");
    let answer = write::answer(Form::Serial, b'A', module, 0, b"GENESIS-V1.61-07/2001");
    bench.bytes(Direction::FromInstrument, &answer);
    assert_eq!(bench.sent[2], write::acknowledge(module));
    assert_eq!(bench.sent.len(), 3);
    assert!(bench.events.is_empty());
}

#[test]
fn the_list_is_short() {
    assert_eq!((STAR.len(), TECAN.len()), (5, 4));
}

#[test]
fn a_tap_never_sends() {
    let mut bench = Bench::listening("robolector-tecan", |_| {});
    let module = Module::new(b"M1").expect("a module");
    bench.bytes(Direction::ToInstrument, &write::command(Form::Serial, b'A', module, b"RFV0"));
    let mut damaged = write::answer(Form::Serial, b'A', module, 0, b"GENESIS");
    damaged[8] ^= 1;
    bench.bytes(Direction::FromInstrument, &damaged);
    bench.bytes(Direction::FromInstrument, &write::answer(Form::Serial, b'A', module, 0, b"GENESIS"));
    assert!(bench.sent.is_empty());
    assert_eq!(bench.defects, [("checksum-error", 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes, nothing else than the questions of the short list is ever sent.
    #[test]
    fn nothing_else_is_ever_sent(
        tecan in any::<bool>(),
        steps in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40).prop_map(Some),
                Just(Some(b"C0ASid0003er00/00\r\n".to_vec())),
                Just(Some(b"\x02Q\x4d1@GENESIS\x03".to_vec())),
                Just(None),
            ],
            0..30,
        ),
    ) {
        let mut bench = host(if tecan { "robolector-tecan" } else { "robolector" });
        for step in steps {
            match step {
                Some(bytes) => bench.bytes(Direction::FromInstrument, &bytes),
                None if bench.timers.iter().any(|(timer, _)| timer.name == "poll") => bench.run_out("poll"),
                None => {}
            }
        }
        prop_assert!(!bench.sent.is_empty());
        for bytes in &bench.sent {
            prop_assert!(is_allowed(bytes), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
