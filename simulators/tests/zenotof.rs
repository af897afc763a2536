//! The simulated ZenoTOF, seen by the reader of its files and by the folder it writes into.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::process::Command;

use instrument_proto::codec::wiff::scan::{Chain, Finding, Seen, judge_stream};
use instrument_proto::codec::wiff::{Limits, Wiff, read, wiff2};
use instrumentd_simulators::player::Pace;
use instrumentd_simulators::zenotof::{
    BATCH_HEADER, Change, Copying, Delivery, End, Fault, FilePlan, Layout, Milestone, ModeKind, Order, Player,
    SamplePlan, Settings, SettingsError, Version, ZenotofRun, batch_csv, plan,
};

fn run(settings: &Settings) -> ZenotofRun {
    ZenotofRun::new(settings.clone()).expect("the settings fit an instrument")
}

/// A folder in memory.
#[derive(Default, Clone, PartialEq)]
struct Folder(BTreeMap<String, Vec<u8>>);

impl Folder {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { file, offset, bytes } => {
                let content = self.0.entry(file.clone()).or_default();
                let from = *offset as usize;
                content.resize(content.len().max(from + bytes.len()), 0);
                content[from..from + bytes.len()].copy_from_slice(bytes);
            }
            Change::Length { file, length } => self.0.entry(file.clone()).or_default().resize(*length as usize, 0),
            Change::Rename { from, to } => {
                let content = self.0.remove(from).expect("what is renamed is there");
                self.0.insert(to.clone(), content);
            }
            Change::Remove { file } => assert!(self.0.remove(file).is_some(), "{file} is there"),
            Change::Modified { file, .. } => assert!(self.0.contains_key(file), "{file} is there"),
        }
    }

    /// All of a run's changes.
    fn after(settings: &Settings) -> Folder {
        let mut folder = Folder::default();
        run(settings).flat_map(|step| step.changes).for_each(|change| folder.apply(&change));
        folder
    }

    fn member(&self, stem: &str, suffix: &str) -> Option<&[u8]> {
        let name = format!("{stem}{suffix}").to_lowercase();
        self.0.iter().find(|(file, _)| file.to_lowercase() == name).map(|(_, bytes)| bytes.as_slice())
    }

    fn wiff(&self, stem: &str) -> Wiff {
        read(Cursor::new(self.member(stem, ".wiff").expect("a .wiff")), &Limits::default())
    }

    /// What is found in a set's data.
    fn findings(&self, stem: &str) -> Vec<Finding> {
        let wiff = self.wiff(stem);
        let chain = Chain { sums_bind: true, ..Chain::of(&wiff) };
        let scan = self.member(stem, ".wiff.scan").unwrap_or_default();
        let looks = chain.looks(scan.len() as u64).into_iter();
        let seen: Vec<Seen> = looks
            .map(|look| {
                let from = look.offset as usize;
                Seen { offset: look.offset, bytes: scan[from..from + look.length].to_vec() }
            })
            .collect();
        chain.judge(scan.len() as u64, &seen)
    }
}

fn with(faults: &[Fault]) -> Settings {
    let mut files = plan(2, 3, 40.0);
    files[0].faults = faults.iter().copied().collect();
    Settings { files, ..Settings::default() }
}

const FIRST: &str = "2026-03-02_run.001";

#[test]
fn whole_sets_are_whole() {
    for (version, layout, mode) in [
        (Version::V4, Layout::ScanFile, ModeKind::Srm),
        (Version::V3, Layout::ScanFile, ModeKind::Srm),
        (Version::V4, Layout::ScanFile, ModeKind::Swath),
        (Version::V4, Layout::ScanFile, ModeKind::ZtScan),
        (Version::V4, Layout::SingleFile, ModeKind::Srm),
    ] {
        let method = if mode == ModeKind::ZtScan { "ZT Scan.msm" } else { "Method.msm" }.to_owned();
        let settings = Settings { version, layout, mode, method, ..with(&[]) };
        let folder = Folder::after(&settings);
        for file in &settings.files {
            let wiff = folder.wiff(&file.stem);
            assert_eq!(wiff.samples.len(), 3);
            assert!(
                wiff.container
                    .as_ref()
                    .is_ok_and(|container| container.version == version && container.defects.is_empty())
            );
            for (sample, planned) in wiff.samples.iter().zip(&file.samples) {
                let description = sample.description.as_ref().expect("a description");
                assert_eq!((&description.name, &description.id), (&planned.name, &planned.id));
                assert_eq!(sample.duration().expect("ended").as_secs(), 43);
                assert_eq!(sample.scans.as_ref().expect("an index").records, 80);
                assert_eq!(sample.mode.as_ref().expect("a mode").kind, mode);
                if layout == Layout::SingleFile {
                    assert_eq!(judge_stream(sample, true), []);
                }
            }
            if layout == Layout::ScanFile {
                assert_eq!(folder.findings(&file.stem), []);
            }
            let container = folder.member(&file.stem, ".wiff2").expect("a .wiff2");
            assert_eq!(wiff2::judge(&container[..24], container.len() as u64), wiff2::Verdict::Sound);
            assert_eq!(folder.member(&file.stem, ".wiff2-journal"), None);
            assert!(folder.member(&file.stem, ".timeseries.data").is_some());
        }
        assert_eq!(folder.0.get(".special").map(Vec::len), Some(0));
    }
}

