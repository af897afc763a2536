//! An Echo liquid handler's file drops through the binary.

#[path = "support/mosquitto.rs"]
#[allow(dead_code, reason = "nothing is encrypted here")]
mod mosquitto;
#[path = "support/subscriber.rs"]
mod subscriber;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use assert_cmd::Command;
use instrumentd::journal::History;
use mosquitto::Mosquitto;
use rumqttc::v5::mqttbytes::v5::Publish;
use serde_json::Value;
use subscriber::{Subscriber, topic};

const REPORT: &str = "Run ID,1733769624\nRun Date/Time,2024-12-09 13:46:20\nProtocol Name,p.epr\n\n[DETAILS]\n\
Date Time Point,Source Plate Name,Source Plate Barcode,Source Well,Destination Plate Name,Destination Plate Barcode,\
Destination Well,Transfer Volume,Actual Volume,Sample ID,Survey Fluid Volume,Transfer Status\n\
2024-12-09 13:41:30.154,Source[1],S1,A1,Destination[1],D1,A1,100,100,S-7,52.337,\n\
2024-12-09 13:41:31.102,Source[1],S1,A1,Destination[1],D1,B1,100,0,,52.337,MM0202001: too low\n\n\
Instrument Serial Number,E5XX-1\nInstrument Software Version,2.6.3\n";

const SURVEY: &str = "<platesurvey name=\"384PP_AQ_BP\" barcode=\"UnknownBarCode\" date=\"2023-10-29 18:31:12.000\" \
serial_number=\"E\" rows=\"16\" cols=\"24\" totalWells=\"2\"><w r=\"0\" c=\"0\" n=\"A1\" vl=\"8\" cvl=\"8\" status=\"\" fld=\"AQ\"/>\
<w r=\"0\" c=\"1\" n=\"A2\" vl=\"0\" cvl=\"0\" status=\"Data missing for well (1th row, 2th column), defaulting to 0.0 value of AQ\"/></platesurvey>";

#[test]
fn a_folder_is_decoded_by_content_and_a_copy_makes_nothing_new() {
    let folder = tempfile::tempdir().expect("a folder");
    // Names say nothing, and a copy has another one.
    fs::write(folder.path().join("a.csv"), REPORT).expect("written");
    fs::write(folder.path().join("copy of a.csv"), REPORT).expect("written");
    fs::write(folder.path().join("b.xml"), SURVEY).expect("written");
    fs::write(folder.path().join("cut.xml"), &SURVEY.replace("18:31:12", "18:31:13")[..SURVEY.len() - 20])
        .expect("written");
    fs::write(folder.path().join("c.csv"), "Source Well,Destination Well,Transfer Volume\nA1,A1,25\n")
        .expect("written");
    let output = Command::new(assert_cmd::cargo::cargo_bin!("instrumentd"))
        .args(["decode", "--profile", "echo-liquid-handler", "--time-zone", "America/New_York"])
        .arg(folder.path())
        .output()
        .expect("it runs");
    let summary = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{summary}");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut types: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).expect("json");
        let (kind, id) = (event["type"].as_str().expect("a type"), event["id"].as_str().expect("an id"));
        types.entry(kind.to_owned()).or_default().insert(id.to_owned(), event.clone());
    }
    let counts: Vec<(&str, usize)> = types.iter().map(|(kind, events)| (kind.as_str(), events.len())).collect();
    assert_eq!(
        counts,
        [
            ("instrumentd.ejection.surveyed.v1", 3),
            ("instrumentd.transfer.completed.v1", 1),
            ("instrumentd.transfer.failed.v1", 1)
        ],
        "{summary}"
    );
    let completed = types["instrumentd.transfer.completed.v1"].values().next().expect("one");
    assert_eq!(
        (completed["time"].as_str(), completed["sampleid"].as_str()),
        (Some("2024-12-09T18:41:30.154Z"), Some("S-7"))
    );
    for expected in [
        "told again by copies, with the same ids: 2",
        "1 failed: MM0202001: too low",
        "gap cut-off in cut.xml",
        "refused c.csv: it is a picklist",
    ] {
        assert!(summary.contains(expected), "{expected}: {summary}");
    }
}

struct Daemon(Child);

