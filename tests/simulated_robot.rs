//! The RoboLector driver against the simulator's truth: both languages, whole and damaged lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use instrument_proto::codec::star::{Framing, Marks as StarMarks};
use instrumentd::driver::robolector::{Context, driver};
use instrumentd::driver::{Direction, Driver, Effects, Input, Mode, Sees, SourceName, StreamInput};
use instrumentd::event::body::Body;
use instrumentd::event::liquid::{LiquidFlag, Outcome, Place as Shown};
use instrumentd::profile::deck::{Anchor, DeckSettings, Labware, Role, Rotation};
use instrumentd::profile::robolector::{Dialect as Speech, LabwareType, Marks, TecanDialect, TecanForm};
use instrumentd::profile::{Kind, Profile, shipped};
use instrumentd_simulators::robolector::{
    Deck, Dialect, Fault, Faults, Place, Plan, Ports, Recording, Settings, Side, Spot, Truth, What,
};
use jiff::{SignedDuration, Timestamp};

/// The simulator's deck as a configuration would describe it.
fn settings(deck: &Deck) -> DeckSettings {
    let labware = deck
        .pieces
        .iter()
        .map(|piece| {
            let role = match piece.role.word() {
                "cultivation" => Role::Cultivation,
                "sample" => Role::Sample,
                "source" => Role::Source,
                "waste" => Role::Waste,
                _ => Role::Tips,
            };
            let centre =
                deck.centre(&instrumentd_simulators::robolector::Place::new(&piece.name, 0, 0)).expect("a well");
            let kind = &piece.kind;
            Labware {
                name: piece.name.clone(),
                type_name: kind.name.clone(),
                geometry: LabwareType {
                    rows: kind.rows,
                    columns: kind.columns,
                    pitch_mm: kind.pitch_mm,
                    a1_x_mm: kind.a1_x_mm,
                    a1_y_mm: kind.a1_y_mm,
                    length_mm: kind.length_mm,
                    width_mm: kind.width_mm,
                    tolerance_mm: kind.tolerance_mm,
                    well_max_ul: None,
                },
                x_mm: f64::from(centre.x) / 10.0,
                y_mm: f64::from(centre.y) / 10.0,
                anchor: Anchor::A01,
                rotation: Rotation::None,
                role,
                cultivation_device: (role == Role::Cultivation).then(|| "biolector-1".parse().expect("a name")),
                plate_id: None,
                barcode: None,
            }
        })
        .collect();
    DeckSettings { labware, ..DeckSettings::default() }
}

fn profile(dialect: &Dialect) -> Arc<Profile> {
    let name = if matches!(dialect, Dialect::Star(_)) { "robolector" } else { "robolector-tecan" };
    let mut profile = shipped(name).expect("shipped");
    let changed = Arc::make_mut(&mut profile);
    let Kind::Robolector(robot) = &mut changed.kind else { panic!("a robot") };
    match (dialect, &mut robot.dialect) {
        (Dialect::Star(framing), Speech::Star(star)) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            star.marks = framing
                .marks
                .as_ref()
                .map(|marks| Marks { to_instrument: text(&marks.command), from_instrument: text(&marks.reply) });
        }
        (Dialect::TecanSerial, Speech::Tecan(tecan)) => {
            *tecan = TecanDialect { form: TecanForm::Rs232, syringe_ul: 1000.0 }
        }
        (Dialect::TecanUsb, Speech::Tecan(tecan)) => *tecan = TecanDialect { form: TecanForm::Nul, syringe_ul: 1000.0 },
        _ => panic!("another dialect than the profile's"),
    }
    profile
}

/// What the driver says of what was heard.
struct Told {
    bodies: Vec<Body>,
    /// The gaps of which the driver tells; those between openings are the actor's.
    gaps: Vec<String>,
    openings: usize,
}

