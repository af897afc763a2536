//! What the instrument did is in the journal and at a subscriber once, whatever is cut, restarted or killed.

use instrumentd_simulators::device_service::Restart;
use instrumentd_simulators::echo_ms_plus::{EchoMsPlus, Ejection, Fault, Faults};
use jiff::Timestamp;
use serde_json::Value;

use crate::heard::{self, assert_as_recorded};
use crate::laboratory::{Place, in_plain_text, settings, start};
use crate::mosquitto::Mosquitto;
use crate::subscriber::Subscriber;
use crate::wait_for;

/// Every shot that the instrument made, or should have made, is in the journal once, as it was.
fn assert_same(truth: &[Ejection], place: &Place) {
    let mut shots = place.shots();
    for ejection in truth {
        let key = (ejection.run_id.clone(), u64::from(ejection.order));
        let found = shots.remove(&key).unwrap_or_default();
        let [event] = found.as_slice() else { panic!("{key:?} is there {} times\n{}", found.len(), place.log()) };
        let data = &event["data"];
        assert_eq!(data["status"], ejection.status, "{event}");
        let came = matches!(ejection.status, "ok" | "low-volume");
        let expected = if came { "instrumentd.ejection.ejected.v1" } else { "instrumentd.ejection.failed.v1" };
        assert_eq!(event["type"], expected);
        if data["kind"] == "sample" {
            assert_eq!(data["volume_nominal_nl"].as_f64(), Some(ejection.nominal_nl), "{event}");
            assert_eq!(data["plate"]["barcode"], ejection.barcode.as_str(), "{event}");
        }
        let actual = data["actual_time"].as_str().map(|text| text.parse::<Timestamp>().expect("a time"));
        assert_eq!(actual, ejection.actual, "{event}");
    }
    assert!(shots.is_empty(), "nobody made these: {:?}", shots.keys());
}

/// A broker, and somebody who listens there from the beginning to the end.
struct Audience {
    subscriber: Subscriber,
    broker: Mosquitto,
    _folder: tempfile::TempDir,
}

/// `None`, said visibly, where there is no broker; what the journal holds is looked at all the same.
fn audience() -> Option<Audience> {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::start(folder.path())?;
    Some(Audience { subscriber: Subscriber::connect(broker.port), broker, _folder: folder })
}

fn place(echo: &EchoMsPlus, audience: Option<&Audience>) -> Place {
    Place::publishing(&in_plain_text(echo), audience.map(|audience| audience.broker.port))
}

/// What the subscriber got is what the journal holds, all of it and nothing else.
fn assert_heard(place: &Place, audience: Option<&Audience>) {
    let Some(Audience { subscriber, .. }) = audience else { return };
    let mut recorded = Vec::new();
    wait_for("every event at the subscriber", || {
        recorded = place.events("*");
        subscriber.with(|received| recorded.iter().all(|event| received.events.contains_key(&heard::place(event))))
    });
    assert!(recorded.len() > 100, "{} events", recorded.len());
    let deliveries: Vec<Value> = subscriber.with(|received| {
        assert_eq!(received.complaints, Vec::<String>::new(), "what was delivered twice was the same");
        received.order.iter().map(|place| received.events[place].0.clone()).collect()
    });
    // What comes to be told meanwhile is in the journal before it is heard.
    assert_as_recorded(&deliveries, &place.events("*"));
}

