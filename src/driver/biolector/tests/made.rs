//! Small files made here, with one trap each.

use std::fmt::Write as _;

use instrument_proto::codec::biolector::row::Kind;
use instrument_proto::codec::biolector::write::{Keys, Table, row};

use super::support::{Bench, context, decode};
use crate::driver::{FileInput, SourceKind};
use crate::event::cultivation::{ChannelKind, Quality, ReadingFlag};
use crate::event::{Body, EventType};
use crate::profile::Family;

const PRO: Family = Family::BiolectorPro;
const XT: Family = Family::BiolectorXt;
const ONE: Family = Family::BiolectorOne;

/// A header for two filter sets and four wells, C01 to C04.
pub fn pro_header() -> String {
    let mut out = String::from("=====process=====\n[process] 7\n[start_date_time] 2024-01-10, 12:00:00\n");
    out.push_str("[hardware_id] B2-X\n[file_version_number] 0.0.0\n[01_reference_value_Biomass] 200.0\n");
    out.push_str("=====protocol=====\n[name] small\n[mtp] MTP_MF32-FlowerPlate\n[mtp-rows] 6\n[mtp-columns] 8\n");
    out.push_str("[01_name] BS\n[01_filter_id] 201\n[01_filter_type] Intensity\n");
    out.push_str("[02_name] ox\n[02_filter_id] 203\n[02_filter_type] DO\n[cycle-time] 600\n");
    for well in 1..=4 {
        let _ = write!(out, "[00{well}_well] C0{well}\n[00{well}_01_measure] 1\n[00{well}_02_measure] 1\n");
        let _ = write!(out, "[00{well}_02_cal-mode] DO\n[00{well}_02_temp_min] 20\n[00{well}_02_temp_max] 40\n");
        let _ = write!(out, "[00{well}_02_k0_m] -0.0309\n[00{well}_02_k0_a] 72.5095\n");
        let _ = write!(out, "[00{well}_02_k100_m] -0.1005\n[00{well}_02_k100_a] 44.5783\n");
    }
    out.push_str("=====data=====\n");
    out.push_str(Table::Pro.header());
    out.push('\n');
    out
}

pub fn keys(cycle: u32, well: &str, filterset: u32, time_s: u64) -> Keys<'_> {
    Keys { cycle, well, filterset: Some(filterset), time_s }
}

pub fn measurement(out: &mut String, cycle: u32, well: &str, set: u32, time: u64, amplitude: &str) {
    let cells = [
        ("Amp_1", amplitude),
        ("Amp_2", "0.00"),
        ("AmpRef_1", "0.00"),
        ("AmpRef_2", "0.00"),
        ("Phase", "42.68"),
        ("Cal", "94.73"),
        ("T_UC_HumSensor_analog", "29.60"),
    ];
    row(out, Table::Pro, Kind::Measurement, keys(cycle, well, set, time), &cells);
}

fn reference(out: &mut String, cycle: u32, time: u64) {
    row(out, Table::Pro, Kind::Reference, keys(cycle, "", 1, time), &[("Amp_1", "200.00"), ("Ref_Int", "2000.00")]);
}

fn set(out: &mut String, cycle: u32, set: u32) {
    for (at, well) in (0u64..).zip(["001", "002", "003", "004"]) {
        let time = u64::from(cycle) * 600 + u64::from(set) * 10 + at;
        measurement(out, cycle, well, set, time, &format!("{}.50", 10 * set + cycle));
    }
}

fn cycle(out: &mut String, number: u32) {
    reference(out, number, u64::from(number) * 600);
    set(out, number, 1);
    set(out, number, 2);
}

fn comment(out: &mut String, number: u32, time: u64, text: &str) {
    let keys = Keys { cycle: number, well: "", filterset: None, time_s: time };
    row(out, Table::Pro, Kind::Comment, keys, &[("Sys_Comment", text)]);
}

