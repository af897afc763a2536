//! The simulated BioLector's files, read by a reader that shares nothing with the simulator.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use instrumentd_simulators::biolector::{Columns, Condition, Milestone, Model, Quirk, Settings};
use support::{amplitudes, small, truth, with, write};

const MODELS: [Model; 3] = [Model::Pro, Model::Xt, Model::One];

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    for model in MODELS {
        let settings = with(small(model), &[Quirk::TornWrites, Quirk::StrayBytes, Quirk::TornLine]);
        let (one, again) = (write(settings.clone()), write(settings.clone()));
        assert_eq!(one.steps, again.steps, "{model:?}: the same steps");
        assert_eq!(one.files, again.files, "{model:?}: the same files");
        let other = write(Settings { seed: 2, ..settings });
        assert_ne!(one.table, other.table, "{model:?}: another seed");
    }
}

#[test]
fn a_reader_finds_exactly_the_readings_that_were_written() {
    for model in MODELS {
        for columns in [Columns::Old, Columns::New] {
            let written = write(Settings { columns, ..small(model) });
            assert_eq!(written.readings.len(), 3 * 4 * 48, "{model:?}");
            assert_eq!(amplitudes(&written, model), truth(&written), "{model:?} {columns:?}");
            assert!(written.readings.iter().all(|reading| reading.condition == Condition::Sound));
        }
    }
}

#[test]
fn wells_are_read_in_a_serpentine() {
    for model in MODELS {
        let written = write(small(model));
        let wells: Vec<&str> = written.readings.iter().take(48).map(|reading| reading.well.as_str()).collect();
        assert_eq!(wells[..3], ["A01", "A02", "A03"]);
        assert_eq!(wells[7..10], ["A08", "B08", "B07"]);
        assert_eq!(wells[47], "F01");
        assert_eq!(wells.iter().collect::<BTreeSet<_>>().len(), 48);
    }
}

#[test]
fn steps_never_go_back_in_time_and_tell_the_story() {
    for model in MODELS {
        let written = write(Settings { pause_every: Some(2), ..small(model) });
        assert!(written.steps.is_sorted_by(|one, other| one.at <= other.at), "{model:?}");
        let told: Vec<&Milestone> = written.steps.iter().flat_map(|step| &step.milestones).collect();
        assert_eq!(told.first(), Some(&&Milestone::Begun));
        assert_eq!(told.last(), Some(&&Milestone::Ended));
        for expected in
            [Milestone::CycleWritten(1), Milestone::CycleWritten(3), Milestone::PauseBegan, Milestone::PauseEnded]
        {
            assert_eq!(told.iter().filter(|milestone| ***milestone == expected).count(), 1, "{model:?} {expected:?}");
        }
    }
}

#[test]
fn cultures_grow_while_the_ph_falls_and_oxygen_dips_and_comes_back() {
    let written = write(Settings { cycles: 48, wells: 8, cycle_seconds: 3600, ..Settings::default() });
    let course = |filterset: u32, well: &str| -> Vec<f64> {
        let of = |reading: &&_| -> bool {
            let reading: &instrumentd_simulators::biolector::Reading = reading;
            reading.filterset == filterset && reading.well == well
        };
        written
            .readings
            .iter()
            .filter(of)
            .map(|reading| reading.referenced.or(reading.calibrated).expect("a value"))
            .collect()
    };
    for well in ["A01", "A05", "A08"] {
        let biomass = course(1, well);
        assert!(biomass[1] < 1.3 * biomass[0], "{well} lags: {biomass:?}");
        assert!(biomass[47] > 5.0 * biomass[0], "{well} grows: {biomass:?}");
        assert!((biomass[47] / biomass[40] - 1.0).abs() < 0.05, "{well} stops: {biomass:?}");
        let ph = course(2, well);
        assert!(ph[0] - ph[30] > 0.5, "{well}: {ph:?}");
        let oxygen = course(3, well);
        let lowest = oxygen.iter().copied().fold(f64::MAX, f64::min);
        assert!(lowest < 60.0 && oxygen[0] > 85.0 && oxygen[47] > 85.0, "{well}: {oxygen:?}");
    }
}