fn listen(dialect: &Dialect, deck: &Deck, recording: &Recording, one_line: bool) -> Told {
    let (site, device) = ("lab".parse().expect("a name"), "robot".parse().expect("a name"));
    let zone = jiff::tz::TimeZone::UTC;
    let mut driver = driver(Context::new(&site, &device, profile(dialect), zone, settings(deck)));
    let name: SourceName = "line".into();
    let mut told = Told { bodies: Vec::new(), gaps: Vec::new(), openings: recording.openings.len() };
    let mut snapshot: Vec<(String, Vec<u8>)> = Vec::new();
    let mut give = |input: StreamInput<'_>, now, snapshot: &mut Vec<(String, Vec<u8>)>| {
        let mut effects = Effects::default();
        driver.handle(Input::Stream(&name, input), now, &mut effects);
        told.bodies.extend(effects.events.into_iter().map(|event| event.body));
        told.gaps.extend(effects.gaps.into_iter().map(|(_, reason, text)| format!("{reason}: {text}")));
        for part in effects.snapshots {
            snapshot.retain(|(name, _)| name != part.part);
            snapshot.push((part.part.to_owned(), part.bytes));
        }
    };
    let mode = Mode::Listen { sees: Sees::Both };
    let start: Timestamp = "2026-08-01T10:00:00Z".parse().expect("a time");
    let clock = |seconds: f64| start + SignedDuration::try_from_secs_f64(seconds).expect("in range");
    for (number, opening) in recording.openings.iter().enumerate() {
        let parts = snapshot.clone();
        let epoch = format!("epoch-{number}");
        let mut now = clock(opening.from_s);
        give(StreamInput::Opened { epoch: &epoch, mode, resumed: false, snapshot: &parts }, now, &mut snapshot);
        let mut offset = 0;
        for said in &opening.said {
            now = clock(said.at_s);
            let direction = match said.side {
                _ if one_line => Direction::Either,
                Side::Controller => Direction::ToInstrument,
                Side::Robot => Direction::FromInstrument,
            };
            let input = StreamInput::Bytes { direction, at: now, offset, bytes: &said.bytes };
            give(input, now, &mut snapshot);
            offset += said.bytes.len() as u64;
        }
        give(StreamInput::Closed { reason: "unplugged" }, now, &mut snapshot);
    }
    told
}

/// Channel, labware, well, and tenths of a microlitre of the piston: negative is taken.
type Deed = (u8, String, String, i64);

fn shown(place: &Shown) -> (String, String) {
    let text = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
    (text(place.labware.as_deref().map(str::to_owned)), text(place.well.map(|well| well.to_string())))
}

/// What is told for sure; what is flagged as uncertain only where `all`.
fn deeds(told: &Told, all: bool) -> BTreeMap<Deed, i32> {
    let doubts = [LiquidFlag::AfterGap, LiquidFlag::VolumeMismatch, LiquidFlag::NoAspirate];
    let mut counted = BTreeMap::new();
    for body in &told.bodies {
        let (channel, place, volume, outcome, flags) = match body {
            Body::Aspirated(it) => (it.channel, &it.source, -it.piston_volume_ul, it.outcome, &it.flags),
            Body::Dispensed(it) => (it.channel, &it.destination, it.piston_volume_ul, it.outcome, &it.flags),
            _ => continue,
        };
        let is_sure = outcome == Outcome::Confirmed && !flags.iter().any(|flag| doubts.contains(flag));
        if all || is_sure {
            let (labware, well) = shown(place);
            *counted.entry((channel, labware, well, tenths(volume))).or_default() += 1;
        }
    }
    counted
}

/// A Tecan's plunger has three steps for a microlitre: what differs by less than one is the same.
fn tenths(volume_ul: f64) -> i64 {
    (volume_ul / 2.0).round() as i64 * 20
}

fn done(truths: &[Truth], heard: impl Fn(bool) -> bool) -> BTreeMap<Deed, i32> {
    let mut counted = BTreeMap::new();
    for truth in truths.iter().filter(|truth| heard(truth.heard)) {
        let (channel, Spot { labware, well }, piston) = match &truth.what {
            What::Aspirated { channel, place, piston_ul, .. } => (*channel, place.clone(), -piston_ul),
            What::Dispensed { channel, place, piston_ul, .. } => (*channel, place.clone(), *piston_ul),
            _ => continue,
        };
        *counted.entry((channel, labware, well, tenths(piston))).or_default() += 1;
    }
    counted
}

fn dialects() -> [Dialect; 4] {
    [
        Dialect::Star(Framing { marks: Some(StarMarks::default()), ..Framing::default() }),
        Dialect::Star(Framing::default()),
        Dialect::TecanSerial,
        Dialect::TecanUsb,
    ]
}

/// Samples three columns of the culture plate three times.
fn run(dialect: &Dialect, faults: Faults, seed: u64, one_line: bool) -> (Told, Vec<Truth>) {
    let ports = match one_line {
        true => Ports::One("line".into()),
        false => Ports::Two { commands: "commands".into(), replies: "replies".into() },
    };
    let mut settings = Settings { seed, faults, ..Settings::new(dialect.clone(), ports) };
    let deck = settings.deck.clone();
    let wells: Vec<Place> =
        (0..3).flat_map(|column| (0..6).map(move |row| Place::new("cultures", row, column))).collect();
    settings.plan = Plan::sampling(&wells, deck.named("samples").expect("on the deck"), 100.0, 3, 600.0);
    let recording = Recording::make(settings).expect("played");
    (listen(dialect, &deck, &recording, one_line), recording.truths)
}

