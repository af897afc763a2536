//! The `.wiff` reader on bytes that no instrument wrote: cut off, damaged at random and where it hurts most, made to mislead.

mod support;

use std::io::Cursor;
use std::sync::OnceLock;

use instrument_proto::codec::wiff::scan::{Chain, Seen, judge_stream};
use instrument_proto::codec::wiff::{Container, Limits, Unknown, Version, Wiff, read};
use proptest::prelude::*;
use support::real_bytes;
use support::written::{growing, set};

/// Tight, so that a reading that runs away is seen.
const LIMITS: Limits = Limits {
    bytes: 4 << 20,
    reads: 4000,
    stream: 1 << 20,
    sectors: 1 << 16,
    listed: 1 << 13,
    entries: 1 << 12,
    samples: 64,
    sampled_records: 16,
};

/// Files to damage: written ones of both versions, and the real ones where they are at hand.
fn originals() -> &'static [Vec<u8>] {
    static ORIGINALS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ORIGINALS.get_or_init(|| {
        let written = [set(Version::V4, 13, 60).0, set(Version::V3, 5, 200).0, set(Version::V3, 1, 140_000).0];
        let real = ["sciex/1hpo.wiff", "sciex/mtbls691_1.wiff"].into_iter().filter_map(real_bytes);
        written.into_iter().chain(real).collect()
    })
}

/// A file at each moment of its growth.
fn moments(version: Version) -> &'static [Vec<u8>] {
    static MOMENTS: OnceLock<[Vec<Vec<u8>>; 2]> = OnceLock::new();
    let of = |version| growing(version, 4, 300, 20, &mut Vec::new());
    &MOMENTS.get_or_init(|| [of(Version::V3), of(Version::V4)])[usize::from(version == Version::V4)]
}

/// Reads and uses everything, and holds the reader to its budget.
fn check(bytes: &[u8]) -> Wiff {
    let wiff = read(Cursor::new(bytes), &LIMITS);
    assert!(wiff.spent.bytes <= LIMITS.bytes && wiff.spent.reads <= LIMITS.reads, "{:?}", wiff.spent);
    assert!(wiff.samples.len() <= LIMITS.samples);
    let chain = Chain::of(&wiff);
    for size in [0, 44, 4096, u64::MAX] {
        let looks = chain.looks(size);
        assert!(looks.iter().all(|look| look.offset + look.length as u64 <= size && look.length <= 16 * 1024));
        let seen: Vec<Seen> =
            looks.iter().map(|look| Seen { offset: look.offset, bytes: vec![7; look.length] }).collect();
        chain.judge(size, &seen);
    }
    for sample in &wiff.samples {
        judge_stream(sample, true);
        let _ = (sample.end(), format!("{sample:?}"));
    }
    wiff
}

/// Several hundred; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(512)
}

/// Damage at one place.
#[derive(Debug, Clone)]
enum Damage {
    /// Nothing follows this part of the file.
    Cut(f64),
    /// One byte is another.
    Byte(f64, u8),
    /// Four bytes are others: an entry of a table, a length, an offset. In the tables at the start of the file and in the directory
    /// this hurts most.
    Word(Place, u32),
    /// A part is zero, as in a copy that took its space first.
    Zeros(f64, u16),
    /// A part stands where another one should be, as in a page that was read at another moment.
    Moved(f64, f64, u16),
}

#[derive(Debug, Clone)]
enum Place {
    Header(u16),
    /// An entry of a table or a field of a directory entry, in the sector that the header names there.
    Sector(u8, u16),
    Anywhere(f64),
}

fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        0u32..400,
        Just(0xffff_ffff),
        Just(0xffff_fffe),
        Just(0xffff_fffd),
        Just(0xffff_fffa),
        Just(0x7fff_ffff),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = prop_oneof![
        (0u16..512).prop_map(Place::Header),
        (0u8..3, any::<u16>()).prop_map(|(which, at)| Place::Sector(which, at)),
        (0.0..1.0).prop_map(Place::Anywhere),
    ];
    prop_oneof![
        1 => (0.0..1.0).prop_map(Damage::Cut),
        2 => ((0.0..1.0), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        6 => (place, word()).prop_map(|(place, word)| Damage::Word(place, word)),
        2 => ((0.0..1.0), any::<u16>()).prop_map(|(at, length)| Damage::Zeros(at, length)),
        2 => ((0.0..1.0), (0.0..1.0), any::<u16>()).prop_map(|(from, to, length)| Damage::Moved(from, to, length)),
    ]
}

fn at(bytes: &[u8], share: f64) -> usize {
    (bytes.len() as f64 * share) as usize
}

