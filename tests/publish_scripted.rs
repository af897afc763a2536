//! The publisher against a broker that does what a script says.

#[path = "support/broker.rs"]
mod broker;
#[path = "support/outbox.rs"]
mod outbox;
#[path = "support/packet.rs"]
mod packet;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Script, Seen};
use instrumentd::config::settings::BrokerSettings;
use instrumentd::publish::Phase;
use outbox::{Daemon, Rows, settings, start};
use packet::Publish;

const PREFIX: &str = "instrumentd/v1/lab/";
const REQUESTS: &str = "instrumentd/v1/lab/nodes/here/requests/replay";

/// The sequences of a device's events, in the order in which they arrived, with the reason of the acknowledgement.
fn arrivals(seen: &[(usize, Seen)]) -> BTreeMap<String, Vec<(u64, Option<u8>)>> {
    let mut all: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (_, seen) in seen {
        if let Seen::Publish(publish, reason) = seen
            && let Some(rest) = publish.topic.strip_prefix("instrumentd/v1/lab/devices/")
            && let Some((device, "cultivation/measured")) = rest.split_once("/events/")
        {
            let event: serde_json::Value = serde_json::from_slice(&publish.payload).expect("JSON");
            let sequence = event["sequence"].as_str().expect("a sequence").parse().expect("a number");
            all.entry(device.to_owned()).or_default().push((sequence, *reason));
        }
    }
    all
}

/// Every row arrived, the first deliveries in order, nothing settled that was not acknowledged, nothing against the
/// standard.
fn assert_complete(broker: &Broker, rows: &Rows, devices: &[(&str, u64)]) {
    assert_eq!(broker.breaches(), [""; 0]);
    assert_eq!(rows.going_back(), [""; 0]);
    let arrivals = arrivals(&broker.seen());
    for (device, last) in devices {
        let got = &arrivals[*device];
        let mut known = BTreeSet::new();
        let firsts: Vec<u64> = got.iter().map(|(sequence, _)| *sequence).filter(|s| known.insert(*s)).collect();
        assert_eq!(firsts, (1..=*last).collect::<Vec<_>>(), "{device}");
        let taken: BTreeSet<u64> = got.iter().filter(|(_, reason)| *reason == Some(0)).map(|(s, _)| *s).collect();
        assert!((1..=rows.settled(device)).all(|s| taken.contains(&s)), "{device}: settled without being taken");
    }
}

fn ended(seen: &[(usize, Seen)]) -> bool {
    matches!(seen.last(), Some((_, Seen::Closed)))
}

