//! A world for the driver: files in memory, time that passes when a test says so, restarts.

use std::collections::{BTreeMap, VecDeque};
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use instrument_proto::codec::wiff::{self, Limits, scan, wiff2};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use crate::driver::set::{At, Hashed, MemberSeen, MemberState, Observation, ScanSeen, SetInput, SetName};
use crate::driver::zenotof::{Context, Settings, driver};
use crate::driver::{Driver, Effects, Input, Request, Timer, TimerChange};
use crate::event::envelope::Origin;
use crate::event::{Body, Event, EventSource, Ingest, Prepared};
use crate::profile::ZenotofProfile;
use crate::profile::zenotof::Member;

pub const MINUTE: Duration = Duration::from_secs(60);

/// A file of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    pub path: String,
    pub bytes: Vec<u8>,
    /// Ranges that nothing was written to yet.
    pub hollow: bool,
    pub modified: i64,
    pub inode: u64,
}

/// What stands behind a set: files, or an observation made up by a test.
#[derive(Debug, Clone)]
pub enum Thing {
    Files(BTreeMap<Member, File>),
    Seen(Box<Observation>),
}

pub struct World {
    context: Context,
    driver: Box<dyn Driver>,
    kept: BTreeMap<SetName, Vec<(String, Vec<u8>)>>,
    timers: BTreeMap<Timer, Duration>,
    pub sets: BTreeMap<SetName, Thing>,
    pub events: Vec<Event>,
    clock: i64,
}

pub fn profile() -> ZenotofProfile {
    ZenotofProfile::default()
}

impl World {
    pub fn new(profile: ZenotofProfile, settings: Settings) -> Self {
        let (site, device) = ("lab".parse().expect("a name"), "ms".parse().expect("a name"));
        let context = Context::new(&site, &device, profile, TimeZone::UTC, settings);
        Self {
            driver: Box::new(driver(context.clone())),
            context,
            kept: BTreeMap::new(),
            timers: BTreeMap::new(),
            sets: BTreeMap::new(),
            events: Vec::new(),
            clock: 1_700_000_000_000_000_000,
        }
    }

    /// A time for what is written now.
    pub fn tick(&mut self) -> i64 {
        self.clock += 1_000_000;
        self.clock
    }

    /// Shows a set to the driver as it stands, opening it if need be.
    pub fn show(&mut self, name: &str) {
        let name: SetName = name.into();
        if !self.kept.contains_key(&name) {
            self.kept.insert(name.clone(), Vec::new());
            self.give(&name, SetInput::Opened { snapshot: &[] });
        }
        let seen = self.observe(&name);
        // What a capture writes of a look is all of it.
        let written = serde_json::to_vec(&seen).expect("JSON");
        assert_eq!(serde_json::from_slice::<Observation>(&written).expect("a look"), seen);
        self.give(&name, SetInput::Looked(&seen));
    }

    /// Puts something made up behind a set and shows it.
    pub fn seen(&mut self, name: &str, observation: Observation) {
        self.sets.insert(name.into(), Thing::Seen(Box::new(observation)));
        self.show(name);
    }

    pub fn expected(&mut self, name: &str, samples: u32) {
        self.give(&name.into(), SetInput::Expected { samples, batch: "batch.csv" });
    }

    pub fn ended(&mut self, name: &str) {
        self.give(&name.into(), SetInput::Ended);
    }

    /// The daemon is killed and started again.
    pub fn restart(&mut self) {
        self.driver = Box::new(driver(self.context.clone()));
        for (name, parts) in self.kept.clone() {
            self.give(&name, SetInput::Opened { snapshot: &parts });
            let seen = self.observe(&name);
            self.give(&name, SetInput::Looked(&seen));
        }
    }

    /// Lets time pass, and timers run out as it does.
    pub fn pass(&mut self, time: Duration) {
        let mut left = time;
        loop {
            let next =
                self.timers.iter().min_by_key(|(_, after)| **after).map(|(timer, after)| (timer.clone(), *after));
            let Some((timer, after)) = next.filter(|(_, after)| *after <= left) else { break };
            left -= after;
            self.timers.values_mut().for_each(|other| *other = other.saturating_sub(after));
            self.timers.remove(&timer);
            let mut effects = Effects::default();
            self.driver.handle(Input::Timer(&timer), Timestamp::UNIX_EPOCH, &mut effects);
            self.follow(effects);
        }
        self.timers.values_mut().for_each(|after| *after = after.saturating_sub(left));
    }

    fn give(&mut self, name: &SetName, input: SetInput<'_>) {
        let mut effects = Effects::default();
        self.driver.handle(Input::Set(name, input), Timestamp::UNIX_EPOCH, &mut effects);
        self.follow(effects);
    }

