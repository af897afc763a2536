//! From outside: the daemon's binary on a pseudo-terminal: captures, replays, dry runs, and the daemon itself.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::pty::{self, OpenptFlags};
use serde_json::Value;

/// Long enough for the slowest machine; a condition that never comes is a failure, not a slow test.
const PATIENCE: Duration = Duration::from_secs(60);

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_instrumentd"));
    command.env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM");
    command
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        let (_sender, receiver) = std::sync::mpsc::channel::<()>();
        let _ = receiver.recv_timeout(Duration::from_millis(10));
    }
}

/// A laboratory with one robot.
struct Place {
    folder: tempfile::TempDir,
    far: File,
}

impl Place {
    fn new(link: &str) -> Self {
        let far = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
        pty::grantpt(&far).expect("granted");
        pty::unlockpt(&far).expect("unlocked");
        let near = pty::ptsname(&far, Vec::new()).expect("a name").into_string().expect("text");
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            "site = {{ id = \"lab\" }}\njournal = {{ path = \"journal.db\" }}\n\
             [devices.bl-1]\nprofile = \"biolector-pro\"\ntime_zone = \"UTC\"\nfiles = {{ folder = \"results\" }}\n\
             [devices.robot-1]\nprofile = \"robolector\"\ntime_zone = \"UTC\"\n{}\n{DECK}",
            link.replace("PORT", &near)
        );
        std::fs::write(folder.path().join("instrumentd.toml"), text).expect("written");
        std::fs::create_dir(folder.path().join("results")).expect("a folder");
        Self { folder, far: File::from(far) }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("instrumentd.toml")
    }

    fn say(&mut self, text: &str) {
        self.far.write_all(text.as_bytes()).expect("written");
    }

    fn capture(&self, output: &Path) -> Child {
        binary()
            .args(["capture", "--device", "robot-1", "--config"])
            .arg(self.config())
            .arg("--output")
            .arg(output)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs")
    }
}

const DECK: &str = r#"
[devices.robot-1.deck.labware.culture]
type = "flowerplate-48"
x_mm = 100
y_mm = 100
anchor = "a01"
role = "cultivation"
cultivation_device = "bl-1"
"#;

const TAP: &str = "serial = { port = \"PORT\" }";

/// A query, its answer, and two more.
const TALK: &str =
    "C0RFid0001\r\nC0RFid0001er00/00rf1.0S 2009-06-24 A\r\nC0RTid0002\r\nC0RTid0002er00/00rt0 0 0 0 0 0 0 0\r\n";

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
}

fn replay(place: &Place, capture: &Path) -> Output {
    let output = binary()
        .args(["replay", "--profile", "robolector", "--device", "robot-1", "--config"])
        .arg(place.config())
        .arg(capture)
        .output();
    output.expect("it runs")
}

#[test]
fn what_comes_over_a_line_is_captured_and_the_capture_replayed() {
    let mut place = Place::new(TAP);
    let output = place.folder.path().join("robot-1.capture");
    let mut child = place.capture(&output);
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    wait_for("the line to be open", || read(&output).contains("! opened "));

    // A second reader would take a part of the bytes away.
    let second = place.capture(&place.folder.path().join("second.capture")).wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("is in use by instrumentd (process "), "{said}");

    place.say(TALK);
    wait_for("the talk to be recorded", || read(&output).contains("rt0 0 0 0 0 0 0 0\\r\\n"));
    interrupt(&child);
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("UTF-8");
    assert!(child.wait().expect("it ended").success(), "{said}");
    assert!(said.contains(&format!("{} B in ", TALK.len())), "{said}");

    let (first, again) = (replay(&place, &output), replay(&place, &output));
    let summary = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(first.status.success() && summary.contains("openings of the link: 1\n"), "{summary}");
    assert!(!summary.contains("unreadable"), "{summary}");
    assert_eq!(first.stdout, again.stdout, "the same capture gives the same ids");
}

