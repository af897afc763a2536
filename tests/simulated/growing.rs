//! A folder in which a simulated instrument writes, while the file link reads it for a driver.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use instrumentd::config::settings::{FilesSettings, WatchMode};
use instrumentd::decode::decode;
use instrumentd::driver::biolector::{Context, driver};
use instrumentd::driver::{Driver, Effects, FileInput, FolderLayout, Input, Request, SourceName, Timer, TimerChange};
use instrumentd::event::Prepared;
use instrumentd::link::files::{FileLink, Known, LinkEvent, Start, spawn};
use instrumentd_simulators::biolector::player::{Pace, Player};
use instrumentd_simulators::biolector::{BiolectorRun, Columns, Model, Quirk, Settings};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::reader::{context, origin, write};
use crate::settings;

/// Long enough for any machine; never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// A link that looks every 20 ms and has said nothing for so long has nothing to say.
const SILENCE: Duration = Duration::from_millis(500);

/// Half an hour of the instrument's time in some 0.3 s, so that the link finds its files at every stage.
const PACE: Pace = Pace::Times(6000.0);

/// What an actor and its journal do, without either: a link and a driver, and what both would go on from.
struct Listener {
    context: Context,
    start: Start,
    link: FileLink,
    events: mpsc::Receiver<LinkEvent>,
    driver: Box<dyn Driver>,
    positions: BTreeMap<SourceName, Vec<u8>>,
    snapshots: BTreeMap<SourceName, BTreeMap<String, Vec<u8>>>,
    /// Sources that are to be read again, until they are opened.
    closed: BTreeSet<SourceName>,
    timers: BTreeSet<Timer>,
    /// Sources that have something to say before they are silent.
    busy: BTreeSet<SourceName>,
    ids: BTreeSet<String>,
}

impl Listener {
    fn new(context: Context, folder: &Path) -> Listener {
        let settings = FilesSettings {
            folder: folder.to_owned(),
            watch: WatchMode::Auto,
            poll_interval: Duration::from_millis(20),
            backfill: None,
            require_mount: false,
        };
        let start = Start {
            settings,
            settle: Duration::from_millis(60),
            known: vec![],
            baseline: None,
            layout: FolderLayout::Results,
        };
        let (sender, events) = mpsc::channel(8);
        Listener {
            link: spawn(start.clone(), sender),
            driver: Box::new(driver(context.clone())),
            context,
            start,
            events,
            positions: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            closed: BTreeSet::new(),
            timers: BTreeSet::new(),
            busy: BTreeSet::new(),
            ids: BTreeSet::new(),
        }
    }

    /// As after a crash: a new link and a new driver that go on from what was kept. What the old link had sent and nobody
    /// took is lost with it.
    fn restart(&mut self) {
        self.link.stop();
        let known =
            |(source, position): (&SourceName, &Vec<u8>)| Known { source: source.clone(), position: position.clone() };
        self.start.known = self.positions.iter().map(known).collect();
        let (sender, events) = mpsc::channel(8);
        self.events = events;
        self.link = spawn(self.start.clone(), sender);
        self.driver = Box::new(driver(self.context.clone()));
        self.closed.clear();
    }

    fn input(&mut self, input: Input<'_>) {
        let mut effects = Effects::default();
        self.driver.handle(input, Timestamp::UNIX_EPOCH, &mut effects);
        assert!(effects.refused.is_empty(), "{:?}", effects.refused);
        let origin = origin(&self.context);
        self.ids.extend(ids(effects.events.iter().map(|event| Prepared::new(event, &origin).render_offline())));
        for part in effects.snapshots {
            self.snapshots.entry(part.source).or_default().insert(part.part.to_owned(), part.bytes);
        }
        for change in effects.timers {
            match change {
                TimerChange::Set(timer, _) => self.timers.insert(timer),
                TimerChange::Cancel(timer) => self.timers.remove(&timer),
            };
        }
        for request in effects.requests {
            let Request::Reread(source) = request else { panic!("nothing is written to a folder") };
            self.snapshots.remove(&source);
            self.positions.remove(&source);
            self.busy.insert(source.clone());
            self.link.reread(&source);
            self.closed.insert(source);
        }
    }

    fn give(&mut self, source: &SourceName, input: FileInput<'_>, position: Vec<u8>) {
        if self.closed.contains(source) {
            return;
        }
        match input {
            FileInput::Ended | FileInput::Settled => self.busy.remove(source),
            _ => self.busy.insert(source.clone()),
        };
        self.positions.insert(source.clone(), position);
        self.input(Input::File(source, input));
    }

    fn take(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Baseline(bytes) => self.start.baseline = Some(bytes),
            LinkEvent::Opened { source, kind, resume, .. } => {
                self.closed.remove(&source);
                if !resume {
                    self.snapshots.remove(&source);
                }
                let snapshot: Vec<_> = self.snapshots.get(&source).cloned().unwrap_or_default().into_iter().collect();
                self.input(Input::File(&source, FileInput::Opened { kind, snapshot: &snapshot }));
            }
            LinkEvent::Member { source, name, bytes, position } => {
                self.give(&source, FileInput::Member { name: &name, bytes: &bytes }, position);
            }
            LinkEvent::Head { source, bytes, position } => self.give(&source, FileInput::Head(&bytes), position),
            LinkEvent::Bytes { source, offset, bytes, position, .. } => {
                self.give(&source, FileInput::Bytes { offset, bytes: &bytes }, position);
            }
            LinkEvent::Ended { source, position } => self.give(&source, FileInput::Ended, position),
            LinkEvent::Settled { source, position } => self.give(&source, FileInput::Settled, position),
            LinkEvent::Gap { text, .. } => panic!("nothing is lost: {text}"),
            _ => {}
        }
    }
}

