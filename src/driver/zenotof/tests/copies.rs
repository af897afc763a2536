//! Real sets that arrive in pieces: never complete before the last byte, each once, whatever the order, whenever the daemon is
//! killed.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::made::Made;
use super::world::{File, MINUTE, Thing, World, pair, profile};
use crate::driver::zenotof::Settings;
use crate::event::Body;
use crate::profile::zenotof::Member;

/// One step of a copy: a piece of a member arrives after a pause; the daemon may be killed.
#[derive(Debug, Clone)]
struct Piece {
    member: Member,
    from: usize,
    to: usize,
    pause: Duration,
    killed: bool,
}

/// Cuts the members into pieces, by random numbers: cut points, an order, pauses and kills.
fn pieces(set: &BTreeMap<Member, File>, random: &[(u32, u16, bool)]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let per_member = random.len() / set.len();
    for ((member, file), random) in set.iter().zip(random.chunks(per_member)) {
        let mut cuts: Vec<usize> = random.iter().map(|(cut, ..)| *cut as usize % file.bytes.len()).collect();
        cuts.extend([0, file.bytes.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        for (cut, (_, pause, killed)) in cuts.windows(2).zip(random.iter().cycle()) {
            let pause = Duration::from_millis(u64::from(*pause));
            pieces.push(Piece { member: *member, from: cut[0], to: cut[1], pause, killed: *killed });
        }
    }
    pieces
}

/// Copies a set as a program does that reserves the whole space first, or one that appends; gives the world at the end.
fn copy(set: &BTreeMap<Member, File>, pieces: &[Piece], reserves: bool) -> World {
    let mut world = World::new(profile(), Settings::default());
    let mut here: BTreeMap<Member, File> = BTreeMap::new();
    let mut left: BTreeMap<Member, usize> = BTreeMap::new();
    for piece in pieces {
        *left.entry(piece.member).or_default() += 1;
    }
    for piece in pieces {
        let modified = world.tick();
        let whole = &set[&piece.member];
        let file = here.entry(piece.member).or_insert_with(|| {
            let bytes = if reserves { vec![0; whole.bytes.len()] } else { Vec::new() };
            File { bytes, ..whole.clone() }
        });
        if file.bytes.len() < piece.to {
            file.bytes.resize(piece.to, 0);
        }
        file.bytes[piece.from..piece.to].copy_from_slice(&whole.bytes[piece.from..piece.to]);
        file.modified = modified;
        let remaining = left.get_mut(&piece.member).expect("counted");
        *remaining -= 1;
        file.hollow = *remaining > 0;
        let last = left.values().all(|left| *left == 0);
        world.sets.insert("data/S".into(), Thing::Files(here.clone()));
        world.show("data/S");
        if piece.killed {
            world.restart();
        }
        if !last {
            world.pass(piece.pause);
            assert_eq!(world.ends(), 0, "an end before the last byte");
        }
    }
    world.pass(2 * MINUTE);
    world
}

/// A set of five samples.
fn several() -> BTreeMap<Member, File> {
    let mut made = Made::new("S", 0);
    for _ in 0..5 {
        made.sample();
    }
    made.files("S", 1)
}

fn is_clean(world: &World) {
    for event in &world.events {
        let spoiled = matches!(event.body, Body::AcquisitionReopened(_) | Body::AcquisitionIncomplete(_));
        assert!(!spoiled, "a mere copy gave {:?}", event.body.event_type());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_copy_in_any_order_ends_once_and_after_its_last_byte(
        random in proptest::collection::vec((any::<u32>(), 0u16..20_000, proptest::bool::weighted(0.3)), 12),
        order in any::<u64>(),
        reserves in any::<bool>(),
        made in any::<bool>(),
    ) {
        let set = if made { several() } else { let Some(set) = pair() else { return Ok(()) }; set };
        let mut pieces = pieces(&set, &random);
        // Fisher and Yates, by a small generator of numbers.
        let mut state = order | 1;
        for index in (1..pieces.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            pieces.swap(index, (state >> 33) as usize % (index + 1));
        }
        let world = copy(&set, &pieces, reserves);
        prop_assert_eq!(world.ends(), 1);
        is_clean(&world);
        let unkilled: Vec<Piece> = pieces.iter().map(|piece| Piece { killed: false, ..piece.clone() }).collect();
        prop_assert_eq!(world.ids(), copy(&set, &unkilled, reserves).ids());
    }
}

#[test]
fn a_scan_file_that_lacks_its_last_byte_is_incomplete_with_the_numbers() {
    let Some(mut set) = pair() else { return };
    let scan = set.get_mut(&Member::Scan).expect("there");
    let whole = scan.bytes.len() as u64;
    scan.bytes.pop();
    let mut world = World::new(profile(), Settings::default());
    world.sets.insert("data/S".into(), Thing::Files(set));
    world.show("data/S");
    world.pass(14 * MINUTE);
    assert_eq!(world.told(), ["started"]);
    world.pass(2 * MINUTE);
    assert_eq!(world.told(), ["started", "incomplete"]);
    let Body::AcquisitionIncomplete(incomplete) = &world.events[1].body else { panic!("not incomplete") };
    let problem = &incomplete.problems[0];
    assert_eq!(
        (problem.code, problem.expected_bytes, problem.found_bytes),
        ("truncated-data", Some(whole), Some(whole - 1))
    );
}

#[test]
fn another_sets_scan_file_is_incomplete() {
    let Some(mut set) = pair() else { return };
    let scan = set.get_mut(&Member::Scan).expect("there");
    // As long as the right one, with the right headers, and other data.
    scan.bytes[60..].iter_mut().for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(7));
    let mut world = World::new(profile(), Settings::default());
    world.sets.insert("data/S".into(), Thing::Files(set));
    world.show("data/S");
    world.pass(20 * MINUTE);
    assert_eq!(world.told(), ["started", "incomplete"]);
}

#[test]
fn a_lone_member_is_incomplete_and_says_what_is_missing() {
    let Some(set) = pair() else { return };
    for (kind, code, told) in [
        (Member::Wiff, "missing-member", &["started", "incomplete"][..]),
        // Nothing in a `.wiff.scan` says who it is.
        (Member::Scan, "no-wiff", &["incomplete"][..]),
    ] {
        let mut world = World::new(profile(), Settings::default());
        let one = set.iter().filter(|(other, _)| **other == kind).map(|(kind, file)| (*kind, file.clone())).collect();
        world.sets.insert("data/S".into(), Thing::Files(one));
        world.show("data/S");
        world.pass(20 * MINUTE);
        assert_eq!(world.told(), told);
        let last = world.events.last().expect("an event");
        let Body::AcquisitionIncomplete(incomplete) = &last.body else { panic!("not incomplete") };
        assert_eq!(incomplete.problems[0].code, code);
        // The rest comes after all.
        world.sets.insert("data/S".into(), Thing::Files(set.clone()));
        world.show("data/S");
        world.pass(2 * MINUTE);
        assert_eq!(world.ends(), 1);
    }
}
