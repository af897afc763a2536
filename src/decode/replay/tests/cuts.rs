//! Captures of gRPC services and of file sets that were cut and spoilt anywhere.

use instrument_proto::biolector_xt as wire;
use instrument_proto::codec::capture::{Direction, NoteKind, write_chunk, write_note};
use instrument_proto::device::v1::{EventFields, EventNotification, NotificationMessage, Variant, variant};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::driver::zenotof::ejection::Order;
use crate::driver::{biolector, biolector_xt, echo_ms, zenotof};
use crate::event::{DeviceId, SiteId};

fn names() -> (SiteId, DeviceId) {
    ("lab".parse().expect("a name"), "one".parse().expect("a name"))
}

fn at(number: usize) -> Timestamp {
    Timestamp::from_second(1_772_434_800 + i64::try_from(number).expect("small")).expect("in range")
}

fn piece(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).expect("short");
    [&[0][..], &length.to_be_bytes(), &message].concat()
}

fn note(text: &mut Vec<u8>, number: usize, kind: NoteKind, what: &str) {
    write_note(text, &Note { at: at(number), source: None, kind, text: what.to_owned() });
}

/// A run of which two cycles were heard; the values are long enough for several lines.
fn remote() -> Vec<u8> {
    let mut text = Vec::new();
    let came = |text: &mut Vec<u8>, number: usize, call: &str, bytes: Vec<u8>| {
        write_chunk(text, at(number), Direction::FromInstrument, Some(call), 0, &bytes);
    };
    let experiment = wire::ExperimentInfo {
        experiment_id: "{4E1F2105-4FD0-4DE0-AD3F-024E7355194D}".to_owned(),
        start_time: "2026-03-02T07:00:00+00:00".to_owned(),
        ..Default::default()
    };
    note(&mut text, 0, NoteKind::Opened, "an-epoch");
    came(
        &mut text,
        0,
        "2/GetExperimentList",
        piece(&wire::GetExperimentListResponse { experiments: vec![experiment] }),
    );
    let value = wire::cultivation_values_item::Value { index: 1, name: "Biomass".to_owned(), ..Default::default() };
    let item = |label| {
        let values = vec![value.clone()];
        wire::CultivationValuesItem { label, current_volume: 800.0, values, ..Default::default() }
    };
    let values = wire::GetCultivationValuesResponse { cultivations: (0..300).map(|label| item(label % 48)).collect() };
    for number in 1..60 {
        if number % 10 == 1 {
            let progress = wire::GetCurrentProgressResponse { cycle: 1 + number as u64 / 30, ..Default::default() };
            came(&mut text, number, "5/GetCurrentProgress", piece(&progress));
            came(&mut text, number, "6/GetCultivationValues", piece(&values));
        }
        let status = wire::MeasurementStatus {
            cultivation: i32::try_from(number % 30).expect("a well"),
            channel_index: 1,
            channel_name: "Biomass".to_owned(),
            value: 1.5,
            experiment_duration: number as u64,
            timestamp: Some(prost_types::Timestamp { seconds: at(number).as_second(), nanos: 0 }),
        };
        let update = Some(wire::status_update_stream_response::Update::MeasurementStatus(status));
        came(&mut text, number, "3/StatusUpdateStream", piece(&wire::StatusUpdateStreamResponse { update }));
    }
    note(&mut text, 60, NoteKind::Closed, "cut");
    text
}

/// Messages of events, as far as their shape goes.
fn service() -> Vec<u8> {
    let mut text = Vec::new();
    note(&mut text, 0, NoteKind::Opened, "a gateway");
    for number in 1..20 {
        let value = |value| Variant { value: Some(value) };
        let mut fields = vec![Variant::default(); 40];
        fields[0] = value(variant::Value::ByteString(vec![number as u8; 200]));
        fields[1] = value(variant::Value::NodeId("ns=2;s=nothing".to_owned()));
        let event = EventNotification { client_handle: 0, event: Some(EventFields { fields }) };
        let message =
            NotificationMessage { sequence_number: number as u32, events: vec![event; 12], ..Default::default() };
        write_chunk(&mut text, at(number), Direction::FromInstrument, Some("4/Publish"), 0, &piece(&message));
    }
    text
}

/// Looks at a set that is not whole, and a digest.
fn sets() -> Vec<u8> {
    let mut text = Vec::new();
    let look = r#"{"looked":{"stem":"a","base":null,"members":[{"kind":"wiff","at":{"root":"data","path":"a.wiff"},
        "state":{"size":7,"modified":1,"file":3},"beginning":5}],"journal":false,
        "wiff":null,"scan":null,"wiff2":null,"behind_s":null,"hollow":false}}"#;
    let digest = r#"{"hashed":{"kind":"wiff","at":{"root":"data","path":"a.wiff"},"state":{"size":7,"modified":1,"file":3},"sha256":"00"}}"#;
    for number in 1..20 {
        let opened =
            Note { at: at(number), source: Some("data/a".to_owned()), kind: NoteKind::Opened, text: String::new() };
        write_note(&mut text, &opened);
        for line in [look.replace('7', &number.to_string()), digest.to_owned()] {
            write_chunk(&mut text, at(number), Direction::FromInstrument, Some("data/a"), 0, line.as_bytes());
        }
    }
    text
}

