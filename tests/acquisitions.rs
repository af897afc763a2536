//! Sets of files in a real folder, watched by the real daemon, which is killed when it suits least.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_instrumentd"))
}

/// A real file, or none where the shared data are not there, which is an error in CI.
fn real(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/data/sciex").join(name))
        .find(|path| path.is_file());
    let Some(path) = path else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the real file {name} is missing");
        eprintln!("skipped: real data not present");
        return None;
    };
    Some(std::fs::read(path).expect("readable"))
}

struct Place {
    root: tempfile::TempDir,
}

impl Place {
    /// A folder with a configuration; `more` stands in the device's table, `files` in that of its files.
    fn new(files: &str, more: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        std::fs::create_dir(root.path().join("data")).expect("the instrument's folder");
        let text = format!(
            r#"site = {{ id = "lab", node = "gateway" }}
journal = {{ path = "journal.db" }}
brokers.main = {{ host = "127.0.0.1", port = {port} }}
[devices.ms]
profile = "zenotof-7600"
time_zone = "Europe/Berlin"
files = {{ folder = "data", poll_interval = "1s", {files} }}
overrides = {{ file_sets = {{ stable_for = "900ms", idle = "20s" }} }}
{more}
"#
        );
        std::fs::write(root.path().join("instrumentd.toml"), text).expect("written");
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn run(&self) -> Daemon {
        self.run_as(binary())
    }

    /// Runs what `command` starts, which is the daemon in some surroundings.
    fn run_as(&self, mut command: Command) -> Daemon {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).expect("a log");
        let child = command
            .args(["run", "--config"])
            .arg(self.path("instrumentd.toml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("it runs");
        Daemon { child }
    }

    /// Changes the configuration, for the next run.
    fn configure(&self, from: &str, to: &str) {
        let path = self.path("instrumentd.toml");
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(text.contains(from), "{from} is not in {text}");
        std::fs::write(path, text.replace(from, to)).expect("written");
    }

    fn wait_for_log(&self, what: &str, times: usize) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.log().matches(what).count() < times {
            assert!(Instant::now() < until, "`{what}` is not in the log: {}", self.log());
            pause(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The device's events so far, connections left out.
    fn events(&self) -> Vec<Value> {
        let output = binary()
            .args(["events", "--format", "ndjson", "--type", "acquisition.*", "--config"])
            .arg(self.path("instrumentd.toml"))
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    fn told(&self) -> Vec<String> {
        let name =
            |event: &Value| event["type"].as_str().expect("a type").split('.').nth(2).expect("a name").to_owned();
        self.events().iter().map(name).collect()
    }

    fn wait_for(&self, what: &str, done: impl Fn(&[String]) -> bool) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let told = self.told();
            if done(&told) {
                return told;
            }
            assert!(Instant::now() < until, "waited in vain for {what}: {told:?}\n{}", self.log());
            pause(Duration::from_millis(50));
        }
    }
}

struct Daemon {
    child: Child,
}

impl Daemon {
    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("it ended");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time in which another process may do something, or nothing, as the test says.
fn pause(time: Duration) {
    let (_sender, receiver) = std::sync::mpsc::channel::<()>();
    let _ = receiver.recv_timeout(time);
}

fn count(told: &[String], name: &str) -> usize {
    told.iter().filter(|other| *other == name).count()
}

#[test]
fn sets_in_random_pieces_with_the_daemon_killed_are_each_told_once_and_never_too_early() {
    let (Some(wiff), Some(scan), Some(single)) = (real("1hpo.wiff"), real("1hpo.wiff.scan"), real("mtbls691_1.wiff"))
    else {
        return;
    };
    let place = Place::new("", "");
    let mut daemon = place.run();
    place.wait_journal();
    let members = BTreeMap::from([("P1/a.b.wiff", wiff), ("P1/A.B.wiff.scan", scan), ("P2/single.wiff", single)]);
    let mut pieces: Vec<(&str, usize, usize)> = Vec::new();
    let mut numbers = Numbers(7);
    for (name, bytes) in &members {
        let mut cuts: Vec<usize> = (0..5).map(|_| numbers.below(bytes.len())).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        pieces.extend(cuts.windows(2).filter(|cut| cut[0] < cut[1]).map(|cut| (*name, cut[0], cut[1])));
    }
    for index in (1..pieces.len()).rev() {
        pieces.swap(index, numbers.below(index + 1));
    }
    for (at, (name, from, to)) in pieces.iter().enumerate() {
        let path = place.path("data").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).expect("opened");
        // Like a program that reserves the space before it copies.
        file.set_len(members[name].len() as u64).expect("reserved");
        file.write_all_at(&members[name][*from..*to], *from as u64).expect("written");
        if at % 4 == 3 {
            daemon.kill();
            daemon = place.run();
        }
        pause(Duration::from_millis(150));
        if at + 1 < pieces.len() {
            let left: Vec<&str> =
                pieces[at + 1..].iter().map(|(name, ..)| name.split('/').next().expect("a folder")).collect();
            let told = place.events();
            for event in told.iter().filter(|event| is_end(event)) {
                let path = event["data"]["file_set"]["path"].as_str().expect("a path");
                assert!(!left.iter().any(|folder| path.starts_with(folder)), "{path} ended before its last byte");
            }
        }
    }
    place.wait_for("both ends", |told| count(told, "completed") + count(told, "aborted") == 2);
    daemon.kill();
    let _daemon = place.run();
    pause(Duration::from_secs(3));
    let told = place.told();
    for (name, expected) in [("started", 2), ("sample-completed", 2), ("completed", 1), ("aborted", 1)] {
        assert_eq!(count(&told, name), expected, "{name}: {told:?}");
    }
    assert_eq!(told.len(), 6, "{told:?}");
    // The same as offline.
    let decoded = binary()
        .args([
            "decode",
            "--profile",
            "zenotof-7600",
            "--site",
            "lab",
            "--device",
            "ms",
            "--time-zone",
            "Europe/Berlin",
        ])
        .arg(place.path("data"))
        .output()
        .expect("it runs");
    let offline: Vec<Value> =
        decoded.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let ids = |events: &[Value]| {
        let mut ids: Vec<String> = events.iter().map(|event| event["id"].to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&offline), ids(&place.events()));
}

fn is_end(event: &Value) -> bool {
    event["type"].as_str().is_some_and(|name| {
        name.ends_with(".completed.v1") && !name.contains("sample") || name.ends_with(".aborted.v1")
    })
}

#[test]
fn old_sets_are_left_alone_and_moves_and_copies_are_told_for_what_they_are() {
    let (Some(wiff), Some(scan), Some(single)) = (real("1hpo.wiff"), real("1hpo.wiff.scan"), real("mtbls691_1.wiff"))
    else {
        return;
    };
    let manifests = tempfile::tempdir().expect("a folder");
    let more = format!(
        "acquisitions = {{ name = \"share\", public = \"smb://nas/ms\", manifests = \"{}\", hash_rate = \"50 MB\" }}",
        manifests.path().display()
    );
    let place = Place::new("", &more);
    let data = place.path("data");
    std::fs::write(data.join("old.wiff"), single).expect("written");
    let daemon = place.run();
    place.wait_journal();
    std::fs::write(data.join("S.wiff"), &wiff).expect("written");
    std::fs::write(data.join("S.wiff.scan"), &scan).expect("written");
    place.wait_for("the end", |told| count(told, "aborted") == 1);
    let events = place.events();
    let end = events.last().expect("an end");
    assert_eq!(end["dataref"], "smb://nas/ms/S.wiff");
    assert_eq!(end["data"]["file_set"]["root"], "share");
    let manifest = std::fs::read_to_string(manifests.path().join("share%2Fs.sha256")).expect("a manifest");
    let digest = end["data"]["file_set"]["members"][1]["sha256"].as_str().expect("a digest");
    assert!(manifest.contains(&format!("{digest}  S.wiff.scan\n")), "{manifest}");

    // A copy is none of our business as long as the original is there.
    std::fs::create_dir(data.join("archive")).expect("made");
    std::fs::copy(data.join("S.wiff"), data.join("archive/S.wiff")).expect("copied");
    std::fs::copy(data.join("S.wiff.scan"), data.join("archive/S.wiff.scan")).expect("copied");
    pause(Duration::from_secs(2));
    assert_eq!(place.told().len(), events.len(), "{}", place.log());
    // The original goes, one file after the other: it was archived.
    std::fs::remove_file(data.join("S.wiff.scan")).expect("removed");
    pause(Duration::from_millis(300));
    std::fs::remove_file(data.join("S.wiff")).expect("removed");
    place.wait_for("the relocation", |told| count(told, "relocated") == 1);
    let relocated = place.events().pop().expect("an event");
    assert_eq!(relocated["data"]["verified_by"], "sha256");
    assert_eq!(relocated["data"]["file_set"]["path"], "archive/S.wiff");

    // Renamed while the daemon is down, member by member.
    daemon.kill();
    std::fs::rename(data.join("archive/S.wiff.scan"), data.join("T.wiff.scan")).expect("renamed");
    let daemon = place.run();
    place.wait_for("the first member", |told| count(told, "relocated") == 2);
    std::fs::rename(data.join("archive/S.wiff"), data.join("T.wiff")).expect("renamed");
    let told = place.wait_for("the second member", |told| count(told, "relocated") == 3);
    assert_eq!(place.events().pop().expect("an event")["data"]["verified_by"], "file-identity");
    assert_eq!(told.len(), events.len() + 3, "{told:?}");
    // The old one moves, and stays old.
    std::fs::rename(data.join("old.wiff"), data.join("archive/older.wiff")).expect("renamed");
    pause(Duration::from_secs(2));
    drop(daemon);
    assert_eq!(place.told(), told, "{}", place.log());
}

#[test]
fn a_batch_that_was_written_just_before_its_acquisition_ends_it_without_a_wait() {
    let (Some(wiff), Some(scan)) = (real("1hpo.wiff"), real("1hpo.wiff.scan")) else { return };
    let batches = tempfile::tempdir().expect("a folder");
    let more = format!("acquisitions = {{ batches = {{ folder = \"{}\" }} }}", batches.path().display());
    let place = Place::new("", &more);
    place.neither_look_nor_silence_ends_anything();
    let _daemon = place.run();
    place.wait_journal();
    std::fs::write(batches.path().join("today.csv"), "Sample Name,Data File\r\none,S\r\n").expect("written");
    std::fs::write(place.path("data").join("S.wiff"), &wiff).expect("written");
    std::fs::write(place.path("data").join("S.wiff.scan"), &scan).expect("written");
    place.wait_for("the end", |told| count(told, "aborted") == 1);
    let end = place.events().pop().expect("an end");
    assert!(end["data"]["evidence"].to_string().contains("expected-samples"), "{end}");
}

#[test]
fn a_batch_that_is_changed_while_its_set_is_under_way_counts_as_it_is_now() {
    let (Some(wiff), Some(scan)) = (real("1hpo.wiff"), real("1hpo.wiff.scan")) else { return };
    let batches = tempfile::tempdir().expect("a folder");
    let more = format!("acquisitions = {{ batches = {{ folder = \"{}\" }} }}", batches.path().display());
    let place = Place::new("", &more);
    place.neither_look_nor_silence_ends_anything();
    let _daemon = place.run();
    place.wait_journal();
    let batch = batches.path().join("today.csv");
    std::fs::write(&batch, "Sample Name,Data File\r\none,S\r\ntwo,S\r\n").expect("written");
    std::fs::write(place.path("data").join("S.wiff"), &wiff).expect("written");
    std::fs::write(place.path("data").join("S.wiff.scan"), &scan).expect("written");
    place.wait_for("the start", |told| count(told, "started") == 1);
    // Longer than a set needs that has all its samples.
    pause(Duration::from_secs(3));
    assert_eq!(count(&place.told(), "aborted"), 0, "a second sample is to come");
    // The second one was taken out.
    std::fs::write(&batch, "Sample Name,Data File\r\none,S\r\n").expect("written");
    place.wait_for("the end", |told| count(told, "aborted") == 1);
    let end = place.events().pop().expect("an end");
    assert!(end["data"]["evidence"].to_string().contains("wants 1"), "{end}");
}

#[test]
fn where_one_root_is_gone_the_others_go_on() {
    let (Some(wiff), Some(scan), Some(single)) = (real("1hpo.wiff"), real("1hpo.wiff.scan"), real("mtbls691_1.wiff"))
    else {
        return;
    };
    let other = tempfile::tempdir().expect("a folder");
    let (share, away) = (other.path().join("share"), other.path().join("away"));
    std::fs::create_dir(&share).expect("made");
    let more = format!("acquisitions.roots.share = {{ folder = \"{}\" }}", share.display());
    let place = Place::new("", &more);
    let _daemon = place.run();
    place.wait_for_log("first look was there before", 2);
    // One set is under way in each.
    std::fs::write(place.path("data").join("S.wiff"), &wiff).expect("written");
    std::fs::write(share.join("T.wiff"), &single[..single.len() / 2]).expect("written");
    place.wait_for("both starts", |told| count(told, "started") == 2);
    std::fs::rename(&share, &away).expect("renamed");
    place.wait_for_status("disconnected");
    std::fs::write(place.path("data").join("S.wiff.scan"), &scan).expect("written");
    place.wait_for("the end", |told| count(told, "aborted") == 1);
    let end = place.events().pop().expect("an end");
    assert_eq!(
        (&end["data"]["file_set"]["root"], &end["data"]["file_set"]["path"]),
        (&"data".into(), &"S.wiff".into())
    );
    // What was away is neither gone nor incomplete, and goes on when it is back.
    std::fs::write(away.join("T.wiff"), &single).expect("written");
    std::fs::rename(&away, &share).expect("renamed");
    place.wait_for("the other end", |told| count(told, "completed") == 1);
    let told = place.told();
    assert_eq!((count(&told, "incomplete"), count(&told, "reopened")), (0, 0), "{told:?}");
    let end = place.events().pop().expect("an end");
    assert_eq!(
        (&end["data"]["file_set"]["root"], &end["data"]["file_set"]["path"]),
        (&"share".into(), &"T.wiff".into())
    );
}

#[test]
fn each_root_that_goes_away_is_told_of_and_a_restart_tells_of_none_again() {
    let other = tempfile::tempdir().expect("a folder");
    let (share, data) = (other.path().join("share"), other.path().join("data"));
    for made in [&share, &data] {
        std::fs::create_dir(made).expect("made");
    }
    let more = format!("acquisitions.roots.share = {{ folder = \"{}\" }}", share.display());
    let place = Place::new("", &more);
    place.configure("folder = \"data\"", &format!("folder = \"{}\"", data.display()));
    let gone = |folder: &Path| std::fs::rename(folder, folder.with_extension("away")).expect("renamed");
    let back = |folder: &Path| std::fs::rename(folder.with_extension("away"), folder).expect("renamed");
    let names = |event: &Value, places: &[&Path]| {
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        event["type"] == "instrumentd.device.disconnected.v1" && event["data"]["place"] == places.join(", ")
    };
    let daemon = place.run();
    place.wait_for_status("connected");
    gone(&share);
    place.wait_for_own("the share to be missed", |last| names(last, &[&share]));
    gone(&data);
    let told = place.wait_for_own("both to be missed", |last| names(last, &[&data, &share]));
    daemon.kill();

    // It looks again, finds the same, and has nothing to say.
    let _daemon = place.run();
    place.wait_for_log("The folder cannot be looked at.", 3);
    back(&share);
    let now = place.wait_for_own("the share to be back", |last| names(last, &[&data]));
    assert_eq!(now.len(), told.len() + 1, "{now:?}");
    gone(&share);
    place.wait_for_own("both to be missed again", |last| names(last, &[&data, &share]));
    back(&data);
    back(&share);
    place.wait_for_status("connected");
}

#[test]
fn what_is_written_over_a_copy_is_no_copy_any_more() {
    let (Some(wiff), Some(scan), Some(single)) = (real("1hpo.wiff"), real("1hpo.wiff.scan"), real("mtbls691_1.wiff"))
    else {
        return;
    };
    let place = Place::new("", "");
    let _daemon = place.run();
    place.wait_journal();
    std::fs::write(place.path("data/S.wiff"), &wiff).expect("written");
    std::fs::write(place.path("data/S.wiff.scan"), &scan).expect("written");
    place.wait_for("the end", |told| count(told, "aborted") == 1);
    std::fs::write(place.path("data/T.wiff"), &wiff).expect("written");
    place.wait_for_log("A copy of a known acquisition is left alone", 1);
    std::fs::write(place.path("data/T.wiff"), &single).expect("written");
    place.wait_for("the other end", |told| count(told, "completed") == 1);
    let told = place.told();
    assert_eq!((count(&told, "started"), count(&told, "reopened")), (2, 0), "{told:?}");
}

#[test]
fn folders_beyond_the_kernels_limit_are_polled_and_the_log_says_how_to_raise_it() {
    let (Some(wiff), Some(scan), Some(single)) = (real("1hpo.wiff"), real("1hpo.wiff.scan"), real("mtbls691_1.wiff"))
    else {
        return;
    };
    // The limit of a user namespace of its own: that of the machine is everybody's.
    let limited = "echo 4 > /proc/sys/user/max_inotify_watches && exec \"$0\" \"$@\"";
    let within = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", limited, program]);
        command
    };
    if !within("true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no namespace with a limit of its own is to be had");
        return;
    }
    let place = Place::new("", "");
    for number in 1..=9 {
        std::fs::create_dir(place.path("data").join(format!("P{number}"))).expect("made");
    }
    let _daemon = place.run_as(within(env!("CARGO_BIN_EXE_instrumentd")));
    place.wait_journal();
    assert_eq!(place.log().matches("sysctl fs.inotify.max_user_watches").count(), 1, "{}", place.log());
    // Of nine folders at most three are watched beside the root. Both acquisitions end, wherever they are.
    std::fs::write(place.path("data/P1/S.wiff"), &wiff).expect("written");
    std::fs::write(place.path("data/P1/S.wiff.scan"), &scan).expect("written");
    std::fs::write(place.path("data/P9/T.wiff"), &single).expect("written");
    place.wait_for("both ends", |told| count(told, "completed") + count(told, "aborted") == 2);
}

#[test]
fn a_restart_while_digests_are_made_goes_on_with_the_member_that_has_none() {
    let (Some(wiff), Some(scan)) = (real("1hpo.wiff"), real("1hpo.wiff.scan")) else { return };
    let place = Place::new("", "acquisitions = { hash_rate = \"1 MB\", hash_parallel = 1 }");
    place.configure("site = {", "log = { filter = \"instrumentd=debug\" }\nsite = {");
    let daemon = place.run();
    place.wait_journal();
    let data = place.path("data");
    std::fs::write(data.join("S.timeseries.data"), vec![7; 30_000_000]).expect("written");
    std::fs::write(data.join("S.wiff"), &wiff).expect("written");
    std::fs::write(data.join("S.wiff.scan"), &scan).expect("written");
    let read = "a member was read for its digest";
    place.wait_for_log(read, 2);
    // The third takes half a minute at that rate; the two are in the journal by then.
    pause(Duration::from_secs(2));
    daemon.kill();
    assert_eq!(place.log().matches(read).count(), 2, "{}", place.log());
    place.configure("hash_rate = \"1 MB\", ", "");
    let _daemon = place.run();
    place.wait_for("the end", |told| count(told, "aborted") == 1);
    let log = place.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(read)).collect();
    for member in ["S.wiff.scan", "S.timeseries.data"] {
        assert_eq!(lines.iter().filter(|line| line.contains(member)).count(), 1, "{member}: {lines:?}");
    }
    assert_eq!(lines.len(), 3, "{lines:?}");
    let end = place.events().pop().expect("an end");
    let members = end["data"]["file_set"]["members"].as_array().expect("members").clone();
    assert!(members.iter().all(|member| member["sha256"].is_string()) && members.len() == 3, "{members:?}");
}

