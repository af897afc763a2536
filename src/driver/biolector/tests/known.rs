//! Known values of real files.

use std::collections::BTreeMap;

use super::support::{Bench, bytes, context, decode, decode_export, members};
use crate::driver::{FileInput, SourceKind};
use crate::event::cultivation::{ChannelKind, Quality, ReadingFlag, RunFlag, ValueOrigin};
use crate::event::{Body, EventType};
use crate::profile::Family;

const PRO: Family = Family::BiolectorPro;
const ONE: Family = Family::BiolectorOne;
const XT: Family = Family::BiolectorXt;

/// Every measurement once, each closing count what was really made, the snapshot small.
fn sound(bench: &Bench) {
    let mut keys: Vec<_> = bench.measured().map(|m| (m.cycle, m.filterset, m.well)).collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all, "a reading twice");
    let mut counts: BTreeMap<u32, BTreeMap<&str, u64>> = BTreeMap::new();
    let mut total: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &bench.events {
        let name = event.body.event_type().short();
        match &event.body {
            Body::CycleCompleted(completed) => {
                assert_eq!(Some(&completed.events), counts.get(&completed.cycle), "cycle {}", completed.cycle);
            }
            Body::CultivationCompleted(ended) | Body::CultivationStopped(ended) => assert_eq!(ended.events, total),
            _ => {}
        }
        if let Some(cycle) = event.cycle {
            *counts.entry(cycle).or_default().entry(name).or_default() += 1;
        }
        *total.entry(name).or_default() += 1;
    }
    assert!(bench.largest_snapshot <= 64 * 1024, "snapshot of {} bytes", bench.largest_snapshot);
    assert!(bench.largest_moving <= 6 * 1024, "moving part of {} bytes", bench.largest_moving);
    assert!(bench.refused.is_empty(), "{:?}", bench.refused);
}

#[test]
fn a_clean_pro_file() {
    let Some(bytes) = bytes("biolector-pro/224-MO_Coryne--2019-07-12-16-54-30.csv") else { return };
    let bench = decode(PRO, &bytes);
    sound(&bench);
    let Some(Body::CultivationStarted(started)) = bench.events.first().map(|e| &e.body) else {
        panic!("the first event is no start");
    };
    assert_eq!(started.run.instrument_run_id, "B2-10-1004-0060/224/2019-07-12, 16:54:30");
    assert_eq!(started.run.started_at.map(|t| t.to_string()).as_deref(), Some("2019-07-12T14:54:30Z"));
    assert_eq!((started.plate.rows, started.plate.columns), (6, 8));
    assert_eq!(started.settings.cycle_time_s, Some(600.0));
    let channels: Vec<_> = started.channels.iter().map(|c| (&*c.name, c.kind, &*c.unit)).collect();
    let expected = [("BS5", ChannelKind::Biomass, "a.u."), ("pH", ChannelKind::Ph, "pH"), ("DO", ChannelKind::Do, "%")];
    assert_eq!(channels, expected);
    assert_eq!(bench.count(EventType::Measured), 4 * 3 * 48);
    assert!(bench.measured().all(|m| m.quality == Quality::Ok && m.flags.is_empty()));
    let find = |filterset| {
        let mut found = bench.measured().filter(|m| m.cycle == 1 && m.filterset == filterset);
        found.find(|m| m.well.to_string() == "A01").expect("there")
    };
    let ph = find(2);
    assert_eq!((ph.value, ph.instrument_value), (Some(6.527), Some(6.53)));
    assert_eq!(
        (ph.value_origin, ph.amplitude, ph.phase_deg),
        (Some(ValueOrigin::Recomputed), Some(98.48), Some(27.76))
    );
    assert_eq!((ph.temperature_c, ph.temperature_sensor.as_deref()), (Some(29.5), Some("Temp_up")));
    let oxygen = find(3);
    assert_eq!((oxygen.value, oxygen.instrument_value), (Some(94.7394), Some(94.73)));
    let biomass = find(1);
    assert_eq!((biomass.amplitude, biomass.value, biomass.instrument_value), (Some(8.57), Some(6.4323), Some(6.43)));
    assert!(bench.completions().all(|c| c.complete && c.reason == "all-read" && c.defects.is_empty()));
    let Some(Body::CultivationCompleted(ended)) = bench.events.last().map(|e| &e.body) else { panic!("no end") };
    assert_eq!((ended.cycles, ended.elapsed_s), (4, Some(2123.0)));
    let last = bench.events.last().expect("there");
    assert_eq!(last.time.map(|t| t.to_string()).as_deref(), Some("2019-07-12T15:29:53Z"));
    // The second event happened nine seconds after the start, before the first cycle began.
    assert_eq!(bench.events[1].time.map(|t| t.to_string()).as_deref(), Some("2019-07-12T14:54:39Z"));
    assert_eq!(bench.events[1].cycle, None);
}