    fn follow(&mut self, effects: Effects) {
        let mut requests: VecDeque<Request> = self.commit(effects).into();
        while let Some(request) = requests.pop_front() {
            match request {
                Request::Look(name) => {
                    let seen = self.observe(&name);
                    let mut effects = Effects::default();
                    let input = Input::Set(&name, SetInput::Looked(&seen));
                    self.driver.handle(input, Timestamp::UNIX_EPOCH, &mut effects);
                    requests.extend(self.commit(effects));
                }
                Request::Hash { set, members } => {
                    for member in members {
                        let sha256 = self.sha256(&set, member.kind);
                        let hashed = Hashed { kind: member.kind, at: member.at, state: member.state, sha256 };
                        let mut effects = Effects::default();
                        let input = Input::Set(&set, SetInput::Hashed(&hashed));
                        self.driver.handle(input, Timestamp::UNIX_EPOCH, &mut effects);
                        requests.extend(self.commit(effects));
                    }
                }
                Request::Rest(_) | Request::Manifest { .. } => {}
                Request::Reread(_) | Request::Send { .. } | Request::Ask(_) => {
                    panic!("asked for something that sets have not")
                }
            }
        }
    }

    fn commit(&mut self, effects: Effects) -> Vec<Request> {
        self.events.extend(effects.events);
        for change in effects.timers {
            match change {
                TimerChange::Set(timer, after) => drop(self.timers.insert(timer, after)),
                TimerChange::Cancel(timer) => drop(self.timers.remove(&timer)),
            }
        }
        for part in effects.snapshots {
            assert!(part.bytes.len() <= 64 << 10, "a snapshot of {} bytes", part.bytes.len());
            self.kept.insert(part.source, vec![(part.part.to_owned(), part.bytes)]);
        }
        effects.requests
    }

    fn sha256(&self, name: &SetName, kind: Member) -> String {
        let Some(Thing::Files(files)) = self.sets.get(name) else { return format!("made-up {kind:?}") };
        Sha256::digest(&files[&kind].bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn observe(&self, name: &SetName) -> Observation {
        match &self.sets[name] {
            Thing::Seen(seen) => (**seen).clone(),
            Thing::Files(files) => observation(name, files),
        }
    }

    /// The short types of the events so far.
    pub fn told(&self) -> Vec<&'static str> {
        self.events.iter().map(|event| event.body.event_type().name()).collect()
    }

    /// The events' ids.
    pub fn ids(&self) -> Vec<String> {
        let origin = Origin {
            source: EventSource::new(&"lab".parse().expect("a name"), &"ms".parse().expect("a name")),
            partition: "ms".parse().expect("a name"),
            ingest: Ingest::Live,
            position: None,
        };
        let id = |event: &Event| Prepared::new(event, &origin).id(event.revision).to_string();
        self.events.iter().map(id).collect()
    }

    /// How many ends were told.
    pub fn ends(&self) -> usize {
        let is_end = |event: &&Event| matches!(event.body, Body::AcquisitionCompleted(_) | Body::AcquisitionAborted(_));
        self.events.iter().filter(is_end).count()
    }
}

/// What a link would find.
pub fn observation(name: &str, files: &BTreeMap<Member, File>) -> Observation {
    let stem = name.rsplit('/').next().unwrap_or_default().to_owned();
    let mut seen = Observation {
        stem,
        base: None,
        members: Vec::new(),
        journal: false,
        wiff: None,
        scan: None,
        wiff2: None,
        behind_s: None,
        hollow: false,
    };
    for (kind, file) in files {
        let size = file.bytes.len() as u64;
        seen.hollow |= file.hollow;
        match kind {
            Member::Wiff => {
                let limits = Limits { sampled_records: 48, ..Limits::default() };
                seen.wiff = Some(wiff::read(Cursor::new(&file.bytes), &limits));
            }
            Member::Scan => {
                seen.scan = seen.wiff.as_ref().map(|wiff| {
                    let chain = scan::Chain::of(wiff);
                    let look = |look: &scan::Look| {
                        let from = usize::try_from(look.offset).expect("an index");
                        scan::Seen { offset: look.offset, bytes: file.bytes[from..from + look.length].to_vec() }
                    };
                    let found: Vec<scan::Seen> = chain.looks(size).iter().map(look).collect();
                    ScanSeen { findings: chain.judge(size, &found), places: found.len() }
                });
            }
            Member::Wiff2 => seen.wiff2 = Some(wiff2::judge(file.bytes.get(..24).unwrap_or(&file.bytes), size)),
            _ => {}
        }
        seen.members.push(MemberSeen {
            kind: *kind,
            at: At { root: "data".into(), path: Arc::from(file.path.as_str()) },
            state: MemberState { size, modified: file.modified, file: file.inode },
            beginning: 0,
        });
    }
    seen
}

/// A real file, or none where the shared data are not there, which is an error in CI.
pub fn real(name: &str) -> Option<Vec<u8>> {
    let found = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/data/sciex").join(name))
        .find(|path| path.is_file());
    let Some(path) = found else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the real file {name} is missing");
        eprintln!("skipped: real data not present");
        return None;
    };
    Some(std::fs::read(path).expect("readable"))
}

/// The real pair, as files of the set `S`.
pub fn pair() -> Option<BTreeMap<Member, File>> {
    let file = |bytes, path: &str, inode| File { path: path.to_owned(), bytes, hollow: false, modified: 1, inode };
    Some(BTreeMap::from([
        (Member::Wiff, file(real("1hpo.wiff")?, "S.wiff", 1)),
        (Member::Scan, file(real("1hpo.wiff.scan")?, "S.wiff.scan", 2)),
    ]))
}
