//! The `.wiff` reader on files that real instruments wrote.

mod support;

use std::io::Cursor;

use instrument_proto::codec::wiff::scan::{Chain, Finding, Seen, judge_stream};
use instrument_proto::codec::wiff::{Layout, Limits, ModeKind, Polarity, Unknown, Version, Wiff, read};
use jiff::tz::Offset;
use support::real_bytes;

fn wiff(bytes: &[u8]) -> Wiff {
    read(Cursor::new(bytes), &Limits::default())
}

fn findings(wiff: &Wiff, scan: &[u8]) -> Vec<Finding> {
    let chain = Chain::of(wiff);
    let size = scan.len() as u64;
    let seen: Vec<Seen> = chain
        .looks(size)
        .into_iter()
        .map(|look| {
            let from = look.offset as usize;
            Seen { offset: look.offset, bytes: scan[from..from + look.length].to_vec() }
        })
        .collect();
    chain.judge(size, &seen)
}

#[test]
fn a_single_file_of_a_qtrap_5500() {
    let Some(bytes) = real_bytes("sciex/mtbls691_1.wiff") else { return };
    let wiff = wiff(&bytes);
    let container = wiff.container.as_ref().expect("a container");
    assert_eq!(container.version, Version::V4);
    assert_eq!(container.defects, []);
    assert_eq!(container.needed, bytes.len() as u64);
    assert_eq!(container.committed.expect("a time").to_string(), "2017-04-06T02:54:36.806Z");
    assert_eq!(wiff.layout, Ok(Layout::SingleFile));
    assert_eq!(wiff.sample_count, Ok(1));
    assert!(matches!(wiff.shots, Err(Unknown::NotStated(_))));
    let record = wiff.file_record.as_ref().expect("a record");
    assert_eq!((record.kind.as_str(), record.software.as_str()), ("GUKGeneric", "Analyst 1.6.3"));
    assert_eq!((record.author.as_str(), record.computer.as_str()), ("AU218441512", "AU218441512-PC"));
    assert!(record.path.ends_with("KIT2-0-5504_1020804070_01_0_1_1_01_10000001.wiff"), "{}", record.path);

    let [sample] = &wiff.samples[..] else { panic!("one sample") };
    let description = sample.description.as_ref().expect("a description");
    assert_eq!(description.name, "1020804070_1_1_01_10000001");
    assert_eq!(description.id, "10000001");
    assert_eq!(description.method, "KIT2-LC_5504_scheduled_MK.dam");
    assert_eq!(description.quantitation_method, "KIT2_IntelliQuan_5504.qmf");
    assert_eq!(
        (description.rack.as_str(), description.plate.as_str()),
        ("Deep Well MTP 96 Cooled", "Deep Well MTP 96 Cooled")
    );
    assert_eq!(description.position, "01");
    assert_eq!(sample.injection_volume_ul, Ok(10.0));

    let start = sample.start.as_ref().expect("a start");
    assert_eq!(start.utc.to_string(), "2017-04-06T02:43:58.457Z");
    assert_eq!(start.offset, Ok(Offset::constant(-4)));
    assert_eq!(sample.table.as_ref().expect("an entry").local_start.to_string(), "2017-04-05T22:43:58");
    assert_eq!(sample.end().expect("an end").to_string(), "2017-04-06T02:54:01.457Z");
    assert_eq!(sample.stamped.as_ref().expect("stamped").to_string(), "2017-04-06T02:54:02.454Z");

    let log = sample.log.as_ref().expect("a log");
    assert_eq!((log.declared, log.read), (9, 9));
    assert_eq!(log.end.as_ref().map(|end| (end.sequence, end.at_ms)), Some((9, 603_000)));
    assert_eq!((&log.abort, &log.cut), (&None, &None));
    let instrument = sample.instrument.as_ref().expect("an instrument");
    assert_eq!(instrument.model.as_deref(), Some("QTRAP5500"));
    assert_eq!(instrument.serial.as_deref(), Some("AU218441512"));
    assert_eq!(instrument.model_number.as_deref(), Some("5035180-C"));
    let provenance = sample.provenance.as_ref().expect("provenance");
    assert_eq!(provenance.software, "1.6.3");
    assert_eq!((provenance.full_name.as_str(), provenance.set.as_str()), ("", "SET0"));
    assert!(provenance.batch_path.ends_with("2017-04-05.dab"), "{}", provenance.batch_path);

    assert_eq!(sample.polarity, Ok(Polarity::Positive));
    let mode = sample.mode.as_ref().expect("a mode");
    assert_eq!((mode.kind, mode.word.as_str()), (ModeKind::Srm, "scan type 4"));
    let scans = sample.scans.as_ref().expect("an index");
    assert_eq!((scans.records, scans.left_over, scans.data_length), (3129, 0, 63_936));
    assert_eq!(scans.elapsed_s(), Some(569.665));
    assert_eq!(sample.scan_stream, Ok(65_536));
    assert!(matches!(sample.block_at, Err(Unknown::Missing(_))));
    assert!(matches!(sample.wiff2, Err(Unknown::Missing(_))));
    assert_eq!(judge_stream(sample, true), []);
    assert!(sample.scan_blocks.len() >= 16, "{}", sample.scan_blocks.len());
    // The header, allocation table, directory and a part of the streams; not the whole file.
    assert!(wiff.spent.bytes < 160_000, "{:?}", wiff.spent);
}

