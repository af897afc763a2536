//! Tests of the driver against an instrument whose truth is known.

use std::collections::{BTreeMap, BTreeSet};

use instrument_proto::biolector_xt::cultivation_values_item::Value;
use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrument_proto::biolector_xt::{
    CommentStatus, CoverState, CultivationValuesItem, ExperimentInfo, GetCurrentProgressResponse, MeasurementStatus,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Ask, Heard, XtInput, driver};
use crate::driver::biolector::Context;
use crate::driver::{Driver, Effects, Input, Request};
use crate::event::device::Gap;
use crate::event::envelope::{Origin, Prepared};
use crate::event::{Body, Event, EventSource, Ingest};
use crate::profile;

const EXPERIMENT: &str = "{7240A390-0689-4642-B002-71867211AEE3}";
const IDENTITY: &str = "7240a390-0689-4642-b002-71867211aee3";
/// Seconds of a cycle; a reading takes two of them.
const CYCLE_S: u64 = 100;

fn context() -> Context {
    let zone = TimeZone::get("Europe/Berlin").expect("the zone data base");
    let profile = profile::shipped("biolector-xt").expect("shipped");
    Context::new(&"lab".parse().expect("valid"), &"xt".parse().expect("valid"), profile, zone)
}

/// One reading as the instrument made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Made {
    cycle: u32,
    filterset: u32,
    well: u8,
    elapsed_s: u64,
}

/// The instrument: two channels and six wells in the order of the files.
struct Instrument {
    base: u32,
    made: Vec<Made>,
    finished: bool,
}

impl Instrument {
    const WELLS: [u8; 6] = [0, 1, 2, 10, 9, 8];

    fn new(base: u32) -> Self {
        Self { base, made: Vec::new(), finished: false }
    }

    fn start() -> Timestamp {
        // The instrument goes on writing +02:00 in winter, and its clock is seven minutes ahead.
        "2023-12-06T15:07:00Z".parse().expect("a time")
    }

    fn measure(&mut self) -> Made {
        let at = self.made.len();
        let (cycle, place) = (at / 12, at % 12);
        let made = Made {
            cycle: 1 + cycle as u32,
            filterset: 1 + (place / 6) as u32,
            well: Self::WELLS[place % 6],
            elapsed_s: 10 + CYCLE_S * cycle as u64 + 2 * place as u64,
        };
        self.made.push(made);
        made
    }

    fn now(&self) -> u64 {
        self.made.last().map_or(0, |made| made.elapsed_s)
    }

    /// The daemon's clock.
    fn clock(&self) -> Timestamp {
        Self::start() - SignedDuration::from_mins(7) + SignedDuration::from_secs(self.now().cast_signed())
    }

    fn written(elapsed_s: u64) -> prost_types::Timestamp {
        let at = Self::start() + SignedDuration::from_secs(elapsed_s.cast_signed());
        prost_types::Timestamp { seconds: at.as_second(), nanos: 400_000_000 }
    }

    fn status(&self, made: Made) -> MeasurementStatus {
        MeasurementStatus {
            cultivation: i32::from(made.well),
            channel_index: made.filterset - 1 + self.base,
            channel_name: name(made.filterset),
            value: value(made),
            experiment_duration: made.elapsed_s,
            timestamp: Some(Self::written(made.elapsed_s)),
        }
    }

    fn progress(&self) -> GetCurrentProgressResponse {
        let cycle = self.made.last().map_or(1, |made| made.cycle);
        GetCurrentProgressResponse { cycle: u64::from(cycle), ..Default::default() }
    }

    fn experiments(&self) -> Vec<ExperimentInfo> {
        let old = ExperimentInfo {
            experiment_id: "{00000000-0000-0000-0000-000000000001}".to_owned(),
            start_time: "2023-10-06T17:54:41+02:00".to_owned(),
            finished: true,
            ..Default::default()
        };
        let this = ExperimentInfo {
            experiment_id: EXPERIMENT.to_owned(),
            start_time: "2023-12-06T17:07:00+02:00".to_owned(),
            finished: self.finished,
            ..Default::default()
        };
        vec![old, this]
    }

    fn values(&self) -> Vec<CultivationValuesItem> {
        let item = |well: u8| {
            let last =
                |filterset: u32| self.made.iter().rev().find(|made| made.well == well && made.filterset == filterset);
            let value = |filterset: u32| Value {
                index: filterset - 1 + self.base,
                name: name(filterset),
                value: last(filterset).map_or(0.0, |made| value(*made)),
                timestamp: last(filterset).map(|made| Self::written(made.elapsed_s)),
            };
            CultivationValuesItem { label: i32::from(well), values: vec![value(1), value(2)], ..Default::default() }
        };
        Self::WELLS.map(item).to_vec()
    }
}