#[test]
fn four_filter_sets_and_late_comments() {
    let Some(bytes) = bytes("biolector-pro/18-HM_CoryneBatch-HM-2018-04-26-07-27-33.csv") else { return };
    let bench = decode(PRO, &bytes);
    sound(&bench);
    assert_eq!(bench.count(EventType::Measured), 76 * 4 * 48);
    assert_eq!(bench.count(EventType::CoverChanged), 33);
    assert_eq!(bench.count(EventType::CultivationCompleted), 1);
    // In cycle 33 the DO that the instrument wrote is a whole percent off what its own phase and temperature give.
    let disagree: Vec<_> = bench.measured().filter(|m| m.flags.contains(&ReadingFlag::Disagrees)).collect();
    assert!(disagree.iter().any(|m| m.cycle == 33 && m.kind == ChannelKind::Do));
    assert!(disagree.iter().all(|m| m.value.is_some() && m.instrument_value.is_some()));
    assert!(disagree.len() < 200);
}

#[test]
fn headers_that_restart_and_names_as_values() {
    let Some(bytes) = bytes("biolector-pro/new_metadata_format.csv") else { return };
    let bench = decode(PRO, &bytes);
    sound(&bench);
    assert_eq!(bench.count(EventType::Measured), 96);
    assert!(bench.measured().all(|m| m.quality == Quality::Ok && m.value.is_some() && m.service.is_none()));
    let defects = ["header-restart", "placeholder-values", "stale-copy", "torn-line"].map(|code| bench.defect(code));
    assert_eq!(defects, [2, 6, 2, 0]);
    // Four true records of conditions; the two stale copies make none.
    assert_eq!(bench.count(EventType::Environment), 4);
    assert_eq!(bench.completions().filter(|c| c.complete).count(), 2);
    assert!(bench.completions().all(|c| c.defects.iter().any(|d| d.code == "header-restart")));
    assert_eq!(bench.count(EventType::CultivationStopped) + bench.count(EventType::CultivationCompleted), 0);
}

#[test]
fn a_microfluidic_plate() {
    let Some(bytes) = bytes("biolector-pro/issue24.csv") else { return };
    let bench = decode(PRO, &bytes);
    sound(&bench);
    let cycles: Vec<u32> = bench.completions().map(|c| c.cycle).collect();
    assert_eq!(cycles, [1, 2, 122]);
    assert_eq!(bench.count(EventType::Measured), 3 * 6 * 32);
    let overload: Vec<_> = bench.measured().filter(|m| m.quality == Quality::Overload).collect();
    assert_eq!(overload.len(), 192);
    assert!(overload.iter().all(|m| m.amplitude.is_none() && m.value.is_none() && m.phase_deg.is_none()));
    // Well 001 of this plate is C01, and 009 is D08: the numbers are the file's own.
    let first = bench.measured().next().expect("there");
    assert_eq!((first.well.to_string().as_str(), first.amplitude), ("C01", Some(9.52)));
    assert!(bench.measured().all(|m| (2..6).contains(&m.well.row())));
    assert_eq!(bench.defect("cycle-jump"), 1);
    let jumped = bench.completions().find(|c| c.cycle == 122).expect("there");
    assert_eq!(jumped.defects[0].code, "cycle-jump");
    assert_eq!(jumped.channels.iter().map(|c| c.invalid).collect::<Vec<_>>(), [0, 0, 0, 0, 32, 32]);
    // Three sources for each of 32 wells, none of which ever changes.
    assert_eq!(bench.count(EventType::Fed), 96);
    assert_eq!(bench.count(EventType::Commented), 96);
}

