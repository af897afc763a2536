//! The driver, fed with files in any pieces.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use instrument_proto::codec::echo::{self, Part, write};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::{Context, driver};
use crate::driver::{Driver, Effects, FileInput, Input, Refusal, Request, SourceKind, SourceName};
use crate::event::ejection::SurveyOutcome;
use crate::event::envelope::Origin;
use crate::event::liquid::LiquidFlag;
use crate::event::{Body, Event, Ingest, Prepared, TimeQuality};
use crate::profile::{Kind, shipped};

fn context() -> Context {
    let profile = shipped("echo-liquid-handler").expect("a shipped profile");
    let Kind::Echo(echo) = &profile.kind else { panic!("an Echo") };
    let (site, device) = ("lab".parse().expect("valid"), "echo-1".parse().expect("valid"));
    Context::new(&site, &device, echo.clone(), TimeZone::get("Europe/Berlin").expect("the zone data base"))
}

/// A driver, and everything that came out of it.
struct Bench {
    driver: Box<dyn Driver>,
    source: SourceName,
    events: Vec<Event>,
    refused: Vec<Refusal>,
    gaps: Vec<(&'static str, String)>,
    defects: Vec<(&'static str, u32)>,
    rereads: usize,
    snapshot: BTreeMap<String, Vec<u8>>,
}

impl Bench {
    fn new() -> Self {
        Self {
            driver: Box::new(driver(context())),
            source: "a file".into(),
            events: vec![],
            refused: vec![],
            gaps: vec![],
            defects: vec![],
            rereads: 0,
            snapshot: BTreeMap::new(),
        }
    }

    fn give(&mut self, input: FileInput<'_>) -> usize {
        let mut effects = Effects::default();
        self.driver.handle(Input::File(&self.source, input), Timestamp::UNIX_EPOCH, &mut effects);
        let told = effects.events.len();
        self.events.extend(effects.events);
        self.refused.extend(effects.refused.into_iter().map(|(_, refusal)| refusal));
        self.gaps.extend(effects.gaps.into_iter().map(|(_, reason, text)| (reason, text)));
        self.defects.extend(effects.defects.into_iter().map(|(_, defect)| (defect.code, defect.count)));
        let rereads = effects.requests.iter().filter(|request| matches!(request, Request::Reread(_))).count();
        self.rereads += rereads;
        self.snapshot.extend(effects.snapshots.into_iter().map(|part| (part.part.to_owned(), part.bytes)));
        told
    }

    fn open(&mut self, snapshot: &[(String, Vec<u8>)]) {
        self.give(FileInput::Opened { kind: SourceKind::Table, snapshot });
    }

    /// Gives the bytes from `from` on, in pieces that end at `cuts`; tells what the link would after a `Reread`.
    fn bytes(&mut self, bytes: &[u8], from: usize, cuts: &[usize]) {
        let mut ends: Vec<usize> = cuts.iter().copied().filter(|cut| (from..bytes.len()).contains(cut)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let mut at = from;
        for end in ends {
            let before = self.rereads;
            self.give(FileInput::Bytes { offset: at as u64, bytes: &bytes[at..end] });
            at = end;
            if self.rereads > before {
                self.snapshot.clear();
                self.open(&[]);
                self.give(FileInput::Bytes { offset: 0, bytes: &bytes[..at] });
            }
        }
    }

    fn whole(bytes: &[u8]) -> Self {
        let mut bench = Self::new();
        bench.open(&[]);
        bench.bytes(bytes, 0, &[]);
        bench.give(FileInput::Ended);
        bench
    }

    /// The ids of what was told, each once, with its content.
    fn ids(&self) -> BTreeMap<String, i64> {
        let mut ids = BTreeMap::new();
        for event in &self.events {
            let prepared = prepared(event);
            let known = ids.insert(prepared.id(1).to_string(), prepared.content);
            assert!(known.is_none_or(|known| known == prepared.content), "one id with two contents: {event:?}");
        }
        ids
    }
}

fn prepared(event: &Event) -> Prepared {
    let context = context();
    let partition = "echo-1".parse().expect("valid");
    let origin = Origin { source: context.source, partition, ingest: Ingest::Live, position: None };
    Prepared::new(event, &origin)
}

fn real(name: &str) -> Option<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found: Option<PathBuf> =
        root.ancestors().map(|folder| folder.join("shared/data/echo").join(name)).find(|path| path.exists());
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "real data is missing: {name}");
        println!("skipped: real data not present ({name})");
    }
    found.map(|path| std::fs::read(path).expect("readable"))
}

