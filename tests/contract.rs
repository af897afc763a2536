//! The frozen bytes of version 1: what subscribers have, once released, is never written otherwise.
//!
//! `tests/contract/v1.ndjson` holds one event of each type. A line in it is never edited; a type that is added gets a
//! line at its end. A field that is added to a type is shown by a further line of that type.

use std::collections::BTreeSet;
use std::sync::Arc;

use instrumentd::event::body::{Body, EventType};
use instrumentd::event::cultivation::*;
use instrumentd::event::envelope::{Origin, Recording, Twin, without_data};
use instrumentd::event::{
    Event, EventSource, Ingest, Key, Prepared, Stamp, Subject, TimeQuality, Well, device, sampling,
};
use jiff::Timestamp;
use uuid::Uuid;

#[path = "contract/acquisitions.rs"]
mod acquisitions;
#[path = "contract/echo.rs"]
mod echo;
#[path = "contract/ejections.rs"]
mod ejections;
#[path = "contract/robot.rs"]
mod robot;

const FROZEN: &str = include_str!("contract/v1.ndjson");

fn run() -> Arc<Run> {
    Arc::new(Run {
        id: Uuid::from_u128(7),
        name: "a \"named\" run".to_owned(),
        instrument_run_id: "B2/224".to_owned(),
        started_at: Some(time()),
        flags: vec![RunFlag::AmbiguousLocalTime],
        identity: "B2/224/2019-07-12, 16:54:30".to_owned(),
    })
}

fn time() -> Timestamp {
    "2019-07-12T14:54:30.125Z".parse().expect("a time")
}

fn well() -> Well {
    "A01".parse().expect("a well")
}