#[test]
fn an_undamaged_line_tells_exactly_what_was_done() {
    for dialect in dialects() {
        let (told, truths) = run(&dialect, Faults::default(), 1, dialect == Dialect::TecanUsb);
        assert_eq!(deeds(&told, false), done(&truths, |_| true), "{dialect:?}");
        assert!(told.gaps.is_empty(), "{dialect:?} {:?}", told.gaps);
        let samplings: Vec<(String, String)> = told
            .bodies
            .iter()
            .filter_map(|body| match body {
                Body::SamplingCompleted(it) => Some((shown(&it.source).1, shown(&it.destinations[0]).1)),
                _ => None,
            })
            .collect();
        assert_eq!(samplings.len(), 54, "{dialect:?}: three columns of six wells, three times");
        assert_eq!(samplings[0], ("A01".to_owned(), "A01".to_owned()));
        assert!(!told.bodies.iter().any(|body| matches!(body, Body::SamplingFailed(_) | Body::TransferFailed(_))));
    }
}

#[test]
fn channels_that_fail_are_told_with_their_wells() {
    for dialect in dialects() {
        let faults = Faults::default().with(Fault::Clot, 12).with(Fault::TooLittleLiquid, 12).with(Fault::NoTip, 30);
        let (told, truths) = run(&dialect, faults, 5, false);
        assert_eq!(deeds(&told, false), done(&truths, |_| true), "{dialect:?}");
        let mut expected: Vec<(u8, String)> = truths
            .iter()
            .filter_map(|truth| match &truth.what {
                What::Failed { channel, place, fault } if fault != "no-tip" => Some((*channel, place.well.clone())),
                _ => None,
            })
            .collect();
        let mut failed: Vec<(u8, String)> = told
            .bodies
            .iter()
            .filter_map(|body| match body {
                Body::SamplingFailed(it) if it.reason == "aspirate" => {
                    Some((it.channel?, it.source.as_ref().map(shown)?.1))
                }
                _ => None,
            })
            .collect();
        expected.sort();
        failed.sort();
        assert!(!expected.is_empty());
        assert_eq!(failed, expected, "{dialect:?}");
    }
}

#[test]
fn a_damaged_line_invents_nothing_and_loses_only_what_was_damaged() {
    for dialect in dialects() {
        for seed in 1..=12 {
            // On USB a Tecan's numbers have neither width nor check byte: one that lost a digit may be another good number.
            let lost = if dialect == Dialect::TecanUsb { Fault::NoReply } else { Fault::LostBytes };
            let faults = Faults::default()
                .with(Fault::LineNoise, 9)
                .with(Fault::SplitFrames, 4)
                .with(Fault::MergedFrames, 6)
                .with(lost, 60)
                .with(Fault::Unplug, 150)
                .with(Fault::OutOfOrder, 10)
                .with(Fault::NoReply, 60);
            let (told, truths) = run(&dialect, faults, seed, seed % 2 == 0);
            let sure = deeds(&told, false);
            let truth = done(&truths, |_| true);
            let invented: Vec<_> = sure
                .iter()
                // Where the arm is not known, no well is said.
                .filter(|((_, labware, ..), _)| labware != "?")
                .filter(|(deed, count)| truth.get(*deed).copied().unwrap_or(0) < **count)
                .collect();
            assert!(invented.is_empty(), "{dialect:?} {seed}: {invented:?}");
            let heard = done(&truths, |heard| heard);
            let all = deeds(&told, true);
            if matches!(dialect, Dialect::Star(_)) {
                // One command says all of a step here.
                let missing: Vec<_> =
                    heard.iter().filter(|(deed, count)| all.get(*deed).copied().unwrap_or(0) < **count).collect();
                assert!(missing.is_empty(), "{dialect:?} {seed}: {missing:?}");
            } else {
                for channel in 1..=6 {
                    let count = |deeds: &BTreeMap<Deed, i32>, is_taken: bool| -> i32 {
                        let of =
                            deeds.iter().filter(|((c, _, _, volume), _)| *c == channel && (*volume < 0) == is_taken);
                        of.map(|(_, count)| count).sum()
                    };
                    assert!(count(&all, true) >= count(&heard, true), "{dialect:?} {seed} {channel}");
                }
            }
            assert!(
                !told.gaps.is_empty() || told.openings > 1 || sure == truth,
                "{dialect:?} {seed}: what is lost is said"
            );
        }
    }
}

#[test]
fn slow_repeated_and_restarted_conversations_are_followed() {
    for dialect in dialects() {
        for seed in 1..=6 {
            let faults = Faults::default()
                .with(Fault::Stall, 30)
                .with(Fault::OutOfOrder, 8)
                .with(Fault::SlaveTimeout, 20)
                .with(Fault::Repeat, 15);
            let (told, truths) = run(&dialect, faults, seed, false);
            let (all, truth) = (deeds(&told, true), done(&truths, |_| true));
            assert_eq!(all, truth, "{dialect:?} {seed}");
        }
        for seed in 1..=6 {
            let faults = Faults::default().with(Fault::ControllerRestart, 3);
            let (told, truths) = run(&dialect, faults, seed, false);
            assert_eq!(deeds(&told, true), done(&truths, |_| true), "{dialect:?} {seed}");
        }
    }
}
