//! The publisher against the real Mosquitto: killed, frozen, with an access list, with TLS.

#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/outbox.rs"]
mod outbox;
#[path = "support/subscriber.rs"]
mod subscriber;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use instrumentd::config::settings::{BrokerSettings, TlsSettings};
use instrumentd::publish::Phase;
use mosquitto::{Mosquitto, openssl};
use outbox::{Daemon, JOURNAL, Rows, settings, start};
use rumqttc::v5::mqttbytes::v5::Publish;
use subscriber::{Subscriber, topic};

const EVENTS: &str = "instrumentd/v1/lab/devices/+/events/#";

/// The documented configuration, on a port and in a folder of the test's own. As root, Mosquitto would become a user
/// who may not write there.
fn documented() -> String {
    include_str!("../docs/mosquitto.conf")
        .replace("listener 1883 127.0.0.1", "user root\nlistener PORT 127.0.0.1")
        .replace("persistence_location /tmp/", "persistence_location DIR/")
}

/// The sequences of the events, by device, in the order in which they came.
fn sequences(got: &[Publish]) -> BTreeMap<String, Vec<u64>> {
    let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for publish in got {
        let event: serde_json::Value = serde_json::from_slice(&publish.payload).expect("JSON");
        let Some(source) = event["source"].as_str() else { continue };
        let device = source.rsplit(':').next().expect("a device").to_owned();
        all.entry(device).or_default().push(event["data"]["n"].as_u64().expect("a number"));
    }
    all
}

fn missing(got: &[Publish], device: &str, last: u64) -> Vec<u64> {
    let known: BTreeSet<u64> = sequences(got).remove(device).unwrap_or_default().into_iter().collect();
    (1..=last).filter(|sequence| !known.contains(sequence)).collect()
}

