//! One event of each type that a robot makes.

use std::sync::Arc;

use instrumentd::event::body::Body;
use instrumentd::event::cultivation::{Added, Plate};
use instrumentd::event::liquid::*;
use instrumentd::event::{Event, Key, Subject, labware, sampling, transfer};

use super::{time, well};

const ACCESS: &str = "5f7c3f3e-8f0c-5d5e-9a35-2f5a1a6f9a10";

fn text(text: &str) -> String {
    text.to_owned()
}

fn culture() -> Culture {
    Culture {
        device: "biolector-1".into(),
        run_id: None,
        plate_id: "plate-1".into(),
        cycle: None,
        elapsed_s: None,
        basis: CultureBasis::Deck,
    }
}

fn place(plate: &str, volume_ul: f64) -> Place {
    Place {
        plate: Some(plate.into()),
        labware: Some("bench".into()),
        well: Some(well()),
        position: None,
        volume_ul: Some(volume_ul),
        piston_volume_ul: Some(107.2),
        balance_ul: Some(volume_ul),
    }
}

fn tip() -> Tip {
    Tip { tip_type: Some("t1".into()), rack: Some("tips".into()), well: Some(well()) }
}

fn error() -> ModuleError {
    ModuleError { module: text("P4"), channel: Some(4), code: 2, trace: Some(98), text: text("hardware error") }
}

fn plate() -> Plate {
    Plate {
        id: "plate-1".into(),
        barcode: Some(text("08ABCDEF")),
        barcode_status: "read",
        role: "sample",
        plate_type: text("deepwell-96"),
        rows: 8,
        columns: 12,
        lot: None,
    }
}

fn deck_place(labware: Option<&str>) -> labware::DeckPlace {
    labware::DeckPlace { labware: labware.map(Into::into), position: Some(Position { x_mm: 347.9, y_mm: 114.2 }) }
}

pub fn events(made: &dyn Fn(Body, Key) -> Event) -> Vec<Event> {
    let plate_well = |body, key: &str| Event {
        subject: Subject::Well { plate: Arc::from("plate-1"), well: well() },
        offset: Some(4711),
        alike: None,
        ..made(body, Key::Text(format!("0197/{key}")))
    };
    let mut events = liquid(&plate_well);
    events.extend(failures(&plate_well));
    events.extend(plates(&plate_well));
    events.push(plate_well(
        Body::AccessStarted(sampling::AccessStarted {
            run: None,
            access_id: text(ACCESS),
            observed_by: "robot",
            elapsed_s: None,
            cycle: None,
            cultivation: Some(culture()),
        }),
        "12",
    ));
    events.push(plate_well(
        Body::AccessEnded(sampling::AccessEnded {
            run: None,
            access_id: text(ACCESS),
            observed_by: "robot",
            elapsed_s: None,
            duration_s: Some(52.0),
            cycle: None,
            cultivation: Some(culture()),
            reason: Some("left"),
        }),
        "13",
    ));
    events
}

