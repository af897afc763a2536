//! `run --dry-run`, and starts that are in vain.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Stdio};

use crate::daemon::{DEVICE, Place, binary};
use crate::mosquitto::free_port;
use crate::{real_data, wait_for};

/// A dry run that has told that all is read: what it said until then, and what it printed.
fn dry_run(place: &Place) -> (String, Vec<serde_json::Value>) {
    let mut child: Child = binary()
        .args(["run", "--dry-run", "--config"])
        .arg(place.config())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    // Taken at once, so that a full pipe holds up nobody.
    let mut out = child.stdout.take().expect("piped");
    let printed = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let mut told: BufReader<ChildStderr> = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("all is read") {
        assert_ne!(told.read_line(&mut said).expect("UTF-8"), 0, "it ended: {said}");
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
    told.read_to_string(&mut said).expect("UTF-8");
    assert!(child.wait().expect("it ended").success(), "{said}");
    let printed = printed.join().expect("read").expect("UTF-8");
    let events = printed.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    (said, events)
}

#[test]
fn a_dry_run_writes_nothing_and_says_how_much_history_waits() {
    let Some(source) = real_data("biolector-pro/new_metadata_format.csv") else { return };
    let place = Place::new("biolector-pro", free_port());
    let expected = place.decode(&source);
    std::fs::copy(&source, place.results().join("run.csv")).expect("a run from before the first start");

    let (said, events) = dry_run(&place);
    assert!(said.contains("1 source followed, 1 to be looked at; 1 was there before the first start"), "{said}");
    let ids = |events: &[serde_json::Value]| events.iter().map(|event| event["id"].clone()).collect::<Vec<_>>();
    assert_eq!(events[0]["type"], "instrumentd.device.connected.v1");
    assert_eq!(ids(&events[1..]), ids(&expected));
    let left: Vec<_> =
        std::fs::read_dir(place.root.path()).expect("a folder").map(|e| e.expect("read").path()).collect();
    assert!(!left.iter().any(|path| path.to_string_lossy().contains("journal")), "{left:?}");

    // Nobody takes what the daemon records now.
    let daemon = place.run();
    let recorded = || {
        let listed = binary().args(["events", "--format", "ndjson", "--config"]).arg(place.config()).output();
        listed.expect("events runs").stdout.iter().filter(|byte| **byte == b'\n').count()
    };
    wait_for("the run in the journal", || recorded() == expected.len() + 1);
    assert!(daemon.end("TERM").success(), "{}", place.log());
    let (said, events) = dry_run(&place);
    assert_eq!(events, Vec::<serde_json::Value>::new(), "the journal knows all of it");
    let waiting = format!("broker main: {} events of {DEVICE}", expected.len() + 1);
    assert!(said.contains(&waiting), "{said}");
    assert_eq!(recorded(), expected.len() + 1);
}

#[test]
fn a_start_that_needs_a_person_ends_with_78_and_all_that_is_missing() {
    let place = Place::new("biolector-pro", free_port());
    let other = "\n[devices.second]\nprofile = \"biolector-pro\"\ntime_zone = \"UTC\"\nfiles = { folder = \"more\" }\n";
    place.configure(other);
    let daemon = place.run();
    let known = || {
        let listed = binary().args(["device", "list", "--config"]).arg(place.config()).output().expect("it runs");
        String::from_utf8_lossy(&listed.stdout).lines().count()
    };
    wait_for("both devices in the journal", || known() == 2);
    daemon.end("KILL");

    let text = std::fs::read_to_string(place.config()).expect("the configuration");
    std::fs::write(place.config(), text.replace("[devices.", "[devices.x-")).expect("written");
    let commands: Vec<String> =
        [DEVICE, "second"].map(|id| format!("device retire {id} --config {}", place.config().display())).into();
    for arguments in [&["run"][..], &["run", "--dry-run"]] {
        let output = binary().args(arguments).arg("--config").arg(place.config()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(commands.iter().all(|command| said.contains(command)), "{said}");
    }
    let check = binary().arg("check").arg("--config").arg(place.config()).output().expect("it runs");
    assert!(!check.status.success(), "check fails where run would not start");
    std::fs::write(place.config(), "[site]\n").expect("written");
    let output = binary().arg("run").arg("--config").arg(place.config()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(78));
}
