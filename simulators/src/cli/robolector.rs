//! `instrument-sim robolector`: a robot on a pseudo-terminal.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use instrument_proto::codec::star::{Framing, Marks, Terminator};
use instrument_proto::geometry::Rotation;
use instrumentd_simulators::Pace;
use instrumentd_simulators::robolector::{
    Access, Action, Deck, Dialect, Fault, Faults, Place, Plan, Ports, Recording, Robolector, Role, Settings, Transfer,
    Truth, What,
};

use super::pace;

/// Truths that are told and not yet printed; beyond that the robot waits for the terminal.
const REMEMBERED: usize = 1024;

/// A RoboLector's robot on a pseudo-terminal.
///
/// The control software executes a sampling plan and the robot answers, as a tap between them hears it; with --host the terminal is the robot
/// alone, which answers what it is asked. Everything random comes from a seed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Where the terminal is: a link that comes to be, and that leads to another terminal after the cable was pulled.
    #[arg(default_value = "./robolector")]
    link: PathBuf,

    /// A second terminal for what the robot says; the first then carries the commands alone.
    #[arg(long, value_name = "PATH")]
    replies: Option<PathBuf>,

    /// The robot's language.
    #[arg(long, default_value = "star")]
    dialect: DialectName,

    /// What ends a frame of a STAR.
    #[arg(long, default_value = "crlf")]
    terminator: TerminatorName,

    /// Marks of direction before each frame of a STAR: `>` commands, `<` replies.
    #[arg(long)]
    marks: bool,

    /// The robot alone, that answers a host.
    #[arg(long)]
    host: bool,

    /// Channels or tips.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=16))]
    channels: u8,

    /// How fast its time runs: 1 is real time, 60 a minute in each second, `max` without waiting.
    #[arg(long, default_value = "10", value_name = "X|max", value_parser = pace)]
    speed: Pace,

    /// The seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Wells of the BioLector's plate to sample, in this order; each into the next free well of `samples`.
    #[arg(long, default_value = "A01,B01,C01,D01,E01,F01", value_delimiter = ',')]
    wells: Vec<String>,

    /// How much, in microlitres.
    #[arg(long, default_value_t = 100.0)]
    volume: f64,

    /// How often.
    #[arg(long, default_value_t = 3)]
    times: u32,

    /// From the start of one access to the next, in seconds of the robot.
    #[arg(long, default_value_t = 600.0)]
    every: f64,

    /// After each sampling, give so many microlitres of feed into the same wells.
    #[arg(long, value_name = "UL")]
    feed: Option<f64>,

    /// After the last sampling, the gripper takes the sample plate away.
    #[arg(long)]
    remove_plate: bool,

    /// Turn labware counter-clockwise: `samples=90`.
    #[arg(long, value_name = "NAME=DEGREES", value_parser = turn)]
    rotate: Vec<(String, Rotation)>,

    /// Something that goes wrong, with how seldom: `clot=5` is one in five on average, `clot` one in ten. `--fault list` says what there is.
    #[arg(long = "fault", value_name = "NAME[=EVERY]")]
    faults: Vec<String>,

    /// Write what was really done, one JSON object on a line.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,

    /// Go on while nobody has the terminal open, as a real robot does; what is said then is lost.
    #[arg(long)]
    unheard: bool,

    /// Write what would go over the line as a capture, at once and without a terminal.
    #[arg(long, value_name = "FILE", conflicts_with = "host")]
    capture: Option<PathBuf>,

    /// Print the deck as tables for the daemon's configuration, and nothing else.
    #[arg(long)]
    print_deck: bool,
}

