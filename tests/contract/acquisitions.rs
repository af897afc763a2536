//! One event of each type that a mass spectrometer's file sets make.

use instrumentd::event::body::Body;
use instrumentd::event::{Event, Key, Subject, TimeQuality, acquisition, ejection};
use uuid::Uuid;

use super::{run, time, well};

fn text(text: &str) -> String {
    text.to_owned()
}

pub fn events() -> Vec<Event> {
    vec![
        acquisition(
            Body::AcquisitionStarted(acquisition::Started {
                file_set: file_set().set,
                started: Some(time()),
                instrument_time: Some(text("2019-07-12T16:54:30+02:00")),
                instrument: mass_spectrometer(),
                software: Some(acquisition::Software { name: text("SCIEX OS 3.4"), term: None }),
                expected_samples: Some(30),
            }),
            Key::Run,
        ),
        acquisition(
            Body::AcquisitionProgressed(acquisition::Progressed {
                file_set: file_set().set,
                state: "acquiring",
                samples: 2,
                elapsed_s: Some(60.5),
                scans: Some(300),
                bytes: 4711,
            }),
            Key::Text(text("progress/2/1")),
        ),
        acquisition(
            Body::SampleCompleted(acquisition::SampleCompleted {
                file_set: file_set().set,
                index: 2,
                name: Some(text("3.5µJ")),
                sample_id: Some(text("10000001")),
                comment: None,
                method: Some(text("SWATH.msm")),
                acquisition_batch: Some(text("today.dab")),
                started: Some(time()),
                instrument_time: Some(text("2019-07-12T16:54:30+02:00")),
                ended: Some(time()),
                duration_s: Some(63.0),
                injection_volume_ul: Some(10.0),
                rack: Some(text("rack")),
                plate: Some(text("plate")),
                position_raw: Some(text("01")),
                well: Some(well()),
                well_rule: Some(text("along-rows 8x12")),
                mode: Some(acquisition::Mode {
                    kind: "dia",
                    variant: Some("swath"),
                    term: None,
                    vendor: Some(text("SWATHMethod")),
                    windows: vec![acquisition::Window { lower_mz: 399.5, upper_mz: 408.2 }],
                }),
                polarity: Some(acquisition::Polarity { value: "positive", term: None }),
                status: "complete",
                evidence: evidence("end-of-run"),
                unknown: vec![acquisition::Unknown { field: text("rack"), reason: text("there is no 'DATA'") }],
            }),
            Key::Text(text("sample/2")),
        ),
        acquisition(Body::AcquisitionCompleted(acquisition_end(Vec::new())), Key::Run),
        acquisition(Body::AcquisitionAborted(acquisition_end(vec![2])), Key::Run),
        acquisition(
            Body::AcquisitionIncomplete(acquisition::Incomplete {
                file_set: file_set(),
                samples: Some(2),
                problems: vec![acquisition::Problem {
                    code: "truncated-data",
                    text: text("1 bytes are missing"),
                    path: Some(text("P/S.wiff.scan")),
                    expected_bytes: Some(4711),
                    found_bytes: Some(4710),
                }],
                evidence: evidence("idle"),
            }),
            Key::Run,
        ),
        acquisition(
            Body::AcquisitionReopened(acquisition::Reopened {
                file_set: acquisition::FileSetRef { revision: 2, ..file_set().set },
                changes: vec![acquisition::Change {
                    path: text("P/S.wiff"),
                    what: "grew",
                    size_before: Some(4096),
                    size: Some(8192),
                }],
                evidence: evidence("more-samples"),
            }),
            Key::Text(text("2")),
        ),
        acquisition(
            Body::AcquisitionRelocated(acquisition::Relocated {
                file_set: file_set(),
                moves: vec![acquisition::Move {
                    from: acquisition::Place { root: text("data"), path: text("S.wiff") },
                    to: acquisition::Place { root: text("data"), path: text("P/S.wiff") },
                }],
                verified_by: "file-identity",
            }),
            Key::Text(text("1")),
        ),
        acquisition(
            Body::EjectionPlanned(ejection::Planned {
                file_set: Some(file_set().set),
                sample_index: Some(1),
                run: None,
                plate: None,
                order: "serpentine",
                basis: "shot-list",
                ejections: vec![ejection::PlannedEjection {
                    order: 1,
                    kind: "sample",
                    well: Some(well()),
                    repeat: 1,
                    text: text("A01"),
                    listed: 3,
                }],
            }),
            Key::Text(text("sample/1")),
        ),
    ]
}

fn acquisition(body: Body, key: Key) -> Event {
    let run = run();
    Event {
        body,
        key,
        cycle: None,
        closes: false,
        subject: Subject::Run(run.id),
        run: Some(run),
        time: Some(time()),
        time_quality: TimeQuality::Instrument,
        revision: 1,
        reason: None,
        causation: None,
        offset: None,
        alike: None,
    }
}

fn evidence(rule: &'static str) -> Vec<acquisition::Evidence> {
    vec![acquisition::Evidence { rule, text: "in words".to_owned() }]
}

fn file_set() -> acquisition::FileSet {
    let term = acquisition::Term { id: "MS:1000562".to_owned(), label: "ABI WIFF format".to_owned() };
    acquisition::FileSet {
        set: acquisition::FileSetRef {
            id: Uuid::from_u128(7),
            name: "S".to_owned(),
            root: "data".to_owned(),
            path: "P/S.wiff".to_owned(),
            revision: 1,
            flags: vec![acquisition::SetFlag::ZoneConflict],
        },
        base: Some("smb://nas/ms/".to_owned()),
        members: vec![acquisition::Member {
            path: "P/S.wiff".to_owned(),
            root: None,
            size: 4096,
            mtime: time(),
            sha256: Some("ab".repeat(32)),
            format: Some(term),
        }],
    }
}

fn mass_spectrometer() -> acquisition::Instrument {
    acquisition::Instrument {
        model: Some("ZenoTOF 7600 System".to_owned()),
        term: Some(acquisition::Term { id: "MS:1003293".to_owned(), label: "ZenoTOF 7600".to_owned() }),
        serial: Some("FB1".to_owned()),
        firmware: None,
        computer: Some("PC-1".to_owned()),
    }
}

fn acquisition_end(aborted_samples: Vec<u32>) -> acquisition::Ended {
    acquisition::Ended {
        file_set: file_set(),
        samples: 2,
        aborted_samples,
        evidence: evidence("index-chain"),
        started: Some(time()),
        instrument_time: Some("2019-07-12T16:54:30+02:00".to_owned()),
        ended: Some(time()),
        instrument: mass_spectrometer(),
        software: None,
        mode: Some(acquisition::Mode { kind: "ms1", variant: None, term: None, vendor: None, windows: Vec::new() }),
        polarity: Some(acquisition::Polarity { value: "mixed", term: None }),
        acquisition_batch: None,
        terms: Vec::new(),
        unknown: Vec::new(),
    }
}
