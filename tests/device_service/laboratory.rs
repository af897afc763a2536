//! A laboratory with one Echo MS+ behind its gateway, and the daemon's binary.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use instrumentd_simulators::device_service::{HostSettings, Limits};
use instrumentd_simulators::echo_ms_plus::{EchoMsPlus, Faults, Settings};
use instrumentd_simulators::player::Pace;
use jiff::Timestamp;
use serde_json::Value;

use crate::wait_for;

/// Runs of a simulation: shots come every 20 milliseconds.
pub const PACE: Pace = Pace::Times(100.0);

pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_instrumentd"));
    command.env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM");
    command
}

/// A laboratory with one Echo MS+.
pub struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    /// `grpc` says how the gateway is reached.
    pub fn new(grpc: &str) -> Self {
        Self::publishing(grpc, None)
    }

    /// One that publishes to the broker on this port of this machine, if there is one.
    pub fn publishing(grpc: &str, broker: Option<u16>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let broker = broker.map(|port| format!("[brokers.main]\nhost = \"127.0.0.1\"\nport = {port}\n"));
        let broker = broker.unwrap_or_default();
        let text = format!(
            "site = {{ id = \"lab\" }}\njournal = {{ path = \"journal.db\" }}\n{broker}\
             [devices.echo]\nprofile = \"echo-ms-plus\"\ntime_zone = \"UTC\"\n[devices.echo.grpc]\n{grpc}\n"
        );
        std::fs::write(folder.path().join("instrumentd.toml"), text).expect("written");
        Self { folder }
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("instrumentd.toml")
    }

    pub fn run(&self) -> Daemon {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("daemon.log"));
        let log = log.expect("the daemon's log");
        let mut command = binary();
        command.arg("run").arg("--config").arg(self.config()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Daemon(command.spawn().expect("the daemon starts"))
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("daemon.log")).unwrap_or_default()
    }

    /// What the journal holds of these types.
    pub fn events(&self, of: &str) -> Vec<Value> {
        let output =
            binary().args(["events", "--format", "ndjson", "--type", of, "--config"]).arg(self.config()).output();
        let text = String::from_utf8(output.expect("events runs").stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    pub fn wait_for_ends(&self, runs: usize) -> Vec<Value> {
        let mut ends = Vec::new();
        wait_for("the ends of all runs", || {
            ends = self.events("ejection.run-completed");
            ends.len() >= runs
        });
        ends
    }

    /// The shots in the journal, each with how often it is there.
    pub fn shots(&self) -> BTreeMap<(String, u64), Vec<Value>> {
        let mut shots: BTreeMap<_, Vec<Value>> = BTreeMap::new();
        for event in self.events("ejection.ejected").into_iter().chain(self.events("ejection.failed")) {
            let run = event["data"]["run"]["instrument_run_id"].as_str().expect("a run").to_owned();
            shots.entry((run, event["data"]["order"].as_u64().expect("a place"))).or_default().push(event);
        }
        shots
    }
}

/// How the gateway is reached.
pub fn in_plain_text(echo: &EchoMsPlus) -> String {
    format!("endpoint = \"grpc://{}\"\nplaintext = true", echo.address())
}

pub struct Daemon(Child);

impl Daemon {
    pub fn kill(mut self) {
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

pub fn settings(runs: u32) -> Settings {
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

pub fn start(settings: Settings, faults: Faults) -> EchoMsPlus {
    EchoMsPlus::start(settings, HostSettings::default(), Limits::default(), faults, PACE).expect("it runs")
}