impl Place {
    /// Waits until the daemon looked for the first time.
    fn wait_journal(&self) {
        self.wait_for_log("first look was there before", 1);
    }

    /// The device's own events so far: connections, faults.
    fn own_events(&self) -> Vec<Value> {
        let output = binary()
            .args(["events", "--format", "ndjson", "--type", "device.*", "--config"])
            .arg(self.path("instrumentd.toml"))
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Waits until the device's last connection event is of this kind; gives the device's own events.
    fn wait_for_status(&self, kind: &str) -> Vec<Value> {
        self.wait_for_own(kind, |last| last["type"] == format!("instrumentd.device.{kind}.v1"))
    }

    /// Waits until the last of the device's own events is as wanted; gives them all.
    fn wait_for_own(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let events = self.own_events();
            if events.last().is_some_and(&wanted) {
                return events;
            }
            assert!(Instant::now() < until, "not {what}: {events:?}\n{}", self.log());
            pause(Duration::from_millis(50));
        }
    }

    /// Neither the next look at the folders nor silence comes in the time of a test.
    fn neither_look_nor_silence_ends_anything(&self) {
        self.configure("\"1s\"", "\"1h\"");
        self.configure("\"900ms\"", "\"1h\"");
        self.configure("\"20s\"", "\"2h\"");
    }
}

/// A small generator of numbers, the same at each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}