async fn chaos(script: Script, window: u16, rows: Arc<Rows>, count: u64) {
    let broker = Broker::start(script).await;
    let daemon = Daemon::new("here", &["one", "two", "three"]);
    let stall = Duration::from_secs(1);
    let running = start(BrokerSettings { window, stall, ..settings(broker.port) }, &rows, &daemon);
    for n in 0..count {
        for device in ["one", "two", "three"] {
            rows.add(device, fastrand::usize(0..3000));
        }
        if n % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for device in ["one", "two", "three"] {
        rows.until_settled(device, count).await;
    }
    running.stop().await;
    assert_complete(&broker, &rows, &[("one", count), ("two", count), ("three", count)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_dies_at_random_loses_nothing() {
    let script = Script { drops_after: Some((50, 3000)), ..Script::default() };
    chaos(script, 100, Rows::from_disk_only(), 4000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_reading_or_acknowledging_loses_nothing() {
    let deaf =
        Script { stops_reading_after: Some(700), sometimes: true, drops_after: Some((500, 1500)), ..Script::default() };
    chaos(deaf, 100, Rows::new(), 1500).await;
    let silent =
        Script { silent_after: Some(300), sometimes: true, drops_after: Some((400, 1200)), ..Script::default() };
    chaos(silent, 20, Rows::new(), 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgements_out_of_order_with_a_resumed_session_lose_nothing() {
    let script = Script { shuffles: true, resumes: true, drops_after: Some((300, 2000)), ..Script::default() };
    chaos(script, 30, Rows::new(), 2000).await;
}

#[tokio::test]
async fn a_receive_maximum_of_one_is_obeyed() {
    let broker = Broker::start(Script { receive_maximum: Some(1), ..Script::default() }).await;
    let rows = Rows::new();
    let daemon = Daemon::new("here", &["one"]);
    let running = start(settings(broker.port), &rows, &daemon);
    for _ in 0..200 {
        rows.add("one", 10);
    }
    rows.until_settled("one", 200).await;
    running.stop().await;
    assert_complete(&broker, &rows, &[("one", 200)]);
}

#[tokio::test]
async fn the_connection_is_as_the_contract_says() {
    let broker = Broker::start(Script::default()).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    rows.add("one", 10);
    let running = start(settings(broker.port), &rows, &daemon);
    rows.until_settled("one", 1).await;
    running.stop().await;
    broker.until("the end", ended).await;
    let seen = broker.seen();
    let Seen::Connect(connect) = &seen[0].1 else { panic!("{seen:#?}") };
    assert_eq!((connect.client_id.as_str(), connect.clean_start), ("instrumentd-lab-here", false));
    assert_eq!((connect.keep_alive, &connect.user, &connect.password), (30, &None, &None));
    let will = connect.will.as_ref().expect("a will");
    assert_eq!(will.topic, "instrumentd/v1/lab/nodes/here/state");
    assert!(will.retain && will.qos == 1 && will.properties.utf8);
    assert_eq!(will.payload, br#"{"node":"here","since":"2026-11-20T10:00:00.000Z","state":"offline"}"#);
    let (delay, expiry) = (will.properties.will_delay.expect("set"), connect.properties.session_expiry.expect("set"));
    assert!(expiry > delay && delay == 10, "the will would come at once");

    let publishes: Vec<&Publish> = seen
        .iter()
        .filter_map(|(_, seen)| if let Seen::Publish(publish, _) = seen { Some(publish) } else { None })
        .collect();
    let find = |topic: &str| {
        *publishes.iter().find(|p| p.topic == format!("{PREFIX}{topic}")).unwrap_or_else(|| panic!("{topic}"))
    };
    let event = find("devices/one/events/cultivation/measured");
    assert!(!event.retain && event.properties.utf8 && event.properties.expiry.is_none());
    assert_eq!(event.properties.content_type.as_deref(), Some("application/cloudevents+json"));
    let state = find("devices/one/state");
    assert!(state.retain && state.properties.expiry == Some(90), "states expire");
    let info = find("devices/one/info");
    assert!(info.retain && info.properties.expiry.is_none(), "infos stay");
    let online = find("nodes/here/state");
    assert!(online.retain && online.properties.expiry == Some(90));

    // Infos and our own state are looked at before anything is published, and requests are subscribed to strictly.
    let first_publish = seen.iter().position(|(_, s)| matches!(s, Seen::Publish(..))).expect("one");
    let last_subscribe = seen.iter().rposition(|(_, s)| matches!(s, Seen::Subscribe(_))).expect("one");
    assert!(last_subscribe < first_publish);
    let Seen::Subscribe(filters) = &seen[last_subscribe].1 else { unreachable!() };
    // QoS 1, no local, retain as published, retained messages are sent.
    assert_eq!(filters, &[(REQUESTS.to_owned(), 0b0000_1101)]);

    // At the end: `stopped`, retained for good, then DISCONNECT and nothing else.
    let ending: Vec<_> = seen[seen.len() - 3..].iter().map(|(_, seen)| seen).collect();
    let [Seen::Publish(stopped, Some(0)), Seen::Disconnect(0), Seen::Closed] = ending[..] else {
        panic!("{ending:#?}")
    };
    assert_eq!(stopped.payload, br#"{"node":"here","since":"2026-11-20T10:00:00.000Z","state":"stopped"}"#);
    assert!(stopped.retain && stopped.properties.expiry.is_none());
    assert_eq!(broker.breaches(), [""; 0]);
    assert_eq!(daemon.until("stopped", |s| s.phase == Phase::Stopped).await.settled, 1);
}

#[tokio::test]
async fn a_packet_too_large_goes_without_its_data() {
    let broker = Broker::start(Script { max_packet: Some(4096), ..Script::default() }).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    for size in [10, 3500, 5000, 100_000, 10] {
        rows.add("one", size);
    }
    let running = start(settings(broker.port), &rows, &daemon);
    rows.until_settled("one", 5).await;
    running.stop().await;
    assert_complete(&broker, &rows, &[("one", 5)]);
    let events: Vec<serde_json::Value> = broker
        .seen()
        .iter()
        .filter_map(|(_, seen)| match seen {
            Seen::Publish(p, _) if p.topic.contains("/events/") => serde_json::from_slice(&p.payload).ok(),
            _ => None,
        })
        .collect();
    let with_data: Vec<bool> = events.iter().map(|event| event.get("data").is_some()).collect();
    assert_eq!(with_data, [true, true, false, false, true]);
    assert!(events[2]["dataref"].as_str().expect("text").ends_with(events[2]["id"].as_str().expect("text")));
    assert_eq!(daemon.until("stopped", |s| s.phase == Phase::Stopped).await.without_data, 2);
}

#[tokio::test]
async fn a_broker_with_tiny_packets_is_refused_and_nothing_is_settled() {
    let broker = Broker::start(Script { max_packet: Some(256), ..Script::default() }).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    rows.add("one", 10);
    let running = start(settings(broker.port), &rows, &daemon);
    let status = daemon.until("refused", |s| s.phase == Phase::Refused).await;
    let problem = status.last_error.expect("a problem");
    assert!(problem.text.contains("256"), "{problem:?}");
    assert!(problem.remedy.contains("maximum packet size"), "{problem:?}");
    running.stop().await;
    broker.until("the end", ended).await;
    assert_eq!(rows.settled("one"), 0);
    assert!(arrivals(&broker.seen()).is_empty());
    assert!(broker.seen().iter().any(|(_, seen)| matches!(seen, Seen::Disconnect(0))), "the will must not come");
    assert_eq!(broker.breaches(), [""; 0]);
}

#[tokio::test]
async fn a_broker_that_closes_instead_of_answering_is_told_apart_and_tried_again() {
    let script = Script { max_packet: Some(64), minds_connect: true, ..Script::default() };
    let broker = Broker::start(script).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    rows.add("one", 10);
    let running = start(settings(broker.port), &rows, &daemon);
    let status = daemon.until("told", |s| s.last_error.is_some()).await;
    let problem = status.last_error.expect("a problem");
    assert!(problem.text.contains("instead of answering its CONNECT of "), "{problem:?}");
    assert!(problem.remedy.contains("no packet as large as that"), "{problem:?}");
    assert_eq!(rows.settled("one"), 0);
    broker.script(|script| *script = Script::default());
    rows.until_settled("one", 1).await;
    running.stop().await;
    assert_complete(&broker, &rows, &[("one", 1)]);
}

#[tokio::test]
async fn a_broker_without_acknowledgements_or_without_access_is_refused() {
    let broker = Broker::start(Script { max_qos: Some(0), ..Script::default() }).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    let running = start(settings(broker.port), &rows, &daemon);
    let status = daemon.until("refused", |s| s.phase == Phase::Refused).await;
    assert!(status.last_error.expect("a problem").text.contains("QoS 0"));
    running.stop().await;

    let broker = Broker::start(Script { connack: 0x87, ..Script::default() }).await;
    let daemon = Daemon::new("here", &["one"]);
    let running = start(settings(broker.port), &rows, &daemon);
    let status = daemon.until("refused", |s| s.phase == Phase::Refused).await;
    let problem = status.last_error.expect("a problem");
    assert!(problem.text.contains("not authorised") && problem.remedy.contains("password"), "{problem:?}");
    broker.script(|script| script.connack = 0);
    daemon.until("connected", |s| s.phase == Phase::Connected).await;
    running.stop().await;
}

#[tokio::test]
async fn a_broker_without_retained_messages_is_served_without_them() {
    let broker = Broker::start(Script { no_retain: true, ..Script::default() }).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    rows.add("one", 10);
    let running = start(settings(broker.port), &rows, &daemon);
    rows.until_settled("one", 1).await;
    running.stop().await;
    assert_complete(&broker, &rows, &[("one", 1)]);
}

#[tokio::test]
async fn a_server_keep_alive_of_zero_makes_no_flood() {
    let broker = Broker::start(Script { server_keep_alive: Some(0), ..Script::default() }).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    let running = start(settings(broker.port), &rows, &daemon);
    for sequence in 1..=300 {
        rows.add("one", 10);
        rows.until_settled("one", sequence).await;
    }
    running.stop().await;
    let connects = broker.seen().iter().filter(|(_, seen)| matches!(seen, Seen::Connect(_))).count();
    assert_eq!(connects, 1, "the connection lasts");
    assert_complete(&broker, &rows, &[("one", 300)]);
}

#[tokio::test]
async fn a_device_that_may_not_publish_is_held_and_released() {
    let script = Script {
        refuse: vec![("devices/two/events".into(), 0x87)],
        drops_after: Some((350, 350)),
        ..Script::default()
    };
    let broker = Broker::start(script).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one", "two"]));
    for _ in 0..150 {
        rows.add("one", 10);
        rows.add("two", 10);
    }
    let running = start(settings(broker.port), &rows, &daemon);
    rows.until_settled("one", 150).await;
    let status = daemon.until("held", |s| !s.held.is_empty()).await;
    let held = &status.held[0];
    assert_eq!((held.device.as_str(), held.sequence, held.needs_operator), ("two", 1, true));
    assert!(held.reason.contains("not authorised") && held.remedy.contains("access list"), "{held:?}");
    assert_eq!(rows.settled("two"), 0);
    // Mended; the next connection tries at once.
    broker.script(|script| {
        script.refuse.clear();
        script.drops_after = None;
    });
    for _ in 0..400 {
        rows.add("one", 10);
    }
    rows.until_settled("two", 150).await;
    rows.until_settled("one", 550).await;
    daemon.until("released", |s| s.held.is_empty()).await;
    running.stop().await;
    let got = arrivals(&broker.seen());
    let taken: Vec<u64> = got["two"].iter().filter(|(_, reason)| *reason == Some(0)).map(|(s, _)| *s).collect();
    assert_eq!(taken, (1..=150).collect::<Vec<_>>(), "in order and once");
    assert_eq!(broker.breaches(), [""; 0]);
}

#[tokio::test]
async fn a_quota_only_delays() {
    let broker = Broker::start(Script { refuse: vec![("/events/".into(), 0x97)], ..Script::default() }).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    for _ in 0..10 {
        rows.add("one", 10);
    }
    let running = start(settings(broker.port), &rows, &daemon);
    let status = daemon.until("waiting", |s| !s.held.is_empty()).await;
    assert!(!status.held[0].needs_operator && status.held[0].reason.contains("quota"));
    broker.script(|script| script.refuse.clear());
    rows.until_settled("one", 10).await;
    running.stop().await;
    assert_complete(&broker, &rows, &[("one", 10)]);
}

#[tokio::test]
async fn nobody_listening_settles_and_an_invalid_payload_is_set_aside() {
    let script = Script {
        refuse: vec![("devices/one/events".into(), 0x10), ("devices/two/events".into(), 0x99)],
        ..Script::default()
    };
    let broker = Broker::start(script).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one", "two"]));
    for device in ["one", "one", "two"] {
        rows.add(device, 10);
    }
    let running = start(settings(broker.port), &rows, &daemon);
    rows.until_settled("one", 2).await;
    rows.until_settled("two", 1).await;
    running.stop().await;
    let status = daemon.until("stopped", |s| s.phase == Phase::Stopped).await;
    assert_eq!((status.no_subscribers, status.dead_letters), (2, 1));
    let dead = rows.dead();
    assert_eq!((dead[0].0.as_str(), dead[0].1), ("two", 1));
    assert!(dead[0].2.contains("payload format invalid"));
}