/// A run over midnight as a transfer xml.
const MIDNIGHT: &str = r#"<?xml version="1.0"?>
<transfer style="x" date="2024-03-01 00:10:00.000" serial_number="E6XX-1" vtl="0" frmt="1">
<plateInfo><plate type="source" name="384PP_AQ_BP" barcode="UnknownBarCode"/><plate type="destination" name="1536LDV" barcode="D1"/></plateInfo>
<printmap total="3">
<w n="A1" r="0" c="0" dn="AF48" dr="31" dc="47" t="23:59:59.900" cvl="2433.379" vl="2438.379" vt="5000" avt="5000" fld="AQ" fc="100" reason=""/>
<w n="A1" r="0" c="0" dn="AF48" dr="31" dc="47" t="00:00:00.100" cvl="2430.879" vl="2438.379" vt="5000" avt="2500" fld="AQ" fc="100" reason="MM0202010: a word"/>
<w n="A2" r="0" c="1" dn="B1" dr="1" dc="0" t="00:09:00.000" cvl="1" vl="1" vt="5000" avt="0" fld="AQ" fc="0" reason="MM0202007: Problem calc. well fluid volume fc: 0 ft: 0"/>
</printmap>
<skippedwells total="1"><w n="A3" r="0" c="2" dn="B2" dr="1" dc="1" vt="5000" reason="MM0203001: not there"/></skippedwells>
</transfer>
"#;