#[test]
fn a_spliced_block() {
    let Some(bytes) = bytes("biolector-pro/issue35.csv") else { return };
    let bench = decode(PRO, &bytes);
    sound(&bench);
    assert_eq!(bench.completions().map(|c| c.cycle).collect::<Vec<_>>(), [616, 617, 618, 619]);
    assert_eq!(bench.defect("cycle-jump"), 0, "a file may begin at any cycle");
    assert_eq!(bench.count(EventType::Measured), 4 * 3 * 48 - 6);
    let spliced = bench.completions().find(|c| c.cycle == 618).expect("there");
    assert_eq!(spliced.duplicate_rows.len(), 5);
    assert!(spliced.duplicate_rows.iter().all(|d| d.filterset == 2 && !d.conflict && d.amplitude.is_some()));
    let missing: Vec<String> = spliced.channels[1].missing_wells.iter().map(ToString::to_string).collect();
    assert_eq!(missing, ["B03", "B02", "B01", "C01", "C02", "C03"]);
    assert_eq!((spliced.complete, spliced.reason), (false, "last-read"));
    let torn = spliced.defects.iter().find(|d| d.code == "torn-line").expect("there");
    assert_eq!((torn.count, torn.text.starts_with("M-1000.00;")), (2, true));
    assert_eq!(bench.completions().filter(|c| c.complete).count(), 3);
}

#[test]
fn a_long_run_of_a_biolector_one() {
    let Some(bytes) = bytes("biolector-1/NT_1400rpm_30C_BS15_5min_20180503_132133.csv") else { return };
    let bench = decode(ONE, &bytes);
    sound(&bench);
    assert_eq!(bench.count(EventType::Measured), 1055 * 48);
    assert_eq!(bench.completions().filter(|c| c.complete).count(), 1055);
    assert_eq!(bench.count(EventType::CultivationPaused), 63);
    assert_eq!(bench.count(EventType::CultivationResumed), 62);
    assert_eq!(bench.count(EventType::AccessEnded), 62);
    let first = bench.measured().next().expect("there");
    assert_eq!((first.elapsed_s, first.amplitude, first.value), (96.732, Some(24.43), Some(11.201)));
    assert_eq!(first.instrument_value, None);
    let Some(Body::CultivationCompleted(ended)) = bench.events.last().map(|e| &e.body) else { panic!("no end") };
    assert_eq!((ended.cycles, ended.instrument_time.as_deref()), (1055, Some("2018-05-07 08:36:01")));
}

#[test]
fn set_points_of_a_biolector_one() {
    let Some(bytes) = bytes("biolector-1/JH_ShakerSteps_20170302_070206.csv") else { return };
    let bench = decode(ONE, &bytes);
    sound(&bench);
    let speeds = bench.events.iter().filter_map(|e| match &e.body {
        Body::SetpointChanged(s) if s.quantity == "shaker_rpm" => s.setpoint,
        _ => None,
    });
    let speeds = speeds.collect::<Vec<f64>>();
    assert_eq!(speeds.len(), 12);
    assert_eq!((speeds[0], speeds[10]), (500.0, 1500.0));
    // The last cycle has its reference and nothing more.
    assert_eq!(bench.count(EventType::Measured), 112 * 48);
    assert_eq!(bench.count(EventType::CultivationStopped), 1);
}

#[test]
fn a_run_that_has_only_begun() {
    let Some(header) = bytes("biolector-1/file_with_no_measurements.csv") else { return };
    let bench = decode(ONE, &header);
    sound(&bench);
    assert_eq!(bench.events.len(), 1);
    assert_eq!(bench.count(EventType::CultivationStarted), 1);
}