/// Pauses, a late duplicate, a torn line, a restarted header, a cycle jump, an end.
pub fn pro_file() -> Vec<u8> {
    let mut out = pro_header();
    comment(&mut out, 1, 9, "COVER CLOSED");
    cycle(&mut out, 1);
    for (time, text) in
        [(1000, "PAUSE MEASUREMENT"), (1050, "RESTART MEASUREMENT"), (1000, "COVER OPEN"), (1050, "COVER CLOSED")]
    {
        comment(&mut out, 1, time, text);
    }
    measurement(&mut out, 1, "002", 1, 611, "99.00");
    out.push_str("=====process=====\n[process] 7\nType;Cycle;Well;Filterset;Time;Comment\n");
    reference(&mut out, 2, 1200);
    set(&mut out, 2, 1);
    out.push_str("M;0002;001;02;12.2.1;3;4\nM-1000.00;3\r\n");
    set(&mut out, 2, 2);
    let fluid = Keys { cycle: 2, well: "003", filterset: None, time_s: 1230 };
    for volume in ["0.000", "0.000", "1.500"] {
        let cells = [("Reservoir", "-1"), ("MF_Volume", volume), ("T_WB_heating_rod", "1000.000")];
        row(&mut out, Table::Pro, Kind::Fluid, fluid, &cells);
    }
    cycle(&mut out, 5);
    reference(&mut out, 6, 3600);
    measurement(&mut out, 6, "001", 1, 3601, "16.50");
    out.push_str("=====end_process=====\n[end_date_time] 2024-01-10, 13:01:00\n");
    out.into_bytes()
}

#[test]
fn the_story_of_a_small_file() {
    let bench = decode(PRO, &pro_file());
    let told: Vec<String> = bench
        .events
        .iter()
        .filter(|e| e.body.event_type() != EventType::Measured)
        .map(|e| format!("{} {:?} r{}", e.body.event_type().name(), e.cycle, e.revision))
        .collect();
    assert_eq!(
        told,
        [
            "started None r1",
            "cover-changed None r1",
            "cycle-started Some(1) r1",
            "referenced Some(1) r1",
            "cycle-completed Some(1) r1",
            "paused None r1",
            "access-started None r1",
            "resumed None r1",
            "access-ended None r1",
            "cover-changed None r1",
            "cover-changed None r1",
            "cycle-completed Some(1) r2",
            "cycle-started Some(2) r1",
            "referenced Some(2) r1",
            "cycle-completed Some(2) r1",
            "fed None r1",
            "fed None r1",
            "cycle-started Some(5) r1",
            "referenced Some(5) r1",
            "cycle-completed Some(5) r1",
            "cycle-started Some(6) r1",
            "referenced Some(6) r1",
            "cycle-completed Some(6) r1",
            "stopped None r1",
        ]
    );
    let revised = bench.completions().find(|c| c.reason == "late-rows").expect("there");
    let late = &revised.duplicate_rows[0];
    assert_eq!((late.well.to_string().as_str(), late.amplitude, late.conflict), ("C02", Some(99.0), true));
    assert_eq!(revised.events["cultivation.cycle-completed"], 1);
    let access: Vec<_> = bench
        .events
        .iter()
        .filter_map(|e| match &e.body {
            Body::AccessStarted(a) => Some((a.access_id.clone(), None)),
            Body::AccessEnded(a) => Some((a.access_id.clone(), a.duration_s)),
            _ => None,
        })
        .collect();
    assert_eq!((access.len(), access[0].0 == access[1].0, access[1].1), (2, true, Some(50.0)));
    assert_eq!(bench.defect("torn-line"), 2);
    assert_eq!(bench.defect("cycle-jump"), 1);
}

#[test]
fn a_missed_reading_that_comes_late_is_told() {
    let mut out = pro_header();
    reference(&mut out, 1, 600);
    set(&mut out, 1, 1);
    for well in ["001", "002", "004"] {
        measurement(&mut out, 1, well, 2, 620, "20.00");
    }
    cycle(&mut out, 2);
    measurement(&mut out, 1, "003", 2, 622, "21.00");
    cycle(&mut out, 3);
    let bench = decode(PRO, out.as_bytes());
    let ends: Vec<_> = bench.completions().map(|c| (c.cycle, c.reason, c.complete)).collect();
    assert_eq!(ends, [(1, "next-cycle", false), (2, "all-read", true), (1, "late-rows", true), (3, "all-read", true)]);
    assert_eq!(bench.count(EventType::Measured), 24);
}

#[test]
fn a_row_of_a_cycle_long_over_is_told_once() {
    let mut out = pro_header();
    reference(&mut out, 1, 600);
    set(&mut out, 1, 1);
    (2..=9).for_each(|number| cycle(&mut out, number));
    measurement(&mut out, 1, "003", 2, 622, "21.00");
    measurement(&mut out, 1, "003", 2, 622, "21.00");
    measurement(&mut out, 1, "003", 1, 622, "21.00");
    let bench = decode(PRO, out.as_bytes());
    assert_eq!(bench.count(EventType::Measured), 4 + 8 * 8 + 1);
    assert_eq!(bench.defect("row-of-old-cycle"), 3);
}