const EXAMPLES: &str = "\
Examples:
  A tap on a STAR that samples six wells three times, at ten times its speed; the daemon's `serial` is ./robolector:
      instrument-sim robolector ./robolector

  A Genesis on RS-232 with two channels in ten that detect clots, on a noisy line:
      instrument-sim robolector --dialect tecan --fault clot=5 --fault line-noise=20 --truth truth.ndjson

  Commands and replies on two terminals, whole columns, feed after each sampling:
      instrument-sim robolector ./commands --replies ./replies --wells A01,B01,C01 --feed 10

  A robot that a host can ask for its firmware and its tips:
      instrument-sim robolector --host

  A night on a bad line as a capture, with the truth beside it:
      instrument-sim robolector --capture night.cap --truth truth.ndjson --times 40 --fault unplug=200

  The deck for the daemon's configuration:
      instrument-sim robolector --print-deck";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DialectName {
    /// Hamilton STAR
    Star,
    /// Tecan Genesis or EVO on RS-232
    Tecan,
    /// Tecan EVO on USB
    TecanUsb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TerminatorName {
    /// Carriage return
    Cr,
    /// Line feed
    Lf,
    /// Both
    Crlf,
    /// A zero byte
    Nul,
    /// Nothing but silence
    Gap,
}

fn turn(text: &str) -> Result<(String, Rotation), String> {
    let (name, degrees) = text.split_once('=').ok_or("a name and degrees, as in samples=90")?;
    let degrees: u32 = degrees.parse().map_err(|_| "0, 90, 180 or 270 degrees".to_owned())?;
    // The configuration of the daemon counts counter-clockwise as well; the geometry clockwise.
    let rotation = Rotation::from_degrees((360 - degrees % 360) % 360).ok_or("0, 90, 180 or 270 degrees")?;
    Ok((name.to_owned(), rotation))
}

/// Plays the robot.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.faults.iter().any(|name| name == "list") {
        return list_faults();
    }
    let settings = settings(&arguments)?;
    if arguments.print_deck {
        std::io::stdout().lock().write_all(settings.deck.to_configuration("robolector-1", "biolector-1").as_bytes())?;
        return Ok(());
    }
    if let Some(capture) = &arguments.capture {
        return record(settings, capture);
    }
    let robot = Robolector::spawn(settings, REMEMBERED)?;
    match robot.ports() {
        Ports::One(path) => eprintln!("on {}", path.display()),
        Ports::Two { commands, replies } => {
            eprintln!("commands on {}, replies on {}", commands.display(), replies.display());
        }
    }
    loop {
        match robot.truths().recv_timeout(Duration::from_secs(3600)) {
            Ok(truth) => tell(&truth),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    robot.join()?;
    Ok(())
}

/// When a made-up capture begins.
const CAPTURE_START: &str = "2026-03-02T07:00:00Z";

fn record(settings: Settings, capture: &Path) -> anyhow::Result<()> {
    let truth = settings.truth.clone();
    let recording = Recording::make(settings)?;
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).with_context(|| format!("cannot write '{}'", path.display()))
    };
    write(capture, &recording.to_capture("robolector-1", CAPTURE_START.parse()?))?;
    if let Some(path) = truth {
        let lines = recording.truths.iter().map(|truth| Ok(serde_json::to_string(truth)? + "\n"));
        write(&path, lines.collect::<anyhow::Result<String>>()?.as_bytes())?;
    }
    recording.truths.iter().for_each(tell);
    Ok(())
}

