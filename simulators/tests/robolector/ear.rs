//! Whoever listens: reads a terminal until the robot ends, opening it again whenever the cable was pulled.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use instrument_proto::codec::star::{Framing, Marks, Terminator};
use instrumentd_simulators::Pace;
use instrumentd_simulators::robolector::{Deck, Dialect, Place, Plan, Ports, Robolector, Settings, Truth};
use rustix::fs::{Mode, OFlags};

/// Bytes of each time that the terminal was open.
pub type Openings = Vec<Vec<u8>>;

pub struct Ear {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Openings>,
}

impl Ear {
    pub fn open(path: &Path) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (theirs, path) = (over.clone(), path.to_owned());
        Self { over, thread: std::thread::spawn(move || listen(&path, &theirs)) }
    }

    /// What was heard, once the robot has ended.
    pub fn heard(self) -> Openings {
        self.over.store(true, Ordering::SeqCst);
        self.thread.join().expect("the listener ends")
    }
}

pub fn open(path: &Path) -> rustix::io::Result<std::os::fd::OwnedFd> {
    rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
}

fn listen(path: &Path, over: &AtomicBool) -> Openings {
    let mut openings = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let Ok(terminal) = open(path) else {
            std::thread::yield_now();
            continue;
        };
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        // A terminal that hangs up gives an error, or nothing.
        while let Ok(length @ 1..) = rustix::io::read(&terminal, &mut buffer) {
            bytes.extend_from_slice(&buffer[..length]);
        }
        if !bytes.is_empty() {
            openings.push(bytes);
        }
    }
    openings
}

pub fn star() -> Dialect {
    Dialect::Star(Framing { terminator: Terminator::CrLf, marks: Some(Marks::default()) })
}

/// A robot at full speed on a terminal of its own.
pub fn settings(dialect: Dialect, folder: &Path) -> Settings {
    Settings { pace: Pace::Max, ..Settings::new(dialect, Ports::One(folder.join("line"))) }
}

/// Samples whole columns of the culture plate.
pub fn columns(deck: &Deck, columns: u8, times: u32) -> Plan {
    let wells: Vec<Place> =
        (0..columns).flat_map(|column| (0..6).map(move |row| Place::new("cultures", row, column))).collect();
    Plan::sampling(&wells, deck.named("samples").expect("on the deck"), 100.0, times, 600.0)
}

/// Runs a robot to its end; what was heard on its one line, and the truth.
pub fn run(settings: Settings) -> (Openings, Vec<Truth>) {
    let Ports::One(path) = settings.ports.clone() else { panic!("one line") };
    let robot = Robolector::spawn(settings, 64).expect("a terminal");
    let ear = Ear::open(&path);
    let truths: Vec<Truth> = robot.truths().iter().collect();
    robot.join().expect("the plan is done");
    (ear.heard(), truths)
}

pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    (folder, path)
}