fn liquid(made: &dyn Fn(Body, &str) -> Event) -> Vec<Event> {
    let class: Option<Arc<str>> = Some("Water".into());
    let access_id = Some(text(ACCESS));
    vec![
        made(
            Body::Aspirated(sampling::Aspirated {
                cultivation: Some(culture()),
                source: place("plate-1", -100.0),
                volume_ul: Some(-100.0),
                piston_volume_ul: 107.2,
                channel: 1,
                tip: Some(tip()),
                liquid_class: class.clone(),
                access_id: access_id.clone(),
                outcome: Outcome::Confirmed,
                flags: vec![LiquidFlag::OverDrawn],
                text: Some(text("1900 of 1800 microlitres")),
            }),
            "1",
        ),
        made(
            Body::Dispensed(sampling::Dispensed {
                cultivation: None,
                destination: Place {
                    plate: None,
                    well: None,
                    position: Some(Position { x_mm: 1.5, y_mm: 2.0 }),
                    volume_ul: None,
                    balance_ul: None,
                    ..place("plate-2", 100.0)
                },
                purpose: sampling::Purpose::Unknown,
                volume_ul: None,
                piston_volume_ul: 107.2,
                channel: 1,
                tip: None,
                liquid_class: None,
                access_id: None,
                outcome: Outcome::Unknown,
                flags: vec![LiquidFlag::Uncorrected, LiquidFlag::OffWell],
                text: None,
            }),
            "2",
        ),
        made(
            Body::SamplingCompleted(sampling::Completed {
                run: None,
                sample: sampling::Sample {
                    id: text("3b241101-e2bb-5255-8caf-4136c566a964"),
                    role: sampling::SampleRole::Unknown,
                    plate: Some("plate-2".into()),
                    well: Some(well()),
                    origins: vec![place("plate-1", -100.0)],
                },
                cultivation: Some(culture()),
                source: place("plate-1", -100.0),
                destinations: vec![place("plate-2", 100.0)],
                volume_ul: Some(-100.0),
                piston_volume_ul: 107.2,
                channel: 1,
                tip: Some(tip()),
                liquid_class: class.clone(),
                access_id: access_id.clone(),
                trigger: None,
                aspirated_at: Some(time()),
                outcome: Outcome::Confirmed,
                flags: vec![],
                text: None,
            }),
            "3",
        ),
        made(
            Body::CultivationAdded(Added {
                cultivation: Some(culture()),
                well: well(),
                volume_ul: Some(10.0),
                piston_volume_ul: 10.9,
                source: Some(place("plate-3", -10.0)),
                substance: text("unknown"),
                channel: 2,
                tip: Some(tip()),
                liquid_class: class.clone(),
                access_id,
                outcome: Outcome::Confirmed,
                flags: vec![],
                text: None,
            }),
            "5",
        ),
        made(
            Body::TransferCompleted(transfer::Completed {
                source: place("plate-2", -50.0),
                destination: place("plate-3", 50.0),
                volume_nl: Some(50_000.0),
                volume_nominal_nl: None,
                survey_volume_ul: None,
                piston_volume_ul: Some(53.9),
                status: text("ok"),
                channel: Some(3),
                tip: Some(tip()),
                liquid_class: class,
                outcome: Outcome::Confirmed,
                flags: vec![],
                text: None,
                reported: transfer::Reported::default(),
            }),
            "10",
        ),
    ]
}

fn failures(made: &dyn Fn(Body, &str) -> Event) -> Vec<Event> {
    vec![
        made(
            Body::SamplingFailed(sampling::Failed {
                reason: "aspirate",
                text: text("channel 4: hardware error"),
                cultivation: Some(culture()),
                source: Some(place("plate-1", -100.0)),
                piston_volume_ul: Some(107.2),
                channel: Some(4),
                succeeded_channels: vec![1, 2, 3, 5, 6, 7, 8],
                errors: vec![error()],
                ..sampling::Failed::default()
            }),
            "4",
        ),
        made(
            Body::TransferFailed(transfer::Failed {
                reason: "dispense",
                text: text("channel 4: hardware error"),
                source: Some(place("plate-2", -50.0)),
                destination: Some(place("plate-3", 50.0)),
                piston_volume_ul: Some(53.9),
                status: text("failed"),
                channel: Some(4),
                errors: vec![error()],
                ..transfer::Failed::default()
            }),
            "11",
        ),
    ]
}

fn plates(made: &dyn Fn(Body, &str) -> Event) -> Vec<Event> {
    vec![
        made(
            Body::PlateLoaded(labware::PlateLoaded {
                plate: Some(plate()),
                place: deck_place(Some("bench")),
                by: "gripper",
                outcome: Outcome::Confirmed,
            }),
            "6",
        ),
        made(
            Body::PlateMoved(labware::PlateMoved {
                plate: Some(plate()),
                labware: Some("bench".into()),
                from: deck_place(Some("bench")),
                to: Some(deck_place(None)),
                rotated_degrees: Some(90),
                by: "gripper",
                outcome: Outcome::Confirmed,
                errors: vec![],
            }),
            "7",
        ),
        made(
            Body::PlateRemoved(labware::PlateRemoved {
                plate: Some(plate()),
                labware: Some("bench".into()),
                from: deck_place(Some("bench")),
                reason: "gripped-and-lost",
                text: text("the gripper was initialised while it held the plate"),
                errors: vec![],
                outcome: Outcome::Unknown,
            }),
            "8",
        ),
        made(
            Body::BarcodeRead(labware::BarcodeRead {
                barcode: Some(text("08ABCDEF")),
                barcode_status: "read",
                labware: Some("bench".into()),
                instrument_place: Some(text("carrier 5, position 1")),
                reader: text("I0"),
                errors: vec![],
            }),
            "9",
        ),
    ]
}