#[test]
fn each_fault_is_what_it_says() {
    for fault in Fault::ALL.iter().copied() {
        let settings = with(&[fault]);
        let outcome = run(&settings).outcomes().remove(0);
        let folder = Folder::after(&settings);
        // The other set is never harmed.
        assert_eq!(folder.findings("2026-03-02_run.002"), [], "{fault}");
        if fault == Fault::EmptyFile {
            assert_eq!(folder.member(FIRST, ".wiff"), Some(&[][..]));
            assert_eq!(folder.member(FIRST, ".wiff2"), None);
            continue;
        }
        let wiff = folder.wiff(&outcome.stem);
        assert_eq!(wiff.samples.len(), outcome.samples, "{fault}");
        let findings = folder.findings(&outcome.stem);
        let last = wiff.samples.last().expect("a sample");
        let log = last.log.as_ref().expect("a log");
        let found = match fault {
            Fault::Abort => log.abort.is_some() && log.end.is_some() && findings.is_empty(),
            Fault::NeverEnds => log.end.is_none() && findings.is_empty(),
            Fault::ScanStuckForEver => matches!(findings[..], [Finding::HeadersOnly { size: 44 }]),
            Fault::ScanTruncated => matches!(findings[..], [Finding::Truncated { sample: 3, .. }]),
            Fault::ScanHole => matches!(findings[..], [Finding::Zeros { sample: 3, .. }, ..]),
            Fault::ScanMissing => folder.member(FIRST, ".wiff.scan").is_none(),
            Fault::Mispaired => findings.iter().any(|finding| matches!(finding, Finding::Mispaired { .. })),
            Fault::MispairedSameSize => {
                findings.iter().all(|finding| matches!(finding, Finding::Differs { .. })) && findings.len() == 3
            }
            Fault::Wiff2Missing => folder.member(FIRST, ".wiff2").is_none() && findings.is_empty(),
            Fault::JournalStays => folder.member(FIRST, ".wiff2-journal").is_some() && findings.is_empty(),
            Fault::CaseDiffers => folder.0.contains_key("2026-03-02_RUN.001.wiff.scan") && findings.is_empty(),
            Fault::Reopened => wiff.samples.len() == 4 && findings.is_empty(),
            Fault::Renamed | Fault::RenamedSingly => {
                findings.is_empty()
                    && folder.0.keys().filter(|file| file.starts_with(FIRST)).all(|file| file.contains("_renamed"))
            }
            Fault::ScanStuck | Fault::WrittenLate | Fault::Torn | Fault::EmptyFile => findings.is_empty(),
        };
        assert!(found, "{fault}: {findings:?}");
        // A journal that stays is seen in the folder and nowhere else.
        let spoiled = matches!(outcome.end, End::Incomplete(_)) && fault != Fault::JournalStays;
        let clean = findings.is_empty() && log.end.is_some();
        assert_eq!(spoiled, !clean, "{fault}: {outcome:?} {findings:?}");
    }
}