fn name(filterset: u32) -> String {
    ["Biomass3", "pH(HP8)"][filterset as usize - 1].to_owned()
}

fn value(made: Made) -> f32 {
    5.0 + made.cycle as f32 / 10.0
}

/// The reading that an event tells of.
fn made(event: &Event) -> Option<Made> {
    match &event.body {
        Body::Measured(it) => Some(Made {
            cycle: it.cycle,
            filterset: it.filterset,
            well: it.well.row() * 8 + it.well.column(),
            elapsed_s: it.elapsed_s as u64,
        }),
        _ => None,
    }
}

/// The driver with what it said and its snapshot as a journal would keep them.
struct Bench {
    driver: Box<dyn Driver>,
    instrument: Instrument,
    epoch: u32,
    snapshot: BTreeMap<String, Vec<u8>>,
    events: Vec<Event>,
    asked: Vec<Ask>,
    is_open: bool,
}

impl Bench {
    fn new(base: u32) -> Self {
        Self {
            driver: Box::new(driver(context())),
            instrument: Instrument::new(base),
            epoch: 0,
            snapshot: BTreeMap::new(),
            events: Vec::new(),
            asked: Vec::new(),
            is_open: false,
        }
    }

    fn say(&mut self, input: XtInput<'_>) {
        let mut effects = Effects::default();
        self.driver.handle(Input::Xt(input), self.instrument.clock(), &mut effects);
        for part in effects.snapshots {
            assert!(part.bytes.len() < 32 * 1024, "{} is {} bytes long", part.part, part.bytes.len());
            self.snapshot.insert(part.part.to_owned(), part.bytes);
        }
        self.events.extend(effects.events);
        self.asked.extend(effects.requests.into_iter().filter_map(|request| match request {
            Request::Ask(ask) => Some(ask),
            _ => None,
        }));
    }

    /// Opens the stream and answers what a link asks at that time.
    fn open(&mut self) {
        self.epoch += 1;
        self.is_open = true;
        let parts: Vec<(String, Vec<u8>)> =
            self.snapshot.iter().map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        let epoch = format!("opening-{}", self.epoch);
        self.say(XtInput::Opened { epoch: &epoch, snapshot: &parts, cut: Some("the line was cut") });
        self.say(XtInput::Experiments(&self.instrument.experiments()));
        self.say(XtInput::Progress(&self.instrument.progress()));
        self.say(XtInput::Values(&self.instrument.values()));
        self.answer();
    }

    /// Answers what the driver asks; downloads stay asked for.
    fn answer(&mut self) {
        let mut downloads = Vec::new();
        while let Some(ask) = self.asked.pop() {
            match ask {
                Ask::Progress => self.say(XtInput::Progress(&self.instrument.progress())),
                Ask::Experiments => self.say(XtInput::Experiments(&self.instrument.experiments())),
                Ask::Values => self.say(XtInput::Values(&self.instrument.values())),
                Ask::Download { .. } => downloads.push(ask),
            }
        }
        self.asked = downloads;
    }

    /// Opens the stream while nothing runs; then the run begins.
    fn open_before_the_run(&mut self) {
        self.instrument.finished = true;
        self.open();
        self.instrument.finished = false;
        self.say(XtInput::Experiments(&self.instrument.experiments()));
        self.answer();
    }

    fn cut(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.say(XtInput::Closed);
        }
    }

    /// The daemon dies, and comes back with what the journal has.
    fn kill(&mut self) {
        self.is_open = false;
        self.driver = Box::new(driver(context()));
    }

    /// The instrument measures; the stream says it where it is open, and questions are answered.
    fn measure(&mut self) {
        let made = self.instrument.measure();
        if !self.is_open {
            return;
        }
        let update = Update::MeasurementStatus(self.instrument.status(made));
        self.hear(update);
        self.answer();
    }

    /// The same, and nothing that the driver asks is answered.
    fn measure_unanswered(&mut self) {
        let made = self.instrument.measure();
        if self.is_open {
            self.hear(Update::MeasurementStatus(self.instrument.status(made)));
        }
    }

    fn hear(&mut self, update: Update) {
        let heard = Heard { at: self.instrument.clock(), update };
        self.say(XtInput::Heard(&[heard]));
    }

    fn measured(&self) -> Vec<Made> {
        self.events.iter().filter_map(made).collect()
    }

    fn gaps(&self) -> Vec<&Gap> {
        self.events
            .iter()
            .filter_map(|event| if let Body::DeviceGap(gap) = &event.body { Some(gap) } else { None })
            .collect()
    }
}

