//! What an acoustic liquid handler's surveys and reports make.

use std::sync::Arc;

use instrumentd::event::body::Body;
use instrumentd::event::cultivation::Plate;
use instrumentd::event::liquid::{Fluid, LiquidFlag, Outcome, Place};
use instrumentd::event::{Event, Key, Subject, TimeQuality, ejection, transfer};

use super::{run, time, well};

fn text(text: &str) -> String {
    text.to_owned()
}

fn water() -> Fluid {
    Fluid { kind: Some("AQ".into()), composition: Some(100.0), units: None }
}

fn place(plate: &str) -> Place {
    Place {
        plate: Some(plate.into()),
        labware: None,
        well: Some(well()),
        position: None,
        volume_ul: None,
        piston_volume_ul: None,
        balance_ul: None,
    }
}

fn plate(id: &str, barcode: Option<&str>, role: &'static str) -> Arc<transfer::ReportedPlate> {
    Arc::new(transfer::ReportedPlate {
        id: id.into(),
        barcode: barcode.map(Into::into),
        barcode_status: if barcode.is_some() { "read" } else { "no-read" },
        role,
        name: Some("Source[1]".into()),
        plate_type: Some("384PP_AQ_BP".into()),
    })
}

fn reported() -> transfer::Reported {
    transfer::Reported {
        run: Some(run()),
        source_plate: Some(plate("SRC123456", Some("SRC123456"), "source")),
        destination_plate: Some(plate("plate-9", None, "destination")),
        repeat: Some(2),
        status_code: Some(text("MM0202001")),
        sample_id: Some(text("S-1")),
        sample_name: Some(text("a sample")),
        current_volume_ul: Some(52.237),
        fluid: Some(water()),
        instrument_time: Some("2019-07-12 16:54:30.125".into()),
    }
}

pub fn events() -> Vec<Event> {
    let run = run();
    let made = |body, key: &str| Event {
        body,
        key: Key::Text(text(key)),
        run: Some(run.clone()),
        cycle: None,
        closes: false,
        subject: Subject::Well { plate: "SRC123456".into(), well: well() },
        time: Some(time()),
        time_quality: TimeQuality::Instrument,
        revision: 1,
        reason: None,
        causation: None,
        alike: None,
        offset: Some(4711),
    };
    let surveyed = ejection::Surveyed {
        run: None,
        plate: Plate {
            id: "SRC123456".into(),
            barcode: Some(text("SRC123456")),
            barcode_status: "read",
            role: "source",
            plate_type: text("384PP_AQ_BP"),
            rows: 16,
            columns: 24,
            lot: None,
        },
        well: well(),
        outcome: ejection::SurveyOutcome::Measured,
        volume_ul: Some(52.337),
        current_volume_ul: Some(52.237),
        fluid: Some(water()),
        status: Some(text("a word")),
        instrument_time: Some("2019-07-12 16:54:30.125".into()),
        flags: vec![LiquidFlag::AmbiguousLocalTime],
    };
    vec![
        Event { run: None, ..made(Body::EjectionSurveyed(surveyed), "survey") },
        made(
            Body::TransferCompleted(transfer::Completed {
                source: place("SRC123456"),
                destination: place("plate-9"),
                volume_nl: Some(100.0),
                volume_nominal_nl: Some(125.0),
                survey_volume_ul: Some(52.337),
                piston_volume_ul: None,
                status: text("ok"),
                channel: None,
                tip: None,
                liquid_class: None,
                outcome: Outcome::Confirmed,
                flags: vec![LiquidFlag::UnderDelivered],
                text: Some(text("25 nl less than were asked for")),
                reported: reported(),
            }),
            "completed",
        ),
        made(
            Body::TransferFailed(transfer::Failed {
                reason: "not-transferred",
                text: text("MM0202001: too little"),
                source: Some(place("SRC123456")),
                destination: Some(place("plate-9")),
                volume_nominal_nl: Some(125.0),
                status: text("MM0202001: too little"),
                reported: reported(),
                ..transfer::Failed::default()
            }),
            "failed",
        ),
    ]
}
