//! Real runs, all the way from the instrument's file to a subscriber.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::daemon::{DEVICE, Place};
use crate::mosquitto::Mosquitto;
use crate::subscriber::Subscriber;
use crate::{real_data, wait_for};

/// What must be the same whichever way an event came in.
pub fn essence(event: &Value) -> Value {
    let mut essence = event.clone();
    let object = essence.as_object_mut().expect("an event is an object");
    for by_way in
        ["sequence", "recordedtime", "journalid", "ingest", "sourceposition", "producerversion", "clocksynchronised"]
    {
        object.remove(by_way);
    }
    if let Some(data) = object["data"].as_object_mut() {
        data.remove("first_sequence");
        data.remove("last_sequence");
    }
    essence
}

/// Asserts that the subscriber has exactly `expected`, in order, behind `device.connected`, without a hole.
pub fn assert_exactly(subscriber: &Subscriber, expected: &[Value]) {
    let last = expected.len() as u64 + 1;
    subscriber.with(|received| {
        assert_eq!(received.complaints, Vec::<String>::new());
        let got: Vec<&Value> = received.events.values().map(|(event, _)| event).collect();
        let sequences: Vec<u64> = received.events.keys().map(|(_, sequence)| *sequence).collect();
        assert_eq!(sequences, (1..=last).collect::<Vec<_>>(), "sequences are 1..n without a hole");
        assert_eq!(got[0]["type"], "instrumentd.device.connected.v1");
        for (got, expected) in got[1..].iter().zip(expected) {
            assert_eq!(essence(got), essence(expected));
        }
    });
}

fn by_type(events: &[Value]) -> BTreeMap<&str, usize> {
    let mut count = BTreeMap::new();
    for event in events {
        *count.entry(event["type"].as_str().expect("a type")).or_default() += 1;
    }
    count
}

fn arrives_whole(profile: &'static str, file: &str, readings: usize) {
    let Some(source) = real_data(file) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start(folder.path()) else { return };
    let place = Place::new(profile, broker.port);
    let expected = place.decode(&source);
    assert_eq!(by_type(&expected)["instrumentd.cultivation.measured.v1"], readings);

    let subscriber = Subscriber::connect(broker.port);
    let daemon = place.run();
    let name = source.file_name().expect("a file name");
    std::fs::copy(&source, place.results().join(name)).expect("the instrument writes its file");
    let last = expected.len() as u64 + 1;
    wait_for("the whole run", || subscriber.with(|r| r.events.len() as u64 >= last));
    assert_exactly(&subscriber, &expected);
    subscriber.with(|r| {
        assert_eq!(
            r.order,
            {
                let mut sorted = r.order.clone();
                sorted.sort();
                sorted
            },
            "first deliveries are in order"
        )
    });
    assert!(daemon.end("TERM").success(), "{}", place.log());
}

#[test]
fn a_biolector_xt_export_arrives_whole() {
    arrives_whole("biolector-xt", "biolector-xt/4_BG_test.zip", 60_864);
}

#[test]
fn a_biolector_pro_run_arrives_whole() {
    arrives_whole("biolector-pro", "biolector-pro/224-MO_Coryne--2019-07-12-16-54-30.csv", 576);
}

#[test]
fn a_biolector_one_run_arrives_whole() {
    arrives_whole("biolector-1", "biolector-1/JH_ShakerSteps_20170302_070206.csv", 112 * 48);
}

#[test]
fn every_message_is_a_cloud_event_and_passes_the_schema_that_it_names() {
    let Some(source) = real_data("biolector-pro/issue24.csv") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start(folder.path()) else { return };
    let place = Place::new("biolector-pro", broker.port);
    let expected = place.decode(&source);
    let subscriber = Subscriber::connect(broker.port);
    let _daemon = place.run();
    std::fs::copy(&source, place.results().join("run.csv")).expect("the instrument writes its file");
    wait_for("the run", || subscriber.with(|r| r.events.len() > expected.len()));

    let mut validators = BTreeMap::new();
    subscriber.with(|received| {
        for (event, bytes) in received.events.values() {
            let cloud_event: cloudevents::Event = serde_json::from_slice(bytes).expect("a CloudEvents SDK reads it");
            assert_eq!(cloudevents::AttributesReader::id(&cloud_event), event["id"].as_str().expect("an id"));
            let schema = event["dataschema"].as_str().expect("a schema");
            let validator = validators.entry(schema.to_owned()).or_insert_with(|| {
                let event_type = event["type"].as_str().expect("a type").to_owned();
                let output =
                    crate::daemon::binary().args(["schema", "event", &event_type]).output().expect("schema runs");
                let schema_text: Value = serde_json::from_slice(&output.stdout).expect("a JSON Schema");
                assert_eq!(schema_text["$id"], schema, "the schema is the one that the event names");
                jsonschema::validator_for(&schema_text).expect("a valid schema")
            });
            let faults: Vec<String> = validator.iter_errors(&event["data"]).map(|e| e.to_string()).collect();
            assert!(faults.is_empty(), "{}: {faults:?}", event["type"]);
        }
    });
    let state = format!("instrumentd/v1/lab/devices/{DEVICE}/state");
    wait_for("the device's state", || {
        subscriber.with(|r| r.retained.get(&state).is_some_and(|state| state["connection"] == "connected"))
    });
}
