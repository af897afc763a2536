//! A whole deck as an open-source control program works on it: `star-deck.txt`, each command with its reply under it, as they came.
//!
//! Plates on carriers and turned by each right angle; the places are the program's own figures for the footprints' left front corners. What it
//! was told to do stands in each heading.

use crate::profile::deck::{Role, Rotation};

use super::support::Bench;

const PROTOCOLS: &str = include_str!("star-deck.txt");

fn bench() -> Bench {
    Bench::listening("robolector", |deck| {
        let kinds: Vec<_> = deck.labware.clone();
        let like = |name: &str, of: &str, x_mm: f64, y_mm: f64, rotation, role| {
            let mut labware = kinds.iter().find(|kind| kind.name == of).expect("there").clone();
            labware.name = name.to_owned();
            labware.plate_id = Some(format!("plate-{name}"));
            if role != Role::Cultivation {
                labware.cultivation_device = None;
            }
            (labware.x_mm, labware.y_mm, labware.rotation, labware.role) = (x_mm, y_mm, rotation, role);
            labware
        };
        deck.labware = vec![
            like("fp", "fp", 419.0, 71.5, Rotation::None, Role::Cultivation),
            like("dwp", "dwp", 419.0, 167.5, Rotation::None, Role::Sample),
            like("mtp", "dwp", 419.0, 263.5, Rotation::None, Role::Sample),
            like("p384", "p384", 419.0, 455.5, Rotation::None, Role::Sample),
            like("rot", "dwp", 654.0, 150.0, Rotation::Quarter, Role::Sample),
            like("rotb", "dwp", 860.0, 123.0, Rotation::ThreeQuarters, Role::Sample),
            like("fp2", "fp", 1002.24, 214.52, Rotation::Half, Role::Source),
        ];
    })
}

/// What the protocol with this heading is told as, of the events whose note begins with one of these words.
fn told(heading: &str, words: &[&str]) -> Vec<String> {
    let mut bench = bench();
    let mut on = false;
    let mut lines = 0;
    for line in PROTOCOLS.lines() {
        if let Some(text) = line.strip_prefix("## ") {
            on = text.starts_with(heading);
        } else if on {
            lines += 1;
            match line.strip_prefix("  ") {
                Some(reply) => bench.reply(reply),
                None => bench.command(line),
            }
        }
    }
    assert!(lines > 0, "no protocol `{heading}`");
    assert!(bench.gaps.is_empty() && bench.defects.is_empty(), "{:?} {:?}", bench.gaps, bench.defects);
    bench.told().into_iter().filter(|note| words.iter().any(|word| note.starts_with(word))).collect()
}

/// What mints, moves or fails.
const RESULTS: [&str; 5] = ["completed", "transferred", "transfer failed", "failed", "added"];

#[test]
fn channels_that_do_not_begin_with_the_first_keep_their_numbers_and_volumes() {
    let piston = [56.3, 66.7, 77.6, 87.5, 97.9, 108.3];
    let expected: Vec<String> = (0..6_u8)
        .zip(piston)
        .map(|(n, piston)| {
            let (from, to) = (char::from(b'A' + n), char::from(b'C' + n));
            format!("completed fp {from}08 ({piston}) by {} -> dwp {to}12 ({piston})", n + 3)
        })
        .collect();
    assert_eq!(told("six channels, C to H", &RESULTS), expected);
    assert_eq!(
        told("far apart", &RESULTS),
        ["completed fp C03 (23.9) by 2 -> mtp A01 (23.9)", "completed fp E03 (34.7) by 7 -> mtp H01 (34.7)"]
    );
}

#[test]
fn plates_turned_by_each_right_angle_are_found() {
    assert_eq!(told("turned by 90", &RESULTS), ["completed fp B02 (108.3) by 4 -> rot A12 (108.3)"]);
    assert_eq!(told("turned by 270", &RESULTS), ["completed fp F01 (14.9) by 5 -> rotb B11 (14.9)"]);
    assert_eq!(told("turned by 180", &RESULTS), ["added F02 (12.7) from fp2 F08 of unknown"]);
}

#[test]
fn eight_channels_and_384_wells_are_transfers() {
    let eight = told("all eight", &RESULTS);
    assert_eq!(eight.len(), 8);
    assert_eq!(eight[7], "transferred dwp H01 -> mtp H02 (159.6)");
    assert_eq!(told("384 wells", &RESULTS), ["transferred dwp B12 -> p384 P24 (6.4)"]);
}

#[test]
fn channels_that_failed_and_dispense_all_the_same_mint_no_sample() {
    let of = told("slave errors", &["completed", "failed", "dispensed"]);
    let others: Vec<&String> = of.iter().filter(|note| note.starts_with("completed")).collect();
    assert_eq!(others.len(), 4);
    assert_eq!(
        of.iter().filter(|note| note.starts_with("failed")).collect::<Vec<_>>(),
        [
            "failed aspirate at fp B01 by 2: channel 2: error that is not in the table (35/00) (others [1, 3, 5, 6])",
            "failed aspirate at fp D01 by 4: channel 4: hardware error (02/98) (others [1, 3, 5, 6])"
        ]
    );
    assert_eq!(
        of.iter().filter(|note| note.contains("NoAspirate")).collect::<Vec<_>>(),
        [
            "dispensed dwp B01 (108.3) by 2 for Unknown NoAspirate",
            "dispensed dwp D01 (108.3) by 4 for Unknown NoAspirate"
        ]
    );
}

#[test]
fn replies_in_reverse_find_their_commands() {
    assert_eq!(
        told("replies in reverse", &RESULTS),
        ["completed fp A04 (45.5) by 1 -> mtp A04 (45.5)", "completed fp B04 (45.5) by 2 -> mtp B04 (45.5)"]
    );
}

#[test]
fn a_plate_is_sampled_where_the_gripper_put_it_and_where_it_came_back() {
    assert_eq!(
        told("carried away", &["moved", "completed", "failed"]),
        [
            "moved fp from fp to ? turned 0",
            "completed fp C03 (34.7) by 1 -> dwp A06 (34.7)",
            "completed fp D03 (34.7) by 2 -> dwp B06 (34.7)",
            "moved fp from ? to fp turned 0",
            "completed fp C03 (34.7) by 1 -> dwp A07 (34.7)",
            "completed fp D03 (34.7) by 2 -> dwp B07 (34.7)"
        ]
    );
}
