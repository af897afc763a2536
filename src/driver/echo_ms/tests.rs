//! A run told in any way, with repetitions and restarts, makes the same events.

use std::collections::BTreeMap;

use instrument_proto::device::echo_ms_plus::{event_type, node};
use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{Array, DataValue, LocalizedText, Variant};
use instrument_proto::device::{StatusCode, double, number, text, timestamp, variant};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Context, WANTED, driver};
use crate::driver::service::{Happened, ServiceInput};
use crate::driver::zenotof::ejection::Order;
use crate::driver::{Driver, Effects, Input};
use crate::event::{Body, Event, IdBase, Well};

fn start() -> Timestamp {
    Timestamp::from_second(1_700_000_000).expect("a time")
}

/// One event of a gateway.
#[derive(Debug, Clone)]
struct Told {
    id: Vec<u8>,
    event_type: &'static str,
    time: Timestamp,
    message: &'static str,
    values: Vec<Variant>,
}

/// An event with these fields; the others are null.
fn told(serial: u32, event_type: &'static str, fields: &[(&str, Variant)]) -> Told {
    let names = WANTED.events.iter().find(|(known, _)| *known == event_type).expect("wanted").1;
    let mut values = vec![Variant::default(); names.len()];
    for (name, value) in fields {
        values[names.iter().position(|known| known == name).expect("a field")] = value.clone();
    }
    let time = start() + SignedDuration::from_secs(i64::from(serial));
    Told { id: serial.to_be_bytes().to_vec(), event_type, time, message: "a word", values }
}

fn texts(all: &[&str]) -> Variant {
    let elements = all.iter().map(|one| text(*one)).collect();
    variant(Value::Array(Array { element_type: 12, elements, dimensions: Vec::new() }))
}

fn time(seconds: i64) -> Variant {
    variant(Value::DateTime(timestamp(start() + SignedDuration::from_secs(seconds))))
}

fn shot(order: u32, well: &str, status: &str) -> Told {
    let came = matches!(status, "ok" | "low-volume");
    told(
        100 + order,
        event_type::EJECTION,
        &[
            ("RunId", text("R-1")),
            ("PlateBarcode", text("BC1")),
            ("Order", number(order)),
            ("Well", text(well)),
            ("Repeat", number(1)),
            ("SampleId", text(format!("S-{order}"))),
            ("NominalVolumeNl", double(10.0)),
            ("ActualVolumeNl", double(if came { 9.5 } else { 0.0 })),
            ("ExpectedTime", time(100 + i64::from(order))),
            ("ActualTime", if came { time(100 + i64::from(order)) } else { Variant::default() }),
            ("Status", text(status)),
        ],
    )
}

fn run_started(wells: u32, barcode: &str, basis: &str) -> Told {
    told(
        1,
        event_type::RUN_STARTED,
        &[
            ("RunId", text("R-1")),
            ("Method", text("positive")),
            ("PlateBarcode", text(barcode)),
            ("PlateType", text("1536LDV")),
            ("PlateWells", number(wells)),
            ("PlannedShots", number(6)),
            ("ShotList", texts(&["Marker 1", "B1", "A2", "A1", "AF48", "B2"])),
            ("OrderBasis", text(basis)),
        ],
    )
}

fn run_ended(outcome: &str) -> Told {
    told(
        900,
        event_type::RUN_ENDED,
        &[
            ("RunId", text("R-1")),
            ("Outcome", text(outcome)),
            ("Planned", number(6)),
            ("Ejected", number(4)),
            ("Failed", number(1)),
            ("Markers", number(1)),
        ],
    )
}

/// A whole run.
fn whole() -> Vec<Told> {
    let survey = |serial, well: &str| {
        let fields = [
            ("RunId", text("R-1")),
            ("PlateBarcode", text("BC1")),
            ("Well", text(well)),
            ("FluidVolumeUl", double(4.5)),
            ("Status", text("ok")),
        ];
        told(serial, event_type::WELL_SURVEYED, &fields)
    };
    let marker = told(
        101,
        event_type::MARKER,
        &[("RunId", text("R-1")), ("Order", number(1)), ("Label", text("Marker 1")), ("Status", text("ok"))],
    );
    let error = told(
        103,
        event_type::ERROR,
        &[("RunId", text("R-1")), ("Code", text("E42")), ("Well", text("A2")), ("Order", number(3))],
    );
    vec![
        run_started(1536, "BC1", "typed"),
        survey(10, "A1"),
        survey(11, "AF48"),
        marker,
        shot(2, "A1", "ok"),
        error,
        shot(3, "A2", "missed"),
        shot(4, "B2", "low-volume"),
        shot(5, "B1", "ok"),
        shot(6, "AF48", "ok"),
        run_ended("completed"),
    ]
}

fn context() -> Context {
    Context::new(&"lab".parse().expect("a site"), &"echo".parse().expect("a device"), Order::Serpentine)
}