#[test]
fn an_aborted_run_of_a_4000_qtrap() {
    let (Some(bytes), Some(scan)) = (real_bytes("sciex/1hpo.wiff"), real_bytes("sciex/1hpo.wiff.scan")) else { return };
    let wiff = wiff(&bytes);
    let container = wiff.container.as_ref().expect("a container");
    assert_eq!(container.defects, []);
    assert_eq!(container.committed.expect("a time").to_string(), "2010-11-30T09:36:19.819Z");
    assert_eq!(wiff.layout, Ok(Layout::ScanFile));
    // The name of this program runs into the next text.
    assert_eq!(wiff.file_record.as_ref().expect("a record").software, "Analyst 1.4.2ComponentsforFlashQ");
    let [sample] = &wiff.samples[..] else { panic!("one sample") };
    assert_eq!(sample.description.as_ref().expect("a description").name, "3.5µJ");
    assert!(matches!(sample.injection_volume_ul, Err(Unknown::NotStated(_))));
    let start = sample.start.as_ref().expect("a start");
    assert_eq!(start.utc.to_string(), "2010-11-30T08:48:57.721Z");
    assert_eq!(start.offset, Ok(Offset::constant(1)));
    let log = sample.log.as_ref().expect("a log");
    assert_eq!(log.abort.as_ref().map(|entry| entry.at_ms), Some(2_842_000));
    assert_eq!(log.end.as_ref().map(|entry| entry.at_ms), Some(2_842_000));
    assert_eq!(sample.duration().expect("a duration").as_secs(), 2842);
    let instrument = sample.instrument.as_ref().expect("an instrument");
    assert_eq!(instrument.serial.as_deref(), Some("AR24620909"));
    assert_eq!(instrument.firmware.as_deref(), Some("M401402 B4T0301 M3L1417 B3T0300"));
    assert_eq!(instrument.model.as_deref(), Some("4000QTRAP"));
    let scans = sample.scans.as_ref().expect("an index");
    assert_eq!(scans.records, 28_388);
    assert_eq!(scans.last.map(|last| (last.offset, last.length)), Some((227_096, 0)));
    assert_eq!(sample.block_at, Ok(20));
    assert_eq!(findings(&wiff, &scan), []);
    assert!(wiff.spent.bytes < 120_000, "{:?}", wiff.spent);
}