#[test]
fn a_survey_tells_of_every_well_and_of_no_ejection() {
    let Some(bytes) = real("platesurvey.xml") else { return };
    let bench = Bench::whole(&bytes);
    let surveyed: Vec<_> = bench
        .events
        .iter()
        .map(|event| match &event.body {
            Body::EjectionSurveyed(surveyed) => surveyed,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((surveyed.len(), bench.gaps.len(), bench.defects.len()), (384, 0, 0));
    let with = |outcome| surveyed.iter().filter(|it| it.outcome == outcome).count();
    assert_eq!((with(SurveyOutcome::Measured), with(SurveyOutcome::NoData)), (17, 367));
    assert!(surveyed.iter().all(|it| (it.outcome == SurveyOutcome::NoData) == it.volume_ul.is_none()));
    assert!(surveyed.iter().all(|it| it.plate.barcode_status == "no-read" && it.plate.barcode.is_none()));
    assert_eq!((surveyed[0].well.to_string(), surveyed[0].volume_ul), ("A01".to_owned(), Some(8.006)));
    assert_eq!((surveyed[383].well.to_string(), surveyed[383].volume_ul), ("P24".to_owned(), None));
    assert_eq!(bench.events[0].time.map(|at| at.to_string()).as_deref(), Some("2023-10-29T17:31:12Z"));
    assert_eq!(bench.ids().len(), 384);
}

#[test]
fn a_report_tells_of_every_row_with_its_units() {
    let Some(bytes) = real("TransferOnly.csv") else { return };
    let bench = Bench::whole(&bytes);
    let all: Vec<_> = bench
        .events
        .iter()
        .map(|event| match &event.body {
            Body::TransferCompleted(it) => (it, event),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((all.len(), bench.defects.len()), (4, 0));
    let (first, event) = &all[0];
    assert_eq!(
        (first.volume_nl, first.volume_nominal_nl, first.survey_volume_ul),
        (Some(100.0), Some(100.0), Some(52.337))
    );
    assert_eq!(
        (first.source.plate.as_deref(), first.destination.plate.as_deref()),
        (Some("SRC123456"), Some("DST314159"))
    );
    assert_eq!(event.time.map(|at| at.to_string()).as_deref(), Some("2024-12-09T12:41:30.154Z"));
    assert!(first.flags.is_empty() && event.time_quality == TimeQuality::Instrument);
    let run = first.reported.run.as_ref().expect("a run");
    assert_eq!((run.instrument_run_id.as_str(), run.started_at), ("1733769624", None), "the report's date is the end");

    // The same as xml makes nothing new, and neither do another name and line ends.
    let Ok(echo::Document { part: Part::Report(report), .. }) = echo::read(&bytes) else { panic!("a report") };
    let again = String::from_utf8(bytes).expect("text").replace('\n', "\r\n");
    assert_eq!(Bench::whole(write::report_xml(&report).as_bytes()).ids(), bench.ids());
    assert_eq!(Bench::whole(again.as_bytes()).ids(), bench.ids());
}

#[test]
fn times_that_a_spreadsheet_damaged_are_shown_and_not_used() {
    let Some(bytes) = real("SurveyVolumeExamples.csv") else { return };
    let bench = Bench::whole(&bytes);
    assert_eq!(bench.events.len(), 30);
    for event in &bench.events {
        let Body::TransferFailed(failed) = &event.body else { panic!("{:?}", event.body) };
        assert_eq!((event.time, event.time_quality), (None, TimeQuality::Unknown));
        assert_eq!((failed.reason, failed.flags.as_slice()), ("not-transferred", [LiquidFlag::DamagedTime].as_slice()));
        assert_eq!(failed.reported.status_code.as_deref(), Some("MM0202001"));
        assert_eq!(failed.volume_nominal_nl, Some(1000.0));
    }
    let Body::TransferFailed(first) = &bench.events[0].body else { panic!("failed") };
    assert_eq!((first.reported.instrument_time.as_deref(), first.survey_volume_ul), (Some("15:54.8"), Some(13.251)));
    assert_eq!(bench.defects, [("damaged-time", 30), ("damaged-time-of-run", 1)]);
    assert_eq!(bench.ids().len(), 30);
}

#[test]
fn a_run_over_midnight_gets_its_dates_from_its_end() {
    let bench = Bench::whole(MIDNIGHT.as_bytes());
    assert_eq!((bench.gaps.len(), bench.defects.len(), bench.events.len()), (0, 0, 4));
    let times: Vec<_> = bench.events.iter().map(|event| event.time.map(|at| at.to_string())).collect();
    let utc = |text: &str| Some(text.to_owned());
    assert_eq!(
        times,
        [utc("2024-02-29T22:59:59.9Z"), utc("2024-02-29T23:00:00.1Z"), utc("2024-02-29T23:09:00Z"), None]
    );
    let (Body::TransferCompleted(first), Body::TransferCompleted(second)) =
        (&bench.events[0].body, &bench.events[1].body)
    else {
        panic!("completed")
    };
    assert_eq!((first.volume_nl, first.survey_volume_ul), (Some(5000.0), Some(2438.379)));
    assert_eq!((first.reported.repeat, second.reported.repeat), (Some(1), Some(2)));
    assert_eq!(first.flags, [LiquidFlag::DateDerived]);
    assert_eq!(second.flags, [LiquidFlag::DateDerived, LiquidFlag::UnderDelivered]);
    assert_eq!(second.text.as_deref(), Some("2500 nl of 5000 nl"));
    let (Body::TransferFailed(third), Body::TransferFailed(fourth)) = (&bench.events[2].body, &bench.events[3].body)
    else {
        panic!("failed")
    };
    assert_eq!((third.reason, fourth.reason), ("not-transferred", "skipped"));
    let plate = first.reported.source_plate.as_ref().expect("a plate");
    assert_eq!((plate.barcode_status, plate.barcode.is_none(), plate.id.len()), ("no-read", true, 36));

    // The date of the start instead of the end: nothing is guessed.
    let wrong = MIDNIGHT.replace("2024-03-01 00:10:00.000", "2024-02-29 23:59:00.000");
    let bench = Bench::whole(wrong.as_bytes());
    assert!(bench.events.iter().all(|event| event.time.is_none()));
    let Body::TransferCompleted(first) = &bench.events[0].body else { panic!("completed") };
    assert_eq!(first.flags, [LiquidFlag::TimeContradiction]);
    assert_eq!(bench.defects, [("time-contradiction", 1)]);
}

#[test]
fn two_plates_with_one_barcode_are_two_plates_and_placeholders_link_nothing() {
    let report = |one: &str, other: &str| {
        format!(
            "Run ID,7\n[DETAILS]\nSource Plate Name,Source Plate Barcode,Source Well,Destination Plate Name,\
             Destination Plate Barcode,Destination Well,Transfer Volume,Actual Volume\n\
             Source[1],{one},A1,D,D1,A1,25,25\nSource[2],{other},A1,D,D1,A1,25,25\n\nInstrument Software Version,2\n"
        )
    };
    let plates = |text: String| -> Vec<(String, &'static str)> {
        let bench = Bench::whole(text.as_bytes());
        let of = |event: &Event| match &event.body {
            Body::TransferCompleted(it) => {
                it.reported.source_plate.as_ref().map(|it| (it.id.to_string(), it.barcode_status))
            }
            _ => None,
        };
        bench.events.iter().filter_map(of).collect()
    };
    for (one, other, status) in
        [("S", "S", "duplicate"), ("UnknownBarCode", "unknownbarcode", "no-read"), ("", "", "none")]
    {
        let found = plates(report(one, other));
        assert_eq!((found[0].1, found[1].1), (status, status));
        assert_ne!(found[0].0, found[1].0, "{one}");
    }
    assert_eq!(plates(report("S", "T")), [("S".to_owned(), "read"), ("T".to_owned(), "read")]);
}

#[test]
fn what_is_still_written_is_waited_for_and_what_breaks_off_is_told() {
    let whole = MIDNIGHT.as_bytes();
    let half = MIDNIGHT.find("<w n=\"A2\"").expect("there");
    let mut bench = Bench::new();
    bench.open(&[]);
    assert_eq!(bench.give(FileInput::Bytes { offset: 0, bytes: &whole[..half] }), 0);
    // Silence: what is there counts, and the rest is known to be missing.
    assert_eq!(bench.give(FileInput::Settled), 2);
    assert_eq!((bench.gaps.len(), bench.gaps[0].0), (1, "cut-off"));
    assert!(bench.gaps[0].1.contains("line 7") && bench.gaps[0].1.contains("2 rows"), "{}", bench.gaps[0].1);
    // It goes on after all: it is read again, and what was told has the same ids.
    bench.bytes(whole, half, &[]);
    assert_eq!(bench.rereads, 1);
    bench.give(FileInput::Settled);
    assert_eq!((bench.ids(), bench.gaps.len()), (Bench::whole(whole).ids(), 1));
    assert_eq!(bench.give(FileInput::Settled), 0, "once");
}

#[test]
fn an_end_that_is_none_is_believed_only_once() {
    // A footer in the middle, as in two reports that somebody joined: no loop of reading it again.
    let joined = "Run ID,7\n\nInstrument Software Version,2\nmore,x\n".as_bytes();
    let at = joined.len() - 7;
    let mut bench = Bench::new();
    bench.open(&[]);
    bench.give(FileInput::Bytes { offset: 0, bytes: &joined[..at] });
    bench.give(FileInput::Bytes { offset: at as u64, bytes: &joined[at..] });
    assert_eq!(bench.rereads, 1);
    bench.open(&[]);
    bench.give(FileInput::Bytes { offset: 0, bytes: &joined[..at] });
    bench.give(FileInput::Bytes { offset: at as u64, bytes: &joined[at..] });
    assert_eq!(bench.rereads, 1);
}

#[test]
fn what_is_no_report_is_refused_with_what_to_do() {
    let code = |bytes: &[u8]| Bench::whole(bytes).refused.first().map(|refusal| refusal.code);
    let picklist = b"Source Plate Name,Source Well,Destination Plate Name,Destination Well,Transfer Volume\n";
    assert_eq!(code(picklist), Some("picklist"));
    assert_eq!(code(b"PK\x03\x04"), Some("workbook"));
    assert_eq!(code(b""), Some("empty"));
    assert_eq!(code(b"<html/>"), Some("not-an-echo-file"));
    let mut bench = Bench::new();
    bench.open(&[]);
    let chunk = vec![b'x'; 1 << 20];
    bench.give(FileInput::Bytes { offset: 0, bytes: b"Run ID,7\n" });
    for n in 0..17 {
        bench.give(FileInput::Bytes { offset: 9 + (n << 20), bytes: &chunk });
    }
    assert_eq!(bench.refused[0].code, "too-large");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_split_and_a_restart_anywhere_give_the_same(
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        restart in any::<prop::sample::Index>(),
        csv in any::<bool>(),
        zeroes in any::<bool>(),
    ) {
        let mut text = MIDNIGHT.to_owned();
        if csv {
            let Ok(echo::Document { part: Part::Report(mut report), .. }) = echo::read(MIDNIGHT.as_bytes()) else {
                panic!("a report")
            };
            report.header.run_id = "7".to_owned();
            text = write::report_csv(&report);
        }
        if zeroes {
            text.push_str("\n\n");
        }
        let bytes = text.as_bytes();
        let expected = Bench::whole(bytes).ids();
        prop_assert_eq!(expected.len(), 4);
        let cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        let at = restart.index(bytes.len());

        let mut bench = Bench::new();
        bench.open(&[]);
        bench.bytes(&bytes[..at], 0, &cuts);
        // The daemon is killed, and starts with what was committed.
        bench.driver = Box::new(driver(context()));
        let kept: Vec<(String, Vec<u8>)> = std::mem::take(&mut bench.snapshot).into_iter().collect();
        let before = bench.rereads;
        bench.open(&kept);
        let from = if bench.rereads > before {
            bench.open(&[]);
            0
        } else {
            at
        };
        bench.bytes(bytes, from, &cuts);
        bench.give(FileInput::Ended);
        prop_assert_eq!(bench.ids(), expected);
        prop_assert!(bench.gaps.is_empty(), "{:?}", bench.gaps);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), text in "[<>a-z0-9=\", \n]{0,80}") {
        Bench::whole(&bytes);
        let at = at.index(MIDNIGHT.len());
        Bench::whole([&MIDNIGHT.as_bytes()[..at], text.as_bytes(), &MIDNIGHT.as_bytes()[at..]].concat().as_slice());
    }
}