/// A driver that hears, and what the journal would have.
struct Heard {
    driver: Box<dyn Driver>,
    snapshot: BTreeMap<&'static str, Vec<u8>>,
    events: Vec<Event>,
    gaps: Vec<(&'static str, String)>,
    operation: &'static str,
}

impl Heard {
    fn new() -> Self {
        let mut heard = Self {
            driver: Box::new(driver(context())),
            snapshot: BTreeMap::new(),
            events: Vec::new(),
            gaps: Vec::new(),
            operation: "",
        };
        heard.restart();
        heard
    }

    fn input(&mut self, input: ServiceInput<'_>) {
        let mut effects = Effects::default();
        self.driver.handle(Input::Service(&"grpc".into(), input), start(), &mut effects);
        self.snapshot.extend(effects.snapshots.drain(..).map(|part| (part.part, part.bytes)));
        assert!(self.snapshot.values().map(Vec::len).sum::<usize>() < 65_536);
        self.events.append(&mut effects.events);
        self.gaps.extend(effects.gaps.drain(..).map(|(_, reason, text)| (reason, text)));
        if let Some(operation) = effects.operation {
            self.operation = operation.name;
        }
    }

    /// The daemon goes on from what is committed.
    fn restart(&mut self) {
        self.driver = Box::new(driver(context()));
        let parts: Vec<(String, Vec<u8>)> =
            self.snapshot.iter().map(|(part, bytes)| ((*part).to_owned(), bytes.clone())).collect();
        self.input(ServiceInput::Opened { snapshot: &parts });
    }

    fn event(&mut self, told: &Told) {
        let names = WANTED.events.iter().find(|(known, _)| *known == told.event_type).expect("wanted").1;
        let Told { id, event_type, time, message, values } = told;
        let happened = Happened { id, event_type, time: Some(*time), message, names, values };
        self.input(ServiceInput::Event(happened));
    }

    fn value(&mut self, node: &'static str, value: DataValue) {
        self.input(ServiceInput::Value { node, value: &value });
    }