#[test]
fn a_run_that_is_followed_from_its_start_is_told_at_once() {
    for base in [0, 1] {
        let mut bench = Bench::new(base);
        bench.open_before_the_run();
        for told in 1..=30 {
            bench.measure();
            assert_eq!(bench.measured().len(), told, "nothing waits: index base {base}");
        }
        assert_eq!(bench.measured(), bench.instrument.made);
        let names: Vec<&str> = bench.events.iter().map(|event| event.body.event_type().short()).collect();
        let count = |name: &str| names.iter().filter(|other| **other == name).count();
        assert_eq!(
            (count("cultivation.started"), count("cultivation.cycle-completed"), count("device.gap")),
            (1, 2, 0)
        );
        assert_eq!(names.iter().position(|name| *name == "cultivation.started"), Some(0));
        let Body::Measured(first) = &bench.events[2].body else { panic!("{:?}", bench.events[2].body) };
        assert_eq!((first.well.to_string().as_str(), &*first.channel, first.value), ("A01", "Biomass3", Some(5.1)));
        assert_eq!(first.run.instrument_run_id, IDENTITY);
        assert!(!first.run.flags.is_empty(), "the offset is not the zone's in December");
        // On the daemon's clock, whatever the instrument's says.
        assert_eq!(bench.events[2].time.map(|at| at.to_string()).as_deref(), Some("2023-12-06T15:00:10Z"));
    }
}

#[test]
fn a_reading_of_which_the_cycle_is_not_certain_waits_and_is_not_guessed() {
    let mut bench = Bench::new(1);
    for _ in 0..17 {
        bench.instrument.measure();
    }
    bench.open();
    let made = bench.instrument.measure();
    bench.hear(Update::MeasurementStatus(bench.instrument.status(made)));
    assert!(bench.measured().is_empty());
    assert!(bench.asked.contains(&Ask::Progress));
    bench.say(XtInput::Progress(&bench.instrument.progress()));
    // And with it what was measured before, as far as it still stands there.
    let measured: BTreeSet<Made> = bench.measured().into_iter().collect();
    let wanted: BTreeSet<Made> = bench.instrument.made[5..].iter().copied().collect();
    assert_eq!(measured, wanted);
}

#[test]
fn readings_that_wait_when_the_daemon_is_killed_come_back_from_the_current_values() {
    for away in [0, 1, 7] {
        let mut bench = Bench::new(1);
        bench.open();
        (0..15).for_each(|_| bench.measure());
        bench.cut();
        bench.open();
        (0..4).for_each(|_| bench.measure_unanswered());
        assert_eq!(bench.measured().len(), 15, "their cycle is not certain");
        bench.kill();
        (0..away).for_each(|_| bench.measure());
        bench.open();
        bench.measure();
        bench.measure();
        let told: Vec<Made> = bench.measured();
        assert_eq!(distinct(&told), distinct(&bench.instrument.made), "{away} made while it was away");
        assert!(told.len() <= bench.instrument.made.len() + 2, "all but those at the cut's edge once: {}", told.len());
        let missing: usize = bench.gaps().iter().map(|gap| gap.missing.len()).sum();
        assert_eq!(missing, 0, "{:?}", bench.gaps());
    }
}

#[test]
fn readings_that_wait_in_the_first_opening_come_back_after_a_kill_too() {
    let mut bench = Bench::new(1);
    (0..5).for_each(|_| bench.measure());
    bench.open();
    (0..4).for_each(|_| bench.measure_unanswered());
    assert!(bench.measured().is_empty());
    bench.kill();
    bench.open();
    bench.measure();
    bench.measure();
    assert_eq!(distinct(&bench.measured()), distinct(&bench.instrument.made));
}