fn events() -> Vec<Event> {
    let run = run();
    let made = |body, key| Event {
        body,
        key,
        run: None,
        cycle: None,
        closes: false,
        subject: Subject::Device,
        time: Some(time()),
        time_quality: TimeQuality::Observed,
        revision: 1,
        reason: None,
        causation: None,
        offset: None,
        alike: None,
    };
    let own = |body, number: u32| made(body, Key::Text(number.to_string()));
    let of_run = |body, key| Event {
        run: Some(run.clone()),
        cycle: Some(3),
        subject: Subject::Run(run.id),
        time_quality: TimeQuality::Instrument,
        offset: Some(4711),
        alike: None,
        ..made(body, key)
    };
    let text = |text: &str| text.to_owned();
    let plate: Arc<str> = "plate-1".into();
    let (cycle, elapsed_s) = (3, 1250.0);
    let counts = std::collections::BTreeMap::from([("cultivation.measured", 48)]);
    vec![
        own(Body::DeviceConnected(device::Connected { link: text("files"), place: text("/mnt/bl") }), 1),
        own(
            Body::DeviceDisconnected(device::Disconnected {
                link: text("files"),
                place: text("/mnt/bl"),
                reason: text("not mounted"),
                remedy: Some(text("mount it")),
            }),
            2,
        ),
        own(
            Body::DeviceFaulted(device::Faulted { code: text("unreadable-source x"), text: text("no"), remedy: None }),
            3,
        ),
        own(Body::DeviceRecovered(device::Recovered { code: text("unreadable-source x") }), 4),
        own(
            Body::DeviceGap(device::Gap {
                link: text("files"),
                reason: text("truncated"),
                from: None,
                to: Some(time()),
                text: text("x: shorter than what was read"),
                run: None,
                missing: Vec::new(),
            }),
            5,
        ),
        of_run(
            Body::CultivationStarted(Started {
                run: run.clone(),
                instrument_time: Some(text("2019-07-12, 16:54:30")),
                plate: Plate {
                    id: plate.clone(),
                    barcode: None,
                    barcode_status: "none",
                    role: "cultivation",
                    plate_type: text("MTP_48-FlowerPlate"),
                    rows: 6,
                    columns: 8,
                    lot: Some(text("1846")),
                },
                channels: vec![Channel {
                    filterset: 2,
                    name: "pH".into(),
                    kind: ChannelKind::Ph,
                    gain: Some(7.0),
                    unit: "pH".into(),
                    calibration: Some(Calibration {
                        lot: Some(text("1846_comp")),
                        mode: text("PH"),
                        wells: [(well(), [(text("pH0_a"), 6.05)].into())].into(),
                    }),
                }],
                instrument: Instrument { serial: Some(text("B2")), software: None, format: text("BLPro 0.0.0") },
                settings: RunSettings { temperature_c: Some(30.0), ..RunSettings::default() },
                operator: Some(text("MO")),
                comment: None,
            }),
            Key::Run,
        ),
        of_run(
            Body::CultivationPaused(Paused { run: run.clone(), cycle, elapsed_s, text: text("PAUSE") }),
            Key::Offset(4711, 0),
        ),
        of_run(
            Body::CultivationResumed(Resumed {
                run: run.clone(),
                cycle,
                elapsed_s,
                text: text("RESTART"),
                duration_s: Some(52.0),
            }),
            Key::Offset(4711, 1),
        ),
        Event { closes: true, ..of_run(Body::CultivationCompleted(ended(&run, &counts)), Key::Run) },
        Event { closes: true, ..of_run(Body::CultivationStopped(ended(&run, &counts)), Key::Run) },
        of_run(Body::CycleStarted(CycleStarted { run: run.clone(), cycle, elapsed_s }), Key::Cycle(3)),
        Event {
            closes: true,
            ..of_run(
                Body::CycleCompleted(CycleCompleted {
                    run: run.clone(),
                    cycle,
                    elapsed_s: Some(elapsed_s),
                    channels: vec![ChannelCount {
                        filterset: 2,
                        expected: 48,
                        seen: 47,
                        invalid: 1,
                        missing_wells: vec![well()],
                        expected_from: "header",
                    }],
                    duplicate_rows: vec![DuplicateRow {
                        well: well(),
                        filterset: 2,
                        elapsed_s: Some(elapsed_s),
                        amplitude: Some(8.57),
                        phase_deg: None,
                        instrument_value: None,
                        source_offset: 99,
                        conflict: true,
                    }],
                    defects: vec![Defect { code: "torn-line", count: 1, first_offset: 5, text: text("M;00") }],
                    complete: false,
                    reason: "next-cycle",
                    events: counts.clone(),
                }),
                Key::Cycle(3),
            )
        },
        Event {
            subject: Subject::Well { plate: plate.clone(), well: well() },
            revision: 2,
            reason: Some("the operator mended the time zone".into()),
            ..of_run(
                Body::Measured(Measured {
                    run: run.clone(),
                    plate_id: plate.clone(),
                    well: well(),
                    cycle,
                    filterset: 2,
                    channel: "pH".into(),
                    kind: ChannelKind::Ph,
                    elapsed_s,
                    value: Some(6.53),
                    value_origin: Some(ValueOrigin::Recomputed),
                    unit: "pH".into(),
                    amplitude: Some(95.36),
                    amplitude_2: None,
                    amplitude_referenced: None,
                    phase_deg: Some(27.41),
                    instrument_value: Some(6.54),
                    temperature_c: Some(29.7),
                    temperature_sensor: Some("Temp_up".into()),
                    service: None,
                    quality: Quality::Ok,
                    flags: vec![ReadingFlag::Disagrees],
                }),
                Key::Reading(3, 2, well()),
            )
        },
        of_run(
            Body::Referenced(Referenced {
                run: run.clone(),
                cycle,
                filterset: 2,
                channel: "pH".into(),
                reference: ReferenceKind::Reference,
                elapsed_s,
                amplitude: Some(241.3),
                reference_intensity: Some(2050.44),
                phase_deg: Some(72.93),
                quality: Quality::Ok,
                text: None,
            }),
            Key::FilterSet(3, 2),
        ),
        of_run(
            Body::Environment(Environment {
                run: run.clone(),
                cycle,
                elapsed_s,
                temperatures_c: [("Temp_up".into(), 22.8)].into(),
                shaker_rpm: Some(1400.0),
                o2_percent: Some(21.41),
                co2_percent: None,
                humidity_percent: Some(59.88),
                flow: None,
            }),
            Key::Offset(4711, 0),
        ),
        of_run(
            Body::SetpointChanged(SetpointChanged {
                run: run.clone(),
                cycle,
                elapsed_s,
                quantity: "shaker_rpm",
                setpoint: Some(600.0),
                enabled: None,
                text: text("SWITCH SETPOINT:Freq.=600"),
            }),
            Key::Offset(4711, 0),
        ),
        of_run(
            Body::CoverChanged(CoverChanged {
                run: run.clone(),
                cycle,
                elapsed_s,
                cover: "open",
                text: text("COVER OPEN"),
            }),
            Key::Offset(4711, 0),
        ),
        of_run(
            Body::Fed(Fed {
                run: run.clone(),
                plate_id: plate,
                cycle,
                elapsed_s,
                well: well(),
                source: text("external"),
                volume_ul: None,
                total_volume_ul: Some(800.0),
            }),
            Key::Offset(4711, 0),
        ),
        of_run(
            Body::Commented(Commented {
                run: run.clone(),
                cycle,
                elapsed_s: None,
                kind: "user",
                text: text("µ \u{1} \\"),
            }),
            Key::Offset(4711, 0),
        ),
        of_run(
            Body::AccessStarted(sampling::AccessStarted {
                run: Some(run.clone()),
                access_id: text("a1"),
                observed_by: "file",
                elapsed_s: Some(elapsed_s),
                cycle: Some(cycle),
                cultivation: None,
            }),
            Key::Offset(4711, 0),
        ),
        of_run(
            Body::AccessEnded(sampling::AccessEnded {
                run: Some(run.clone()),
                access_id: text("a1"),
                observed_by: "file",
                elapsed_s: Some(elapsed_s),
                duration_s: Some(52.0),
                cycle: Some(cycle),
                cultivation: None,
                reason: None,
            }),
            Key::Offset(4711, 0),
        ),
    ]
    .into_iter()
    .chain(acquisitions::events())
    .chain(robot::events(&made))
    .chain(refined(&run))
    .chain(echo::events())
    .chain(ejections::events())
    .chain([own(
        Body::DeviceCommandHandled(device::CommandHandled {
            command: text("pause"),
            outcome: instrumentd::command::Outcome::Done,
            reason: None,
            correlation: Some(text("7031")),
            response_topic: Some(text("instrumentd/v1/lab/responses/me")),
            broker: Some(text("main")),
            until: Some(time()),
        }),
        6,
    )])
    .collect()
}

