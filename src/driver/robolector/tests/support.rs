//! A robot's driver on a bench: a deck, bytes in, events out.

use std::sync::Arc;

use jiff::{Timestamp, ToSpan};

use crate::driver::robolector::{Context, RoboLector};
use crate::driver::{Direction, Driver, Effects, Input, Mode, Sees, SourceName, StreamInput, Timer};
use crate::event::Event;
use crate::event::body::Body;
use crate::event::envelope::{Origin, Prepared};
use crate::event::liquid::LiquidFlag;
use crate::profile::deck::{Anchor, DeckSettings, Labware, Role, Rotation};
use crate::profile::robolector::LiquidClass;
use crate::profile::{Profile, shipped};

/// The deck on which the frozen protocols were made.
pub fn deck(profile: &Profile) -> DeckSettings {
    let robot = profile.robolector().expect("a robot");
    let labware = |name: &str, kind: &str, x_mm: f64, y_mm: f64, rotation, role| Labware {
        name: name.to_owned(),
        type_name: kind.to_owned(),
        geometry: robot.labware[kind].clone(),
        x_mm,
        y_mm,
        anchor: Anchor::Corner,
        rotation,
        role,
        cultivation_device: (role == Role::Cultivation).then(|| "biolector-1".parse().expect("a name")),
        plate_id: Some(format!("plate-{name}")),
        barcode: None,
    };
    DeckSettings {
        labware: vec![
            labware("fp", "flowerplate-48", 284.0, 71.5, Rotation::None, Role::Cultivation),
            labware("dwp", "dwp-96", 284.0, 167.5, Rotation::None, Role::Sample),
            labware("rot", "dwp-96", 514.52, 100.0, Rotation::Quarter, Role::Sample),
            labware("p384", "mtp-384", 450.0, 400.0, Rotation::None, Role::Sample),
            Labware { plate_id: None, ..labware("tips", "mtp-96", 103.52, 167.56, Rotation::None, Role::Tips) },
        ],
        liquid_class: None,
        worklists: Vec::new(),
    }
}

/// A liquid class whose curve is 7.2 % over, as the one of the frozen protocols is at 100 µl.
pub fn water() -> (String, LiquidClass) {
    ("Water".to_owned(), LiquidClass { curve: vec![(0.0, 0.0), (107.2, 100.0), (1072.0, 1000.0)] })
}

