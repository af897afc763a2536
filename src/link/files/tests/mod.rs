//! The link seen from outside: files are written, events are received.

mod archives;
mod first_start;
mod folder;
mod growing;
mod offline;
mod parts;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{FileLink, Known, LinkEvent, Start, spawn};
use crate::config::settings::{FilesSettings, WatchMode};
use crate::driver::SourceName;
use crate::event::Ingest;

/// Far longer than anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test with the kernel's notifications and with polling.
fn both(test: impl Fn(WatchMode)) {
    for watch in [WatchMode::Notify, WatchMode::Poll] {
        test(watch);
    }
}

fn settings(folder: &Path, watch: WatchMode) -> FilesSettings {
    FilesSettings {
        folder: folder.to_owned(),
        watch,
        poll_interval: Duration::from_millis(20),
        backfill: None,
        require_mount: false,
    }
}

fn start(folder: &Path, watch: WatchMode) -> Start {
    Start {
        settings: settings(folder, watch),
        layout: Default::default(),
        settle: Duration::from_millis(60),
        known: vec![],
        baseline: None,
    }
}

/// What an actor would keep and know, and a link that feeds it.
struct Rig {
    start: Start,
    link: Option<FileLink>,
    events: mpsc::Receiver<LinkEvent>,
    runtime: tokio::runtime::Runtime,
    /// The content of each source as its bytes came, by name.
    content: BTreeMap<String, Vec<u8>>,
    /// The last committed position of each source.
    positions: BTreeMap<SourceName, Vec<u8>>,
    baseline: Option<Vec<u8>>,
    /// A short line for each event.
    log: Vec<String>,
    /// Bytes by way in.
    backfilled: usize,
    live: usize,
    members: BTreeMap<String, Vec<u8>>,
    heads: Vec<Vec<u8>>,
}

impl Rig {
    fn new(start: Start) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (sender, events) = mpsc::channel(8);
        let baseline = start.baseline.clone();
        let positions = start.known.iter().map(|known| (known.source.clone(), known.position.clone())).collect();
        let link = Some(spawn(start.clone(), sender));
        Self {
            start,
            link,
            events,
            runtime,
            content: BTreeMap::new(),
            positions,
            baseline,
            log: vec![],
            backfilled: 0,
            live: 0,
            members: BTreeMap::new(),
            heads: vec![],
        }
    }

    /// In a folder that is empty at the first start.
    fn connected(folder: &Path, watch: WatchMode) -> Self {
        let mut rig = Self::new(start(folder, watch));
        rig.until("the first look", |rig| rig.baseline.is_some());
        rig
    }

    fn link(&self) -> &FileLink {
        self.link.as_ref().expect("the link runs")
    }

    /// Ends the link as a crash would, dropping what was not received, and starts one from what was committed.
    fn restart(&mut self) {
        self.link().stop();
        self.link = None;
        let known =
            |(source, position): (&SourceName, &Vec<u8>)| Known { source: source.clone(), position: position.clone() };
        self.start.known = self.positions.iter().map(known).collect();
        self.start.baseline = self.baseline.clone();
        let (sender, events) = mpsc::channel(8);
        self.events = events;
        self.link = Some(spawn(self.start.clone(), sender));
    }

    fn next(&mut self, what: &str) -> LinkEvent {
        let events = &mut self.events;
        let received = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, events.recv()).await });
        match received {
            Ok(Some(event)) => event,
            other => panic!("waiting for {what}: {other:?}; so far:\n{}", self.log.join("\n")),
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let event = self.next(what);
            self.take(event);
        }
    }

    /// Waits until a source holds exactly `bytes`.
    fn until_content(&mut self, name: &str, bytes: &[u8]) {
        self.until(name, |rig| rig.content.get(name).is_some_and(|content| content.len() >= bytes.len()));
        assert!(self.content[name] == bytes, "the content of {name} differs; so far:\n{}", self.log.join("\n"));
    }

    fn until_logged(&mut self, line: &str) {
        self.until(line, |rig| rig.log.iter().any(|logged| logged == line));
    }

    fn count(&self, start: &str) -> usize {
        self.log.iter().filter(|line| line.starts_with(start)).count()
    }

    fn take(&mut self, event: LinkEvent) {
        let line = match event {
            LinkEvent::Connected { .. } => "connected".to_owned(),
            LinkEvent::Disconnected { reason, .. } => format!("disconnected: {reason}"),
            LinkEvent::Baseline(bytes) => {
                self.baseline = Some(bytes);
                "baseline".to_owned()
            }
            LinkEvent::Opened { source, kind, resume, .. } => {
                if !resume {
                    self.content.insert(source.to_string(), vec![]);
                }
                format!("opened {source} {kind:?} {resume}")
            }
            LinkEvent::Member { source, name, bytes, position } => {
                self.positions.insert(source, position);
                self.members.insert(name.clone(), bytes);
                format!("member {name}")
            }
            LinkEvent::Head { source, bytes, position } => {
                self.positions.insert(source.clone(), position);
                self.heads.push(bytes);
                format!("head {source}")
            }
            LinkEvent::Bytes { source, offset, bytes, position, ingest } => {
                let content = self.content.entry(source.to_string()).or_default();
                assert_eq!(offset, content.len() as u64, "bytes of {source} follow each other");
                content.extend_from_slice(&bytes);
                self.positions.insert(source.clone(), position);
                match ingest {
                    Ingest::Backfill => self.backfilled += bytes.len(),
                    _ => self.live += bytes.len(),
                }
                format!("bytes {source} {offset}+{}", bytes.len())
            }
            LinkEvent::Ended { source, position } => {
                let line = format!("ended {source}");
                self.positions.insert(source, position);
                line
            }
            LinkEvent::Settled { source, position } => {
                let line = format!("settled {source}");
                self.positions.insert(source, position);
                line
            }
            LinkEvent::Renamed { from, to, position } => {
                self.positions.remove(&from);
                self.positions.insert(to.clone(), position);
                if let Some(content) = self.content.remove(&*from) {
                    self.content.insert(to.to_string(), content);
                }
                format!("renamed {from} {to}")
            }
            LinkEvent::Gone { source } => {
                self.positions.remove(&source);
                format!("gone {source}")
            }
            LinkEvent::Gap { source, reason, .. } => format!("gap {source} {reason}"),
            LinkEvent::Trouble { source, text, .. } => format!("trouble {} {text}", source.as_deref().unwrap_or("-")),
            LinkEvent::TroubleOver { source } => format!("trouble over {}", source.as_deref().unwrap_or("-")),
        };
        self.log.push(line);
    }
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("a file to append to");
    file.write_all(bytes).expect("appended");
}

/// Lines like those of a result file, different everywhere.
fn lines(from: usize, count: usize) -> Vec<u8> {
    (from..from + count)
        .flat_map(|n| format!("C{n};A01;1;{};{}\n", n * 7919 % 100_003, n * n % 9973).into_bytes())
        .collect()
}

/// A real file, where it is there; without it a test says so, and fails where CI is set.
fn real_data(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set = std::env::var_os("INSTRUMENTD_DATA").map(PathBuf::from);
    let around = root.ancestors().flat_map(|place| [place.join("shared/data"), place.join("../shared/data")]);
    let found = set.into_iter().chain(around).map(|data| data.join(name)).find(|path| path.exists());
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "real data not present: {name}");
        println!("skipped: real data not present ({name})");
    }
    found
}