fn ended(run: &Arc<Run>, counts: &std::collections::BTreeMap<&'static str, u64>) -> Ended {
    Ended {
        run: run.clone(),
        instrument_time: Some("2019-07-12, 17:54:30".to_owned()),
        elapsed_s: Some(3600.0),
        cycles: 3,
        events: counts.clone(),
    }
}

fn origin() -> Origin {
    Origin {
        source: EventSource::new(&"lab".parse().expect("a name"), &"bl".parse().expect("a name")),
        partition: "bl".parse().expect("a name"),
        ingest: Ingest::Live,
        position: Some("a run.csv".into()),
    }
}

/// A reading as a file has it, which the journal found to be known.
fn refined(run: &Arc<Run>) -> Vec<Event> {
    let measured = Measured {
        run: run.clone(),
        plate_id: "plate-1".into(),
        well: well(),
        cycle: 3,
        filterset: 2,
        channel: "pH(HP8)".into(),
        kind: ChannelKind::Ph,
        elapsed_s: 1900.0,
        value: Some(6.53),
        value_origin: Some(ValueOrigin::Recomputed),
        unit: "pH".into(),
        amplitude: Some(95.36),
        amplitude_2: None,
        amplitude_referenced: None,
        phase_deg: Some(27.41),
        instrument_value: Some(6.54),
        temperature_c: Some(29.7),
        temperature_sensor: Some("T-MTP".into()),
        service: None,
        quality: Quality::Ok,
        flags: Vec::new(),
    };
    let event = Event {
        body: Body::Refined(Refined(measured)),
        key: Key::Reading(3, 2, well()),
        run: Some(run.clone()),
        cycle: None,
        closes: false,
        subject: Subject::Well { plate: "plate-1".into(), well: well() },
        time: Some(time()),
        time_quality: TimeQuality::Instrument,
        revision: 1,
        reason: None,
        causation: None,
        offset: Some(4711),
        alike: None,
    };
    vec![event]
}

