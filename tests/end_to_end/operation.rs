//! Running it: start, stop, a second instance, a changed configuration, looking into the journal.

use std::time::{Duration, Instant};

use crate::daemon::{DEVICE, Place, binary};
use crate::mosquitto::Mosquitto;
use crate::subscriber::Subscriber;
use crate::{real_data, wait_for};

const NODE_STATE: &str = "instrumentd/v1/lab/nodes/gateway/state";

fn node_is(subscriber: &Subscriber, state: &str) -> bool {
    subscriber.with(|r| r.retained.get(NODE_STATE).is_some_and(|s| s["state"] == state))
}

#[test]
fn it_stops_in_time_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start(folder.path()) else { return };
    let place = Place::new("biolector-pro", broker.port);
    let subscriber = Subscriber::connect(broker.port);
    for signal in ["TERM", "INT"] {
        let daemon = place.run();
        wait_for("online", || node_is(&subscriber, "online"));
        let asked = Instant::now();
        assert!(daemon.end(signal).success(), "{}", place.log());
        // Five seconds are promised to systemd; this is a promise about behaviour, with room for a slow machine.
        assert!(asked.elapsed() < Duration::from_secs(15));
        wait_for("stopped", || node_is(&subscriber, "stopped"));
    }
}

#[test]
fn a_killed_daemon_is_offline_by_its_will() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start(folder.path()) else { return };
    let place = Place::new("biolector-pro", broker.port);
    let subscriber = Subscriber::connect(broker.port);
    let daemon = place.run();
    wait_for("online", || node_is(&subscriber, "online"));
    daemon.end("KILL");
    wait_for("the will", || node_is(&subscriber, "offline"));
}

#[test]
fn a_second_daemon_on_the_same_journal_names_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start(folder.path()) else { return };
    let place = Place::new("biolector-pro", broker.port);
    let subscriber = Subscriber::connect(broker.port);
    let daemon = place.run();
    wait_for("online", || node_is(&subscriber, "online"));
    let second = binary().arg("run").arg("--config").arg(place.config()).output().expect("it runs");
    assert_eq!(second.status.code(), Some(78), "systemd is not to try again");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains(&daemon.id().to_string()), "it names the first's process: {said}");
}

#[test]
fn a_changed_device_is_restarted_and_a_wrong_configuration_changes_nothing() {
    let Some(source) = real_data("biolector-pro/new_metadata_format.csv") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start(folder.path()) else { return };
    let place = Place::new("biolector-pro", broker.port);
    let subscriber = Subscriber::connect(broker.port);
    let daemon = place.run();
    wait_for("online", || node_is(&subscriber, "online"));

    let second =
        "\n[devices.second]\nprofile = \"biolector-pro\"\ntime_zone = \"UTC\"\nfiles = { folder = \"more\" }\n";
    std::fs::create_dir(place.root.path().join("more")).expect("a second folder");
    place.configure(second);
    daemon.signal("HUP");
    let state = "instrumentd/v1/lab/devices/second/state";
    wait_for("the second device", || {
        subscriber.with(|r| r.retained.get(state).is_some_and(|s| s["connection"] == "connected"))
    });
    std::fs::copy(&source, place.root.path().join("more/run.csv")).expect("a run");
    wait_for("its events", || subscriber.with(|r| r.events.keys().any(|(device, _)| device == "second")));

    // A typo in an id is an error, not a new identity.
    place.configure(&second.replace("devices.second", "devices.secand"));
    daemon.signal("HUP");
    wait_for("the refusal", || subscriber.with(|r| r.retained[NODE_STATE]["last_reload"]["applied"] == false));
    let reason = subscriber.with(|r| r.retained[NODE_STATE]["last_reload"]["reason"].to_string());
    assert!(reason.contains("second") && reason.contains("device rename"), "{reason}");
    subscriber.with(|r| assert!(!r.retained.contains_key("instrumentd/v1/lab/devices/secand/state")));
}

#[test]
fn the_journal_can_be_read_while_the_daemon_runs() {
    let Some(source) = real_data("biolector-pro/new_metadata_format.csv") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Mosquitto::start(folder.path()) else { return };
    let place = Place::new("biolector-pro", broker.port);
    let expected = place.decode(&source);
    let subscriber = Subscriber::connect(broker.port);
    let _daemon = place.run();
    std::fs::copy(&source, place.results().join("run.csv")).expect("a run");
    wait_for("the run", || subscriber.with(|r| r.events.len() > expected.len()));
    let listed = binary()
        .args(["events", "--format", "ndjson", "--device", DEVICE, "--type", "cultivation.*", "--config"])
        .arg(place.config())
        .output()
        .expect("events runs");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let lines: Vec<&[u8]> = listed.stdout.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    subscriber.with(|r| {
        let published: Vec<&[u8]> = r.events.values().skip(1).map(|(_, bytes)| bytes.as_slice()).collect();
        let cultivation = |bytes: &&&[u8]| String::from_utf8_lossy(bytes).contains("instrumentd.cultivation.");
        let published: Vec<&&[u8]> = published.iter().filter(|b| cultivation(b)).collect();
        assert_eq!(lines.len(), published.len());
        for (line, published) in lines.iter().zip(published) {
            assert_eq!(line, published, "the journal holds the bytes that were published");
        }
    });
}
