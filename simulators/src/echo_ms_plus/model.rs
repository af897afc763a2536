//! What the gateway says of the instrument: its nodes, and what each step makes of them. `docs/device-service.md` is the contract.

use std::collections::BTreeMap;

use instrument_proto::device::echo_ms_plus::{NAMESPACE_URI, event_type, field, node};
use instrument_proto::device::v1::method_description::Argument;
use instrument_proto::device::v1::structure::Field;
use instrument_proto::device::v1::variant::Value;
use instrument_proto::device::v1::{Array, Structure, Variant};
use instrument_proto::device::{NodeId, StatusCode, double, label, number, text, timestamp, variant};
use jiff::Timestamp;

use super::run::{Ejection, Kind as ShotKind, RunEnd, RunStart, Step, Survey, What};
use crate::device_service::{Access, AddressSpace, Event, Kind, Methods, Server, Variable};

const STRING: u32 = 12;
const UINT32: u32 = 7;
const INT32: u32 = 6;
const DOUBLE: u32 = 11;
const LOCALIZED_TEXT: u32 = 21;
const STRUCTURE: u32 = 22;
const DURATION: u32 = 290;

/// A path of the model out of its node id.
fn path(id: &str) -> &str {
    id.trim_start_matches("ns=2;s=")
}

/// A node of the model.
fn id(text: &str) -> NodeId {
    NodeId::string(2, path(text))
}

/// The nodes of an Echo MS+.
pub fn address_space(serial_number: &str) -> AddressSpace {
    let mut space = AddressSpace::new(vec![NAMESPACE_URI.to_owned()]);
    let mut object = |id: &str, notifier: bool, what: &str| space.add_path(path(id), Kind::Object { notifier }, what);
    object(node::DEVICE, true, "the Echo MS+");
    object(node::IDENTIFICATION, false, "who it is");
    object(node::UNITS, false, "what it can do");
    object(node::EJECTOR, false, "the acoustic ejector");
    object(node::STATE, false, "the functional unit's state machine");
    object(node::PROGRAM_MANAGER, false, "what it is told to do");
    object(node::PROGRAM, false, "the run");
    object(node::PLATE, false, "the plate in the ejector");
    object(node::FUNCTIONS, false, "what it measures and counts");
    object(node::COUPLING, false, "the fluid between transducer and plate");
    let mut add = |id: &str, variable: Variable, what: &str| {
        space.add_path(path(id), Kind::Variable(Box::new(variable)), what);
    };
    let known = |value: &str| Variable::fixed(STRING, text(value));
    add(node::MANUFACTURER, known("SCIEX"), "who made it");
    add(node::MODEL, known("Echo MS+ (simulated)"), "which model");
    add(node::SERIAL_NUMBER, known(serial_number), "its serial number");
    add(node::SOFTWARE_REVISION, known("0"), "its software");
    add(node::DEVICE_CLASS, known("acoustic ejection"), "what kind of device");
    add(node::ASSET_ID, known(""), "what the laboratory calls it");
    add(node::DEVICE_STATE, Variable::live(LOCALIZED_TEXT), "Initialization, Operate, Sleep, Shutdown");
    add(node::DEVICE_HEALTH, Variable::live(INT32), "NAMUR NE 107");
    add(node::LOCATION, known("").with_access(Access::ReadWrite), "where it stands");
    add(node::OPERATOR_NOTE, known("").with_access(Access::ReadWrite), "a note for people");
    add(node::CURRENT_STATE, Variable::live(LOCALIZED_TEXT), "Stopped, Running, …");
    add(node::RUNNING_STATE, Variable::live(LOCALIZED_TEXT), "Starting, Execute, … while Running");
    add(node::RUN_ID, Variable::live(STRING), "the run");
    add(node::TEMPLATE, Variable::live(STRING), "the method");
    add(node::RUNTIME, Variable::live(DURATION), "how long it has been running, milliseconds");
    add(node::ESTIMATED_RUNTIME, Variable::live(DURATION), "how long it is going to take, milliseconds");
    add(node::STEP_NAME, Variable::live(LOCALIZED_TEXT), "Survey, Ejection");
    add(node::STEP_NUMBER, Variable::live(UINT32), "shots that were due so far");
    add(node::SAMPLES, Variable::live(STRUCTURE).of_many(), "what the run is about");
    add(node::PLATE_BARCODE, Variable::live(STRING), "its barcode");
    add(node::PLATE_TYPE, Variable::live(STRING), "its type");
    add(node::PLATE_WELLS, Variable::live(UINT32), "384, 1536, or 0 without a plate");
    let history = |variable: Variable| variable.with_access(Access::ReadHistory);
    add(node::SHOTS_DONE, history(Variable::live(UINT32)), "shots of this run that were due so far");
    add(node::SHOTS_FAILED, history(Variable::live(UINT32)), "those of them that nothing came of");
    let volume = history(Variable::live(DOUBLE)).with_unit("Q34", "nL", "nanolitre");
    add(node::LAST_VOLUME, volume, "what came at the last shot");
    let warmth = history(Variable::live(DOUBLE)).with_unit("CEL", "°C", "degree Celsius").with_range(15.0, 35.0);
    add(node::COUPLING_TEMPERATURE, warmth, "its temperature");
    let argument = |name: &str, data_type: u32| Argument {
        name: name.to_owned(),
        data_type: NodeId::numeric(0, data_type).to_string(),
        value_rank: -1,
        description: None,
    };
    let mut method = |id: &str, executable: bool, inputs: Vec<Argument>, outputs: Vec<Argument>, what: &str| {
        space.add_path(path(id), Kind::Method { executable, inputs, outputs }, what);
    };
    let number = vec![argument("Number", UINT32)];
    method(node::ADD_COMMENT, true, vec![argument("Comment", STRING)], number, "notes a comment");
    method(node::IDENTIFY, true, vec![argument("Duration", DOUBLE)], Vec::new(), "makes itself seen");
    for (id, what) in [(node::START, "starts"), (node::STOP, "stops"), (node::ABORT, "aborts")] {
        method(id, false, Vec::new(), Vec::new(), what);
    }
    let types: [(&str, &[&str]); 6] = [
        (event_type::RUN_STARTED, field::RUN_STARTED),
        (event_type::WELL_SURVEYED, field::WELL_SURVEYED),
        (event_type::EJECTION, field::EJECTION),
        (event_type::MARKER, field::MARKER),
        (event_type::ERROR, field::ERROR),
        (event_type::RUN_ENDED, field::RUN_ENDED),
    ];
    for (id, fields) in types {
        space.add_event_type(path(id), fields);
    }
    space
}

