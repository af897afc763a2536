//! Rows that the XT software 1.8.10 files one event late.

use instrument_proto::codec::biolector::row::Kind;
use instrument_proto::codec::biolector::write::{Table, row};

use super::made::keys;
use super::support::{Bench, context};
use crate::driver::{FileInput, SourceKind};
use crate::event::cultivation::{Quality, ReadingFlag};
use crate::profile::Family;

const XT: Family = Family::BiolectorXt;

/// An XT table of one well row, as the 1.8.10 software writes it: each set's last row under the next set.
#[test]
fn rows_filed_under_the_next_filter_set_are_suspect() {
    let protocol = br#"{"Channels":[{"Name":"a"},{"Name":"b"},{"Name":"c"}],
        "Layout":{"MeasuredCultivationLabels":["F01","F02","F03"]},"CycleTime":"00:10:00"}"#;
    let meta = br#"{"Id":"x","Start":"2024-01-10T12:00:00+01:00","CsvFileVersion":"1.0.0"}"#;
    let mut out = format!("{}\r\n", Table::Xt.header());
    let mut put = |cycle, well, set, time| {
        let cells = [("Amp_1", "5.00"), ("AmpRef_1", "5.00"), ("Phase", "0.00"), ("Cal", "0.00"), ("T-MTP", "30.00")];
        row(&mut out, Table::Xt, Kind::Measurement, keys(cycle, well, set, time), &cells);
    };
    for (set, last) in [(1, None), (2, Some(103)), (3, Some(203))] {
        if let Some(time) = last {
            put(1, "F01", set, time);
        }
        put(1, "F03", set, u64::from(set) * 100 + 1);
        put(1, "F02", set, u64::from(set) * 100 + 2);
    }
    put(1, "F01", 3, 303);
    put(2, "F03", 1, 700);
    let mut bench = Bench::new(context(XT), SourceKind::Export);
    bench.give(FileInput::Member { name: "1_a.meta", bytes: meta });
    bench.give(FileInput::Member { name: "1_a.json", bytes: protocol });
    bench.give(FileInput::Bytes { offset: 0, bytes: out.as_bytes() });
    let touched: Vec<_> = bench
        .measured()
        .filter(|m| m.flags.contains(&ReadingFlag::MisfiledWell))
        .map(|m| (m.filterset, m.well.to_string(), m.elapsed_s, m.quality))
        .collect();
    let suspect = |set, time| (set, "F01".to_owned(), time, Quality::Suspect);
    assert_eq!(touched, [suspect(2, 103.0), suspect(3, 203.0)]);
    let end = bench.completions().next().expect("there");
    assert_eq!((end.reason, end.complete), ("next-cycle", false));
    assert_eq!(end.channels.iter().map(|c| c.seen).collect::<Vec<_>>(), [2, 3, 3]);
    assert_eq!(end.duplicate_rows.iter().map(|d| (d.filterset, d.conflict)).collect::<Vec<_>>(), [(3, true)]);
}

/// The last but one row of a filter set may be lost, and what comes next is no less misfiled.
#[test]
fn a_misfiled_row_shows_also_behind_a_torn_one() {
    for (rows_of_the_first_set, suspect) in [(&["F04", "F03", "F02"][..], 1), (&["F04", "F03"], 1), (&["F04"], 0)] {
        let protocol = br#"{"Channels":[{"Name":"a"},{"Name":"b"}],
            "Layout":{"MeasuredCultivationLabels":["F01","F02","F03","F04"]}}"#;
        let meta = br#"{"Id":"x","Start":"2024-01-10T12:00:00+01:00","CsvFileVersion":"1.0.0"}"#;
        let mut out = format!("{}\r\n", Table::Xt.header());
        for (well, set) in rows_of_the_first_set.iter().map(|well| (*well, 1)).chain([("F01", 2), ("F04", 2)]) {
            row(&mut out, Table::Xt, Kind::Measurement, keys(1, well, set, 60), &[("Amp_1", "5.00"), ("Cal", "0.00")]);
        }
        let mut bench = Bench::new(context(XT), SourceKind::Export);
        bench.give(FileInput::Member { name: "1_a.meta", bytes: meta });
        bench.give(FileInput::Member { name: "1_a.json", bytes: protocol });
        bench.give(FileInput::Bytes { offset: 0, bytes: out.as_bytes() });
        let found = bench.measured().filter(|m| m.flags.contains(&ReadingFlag::MisfiledWell)).count();
        assert_eq!(found, suspect, "{rows_of_the_first_set:?}");
    }
}

/// A biomass reading that stands under the pH's filter set has no phase from which a pH could come.
#[test]
fn a_row_filed_under_the_ph_is_suspect_and_not_out_of_range() {
    let protocol = br#"{"Channels":[{"Name":"a"},{"Name":"pH","FilterId":502,"Calibration":{"WellCalibrations":[]}}],
        "Layout":{"MeasuredCultivationLabels":["F01","F02"]}}"#;
    let meta = br#"{"Id":"x","Start":"2024-01-10T12:00:00+01:00","CsvFileVersion":"1.0.0"}"#;
    let mut out = format!("{}\r\n", Table::Xt.header());
    for (well, set, amplitude, cal) in [("F02", 1, "8.10", "0.00"), ("F01", 2, "734916527492733861888.00", "0.00")] {
        let cells = [("Amp_1", amplitude), ("AmpRef_1", "50.00"), ("Phase", "-2.00"), ("Cal", cal), ("T-MTP", "30.00")];
        row(&mut out, Table::Xt, Kind::Measurement, keys(1, well, set, 60), &cells);
    }
    let mut bench = Bench::new(context(XT), SourceKind::Export);
    bench.give(FileInput::Member { name: "1_a.meta", bytes: meta });
    bench.give(FileInput::Member { name: "1_a.json", bytes: protocol });
    bench.give(FileInput::Bytes { offset: 0, bytes: out.as_bytes() });
    let last = bench.measured().last().expect("there");
    assert_eq!((last.quality, last.amplitude), (Quality::Suspect, None));
    assert!(last.flags.contains(&ReadingFlag::MisfiledWell));
}