fn ids(lines: impl Iterator<Item = Vec<u8>>) -> impl Iterator<Item = String> {
    lines.map(|line| {
        let event: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        format!("{} {} {}", event["type"], event["subject"], event["id"])
    })
}

/// What an offline decoding of the folder says.
fn offline(context: &Context, folder: &Path) -> BTreeSet<String> {
    let mut out = Vec::new();
    decode(folder, FolderLayout::Results, Box::new(driver(context.clone())), origin(context), &mut out, &mut |_, _| {})
        .expect("decodes");
    ids(out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec)).collect()
}

/// Lets a run grow in a folder and listens, with a crash now and then, until all is silent.
fn listen(settings: Settings, folder: &Path) -> BTreeSet<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let next = |listener: &mut Listener, patience| {
        runtime.block_on(async { tokio::time::timeout(patience, listener.events.recv()).await })
    };
    let mut listener = Listener::new(context(settings.model), folder);
    while listener.start.baseline.is_none() {
        let event = next(&mut listener, PATIENCE).expect("in time").expect("the link goes on");
        listener.take(event);
    }
    let mut random = fastrand::Rng::with_seed(settings.seed);
    let run = BiolectorRun::new(settings).expect("settings that fit");
    let player = Player::start(run, folder.to_owned(), PACE, usize::from(u16::MAX));
    let (mut playing, mut waited, tick) = (true, Duration::ZERO, Duration::from_millis(20));
    while waited < PATIENCE {
        match next(&mut listener, tick) {
            Ok(Some(event)) => {
                waited = Duration::ZERO;
                listener.take(event);
                if random.u8(0..8) == 0 {
                    listener.restart();
                }
            }
            Ok(None) => panic!("the link ended"),
            Err(_) => {
                waited += tick;
                while playing {
                    match player.done().try_recv() {
                        Ok(_) => {}
                        Err(TryRecvError::Empty) => break,
                        // What was written last may not have been noticed yet.
                        Err(TryRecvError::Disconnected) => (playing, waited) = (false, Duration::ZERO),
                    }
                }
                let is_silent = !playing && waited >= SILENCE;
                if is_silent && !listener.positions.is_empty() && listener.busy.is_empty() {
                    // Nothing more will come, which is what these timers wait for.
                    for timer in std::mem::take(&mut listener.timers) {
                        listener.input(Input::Timer(&timer));
                    }
                    if listener.busy.is_empty() {
                        return listener.ids;
                    }
                }
            }
        }
    }
    panic!("still waiting for {:?}", listener.busy);
}

#[test]
fn a_growing_folder_says_what_the_finished_one_says() {
    let (pro, xt, one) = ((Model::Pro, Columns::Old), (Model::Xt, Columns::New), (Model::One, Columns::New));
    for (model, quirks) in [
        (pro, &[Quirk::TornWrites, Quirk::LateComments][..]),
        (pro, &[Quirk::ReplaceByLongerCopy, Quirk::SplicedBlock]),
        (pro, &[Quirk::HeaderRestart, Quirk::Bom, Quirk::TornLine]),
        (xt, &[Quirk::TornWrites, Quirk::Sens1Nan]),
        (xt, &[Quirk::LastWellBug, Quirk::Microfluidic, Quirk::Crlf]),
        (xt, &[Quirk::ReplaceByLongerCopy]),
        (one, &[Quirk::HeadRewrite, Quirk::TornWrites]),
        (one, &[Quirk::ReplaceByLongerCopy, Quirk::Crlf]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings { cycles: 3, filtersets: 3, ..settings(model, quirks, 11) };
        let live = listen(settings, folder.path());
        let whole = offline(&context(model.0), folder.path());
        let (more, less): (Vec<_>, Vec<_>) = (live.difference(&whole).collect(), whole.difference(&live).collect());
        assert!(
            more.is_empty() && less.is_empty(),
            "{model:?} {quirks:?}: only live {more:#?}, only offline {less:#?}"
        );
        assert!(whole.len() > 3 * 3 * 32);
    }
}

/// While it runs, a BioLector I writes its header and a file for each cycle; in the end they are one table.
#[test]
fn parts_say_what_their_table_says() {
    let settings = Settings { cycles: 12, filtersets: 3, ..settings((Model::One, Columns::New), &[], 5) };
    let written = write(settings);
    let table = &written.files[&written.table];
    let name = b"READING;";
    let names = table.windows(name.len()).position(|at| at == name).expect("the names of the columns");
    let data = names + table[names..].iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    let parts = tempfile::tempdir().expect("a folder");
    std::fs::write(parts.path().join("header.csv"), &table[..data]).expect("written");
    let mut part = Vec::new();
    let mut number = 0;
    for line in table[data..].split_inclusive(|byte| *byte == b'\n') {
        // A cycle begins with the reference of the first filter set.
        if line.starts_with(b"R;;;;1;") && number > 0 {
            std::fs::write(parts.path().join(format!("C{number}.tmp")), std::mem::take(&mut part)).expect("written");
        }
        number += i32::from(line.starts_with(b"R;;;;1;"));
        part.extend_from_slice(line);
    }
    std::fs::write(parts.path().join(format!("C{number}.tmp")), part).expect("written");
    assert_eq!(number, 12);
    let whole = tempfile::tempdir().expect("a folder");
    std::fs::write(whole.path().join(&written.table), table).expect("written");
    let (of_parts, of_table) =
        (offline(&context(Model::One), parts.path()), offline(&context(Model::One), whole.path()));
    assert_eq!(of_parts.symmetric_difference(&of_table).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(of_table.len() > 12 * 3 * 48);
}
