//! What an Echo MS+ behind a gateway makes.

use instrumentd::event::body::Body;
use instrumentd::event::cultivation::Plate;
use instrumentd::event::{Event, Key, Subject, TimeQuality, ejection};

use super::{run, time, well};

fn text(text: &str) -> String {
    text.to_owned()
}

fn plate() -> Option<Plate> {
    Some(Plate {
        id: "3c1e6f3a-0000-5000-8000-000000000001".into(),
        barcode: Some(text("SIM00001")),
        barcode_status: "read",
        role: "sample",
        plate_type: text("384PP"),
        rows: 16,
        columns: 24,
        lot: None,
    })
}

fn shot(kind: &'static str, status: &str, came: bool) -> ejection::Shot {
    let is_marker = kind == "marker";
    ejection::Shot {
        run: run(),
        kind,
        plate: plate(),
        well: (!is_marker).then(well),
        text: is_marker.then(|| text("Marker 1")),
        order: 12,
        repeat: 1,
        sample_id: (!is_marker).then(|| text("S-0001")),
        volume_nl: Some(if came { 9.5 } else { 0.0 }),
        volume_nominal_nl: Some(10.0),
        expected_time: Some(time()),
        actual_time: came.then(time),
        status: text(status),
    }
}

pub fn events() -> Vec<Event> {
    let made = |body: Body, key: Key| Event {
        closes: matches!(body, Body::EjectionRunCompleted(_)),
        body,
        key,
        run: Some(run()),
        cycle: None,
        subject: Subject::Run(run().id),
        time: Some(time()),
        time_quality: TimeQuality::Instrument,
        revision: 1,
        reason: None,
        causation: None,
        offset: None,
        alike: None,
    };
    let started = ejection::RunStarted {
        run: run(),
        plate: plate(),
        method: Some(text("acoustic ejection, positive")),
        operator: Some(text("Kim")),
        planned: Some(384),
        interval_s: Some(3.0),
    };
    let planned = ejection::Planned {
        file_set: None,
        sample_index: None,
        run: Some(run()),
        plate: plate(),
        order: "as-listed",
        basis: "instrument",
        ejections: Vec::new(),
    };
    let ended = ejection::RunCompleted {
        run: run(),
        plate: plate(),
        outcome: text("completed"),
        planned: Some(384),
        ejected: Some(380),
        failed: Some(2),
        markers: Some(0),
        missing: vec![(5, 6)],
        complete: false,
        started: Some(time()),
        ended: Some(time()),
        events: [("ejection.ejected", 380), ("ejection.failed", 2)].into(),
    };
    vec![
        made(Body::EjectionRunStarted(started), Key::Run),
        made(Body::EjectionEjected(shot("sample", "low-volume", true)), Key::Text(text("p/12/1"))),
        made(Body::EjectionFailed(shot("marker", "missed", false)), Key::Text(text("p/12/1"))),
        made(Body::EjectionRunCompleted(ended), Key::Run),
        made(Body::EjectionPlanned(planned), Key::Run),
    ]
}