#[test]
fn a_set_is_whole_at_its_milestone_and_not_before() {
    let deliveries = [Order::WiffFirst, Order::WiffLast, Order::Random].into_iter().flat_map(|order| {
        [Copying::TemporaryName, Copying::Growing, Copying::Preallocated].map(|copy| Delivery::Network {
            order,
            copy,
            rate: 50_000.0,
        })
    });
    for delivery in deliveries.chain([Delivery::Local]) {
        for fault in [None, Some(Fault::ScanStuck), Some(Fault::Torn), Some(Fault::WrittenLate)] {
            if fault.is_some() && delivery != Delivery::Local && fault != Some(Fault::ScanStuck) {
                continue;
            }
            let settings = Settings { delivery, ..with(fault.as_slice()) };
            let last = Folder::after(&settings);
            let mut folder = Folder::default();
            let mut whole = false;
            let of_first = |folder: &Folder| {
                folder
                    .0
                    .iter()
                    .filter(|(file, _)| file.starts_with(FIRST))
                    .map(|(file, bytes)| (file.clone(), bytes.clone()))
                    .collect::<Vec<_>>()
            };
            for step in run(&settings) {
                step.changes.iter().for_each(|change| folder.apply(change));
                let reached = step.milestones.contains(&Milestone::FileWhole { stem: FIRST.to_owned() });
                whole |= reached;
                if reached || !step.changes.is_empty() {
                    let same = of_first(&folder) == of_first(&last);
                    assert!(same || !whole, "{delivery:?} {fault:?} at {}", step.at);
                }
            }
            assert!(whole, "{delivery:?} {fault:?}");
        }
    }
}

#[test]
fn time_never_goes_back_and_everything_ends() {
    let mut settings = with(&[Fault::Torn, Fault::ScanStuck, Fault::Reopened]);
    settings.files.extend(plan(5, 1, 20.0).split_off(2));
    let mut at = 0.0;
    let mut last = None;
    for step in run(&settings) {
        assert!(step.at >= at - 0.001, "{} after {at}", step.at);
        at = step.at;
        last = step.milestones.last().cloned();
    }
    assert_eq!(last, Some(Milestone::Ended));
}

#[test]
fn the_same_settings_give_the_same_steps() {
    let settings = Settings {
        delivery: Delivery::Network { order: Order::Random, copy: Copying::Growing, rate: 1e5 },
        ..with(&[Fault::Torn])
    };
    let steps = || run(&settings).collect::<Vec<_>>();
    assert!(steps() == steps(), "the same");
    assert!(Folder::after(&settings) != Folder::after(&Settings { seed: 2, ..settings.clone() }), "another seed");
}

#[test]
fn the_index_and_the_data_grow_together() {
    let settings = Settings { files: plan(1, 2, 60.0), ..Settings::default() };
    let mut folder = Folder::default();
    let mut sizes = BTreeSet::new();
    for step in run(&settings) {
        step.changes.iter().for_each(|change| folder.apply(change));
        if folder.member(FIRST, ".wiff").is_some() {
            let wiff = folder.wiff(FIRST);
            let indexed: u64 =
                wiff.samples.iter().map(|sample| sample.scans.as_ref().map_or(0, |scans| scans.records)).sum();
            let size = folder.member(FIRST, ".wiff.scan").map_or(0, <[u8]>::len);
            sizes.insert((size, indexed));
        }
    }
    assert!(sizes.len() > 20, "{sizes:?}");
    assert_eq!(sizes.last().copied(), Some((20 + 2 * 24 + 240 * 32, 240)));
}

#[test]
fn a_plate_run_of_an_echo_has_its_shot_list() {
    let wells = (1..=24).flat_map(|column| ["A", "B"].map(|row| format!("{row}{column:02}")));
    let shots: Vec<String> = std::iter::once("Marker".to_owned()).chain(wells).collect();
    let file = FilePlan {
        stem: "plate 1".to_owned(),
        samples: vec![SamplePlan::plate_run("plate 1", shots.clone())],
        faults: BTreeSet::new(),
    };
    let settings = Settings { files: vec![file], version: Version::V3, ..Settings::default() };
    let folder = Folder::after(&settings);
    let wiff = folder.wiff("plate 1");
    let found: Vec<String> = wiff.shots.expect("a shot list").shots.into_iter().map(|shot| shot.name).collect();
    assert_eq!(found, shots);
    assert_eq!(folder.findings("plate 1"), []);
    let data = &folder.member("plate 1", ".wiff.scan").expect("a .wiff.scan")[20..];
    let stated = u32::from_le_bytes(data[12..16].try_into().expect("four bytes"));
    assert_eq!(stated as usize, data.len() - 24, "the Echo MS states the length of the data");
    let duration = wiff.samples[0].duration().expect("ended").as_secs_f64();
    assert!(duration > 3.0 * shots.len() as f64, "{duration}");
}

