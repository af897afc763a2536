//! Written `.wiff` files, read back by the reader here and by an independent one.

mod support;

use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use instrument_proto::codec::wiff::scan::{Chain, Finding, HEADERS_ONLY, Seen};
use instrument_proto::codec::wiff::write::{WiffWriter, block_header, file_header};
use instrument_proto::codec::wiff::{Layout, Limits, ModeKind, Polarity, Unknown, Version, Wiff, read};
use support::written::{growing, record, sample, set, start};

fn findings(wiff: &Wiff, scan: &[u8]) -> Vec<Finding> {
    let chain = Chain::of(wiff);
    let looks = chain.looks(scan.len() as u64).into_iter();
    let seen = looks.map(|look| {
        let from = look.offset as usize;
        Seen { offset: look.offset, bytes: scan[from..from + look.length].to_vec() }
    });
    let seen: Vec<Seen> = seen.collect();
    chain.judge(scan.len() as u64, &seen)
}

#[test]
fn what_was_written_is_read() {
    for (version, samples, scans) in [
        (Version::V4, 1, 600),
        (Version::V3, 1, 600),
        (Version::V4, 30, 40),
        (Version::V3, 30, 40),
        (Version::V3, 3, 60_000),
    ] {
        let (bytes, scan) = set(version, samples, scans);
        let wiff = read(Cursor::new(&bytes), &Limits::default());
        let container = wiff.container.as_ref().expect("a container");
        assert_eq!((container.version, &container.defects[..]), (version, &[][..]));
        assert_eq!(wiff.sample_count, Ok(samples as u16));
        assert_eq!(wiff.file_record, Ok(record()));
        assert_eq!(wiff.layout, Ok(Layout::ScanFile));
        assert_eq!(wiff.samples.len(), samples as usize);
        for (found, number) in wiff.samples.iter().zip(1..) {
            let written = sample(number, ModeKind::Srm, Polarity::Positive, 0);
            assert_eq!(found.index, number as u16);
            assert_eq!(found.description, Ok(written.description.clone()));
            assert_eq!(found.provenance, Ok(written.provenance.clone()));
            assert_eq!(found.injection_volume_ul, Ok(2.5));
            let start = found.start.as_ref().expect("a start");
            assert_eq!((start.utc, &start.offset), (written.start, &Ok(written.offset)));
            assert_eq!(found.table.as_ref().expect("an entry").comment, written.description.comment);
            assert_eq!(found.duration().expect("ended").as_secs(), 63);
            let instrument = found.instrument.as_ref().expect("an instrument");
            assert_eq!((instrument.model.as_deref(), instrument.serial.as_deref()), (Some("ZENOTOF7600"), Some("FB1")));
            let scans_found = found.scans.as_ref().expect("an index");
            assert_eq!((scans_found.records, scans_found.data_length), (u64::from(scans), u64::from(scans) * 12));
            assert_eq!(found.wiff2.as_ref().expect("a key").key, format!("{:02x}", number as u8).repeat(16));
        }
        assert_eq!(findings(&wiff, &scan), []);
        let cut = findings(&wiff, &scan[..scan.len() - 1]);
        assert!(
            matches!(cut[..], [Finding::Truncated { sample, missing: 1, .. }] if sample == samples as u16),
            "{cut:?}"
        );
    }
}

#[test]
fn swapped_data_are_noticed() {
    let sets =
        [(13, 40), (29, 40), (30, 40), (30, 41), (1, 40)].map(|(samples, scans)| set(Version::V4, samples, scans));
    for (index, (bytes, _)) in sets.iter().enumerate() {
        let wiff = read(Cursor::new(bytes), &Limits::default());
        for (other, (_, scan)) in sets.iter().enumerate() {
            let found = findings(&wiff, scan);
            assert_eq!(found.iter().all(Finding::is_hint), index == other, "{index} with {other}: {found:?}");
        }
    }
}

