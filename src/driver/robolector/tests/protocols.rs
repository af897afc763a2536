//! Protocols as an open-source control program really sends them to a STAR: `star-protocols.txt`, each command with its reply under it.
//!
//! The deck is the one of [`super::support::deck`]; the wells that each protocol means stand in its heading. The program corrects 100 µl to
//! 107.2, other volumes by other figures; the configured liquid class knows 7.2 % for all.

use super::support::{Bench, water};

const PROTOCOLS: &str = include_str!("star-protocols.txt");

/// Runs the protocol with this heading.
fn run(bench: &mut Bench, heading: &str) {
    let mut on = false;
    for line in PROTOCOLS.lines() {
        if let Some(text) = line.strip_prefix("## ") {
            on = text.starts_with(heading);
        } else if on {
            match line.strip_prefix("  ") {
                Some(reply) => bench.reply(reply),
                None => bench.command(line),
            }
        }
    }
}

fn told(heading: &str) -> Vec<String> {
    let mut bench = Bench::listening("robolector", |deck| deck.liquid_class = Some(water()));
    run(&mut bench, heading);
    assert!(bench.gaps.is_empty() && bench.defects.is_empty(), "{:?} {:?}", bench.gaps, bench.defects);
    bench.told()
}

/// The notes that begin with one of these words.
fn of(notes: Vec<String>, words: &[&str]) -> Vec<String> {
    notes.into_iter().filter(|note| words.iter().any(|word| note.starts_with(word))).collect()
}

#[test]
fn six_channels_sample_a_column_of_the_flower_plate() {
    let notes = told("sampling");
    assert_eq!(notes[0], "access");
    let expected: Vec<String> = (1..=6)
        .map(|n| {
            let row = char::from(b'A' + n - 1);
            format!("completed fp {row}01 -100(107.2) by {n} -> dwp {row}01 100(107.2)")
        })
        .collect();
    assert_eq!(of(notes.clone(), &["completed"]), expected);
    assert_eq!(of(notes.clone(), &["aspirated"]).len(), 6);
    assert_eq!(of(notes.clone(), &["dispensed"])[5], "dispensed dwp F01 100(107.2) by 6 for Sampling");
    assert_eq!(of(notes, &["access ended"]), ["access ended: left after 2"]);
}

#[test]
fn a_turned_destination_is_found() {
    assert_eq!(
        of(told("turned"), &["completed", "failed"]),
        [
            "completed fp D07 -51.399(55.1) by 1 -> rot A01 51.399(55.1)",
            "completed fp A05 -51.399(55.1) by 5 -> rot H12 51.399(55.1)"
        ]
    );
}

#[test]
fn what_goes_into_a_culture_is_an_addition() {
    let notes = told("addition");
    assert_eq!(of(notes.clone(), &["added"]), ["added C02 10.821(11.6) from dwp B03 of unknown"]);
    assert!(of(notes, &["completed", "transferred", "failed"]).is_empty());
}

#[test]
fn one_aspirate_and_three_dispenses_are_one_sampling() {
    assert_eq!(
        of(told("one to many"), &["completed", "failed"]),
        ["completed fp E04 -148.414(159.1) by 1 -> dwp A07 51.399(55.1), dwp B08 51.399(55.1), dwp C09 51.399(55.1)"]
    );
}

#[test]
fn plate_to_plate_is_a_transfer() {
    assert_eq!(
        of(told("plate to plate"), &["transferred", "completed", "failed", "added"]),
        ["transferred dwp A01 -> p384 A01 21642(23.2)", "transferred dwp B01 -> p384 C01 21642(23.2)"]
    );
}

#[test]
fn liquid_that_is_dropped_with_its_tip_is_a_failed_sampling() {
    assert_eq!(
        of(told("tips never"), &["failed", "completed"]),
        ["failed tip-never-dispensed at fp F08 by 1: the tip was dropped with the liquid in it (others [])"]
    );
}

#[test]
fn mixing_mints_no_sample() {
    let notes = told("mix in");
    assert_eq!(of(notes.clone(), &["dispensed"]), ["dispensed fp B02 61.101(65.5) by 1 for Mix"]);
    assert!(of(notes, &["completed", "failed", "added", "transferred"]).is_empty());
}

#[test]
fn the_96_channel_head_reaches_every_well() {
    let notes = told("96 head");
    let aspirated = of(notes.clone(), &["aspirated"]);
    assert_eq!(aspirated.len(), 96);
    assert_eq!(aspirated[0], "aspirated dwp A01 -27.985(30) by 101");
    assert_eq!(aspirated[95], "aspirated dwp H12 -27.985(30) by 196");
    assert_eq!(of(notes, &["dispensed"]).len(), 96);
}

#[test]
fn plates_are_found_where_the_gripper_put_them() {
    let mut bench = Bench::listening("robolector", |deck| deck.liquid_class = Some(water()));
    run(&mut bench, "gripper");
    assert_eq!(bench.noted("moved"), ["moved fp from fp to ? turned 0", "moved dwp from dwp to ? turned 90"]);
    assert_eq!(bench.noted("completed"), ["completed fp C03 -80.597(86.4) by 1 -> dwp D05 80.597(86.4)"]);
    run(&mut bench, "core gripper");
    assert_eq!(bench.noted("moved")[2], "moved fp from ? to fp turned 0");
    assert!(bench.gaps.is_empty() && bench.defects.is_empty());
}

#[test]
fn barcodes_are_told() {
    let mut bench = Bench::listening("robolector", |_| {});
    let command = PROTOCOLS.lines().find(|line| line.starts_with("C0ZB")).expect("there");
    bench.exchange(command, "C0ZBid0999er00/00bb/08ABCDEFGH");
    bench.exchange(command, "C0ZBid0999er05/30bb/00");
    bench.exchange(command, "C0ZBid0999er00/00bb/00");
    assert_eq!(bench.told(), ["barcode read ABCDEFGH", "barcode no-read -", "barcode none -"]);
}