#[test]
fn a_folder_holds_the_files_of_the_run() {
    let settings = Settings { folder: "Project/Data".to_owned(), ..with(&[Fault::RenamedSingly]) };
    let place = tempfile::tempdir().expect("a folder");
    let player = Player::start(run(&settings), place.path().to_path_buf(), Pace::Max, 1024);
    player.done().iter().for_each(drop);
    player.join().expect("it can write");
    for (file, bytes) in Folder::after(&settings).0 {
        assert_eq!(fs::read(place.path().join(&file)).expect("it is there"), bytes, "{file}");
    }
}

#[test]
fn a_copy_has_the_time_of_its_original() {
    let delivery = Delivery::Network { order: Order::Random, copy: Copying::TemporaryName, rate: 1e9 };
    let settings = Settings { delivery, ..with(&[]) };
    let place = tempfile::tempdir().expect("a folder");
    let player = Player::start(run(&settings), place.path().to_path_buf(), Pace::Max, 1024);
    player.done().iter().for_each(drop);
    player.join().expect("it can write");
    let modified = fs::metadata(place.path().join(format!("{FIRST}.wiff"))).expect("there").modified().expect("a time");
    let start = std::time::SystemTime::from(settings.start);
    let after = modified.duration_since(start).expect("after the start").as_secs();
    assert!((120..600).contains(&after), "{after}");
}

#[test]
fn the_batch_names_every_sample() {
    let mut settings = with(&[]);
    settings.files[1].samples[0].comment = "with a \"comma\", and quotes".to_owned();
    let text = batch_csv(&settings);
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines[0], BATCH_HEADER.join(","));
    assert_eq!(lines[1], format!("run001_01,S001-01,Unknown,Screen_pos.msm,,1 Plate,1,96 wells,1,1,5,{FIRST},,"));
    assert!(lines[4].ends_with("\"with a \"\"comma\"\", and quotes\""), "{}", lines[4]);
    assert_eq!(lines.len(), 8);
}

#[test]
fn settings_that_no_instrument_has_are_refused() {
    let refused =
        |settings: Settings| ZenotofRun::new(settings).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused(Settings { files: Vec::new(), ..Settings::default() }).contains("there is no file"));
    assert!(refused(Settings { scan_seconds: 0.0, ..Settings::default() }).contains("must be from"));
    assert!(refused(with(&[Fault::Renamed, Fault::Reopened])).contains("cannot happen to the same set"));
    let single = Settings { layout: Layout::SingleFile, ..with(&[Fault::ScanHole]) };
    assert_eq!(single.check(), Err(SettingsError::NeedsScanFile(Fault::ScanHole)));
}

fn program(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_instrument-sim")).args(arguments).output().expect("the program starts")
}

#[test]
fn the_program_writes_the_same_bytes_as_the_library() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().to_string_lossy().into_owned();
    let batch = place.path().join("batch.csv").to_string_lossy().into_owned();
    let arguments = [
        "zenotof",
        &folder,
        "--speed",
        "max",
        "--files",
        "2",
        "--samples",
        "3",
        "--seconds",
        "40",
        "--fault",
        "1:abort",
        "--batch",
        &batch,
    ];
    let output = program(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("2026-03-02_run.001: sample 3 is aborted"), "{told}");
    let settings = with(&[Fault::Abort]);
    for (file, bytes) in Folder::after(&settings).0 {
        assert_eq!(fs::read(place.path().join(&file)).expect("it is there"), bytes, "{file}");
    }
    assert_eq!(fs::read_to_string(&batch).expect("a batch"), batch_csv(&settings));
}

#[test]
fn the_program_explains_itself() {
    let help = String::from_utf8(program(&["zenotof", "--help"]).stdout).expect("text");
    for part in ["Examples:", "--fault", "--speed", "--samples", "--network", "--echo", "--batch", "--mode"] {
        assert!(help.contains(part), "{part} in {help}");
    }
    let list = String::from_utf8(program(&["zenotof", "--fault", "list"]).stdout).expect("text");
    assert_eq!(list.lines().count(), Fault::ALL.len());
    let refused = program(&["zenotof", "x", "--fault", "tron"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("unknown fault 'tron'"));
}