#[test]
fn a_run_is_recorded_as_the_instrument_made_it() {
    let mut echo = start(settings(2), Faults::default());
    let audience = audience();
    let place = place(&echo, audience.as_ref());
    let daemon = place.run();
    echo.wait().expect("it ran");
    let ends = place.wait_for_ends(2);
    assert_same(&echo.truth(), &place);
    assert_heard(&place, audience.as_ref());
    for end in &ends {
        let data = &end["data"];
        assert_eq!(data["complete"], true, "{end}");
        let counted = data["events"].as_object().expect("counts");
        let of_run = |of: &str| {
            let run = &data["run"]["id"];
            place.events(of).iter().filter(|event| &event["data"]["run"]["id"] == run).count() as u64
        };
        for name in ["ejection.ejected", "ejection.failed", "ejection.surveyed", "ejection.planned"] {
            assert_eq!(counted.get(name).and_then(Value::as_u64).unwrap_or(0), of_run(name), "{name}");
        }
        assert!(data["first_sequence"].as_u64() < data["last_sequence"].as_u64(), "{end}");
    }
    assert_eq!(place.events("device.gap"), Vec::<Value>::new());
    let barcodes = place.events("labware.barcode-read");
    assert_eq!(barcodes.len(), 2, "one plate for each run");
    drop(daemon);
}

#[test]
fn cuts_restarts_and_kills_lose_and_repeat_nothing() {
    let faults = [
        Faults::default().with(Fault::Cut, 17).with(Fault::Double, 13),
        Faults::default().with(Fault::SequenceGap, 7).with(Fault::Restart, 29),
        Faults::default().with(Fault::RestartLost, 31).with(Fault::Expire, 41),
        Faults::default().with(Fault::Malformed, 23).with(Fault::Oversized, 37).with(Fault::WrongStatus, 43),
        Faults::default().with(Fault::Down, 50).with(Fault::Gone, 61),
    ];
    for faults in faults {
        let mut echo = start(settings(1), faults.clone());
        let audience = audience();
        let place = place(&echo, audience.as_ref());
        let mut daemon = place.run();
        let mut kills = 0;
        while !echo.is_over() {
            let before = echo.truth().len();
            wait_for("some shots", || echo.is_over() || echo.truth().len() >= before + 40);
            if kills < 3 {
                daemon.kill();
                daemon = place.run();
                kills += 1;
            }
        }
        echo.wait().expect("it ran");
        place.wait_for_ends(1);
        assert_same(&echo.truth(), &place);
        assert_heard(&place, audience.as_ref());
        assert!(kills > 0, "nothing was killed");
        drop(daemon);
    }
}

#[test]
fn what_cannot_be_had_any_more_is_named() {
    let mut echo = start(settings(1), Faults::default());
    let audience = audience();
    let place = place(&echo, audience.as_ref());
    let daemon = place.run();
    wait_for("a shot in the journal", || !place.shots().is_empty());
    daemon.kill();
    let before = echo.truth().len();
    wait_for("shots that nobody hears", || echo.truth().len() > before + 20);
    echo.restart(Restart::WithoutHistory).expect("restarted");
    let daemon = place.run();
    echo.wait().expect("it ran");
    let ends = place.wait_for_ends(1);
    let mut shots = place.shots();
    let missing: Vec<(u64, u64)> = ends[0]["data"]["missing"]
        .as_array()
        .expect("places")
        .iter()
        .map(|range| (range[0].as_u64().expect("from"), range[1].as_u64().expect("to")))
        .collect();
    let mut lost = 0;
    for ejection in echo.truth() {
        let order = u64::from(ejection.order);
        let is_named = missing.iter().any(|(from, to)| (*from..=*to).contains(&order));
        let there = shots.remove(&(ejection.run_id.clone(), order)).map_or(0, |found| found.len());
        assert_eq!(there, usize::from(!is_named), "shot {order}");
        lost += usize::from(is_named);
    }
    assert!(shots.is_empty() && lost > 0, "{lost} were lost");
    assert_eq!(ends[0]["data"]["complete"], false);
    let reasons: Vec<Value> = place.events("device.gap").into_iter().map(|gap| gap["data"]["reason"].clone()).collect();
    assert!(
        reasons.contains(&"not-recoverable".into()) && reasons.contains(&"missing-ejections".into()),
        "{reasons:?}"
    );
    assert_heard(&place, audience.as_ref());
    drop(daemon);
}