/// The two harmless methods.
#[derive(Debug, Default)]
pub(super) struct HarmlessMethods {
    comments: u32,
}

impl Methods for HarmlessMethods {
    fn call(&mut self, method: &NodeId, arguments: &[Variant], _: Timestamp) -> Result<Vec<Variant>, StatusCode> {
        if *method == id(node::ADD_COMMENT) {
            let comment = arguments.first().and_then(Variant::as_text).unwrap_or_default();
            if comment.is_empty() || comment.len() > 1000 {
                return Err(StatusCode::BAD_OUT_OF_RANGE);
            }
            self.comments += 1;
            return Ok(vec![number(self.comments)]);
        }
        if *method == id(node::IDENTIFY) {
            let millis = arguments.first().and_then(Variant::as_f64).unwrap_or(-1.0);
            let is_fine = (0.0..=60_000.0).contains(&millis);
            return if is_fine { Ok(Vec::new()) } else { Err(StatusCode::BAD_OUT_OF_RANGE) };
        }
        Err(StatusCode::BAD_METHOD_INVALID)
    }
}

/// What the gateway knows of the run that is going on.
#[derive(Debug, Default)]
pub(super) struct Progress {
    started: Timestamp,
    due: u32,
    failed: u32,
}

fn word(text: &str) -> Variant {
    variant(Value::LocalizedText(label(text)))
}

fn time(time: Timestamp) -> Variant {
    variant(Value::DateTime(timestamp(time)))
}

fn array(element_type: u32, elements: Vec<Variant>) -> Variant {
    variant(Value::Array(Array { element_type, elements, dimensions: Vec::new() }))
}

/// The beginning: the instrument is there and does nothing.
pub(super) fn idle(server: &mut Server, source: Timestamp, now: Timestamp) {
    let mut set = |node: &str, value: Variant| server.set(&id(node), value, source, now);
    set(node::DEVICE_STATE, word("Operate"));
    set(node::DEVICE_HEALTH, variant(Value::Int32(0)));
    set(node::CURRENT_STATE, word("Stopped"));
    set(node::RUNNING_STATE, word(""));
    for empty in [node::RUN_ID, node::TEMPLATE, node::PLATE_BARCODE, node::PLATE_TYPE] {
        set(empty, text(""));
    }
    set(node::PLATE_WELLS, number(0));
    set(node::SAMPLES, array(STRUCTURE, Vec::new()));
    set(node::STEP_NAME, word(""));
    for zero in [node::STEP_NUMBER, node::SHOTS_DONE, node::SHOTS_FAILED] {
        set(zero, number(0));
    }
    for zero in [node::RUNTIME, node::ESTIMATED_RUNTIME, node::LAST_VOLUME] {
        set(zero, double(0.0));
    }
    set(node::COUPLING_TEMPERATURE, double(22.0));
}

