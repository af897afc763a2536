//! A driver that reads what a simulated BioLector wrote, and what came out of it.

use std::collections::BTreeMap;

use instrumentd::driver::biolector::{Context, driver};
use instrumentd::driver::{Driver, Effects, FileInput, Input, Request, SourceKind, SourceName};
use instrumentd::event::cultivation::{CycleCompleted, Measured};
use instrumentd::event::envelope::Origin;
use instrumentd::event::{Body, DeviceId, Event, EventType, Ingest, Prepared, SiteId};
use instrumentd_simulators::biolector::{BiolectorRun, Change, Model, Reading, Settings};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What a run left behind: its files, and every reading in them.
pub struct Written {
    pub files: BTreeMap<String, Vec<u8>>,
    pub table: String,
    pub readings: Vec<Reading>,
}

pub fn write(settings: Settings) -> Written {
    let run = BiolectorRun::new(settings).expect("settings that fit");
    let (table, mut files, mut readings) = (run.table_file(), BTreeMap::<String, Vec<u8>>::new(), Vec::new());
    for step in run {
        readings.extend(step.readings);
        match step.change {
            Change::Append { file, bytes } => files.entry(file).or_default().extend(bytes),
            Change::Replace { file, bytes } => drop(files.insert(file, bytes)),
            Change::Overwrite { file, offset, bytes } => {
                let from = offset as usize;
                files.get_mut(&file).expect("there")[from..from + bytes.len()].copy_from_slice(&bytes);
            }
        }
    }
    Written { files, table, readings }
}

pub fn context(model: Model) -> Context {
    let profile = match model {
        Model::Pro => "biolector-pro",
        Model::Xt => "biolector-xt",
        Model::One => "biolector-1",
    };
    let profile = instrumentd::profile::shipped(profile).expect("shipped");
    let (site, device): (SiteId, DeviceId) = ("lab".parse().expect("valid"), "bl".parse().expect("valid"));
    Context::new(&site, &device, profile, TimeZone::get("Europe/Berlin").expect("the zone data base"))
}

pub fn origin(context: &Context) -> Origin {
    let partition: DeviceId = "bl".parse().expect("valid");
    Origin { source: context.source.clone(), partition, ingest: Ingest::Backfill, position: None }
}

/// A driver, what it made, and the snapshot that it would go on from.
pub struct Reader {
    driver: Box<dyn Driver>,
    context: Context,
    kind: SourceKind,
    source: SourceName,
    snapshot: BTreeMap<String, Vec<u8>>,
    pub events: Vec<Event>,
    pub defects: BTreeMap<&'static str, u32>,
    pub rereads: usize,
}

impl Reader {
    pub fn new(context: Context, kind: SourceKind) -> Reader {
        let mut reader = Reader {
            driver: Box::new(driver(context.clone())),
            context,
            kind,
            source: "run".into(),
            snapshot: BTreeMap::new(),
            events: Vec::new(),
            defects: BTreeMap::new(),
            rereads: 0,
        };
        reader.open();
        reader
    }

    fn open(&mut self) {
        let snapshot: Vec<_> = self.snapshot.clone().into_iter().collect();
        self.give(FileInput::Opened { kind: self.kind, snapshot: &snapshot });
    }

    /// As after a crash: a new driver, and the last snapshot.
    pub fn restart(&mut self) {
        self.driver = Box::new(driver(self.context.clone()));
        self.open();
    }

    pub fn give(&mut self, input: FileInput<'_>) {
        let source = self.source.clone();
        self.input(Input::File(&source, input));
    }

    fn input(&mut self, input: Input<'_>) {
        let mut effects = Effects::default();
        self.driver.handle(input, Timestamp::UNIX_EPOCH, &mut effects);
        assert!(effects.refused.is_empty(), "{:?}", effects.refused);
        self.events.extend(effects.events);
        self.rereads += effects.requests.iter().filter(|request| matches!(request, Request::Reread(_))).count();
        self.snapshot.extend(effects.snapshots.into_iter().map(|part| (part.part.to_owned(), part.bytes)));
        self.defects.extend(effects.defects.into_iter().map(|(_, defect)| (defect.code, defect.count)));
    }

    /// The whole of what was written, as `decode` reads it.
    pub fn whole(model: Model, written: &Written) -> Reader {
        Reader::pieces(model, written, |_, left| left, false)
    }

    /// The same in pieces whose size `size` says; with a crash behind each where `restarts`.
    pub fn pieces(
        model: Model,
        written: &Written,
        mut size: impl FnMut(usize, usize) -> usize,
        restarts: bool,
    ) -> Reader {
        let kind = if model == Model::Xt { SourceKind::Export } else { SourceKind::Table };
        let mut reader = Reader::new(context(model), kind);
        for (name, bytes) in written.files.iter().filter(|(name, _)| **name != written.table && !name.ends_with(".zip"))
        {
            reader.give(FileInput::Member { name, bytes });
        }
        let table = &written.files[&written.table];
        let mut from = 0;
        while from < table.len() {
            let to = table.len().min(from + size(from, table.len() - from).max(1));
            reader.give(FileInput::Bytes { offset: from as u64, bytes: &table[from..to] });
            from = to;
            // Before its first event a source is read again from its start after a crash.
            if restarts && !reader.events.is_empty() {
                reader.restart();
            }
        }
        reader.give(FileInput::Ended);
        reader
    }

    /// The events as they would be published, but for what only a journal knows.
    pub fn rendered(&self) -> Vec<String> {
        let origin = origin(&self.context);
        let render = |event: &Event| Prepared::new(event, &origin).render_offline();
        self.events.iter().map(|event| String::from_utf8(render(event)).expect("UTF-8")).collect()
    }

    pub fn count(&self, event_type: EventType) -> usize {
        self.events.iter().filter(|event| event.body.event_type() == event_type).count()
    }

    pub fn measured(&self) -> Vec<&Measured> {
        self.events
            .iter()
            .filter_map(|event| if let Body::Measured(body) = &event.body { Some(body) } else { None })
            .collect()
    }

    /// The last word on each cycle.
    pub fn completed(&self) -> BTreeMap<u32, &CycleCompleted> {
        let completed = self.events.iter().filter_map(|event| match &event.body {
            Body::CycleCompleted(body) => Some((body.cycle, body)),
            _ => None,
        });
        completed.collect()
    }
}
