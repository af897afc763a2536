//! Several daemons, and the retained topics that tell which one publishes for a device.

#[path = "support/broker.rs"]
mod broker;
#[path = "support/outbox.rs"]
mod outbox;
#[path = "support/packet.rs"]
mod packet;

use broker::{Broker, Script, Seen};
use instrumentd::config::settings::BrokerSettings;
use instrumentd::publish::Phase;
use outbox::{Daemon, Rows, settings, start};

const PREFIX: &str = "instrumentd/v1/lab/";

#[tokio::test]
async fn a_session_taken_over_is_left_to_the_other() {
    let script = Script { taken_over_after: Some(5), long_disconnect: true, ..Script::default() };
    let broker = Broker::start(script).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    for _ in 0..20 {
        rows.add("one", 10);
    }
    let running = start(BrokerSettings { window: 1, ..settings(broker.port) }, &rows, &daemon);
    let status = daemon.until("standing by", |s| s.phase == Phase::StandingBy).await;
    assert!(status.other_instance.expect("named").contains("instrumentd-lab-here"));
    assert_eq!(rows.settled("one"), 5, "what was acknowledged before the bad news counts");
    running.stop().await;
    let connects = broker.seen().iter().filter(|(_, seen)| matches!(seen, Seen::Connect(_))).count();
    assert_eq!(connects, 1, "nobody is fought");
}

#[tokio::test]
async fn a_session_taken_over_without_a_word_is_noticed_by_its_pattern() {
    // Some brokers send the short form, which the client library loses, or nothing.
    let script = Script { taken_over_after: Some(1), resumes: true, ..Script::default() };
    let broker = Broker::start(script).await;
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    for _ in 0..500 {
        rows.add("one", 10);
    }
    let running = start(BrokerSettings { window: 1, ..settings(broker.port) }, &rows, &daemon);
    let status = daemon.until("standing by", |s| s.phase == Phase::StandingBy).await;
    assert!(status.other_instance.expect("named").contains("instrumentd-lab-here"));
    running.stop().await;
    let connects = broker.seen().iter().filter(|(_, seen)| matches!(seen, Seen::Connect(_))).count();
    assert!(connects <= 6, "{connects} connections");
}

#[tokio::test]
async fn a_device_of_another_live_node_is_not_published_for() {
    let broker = Broker::start(Script::default()).await;
    broker.retain(&format!("{PREFIX}devices/one/info"), r#"{"node":"there"}"#);
    broker.retain(&format!("{PREFIX}nodes/there/state"), r#"{"state":"online"}"#);
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    rows.add("one", 10);
    let running = start(settings(broker.port), &rows, &daemon);
    let status = daemon.until("standing by", |s| s.phase == Phase::StandingBy).await;
    assert_eq!(status.other_instance.as_deref(), Some("node `there` publishes for device `one`"));
    running.stop().await;
    assert!(!broker.seen().iter().any(|(_, seen)| matches!(seen, Seen::Publish(..))));
    assert_eq!(rows.settled("one"), 0);

    // The other one has stopped: its devices are free.
    broker.retain(&format!("{PREFIX}nodes/there/state"), r#"{"state":"stopped"}"#);
    let daemon = Daemon::new("here", &["one"]);
    let running = start(settings(broker.port), &rows, &daemon);
    rows.until_settled("one", 1).await;
    running.stop().await;
    let info = broker.retained(&format!("{PREFIX}devices/one/info")).expect("an info");
    assert!(info.contains("\"here\""), "{info}");
}

#[tokio::test]
async fn a_later_daemon_with_the_same_node_name_is_left_alone() {
    let broker = Broker::start(Script { drops_after: Some((3, 3)), ..Script::default() }).await;
    let state = |since: &str| format!(r#"{{"state":"online","since":"2026-11-{since}T00:00:00Z"}}"#);
    let topic = format!("{PREFIX}nodes/here/state");
    // What the run before left behind.
    broker.retain(&topic, &state("01"));
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    rows.add("one", 10);
    let running = start(settings(broker.port), &rows, &daemon);
    rows.until_settled("one", 1).await;
    // Another is started, and our connection is lost.
    broker.retain(&topic, &state("21"));
    for _ in 0..5 {
        rows.add("one", 10);
    }
    let status = daemon.until("standing by", |s| s.phase == Phase::StandingBy).await;
    assert!(status.other_instance.expect("named").contains("`here`"));
    running.stop().await;
    assert!(rows.settled("one") < 6);
    assert!(broker.retained(&topic).expect("a state").contains("2026-11-21"), "the other's state is not overwritten");
}

#[tokio::test]
async fn retained_topics_follow_the_devices() {
    let broker = Broker::start(Script::default()).await;
    let topic = |device: &str, what: &str| format!("{PREFIX}devices/{device}/{what}");
    broker.retain(&topic("old", "info"), r#"{"node":"here"}"#);
    broker.retain(&topic("moved", "info"), r#"{"node":"elsewhere"}"#);
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one", "two"]));
    for device in ["old", "moved"] {
        rows.add(device, 10);
        rows.retire(device);
    }
    let running = start(settings(broker.port), &rows, &daemon);
    let cleared = |device: &'static str| {
        move |seen: &[(usize, Seen)]| {
            seen.iter().any(|(_, seen)| {
                matches!(seen, Seen::Publish(p, _) if p.topic == topic(device, "info") && p.retain && p.payload.is_empty())
            })
        }
    };
    broker.until("the retired device's info is cleared", cleared("old")).await;
    broker.until("both infos", |_| broker.retained(&topic("two", "info")).is_some()).await;
    daemon.set_devices(&["one"]);
    broker.until("the info of a device that is gone is cleared", cleared("two")).await;
    running.stop().await;
    assert!(broker.retained(&topic("one", "info")).is_some());
    assert!(broker.retained(&topic("moved", "info")).is_some(), "it belongs to another node now");
}