#[test]
fn silence_ends_a_cycle_and_later_rows_revise_it() {
    let mut out = pro_header();
    reference(&mut out, 1, 600);
    set(&mut out, 1, 1);
    let mut bench = Bench::new(context(PRO), SourceKind::Table);
    bench.give(FileInput::Bytes { offset: 0, bytes: out.as_bytes() });
    assert_eq!(bench.timer.map(|t| t.as_secs()), Some(1200));
    bench.time_out();
    let at = out.len();
    set(&mut out, 1, 2);
    bench.give(FileInput::Bytes { offset: at as u64, bytes: &out.as_bytes()[at..] });
    bench.time_out();
    let ends: Vec<_> = bench.completions().map(|c| (c.reason, c.complete)).collect();
    assert_eq!(ends, [("timed-out", false), ("late-rows", true)]);
    let revisions: Vec<_> =
        bench.events.iter().filter(|e| e.closes).map(|e| (e.revision, e.reason.is_some())).collect();
    assert_eq!(revisions, [(1, false), (2, true)]);
}

#[test]
fn an_unterminated_last_line_counts_once() {
    let mut out = pro_header();
    cycle(&mut out, 1);
    reference(&mut out, 2, 1200);
    set(&mut out, 2, 1);
    let bytes = out.trim_end().as_bytes();
    let mut bench = Bench::new(context(PRO), SourceKind::Table);
    bench.give(FileInput::Bytes { offset: 0, bytes });
    assert_eq!(bench.count(EventType::Measured), 11);
    bench.give(FileInput::Settled);
    assert_eq!(bench.count(EventType::Measured), 12);
    assert!(bench.measured().last().is_some_and(|m| m.flags.contains(&ReadingFlag::UnterminatedLine)));
    bench.restart();
    bench.give(FileInput::Bytes { offset: bytes.len() as u64, bytes: b"\r\n" });
    bench.give(FileInput::Settled);
    bench.give(FileInput::Ended);
    assert_eq!(bench.count(EventType::Measured), 12);
    assert_eq!(bench.defect("duplicate-row"), 0);
    // Half a line does not count while more may come.
    let mut bench = Bench::new(context(PRO), SourceKind::Table);
    bench.give(FileInput::Bytes { offset: 0, bytes: &bytes[..bytes.len() - 40] });
    bench.give(FileInput::Settled);
    assert_eq!(bench.count(EventType::Measured), 11);
}