#[test]
fn what_the_current_values_tell_again_is_counted_once() {
    let mut bench = Bench::new(1);
    bench.open_before_the_run();
    let mut completed = 0;
    for round in 0..60 {
        (0..7).for_each(|_| bench.measure());
        bench.cut();
        (0..round % 3).for_each(|_| bench.measure());
        bench.open();
    }
    let (mut told, mut in_run) = (BTreeMap::<u32, BTreeSet<Made>>::new(), BTreeSet::new());
    for event in &bench.events {
        match &event.body {
            Body::Measured(_) => {
                let made = made(event).expect("a reading");
                told.entry(made.cycle).or_default().insert(made);
                in_run.insert(made);
            }
            Body::CycleCompleted(cycle) => {
                let counted = cycle.events.get("cultivation.measured").copied().unwrap_or(0);
                let known = told.get(&cycle.cycle).map_or(0, BTreeSet::len) as u64;
                assert_eq!(counted, known, "cycle {}", cycle.cycle);
                let seen: u32 = cycle.channels.iter().map(|channel| channel.seen).sum();
                assert_eq!(u64::from(seen), known, "cycle {}", cycle.cycle);
                completed += 1;
            }
            _ => {}
        }
    }
    assert!(bench.measured().len() > in_run.len(), "some are told again");
    assert!(completed > 3, "{completed} cycles");
}

fn distinct(readings: &[Made]) -> BTreeSet<Made> {
    readings.iter().copied().collect()
}

#[test]
fn readings_that_wait_when_the_daemon_is_killed_and_stand_nowhere_any_more_are_named() {
    let mut bench = Bench::new(1);
    bench.open();
    (0..15).for_each(|_| bench.measure());
    bench.cut();
    bench.open();
    (0..4).for_each(|_| bench.measure_unanswered());
    bench.kill();
    // A cycle later the current values show none of them.
    (0..20).for_each(|_| bench.measure());
    bench.open();
    bench.measure();
    bench.measure();
    let told: BTreeSet<Made> = bench.measured().into_iter().collect();
    let lost: Vec<Made> = bench.instrument.made.iter().filter(|made| !told.contains(made)).copied().collect();
    assert_eq!(lost, bench.instrument.made[15..27]);
    let gap = *bench.gaps().last().expect("a gap");
    let missing: Vec<(u32, u64)> = gap.missing.iter().map(|missing| (missing.cycle, missing.readings)).collect();
    assert_eq!((gap.reason.as_str(), missing), ("reconciled", vec![(2, 9), (3, 3)]));
    let since = bench.gaps().iter().rev().find(|gap| gap.reason == "interrupted").and_then(|gap| gap.from);
    let first = bench.events.iter().filter(|event| matches!(event.body, Body::Measured(_))).nth(14);
    assert!(since > first.and_then(|event| event.time), "the gap begins with the first that waited");
    assert!(bench.asked.iter().any(|ask| matches!(ask, Ask::Download { .. })), "{:?}", bench.asked);
}

#[test]
fn what_a_cut_lost_is_named_by_cycle() {
    let mut bench = Bench::new(0);
    bench.open();
    (0..15).for_each(|_| bench.measure());
    bench.cut();
    (0..27).for_each(|_| bench.measure());
    bench.open();
    (0..3).for_each(|_| bench.measure());
    let measured: BTreeSet<Made> = bench.measured().into_iter().collect();
    let lost: Vec<Made> = bench.instrument.made.iter().filter(|made| !measured.contains(made)).copied().collect();
    assert_eq!(lost, bench.instrument.made[15..30]);
    let gap = *bench.gaps().last().expect("a gap");
    let missing: Vec<(u32, u64)> = gap.missing.iter().map(|missing| (missing.cycle, missing.readings)).collect();
    assert_eq!((gap.reason.as_str(), missing), ("reconciled", vec![(2, 9), (3, 6)]));
    // Its file is wanted, once.
    let wanted: Vec<&Ask> = bench.asked.iter().filter(|ask| matches!(ask, Ask::Download { .. })).collect();
    assert!(wanted.len() <= 1);
}

#[test]
fn a_run_ends_when_the_list_says_so_and_its_file_is_wanted() {
    let mut bench = Bench::new(1);
    bench.open_before_the_run();
    (0..24).for_each(|_| bench.measure());
    bench.instrument.finished = true;
    bench.say(XtInput::Experiments(&bench.instrument.experiments()));
    bench.say(XtInput::Experiments(&bench.instrument.experiments()));
    let download = Ask::Download { experiment: EXPERIMENT.to_owned(), is_finished: true };
    assert_eq!(bench.asked.iter().filter(|ask| **ask == download).count(), 1);
    // Without a file its end is told all the same.
    for _ in 0..3 {
        bench.say(XtInput::Downloaded { experiment: EXPERIMENT, outcome: Err("UNIMPLEMENTED") });
    }
    let ended = bench.events.iter().filter(|event| matches!(event.body, Body::CultivationCompleted(_))).count();
    assert_eq!(ended, 1);
    assert_eq!(bench.gaps().last().map(|gap| gap.reason.as_str()), Some("download-refused"));
}