fn inflict(bytes: &mut Vec<u8>, damage: &Damage) {
    match damage {
        Damage::Cut(share) => bytes.truncate(at(bytes, *share)),
        Damage::Byte(share, byte) => {
            let at = at(bytes, *share);
            if let Some(place) = bytes.get_mut(at) {
                *place = *byte;
            }
        }
        Damage::Word(place, word) => {
            let at = match place {
                Place::Header(at) => usize::from(*at),
                Place::Anywhere(share) => at(bytes, *share),
                Place::Sector(which, at) => {
                    // Directory, mini table, allocation table.
                    let field = [48, 60, 76][usize::from(*which)];
                    let four = bytes.get(field..field + 4).and_then(|four| four.try_into().ok());
                    let sector = four.map_or(0, u32::from_le_bytes) as usize;
                    (sector.saturating_add(1)).saturating_mul(4096).saturating_add(usize::from(*at) % 1024 * 4)
                }
            };
            if let Some(place) = at.checked_add(4).and_then(|end| bytes.get_mut(at..end)) {
                place.copy_from_slice(&word.to_le_bytes());
            }
        }
        Damage::Zeros(share, length) => {
            let from = at(bytes, *share);
            let to = bytes.len().min(from + usize::from(*length));
            bytes[from..to].fill(0);
        }
        Damage::Moved(from, to, length) => {
            let (from, to) = (at(bytes, *from), at(bytes, *to));
            let length = usize::from(*length).min(bytes.len() - from.max(to));
            bytes.copy_within(from..from + length, to);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_read_as_far_as_they_go(
        which in any::<prop::sample::Index>(),
        damages in proptest::collection::vec(damage(), 1..12),
    ) {
        let mut bytes = which.get(originals()).clone();
        for damage in &damages {
            inflict(&mut bytes, damage);
        }
        check(&bytes);
    }

    #[test]
    fn files_that_are_cut_off_give_what_is_left(which in any::<prop::sample::Index>(), share in 0.0..1.0f64) {
        let whole = which.get(originals());
        let wiff = check(&whole[..at(whole, share)]);
        // The directory begins near the start of all of them; in the written ones it goes on further back.
        if share > 0.1 {
            let container = wiff.container.as_ref();
            prop_assert!(container.is_ok_and(|container| !container.defects.is_empty()), "{:?}", container);
            let lost = |container: &Container| container.defects.iter().any(|defect| defect.what.contains("directory"));
            prop_assert!(!wiff.samples.is_empty() || container.is_ok_and(lost), "{:?}", container);
        }
    }

    /// A page here is from before a write and one there from after it, as when a share is read while the file on it is written.
    #[test]
    fn pages_of_different_moments_are_read(
        version in prop_oneof![Just(Version::V3), Just(Version::V4)],
        moment in any::<prop::sample::Index>(),
        pages in proptest::collection::vec(any::<bool>(), 1..64),
        long in any::<bool>(),
    ) {
        let moments = moments(version);
        let at = moment.index(moments.len() - 1);
        let (before, after) = (&moments[at], &moments[at + 1]);
        let mut mixed = if long { after.clone() } else { before.clone() };
        for (index, page) in mixed.chunks_mut(4096).enumerate() {
            let other = if pages[index % pages.len()] { after } else { before };
            if let Some(other) = other.get(index * 4096..index * 4096 + page.len()) {
                page.copy_from_slice(other);
            }
        }
        let wiff = check(&mixed);
        prop_assert!(wiff.container.is_ok(), "{:?}", wiff.container);
    }

    #[test]
    fn noise_with_a_header_is_read(noise in proptest::collection::vec(any::<u8>(), 0..20_000), v4 in any::<bool>()) {
        let mut bytes = vec![0; 512];
        bytes[..8].copy_from_slice(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
        bytes[26] = if v4 { 4 } else { 3 };
        bytes[28..34].copy_from_slice(&[0xfe, 0xff, if v4 { 12 } else { 9 }, 0, 6, 0]);
        bytes[57] = 0x10;
        bytes[44] = 1;
        bytes.extend(noise);
        check(&bytes);
    }
}

#[test]
fn what_is_no_container_says_so() {
    for (bytes, heals) in [
        (b"".to_vec(), true),
        (vec![0; 4096], true),
        (b"PK\x03\x04".repeat(2000), false),
        (vec![0xd0, 0xcf, 0x11, 0xe0], true),
    ] {
        let torn = check(&bytes).container.expect_err("no container");
        assert_eq!(torn.may_heal, heals, "{torn}");
    }
}

#[test]
fn a_budget_is_never_exceeded_and_what_it_leaves_out_is_said() {
    let (bytes, _) = set(Version::V4, 3, 100);
    let whole = read(Cursor::new(&bytes), &LIMITS);
    assert!(whole.samples.iter().all(|sample| sample.scans.is_ok()));
    let mut limited = 0;
    for reads in 0..whole.spent.reads {
        let wiff = read(Cursor::new(&bytes), &Limits { reads, ..LIMITS });
        assert!(wiff.spent.reads <= reads);
        let said = |why: &Unknown| matches!(why, Unknown::Limit(_));
        limited += usize::from(wiff.samples.iter().any(|sample| sample.scans.as_ref().is_err_and(said)));
        // The last read that the whole file takes is missing at least.
        assert!(wiff != whole, "{reads} reads");
    }
    assert!(limited > 10, "{limited}");
    for bytes_allowed in [0, 511, 4096, 20_000, 60_000] {
        let wiff = read(Cursor::new(&bytes), &Limits { bytes: bytes_allowed, ..LIMITS });
        assert!(wiff.spent.bytes <= bytes_allowed);
    }
    let few = read(Cursor::new(&bytes), &Limits { samples: 2, ..LIMITS });
    assert_eq!((few.samples.len(), few.sample_count), (2, Ok(3)));
}