#[test]
fn a_run_that_goes_on_after_its_end_ends_again() {
    let mut out = pro_header();
    cycle(&mut out, 1);
    out.push_str("=====end_process=====\n[end_date_time] 2024-01-10, 13:00:00\n");
    cycle(&mut out, 2);
    out.push_str("=====end_process=====\n[end_date_time] 2024-01-10, 14:00:00\n");
    let bench = decode(PRO, out.as_bytes());
    let ends: Vec<_> = bench
        .events
        .iter()
        .filter_map(|e| match &e.body {
            Body::CultivationCompleted(end) => Some((e.revision, end.cycles, end.instrument_time.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(ends.len(), 2);
    assert_eq!((ends[0].0, ends[0].1, ends[1].0, ends[1].1), (1, 1, 2, 2));
}

#[test]
fn windows_lines_a_mark_and_a_trailing_separator_change_nothing() {
    let plain = String::from_utf8(pro_file()).expect("text");
    let measured = |bytes: &[u8]| {
        let bench = decode(PRO, bytes);
        let all: Vec<_> = bench.measured().map(|m| (m.cycle, m.filterset, m.well, m.amplitude, m.quality)).collect();
        all
    };
    let expected = measured(plain.as_bytes());
    assert_eq!(expected.len(), 25);
    assert_eq!(measured(format!("\u{feff}{}", plain.replace('\n', "\r\n")).as_bytes()), expected);
    let separated: Vec<String> =
        plain.lines().map(|l| if l.starts_with("M;") { format!("{l};") } else { l.to_owned() }).collect();
    assert_eq!(measured(separated.join("\n").as_bytes()), expected);
}

#[test]
fn a_row_of_odd_length_is_suspect() {
    let mut out = pro_header();
    set(&mut out, 1, 1);
    let text = out.trim_end();
    // As when a block in the middle of a line is lost, with its separators.
    let cut = format!(
        "{};24.00;25.88;0.00;6.50;0.00;0.00;29.75;-1000.00;-74.75\n",
        text[..text.len() - 40].trim_end_matches(';')
    );
    let mut rows = cut;
    set(&mut rows, 1, 2);
    let bench = decode(PRO, rows.as_bytes());
    let odd: Vec<_> = bench.measured().filter(|m| m.flags.contains(&ReadingFlag::OddRowLength)).collect();
    assert_eq!(
        odd.iter().map(|m| (m.well.to_string(), m.quality)).collect::<Vec<_>>(),
        [("C04".to_owned(), Quality::Suspect)]
    );
}

/// Some devices have further filters for scattered light; the header calls them by their own names where it references.
#[test]
fn a_filter_that_no_profile_lists_is_known_by_its_own_name() {
    for (filter, kind) in [("Biomass 760", ChannelKind::Biomass), ("eCFP", ChannelKind::Fluorescence)] {
        let header = pro_header()
            .replace("reference_value_Biomass", &format!("reference_value_{filter}"))
            .replace("[01_filter_id] 201", "[01_filter_id] 216");
        let mut rows = String::new();
        set(&mut rows, 1, 1);
        let bench = decode(PRO, format!("{header}{rows}").as_bytes());
        assert!(bench.measured().all(|m| m.kind == kind && &*m.channel == "BS"), "{filter}");
        assert_eq!(bench.measured().count(), 4);
    }
}

/// What is lost in a file says nothing of the instrument: only a cycle that ends early does.
#[test]
fn a_run_that_lost_a_row_in_its_last_cycle_was_not_stopped_in_it() {
    for (lost, ending) in
        [("M;0001;002;01", EventType::CultivationCompleted), ("M;0001;004;02", EventType::CultivationStopped)]
    {
        let mut rows = String::new();
        set(&mut rows, 1, 1);
        set(&mut rows, 1, 2);
        let kept = rows.split_inclusive('\n').filter(|row| !row.starts_with(lost)).collect::<String>();
        let file = format!("{}{kept}=====end_process=====\n[end_date_time] 2024-01-10, 13:00:00\n", pro_header());
        let bench = decode(PRO, file.as_bytes());
        assert_eq!((bench.measured().count(), bench.count(ending)), (7, 1), "{lost}");
        assert!(bench.completions().all(|cycle| !cycle.complete));
    }
}

#[test]
fn a_changed_meta_ends_the_run_and_another_one_is_read_again() {
    let meta = r#"{"Id":"x","Start":"2024-01-10T12:00:00+01:00","CsvFileVersion":"1.0.0","End":null}"#;
    let mut out = format!("{}\n", Table::Xt.header());
    let cells = [("Amp_1", "5.00"), ("Cal", "0.00")];
    row(&mut out, Table::Xt, Kind::Measurement, keys(1, "A01", 1, 60), &cells);
    let mut bench = Bench::new(context(XT), SourceKind::Export);
    bench.give(FileInput::Member { name: "1_a.meta", bytes: meta.as_bytes() });
    bench.give(FileInput::Bytes { offset: 0, bytes: out.as_bytes() });
    bench.give(FileInput::Settled);
    assert_eq!(bench.count(EventType::CultivationStopped), 0);
    let ended = meta.replace("null", "\"2024-01-10T13:00:00+01:00\"");
    bench.restart();
    bench.give(FileInput::Member { name: "1_a.meta", bytes: ended.as_bytes() });
    bench.give(FileInput::Settled);
    assert_eq!(bench.count(EventType::CultivationStopped), 1);
    assert_eq!(bench.rereads, 0);
    let other = meta.replace("\"x\"", "\"y\"");
    bench.give(FileInput::Member { name: "1_a.meta", bytes: other.as_bytes() });
    assert_eq!(bench.rereads, 1);
}

#[test]
fn a_biolector_one_rewrites_its_end_while_it_runs() {
    let header = "FILENAME;x\nPROTOCOL;p\nFILE_VERSION;3.3;\nDATE START;2018-05-03;13:49:00\n\
        DATE END;2018-05-03;13:49:00;;Last Reading;1   \nDEVICE;BL1\nMTP ROWS;1\nMTP COLUMNS;2\n\
        \x20 1;Biomass;620;620;2MTP;1;15;1.00;100.00;179.00;;;SET CYCLE TIME [min];5\n\n\
        READING;WELLNUM;CONTENT;DESCRIPTION;FILTERSET;TIME [h];AMPLITUDE;PHASE;T;H;O;C;COMMENTS\n";
    let rows =
        "R;;;;1;0.02;390.41;0.0;29.80;55.09;22.23;0.00;x\nC1;A01;X1;;1;0.03;24.43;0.0;30.30;55.09;22.26;0.00; \n";
    let bytes = format!("{header}{rows}");
    let mut bench = Bench::new(context(ONE), SourceKind::Table);
    bench.give(FileInput::Bytes { offset: 0, bytes: bytes.as_bytes() });
    let head = bytes.replace("END;2018-05-03;13:49:00", "END;2018-05-03;14:00:00");
    bench.restart();
    bench.give(FileInput::Head(head.as_bytes()));
    bench.give(FileInput::Settled);
    assert_eq!((bench.count(EventType::CultivationStopped), bench.rereads), (0, 0), "it may go on");
    bench.time_out();
    let live = std::mem::take(&mut bench.events);
    let offline = decode(ONE, head.as_bytes()).events;
    assert_eq!(live, offline);
    assert_eq!(live.last().map(|e| e.body.event_type()), Some(EventType::CultivationStopped));
    let mut bench = Bench::new(context(ONE), SourceKind::Table);
    bench.give(FileInput::Bytes { offset: 0, bytes: bytes.as_bytes() });
    bench.give(FileInput::Head(bytes.replace("DEVICE;BL1", "DEVICE;BL2").as_bytes()));
    assert_eq!(bench.rereads, 1);
}

#[test]
fn a_snapshot_of_another_version_is_not_used() {
    let bytes = pro_file();
    let mut bench = Bench::new(context(PRO), SourceKind::Table);
    bench.give(FileInput::Bytes { offset: 0, bytes: &bytes[..bytes.len() / 2] });
    let moving = bench.snapshot.get_mut("moving").expect("there");
    *moving = String::from_utf8_lossy(moving).replace("\"version\":1", "\"version\":2").into_bytes();
    bench.restart();
    assert_eq!(bench.rereads, 1);
}

#[test]
fn a_biolector_one_that_measures_one_well() {
    let header = "FILENAME;x\nPROTOCOL;p\nDATE START;2018-05-03;13:49:00\nDATE END;2018-05-03;14:00:00;\nDEVICE;BL1\n\
        MTP ROWS;6\nMTP COLUMNS;8\n 1;Biomass;620;620;48MTP;1;15;1.00;100.00;179.00;;;\n\n\
        READING;WELLNUM;CONTENT;DESCRIPTION;FILTERSET;TIME [h];AMPLITUDE;PHASE;T;H;O;C;COMMENTS\n";
    let mut out = header.to_owned();
    for cycle in 1..=3 {
        let _ = writeln!(out, "R;;;;1;0.{cycle}2;390.41;0.0;29.80;55.09;22.23;0.00;x");
        let _ = writeln!(out, "C{cycle};D04;X1;;1;0.{cycle}3;24.43;0.0;30.30;55.09;22.26;0.00; ");
    }
    let bench = decode(ONE, out.as_bytes());
    let ends: Vec<_> = bench.completions().map(|c| (c.reason, c.complete, c.channels[0].expected_from)).collect();
    let learned = |ended_by| (ended_by, true, "learned");
    assert_eq!(ends, [learned("next-cycle"), learned("all-read"), learned("all-read")]);
    assert_eq!(bench.count(EventType::CultivationCompleted), 1);
}

#[test]
fn a_microfluidic_file_with_valve_rows_and_short_columns() {
    let short: Vec<&str> = Table::Pro.header().split(';').take(24).collect();
    let header = pro_header().replace(Table::Pro.header(), &short.join(";"));
    let mut out = header;
    for (at, well) in ["001", "002", "003", "004"].iter().enumerate() {
        let cells =
            format!("{at}7.00;0.00;0.00;0.00;42.68;94.73;29.60;29.80;25.40;21.00;-9999.00;71.44;1399;;;;;;44.70;;");
        let _ = writeln!(out, "M;0001;{well};01;{};{cells}", 600 + at);
        let _ = writeln!(out, "N;0001;Valve 1;Well 3;Sollvolumen (Acid) 0.30;Module 1 (BASE);");
    }
    let bench = decode(PRO, out.as_bytes());
    assert_eq!(bench.count(EventType::Measured), 4);
    assert_eq!((bench.defect("valve-rows"), bench.defect("torn-line")), (4, 0), "{:?}", bench.defects);
    assert!(bench.measured().all(|m| m.temperature_c == Some(29.6) && m.quality == Quality::Ok));
}
