//! Commands over MQTT: the daemon's binary, a real broker, a simulated BioLector XT.
#![cfg(feature = "demo")]

#[path = "support/mosquitto.rs"]
#[allow(dead_code)]
mod mosquitto;
#[path = "support/subscriber.rs"]
mod subscriber;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use instrumentd_simulators::Pace;
use instrumentd_simulators::biolector_xt::{Begin, Settings, State, XtServer};
use mosquitto::Mosquitto;
use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};
use serde_json::Value;
use subscriber::{Subscriber, topic};

const BROKER: &str = "listener PORT 127.0.0.1\nallow_anonymous true\n";
const COMMANDS: &str = "instrumentd/v1/lab/devices/xt-1/commands";
const ANSWERS: &str = "instrumentd/v1/lab/responses/me";
const PATIENCE: Duration = Duration::from_secs(120);

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // As `kill -9` does; a daemon that is gone already is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the daemon with these commands allowed.
fn daemon(broker: &Mosquitto, instrument: &XtServer, allow: &str) -> Daemon {
    let config = broker.path("instrumentd.toml");
    let text = format!(
        r#"[site]
id = "lab"
node = "gateway"

[journal]
path = "journal.db"

[brokers.main]
host = "127.0.0.1"
port = {port}

[devices.xt-1]
profile = "biolector-xt"
time_zone = "Europe/Berlin"
grpc = {{ endpoint = "grpc://{address}", plaintext = true }}
commands = {{ allow = {allow}, pause_max = "60s" }}

[devices.xt-2]
profile = "biolector-xt"
time_zone = "Europe/Berlin"
files = {{ folder = "results" }}
"#,
        port = broker.port,
        address = instrument.address(),
    );
    std::fs::create_dir_all(broker.path("results")).expect("a folder");
    std::fs::write(&config, text).expect("the configuration");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(broker.path("daemon.log")).expect("a log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_instrumentd"));
    command.arg("run").arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Daemon(command.spawn().expect("the daemon starts"))
}

/// What a well-behaved requester says.
fn properties(correlation: &str) -> PublishProperties {
    PublishProperties {
        response_topic: Some(ANSWERS.to_owned()),
        correlation_data: Some(Bytes::copy_from_slice(correlation.as_bytes())),
        message_expiry_interval: Some(60),
        ..PublishProperties::default()
    }
}

fn correlation(publish: &Publish) -> Option<Bytes> {
    publish.properties.as_ref().and_then(|properties| properties.correlation_data.clone())
}

/// The answer to a request.
async fn answer(subscriber: &Subscriber, asked: &str, nth: usize) -> Value {
    let is_it =
        |publish: &&Publish| topic(publish) == ANSWERS && correlation(publish).as_deref() == Some(asked.as_bytes());
    subscriber.until(asked, |got| got.iter().filter(is_it).count() > nth).await;
    let got = subscriber.got();
    let found = got.iter().filter(is_it).nth(nth).expect("it was waited for");
    serde_json::from_slice(&found.payload).expect("JSON")
}

fn moment(text: &Value) -> jiff::Timestamp {
    text.as_str().expect("a time").parse().expect("a time")
}

/// The events that tell of commands, without repetitions.
fn handled(got: &[Publish]) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    for publish in got {
        if topic(publish).ends_with("/events/device/command-handled") {
            let event: Value = serde_json::from_slice(&publish.payload).expect("an event");
            if events.iter().all(|known| known["id"] != event["id"]) {
                events.push(event);
            }
        }
    }
    events
}

async fn until_measured(subscriber: &Subscriber, more_than: usize) -> usize {
    let measured = |got: &[Publish]| got.iter().filter(|publish| topic(publish).ends_with("/measured")).count();
    subscriber.until("readings", |got| measured(got) > more_than).await;
    measured(&subscriber.got())
}