/// What the events of a capture say, by id, and how many messages and lines were passed over.
fn replayed(text: &[u8], kind: Kind) -> Option<(BTreeMap<String, String>, u64)> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.capture");
    std::fs::write(&file, text).expect("written");
    let (site, device) = names();
    let source = EventSource::new(&site, &device);
    let origin = Origin { source, partition: device.clone(), ingest: Ingest::Backfill, position: None };
    let driver = move || -> Box<dyn Driver> {
        match kind {
            Kind::Remote(_) => {
                let profile = crate::profile::shipped("biolector-xt").expect("a profile");
                let context = biolector::Context::new(&site, &device, profile, TimeZone::UTC);
                Box::new(biolector_xt::driver(context))
            }
            Kind::Sets => {
                let profile = crate::profile::shipped("zenotof-7600").expect("a profile");
                let crate::profile::Kind::Zenotof(model) = &profile.kind else { panic!("{profile:?}") };
                let settings = zenotof::Settings::default();
                let context = zenotof::Context::new(&site, &device, model.clone(), TimeZone::UTC, settings);
                Box::new(zenotof::driver(context))
            }
            _ => Box::new(echo_ms::driver(echo_ms::Context::new(&site, &device, Order::default()))),
        }
    };
    let mut out = Vec::new();
    let mut replay = Replay::new(kind, Box::new(driver), &[], origin, &mut out);
    replay.read(&file, &mut |_, _| {}).ok()?;
    replay.end().expect("written");
    let found = replay.found();
    drop(replay);
    let events = String::from_utf8(out).expect("text");
    let event = |line: &str| -> serde_json::Value { serde_json::from_str(line).expect("JSON") };
    let by_id = events.lines().map(event).map(|event| (event["id"].to_string(), event["data"].to_string()));
    Some((by_id.collect(), found.passed_over + found.mistaken))
}

#[test]
fn a_whole_capture_has_nothing_to_pass_over() {
    let (events, passed_over) = replayed(&remote(), Kind::Remote(1 << 20)).expect("a capture");
    assert!(events.len() > 30 && passed_over == 0, "{} events, {passed_over}", events.len());
    let (_, passed_over) = replayed(&service(), Kind::Service(echo_ms::WANTED)).expect("a capture");
    assert_eq!(passed_over, 0);
    let (_, passed_over) = replayed(&sets(), Kind::Sets).expect("a capture");
    assert_eq!(passed_over, 0);
}

#[test]
fn a_message_that_was_cut_is_passed_over_and_counted() {
    let text = remote();
    let whole = String::from_utf8(text.clone()).expect("ASCII");
    let lines: Vec<&str> = whole.lines().collect();
    let second = lines.iter().position(|line| line.contains("GetCultivationValues 2048 ")).expect("several lines");
    for gone in [second - 1, second, second + 1] {
        let kept: Vec<&str> = lines.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, line)| *line).collect();
        let (events, passed_over) = replayed(kept.join("\n").as_bytes(), Kind::Remote(1 << 20)).expect("a capture");
        assert!(passed_over >= 1 && events.len() > 30, "{passed_over}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_that_is_done_to_a_capture_breaks_its_replay(
        which in 0usize..3,
        from in 0usize..4000,
        less in 0usize..4000,
        spoilt in proptest::collection::vec((0usize..30_000, any::<u8>()), 0..40),
        gone in proptest::collection::vec(0usize..400, 0..30),
    ) {
        let (mut text, kind) = match which {
            0 => (remote(), Kind::Remote(1 << 20)),
            1 => (service(), Kind::Service(echo_ms::WANTED)),
            _ => (sets(), Kind::Sets),
        };
        for (at, byte) in spoilt {
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
        }
        let lines = text.split(|byte| *byte == b'\n').enumerate().filter(|(at, _)| !gone.contains(at));
        let text = lines.map(|(_, line)| line).collect::<Vec<_>>().join(&b'\n');
        let end = text.len().saturating_sub(less).max(from.min(text.len()));
        let _ = replayed(&text[from.min(text.len())..end], kind);
    }

    #[test]
    fn messages_of_any_bytes_break_nothing(
        messages in proptest::collection::vec((0usize..12, proptest::collection::vec(any::<u8>(), 0..200)), 0..40),
    ) {
        let methods = [
            "StatusUpdateStream", "GetProtocols", "GetExperimentList", "GetCurrentProgress", "GetCultivationValues",
            "DownloadExperiment", "GetShakerControlStatus", "Publish", "Republish", "HistoryRead", "Read", "GetServerStatus",
        ];
        let mut text = Vec::new();
        note(&mut text, 0, NoteKind::Opened, "an-epoch");
        for (number, (method, bytes)) in messages.iter().enumerate() {
            let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
            let piece = [&[0][..], &length, bytes].concat();
            let call = format!("{}/{}", number + 2, methods[*method]);
            for way in [Direction::ToInstrument, Direction::FromInstrument] {
                write_chunk(&mut text, at(number), way, Some(&call), 0, &piece);
            }
        }
        for kind in [Kind::Remote(1 << 20), Kind::Service(echo_ms::WANTED), Kind::Sets] {
            prop_assert!(replayed(&text, kind).is_some());
        }
    }
}
