//! Feeding a driver, and profiles to feed it with.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::{Context, driver};
use crate::driver::{Driver, Effects, FileInput, Input, Refusal, Request, SourceKind, SourceName, Timer, TimerChange};
use crate::event::cultivation::{CycleCompleted, Defect, Measured};
use crate::event::{Body, Event, EventType};
use crate::profile::{Family, Profile};

pub fn profile(family: Family) -> Arc<Profile> {
    crate::profile::shipped(family.as_str()).expect("a shipped profile")
}

pub fn context(family: Family) -> Context {
    let (site, device) = ("lab".parse().expect("valid"), "bl".parse().expect("valid"));
    let zone = TimeZone::get("Europe/Berlin").expect("the zone data base");
    Context::new(&site, &device, profile(family), zone)
}

/// A driver with one source, and everything that came out.
pub struct Bench {
    driver: Box<dyn Driver>,
    context: Context,
    pub source: SourceName,
    pub events: Vec<Event>,
    pub refused: Vec<Refusal>,
    pub rereads: usize,
    pub snapshot: BTreeMap<String, Vec<u8>>,
    pub defects: BTreeMap<&'static str, Defect>,
    pub timer: Option<Duration>,
    pub largest_snapshot: usize,
    pub largest_moving: usize,
    kind: SourceKind,
    effects: Effects,
}

impl Bench {
    pub fn new(context: Context, kind: SourceKind) -> Self {
        let mut bench = Self {
            driver: Box::new(driver(context.clone())),
            context,
            source: "a file.csv".into(),
            events: Vec::new(),
            refused: Vec::new(),
            rereads: 0,
            snapshot: BTreeMap::new(),
            defects: BTreeMap::new(),
            timer: None,
            largest_snapshot: 0,
            largest_moving: 0,
            kind,
            effects: Effects::default(),
        };
        bench.open();
        bench
    }

    fn open(&mut self) {
        let snapshot: Vec<_> = self.snapshot.iter().map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        self.give(FileInput::Opened { kind: self.kind, snapshot: &snapshot });
    }

    /// As after a crash: a new driver with the last snapshot.
    pub fn restart(&mut self) {
        self.driver = Box::new(driver(self.context.clone()));
        self.open();
    }

    /// As a link does when the source is to be read again.
    pub fn reread_from_start(&mut self) {
        self.snapshot.clear();
        self.open();
    }

    pub fn give(&mut self, input: FileInput<'_>) {
        let source = self.source.clone();
        self.input(Input::File(&source, input));
    }

    pub fn time_out(&mut self) {
        let timer = Timer { source: self.source.clone(), name: "cycle" };
        self.timer = None;
        self.input(Input::Timer(&timer));
    }

    fn input(&mut self, input: Input<'_>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.driver.handle(input, Timestamp::UNIX_EPOCH, &mut effects);
        self.events.append(&mut effects.events);
        self.refused.extend(effects.refused.drain(..).map(|(_, refusal)| refusal));
        self.rereads += effects.requests.iter().filter(|r| matches!(r, Request::Reread(_))).count();
        for part in effects.snapshots.drain(..) {
            if part.part == "moving" {
                self.largest_moving = self.largest_moving.max(part.bytes.len());
            }
            self.snapshot.insert(part.part.to_owned(), part.bytes);
        }
        self.largest_snapshot = self.largest_snapshot.max(self.snapshot.values().map(Vec::len).sum());
        for (_, defect) in effects.defects.drain(..) {
            self.defects.insert(defect.code, defect);
        }
        for change in effects.timers.drain(..) {
            self.timer = match change {
                TimerChange::Set(_, after) => Some(after),
                TimerChange::Cancel(_) => None,
            };
        }
        effects.clear();
        self.effects = effects;
    }

    pub fn count(&self, event_type: EventType) -> usize {
        self.events.iter().filter(|event| event.body.event_type() == event_type).count()
    }

    pub fn measured(&self) -> impl Iterator<Item = &Measured> {
        self.events.iter().filter_map(|event| match &event.body {
            Body::Measured(measured) => Some(measured),
            _ => None,
        })
    }

    pub fn completions(&self) -> impl Iterator<Item = &CycleCompleted> {
        self.events.iter().filter_map(|event| match &event.body {
            Body::CycleCompleted(completed) => Some(completed),
            _ => None,
        })
    }

    pub fn defect(&self, code: &str) -> u32 {
        self.defects.get(code).map_or(0, |defect| defect.count)
    }
}

/// One whole table, in one piece, to its end.
pub fn decode(family: Family, bytes: &[u8]) -> Bench {
    let mut bench = Bench::new(context(family), SourceKind::Table);
    bench.give(FileInput::Bytes { offset: 0, bytes });
    bench.give(FileInput::Ended);
    bench
}

/// A real file; `None`, said aloud, where they are not there and need not be.
pub fn real(name: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("INSTRUMENTD_DATA").map(|folder| Path::new(&folder).join(name));
    let around = here
        .ancestors()
        .flat_map(|folder| [folder.join("shared/data").join(name), folder.join("../shared/data").join(name)]);
    let found = named.into_iter().chain(around).find(|path| path.exists());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "real file {name} is missing");
        eprintln!("skipped: real data not present ({name})");
    }
    found
}

pub fn bytes(name: &str) -> Option<Vec<u8>> {
    real(name).map(|path| std::fs::read(path).expect("readable"))
}

/// The members of a zip, by name.
pub fn members(name: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let file = std::fs::File::open(real(name)?).expect("readable");
    let mut archive = zip::ZipArchive::new(file).expect("a zip");
    let mut members = Vec::new();
    for at in 0..archive.len() {
        let mut member = archive.by_index(at).expect("a member");
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).expect("readable");
        let name = member.name().expect("a name").into_owned();
        members.push((name, bytes));
    }
    Some(members)
}

/// A zip's members, then its table, as the link gives them.
pub fn decode_export(members: &[(String, Vec<u8>)]) -> Bench {
    let mut bench = Bench::new(context(Family::BiolectorXt), SourceKind::Export);
    for (name, bytes) in members.iter().filter(|(name, _)| !name.ends_with(".csv")) {
        bench.give(FileInput::Member { name, bytes });
    }
    if let Some((_, bytes)) = members.iter().find(|(name, _)| name.ends_with(".csv")) {
        bench.give(FileInput::Bytes { offset: 0, bytes });
    }
    bench.give(FileInput::Ended);
    bench
}