impl Daemon {
    fn start(broker: &Mosquitto) -> Self {
        let text = format!(
            "site = {{ id = \"lab\" }}\njournal = {{ path = \"journal.db\" }}\n\
             [brokers.main]\nhost = \"127.0.0.1\"\nport = {}\n\
             [devices.echo]\nprofile = \"echo-liquid-handler\"\ntime_zone = \"America/New_York\"\n\
             files = {{ folder = \"reports\", poll_interval = \"200ms\" }}\n",
            broker.port
        );
        fs::create_dir_all(broker.path("reports")).expect("a folder");
        fs::write(broker.path("instrumentd.toml"), text).expect("written");
        let log = fs::OpenOptions::new().create(true).append(true).open(broker.path("daemon.log")).expect("a log");
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("instrumentd"));
        command.env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM").args(["run", "--config"]);
        Self(command.arg(broker.path("instrumentd.toml")).stdout(Stdio::null()).stderr(log).spawn().expect("it runs"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // As `kill -9` does.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until files of these names were read to their ends.
async fn until_read(broker: &Mosquitto, names: &[&str]) {
    let is_read = || {
        let Ok(mut history) = History::open(&broker.path("journal.db")) else { return false };
        let sources = history.sources(&"echo".parse().expect("a name"), "files").unwrap_or_default();
        names.iter().all(|name| {
            let size = fs::metadata(broker.path("reports").join(name)).expect("a file").len();
            let at = |position: &[u8]| serde_json::from_slice::<Value>(position).ok()?["at"].as_u64();
            sources.iter().any(|one| one.source.to_string().contains(name) && at(&one.position) == Some(size))
        })
    };
    let looking = async {
        while !is_read() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), looking).await.unwrap_or_else(|_| panic!("not read: {names:?}"));
}

/// Events of these categories that were delivered, by id.
fn told(got: &[Publish], categories: &[&str]) -> BTreeMap<String, Value> {
    let mut told = BTreeMap::new();
    for publish in got {
        if categories.iter().any(|category| topic(publish).contains(&format!("/events/{category}/"))) {
            let event: Value = serde_json::from_slice(&publish.payload).expect("an event");
            told.insert(event["id"].as_str().expect("an id").to_owned(), event);
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn drops_are_told_once_over_kills_without_the_broker_and_beside_a_copy_that_a_spreadsheet_saved() {
    let kept =
        "user root\nlistener PORT 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location DIR/\n";
    let Some(mut broker) = Mosquitto::start(kept).await else { return };
    let subscriber = Subscriber::start(broker.port, "instrumentd/v1/lab/#", None).await;
    let damaged = REPORT.replace("2024-12-09 13:41:30.154", "41:30.2").replace("2024-12-09 13:41:31.102", "41:31.1");
    let drop_in = |name: &str, text: &str| fs::write(broker.path("reports").join(name), text).expect("written");

    let daemon = Daemon::start(&broker);
    // What lies there at the very first start is old.
    let is_watched = |got: &[Publish]| got.iter().any(|publish| topic(publish).ends_with("/device/connected"));
    subscriber.until("the folder to be watched", is_watched).await;
    drop_in("report.csv", REPORT);
    subscriber.until("the transfers", |got| told(got, &["transfer"]).len() == 2).await;
    let first = told(&subscriber.got(), &["transfer"]);

    // The spreadsheet's copy, while the daemon is dead; a survey, while the broker is away and the daemon is killed again.
    drop(daemon);
    drop_in("damaged.csv", &damaged);
    let folder = broker.path("reports");
    broker.end("TERM").await;
    let daemon = Daemon::start(&broker);
    until_read(&broker, &["report.csv", "damaged.csv"]).await;
    fs::write(folder.join("survey.xml"), SURVEY).expect("written");
    until_read(&broker, &["survey.xml"]).await;
    drop(daemon);
    let _daemon = Daemon::start(&broker);
    assert!(broker.run().await, "{}", broker.log());
    subscriber.until("the survey", |got| told(got, &["ejection"]).len() == 2).await;
    assert_eq!(told(&subscriber.got(), &["transfer"]), first, "the copy supersedes nothing");

    // Where the copy comes first, what the instrument wrote supersedes it.
    let (other, damaged) = (REPORT.replace("1733769624", "1733769625"), damaged.replace("1733769624", "1733769625"));
    fs::write(folder.join("damaged-2.csv"), damaged).expect("written");
    subscriber.until("the copy", |got| told(got, &["transfer"]).len() == 4).await;
    fs::write(folder.join("report-2.csv"), other).expect("written");
    subscriber.until("what supersedes it", |got| told(got, &["transfer"]).len() == 6).await;
    let all = told(&subscriber.got(), &["transfer"]);
    let later: Vec<&Value> = all.values().filter(|event| event["data"]["supersedes"].is_string()).collect();
    assert_eq!(later.len(), 2, "{all:#?}");
    assert!(later.iter().all(|event| event["time"].is_string()), "{later:#?}");
    let ids: BTreeSet<&String> = first.keys().collect();
    assert!(ids.iter().all(|id| all.contains_key(*id)));
}
