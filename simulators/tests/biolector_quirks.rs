//! Each quirk shows the mark by which real files are known to have it, and the list of readings stays true to the bytes.

mod support;

use std::collections::BTreeMap;

use instrumentd_simulators::biolector::{BiolectorRun, Change, Condition, Milestone, Model, Quirk, Settings};
use proptest::prelude::*;
use support::{Written, amplitudes, key, small, truth, with, write};

fn quirky(model: Model, quirk: Quirk) -> Written {
    write(with(small(model), &[quirk]))
}

/// The rows of a type, split into fields.
fn rows(written: &Written, kind: &str) -> Vec<Vec<String>> {
    let split = |row: String| -> Vec<String> { row.split(';').map(str::to_owned).collect() };
    written.text_rows().into_iter().map(split).filter(|fields| fields[0] == kind).collect()
}

fn count(written: &Written, part: &str) -> usize {
    written.text_rows().iter().filter(|row| row.contains(part)).count()
}

/// Sound readings are found as they were written, and no other is found with another value.
fn assert_true(written: &Written, model: Model) {
    let found = amplitudes(written, model);
    for reading in &written.readings {
        match (reading.condition, found.get(&key(reading))) {
            (Condition::Damaged, None | Some(None)) => {}
            (_, amplitude) => assert_eq!(amplitude, Some(&reading.amplitude), "{reading:?}"),
        }
    }
    let told = truth(written);
    let untold: Vec<_> = found.keys().filter(|key| !told.contains_key(key)).collect();
    assert!(untold.is_empty(), "found but never written: {untold:?}");
}

#[test]
fn every_quirk_leaves_the_list_of_readings_true() {
    for model in [Model::Pro, Model::Xt, Model::One] {
        for &quirk in Quirk::ALL.iter().filter(|quirk| quirk.models().contains(&model)) {
            if quirk == Quirk::LastWellBug {
                // Two rows have the same key: their test is below.
                continue;
            }
            assert_true(&quirky(model, quirk), model);
        }
    }
}

#[test]
fn late_comments_go_backwards_in_time() {
    let written = quirky(Model::Pro, Quirk::LateComments);
    let comments = rows(&written, "C");
    let pause = comments.iter().position(|row| row.contains(&"PAUSE MEASUREMENT".to_owned())).expect("a pause");
    let times: Vec<u32> = comments[pause..pause + 6].iter().map(|row| row[4].parse().expect("seconds")).collect();
    assert!(times[2] < times[1], "the cover opened before the run went on: {times:?}");
    assert_eq!(comments[pause].len(), 21, "the row stops behind its text");
    assert_eq!(comments[pause + 2].len(), 24);
    assert!(written.steps.iter().any(|step| step.milestones.contains(&Milestone::PauseBegan)));
}

#[test]
fn a_restarting_header_brings_placeholders_and_a_stale_copy_and_silences_comments() {
    let written = quirky(Model::Pro, Quirk::HeaderRestart);
    assert_eq!(count(&written, "=====process====="), 1 + 3, "once at the top and before each cycle");
    assert_eq!(count(&written, ";Shaker;Comment"), 3, "the short header");
    assert_eq!(rows(&written, "C").len(), 1);
    assert!(rows(&written, "R").iter().all(|row| row[2] == "Well" && row[7] == "AmpRef_1"));
    let lines = written.text_rows();
    let stale = lines.iter().position(|row| row.starts_with("P;0001;048;04;")).expect("a stale copy");
    assert!(
        lines[stale].strip_prefix('P').expect("a P row").starts_with(&lines[stale - 1][1..]),
        "a copy of the M row before it"
    );
    assert_eq!(lines[stale + 1], "");
}

#[test]
fn rows_that_stand_there_twice_are_one_reading() {
    for model in [Model::Pro, Model::Xt] {
        let written = quirky(model, Quirk::DuplicateRows);
        assert_eq!(rows(&written, "M").len(), written.readings.len() + 3);
    }
}