#[test]
fn every_byte_that_is_missing_at_the_end_is_counted() {
    let (bytes, scan) = set(Version::V3, 3, 20);
    let wiff = read(Cursor::new(&bytes), &Limits::default());
    for length in 45..scan.len() {
        let missing = (scan.len() - length) as u64;
        let found = findings(&wiff, &scan[..length]);
        let counted =
            |finding: &Finding| matches!(finding, Finding::Truncated { missing: counted, .. } if *counted == missing);
        assert!(found.iter().any(counted), "{length} bytes: {found:?}");
    }
}

#[test]
fn what_has_a_name_in_another_script_hides_nothing_else() {
    let (bytes, scan) = set(Version::V4, 3, 20);
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes.clone())).expect("a container");
    for name in ["Säulenofen", "温度", "Ω"] {
        file.create_storage(format!("/SampleSubtree/{name}")).expect("a storage");
        file.create_new_stream(format!("/SampleSubtree/{name}/Datei")).expect("a stream");
    }
    file.flush().expect("written");
    let (plain, with) = (
        read(Cursor::new(&bytes), &Limits::default()),
        read(Cursor::new(file.into_inner().into_inner()), &Limits::default()),
    );
    assert_eq!(with.container.as_ref().map(|container| container.defects.clone()), Ok(vec![]));
    assert_eq!(with.samples, plain.samples);
    assert!(findings(&with, &scan).iter().all(Finding::is_hint));
}

#[test]
fn a_plate_of_runs_with_a_hundred_experiments_each_is_read() {
    let (bytes, scan) = set(Version::V4, 30, 20);
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).expect("a container");
    // As many entries as each experiment of a real method has.
    for (sample, experiment) in (1..=30).flat_map(|sample| (1..=100).map(move |experiment| (sample, experiment))) {
        let storage = format!("/MethodSubtree/Method{sample}/DeviceMethod0/Period0/Experiment{experiment}");
        file.create_storage_all(format!("{storage}/IonSourceParamsTable")).expect("a storage");
        let header = {
            let mut header = [0u8; 180];
            header[0x7a] = 4;
            header
        };
        let mut stream = file.create_new_stream(format!("{storage}/ExperimentHeader")).expect("a stream");
        std::io::Write::write_all(&mut stream, &header).expect("written");
        for parameter in 0..36 {
            let path = format!("{storage}/IonSourceParamsTable/Parameter{parameter}");
            file.create_new_stream(path).expect("a stream");
        }
    }
    file.flush().expect("written");
    let wiff = read(Cursor::new(file.into_inner().into_inner()), &Limits::default());
    assert_eq!(wiff.container.as_ref().map(|container| container.defects.clone()), Ok(vec![]));
    assert_eq!(wiff.samples.len(), 30);
    assert!(wiff.samples.iter().all(|sample| sample.mode.is_ok() && sample.polarity.is_ok()));
    assert!(findings(&wiff, &scan).iter().all(Finding::is_hint));
}

#[test]
fn modes_and_polarities_are_read() {
    for kind in [ModeKind::Ms1, ModeKind::Dda, ModeKind::Swath, ModeKind::Prm, ModeKind::Srm, ModeKind::Unknown] {
        for polarity in [Polarity::Positive, Polarity::Negative, Polarity::Switching] {
            let mut writer = WiffWriter::new(Version::V4, Layout::ScanFile, &record(), start()).expect("in memory");
            let written = sample(1, kind, polarity, 20);
            writer.begin_sample(&written).expect("in memory");
            let wiff = read(Cursor::new(writer.bytes()), &Limits::default());
            let found = &wiff.samples[0];
            let mode = found.mode.as_ref().expect("a mode");
            assert_eq!((mode.kind, &found.polarity), (kind, &Ok(polarity)), "{mode:?}");
            let windows = if kind == ModeKind::Swath { &written.method.windows[..] } else { &[] };
            assert_eq!(mode.windows, windows);
            // It has only begun.
            assert!(matches!(found.duration(), Err(Unknown::NotStated(_))));
            assert_eq!(
                findings(&wiff, &[&file_header()[..], &block_header(1, 0)].concat()),
                [Finding::HeadersOnly { size: HEADERS_ONLY }]
            );
        }
    }
}

