//! The same bytes in any split, and with a restart anywhere, tell the same.

use proptest::prelude::*;

use super::support::{Bench, water};
use crate::driver::{Direction, Mode, Sees, StreamInput};

const PROTOCOLS: &str = include_str!("star-protocols.txt");
const LISTEN: Mode = Mode::Listen { sees: Sees::Both };

/// A session as it stands on a line: who speaks, and what. Noise and a lost reply are part of it.
fn session(tecan: bool) -> Vec<(Direction, Vec<u8>)> {
    if tecan {
        return super::evo::session();
    }
    let mut session = vec![(Direction::ToInstrument, b"\xff\x00noise\r\n".to_vec())];
    for (number, line) in PROTOCOLS.lines().filter(|line| !line.starts_with("## 96") && !line.is_empty()).enumerate() {
        if line.starts_with("## ") || (number % 41 == 7 && line.starts_with("  ")) {
            continue;
        }
        let (direction, text) = match line.strip_prefix("  ") {
            Some(reply) => (Direction::FromInstrument, reply),
            None => (Direction::ToInstrument, line),
        };
        session.push((direction, format!("{text}\r\n").into_bytes()));
    }
    session
}

fn bench(tecan: bool) -> Bench {
    let bench = if tecan {
        super::evo::Talk::new(instrument_proto::codec::tecan::Form::Serial, LISTEN).bench
    } else {
        Bench::listening("robolector", |deck| deck.liquid_class = Some(water()))
    };
    assert!(bench.events.is_empty());
    bench
}

/// Gives the session, each message in pieces of these lengths in turn; `restarts` says before which pieces the daemon is restarted.
fn run(tecan: bool, pieces: &[usize], restarts: &[bool]) -> (Vec<String>, usize) {
    let mut bench = bench(tecan);
    let mut lengths = pieces.iter().cycle();
    let mut restart = restarts.iter().cycle();
    for (direction, message) in session(tecan) {
        let mut rest = message.as_slice();
        while !rest.is_empty() {
            let length = (*lengths.next().unwrap_or(&1)).clamp(1, rest.len());
            let (piece, after) = rest.split_at(length);
            if *restart.next().unwrap_or(&false) {
                let mut fresh = self::bench(tecan);
                fresh.snapshot = std::mem::take(&mut bench.snapshot);
                fresh.events = std::mem::take(&mut bench.events);
                fresh.gaps = std::mem::take(&mut bench.gaps);
                (fresh.now, fresh.offset) = (bench.now, bench.offset);
                fresh.open_as("epoch-1", LISTEN, true);
                bench = fresh;
            }
            bench.bytes(direction, piece);
            rest = after;
        }
        bench.pass(1);
    }
    (bench.published(), bench.gaps.len())
}

#[test]
fn a_restart_before_every_byte_changes_nothing() {
    for tecan in [false, true] {
        let whole = run(tecan, &[usize::MAX], &[false]);
        assert!(whole.0.len() > 20);
        let short = run(tecan, &[97], &[true]);
        assert_eq!(short, whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_split_and_any_restart_tell_the_same(
        tecan in any::<bool>(),
        pieces in proptest::collection::vec(1usize..400, 1..12),
        restarts in proptest::collection::vec(proptest::bool::weighted(0.1), 1..40),
    ) {
        let whole = run(tecan, &[usize::MAX], &[false]);
        let split = run(tecan, &pieces, &restarts);
        prop_assert_eq!(split.0, whole.0);
        prop_assert_eq!(split.1, whole.1);
    }

    /// Cuts, losses and altered bytes: no panic, a bounded snapshot (the bench checks it), and frames that come whole afterwards are understood.
    #[test]
    fn damage_never_stops_it(
        tecan in any::<bool>(),
        damage in proptest::collection::vec((any::<u16>(), any::<u8>(), 0u8..4), 1..40),
    ) {
        let mut bench = bench(tecan);
        let session = session(tecan);
        let mut opened = 1;
        for (number, (direction, message)) in session.iter().enumerate() {
            let mut bytes = message.clone();
            for (place, value, kind) in &damage {
                if usize::from(*place) % session.len() != number {
                    continue;
                }
                let at = usize::from(*value) % bytes.len().max(1);
                match kind {
                    0 => bytes.truncate(at),
                    1 => if let Some(byte) = bytes.get_mut(at) { *byte ^= value | 1 },
                    2 => bench.stream(StreamInput::Lost { reason: "overrun" }),
                    _ => {
                        bench.stream(StreamInput::Closed { reason: "unplugged" });
                        opened += 1;
                        bench.open_as(&format!("epoch-{opened}"), LISTEN, false);
                    }
                }
            }
            bench.bytes(*direction, &bytes);
            bench.pass(1);
        }
        bench.stream(StreamInput::Lost { reason: "overrun" });
        bench.bytes(Direction::ToInstrument, b"\r\n");
        bench.bytes(Direction::FromInstrument, b"\r\n");
        bench.pass(400);
        let before = bench.events.len();
        for (direction, message) in &session {
            bench.bytes(*direction, message);
            bench.pass(1);
        }
        prop_assert!(bench.events.len() > before + 20);
        let mut keys: Vec<String> = bench.events.iter().map(|event| format!("{:?}", event.key)).collect();
        let all = keys.len();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), all, "every event has a key of its own");
    }
}
