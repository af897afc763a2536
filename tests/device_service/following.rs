//! From outside: the daemon's binary and a simulated Echo MS+ behind its gateway, over a real socket. What the journal holds is
//! compared with what the instrument says it did.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use instrumentd_simulators::device_service::{HostSettings, Limits, Restart};
use instrumentd_simulators::echo_ms_plus::{EchoMsPlus, Ejection, Fault, Faults, Settings};
use instrumentd_simulators::player::Pace;
use jiff::Timestamp;
use serde_json::Value;

/// Long enough for the slowest machine; a condition that never comes is a failure, not a slow test.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs of a simulation: shots come every 20 milliseconds.
const PACE: Pace = Pace::Times(100.0);

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
        let _ = receiver.recv_timeout(Duration::from_millis(30));
    }
}

/// A laboratory with one Echo MS+.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(grpc: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            "site = {{ id = \"lab\" }}\njournal = {{ path = \"journal.db\" }}\n\
             [devices.echo]\nprofile = \"echo-ms-plus\"\ntime_zone = \"UTC\"\n[devices.echo.grpc]\n{grpc}\n"
        );
        std::fs::write(folder.path().join("instrumentd.toml"), text).expect("written");
        Self { folder }
    }

    fn of(echo: &EchoMsPlus) -> Self {
        Self::new(&format!("endpoint = \"grpc://{}\"\nplaintext = true", echo.address()))
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("instrumentd.toml")
    }

    fn run(&self) -> Daemon {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("daemon.log"));
        let log = log.expect("the daemon's log");
        let mut command = binary();
        command.arg("run").arg("--config").arg(self.config()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Daemon(command.spawn().expect("the daemon starts"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("daemon.log")).unwrap_or_default()
    }

    /// What the journal holds of these types.
    fn events(&self, of: &str) -> Vec<Value> {
        let output =
            binary().args(["events", "--format", "ndjson", "--type", of, "--config"]).arg(self.config()).output();
        let text = String::from_utf8(output.expect("events runs").stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    fn wait_for_ends(&self, runs: usize) -> Vec<Value> {
        let mut ends = Vec::new();
        wait_for("the ends of all runs", || {
            ends = self.events("ejection.run-completed");
            ends.len() >= runs
        });
        ends
    }

    /// The shots in the journal, each with how often it is there.
    fn shots(&self) -> BTreeMap<(String, u64), Vec<Value>> {
        let mut shots: BTreeMap<_, Vec<Value>> = BTreeMap::new();
        for event in self.events("ejection.ejected").into_iter().chain(self.events("ejection.failed")) {
            let run = event["data"]["run"]["instrument_run_id"].as_str().expect("a run").to_owned();
            shots.entry((run, event["data"]["order"].as_u64().expect("a place"))).or_default().push(event);
        }
        shots
    }
}

struct Daemon(Child);

impl Daemon {
    fn kill(mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn settings(runs: u32) -> Settings {
    let settings = Settings {
        start: Timestamp::now(),
        missed: 0.05,
        empty: 0.03,
        low: 0.05,
        lead_s: 2.0,
        gap_s: 4.0,
        interval_s: 2.0,
        ..Settings::default()
    };
    settings.plates(runs, 384, 150, 1, 5)
}

fn start(settings: Settings, faults: Faults) -> EchoMsPlus {
    EchoMsPlus::start(settings, HostSettings::default(), Limits::default(), faults, PACE).expect("it runs")
}

/// Every shot that the instrument made, or should have made, is in the journal once, as it was.
fn assert_same(truth: &[Ejection], place: &Place) {
    let mut shots = place.shots();
    for ejection in truth {
        let key = (ejection.run_id.clone(), u64::from(ejection.order));
        let found = shots.remove(&key).unwrap_or_default();
        let [event] = found.as_slice() else { panic!("{key:?} is there {} times\n{}", found.len(), place.log()) };
        let data = &event["data"];
        assert_eq!(data["status"], ejection.status, "{event}");
        let came = matches!(ejection.status, "ok" | "low-volume");
        let expected = if came { "instrumentd.ejection.ejected.v1" } else { "instrumentd.ejection.failed.v1" };
        assert_eq!(event["type"], expected);
        if data["kind"] == "sample" {
            assert_eq!(data["volume_nominal_nl"].as_f64(), Some(ejection.nominal_nl), "{event}");
            assert_eq!(data["plate"]["barcode"], ejection.barcode.as_str(), "{event}");
        }
        let actual = data["actual_time"].as_str().map(|text| text.parse::<Timestamp>().expect("a time"));
        assert_eq!(actual, ejection.actual, "{event}");
    }
    assert!(shots.is_empty(), "nobody made these: {:?}", shots.keys());
}

#[test]
fn a_run_is_recorded_as_the_instrument_made_it() {
    let mut echo = start(settings(2), Faults::default());
    let place = Place::of(&echo);
    let daemon = place.run();
    echo.wait().expect("it ran");
    let ends = place.wait_for_ends(2);
    assert_same(&echo.truth(), &place);
    for end in &ends {
        let data = &end["data"];
        assert_eq!(data["complete"], true, "{end}");
        let counted = data["events"].as_object().expect("counts");
        let of_run = |of: &str| {
            let run = &data["run"]["id"];
            place.events(of).iter().filter(|event| &event["data"]["run"]["id"] == run).count() as u64
        };
        for name in ["ejection.ejected", "ejection.failed", "ejection.surveyed", "ejection.planned"] {
            assert_eq!(counted.get(name).and_then(Value::as_u64).unwrap_or(0), of_run(name), "{name}");
        }
        assert!(data["first_sequence"].as_u64() < data["last_sequence"].as_u64(), "{end}");
    }
    assert_eq!(place.events("device.gap"), Vec::<Value>::new());
    let barcodes = place.events("labware.barcode-read");
    assert_eq!(barcodes.len(), 2, "one plate for each run");
    drop(daemon);
}

#[test]
fn cuts_restarts_and_kills_lose_and_repeat_nothing() {
    let faults = [
        Faults::default().with(Fault::Cut, 17).with(Fault::Double, 13),
        Faults::default().with(Fault::SequenceGap, 7).with(Fault::Restart, 29),
        Faults::default().with(Fault::RestartLost, 31).with(Fault::Expire, 41),
        Faults::default().with(Fault::Malformed, 23).with(Fault::Oversized, 37).with(Fault::WrongStatus, 43),
        Faults::default().with(Fault::Down, 50).with(Fault::Gone, 61),
    ];
    for faults in faults {
        let mut echo = start(settings(1), faults.clone());
        let place = Place::of(&echo);
        let mut daemon = place.run();
        let mut kills = 0;
        while !echo.is_over() {
            let before = echo.truth().len();
            wait_for("some shots", || echo.is_over() || echo.truth().len() >= before + 40);
            if kills < 3 {
                daemon.kill();
                daemon = place.run();
                kills += 1;
            }
        }
        echo.wait().expect("it ran");
        place.wait_for_ends(1);
        assert_same(&echo.truth(), &place);
        assert!(kills > 0, "nothing was killed");
        drop(daemon);
    }
}

#[test]
fn what_cannot_be_had_any_more_is_named() {
    let mut echo = start(settings(1), Faults::default());
    let place = Place::of(&echo);
    let daemon = place.run();
    wait_for("a shot in the journal", || !place.shots().is_empty());
    daemon.kill();
    let before = echo.truth().len();
    wait_for("shots that nobody hears", || echo.truth().len() > before + 20);
    echo.restart(Restart::WithoutHistory).expect("restarted");
    let daemon = place.run();
    echo.wait().expect("it ran");
    let ends = place.wait_for_ends(1);
    let mut shots = place.shots();
    let missing: Vec<(u64, u64)> = ends[0]["data"]["missing"]
        .as_array()
        .expect("places")
        .iter()
        .map(|range| (range[0].as_u64().expect("from"), range[1].as_u64().expect("to")))
        .collect();
    let mut lost = 0;
    for ejection in echo.truth() {
        let order = u64::from(ejection.order);
        let is_named = missing.iter().any(|(from, to)| (*from..=*to).contains(&order));
        let there = shots.remove(&(ejection.run_id.clone(), order)).map_or(0, |found| found.len());
        assert_eq!(there, usize::from(!is_named), "shot {order}");
        lost += usize::from(is_named);
    }
    assert!(shots.is_empty() && lost > 0, "{lost} were lost");
    assert_eq!(ends[0]["data"]["complete"], false);
    let reasons: Vec<Value> = place.events("device.gap").into_iter().map(|gap| gap["data"]["reason"].clone()).collect();
    assert!(
        reasons.contains(&"not-recoverable".into()) && reasons.contains(&"missing-ejections".into()),
        "{reasons:?}"
    );
    drop(daemon);
}

#[test]
fn a_client_without_the_right_token_gets_nothing_and_says_why() {
    let host = HostSettings { token: Some("s3same".to_owned()), ..HostSettings::default() };
    let echo = EchoMsPlus::start(settings(1), host, Limits::default(), Faults::default(), PACE).expect("it runs");
    let grpc = format!("endpoint = \"grpc://{}\"\nplaintext = true\ntoken_file = \"token\"", echo.address());
    let place = Place::new(&grpc);
    std::fs::write(place.folder.path().join("token"), "hunter2").expect("written");
    let daemon = place.run();
    let mut told = Vec::new();
    wait_for("the refusal", || {
        told = place.events("device.*");
        !told.is_empty()
    });
    assert_eq!(told[0]["type"], "instrumentd.device.disconnected.v1", "{told:?}");
    assert!(told[0]["data"]["reason"].as_str().is_some_and(|why| why.contains("does not accept who we are")));
    assert!(told[0]["data"]["remedy"].as_str().is_some_and(|what| what.contains("token_file")));
    assert_eq!(place.events("ejection.*"), Vec::<Value>::new());
    assert!(!place.log().contains("hunter2"), "{}", place.log());
    // A token that is mended counts without a restart.
    std::fs::write(place.folder.path().join("token"), "s3same\n").expect("written");
    wait_for("a shot", || !place.events("ejection.*").is_empty());
    drop(daemon);
}

/// What `instrumentd probe` finds: its exit code, and the outcome of each rule.
fn probed(arguments: &[&str]) -> (Option<i32>, BTreeMap<String, Value>) {
    let output = binary().args(["probe", "--format", "json"]).args(arguments).output().expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let rules = report["rules"].as_array().cloned().unwrap_or_default();
    let named = |rule: Value| (rule["rule"].as_str().expect("a name").to_owned(), rule);
    (output.status.code(), rules.into_iter().map(named).collect())
}

#[test]
fn the_simulated_gateway_keeps_the_rules_and_a_probe_changes_nothing() {
    let host = HostSettings { token: Some("s3same".to_owned()), ..HostSettings::default() };
    let echo = EchoMsPlus::start(settings(1), host, Limits::default(), Faults::default(), PACE).expect("it runs");
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "s3same\n").expect("written");
    wait_for("some events", || echo.truth().len() > 3);
    let (endpoint, token) = (format!("grpc://{}", echo.address()), token.display().to_string());
    let (ended, rules) = probed(&[&endpoint, "--token-file", &token]);
    let not_passed: Vec<&Value> = rules.values().filter(|rule| rule["outcome"] != "pass").collect();
    let untested: Vec<&str> = not_passed.iter().filter_map(|rule| rule["rule"].as_str()).collect();
    assert_eq!(untested, ["call", "stale", "write"], "{not_passed:#?}");
    assert!(not_passed.iter().all(|rule| rule["outcome"] == "not-tested"), "{not_passed:#?}");
    assert_eq!(ended, Some(0));
    assert_eq!(echo.with_host(|host| host.with(|server, _| server.subscriptions())), 0, "it leaves nothing behind");

    let named = ["--write", "ns=2;s=Device/OperationalLocation", "--call", "ns=2;s=Device/AddComment"];
    let (ended, rules) = probed(&[&[&endpoint, "--token-file", &*token], &named[..]].concat());
    assert_eq!(
        (ended, &rules["write"]["outcome"], &rules["call"]["outcome"]),
        (Some(0), &"pass".into(), &"pass".into()),
        "{rules:#?}"
    );
    let unwritable = ["--write", "ns=2;s=Device/Identification/Model"];
    let (ended, rules) = probed(&[&[&endpoint, "--token-file", &*token], &unwritable[..]].concat());
    assert_eq!((ended, &rules["write"]["outcome"]), (Some(1), &"fail".into()));
}

/// All that can be seen from outside is seen each time, also of a server in which nothing happens any more.
#[test]
fn an_idle_gateway_keeps_the_rules_as_often_as_it_is_probed() {
    let mut echo = start(settings(1), Faults::default());
    echo.wait().expect("it ran");
    let endpoint = format!("grpc://{}", echo.address());
    for _ in 0..2 {
        let (ended, rules) = probed(&[&endpoint]);
        let not_passed: Vec<&Value> = rules.values().filter(|rule| rule["outcome"] != "pass").collect();
        let untested: Vec<&str> = not_passed.iter().filter_map(|rule| rule["rule"].as_str()).collect();
        assert_eq!(untested, ["call", "identity", "stale", "write"], "{not_passed:#?}");
        assert_eq!(ended, Some(0), "{not_passed:#?}");
    }
    assert_eq!(echo.with_host(|host| host.with(|server, _| server.subscriptions())), 0, "it leaves nothing behind");
}

#[test]
fn a_probe_says_what_is_wrong_and_that_there_is_no_server() {
    let echo = start(settings(1), Faults::default());
    wait_for("some events", || echo.truth().len() > 3);
    echo.with_host(|host| host.with(|server, _| server.answer_wrongly(1000)));
    let (ended, rules) = probed(&[&format!("grpc://{}", echo.address())]);
    assert_eq!(ended, Some(1));
    let failed: Vec<&String> =
        rules.iter().filter(|(_, rule)| rule["outcome"] == "fail").map(|(name, _)| name).collect();
    assert!(failed.iter().any(|name| *name == "read-unknown" || *name == "item-refused"), "{failed:?}");
    assert_eq!(probed(&["grpc://127.0.0.1:1"]).0, Some(2));
}