async fn until_state(instrument: &XtServer, wanted: impl Fn(State) -> bool) {
    let looking = async {
        while !wanted(instrument.state()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("the instrument comes to that state");
}

fn instrument() -> XtServer {
    instrument_with(|_| {})
}

fn instrument_with(change: impl FnOnce(&mut Settings)) -> XtServer {
    let mut settings = Settings { begin: Begin::AtOnce, pace: Pace::Times(20.0), ..Settings::default() };
    settings.run.wells = 8;
    change(&mut settings);
    XtServer::start(settings).expect("the simulated instrument starts")
}

/// Who asks for a comment gets no answer.
fn never_comments(settings: &mut Settings) {
    settings.faults.hang.insert("AddComment".to_owned());
}

/// Waits until the daemon has taken everything that was published before.
async fn until_taken(subscriber: &Subscriber) {
    let requests = "instrumentd/v1/lab/nodes/gateway/requests/replay";
    let mark = format!("mark-{}", fastrand::u32(..));
    subscriber.publish(requests, false, "nonsense", properties(&mark));
    let refused = answer(subscriber, &mark, 0).await;
    assert!(refused["refused"].is_string(), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_ended_on_time_by_a_daemon_that_was_killed_meanwhile() {
    let Some(broker) = Mosquitto::start(BROKER).await else { return };
    let instrument = instrument();
    let subscriber = Subscriber::start(broker.port, "instrumentd/v1/lab/#", None).await;
    let running = daemon(&broker, &instrument, r#"["pause"]"#);
    until_measured(&subscriber, 0).await;
    subscriber.publish(&format!("{COMMANDS}/pause"), false, r#"{"max_duration_s": 15}"#, properties("p1"));
    let said = answer(&subscriber, "p1", 0).await;
    assert_eq!(said["outcome"], "done", "{said}");
    until_state(&instrument, |state| state == State::Paused).await;
    drop(running);
    assert_eq!(instrument.state(), State::Paused);
    let _running = daemon(&broker, &instrument, r#"["pause"]"#);
    until_state(&instrument, |state| state != State::Paused).await;
    subscriber.until("the end of the pause", |got| handled(got).len() >= 2).await;
    let events = handled(&subscriber.got());
    let (pause, end) = (&events[0], &events[1]);
    assert_eq!((&pause["data"]["command"], &pause["data"]["outcome"]), (&"pause".into(), &"done".into()));
    assert_eq!((&end["data"]["command"], &end["data"]["outcome"]), (&"continue".into(), &"done".into()));
    assert_eq!(end["causationid"], pause["id"]);
    assert!(moment(&end["time"]) >= moment(&pause["data"]["until"]), "not before its time");
    // It is known over the restart.
    subscriber.publish(&format!("{COMMANDS}/pause"), false, r#"{"max_duration_s": 15}"#, properties("p1"));
    let said = answer(&subscriber, "p1", 1).await;
    assert_eq!(said["outcome"], "refused", "{said}");
    assert!(said["reason"].as_str().is_some_and(|reason| reason.contains("same correlation data")), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_done_is_refused_with_an_event_and_an_answer() {
    let Some(broker) = Mosquitto::start(BROKER).await else { return };
    let instrument = instrument();
    let subscriber = Subscriber::start(broker.port, "instrumentd/v1/lab/#", None).await;
    let _running = daemon(&broker, &instrument, r#"["add-comment", "pause"]"#);
    until_measured(&subscriber, 0).await;
    let comment = format!("{COMMANDS}/add-comment");
    let text = r#"{"text": "from afar"}"#;
    let no_expiry = PublishProperties { message_expiry_interval: None, ..properties("b") };
    subscriber.publish(&comment, true, text, properties("a"));
    subscriber.publish(&comment, false, text, no_expiry);
    subscriber.publish(&format!("{COMMANDS}/continue"), false, "", properties("c"));
    subscriber.publish(&format!("{COMMANDS}/stop"), false, "", properties("d"));
    subscriber.publish(&format!("{COMMANDS}/pause"), false, r#"{"max_duration_s": 61}"#, properties("e"));
    for (asked, wanted) in [
        ("a", "retained"),
        ("b", "message expiry"),
        ("c", "does not allow"),
        ("d", "no command `stop`"),
        ("e", "allowed are 1 to 60"),
    ] {
        let said = answer(&subscriber, asked, 0).await;
        assert_eq!(said["outcome"], "refused", "{said}");
        assert!(said["reason"].as_str().is_some_and(|reason| reason.contains(wanted)), "{said}");
    }
    subscriber.publish(&comment, false, text, properties("f"));
    assert_eq!(answer(&subscriber, "f", 0).await["outcome"], "done");
    subscriber.publish(&comment, false, text, properties("f"));
    assert_eq!(answer(&subscriber, "f", 1).await["outcome"], "refused");
    subscriber.until("the events", |got| handled(got).len() >= 7).await;
    let events = handled(&subscriber.got());
    let refused = events.iter().filter(|event| event["data"]["outcome"] == "refused").count();
    assert_eq!((events.len(), refused), (7, 6), "{events:#?}");
    // The instrument was asked once, and says so in its own record.
    let said = |got: &[Publish]| {
        let comment = |publish: &&Publish| topic(publish).ends_with("/commented");
        let text = |publish: &Publish| String::from_utf8_lossy(&publish.payload).contains("from afar");
        got.iter().filter(comment).filter(|publish| text(publish)).count()
    };
    subscriber.until("the comment", |got| said(got) > 0).await;
    assert_ne!(instrument.state(), State::Paused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_delivered_and_not_decided_about_when_the_daemon_was_killed_is_delivered_again() {
    let Some(broker) = Mosquitto::start(BROKER).await else { return };
    let instrument = instrument_with(never_comments);
    let subscriber = Subscriber::start(broker.port, "instrumentd/v1/lab/#", None).await;
    let running = daemon(&broker, &instrument, r#"["add-comment", "pause"]"#);
    until_measured(&subscriber, 0).await;
    // The instrument does not answer the first, so that the second waits behind it.
    subscriber.publish(&format!("{COMMANDS}/add-comment"), false, r#"{"text": "from afar"}"#, properties("a"));
    subscriber.publish(&format!("{COMMANDS}/pause"), false, r#"{"max_duration_s": 60}"#, properties("b"));
    until_taken(&subscriber).await;
    drop(running);
    assert!(
        subscriber
            .got()
            .iter()
            .all(|publish| correlation(publish).as_deref() != Some(b"b") || topic(publish) != ANSWERS)
    );
    assert_eq!(instrument.state(), State::Measuring);
    let _running = daemon(&broker, &instrument, r#"["add-comment", "pause"]"#);
    assert_eq!(answer(&subscriber, "a", 0).await["outcome"], "unknown");
    assert_eq!(answer(&subscriber, "b", 0).await["outcome"], "done");
    until_state(&instrument, |state| state == State::Paused).await;
    subscriber.publish(&format!("{COMMANDS}/pause"), false, r#"{"max_duration_s": 60}"#, properties("b"));
    let said = answer(&subscriber, "b", 1).await;
    assert!(said["reason"].as_str().is_some_and(|reason| reason.contains("same correlation data")), "{said}");
    // The first may have been delivered again too, if the daemon was killed before it could acknowledge it.
    let of_second = |got: &[Publish]| -> Vec<Value> {
        let is_it = |event: &&Value| event["data"]["correlation"] == "62";
        handled(got).iter().filter(is_it).map(|event| event["data"]["outcome"].clone()).collect()
    };
    subscriber.until("the events", |got| of_second(got).len() >= 2).await;
    assert_eq!(of_second(&subscriber.got()), ["done", "refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_device_and_one_that_allows_nothing_answer_and_tell() {
    let Some(broker) = Mosquitto::start(BROKER).await else { return };
    let instrument = instrument_with(never_comments);
    let subscriber = Subscriber::start(broker.port, "instrumentd/v1/lab/#", None).await;
    let running = daemon(&broker, &instrument, r#"["add-comment"]"#);
    until_measured(&subscriber, 0).await;
    let allows_none = "instrumentd/v1/lab/devices/xt-2/commands/pause";
    subscriber.publish(allows_none, false, r#"{"max_duration_s": 60}"#, properties("none"));
    let said = answer(&subscriber, "none", 0).await;
    assert!(said["event"].is_string(), "{said}");
    assert!(said["reason"].as_str().is_some_and(|reason| reason.contains("does not allow `pause`")), "{said}");
    // The first is under way, eight wait, and eight are turned away.
    for number in 0..17 {
        let text = format!(r#"{{"text": "{number}"}}"#);
        subscriber.publish(&format!("{COMMANDS}/add-comment"), false, &text, properties(&format!("n{number}")));
        if number == 0 {
            until_taken(&subscriber).await;
        }
    }
    for number in 9..17 {
        let said = answer(&subscriber, &format!("n{number}"), 0).await;
        assert_eq!(said["outcome"], "refused", "{said}");
        assert!(said["event"].is_string() && said["reason"].as_str().is_some_and(|r| r.contains("busy")), "{said}");
    }
    subscriber.until("the events", |got| handled(got).len() >= 9).await;
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_on_time_without_the_broker_and_after_a_restart_of_the_daemon_without_it() {
    let kept = format!("user root\n{BROKER}persistence true\npersistence_location DIR/\nmax_queued_messages 0\n");
    let Some(mut broker) = Mosquitto::start(&kept).await else { return };
    let instrument = instrument();
    let subscriber = Subscriber::start(broker.port, "instrumentd/v1/lab/#", None).await;
    let mut running = daemon(&broker, &instrument, r#"["pause"]"#);
    until_measured(&subscriber, 0).await;
    let (mut pauses, mut until) = (0, Vec::new());
    for (asked, is_killed) in [("p1", false), ("p2", true)] {
        subscriber.publish(&format!("{COMMANDS}/pause"), false, r#"{"max_duration_s": 8}"#, properties(asked));
        let said = answer(&subscriber, asked, 0).await;
        assert_eq!(said["outcome"], "done", "{said}");
        until.push(moment(&said["until"]));
        until_state(&instrument, |state| state == State::Paused).await;
        broker.end("TERM").await;
        if is_killed {
            drop(running);
            assert_eq!(instrument.state(), State::Paused);
            running = daemon(&broker, &instrument, r#"["pause"]"#);
        }
        until_state(&instrument, |state| state != State::Paused).await;
        assert!(jiff::Timestamp::now() >= until[pauses], "not before its time");
        assert!(broker.run().await, "{}", broker.log());
        pauses += 1;
        subscriber.until("the end of the pause", |got| handled(got).len() >= 2 * pauses).await;
    }
    let events = handled(&subscriber.got());
    for (pair, until) in events.chunks(2).zip(until) {
        let (pause, end) = (&pair[0], &pair[1]);
        assert_eq!((&pause["data"]["command"], &pause["data"]["outcome"]), (&"pause".into(), &"done".into()));
        assert_eq!((&end["data"]["command"], &end["data"]["outcome"]), (&"continue".into(), &"done".into()));
        assert!(end["data"]["broker"].is_null(), "nobody asked for it: {end}");
        assert_eq!(end["causationid"], pause["id"]);
        assert!(moment(&end["time"]) >= until);
    }
    drop(running);
}