#[test]
fn a_capture_of_a_folder_replays_to_what_decode_gives() {
    let place = Place::new(TAP);
    let Some(source) = real_data("biolector-pro/new_metadata_format.csv") else { return };
    let config = std::fs::read_to_string(place.config()).expect("read");
    let config = config.replace("\"results\"", "\"results\", backfill = \"all\"");
    std::fs::write(place.config(), config).expect("written");
    std::fs::copy(&source, place.folder.path().join("results/run.csv")).expect("a run");
    let output = place.folder.path().join("bl-1.capture");
    let mut child = binary()
        .args(["capture", "--device", "bl-1", "--config"])
        .arg(place.config())
        .arg("--output")
        .arg(&output)
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    wait_for("the run to be read", || std::fs::read_to_string(&output).unwrap_or_default().contains(" closed settled"));
    interrupt(&child);
    assert!(child.wait().expect("it ended").success());
    let ids = |arguments: &[&str], path: &Path| -> Vec<Value> {
        let output = binary().args(arguments).arg("--config").arg(place.config()).arg(path).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let id = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["id"].clone();
        text.lines().map(id).collect()
    };
    let decoded = ids(&["decode", "--profile", "biolector-pro"], &source);
    assert!(!decoded.is_empty());
    // What only the end of a file tells, and not its silence, is not in the capture.
    let replayed = ids(&["replay", "--profile", "biolector-pro"], &output);
    assert_eq!(replayed, decoded[..replayed.len()]);
    assert!(replayed.len() * 10 > decoded.len() * 9, "{} of {}", replayed.len(), decoded.len());
}

/// A real instrument's file; a missing one is a visible skip, and a failure in CI.
fn real_data(name: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/data").join(name))
        .find(|candidate| candidate.exists());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "real data is missing: {name}");
        println!("skipped: real data not present: {name}");
    }
    found
}

#[test]
fn a_dry_run_listens_and_says_so() {
    let mut place = Place::new(&format!("{}\nsole_host = true", TAP.replace(" }", ", mode = \"host\" }")));
    let mut child = binary()
        .args(["run", "--dry-run", "--config"])
        .arg(place.config())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut told = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("a dry run asks the instrument nothing") {
        assert_ne!(told.read_line(&mut said).expect("UTF-8"), 0, "it ended: {said}");
    }
    assert!(said.contains(" is open, as a tap of replies only"), "{said}");
    place.say(TALK);
    interrupt(&child);
    told.read_to_string(&mut said).expect("UTF-8");
    assert!(child.wait().expect("it ended").success(), "{said}");
    rustix::io::ioctl_fionbio(&place.far, true).expect("non-blocking");
    let back = place.far.read(&mut [0; 64]).map_or(0, |length| length);
    assert_eq!(back, 0, "not one byte was written");
}

#[test]
fn the_daemon_records_the_line_that_it_follows() {
    let mut place = Place::new("serial = { port = \"PORT\", capture = { folder = \"results\", rotate = \"1 MB\" } }");
    let mut daemon =
        binary().args(["run", "--config"]).arg(place.config()).stderr(Stdio::null()).spawn().expect("it runs");
    let recorded = || {
        let listed = binary()
            .args(["events", "--format", "ndjson", "--device", "robot-1", "--config"])
            .arg(place.config())
            .output();
        String::from_utf8(listed.expect("events runs").stdout).expect("UTF-8")
    };
    wait_for("the line to be open", || recorded().contains("device.connected"));
    place.say(TALK);
    let capture = || {
        let files = std::fs::read_dir(place.folder.path().join("results")).expect("a folder");
        let text = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path()).unwrap_or_default();
        files.map(|entry| text(entry.expect("an entry"))).collect::<String>()
    };
    wait_for("the talk to be recorded", || capture().contains("rt0 0 0 0 0 0 0 0\\r\\n"));
    interrupt(&daemon);
    assert!(daemon.wait().expect("it ended").success());
}