/// The formulas of the instrument, from the row, the header and nothing else.
#[test]
fn the_values_of_a_pro_can_be_recomputed_to_the_printed_digit() {
    let written = write(small(Model::Pro));
    let mut header: BTreeMap<String, f64> = BTreeMap::new();
    let mut references: BTreeMap<(String, String), f64> = BTreeMap::new();
    let mut checked = [0; 3];
    for row in written.text_rows() {
        if let Some((key, value)) = row.strip_prefix('[').and_then(|rest| rest.split_once("] "))
            && let Ok(number) = value.parse()
        {
            header.insert(key.to_owned(), number);
        }
        let fields: Vec<&str> = row.split(';').collect();
        let number = |column: usize| fields[column].parse::<f64>().expect("a number");
        if fields[0] == "R" {
            references.insert((fields[1].to_owned(), fields[3].to_owned()), number(5));
        }
        if fields[0] != "M" {
            continue;
        }
        let (well, set) = (fields[2], fields[3]);
        let celsius = number(11);
        let parameter = |name: &str| {
            let of = |half: &str| header[&format!("{well}_{set}_{name}_{half}")];
            of("m") * celsius + of("a")
        };
        let phase = number(9);
        let (printed, recomputed, kind) = if header.contains_key(&format!("{well}_{set}_ph0_a")) {
            let (fmin, fmax, ph0, dph) = (parameter("fmin"), parameter("fmax"), parameter("ph0"), parameter("dph"));
            (number(10), ph0 + dph * ((fmin - phase) / (phase - fmax)).ln(), 0)
        } else if header.contains_key(&format!("{well}_{set}_k0_a")) {
            let tan = |degrees: f64| degrees.to_radians().tan();
            let (k0, k100) = (parameter("k0"), parameter("k100"));
            let quenching = 0.01 * (tan(k0) / tan(k100) - 1.0);
            (number(10), (tan(k0) / tan(phase) - 1.0) / quenching, 1)
        } else {
            let reference_value = header[&format!("{set}_reference_value_Biomass")];
            (number(7), number(5) * reference_value / references[&(fields[1].to_owned(), set.to_owned())], 2)
        };
        assert!((printed - recomputed).abs() <= 0.005 + 1e-9, "{row}: recomputed {recomputed}");
        checked[kind] += 1;
    }
    assert_eq!(checked, [3 * 48, 3 * 48, 2 * 3 * 48]);
}

#[test]
fn an_xt_has_its_members_from_the_start_and_its_zip_at_the_end() {
    let written = write(small(Model::Xt));
    let names: Vec<&str> = written.files.keys().map(String::as_str).collect();
    for end in
        [".csv", ".meta", ".json", "_filtersettings.json", "_filterlist.json", "_filterconfig.json", ".log", ".scripts"]
    {
        assert!(names.iter().any(|name| name.ends_with(end)), "{end} among {names:?}");
    }
    for row in written.text_rows().iter().filter(|row| !row.is_empty()) {
        assert_eq!(row.split(';').count(), 41, "{row}");
    }
    let meta: serde_json::Value =
        serde_json::from_slice(&written.files["501_SIM_Batch/501_SIM_Batch.meta"]).expect("json");
    assert_eq!(meta["CsvFileVersion"], "1.0.0");
    assert_eq!(meta["Start"], "2026-03-02T08:00:00+01:00");
    assert!(meta["End"].is_string());
    let zip = std::io::Cursor::new(&written.files["501_SIM_Batch.zip"]);
    let mut zip = zip::ZipArchive::new(zip).expect("a zip");
    let mut table = Vec::new();
    zip.by_name("501_SIM_Batch.csv").expect("the table is in the zip").read_to_end(&mut table).expect("readable");
    assert_eq!(table, written.table, "the zip holds the table as it stands at the end");
    assert!(matches!(written.steps.last(), Some(step) if step.milestones.contains(&Milestone::Ended)));
}

#[test]
fn the_parameters_of_an_xt_explain_its_ph() {
    let written = write(small(Model::Xt));
    let json = &written.files["501_SIM_Batch/501_SIM_Batch.json"];
    let protocol: serde_json::Value = serde_json::from_slice(json).expect("json");
    assert!(json.windows(2).any(|pair| pair == b"\r\n"), "the protocol has CR LF line ends");
    let wells = protocol["Channels"][2]["Calibration"]["WellCalibrations"].as_array().expect("a list");
    let mut checked = 0;
    for row in written.text_rows().iter().filter(|row| row.starts_with("M;") && row.split(';').nth(3) == Some("3")) {
        let fields: Vec<&str> = row.split(';').collect();
        let number = |column: usize| fields[column].parse::<f64>().expect("a number");
        let well = wells.iter().find(|well| well["CultivationLabel"] == fields[2]).expect("the well is calibrated");
        let parameter = |name: &str| {
            let of = |half: &str| well["PhTempCalibration"][name][half].as_f64().expect("a number");
            of("Slope") * number(11) + of("Offset")
        };
        let ratio = (parameter("fMin") - number(9)) / (number(9) - parameter("fMax"));
        let ph = parameter("pH0") + parameter("dpH") * ratio.ln();
        assert!((number(10) - ph).abs() <= 0.005 + 1e-9, "{row}: recomputed {ph}");
        checked += 1;
    }
    assert_eq!(checked, 3 * 48);
}

#[test]
fn a_bad_setting_is_refused_with_the_reason() {
    let refused = |settings: Settings| {
        let run = instrumentd_simulators::biolector::BiolectorRun::new(settings);
        run.expect_err("it fits no instrument").to_string()
    };
    let text = refused(with(small(Model::Pro), &[Quirk::Sens1Nan]));
    assert_eq!(text, "quirk 'sens1-nan' does not happen on model 'pro'; it happens on xt");
    let text = refused(Settings { filtersets: 7, ..small(Model::Pro) });
    assert_eq!(text, "the number of filter sets is 7; allowed are 1 to 6");
    let text = refused(Settings { protocol: "../other".to_owned(), ..small(Model::Pro) });
    assert!(text.contains("cannot be part of a file name"), "{text}");
    let text = refused(with(small(Model::Xt), &[Quirk::ReplaceByLongerCopy, Quirk::TornWrites]));
    assert_eq!(text, "quirks 'replace-by-longer-copy' and 'torn-writes' exclude each other");
}
