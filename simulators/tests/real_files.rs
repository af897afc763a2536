//! The shape of the simulated files held against files that real instruments wrote, where those are at hand.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use instrumentd_simulators::biolector::{Columns, Model, Quirk, Settings};
use support::{small, with, write};

/// A real file, or none with a line that says so; on the build machine its absence is a failure.
fn real_data(name: &str) -> Option<PathBuf> {
    let places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/data"));
    let found = std::env::var_os("INSTRUMENTD_DATA")
        .map(PathBuf::from)
        .into_iter()
        .chain(places)
        .map(|folder| folder.join(name));
    let found = found.into_iter().find(|file| file.exists());
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "real data is missing: {name}");
        println!("skipped: real data not present ({name})");
    }
    found
}

/// Section names and keys of a Pro's header without numbers, each once; the header line of the table; the numbers of fields by row type.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    header: BTreeSet<String>,
    table: String,
    fields: BTreeMap<String, BTreeSet<usize>>,
}

fn shape(bytes: &[u8]) -> Shape {
    let text = String::from_utf8_lossy(bytes);
    let mut shape = Shape { header: BTreeSet::new(), table: String::new(), fields: BTreeMap::new() };
    for line in text.lines() {
        let bare = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        if line.starts_with('=') {
            shape.header.insert(line.trim().to_owned());
        } else if let Some((key, _)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            shape.header.insert(bare(key));
        } else if line.starts_with("Type;") {
            shape.table = line.to_owned();
        } else if let Some((kind, _)) = line.split_once(';') {
            shape.fields.entry(kind.to_owned()).or_default().insert(line.split(';').count());
        }
    }
    shape
}

#[test]
fn a_simulated_pro_has_the_header_and_the_rows_of_a_real_one() {
    let Some(file) = real_data("biolector-pro/224-MO_Coryne--2019-07-12-16-54-30.csv") else { return };
    let real = shape(&std::fs::read(file).expect("readable"));
    let simulated = write(Settings { columns: Columns::Old, filtersets: 3, ..small(Model::Pro) });
    assert_eq!(shape(&simulated.table), real);
}

#[test]
fn a_simulated_microfluidic_plate_has_the_header_and_the_rows_of_a_real_one() {
    let Some(file) = real_data("biolector-pro/issue24.csv") else { return };
    let real = shape(&std::fs::read(file).expect("readable"));
    let settings = Settings { columns: Columns::New, filtersets: 6, ..small(Model::Pro) };
    let simulated = shape(&write(with(settings, &[Quirk::Microfluidic, Quirk::Refoverld])).table);
    assert_eq!(simulated, real);
}

#[test]
fn a_restarting_header_looks_like_the_real_one() {
    let Some(file) = real_data("biolector-pro/new_metadata_format.csv") else { return };
    let real = shape(&std::fs::read(file).expect("readable"));
    let settings = Settings { columns: Columns::New, filtersets: 1, ..small(Model::Pro) };
    let simulated = shape(&write(with(settings, &[Quirk::HeaderRestart])).table);
    assert_eq!(simulated, real);
}

#[test]
fn a_simulated_xt_has_the_columns_and_members_of_a_real_one() {
    let Some(file) = real_data("biolector-xt/4_BG_test.zip") else { return };
    let mut zip = zip::ZipArchive::new(std::fs::File::open(file).expect("readable")).expect("a zip");
    let names: BTreeSet<String> =
        zip.file_names().map(|name| name.expect("a name").trim_start_matches("4_BG_test").to_owned()).collect();
    let mut member = |name: &str| std::io::read_to_string(zip.by_name(name).expect("a member")).expect("text");
    let simulated = write(with(Settings { filtersets: 4, ..small(Model::Xt) }, &[Quirk::Sens1Nan]));
    let of_run = |end: &str| &simulated.files[&format!("501_SIM_Batch/501_SIM_Batch{end}")];

    let real = shape(member("4_BG_test.csv").as_bytes());
    let ours = shape(&simulated.table);
    assert_eq!((ours.table, ours.fields), (real.table, real.fields));

    let kinds = |names: &BTreeSet<String>| -> BTreeSet<String> {
        names.iter().map(|name| name.chars().filter(|c| !c.is_ascii_digit()).collect()).collect()
    };
    let our_names = simulated
        .files
        .keys()
        .filter_map(|name| name.strip_prefix("501_SIM_Batch/501_SIM_Batch"))
        .map(str::to_owned)
        .collect();
    assert_eq!(kinds(&our_names), kinds(&names));

    let keys = |text: &str| -> BTreeSet<String> {
        let value: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).expect("json");
        value.as_object().expect("an object").keys().cloned().collect()
    };
    assert_eq!(keys(&String::from_utf8_lossy(of_run(".meta"))), keys(&member("4_BG_test.meta")));
    let real_protocol = keys(&member("4_BG_test.json"));
    let ours = keys(&String::from_utf8_lossy(of_run(".json")));
    let invented: Vec<_> = ours.difference(&real_protocol).collect();
    assert!(invented.is_empty(), "keys that no real protocol has: {invented:?}");
}

#[test]
fn a_simulated_biolector_1_has_the_header_lines_of_a_real_one() {
    let Some(file) = real_data("biolector-1/NT_1400rpm_30C_BS15_5min_20180503_132133.csv") else { return };
    let real = std::fs::read(file).expect("readable");
    let simulated = write(Settings { filtersets: 1, ..small(Model::One) }).table;
    let head = |bytes: &[u8]| -> Vec<(Vec<u8>, usize)> {
        let first = |line: &[u8]| line.split(|&byte| byte == b';').next().unwrap_or_default().to_vec();
        let fields = |line: &[u8]| line.split(|&byte| byte == b';').count();
        bytes.split(|&byte| byte == b'\n').take(22).map(|line| (first(line), fields(line))).collect()
    };
    assert_eq!(head(&simulated), head(&real));
    let table = |bytes: &[u8]| bytes.split(|&byte| byte == b'\n').nth(21).map(<[u8]>::to_vec);
    assert_eq!(table(&simulated), table(&real));
    let counts = |bytes: &[u8]| {
        shape(bytes)
            .fields
            .into_iter()
            .filter(|(kind, _)| ["K", "R", "C1"].contains(&kind.as_str()))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(counts(&simulated), counts(&real));
}
