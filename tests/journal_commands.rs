//! The commands that read and change a journal, run as an operator runs them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use assert_cmd::Command;
use instrumentd::config::settings::{JournalSettings, WhenFull};
use instrumentd::event::device::{Connected, Faulted};
use instrumentd::event::envelope::Origin;
use instrumentd::event::{Body, DeviceId, Event, EventSource, Ingest, Key, Prepared, Subject, TimeQuality};
use instrumentd::journal::{Batch, Journal};

fn settings(folder: &Path) -> JournalSettings {
    JournalSettings {
        path: folder.join("journal.db"),
        keep_for: Duration::from_secs(86_400),
        max_bytes: 1 << 30,
        when_full: WhenFull::Wait,
    }
}

fn prepared(device: &DeviceId, body: Body, key: &str) -> Prepared {
    let event = Event {
        body,
        key: Key::Text(key.into()),
        run: None,
        cycle: None,
        closes: false,
        subject: Subject::Device,
        time: None,
        time_quality: TimeQuality::Unknown,
        revision: 1,
        reason: None,
        causation: None,
        offset: None,
        alike: None,
    };
    let source = EventSource::new(&"lab".parse().expect("a valid name"), device);
    let origin = Origin { source, partition: device.clone(), ingest: Ingest::Live, position: None };
    Prepared::new(&event, &origin)
}

async fn filled(settings: &JournalSettings) -> Journal {
    let broker: Arc<str> = "main".into();
    let journal = Journal::open(settings, &[broker]).expect("opens");
    for name in ["bl-1", "bl-2"] {
        let device: DeviceId = name.parse().expect("a valid name");
        let connected = Body::DeviceConnected(Connected { link: "files".into(), place: "/data/results".into() });
        let faulted = Body::DeviceFaulted(Faulted {
            code: "unreadable-source".into(),
            text: "two\nlines".into(),
            remedy: Some("look at the share".into()),
        });
        let mut batch = Batch::new(device.clone(), "files".into());
        batch.events = vec![prepared(&device, connected, "c"), prepared(&device, faulted, "f")];
        journal.commit(batch).await.expect("open");
    }
    journal
}

/// Runs the command; its output where it succeeds, else its error output.
fn instrumentd(settings: &JournalSettings, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::cargo_bin("instrumentd").expect("the binary is built");
    command.env("TZ", "UTC").args(arguments).arg("--journal").arg(&settings.path);
    let output = command.output().expect("it runs");
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).expect("text")),
        false => Err(String::from_utf8(output.stderr).expect("text")),
    }
}

#[tokio::test]
async fn events_are_read_while_the_daemon_has_the_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let journal = filled(&settings).await;
    let pretty = instrumentd(&settings, &["events"]).expect("readable");
    let lines: Vec<&str> = pretty.lines().collect();
    assert_eq!(lines.len(), 5, "a line for the day and one for each event:\n{pretty}");
    assert!(lines[0].starts_with("--- 20"), "{pretty}");
    assert!(lines[1].contains("bl-1") && lines[1].contains("#1") && lines[1].contains("/data/results"), "{pretty}");
    assert!(lines[2].contains("two lines -> look at the share"), "{pretty}");
    let json = instrumentd(&settings, &["events", "--format", "ndjson", "--device", "bl-2", "--type", "*.faulted"]);
    let json = json.expect("readable");
    let events: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("an event on each line")).collect();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["sequence"], "00000000000000000002");
    assert_eq!(instrumentd(&settings, &["events", "--after-seq", "2"]).expect("readable"), "");
    assert_eq!(instrumentd(&settings, &["events", "--since", "1h"]).expect("readable").lines().count(), 5);
    let unknown = instrumentd(&settings, &["events", "--device", "bl-3"]).expect_err("refused");
    assert!(unknown.contains("bl-1, bl-2"), "{unknown}");
    journal.close().await;
}

#[tokio::test]
async fn a_device_is_retired_only_when_no_daemon_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let journal = filled(&settings).await;
    let refused = instrumentd(&settings, &["device", "retire", "bl-1"]).expect_err("refused");
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    journal.close().await;
    instrumentd(&settings, &["device", "retire", "bl-1"]).expect("retired");
    instrumentd(&settings, &["device", "rename", "bl-2", "bl-east"]).expect("renamed");
    let list = instrumentd(&settings, &["device", "list"]).expect("readable");
    let retired: Vec<bool> = list.lines().map(|line| line.ends_with("retired")).collect();
    assert_eq!(retired, [true, true, false], "{list}");
    assert!(instrumentd(&settings, &["device", "retire", "nobody"]).expect_err("refused").contains("bl-east"));
    assert!(instrumentd(&settings, &["dead-letters", "list"]).expect("readable").contains("no dead letters"));
}

#[tokio::test]
async fn a_journal_is_checked_and_recovered() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    filled(&settings).await.close().await;
    let whole = instrumentd(&settings, &["journal", "check"]).expect("whole");
    assert!(whole.contains("2 events of bl-1 (sequences 1 to 2)") && whole.contains("The file is whole"), "{whole}");
    assert!(instrumentd(&settings, &["journal", "recover"]).expect("nothing to do").contains("nothing was done"));
    let mut bytes = std::fs::read(&settings.path).expect("readable");
    let at = bytes.windows(5).position(|window| window == b"{\"spe").expect("a payload");
    let page = at / 4096 * 4096;
    bytes[page..page + 4096].fill(0x5a);
    std::fs::write(&settings.path, bytes).expect("writable");
    assert!(instrumentd(&settings, &["journal", "check"]).is_err());
    let done = instrumentd(&settings, &["journal", "recover"]).expect("recovered");
    assert!(done.contains(".corrupt-"), "{done}");
    let journal = Journal::open(&settings, &[]).expect("a whole one again");
    assert_eq!(journal.devices().len(), 2);
    journal.close().await;
}

#[test]
fn each_help_teaches_by_example() {
    for command in ["events", "device", "dead-letters", "journal"] {
        let output =
            Command::cargo_bin("instrumentd").expect("built").args([command, "--help"]).output().expect("runs");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains("Examples:") && text.contains(&format!("instrumentd {command} ")), "{text}");
    }
}