/// What a step of the instrument makes of the nodes.
pub(super) fn show(server: &mut Server, step: &Step, progress: &mut Progress, now: Timestamp) {
    let source = step.time;
    let since = |progress: &Progress| double(source.duration_since(progress.started).as_secs_f64() * 1000.0);
    let mut set = |node: &str, value: Variant| server.set(&id(node), value, source, now);
    match &step.what {
        What::RunStarted(start) => {
            *progress = Progress { started: source, ..Progress::default() };
            set(node::CURRENT_STATE, word("Running"));
            set(node::RUNNING_STATE, word("Starting"));
            set(node::RUN_ID, text(&start.run_id));
            set(node::TEMPLATE, text(&start.method));
            set(node::PLATE_BARCODE, text(&start.barcode));
            set(node::PLATE_TYPE, text(plate_type(start.wells)));
            set(node::PLATE_WELLS, number(start.wells));
            set(node::SAMPLES, samples(start));
            set(node::STEP_NAME, word("Survey"));
            for zero in [node::STEP_NUMBER, node::SHOTS_DONE, node::SHOTS_FAILED] {
                set(zero, number(0));
            }
            set(node::RUNTIME, double(0.0));
            set(node::ESTIMATED_RUNTIME, double(f64::from(start.planned) * start.interval_s * 1000.0));
        }
        What::Surveyed(_) => set(node::RUNTIME, since(progress)),
        What::Shot(shot) => {
            if progress.due == 0 {
                set(node::RUNNING_STATE, word("Execute"));
                set(node::STEP_NAME, word("Ejection"));
            }
            progress.due += 1;
            progress.failed += u32::from(shot.actual.is_none());
            set(node::STEP_NUMBER, number(progress.due));
            set(node::SHOTS_DONE, number(progress.due));
            set(node::SHOTS_FAILED, number(progress.failed));
            set(node::LAST_VOLUME, double(shot.actual_nl));
            set(node::RUNTIME, since(progress));
        }
        What::RunEnded(end) => {
            set(node::RUNTIME, since(progress));
            set(node::RUNNING_STATE, word(""));
            set(node::CURRENT_STATE, word(if end.outcome == "aborted" { "Aborted" } else { "Stopped" }));
            set(node::RUN_ID, text(""));
            set(node::STEP_NAME, word(""));
            set(node::SAMPLES, array(STRUCTURE, Vec::new()));
            set(node::PLATE_BARCODE, text(""));
            set(node::PLATE_TYPE, text(""));
            set(node::PLATE_WELLS, number(0));
        }
        What::Temperature(warmth) => set(node::COUPLING_TEMPERATURE, double(*warmth)),
    }
}

fn plate_type(wells: u32) -> &'static str {
    if wells == 1536 { "1536LDV" } else { "384PP" }
}

fn samples(start: &RunStart) -> Variant {
    let field = |name: &str, value: &str| Field { name: name.to_owned(), value: Some(text(value)) };
    let sample = |(well, sample_id): &(String, String)| {
        let fields = vec![
            field("ContainerId", &start.barcode),
            field("SampleId", sample_id),
            field("Position", well),
            field("CustomData", ""),
        ];
        variant(Value::Structure(Structure { type_id: "ns=2;s=SampleInfoType".to_owned(), fields }))
    };
    let listed = start.list.iter().flatten().filter(|(label, _)| !label.contains("Marker"));
    array(STRUCTURE, listed.map(sample).collect())
}

/// The events of a step; a shot of which nothing came is an error too.
pub(super) fn events(step: &Step, now: Timestamp) -> Vec<Event> {
    match &step.what {
        What::RunStarted(start) => vec![run_started(start, step.time, now)],
        What::Surveyed(survey) => vec![surveyed(survey, step.time, now)],
        What::Shot(shot) => {
            let mut events = vec![ejected(shot, step.time, now)];
            if shot.actual.is_none() {
                events.push(error(shot, step.time, now));
            }
            events
        }
        What::RunEnded(end) => vec![run_ended(end, step.time, now)],
        What::Temperature(_) => Vec::new(),
    }
}