#[test]
fn every_scan_adds_up_to_its_total_ion_current() {
    let (Some(bytes), Some(scan)) = (real_bytes("sciex/1hpo.wiff"), real_bytes("sciex/1hpo.wiff.scan")) else { return };
    let limits = Limits { sampled_records: 28_388, ..Limits::default() };
    let wiff = read(Cursor::new(&bytes), &limits);
    assert!(wiff.samples[0].scans.as_ref().expect("an index").sampled.len() > 28_300);
    assert_eq!(findings(&wiff, &scan), []);
    let Some(bytes) = real_bytes("sciex/mtbls691_1.wiff") else { return };
    let wiff = read(Cursor::new(&bytes), &limits);
    assert_eq!(judge_stream(&wiff.samples[0], true), []);
}

#[test]
fn one_byte_less_or_more_is_noticed() {
    let (Some(bytes), Some(scan)) = (real_bytes("sciex/1hpo.wiff"), real_bytes("sciex/1hpo.wiff.scan")) else { return };
    let wiff = wiff(&bytes);
    let size = scan.len() as u64;
    let cut = findings(&wiff, &scan[..scan.len() - 1]);
    assert_eq!(cut, [Finding::Truncated { sample: 1, expected: size, size: size - 1, missing: 1 }]);
    let long = findings(&wiff, &[&scan[..], &[0]].concat());
    assert_eq!(long, [Finding::Longer { expected: size, size: size + 1, extra: 1 }]);
    assert_eq!(findings(&wiff, &scan[..44]), [Finding::HeadersOnly { size: 44 }]);
    assert_eq!(findings(&wiff, &[]), [Finding::Empty]);
}

#[test]
fn zeros_and_foreign_data_of_the_right_size_are_noticed() {
    let (Some(bytes), Some(scan)) = (real_bytes("sciex/1hpo.wiff"), real_bytes("sciex/1hpo.wiff.scan")) else { return };
    let wiff = wiff(&bytes);
    // A copy that took all its space first.
    for from in [0, 44, scan.len() / 2, scan.len() - 4096] {
        let mut preallocated = scan.clone();
        preallocated[from..].fill(0);
        let found = findings(&wiff, &preallocated);
        assert!(found.iter().any(|finding| matches!(finding, Finding::Zeros { .. })), "from {from}: {found:?}");
    }
    // Another run's data of the same size.
    let mut other = scan.clone();
    other[44..].rotate_left(8 * 100);
    let found = findings(&wiff, &other);
    assert!(found.iter().any(|finding| matches!(finding, Finding::Differs { binding: true, .. })), "{found:?}");
    // Something that is no .scan at all.
    let found = findings(&wiff, &vec![0x5a; scan.len()]);
    assert!(found.iter().any(|finding| matches!(finding, Finding::Mispaired { sample: 0, .. })), "{found:?}");
}

#[test]
fn an_index_that_counts_in_another_unit_is_no_damage() {
    let (Some(bytes), Some(scan)) = (real_bytes("sciex/1hpo.wiff"), real_bytes("sciex/1hpo.wiff.scan")) else { return };
    let wiff = wiff(&bytes);
    let written = |value_as: &dyn Fn(usize, f32) -> [u8; 4]| {
        let mut scan = scan.clone();
        for (at, four) in scan[44..].chunks_exact_mut(4).enumerate() {
            let value = f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
            four.copy_from_slice(&value_as(at, value));
        }
        findings(&wiff, &scan)
    };
    let scaled = |factor: &dyn Fn(usize) -> f32| written(&|at, value| (value * factor(at)).to_le_bytes());
    // Nor is another way of writing numbers.
    let whole_numbers = written(&|at, value| (value as u32 + at as u32 % 5).to_le_bytes());
    assert!(matches!(whole_numbers[..], [Finding::Differs { binding: false, .. }]), "{whole_numbers:?}");
    let in_counts = scaled(&|_| 0.05);
    assert!(matches!(in_counts[..], [Finding::Differs { binding: false, .. }]), "{in_counts:?}");
    let garbled = scaled(&|at| 1.0 + (at % 7) as f32);
    assert!(matches!(garbled[..], [Finding::Differs { binding: true, .. }]), "{garbled:?}");
}