fn first_deliveries_in_order(got: &[Publish], device: &str) -> bool {
    let mut highest = 0;
    let sequences = sequences(got).remove(device).unwrap_or_default();
    let mut known = BTreeSet::new();
    sequences.into_iter().filter(|s| known.insert(*s)).all(|s| std::mem::replace(&mut highest, s) < s)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_killed_stopped_and_frozen_loses_nothing() {
    let Some(mut broker) = Mosquitto::start(&documented()).await else { return };
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    let stall = Duration::from_secs(1);
    let running = start(BrokerSettings { stall, ..settings(broker.port) }, &rows, &daemon);
    let subscriber = Subscriber::start(broker.port, EVENTS, None).await;
    let mut added = 0;
    for (n, signal) in ["TERM", "STOP", "KILL", "STOP", "KILL", "TERM"].into_iter().enumerate() {
        // Some before, some while it is gone.
        for _ in 0..400 {
            added = rows.add("one", 300);
        }
        rows.until_settled("one", added - 300).await;
        match signal {
            "STOP" => {
                broker.signal("STOP");
                for _ in 0..200 {
                    added = rows.add("one", 300);
                }
                daemon.until("stalled", |s| s.last_error.as_ref().is_some_and(|e| e.text.contains("no ack"))).await;
                broker.signal("CONT");
            }
            signal => {
                broker.end(signal).await;
                added = rows.add("one", 300);
                daemon.until("lost", |s| s.phase == Phase::Connecting).await;
                assert!(broker.run().await, "it starts again ({n})");
            }
        }
        rows.until_settled("one", added).await;
    }
    assert_eq!(rows.going_back(), [""; 0]);
    assert!(first_deliveries_in_order(&subscriber.got(), "one"));
    // A broker that is killed may lose what it had acknowledged and not yet passed on: that is what replay is for.
    let lost = missing(&subscriber.got(), "one", added);
    let replies = Subscriber::start(broker.port, "instrumentd/v1/lab/replies/test", None).await;
    if let (Some(from), Some(to)) = (lost.first(), lost.last()) {
        println!("the broker lost {} of {added} acknowledged events when it was killed", lost.len());
        let payload = format!(r#"{{"device":"one","journal":"{JOURNAL}","from":{from},"to":{to}}}"#);
        let requests = "instrumentd/v1/lab/nodes/here/requests/replay";
        replies.request(requests, payload, "instrumentd/v1/lab/replies/test");
        replies.until("the last answer", |got| got.iter().any(|p| !p.payload.starts_with(b"{\"specversion"))).await;
    }
    let mut all = subscriber.got();
    all.extend(replies.got());
    assert_eq!(missing(&all, "one", added), [0; 0]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undisturbed_broker_gets_each_event_once_and_in_order() {
    let Some(broker) = Mosquitto::start(&documented()).await else { return };
    let (rows, daemon) = (Rows::from_disk_only(), Daemon::new("here", &["one", "two"]));
    for _ in 0..5000 {
        rows.add("one", 300);
        rows.add("two", 10);
    }
    let subscriber = Subscriber::start(broker.port, EVENTS, None).await;
    let running = start(settings(broker.port), &rows, &daemon);
    let status = daemon.until("connected", |s| s.window.is_some()).await;
    assert_eq!((status.window, status.max_packet), (Some(100), None), "the configuration lifts Mosquitto's limit");
    subscriber.until("all", |got| got.len() >= 10_000).await;
    rows.until_settled("one", 5000).await;
    rows.until_settled("two", 5000).await;
    running.stop().await;
    let all = (1..=5000).collect::<Vec<u64>>();
    let got = sequences(&subscriber.got());
    assert!(got["one"] == all && got["two"] == all, "once and in order");
    let status = daemon.until("stopped", |s| s.phase == Phase::Stopped).await;
    assert_eq!((status.settled, status.repeated, status.no_subscribers), (10_000, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_missing_in_the_access_list_waits_until_it_is_mended() {
    let list = "user daemon\ntopic readwrite instrumentd/v1/lab/nodes/#\ntopic readwrite instrumentd/v1/lab/devices/one/#\n\
                user reader\ntopic read #\n";
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("acl"), list).expect("written");
    let configuration = format!("{}\nacl_file DIR/acl\n", documented());
    let Some(broker) = Mosquitto::start_in(folder, &configuration).await else { return };
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one", "two"]));
    let user = Some("daemon".to_owned());
    let running = start(BrokerSettings { user, ..settings(broker.port) }, &rows, &daemon);
    let subscriber = Subscriber::start(broker.port, EVENTS, Some("reader")).await;
    for _ in 0..300 {
        rows.add("one", 50);
        rows.add("two", 50);
    }
    rows.until_settled("one", 300).await;
    let status = daemon.until("held", |s| !s.held.is_empty()).await;
    assert_eq!((status.held[0].device.as_str(), status.held[0].sequence), ("two", 1));
    assert!(status.held[0].remedy.contains("access list"));
    assert_eq!(rows.settled("two"), 0);
    std::fs::write(
        broker.path("acl"),
        format!("{list}\nuser daemon\ntopic readwrite instrumentd/v1/lab/devices/two/#\n"),
    )
    .expect("written");
    broker.signal("HUP");
    // One row tries each minute.
    rows.until_settled("two", 300).await;
    subscriber.until("all", |got| got.len() >= 600).await;
    assert_eq!(missing(&subscriber.got(), "two", 300), [0; 0]);
    assert!(first_deliveries_in_order(&subscriber.got(), "two"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_will_says_offline_after_its_delay_and_a_clean_stop_says_stopped() {
    let Some(broker) = Mosquitto::start(&documented()).await else { return };
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    let nodes = Subscriber::start(broker.port, "instrumentd/v1/lab/nodes/+/state", None).await;
    let says = |state: &'static str| {
        move |got: &[Publish]| got.last().is_some_and(|p| p.payload.ends_with(format!("\"{state}\"}}").as_bytes()))
    };
    let settings = BrokerSettings { will_delay: Duration::from_secs(1), ..settings(broker.port) };
    let running = start(settings.clone(), &rows, &daemon);
    nodes.until("online", says("online")).await;
    running.stop().await;
    nodes.until("stopped", says("stopped")).await;

    let running = start(settings, &rows, &daemon);
    nodes.until("online", says("online")).await;
    // As if the process were killed: the socket closes, nothing is said.
    running.task.abort();
    nodes.until("offline", says("offline")).await;
    assert!(nodes.got().iter().all(|p| topic(p) == "instrumentd/v1/lab/nodes/here/state"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_with_the_same_identifier_is_not_fought() {
    let Some(broker) = Mosquitto::start(&documented()).await else { return };
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    let running = start(settings(broker.port), &rows, &daemon);
    daemon.until("connected", |s| s.phase == Phase::Connected).await;
    // A client that always comes back at once.
    let mut options = rumqttc::v5::MqttOptions::new("instrumentd-lab-here", "127.0.0.1", broker.port);
    options.set_clean_start(false).set_session_expiry_interval(Some(60));
    let (_client, mut other) = rumqttc::v5::AsyncClient::new(options, 10);
    let other = tokio::spawn(async move {
        loop {
            let _ = other.poll().await;
        }
    });
    let status = daemon.until("standing by", |s| s.phase == Phase::StandingBy).await;
    assert!(status.other_instance.expect("named").contains("instrumentd-lab-here"));
    rows.add("one", 10);
    running.stop().await;
    other.abort();
    assert_eq!(rows.settled("one"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_a_client_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    let names = "basicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n";
    std::fs::write(path.join("names"), names).expect("written");
    let certificate = |name: &str, key: &str, authority: &str| {
        openssl(&path, &format!("req -newkey {key} -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"))
            && openssl(
                &path,
                &format!(
                    "x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 2 \
                     -extfile names -out {name}.pem"
                ),
            )
    };
    let authority = |name: &str| {
        openssl(
            &path,
            &format!("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"),
        )
    };
    if !(authority("ca")
        && authority("foreign")
        && certificate("server", "rsa:2048", "ca")
        && certificate("daemon", "rsa:2048", "ca"))
    {
        return;
    }
    let configuration = "user root\nlistener PORT 127.0.0.1\nallow_anonymous false\ncafile DIR/ca.pem\n\
                         certfile DIR/server.pem\nkeyfile DIR/server.key\nrequire_certificate true\n\
                         use_identity_as_username true\n";
    let Some(broker) = Mosquitto::start_in(folder, configuration).await else { return };
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    rows.add("one", 10);
    let client = Some((path.join("daemon.pem"), path.join("daemon.key")));
    let tls = |ca: &str, client| Some(TlsSettings { ca_file: path.join(ca), client });

    // A server that our authority did not sign.
    let settings = BrokerSettings { tls: tls("foreign.pem", client.clone()), ..settings(broker.port) };
    let running = start(settings.clone(), &rows, &daemon);
    let status = daemon.until("refused", |s| s.last_error.is_some()).await;
    assert!(status.last_error.expect("a problem").text.contains("certificate"), "{:?}", daemon.status.borrow());
    running.stop().await;
    // A file that is not there.
    let daemon = Daemon::new("here", &["one"]);
    let running = start(BrokerSettings { tls: tls("nowhere.pem", None), ..settings.clone() }, &rows, &daemon);
    let status = daemon.until("refused", |s| s.phase == Phase::Refused).await;
    assert!(status.last_error.expect("a problem").text.contains("nowhere.pem"));
    running.stop().await;
    assert_eq!(rows.settled("one"), 0);

    let daemon = Daemon::new("here", &["one"]);
    let running = start(BrokerSettings { tls: tls("ca.pem", client), ..settings }, &rows, &daemon);
    rows.until_settled("one", 1).await;
    running.stop().await;
    assert!(broker.log().contains("'daemon'"), "the certificate's name is the user");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_is_read_at_each_connect() {
    let folder = tempfile::tempdir().expect("a folder");
    // mosquitto_passwd is not needed: Mosquitto hashes a plain file itself only through it, so the user has an empty one.
    let configuration = "user root\nlistener PORT 127.0.0.1\nallow_anonymous false\npassword_file DIR/users\n";
    let hashed = std::process::Command::new("mosquitto_passwd")
        .args(["-b", "-c", "users", "daemon", "right"])
        .current_dir(folder.path())
        .status();
    if !hashed.is_ok_and(|status| status.success()) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "mosquitto_passwd is not installed");
        eprintln!("skipped: mosquitto_passwd is not installed");
        return;
    }
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "wrong\n").expect("written");
    let Some(broker) = Mosquitto::start_in(folder, configuration).await else { return };
    let (rows, daemon) = (Rows::new(), Daemon::new("here", &["one"]));
    rows.add("one", 10);
    let (user, password_file) = (Some("daemon".to_owned()), Some(secret.clone()));
    let running = start(BrokerSettings { user, password_file, ..settings(broker.port) }, &rows, &daemon);
    let status = daemon.until("refused", |s| s.phase == Phase::Refused).await;
    let problem = status.last_error.expect("a problem");
    assert!(problem.remedy.contains("password") && !problem.text.contains("wrong"), "{problem:?}");
    std::fs::write(&secret, "right\n").expect("written");
    rows.until_settled("one", 1).await;
    running.stop().await;
}