#[test]
fn a_spliced_block_repeats_five_rows_and_loses_six_wells() {
    let written = quirky(Model::Pro, Quirk::SplicedBlock);
    let of_block: Vec<_> = rows(&written, "M").into_iter().filter(|row| row[1] == "0002" && row[3] == "02").collect();
    assert_eq!(of_block.len(), 48 + 5 - 6);
    let wells: Vec<&str> = of_block.iter().map(|row| row[2].as_str()).collect();
    assert_eq!(wells[8..19], ["009", "010", "011", "012", "013", "009", "010", "011", "012", "013", "020"]);
    assert_eq!(written.readings.iter().filter(|reading| (reading.cycle, reading.filterset) == (2, 2)).count(), 42);
}

#[test]
fn a_torn_line_has_a_number_with_two_decimal_points() {
    for (model, kind, column) in [(Model::Pro, "M", 5), (Model::Xt, "M", 5), (Model::One, "C2", 6)] {
        let written = quirky(model, Quirk::TornLine);
        let torn = rows(&written, kind).iter().filter(|row| row[column].matches('.').count() == 2).count();
        assert_eq!(torn, 1, "{model:?}");
        assert_eq!(written.readings.len(), 3 * 4 * 48 - 1, "one reading lost its row");
        assert_eq!(written.readings.iter().filter(|reading| reading.condition == Condition::Damaged).count(), 1);
    }
}

#[test]
fn stray_bytes_are_control_bytes() {
    let written = quirky(Model::Pro, Quirk::StrayBytes);
    assert_eq!(written.table.iter().filter(|&&byte| byte == 0x10).count(), 2);
    assert_eq!(written.table.iter().filter(|&&byte| byte == 0x00).count(), 1);
}

#[test]
fn overloaded_readings_have_no_amplitude() {
    let written = quirky(Model::Pro, Quirk::Refoverld);
    let overloaded = rows(&written, "M").into_iter().filter(|row| row[7] == "REFOVERLD").collect::<Vec<_>>();
    assert_eq!(overloaded.len(), 3 * 48);
    assert!(overloaded.iter().all(|row| row[5] == "-9999.00" && row[10] == "-9999.00" && row[36] == "8192.00"));
    assert_eq!(written.readings.iter().filter(|reading| reading.amplitude.is_none()).count(), 3 * 48);
}

#[test]
fn a_saturated_channel_says_sens1_and_nan() {
    let written = quirky(Model::Xt, Quirk::Sens1Nan);
    let saturated = rows(&written, "M").into_iter().filter(|row| row[15] == "SENS1").collect::<Vec<_>>();
    assert!(!saturated.is_empty());
    assert!(
        saturated.iter().all(|row| row[5..10].iter().all(|field| field == "nan") && row[10] == "0.00" && row[3] == "2")
    );
    assert!(saturated.iter().all(|row| row[1] != "001"), "from the second cycle on");
}

#[test]
fn numbers_that_were_never_set_are_garbage() {
    let written = quirky(Model::Xt, Quirk::GarbageFloats);
    assert!(count(&written, "734916527492733861888.00") > 0);
    assert!(count(&written, "-431602080.00") > 0);
}

#[test]
fn wells_may_be_missing() {
    let written = quirky(Model::Pro, Quirk::MissingWells);
    assert_eq!(written.readings.len(), 3 * 4 * 48 - 3);
}

#[test]
fn cycles_may_jump_and_may_begin_high() {
    let cycles = |quirk| {
        let mut cycles: Vec<u32> = quirky(Model::Pro, quirk).readings.iter().map(|reading| reading.cycle).collect();
        cycles.dedup();
        cycles
    };
    assert_eq!(cycles(Quirk::CycleJump), [1, 2, 123]);
    assert_eq!(cycles(Quirk::HighStartCycle), [616, 617, 618]);
    let written = quirky(Model::Pro, Quirk::HighStartCycle);
    assert_eq!(rows(&written, "C")[0][1], "0001", "the first comments are those of the run's beginning");
    assert!(written.readings[0].time > 615 * 420);
}

#[test]
fn one_well_is_enough() {
    for model in [Model::Pro, Model::Xt, Model::One] {
        let written = quirky(model, Quirk::OneWell);
        assert_eq!(written.readings.len(), 3 * 4);
        assert!(written.readings.iter().all(|reading| reading.well == "A01"));
    }
}

