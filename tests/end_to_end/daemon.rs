//! The daemon's binary under test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::Value;

pub const DEVICE: &str = "biolector";
pub const ZONE: &str = "Europe/Berlin";

pub fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_instrumentd"))
}

pub struct Place {
    pub root: tempfile::TempDir,
    pub profile: &'static str,
    pub port: u16,
}

impl Place {
    pub fn new(profile: &'static str, port: u16) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(root.path().join("results")).expect("the instrument's folder");
        let place = Self { root, profile, port };
        place.configure("");
        place
    }

    pub fn results(&self) -> PathBuf {
        self.root.path().join("results")
    }

    pub fn config(&self) -> PathBuf {
        self.root.path().join("instrumentd.toml")
    }

    /// Writes the configuration; `more` goes to its end.
    pub fn configure(&self, more: &str) {
        let text = format!(
            r#"[site]
id = "lab"
node = "gateway"

[journal]
path = "journal.db"

[brokers.main]
host = "127.0.0.1"
port = {port}
stall = "2s"
response_prefix = "answers/"

[devices.{DEVICE}]
profile = "{profile}"
time_zone = "{ZONE}"
files = {{ folder = "results", backfill = "all", poll_interval = "1s" }}
{more}
"#,
            port = self.port,
            profile = self.profile,
        );
        std::fs::write(self.config(), text).expect("the configuration");
    }

    pub fn run(&self) -> Daemon {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.root.path().join("daemon.log"));
        let child = binary()
            .arg("run")
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("the daemon's log"))
            .spawn()
            .expect("the daemon starts");
        Daemon { child }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.root.path().join("daemon.log")).unwrap_or_default()
    }

    /// What the journal holds, read beside the daemon.
    pub fn recorded(&self) -> Vec<Value> {
        let output = binary().args(["events", "--format", "ndjson", "--config"]).arg(self.config()).output();
        let text = String::from_utf8(output.expect("events runs").stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Decodes offline for the same site and device: the events that the daemon has to publish, in order.
    pub fn decode(&self, path: &Path) -> Vec<Value> {
        let output = self.decode_raw(path);
        assert!(output.status.success(), "decode failed: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    pub fn decode_raw(&self, path: &Path) -> Output {
        binary()
            .args(["decode", "--profile", self.profile, "--site", "lab", "--device", DEVICE, "--time-zone", ZONE])
            .arg(path)
            .output()
            .expect("decode runs")
    }
}

pub struct Daemon {
    child: Child,
}

impl Daemon {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.expect("kill runs").success());
    }

    pub fn end(mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.child.wait().expect("the daemon ended")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