pub struct Bench {
    pub driver: RoboLector,
    pub name: SourceName,
    pub events: Vec<Event>,
    pub gaps: Vec<(&'static str, String)>,
    pub sent: Vec<Vec<u8>>,
    pub defects: Vec<(&'static str, u64)>,
    pub operations: Vec<&'static str>,
    pub firmware: Option<String>,
    /// The state as it was committed last.
    pub snapshot: Vec<(String, Vec<u8>)>,
    pub now: Timestamp,
    pub offset: u64,
    /// Timers that run.
    pub timers: Vec<(Timer, std::time::Duration)>,
}

impl Bench {
    pub fn new(profile: &str, change: impl FnOnce(&mut DeckSettings)) -> Self {
        let profile = shipped(profile).expect("shipped");
        let mut deck = deck(&profile);
        change(&mut deck);
        Self::with(profile, deck)
    }

    pub fn with(profile: Arc<Profile>, deck: DeckSettings) -> Self {
        let (site, device) = ("lab".parse().expect("a name"), "robot-1".parse().expect("a name"));
        let context = Context::new(&site, &device, profile, jiff::tz::TimeZone::UTC, Arc::new(deck));
        Self {
            driver: RoboLector::new(context),
            name: "serial".into(),
            events: Vec::new(),
            gaps: Vec::new(),
            sent: Vec::new(),
            defects: Vec::new(),
            operations: Vec::new(),
            firmware: None,
            snapshot: Vec::new(),
            now: "2026-08-01T10:00:00Z".parse().expect("a time"),
            offset: 0,
            timers: Vec::new(),
        }
    }

    fn take(&mut self, effects: Effects) {
        assert!(effects.refused.is_empty());
        self.events.extend(effects.events);
        self.gaps.extend(effects.gaps.into_iter().map(|(_, reason, text)| (reason, text)));
        for (_, defect) in effects.defects {
            self.defects.retain(|(code, _)| *code != defect.code);
            self.defects.push((defect.code, defect.count.into()));
        }
        for part in effects.snapshots {
            self.snapshot.retain(|(name, _)| name != part.part);
            self.snapshot.push((part.part.to_owned(), part.bytes));
        }
        let size: usize = self.snapshot.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(size <= 64 * 1024, "a snapshot of {size} bytes");
        for request in effects.requests {
            match request {
                crate::driver::Request::Send { bytes, .. } => self.sent.push(bytes),
                other => panic!("{other:?}"),
            }
        }
        for change in effects.timers {
            match change {
                crate::driver::TimerChange::Set(timer, duration) => {
                    self.timers.retain(|(other, _)| *other != timer);
                    self.timers.push((timer, duration));
                }
                crate::driver::TimerChange::Cancel(timer) => self.timers.retain(|(other, _)| *other != timer),
            }
        }
        if let Some(identity) = effects.identity {
            self.firmware = identity.instrument.software;
        }
        self.operations.extend(effects.operation.map(|operation| operation.name));
    }

    pub fn stream(&mut self, input: StreamInput<'_>) {
        let mut effects = Effects::default();
        self.driver.handle(Input::Stream(&self.name.clone(), input), self.now, &mut effects);
        self.take(effects);
    }

    pub fn open(&mut self, mode: Mode) {
        self.open_as("epoch-1", mode, false);
    }

    pub fn open_as(&mut self, epoch: &str, mode: Mode, resumed: bool) {
        let snapshot = self.snapshot.clone();
        self.stream(StreamInput::Opened { epoch, mode, resumed, snapshot: &snapshot });
        if !resumed {
            self.offset = 0;
        }
    }

    pub fn listening(profile: &str, change: impl FnOnce(&mut DeckSettings)) -> Self {
        let mut bench = Self::new(profile, change);
        bench.open(Mode::Listen { sees: Sees::Both });
        bench
    }

    pub fn bytes(&mut self, direction: Direction, bytes: &[u8]) {
        let (at, offset) = (self.now, self.offset);
        self.stream(StreamInput::Bytes { direction, at, offset, bytes });
        self.offset += bytes.len() as u64;
    }

    /// A command and, after a second, its reply.
    pub fn exchange(&mut self, command: &str, reply: &str) {
        self.command(command);
        self.reply(reply);
    }

    pub fn command(&mut self, command: &str) {
        self.bytes(Direction::ToInstrument, format!("{command}\r\n").as_bytes());
        self.pass(1);
    }

    pub fn reply(&mut self, reply: &str) {
        self.bytes(Direction::FromInstrument, format!("{reply}\r\n").as_bytes());
        self.pass(1);
    }

    pub fn pass(&mut self, seconds: i64) {
        self.now = self.now.checked_add(seconds.seconds()).expect("in range");
    }

    /// The timer of this name runs out, the line having been silent for as long.
    pub fn run_out(&mut self, name: &str) {
        let (timer, duration) =
            self.timers.iter().find(|(timer, _)| timer.name == name).cloned().unwrap_or_else(|| panic!("no {name}"));
        self.timers.retain(|(other, _)| *other != timer);
        self.pass(i64::try_from(duration.as_secs()).expect("short"));
        let mut effects = Effects::default();
        self.driver.handle(Input::Timer(&timer), self.now, &mut effects);
        self.take(effects);
    }

    /// One line for each event, as a person would note it.
    pub fn told(&self) -> Vec<String> {
        self.events.iter().map(|event| note(&event.body)).collect()
    }

    /// The events whose note begins so.
    pub fn noted(&self, beginning: &str) -> Vec<String> {
        self.told().into_iter().filter(|note| note.starts_with(beginning)).collect()
    }

    /// The events as they would be published, without a journal.
    pub fn published(&self) -> Vec<String> {
        publish(&self.events)
    }
}

pub fn publish(events: &[Event]) -> Vec<String> {
    let origin = Origin {
        source: crate::event::EventSource::new(&"lab".parse().expect("a name"), &"robot-1".parse().expect("a name")),
        partition: "robot-1".parse().expect("a name"),
        ingest: crate::event::Ingest::Live,
        position: Some("epoch-1".into()),
    };
    events
        .iter()
        .map(|event| String::from_utf8(Prepared::new(event, &origin).render_offline()).expect("UTF-8"))
        .collect()
}

fn place(place: &crate::event::liquid::Place) -> String {
    let labware = place.labware.as_deref().unwrap_or("?");
    match (place.well, place.position) {
        (Some(well), _) => format!("{labware} {well}"),
        (None, Some(at)) => format!("{labware} ({:.1} {:.1})", at.x_mm, at.y_mm),
        (None, None) => labware.to_owned(),
    }
}

fn volume(liquid: Option<f64>, piston: Option<f64>) -> String {
    match (liquid, piston) {
        (Some(liquid), Some(piston)) => format!("{liquid}({piston})"),
        (None, Some(piston)) => format!("({piston})"),
        _ => "-".to_owned(),
    }
}

fn marks(outcome: crate::event::liquid::Outcome, flags: &[LiquidFlag]) -> String {
    let mut text = match outcome {
        crate::event::liquid::Outcome::Confirmed => String::new(),
        other => format!(" {other:?}"),
    };
    // Shown where a test is about it.
    for flag in flags.iter().filter(|flag| **flag != LiquidFlag::Uncorrected) {
        text.push_str(&format!(" {flag:?}"));
    }
    text
}

fn note(body: &Body) -> String {
    match body {
        Body::Aspirated(it) => format!(
            "aspirated {} {} by {}{}",
            place(&it.source),
            volume(it.volume_ul, Some(it.piston_volume_ul)),
            it.channel,
            marks(it.outcome, &it.flags)
        ),
        Body::Dispensed(it) => format!(
            "dispensed {} {} by {} for {:?}{}",
            place(&it.destination),
            volume(it.volume_ul, Some(it.piston_volume_ul)),
            it.channel,
            it.purpose,
            marks(it.outcome, &it.flags)
        ),
        Body::SamplingCompleted(it) => {
            let to: Vec<String> = it
                .destinations
                .iter()
                .map(|to| format!("{} {}", place(to), volume(to.volume_ul, to.piston_volume_ul)))
                .collect();
            format!(
                "completed {} {} by {} -> {}{}",
                place(&it.source),
                volume(it.volume_ul, Some(it.piston_volume_ul)),
                it.channel,
                to.join(", "),
                marks(it.outcome, &it.flags)
            )
        }
        Body::SamplingFailed(it) => format!(
            "failed {} at {} by {}: {} (others {:?}){}",
            it.reason,
            it.source.as_ref().map_or("?".to_owned(), place),
            it.channel.map_or("all".to_owned(), |channel| channel.to_string()),
            it.text,
            it.succeeded_channels,
            marks(crate::event::liquid::Outcome::Confirmed, &it.flags)
        ),
        Body::CultivationAdded(it) => format!(
            "added {} {} from {} of {}{}",
            it.well,
            volume(it.volume_ul, Some(it.piston_volume_ul)),
            it.source.as_ref().map_or("?".to_owned(), place),
            it.substance,
            marks(it.outcome, &it.flags)
        ),
        Body::TransferCompleted(it) => format!(
            "transferred {} -> {} {}{}",
            place(&it.source),
            place(&it.destination),
            volume(it.volume_nl, it.piston_volume_ul),
            marks(it.outcome, &it.flags)
        ),
        Body::TransferFailed(it) => format!(
            "transfer failed {} at {}: {} (others {:?})",
            it.reason,
            it.source.as_ref().map_or("?".to_owned(), place),
            it.text,
            it.succeeded_channels
        ),
        Body::AccessStarted(_) => "access".to_owned(),
        Body::AccessEnded(it) => {
            format!("access ended: {} after {}", it.reason.unwrap_or("?"), it.duration_s.unwrap_or(-1.0))
        }
        Body::PlateMoved(it) => format!(
            "moved {} from {} to {} turned {}{}",
            it.labware.as_deref().unwrap_or("?"),
            it.from.labware.as_deref().unwrap_or("?"),
            it.to.as_ref().and_then(|to| to.labware.as_deref()).unwrap_or("?"),
            it.rotated_degrees.unwrap_or(0),
            marks(it.outcome, &[])
        ),
        Body::PlateLoaded(it) => format!("loaded {}", it.place.labware.as_deref().unwrap_or("?")),
        Body::PlateRemoved(it) => format!("removed {}: {}", it.labware.as_deref().unwrap_or("?"), it.reason),
        Body::BarcodeRead(it) => {
            format!("barcode {} {}", it.barcode_status, it.barcode.as_deref().unwrap_or("-"))
        }
        other => format!("{:?}", other.event_type()),
    }
}