type Fields = Vec<(&'static str, Variant)>;

fn event(
    of: &str,
    key: String,
    message: String,
    severity: u16,
    times: (Timestamp, Timestamp),
    fields: Fields,
) -> Event {
    Event {
        id: key.into_bytes(),
        event_type: id(of),
        source: id(node::EJECTOR),
        source_name: "Ejector".to_owned(),
        time: times.0,
        received: times.1,
        message,
        severity,
        fields: fields.into_iter().collect::<BTreeMap<_, _>>(),
    }
}

fn run_started(start: &RunStart, at: Timestamp, now: Timestamp) -> Event {
    let mut fields = vec![
        ("RunId", text(&start.run_id)),
        ("Method", text(&start.method)),
        ("PlateBarcode", text(&start.barcode)),
        ("PlateType", text(plate_type(start.wells))),
        ("PlateWells", number(start.wells)),
        ("Operator", text("simulator")),
        ("PlannedShots", number(start.planned)),
        ("ShotIntervalS", double(start.interval_s)),
    ];
    if let Some(list) = &start.list {
        let strings = |texts: Vec<&str>| array(STRING, texts.into_iter().map(text).collect());
        fields.push(("ShotList", strings(list.iter().map(|(label, _)| label.as_str()).collect())));
        fields.push(("ShotSampleIds", strings(list.iter().map(|(_, sample_id)| sample_id.as_str()).collect())));
        fields.push(("ShotVolumesNl", array(DOUBLE, list.iter().map(|_| double(start.nominal_nl)).collect())));
        fields.push(("OrderBasis", text(if start.in_order { "reported" } else { "typed" })));
    }
    let message = format!("run {} began with {} shots", start.run_id, start.planned);
    event(event_type::RUN_STARTED, format!("{}/started", start.run_id), message, 100, (at, now), fields)
}

fn surveyed(survey: &Survey, at: Timestamp, now: Timestamp) -> Event {
    let fields = vec![
        ("RunId", text(&survey.run_id)),
        ("PlateBarcode", text(&survey.barcode)),
        ("Well", text(&survey.well)),
        ("FluidVolumeUl", survey.volume_ul.map(double).unwrap_or_default()),
        ("Fluid", text("AQ")),
        ("FluidComposition", double(0.0)),
        ("Status", text(survey.status)),
    ];
    let key = format!("{}/surveyed/{}", survey.run_id, survey.well);
    event(event_type::WELL_SURVEYED, key, format!("well {} surveyed", survey.well), 50, (at, now), fields)
}

fn ejected(shot: &Ejection, at: Timestamp, now: Timestamp) -> Event {
    let mut fields = vec![
        ("RunId", text(&shot.run_id)),
        ("Order", number(shot.order)),
        ("ExpectedTime", time(shot.expected)),
        ("ActualTime", shot.actual.map(time).unwrap_or_default()),
        ("Status", text(shot.status)),
    ];
    let (of, what) = match &shot.kind {
        ShotKind::Marker { label } => {
            fields.push(("Label", text(label)));
            (event_type::MARKER, label.clone())
        }
        ShotKind::Sample { well, repeat, sample_id } => {
            fields.extend([
                ("PlateBarcode", text(&shot.barcode)),
                ("Well", text(well)),
                ("Repeat", number(*repeat)),
                ("SampleId", text(sample_id)),
                ("NominalVolumeNl", double(shot.nominal_nl)),
                ("ActualVolumeNl", double(shot.actual_nl)),
            ]);
            (event_type::EJECTION, well.clone())
        }
    };
    let message = format!("shot {} ({what}): {}", shot.order, shot.status);
    let key = format!("{}/shot/{}", shot.run_id, shot.order);
    event(of, key, message, 50, (shot.actual.unwrap_or(at), now), fields)
}

fn error(shot: &Ejection, at: Timestamp, now: Timestamp) -> Event {
    let well = match &shot.kind {
        ShotKind::Sample { well, .. } => text(well),
        ShotKind::Marker { .. } => Variant::default(),
    };
    let fields = vec![
        ("RunId", text(&shot.run_id)),
        ("Code", text(if shot.status == "empty" { "EJ-EMPTY" } else { "EJ-MISSED" })),
        ("Well", well),
        ("Order", number(shot.order)),
    ];
    let message = format!("nothing came of shot {}: {}", shot.order, shot.status);
    event(event_type::ERROR, format!("{}/error/{}", shot.run_id, shot.order), message, 700, (at, now), fields)
}

fn run_ended(end: &RunEnd, at: Timestamp, now: Timestamp) -> Event {
    let fields = vec![
        ("RunId", text(&end.run_id)),
        ("Outcome", text(end.outcome)),
        ("Planned", number(end.planned)),
        ("Ejected", number(end.ejected)),
        ("Failed", number(end.failed)),
        ("Markers", number(end.markers)),
        ("StartTime", time(end.started)),
        ("EndTime", time(at)),
    ];
    let message = format!("run {} {}: {} ejected, {} failed", end.run_id, end.outcome, end.ejected, end.failed);
    event(event_type::RUN_ENDED, format!("{}/ended", end.run_id), message, 100, (at, now), fields)
}