#[test]
fn a_method_that_is_called_so_is_a_zt_scan() {
    let mut writer = WiffWriter::new(Version::V4, Layout::ScanFile, &record(), start()).expect("in memory");
    let mut written = sample(1, ModeKind::ZtScan, Polarity::Positive, 20);
    written.description.method = "Plasma ZT Scan 5 min.msm".to_owned();
    writer.begin_sample(&written).expect("in memory");
    let wiff = read(Cursor::new(writer.bytes()), &Limits::default());
    assert_eq!(wiff.samples[0].mode.as_ref().expect("a mode").kind, ModeKind::ZtScan);
}

#[test]
fn the_shot_list_of_an_echo_ms_is_read() {
    let mut writer = WiffWriter::new(Version::V3, Layout::ScanFile, &record(), start()).expect("in memory");
    let mut written = sample(1, ModeKind::Srm, Polarity::Positive, 20);
    let mut names: Vec<String> =
        (1..=384).map(|shot| format!("{}{:02}", char::from(b'A' + (shot % 16) as u8), shot % 24 + 1)).collect();
    names.insert(0, "Start Marker".to_owned());
    written.description.id = names.join(", ");
    writer.begin_sample(&written).expect("in memory");
    let wiff = read(Cursor::new(writer.bytes()), &Limits::default());
    let shots = wiff.shots.expect("a shot list").shots;
    assert_eq!(shots.iter().map(|shot| shot.name.clone()).collect::<Vec<_>>(), names);
    assert!(shots[0].marker && shots[0].well.is_none());
}

#[test]
fn the_same_acquisition_gives_the_same_bytes() {
    assert_eq!(set(Version::V4, 3, 50), set(Version::V4, 3, 50));
}

/// Python with olefile, where there is one.
fn python() -> Option<&'static str> {
    let found = ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        Command::new(python).args(["-c", "import olefile"]).output().is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no python3 with olefile");
        println!("skipped: no python3 with olefile");
    }
    found
}

const LIST: &str = "
import olefile, sys
file = olefile.OleFileIO(sys.argv[1], raise_defects=olefile.DEFECT_INCORRECT)
for path in sorted(file.listdir()):
    print('/' + '/'.join(path), len(file.openstream(path).read()))
print(file.getctime('SampleSubtree/Sample1').isoformat())
assert not file.parsing_issues, file.parsing_issues
";

#[test]
fn an_independent_reader_opens_what_was_written() {
    let Some(python) = python() else { return };
    let folder = std::env::temp_dir().join(format!("instrument-proto-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for (version, samples, scans) in [(Version::V4, 1, 600), (Version::V3, 30, 40), (Version::V3, 2, 80_000)] {
        let (bytes, _) = set(version, samples, scans);
        let path = folder.join("set.wiff");
        std::fs::write(&path, &bytes).expect("writable");
        let listed = list(python, &path);
        let index = format!("/SampleSubtree/Sample{samples}/Idx {}", 32 + 54 * scans);
        assert!(listed.lines().any(|line| line == index), "{index} in {listed}");
        assert!(listed.ends_with("2026-03-02T08:01:16.250000\n"), "{listed}");
        let streams = listed.lines().filter(|line| line.starts_with('/')).count();
        assert_eq!(streams, 5 + samples as usize * 8, "{listed}");
    }
    // At any moment of its growth.
    for version in [Version::V3, Version::V4] {
        for (number, bytes) in growing(version, 2, 250, 25, &mut Vec::new()).into_iter().enumerate() {
            std::fs::write(folder.join(format!("{version:?}-{number:02}.wiff")), bytes).expect("writable");
        }
    }
    let every = "import glob, sys, olefile\nfor name in glob.glob(sys.argv[1]):\n file = \
                 olefile.OleFileIO(name, raise_defects=olefile.DEFECT_INCORRECT)\n for path in file.listdir():\n  \
                 file.openstream(path).read()\n assert not file.parsing_issues\n print(name)";
    let output = Command::new(python).args(["-c", every]).arg(folder.join("V*.wiff")).output().expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).lines().count() > 40, "all of them");
    std::fs::remove_dir_all(&folder).expect("removable");
}

fn list(python: &str, path: &Path) -> String {
    let output = Command::new(python).args(["-c", LIST]).arg(path).output().expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