#[test]
fn a_microfluidic_plate_has_its_own_wells_and_fluid_rows() {
    let written = quirky(Model::Pro, Quirk::Microfluidic);
    assert_eq!(count(&written, "[001_well] C01"), 1);
    assert_eq!(count(&written, "[009_well] D08"), 1);
    assert_eq!(rows(&written, "F").len(), 64 + 3 * 96);
    assert!(rows(&written, "F").iter().all(|row| row.len() == 25));
    let written = quirky(Model::Xt, Quirk::Microfluidic);
    assert_eq!(written.readings.len(), 3 * 4 * 32);
    let sources: std::collections::BTreeSet<String> =
        rows(&written, "F").into_iter().map(|row| row[18].clone()).collect();
    assert_eq!(sources.len(), 1 + 16, "{sources:?}");
}

#[test]
fn the_last_well_bug_files_f01_under_the_next_filter_set() {
    let written = quirky(Model::Xt, Quirk::LastWellBug);
    let mut per_set: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in rows(&written, "M") {
        per_set.entry((row[1].clone(), row[3].clone())).or_default().push(row[2].clone());
    }
    let wells = |cycle: &str, set: &str| per_set[&(cycle.to_owned(), set.to_owned())].clone();
    assert_eq!(wells("002", "1").len(), 47);
    assert!(!wells("002", "1").contains(&"F01".to_owned()));
    assert_eq!(wells("002", "4").iter().filter(|well| *well == "F01").count(), 2);
    assert_eq!(wells("002", "4").len(), 49);
    let lines = written.text_rows();
    let inside = lines.iter().rposition(|row| row.starts_with("M;002;F01;4;")).expect("the last set's last row");
    assert!(
        lines[inside - 1].starts_with("F;") && lines[inside + 1].starts_with("F;"),
        "it stands among the fluid rows"
    );
    let misfiled = written.readings.iter().filter(|reading| reading.condition == Condition::Misfiled).count();
    assert_eq!(misfiled, 1 + 3 + 3, "one in the first cycle, three in each of the others");
    let version = String::from_utf8_lossy(&written.files["501_SIM_Batch/501_SIM_Batch.meta"]).into_owned();
    assert!(version.contains("1.8.10"));
}

#[test]
fn encodings_and_line_ends() {
    assert!(quirky(Model::Pro, Quirk::Bom).table.starts_with(b"\xef\xbb\xbf=====process====="));
    let crlf = quirky(Model::Xt, Quirk::Crlf);
    let ends = crlf.table.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(crlf.table.windows(2).filter(|pair| pair == b"\r\n").count(), ends);
    for model in [Model::Pro, Model::Xt] {
        assert!(std::str::from_utf8(&quirky(model, Quirk::Latin1).table).is_err(), "{model:?}");
        assert!(std::str::from_utf8(&write(small(model)).table).is_ok(), "{model:?}");
    }
    let one = write(small(Model::One));
    assert!(one.table.contains(&0xb0) && std::str::from_utf8(&one.table).is_err(), "always Latin-1");
    for model in [Model::Pro, Model::Xt, Model::One] {
        assert_ne!(quirky(model, Quirk::UnterminatedLastLine).table.last(), Some(&b'\n'));
        assert_eq!(write(small(model)).table.last(), Some(&b'\n'));
    }
}

#[test]
fn a_short_table_names_fewer_columns_than_its_rows_have_cells() {
    let written = quirky(Model::Pro, Quirk::ShortTable);
    let rows = written.text_rows();
    let cells = |start: &str| rows.iter().find(|row| row.starts_with(start)).map(|row| row.split(';').count());
    let starts = ["Type;", "C;", "R;", "M;", "P;"];
    assert_eq!(starts.map(cells), [Some(24), Some(24), Some(26), Some(26), Some(29)]);
}