fn rendered() -> Vec<String> {
    let origin = origin();
    let recording = Recording::new(Uuid::from_u128(9), time(), None);
    let render = |(sequence, event): (u64, &Event)| {
        let stamp = Stamp {
            sequence,
            recording: recording.clone(),
            revision: event.revision,
            minted_because: None,
            span: event.closes.then_some((2, 11)),
            twin: matches!(event.body, Body::Refined(_))
                .then(|| Twin { id: Uuid::from_u128(17), disagrees: Some(vec!["cycle"]) }),
        };
        let text = String::from_utf8(Prepared::new(event, &origin).render(&stamp).to_vec()).expect("UTF-8");
        // The version of the program is no part of the contract.
        text.replace(&format!("\"producerversion\":\"{}\"", env!("CARGO_PKG_VERSION")), "\"producerversion\":\"0\"")
    };
    (1..).zip(&events()).map(render).collect()
}

#[test]
fn version_1_is_written_as_it_was_released() {
    let rendered = rendered();
    assert_eq!(FROZEN.lines().count(), rendered.len(), "rendered now:\n{}", rendered.join("\n"));
    for (frozen, rendered) in FROZEN.lines().zip(&rendered) {
        assert_eq!(frozen, rendered);
    }
}

#[test]
fn every_type_has_its_line() {
    let shown: BTreeSet<EventType> = events().iter().map(|event| event.body.event_type()).collect();
    assert_eq!(shown, EventType::ALL.iter().copied().collect());
}

#[test]
fn while_the_clock_is_not_synchronised_an_event_says_so_and_nothing_else_changes() {
    let mut prepared = Prepared::new(&events()[0], &origin());
    let mut render = |synchronised: Option<bool>| {
        let recording = Recording::new(Uuid::from_u128(9), time(), synchronised);
        let stamp = Stamp { sequence: 7, recording, revision: 1, minted_because: None, span: None, twin: None };
        String::from_utf8(prepared.render(&stamp).to_vec()).expect("UTF-8")
    };
    let (unknown, wrong, right) = (render(None), render(Some(false)), render(Some(true)));
    assert_eq!(unknown, right);
    assert_eq!(wrong.replace(",\"clocksynchronised\":false", ""), right);
    assert!(serde_json::from_str::<serde_json::Value>(&wrong).expect("JSON")["clocksynchronised"] == false);
}

#[test]
fn what_a_broker_cannot_take_keeps_its_envelope() {
    for line in rendered() {
        let whole: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let short = without_data(line.as_bytes()).expect("an event of ours");
        let short: serde_json::Value = serde_json::from_slice(&short).expect("JSON");
        assert_eq!(short["id"], whole["id"]);
        assert_eq!(short["sequence"], whole["sequence"]);
        assert!(short.get("data").is_none());
        let size: usize = short["datasize"].as_str().and_then(|size| size.parse().ok()).expect("a size");
        assert!(line.ends_with('}') && line[line.len() - 1 - size..line.len() - 1].starts_with('{'));
    }
}
