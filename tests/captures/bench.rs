//! A daemon with one device, whose link is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_instrumentd"));
    command.env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM");
    command
}

/// A folder with a configuration.
pub struct Bench {
    pub folder: tempfile::TempDir,
    profile: &'static str,
}

impl Bench {
    /// The device `one` of this profile; `device` says how it is reached.
    pub fn new(profile: &'static str, device: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["captures", "results"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let text = format!(
            "site = {{ id = \"lab\" }}\njournal = {{ path = \"journal.db\" }}\n\
             [devices.one]\nprofile = \"{profile}\"\ntime_zone = \"UTC\"\n{device}\n"
        );
        std::fs::write(folder.path().join("instrumentd.toml"), text).expect("written");
        Self { folder, profile }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn daemon(&self) -> Running {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("daemon.log")).expect("a log");
        let mut command = binary();
        command.arg("run").arg("--config").arg(self.path("instrumentd.toml"));
        Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the daemon starts"))
    }

    /// `instrumentd capture` into this file.
    pub fn capture(&self, output: &Path) -> Running {
        let mut command = binary();
        command.args(["capture", "--device", "one", "--config"]).arg(self.path("instrumentd.toml"));
        command.arg("--output").arg(output).stdin(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().expect("it starts"))
    }

    /// The recordings of the daemon, in their order.
    pub fn captures(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("captures")).expect("a folder");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        files
    }

    /// All that was recorded.
    pub fn recorded(&self) -> String {
        let texts = self.captures().into_iter().map(|file| std::fs::read_to_string(file).unwrap_or_default());
        texts.collect()
    }

    /// What the journal holds.
    pub fn events(&self, of: &str) -> Vec<Value> {
        let mut command = binary();
        command.args(["events", "--format", "ndjson", "--type", of, "--config"]).arg(self.path("instrumentd.toml"));
        lines(&command.output().expect("events runs").stdout)
    }

    /// Waits until all that was recorded replays to all that the journal holds, of which there are so many at least; gives what
    /// the replay said.
    pub fn wait_until_same(&self, at_least: usize) -> String {
        let start = std::time::Instant::now();
        loop {
            let (replayed, said) = self.replay(&self.captures());
            let held = self.events("*");
            let same = compare(&held, &replayed);
            if same.is_ok() && held.len() >= at_least {
                return said;
            }
            assert!(start.elapsed() < crate::PATIENCE, "{} held: {same:.2000?}", held.len());
        }
    }

    /// The events that a replay of these files gives, and what it says of them.
    pub fn replay(&self, files: &[PathBuf]) -> (Vec<Value>, String) {
        let mut command = binary();
        command.args(["replay", "--profile", self.profile, "--config"]).arg(self.path("instrumentd.toml")).args(files);
        let output = command.output().expect("replay runs");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(output.status.success(), "{said}");
        (lines(&output.stdout), said)
    }
}

fn lines(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// What an event says of the instrument.
fn said(event: &Value) -> Value {
    let mut data = event["data"].clone();
    if let Some(data) = data.as_object_mut() {
        // How often the journal heard of it, and in which rows, a replay does not know.
        for of_journal in ["revision", "reason", "supersedes", "first_sequence", "last_sequence"] {
            data.remove(of_journal);
        }
    }
    let parts = ["type", "subject", "time"].map(|name| event[name].clone());
    Value::from_iter(parts.into_iter().chain([data]))
}

/// Whether a replay gives what the journal holds, under the same ids: all of it and nothing else; an error says what differs.
/// Events of the daemon itself, and those that the journal makes of two ways of one fact, are not the instrument's.
pub fn compare(held: &[Value], replayed: &[Value]) -> Result<(), String> {
    let of_instrument = |event: &&Value| {
        let name = event["type"].as_str().expect("a type");
        !name.contains(".device.") && !name.contains(".refined.")
    };
    let id = |event: &Value| event["id"].as_str().expect("an id").to_owned();
    let mut first: BTreeMap<String, Value> = BTreeMap::new();
    let mut all: BTreeSet<String> = BTreeSet::new();
    for event in replayed.iter().filter(of_instrument) {
        // What is told again under its id is the journal's to weigh.
        first.entry(id(event)).or_insert_with(|| said(event));
        all.insert(said(event).to_string());
    }
    let mut known: BTreeSet<String> = BTreeSet::new();
    for event in held.iter().filter(of_instrument) {
        known.insert(id(event));
        if event["data"]["supersedes"].is_string() {
            if !all.contains(&said(event).to_string()) {
                return Err(format!("{} is not replayed", said(event)));
            }
            continue;
        }
        match first.get(&id(event)) {
            None => return Err(format!("{} {} is not replayed", id(event), said(event))),
            Some(other) if *other != said(event) => return Err(format!("{}: {} and {other}", id(event), said(event))),
            Some(_) => {}
        }
    }
    match first.iter().find(|(id, _)| !known.contains(*id)) {
        Some((id, more)) => Err(format!("{id} {more} is more than the journal holds")),
        None => Ok(()),
    }
}

/// Something that runs until it is dropped.
pub struct Running(Child);

impl Running {
    /// `kill -9`.
    pub fn kill(mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
    }

    /// Ctrl-C, and waits for the end.
    pub fn interrupt(mut self) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::INT).expect("sent");
        assert!(self.0.wait().expect("ended").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