#[test]
fn a_whole_xt_export() {
    let Some(members) = members("biolector-xt/4_BG_test.zip") else { return };
    let bench = decode_export(&members);
    sound(&bench);
    assert_eq!(bench.count(EventType::Measured), 60_864);
    assert_eq!(bench.measured().filter(|m| m.quality == Quality::Overload).count(), 7_509);
    assert_eq!(bench.completions().count(), 254);
    let last = bench.completions().last().expect("there");
    assert_eq!((last.complete, last.reason), (false, "run-ended"));
    assert_eq!(last.channels.iter().map(|c| c.seen).sum::<u32>(), 144);
    assert_eq!(last.channels.iter().map(|c| c.expected).sum::<u32>(), 240);
    let Some(Body::CultivationStarted(started)) = bench.events.first().map(|e| &e.body) else { panic!("no start") };
    assert_eq!(started.run.instrument_run_id, "7240a390-0689-4642-b002-71867211aee3");
    assert_eq!(started.run.started_at.map(|t| t.to_string()).as_deref(), Some("2023-10-06T15:54:41Z"));
    assert_eq!(started.channels.len(), 5);
    let oxygen = bench.measured().find(|m| m.kind == ChannelKind::Do).expect("there");
    assert_eq!((&*oxygen.unit, oxygen.value_origin), ("unresolved", Some(ValueOrigin::Instrument)));
    assert_eq!(oxygen.value, oxygen.instrument_value);
    let ph = bench.measured().find(|m| m.kind == ChannelKind::Ph).expect("there");
    assert_eq!(ph.value_origin, Some(ValueOrigin::Recomputed));
    assert!(!bench.measured().any(|m| m.flags.contains(&ReadingFlag::Disagrees)));
    let references = bench.events.iter().filter_map(|e| match &e.body {
        Body::Referenced(r) => Some(r),
        _ => None,
    });
    let garbage: Vec<_> = references.filter(|r| r.cycle == 1 && r.filterset == 4 && r.amplitude.is_none()).collect();
    assert_eq!(garbage.iter().map(|r| r.quality).collect::<Vec<_>>(), [Quality::Ok, Quality::OutOfRange]);
    assert_eq!(bench.count(EventType::Fed), 48);
    let Some(Body::CultivationStopped(ended)) = bench.events.last().map(|e| &e.body) else { panic!("no end") };
    assert_eq!((ended.cycles, ended.elapsed_s), (254, Some(228_426.0)));
}

#[test]
fn a_bare_xt_table_is_keyed_by_its_content() {
    let Some(members) = members("biolector-xt/4_BG_test.zip") else { return };
    let table = &members.iter().find(|(name, _)| name.ends_with(".csv")).expect("there").1;
    let bench = decode(XT, table);
    sound(&bench);
    let run = bench.events[0].run.clone().expect("there");
    assert!(run.instrument_run_id.starts_with("content:") && run.flags == [RunFlag::ContentKey]);
    assert_eq!(run.started_at, None);
    assert!(bench.events.iter().all(|e| e.time.is_none()));
    assert_eq!(bench.count(EventType::Measured), 60_864);
    // A cut of the same table is the same run.
    assert_eq!(decode(XT, &table[..100_000]).events[0].run, Some(run));
    let mut stated = context(XT);
    stated.stated_run_id = Some("7240a390-0689-4642-b002-71867211aee3".to_owned());
    stated.stated_start = "2023-10-06T15:54:41Z".parse().ok();
    let mut bench = Bench::new(stated, SourceKind::Table);
    bench.give(FileInput::Bytes { offset: 0, bytes: &table[..100_000] });
    let export = decode_export(&members);
    let (one, other) = (&bench.events[60], &export.events[60]);
    assert_eq!((&one.key, one.time), (&other.key, other.time));
    assert_eq!(one.run.as_ref().map(|r| r.id), other.run.as_ref().map(|r| r.id));
}

#[test]
fn foreign_files_are_refused_with_reason_and_remedy() {
    let refusal = |family, bytes: &[u8]| {
        let bench = decode(family, bytes);
        assert_eq!(bench.events.len(), 0);
        bench.refused.first().cloned().expect("refused")
    };
    if let Some(bytes) = bytes("biolector-pro/edited-export-not-raw.csv") {
        let refused = refusal(PRO, &bytes);
        assert_eq!(refused.code, "edited-export");
        assert!(refused.reason.contains("BioLection") && refused.remedy.contains("raw"), "{refused}");
    }
    if let Some(bytes) = bytes("biolector-1/file_with_no_measurements.csv") {
        let refused = refusal(PRO, &bytes);
        assert_eq!(refused.code, "other-family");
        assert!(refused.remedy.contains("`biolector-1`"), "{refused}");
    }
    if let Some(members) = members("biolector-xt/not-an-experiment.zip") {
        let bench = decode_export(&members);
        assert_eq!(bench.refused.iter().map(|r| r.code).collect::<Vec<_>>(), ["not-an-experiment"]);
    }
    assert_eq!(refusal(ONE, b"FILE NAME;x\nPROTOCOL;y\n").code, "transform-export");
    assert_eq!(refusal(PRO, b"\xff\xd8\xff\xe0\x00\x10JFIF").code, "not-a-biolector-file");
    assert_eq!(refusal(PRO, b"").code, "not-a-biolector-file");
    assert_eq!(refusal(PRO, b"=====process=====\n[process] 1\n").code, "no-table");
    assert_eq!(refusal(XT, b"=====process=====\n").remedy, "use profile `biolector-pro` for this device");
}
