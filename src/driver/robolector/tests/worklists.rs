//! Worklists name labware, liquid class and sample ids, and are checked against what the robot does.

use super::faults::command;
use super::support::Bench;
use crate::driver::{Driver, Effects, FileInput, Input, Mode, Sees, WORKLISTS};
use crate::event::body::Body;

fn with(worklist: &[u8]) -> Bench {
    let mut bench = Bench::new("robolector", |_| {});
    let mut effects = Effects::default();
    let input = FileInput::Member { name: "a.gwl", bytes: worklist };
    bench.driver.handle(Input::File(&WORKLISTS.into(), input), bench.now, &mut effects);
    bench.open(Mode::Listen { sees: Sees::Both });
    bench
}

/// A01 of the FlowerPlate to C02 of the deep-well plate, as the robot does it.
fn sample(bench: &mut Bench, volume: u32) {
    let ok = |name: &str| format!("C0{name}id0001er00/00");
    bench.exchange(&command("TP", 1, &[(3024, 1467)], 0), &ok("TP"));
    bench.exchange(&command("AS", 1, &[(3024, 1467)], volume), &ok("AS"));
    bench.exchange(&command("DS", 1, &[(3074, 2237)], volume), &ok("DS"));
}

const LIST: &[u8] = b"C;a sampling\r\nA;FP;;;1;;100.00;Culture;;;\r\nD;dwp;;;11;S-0815;100.00;Culture;;;\r\nW1;\r\n";

#[test]
fn the_worklist_gives_volume_class_and_sample_id() {
    let mut bench = with(LIST);
    sample(&mut bench, 1072);
    assert_eq!(bench.noted("completed"), ["completed fp A01 -100(107.2) by 1 -> dwp C02 100(107.2)"]);
    let Some(Body::SamplingCompleted(body)) = bench.events.last().map(|event| &event.body) else {
        panic!("{:?}", bench.told())
    };
    assert_eq!((body.sample.id.as_str(), body.liquid_class.as_deref()), ("S-0815", Some("Culture")));
    assert!(body.flags.is_empty());
    assert!(bench.published().last().expect("there").contains("\"sampleid\":\"S-0815\""));
}

#[test]
fn what_it_does_not_ask_for_is_told() {
    let mut bench = with(b"A;fp;;;2;;100.00;Culture;;;\r\nD;dwp;;;11;S-1;100.00;Culture;;;\r\n");
    sample(&mut bench, 1072);
    let Some(Body::SamplingCompleted(body)) = bench.events.last().map(|event| &event.body) else {
        panic!("{:?}", bench.told())
    };
    assert!(bench.noted("completed")[0].contains("WorklistMismatch"));
    assert_eq!(body.text.as_deref(), Some("the worklist asks for no aspirate here; it expects 100 µl at `fp` B01"));
}

#[test]
fn another_volume_than_its_own_is_told() {
    let mut bench = with(LIST);
    sample(&mut bench, 2144);
    assert!(bench.noted("aspirated")[0].contains("WorklistMismatch"), "{:?}", bench.told());
    assert!(bench.noted("aspirated")[0].starts_with("aspirated fp A01 (214.4)"));
}

#[test]
fn lines_that_cannot_be_read_are_told() {
    let mut bench = Bench::new("robolector", |_| {});
    let mut effects = Effects::default();
    let input = FileInput::Member { name: "a.gwl", bytes: b"A;fp;;;one;;100;;;;\r\n" };
    bench.driver.handle(Input::File(&WORKLISTS.into(), input), bench.now, &mut effects);
    assert_eq!(effects.defects.len(), 1);
    assert!(effects.defects[0].1.text.starts_with("a.gwl, line 1: "), "{}", effects.defects[0].1.text);
}

#[test]
fn a_substance_has_the_name_of_its_tube_or_rack() {
    let mut bench = with(b"A;dwp;;;1;IPTG;10.00;Water;;;\r\nD;fp;;;1;;10.00;Water;;;\r\n");
    let ok = |name: &str| format!("C0{name}id0001er00/00");
    bench.exchange(&command("AS", 1, &[(2984, 2417)], 119), &ok("AS"));
    bench.exchange(&command("DS", 1, &[(3024, 1467)], 116), &ok("DS"));
    assert_eq!(bench.noted("added"), ["added A01 10(11.6) from dwp A01 of IPTG"]);
}
