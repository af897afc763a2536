//! The same bytes in any pieces, with restarts at any of them, give the same events.

use proptest::prelude::*;

use super::support::{Bench, bytes, context, decode, decode_export, members};
use crate::driver::{FileInput, SourceKind};
use crate::event::Event;
use crate::profile::Family;

/// Feeds `bytes` in pieces that end at `cuts`, restarting from the snapshot after those whose place is in `restarts`.
///
/// Where the driver asks for it the source is read again from its start; what was said before then counts once, as
/// the journal does by its ids.
fn feed(bench: &mut Bench, bytes: &[u8], cuts: &[usize], restarts: &dyn Fn(usize) -> bool) {
    let mut from = 0;
    let mut cut = 0;
    while from < bytes.len() {
        let to = cuts.get(cut).copied().unwrap_or(bytes.len()).clamp(from, bytes.len());
        bench.give(FileInput::Bytes { offset: from as u64, bytes: &bytes[from..to] });
        from = to;
        if restarts(cut) {
            let before = bench.rereads;
            bench.restart();
            if bench.rereads > before {
                bench.reread_from_start();
                from = 0;
                bench.give(FileInput::Bytes { offset: 0, bytes: &bytes[..to] });
                from = from.max(to);
            }
        }
        cut += 1;
    }
    bench.give(FileInput::Ended);
}

fn once(events: Vec<Event>) -> Vec<Event> {
    let mut out: Vec<Event> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for event in events {
        let mut key = String::new();
        event.key.write(&mut key);
        let type_and_key = (event.body.event_type(), key, event.revision);
        if seen.insert(type_and_key) {
            out.push(event);
        }
    }
    out
}

fn assert_same(one: Vec<Event>, other: Vec<Event>) {
    let other = once(other);
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
}

#[test]
fn byte_by_byte() {
    let Some(bytes) = bytes("biolector-pro/new_metadata_format.csv") else { return };
    let whole = decode(Family::BiolectorPro, &bytes).events;
    let mut bench = Bench::new(context(Family::BiolectorPro), SourceKind::Table);
    let cuts: Vec<usize> = (1..bytes.len()).collect();
    feed(&mut bench, &bytes, &cuts, &|_| false);
    assert_same(whole, bench.events);
}

#[test]
fn a_restart_after_every_few_bytes() {
    let Some(bytes) = bytes("biolector-pro/issue35.csv") else { return };
    let whole = decode(Family::BiolectorPro, &bytes).events;
    let mut bench = Bench::new(context(Family::BiolectorPro), SourceKind::Table);
    let table = bytes.windows(12).position(|w| w == b"Type;Cycle;W").expect("a table");
    let cuts: Vec<usize> = (table + 600..bytes.len()).step_by(97).collect();
    feed(&mut bench, &bytes, &cuts, &|_| true);
    assert_same(whole, bench.events);
}

#[test]
fn restarts_in_a_biolector_one_file() {
    let Some(bytes) = bytes("biolector-1/JH_ShakerSteps_20170302_070206.csv") else { return };
    let whole = decode(Family::BiolectorOne, &bytes).events;
    let mut bench = Bench::new(context(Family::BiolectorOne), SourceKind::Parts);
    let cuts: Vec<usize> = (100..bytes.len()).step_by(211).collect();
    feed(&mut bench, &bytes, &cuts, &|cut| cut % 3 == 0);
    assert_same(whole, bench.events);
}

#[test]
fn restarts_in_an_xt_export() {
    let Some(mut members) = members("biolector-xt/4_BG_test.zip") else { return };
    let at = members.iter().position(|(name, _)| name.ends_with(".csv")).expect("there");
    members[at].1.truncate(700_000);
    let whole = decode_export(&members).events;
    let table = members[at].1.clone();
    let mut bench = Bench::new(context(Family::BiolectorXt), SourceKind::Export);
    for (name, bytes) in members.iter().filter(|(name, _)| !name.ends_with(".csv")) {
        bench.give(FileInput::Member { name, bytes });
    }
    let cuts: Vec<usize> = (400..table.len()).step_by(4999).collect();
    feed(&mut bench, &table, &cuts, &|_| true);
    assert_same(whole, bench.events);
}

/// A small Pro file with one of everything.
fn small() -> Vec<u8> {
    super::made::pro_file()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_and_any_restart(
        cuts in proptest::collection::btree_set(1usize..20_000, 0..60),
        restarts in proptest::collection::vec(any::<bool>(), 60),
    ) {
        let bytes = small();
        let whole = decode(Family::BiolectorPro, &bytes).events;
        let cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < bytes.len()).collect();
        let mut bench = Bench::new(context(Family::BiolectorPro), SourceKind::Table);
        feed(&mut bench, &bytes, &cuts, &|cut| restarts.get(cut).copied().unwrap_or(false));
        assert_same(whole, bench.events);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600), family in 0..3) {
        let family = [Family::BiolectorOne, Family::BiolectorPro, Family::BiolectorXt][family as usize];
        decode(family, &bytes);
    }

    #[test]
    fn a_damaged_file(
        damage in proptest::collection::vec((0usize..20_000, any::<u8>()), 1..30),
        lost in (0usize..20_000, 0usize..300),
        twice in (0usize..20_000, 0usize..2_000),
    ) {
        let mut bytes = small();
        let length = bytes.len();
        for (at, byte) in damage {
            bytes[at % length] = byte;
        }
        let from = twice.0 % length;
        let block = bytes[from..(from + twice.1).min(length)].to_vec();
        bytes.splice(from..from, block);
        let from = lost.0 % length;
        bytes.drain(from..(from + lost.1).min(length));
        let whole = decode(Family::BiolectorPro, &bytes);
        let mut keys: Vec<_> = whole.measured().map(|m| (m.cycle, m.filterset, m.well)).collect();
        let all = keys.len();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), all);
        let mut bench = Bench::new(context(Family::BiolectorPro), SourceKind::Table);
        let cuts: Vec<usize> = (500..bytes.len()).step_by(777).collect();
        feed(&mut bench, &bytes, &cuts, &|_| true);
        if whole.refused.is_empty() {
            assert_same(whole.events, bench.events);
        }
    }
}