#[test]
fn a_run_without_end_stops_in_its_last_cycle() {
    for model in [Model::Pro, Model::Xt, Model::One] {
        let written = quirky(model, Quirk::NoEnd);
        assert_eq!(written.readings.len(), 3 * 4 * 48 - 2 * 48, "{model:?}");
    }
    assert_eq!(count(&quirky(Model::Pro, Quirk::NoEnd), "end_process"), 0);
    assert_eq!(count(&write(small(Model::Pro)), "end_process"), 1);
    let xt = quirky(Model::Xt, Quirk::NoEnd);
    assert!(!xt.files.keys().any(|name| name.ends_with(".zip")));
    let meta: serde_json::Value = serde_json::from_slice(&xt.files["501_SIM_Batch/501_SIM_Batch.meta"]).expect("json");
    assert!(meta["End"].is_null());
}

#[test]
fn the_head_of_a_biolector_1_is_overwritten_in_place() {
    let written = quirky(Model::One, Quirk::HeadRewrite);
    let rewrites =
        |written: &Written| written.steps.iter().filter(|step| matches!(step.change, Change::Overwrite { .. })).count();
    assert_eq!(rewrites(&written), 3, "after each cycle");
    assert_eq!(rewrites(&write(small(Model::One))), 1, "at the end");
    assert_eq!(rewrites(&quirky(Model::One, Quirk::NoEnd)), 0);
    let line = written.text_rows().into_iter().find(|row| row.starts_with("DATE END")).expect("the line");
    assert!(line.contains("Last Reading;3;"), "{line}");
}

#[test]
fn longer_copies_begin_with_the_shorter_ones() {
    let written = quirky(Model::Pro, Quirk::ReplaceByLongerCopy);
    let copies: Vec<&Vec<u8>> = written
        .steps
        .iter()
        .filter_map(|step| match &step.change {
            Change::Replace { bytes, .. } => Some(bytes),
            _ => None,
        })
        .collect();
    assert_eq!(copies.len(), 1 + 3);
    assert!(copies.windows(2).all(|pair| pair[1].starts_with(pair[0]) && pair[1].len() > pair[0].len()));
    assert_eq!(written.table, write(small(Model::Pro)).table, "in the end the same bytes as of a file that grows");
}

#[test]
fn torn_writes_make_the_same_file_out_of_other_pieces() {
    let torn = quirky(Model::Xt, Quirk::TornWrites);
    assert_eq!(torn.table, write(small(Model::Xt)).table);
    let inside = torn
        .steps
        .iter()
        .filter(|step| matches!(&step.change, Change::Append { bytes, .. } if bytes.last() != Some(&b'\n')));
    assert!(inside.count() > 100, "most pieces end inside a line");
}

#[test]
fn a_reading_is_told_with_the_step_that_completes_its_row() {
    for quirk in [Quirk::TornWrites, Quirk::Bom] {
        let run = BiolectorRun::new(with(small(Model::Pro), &[quirk])).expect("fits");
        let (mut table, mut told) = (Vec::new(), 0);
        for step in run {
            if let Change::Append { bytes, .. } = &step.change {
                table.extend_from_slice(bytes);
            }
            told += step.readings.len();
            let complete = table.split_inclusive(|&byte| byte == b'\n');
            let rows = complete.filter(|row| row.starts_with(b"M;") && row.ends_with(b"\n")).count();
            if told > 300 {
                break;
            }
            assert_eq!(rows, told);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any combination that an instrument could have keeps the list of readings true, and no setting makes the simulator fail.
    #[test]
    fn any_combination_of_quirks_stays_true(
        seed: u64, choice in 0u32..(1 << 24), model in 0usize..3, cycles in 1u32..4, filtersets in 1u32..=6, wells in 1u32..=48,
    ) {
        let model = [Model::Pro, Model::Xt, Model::One][model];
        let chosen = Quirk::ALL.iter().enumerate().filter(|(bit, _)| choice >> bit & 1 == 1).map(|(_, quirk)| *quirk);
        let quirks: Vec<Quirk> =
            chosen.filter(|quirk| quirk.models().contains(&model) && *quirk != Quirk::LastWellBug).collect();
        let settings = with(Settings { model, seed, cycles, filtersets, wells, cycle_seconds: 60, ..Settings::default() }, &quirks);
        if settings.check().is_ok() {
            assert_true(&write(settings), model);
        }
    }
}