    /// Type and id of each event, and its data.
    fn made(&self) -> Vec<(&'static str, uuid::Uuid, String)> {
        let made = |event: &Event| {
            let mut key = String::new();
            event.key.write(&mut key);
            let run = event.run.as_ref().map_or("", |run| run.identity.as_str());
            let short = event.body.event_type().short();
            let data = serde_json::to_string(&event.body).expect("JSON");
            (short, IdBase::new(&context().source, run, short, &key).id(1), data)
        };
        self.events.iter().map(made).collect()
    }
}

fn heard(all: &[Told]) -> Heard {
    let mut heard = Heard::new();
    all.iter().for_each(|told| heard.event(told));
    heard
}

#[test]
fn a_run_becomes_its_events() {
    let heard = heard(&whole());
    let types: Vec<&str> = heard.made().iter().map(|(short, ..)| *short).collect();
    assert_eq!(
        types,
        [
            "labware.plate-loaded",
            "labware.barcode-read",
            "ejection.run-started",
            "ejection.planned",
            "ejection.surveyed",
            "ejection.surveyed",
            "ejection.ejected",
            "ejection.ejected",
            "device.faulted",
            "ejection.failed",
            "ejection.ejected",
            "device.recovered",
            "ejection.ejected",
            "ejection.ejected",
            "ejection.run-completed",
        ]
    );
    assert_eq!(heard.gaps, []);
    let shots: Vec<_> = heard
        .events
        .iter()
        .filter_map(|event| match &event.body {
            Body::EjectionEjected(shot) | Body::EjectionFailed(shot) => Some(shot),
            _ => None,
        })
        .collect();
    assert_eq!(shots[0].text.as_deref(), Some("Marker 1"));
    let last = shots.last().expect("a shot");
    assert_eq!((last.well, last.volume_nl), (Well::from_label(b"AF48"), Some(9.5)));
    assert_eq!(last.plate.as_ref().map(|plate| (plate.rows, plate.columns)), Some((32, 48)));
    let Some(Body::EjectionRunCompleted(ended)) = heard.events.last().map(|event| &event.body) else {
        panic!("the end")
    };
    assert!(ended.complete && ended.missing.is_empty());
    assert_eq!(ended.events.get("ejection.ejected"), Some(&5));
    assert_eq!(ended.events.get("ejection.failed"), Some(&1));
}

#[test]
fn an_order_that_nothing_tells_is_the_configured_one_and_says_so() {
    let planned = |basis| {
        let heard = heard(&[run_started(1536, "BC1", basis)]);
        let found = heard.events.into_iter().find_map(|event| match event.body {
            Body::EjectionPlanned(planned) => Some(planned),
            _ => None,
        });
        let planned = found.expect("a plan");
        let order: Vec<String> = planned.ejections.iter().map(|one| one.text.clone()).collect();
        (planned.basis, planned.order, order)
    };
    let serpentine = ["Marker 1", "A1", "A2", "B2", "B1", "AF48"].map(str::to_owned).to_vec();
    assert_eq!(planned("typed"), ("shot-list", "serpentine", serpentine));
    let reported = ["Marker 1", "B1", "A2", "A1", "AF48", "B2"].map(str::to_owned).to_vec();
    assert_eq!(planned("reported"), ("instrument", "as-listed", reported));
}

#[test]
fn a_missing_shot_is_named_at_the_end_of_the_run() {
    let mut told = whole();
    told.retain(|one| one.id != 104u32.to_be_bytes() && one.id != 103u32.to_be_bytes());
    let heard = heard(&told);
    let [("missing-ejections", text)] = heard.gaps.as_slice() else { panic!("{:?}", heard.gaps) };
    assert!(text.contains("2 shots") && text.contains("places 3 to 4"), "{text}");
}

#[test]
fn a_well_that_the_plate_does_not_have_is_shown_as_written() {
    let heard = heard(&[run_started(384, "UnknownBarCode", "typed"), shot(2, "AF48", "ok"), shot(3, "what", "ok")]);
    let shots = heard.events.iter().filter_map(|event| match &event.body {
        Body::EjectionEjected(shot) => Some((shot.well, shot.text.clone())),
        _ => None,
    });
    let shown = shots.collect::<Vec<_>>();
    assert_eq!(shown, [(None, Some("AF48".to_owned())), (None, Some("what".to_owned()))]);
    let status = heard.events.iter().find_map(|event| match &event.body {
        Body::BarcodeRead(read) => Some((read.barcode_status, read.barcode.clone())),
        _ => None,
    });
    assert_eq!(status, Some(("no-read", None)));
}

#[test]
fn an_event_without_its_run_or_place_is_told_as_unreadable() {
    let heard = heard(&[
        told(1, event_type::EJECTION, &[("Order", number(1))]),
        told(2, event_type::EJECTION, &[("RunId", text("R-1")), ("Order", number(0))]),
        told(3, event_type::WELL_SURVEYED, &[("RunId", text("R-1")), ("Well", text("A1"))]),
    ]);
    assert!(heard.events.is_empty());
    assert!(heard.gaps.iter().all(|(reason, _)| *reason == "unreadable-event") && heard.gaps.len() == 3);
}

#[test]
fn no_old_value_is_shown_when_its_status_is_bad() {
    let word = |word: &str| DataValue {
        value: Some(Box::new(variant(Value::LocalizedText(LocalizedText {
            locale: String::new(),
            text: word.to_owned(),
        })))),
        ..DataValue::default()
    };
    let mut heard = Heard::new();
    heard.value(node::CURRENT_STATE, word("Running"));
    heard.value(node::RUNNING_STATE, word("Execute"));
    assert_eq!(heard.operation, "ejecting");
    let stale = DataValue { status_code: StatusCode::BAD_NO_COMMUNICATION.0, ..word("Running") };
    heard.value(node::CURRENT_STATE, stale);
    assert_eq!(heard.operation, "unknown");
    heard.value(node::CURRENT_STATE, word("Running"));
    heard.input(ServiceInput::Closed { reason: "cut" });
    assert_eq!(heard.operation, "unknown");
}

proptest! {
    /// Whatever comes again, and wherever the daemon is started again, no event is made twice or otherwise.
    #[test]
    fn repetitions_and_restarts_change_nothing(
        again in proptest::collection::vec((0usize..11, 0usize..11), 0..12),
        restarts in proptest::collection::vec(0usize..11, 0..4),
    ) {
        let told = whole();
        let plain = heard(&told).made();
        let mut other = Heard::new();
        for (at, one) in told.iter().enumerate() {
            if restarts.contains(&at) {
                other.restart();
            }
            other.event(one);
            for (after, back) in &again {
                if *after == at {
                    other.event(&told[at.saturating_sub(*back)]);
                }
            }
        }
        prop_assert_eq!(other.made(), plain);
        prop_assert_eq!(other.gaps, Vec::new());
    }

    #[test]
    fn no_field_of_any_kind_panics(
        kinds in proptest::collection::vec((0usize..6, proptest::collection::vec(0u8..7, 12), any::<u32>()), 0..30),
    ) {
        let mut heard = Heard::new();
        for (of, fields, any) in kinds {
            let (event_type, names) = WANTED.events[of];
            let value = |kind: &u8| match kind {
                0 => Variant::default(),
                1 => text("R-1"),
                2 => text("x".repeat(300)),
                3 => number(any),
                4 => double(f64::NAN),
                5 => variant(Value::DateTime(prost_types::Timestamp { seconds: i64::MAX, nanos: -5 })),
                _ => texts(&["A1", "", "ZZ99"]),
            };
            let values = names.iter().zip(&fields).map(|(_, kind)| value(kind)).collect();
            let time = start();
            heard.event(&Told { id: any.to_be_bytes().to_vec(), event_type, time, message: "", values });
        }
    }
}