#[test]
fn cover_pauses_and_set_points_are_told_once_though_the_stream_says_them_twice() {
    let mut bench = Bench::new(1);
    bench.open();
    bench.say(XtInput::Cover(CoverState::CovClosed));
    bench.measure();
    let comment = |text: &str| Update::CommentStatus(CommentStatus { kind: 3, text: text.to_owned() });
    for update in [
        comment("Pause on"),
        Update::CoverState(CoverState::CovOpen as i32),
        comment("Coverstate changed to OPEN"),
        comment("Target RPM changed to 800"),
        Update::TargetRpm(800),
        Update::CommentStatus(CommentStatus { kind: 2, text: "sampled".to_owned() }),
        comment("Pause off"),
    ] {
        bench.hear(update);
    }
    let names: Vec<&str> = bench.events.iter().map(|event| event.body.event_type().short()).skip(2).collect();
    assert_eq!(
        names[names.len() - 7..],
        [
            "cultivation.paused",
            "sampling.access-started",
            "cultivation.cover-changed",
            "cultivation.setpoint-changed",
            "cultivation.commented",
            "cultivation.resumed",
            "sampling.access-ended"
        ]
    );
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Measure(u8),
    MeasureUnanswered(u8),
    Cut,
    Kill,
    Open,
    Progress,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u8..30).prop_map(Step::Measure),
        2 => (1u8..30).prop_map(Step::MeasureUnanswered),
        1 => Just(Step::Cut),
        1 => Just(Step::Kill),
        3 => Just(Step::Open),
        1 => Just(Step::Progress),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is cut off where: what is told is what was made, with the same ids whichever way it came, and what is not
    /// told is counted by a gap.
    #[test]
    fn readings_are_told_or_counted(steps in proptest::collection::vec(step(), 1..20), base in 0u32..2) {
        let mut bench = Bench::new(base);
        for step in steps {
            match step {
                Step::Measure(count) => (0..count).for_each(|_| bench.measure()),
                Step::MeasureUnanswered(count) => (0..count).for_each(|_| bench.measure_unanswered()),
                Step::Cut => bench.cut(),
                Step::Kill => bench.kill(),
                Step::Open => {
                    bench.cut();
                    bench.open();
                }
                Step::Progress if bench.is_open => bench.say(XtInput::Progress(&bench.instrument.progress())),
                Step::Progress => {}
            }
        }
        bench.cut();
        bench.open();
        (0..14).for_each(|_| bench.measure());
        let made: BTreeSet<Made> = bench.instrument.made.iter().copied().collect();
        let told = bench.measured();
        let distinct: BTreeSet<Made> = told.iter().copied().collect();
        for reading in &distinct {
            prop_assert!(made.contains(reading), "{:?} was never made", reading);
        }
        let origin = Origin {
            source: EventSource::new(&"lab".parse().expect("valid"), &"xt".parse().expect("valid")),
            partition: "xt".parse().expect("valid"),
            ingest: Ingest::Live,
            position: None,
        };
        let ids: BTreeSet<_> = bench
            .events
            .iter()
            .filter(|event| matches!(event.body, Body::Measured(_)))
            .map(|event| Prepared::new(event, &origin).id(1))
            .collect();
        prop_assert_eq!(ids.len(), distinct.len(), "one id for each reading");
        let mut missing: BTreeMap<u32, u64> = BTreeMap::new();
        for gap in bench.gaps() {
            for one in &gap.missing {
                *missing.entry(one.cycle).or_default() += one.readings;
            }
        }
        let mut lost: BTreeMap<u32, u64> = BTreeMap::new();
        for reading in made.difference(&distinct) {
            *lost.entry(reading.cycle).or_default() += 1;
        }
        // A gap can count what a later look still found; it never counts less than what is lost.
        let before_first = distinct.first().map_or(u32::MAX, |reading| reading.cycle);
        for (cycle, count) in &lost {
            let is_before = *cycle < before_first || (*cycle == before_first && !missing.contains_key(cycle));
            prop_assert!(
                is_before || missing.get(cycle).copied().unwrap_or(0) >= *count,
                "cycle {}: {} lost, counted {:?}", cycle, count, missing
            );
        }
    }
}