fn settings(arguments: &Arguments) -> anyhow::Result<Settings> {
    let dialect = match arguments.dialect {
        DialectName::Tecan => Dialect::TecanSerial,
        DialectName::TecanUsb => Dialect::TecanUsb,
        DialectName::Star => Dialect::Star(Framing {
            terminator: match arguments.terminator {
                TerminatorName::Cr => Terminator::Cr,
                TerminatorName::Lf => Terminator::Lf,
                TerminatorName::Crlf => Terminator::CrLf,
                TerminatorName::Nul => Terminator::Nul,
                TerminatorName::Gap => Terminator::Gap,
            },
            marks: arguments.marks.then(Marks::default),
        }),
    };
    let ports = match &arguments.replies {
        None => Ports::One(arguments.link.clone()),
        Some(replies) => Ports::Two { commands: arguments.link.clone(), replies: replies.clone() },
    };
    let mut deck = Deck::standard(dialect.y_axis());
    for (name, rotation) in &arguments.rotate {
        let Some(piece) = deck.pieces.iter_mut().find(|piece| piece.name == *name) else {
            let names: Vec<&str> = deck.pieces.iter().map(|piece| piece.name.as_str()).collect();
            bail!("there is no `{name}` on the deck; there are {}", names.join(", "))
        };
        piece.placement.rotation = *rotation;
    }
    let mut faults = Faults::default();
    for text in &arguments.faults {
        let (name, every) = text.split_once('=').unwrap_or((text, "10"));
        let every = every.parse().with_context(|| format!("`{text}`: after = belongs a whole number"))?;
        faults.set(name.parse::<Fault>()?, every);
    }
    Ok(Settings {
        plan: plan(arguments, &deck)?,
        channels: arguments.channels,
        deck,
        faults,
        seed: arguments.seed,
        pace: arguments.speed,
        host: arguments.host,
        wait_for_reader: !arguments.unheard,
        truth: arguments.truth.clone(),
        ..Settings::new(dialect, ports)
    })
}

fn plan(arguments: &Arguments, deck: &Deck) -> anyhow::Result<Plan> {
    let of = |role: Role| deck.of(role).with_context(|| format!("nothing on the deck is for {}", role.word()));
    let (cultures, samples, feed) = (of(Role::Cultivation)?, of(Role::Sample)?, of(Role::Source)?);
    let wells = arguments
        .wells
        .iter()
        .map(|label| {
            let place = Place::read(&cultures.name, label);
            let place = place.filter(|place| deck.centre(place).is_some());
            place.with_context(|| format!("`{label}` is no well of {}", cultures.kind.name))
        })
        .collect::<anyhow::Result<Vec<Place>>>()?;
    let mut plan = Plan::sampling(&wells, samples, arguments.volume, arguments.times, arguments.every);
    if let Some(volume_ul) = arguments.feed {
        for access in &mut plan.accesses {
            let from = Place::new(&feed.name, 0, 0);
            let give = |well: &Place| Transfer { source: from.clone(), destination: well.clone(), volume_ul };
            access.actions.push(Action::Transfer(wells.iter().map(give).collect()));
        }
    }
    if arguments.remove_plate {
        let away = instrument_proto::geometry::Placement { x_mm: 1000.0, ..samples.placement };
        let action = Action::Move { labware: samples.name.clone(), to: away };
        plan.accesses.push(Access { at_s: 0.0, actions: vec![action] });
    }
    Ok(plan)
}

fn list_faults() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for fault in Fault::ALL {
        writeln!(out, "{:<20}{}", fault.name(), fault.text())?;
    }
    Ok(())
}

fn tell(truth: &Truth) {
    let text = match &truth.what {
        What::TipOn { .. } | What::TipOff { .. } => return,
        What::Aspirated { channel, place, volume_ul, .. } => {
            format!("channel {channel} takes {volume_ul} ul from {} {}", place.labware, place.well)
        }
        What::Dispensed { channel, place, volume_ul, .. } => {
            format!("channel {channel} gives {volume_ul} ul into {} {}", place.labware, place.well)
        }
        What::Failed { channel, place, fault } => {
            format!("channel {channel} fails at {} {}: {fault}", place.labware, place.well)
        }
        What::StampAspirated { labware, volume_ul } => format!("the head takes {volume_ul} ul from all of {labware}"),
        What::StampDispensed { labware, volume_ul } => format!("the head gives {volume_ul} ul into all of {labware}"),
        What::Gripped { labware } => format!("the gripper takes {labware}"),
        What::Released { labware, x_mm, y_mm } => format!("the gripper puts {labware} down at {x_mm}, {y_mm} mm"),
        What::Happened { fault, .. } => format!("({fault})"),
        What::Commanded { frame } => format!("was told: {frame}"),
        What::Ended => "the plan is done".to_owned(),
    };
    let unheard = if truth.heard { "" } else { "  [not heard whole]" };
    eprintln!("{:9.2} s  {text}{unheard}", truth.at_s);
}
