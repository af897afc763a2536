//! `instrument-sim biolector-xt`: a BioLector XT that serves its remote control.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use instrumentd_simulators::Pace;
use instrumentd_simulators::biolector::Quirk;
use instrumentd_simulators::biolector_xt::{Begin, FAULTS, Settings, SlowClient, State, XtServer};
use jiff::fmt::temporal::Pieces;

use super::pace;

/// How often it looks whether there is something to tell.
const LOOK: Duration = Duration::from_millis(200);

/// A BioLector XT that serves its remote control over gRPC: all 45 methods, the live status stream, the experiment's zip.
///
/// The run is made up of a seed: the same options make the same readings, whatever the speed. What the stream tells and what the zip holds
/// are readings of the same cultures. Reflection and the health service are on, so that grpcurl finds its way.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Where it listens; the instrument's own port is 50051.
    #[arg(long, default_value = "127.0.0.1:50051", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,

    /// How fast its time runs: 1 is real time, 60 a minute in each second, `max` without waiting while a run is under way.
    #[arg(long, default_value = "60", value_name = "X|max", value_parser = pace)]
    speed: Pace,

    /// The seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Cycles of a run; it can be stopped before.
    #[arg(long, default_value_t = 100)]
    cycles: u32,

    /// Channels to measure in each cycle: biomass, pH, oxygen, biomass at a high gain, fluorescence.
    #[arg(long, default_value_t = 4)]
    channels: u32,

    /// Wells to measure, the first ones in reading order.
    #[arg(long, default_value_t = 48)]
    wells: u32,

    /// From the start of one cycle to the next, in seconds of the instrument.
    #[arg(long, default_value_t = 900)]
    cycle_time: u32,

    /// Hours from inoculation to the stationary phase of a typical well.
    #[arg(long, default_value_t = 20.0)]
    growth_hours: f64,

    /// A microfluidic plate: 32 wells with feeds from the sources A and B.
    #[arg(long)]
    microfluidic: bool,

    /// Its clock when it is switched on, with its distance from UTC: 2026-01-12T08:00:00+01:00. Without this it is the host's clock, at +01:00.
    #[arg(long, value_name = "TIME")]
    start: Option<String>,

    /// The number of the first run; it is part of the experiment's name.
    #[arg(long, default_value_t = 501)]
    process: u32,

    /// The name of the first protocol; a second one, for a microfluidic plate, is stored beside it.
    #[arg(long, default_value = "SIM_Batch")]
    protocol: String,

    /// Finished experiments that it stores from before.
    #[arg(long, default_value_t = 1)]
    history: u32,

    /// Nothing runs until somebody calls StartProtocol. Otherwise the first protocol is started at once.
    #[arg(long, conflicts_with = "wait_for_client")]
    idle: bool,

    /// The first protocol is started when the first client listens to the stream.
    #[arg(long)]
    wait_for_client: bool,

    /// Somebody pauses the run and opens the cover for a minute after every so many cycles.
    #[arg(long, value_name = "CYCLES")]
    visit_every: Option<u32>,

    /// Updates that may wait for one client of the stream.
    #[arg(long, default_value_t = 4096)]
    queue: usize,

    /// When they are that many, let time stand still instead of ending the client's stream. Always so with `--speed max`.
    #[arg(long)]
    wait_for_slow: bool,

    /// Ends when the first run is over, and writes the list of all readings that it made, one JSON object a line, to standard output.
    #[arg(long)]
    once: bool,

    /// Something that goes wrong; may be given several times. `--fault list` says what there is.
    #[arg(long = "fault", value_name = "NAME[=VALUE]")]
    faults: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  A run on the instrument's own port, a minute of its time in each second:
      instrument-sim biolector-xt

  Look at it from outside:
      grpcurl -plaintext 127.0.0.1:50051 list
      grpcurl -plaintext 127.0.0.1:50051 biolectorxt.api.BioLectorXtRemoteControl/GetExperimentList
      grpcurl -plaintext 127.0.0.1:50051 biolectorxt.api.BioLectorXtRemoteControl/StatusUpdateStream

  It does nothing until it is asked, in real time:
      instrument-sim biolector-xt --idle --speed 1

  A saturating channel, a clock four minutes ahead, a stream that is cut about every 300 updates:
      instrument-sim biolector-xt --fault sens1 --fault clock-skew=240 --fault cut=300

  Short cycles at once, as soon as somebody listens; then the truth, to hold a client against:
      instrument-sim biolector-xt --cycles 5 --wells 8 --speed max --wait-for-client --once > truth.jsonl

  Somebody takes samples after every third cycle; a pause needs twenty seconds:
      instrument-sim biolector-xt --visit-every 3 --fault pause-latency=20

  What can go wrong:
      instrument-sim biolector-xt --fault list";

/// Serves until it is stopped.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.faults.iter().any(|name| name == "list") {
        return list_faults();
    }
    let once = arguments.once;
    let server = XtServer::start(settings(arguments)?)?;
    eprintln!("serving biolectorxt.api.BioLectorXtRemoteControl on {}", server.address());
    let mut told = State::Idle;
    let mut cycle = 0;
    loop {
        let over = server.wait_until_over(1, LOOK);
        let state = server.state();
        if state != told {
            let (readings, listeners) = (server.readings().get(), server.listeners());
            let now = server.cycle();
            if state == State::Idle || now != cycle {
                eprintln!("cycle {now:3}  {readings:7} readings  {listeners} listening  {}", word(state));
            } else {
                eprintln!("           {}", word(state));
            }
            (told, cycle) = (state, now);
        }
        if once && over {
            break;
        }
        if over {
            // The counter is reached for good, so that only this paces the loop.
            server.readings().wait_for(u64::MAX, LOOK);
        }
    }
    let mut out = std::io::stdout().lock();
    for made in server.truth() {
        serde_json::to_writer(&mut out, &made)?;
        writeln!(out)?;
    }
    Ok(())
}

fn word(state: State) -> &'static str {
    match state {
        State::Idle => "idle",
        State::Starting => "starting",
        State::Measuring => "measuring",
        State::Waiting => "waiting for the next cycle",
        State::PauseRequested => "a pause is asked for",
        State::Paused => "paused",
        State::StopRequested => "stopping when the filter set is finished",
    }
}

fn settings(arguments: Arguments) -> anyhow::Result<Settings> {
    let mut settings = Settings {
        listen: arguments.listen,
        pace: arguments.speed,
        history: arguments.history,
        visit_every: arguments.visit_every,
        queue: arguments.queue,
        ..Settings::default()
    };
    settings.begin = match (arguments.idle, arguments.wait_for_client) {
        (true, _) => Begin::WhenAsked,
        (_, true) => Begin::WithFirstClient,
        _ => Begin::AtOnce,
    };
    let waits = arguments.wait_for_slow || arguments.speed == Pace::Max;
    settings.slow_client = if waits { SlowClient::Wait } else { SlowClient::Cut };
    let run = &mut settings.run;
    run.seed = arguments.seed;
    run.cycles = arguments.cycles;
    run.filtersets = arguments.channels;
    run.wells = arguments.wells;
    run.cycle_seconds = arguments.cycle_time;
    run.growth_hours = arguments.growth_hours;
    run.process = arguments.process;
    run.protocol = arguments.protocol;
    if arguments.microfluidic {
        run.quirks.insert(Quirk::Microfluidic);
        run.wells = run.wells.min(32);
    }
    if let Some(text) = arguments.start {
        let offset = Pieces::parse(text.as_str()).ok().and_then(|pieces| pieces.to_numeric_offset());
        settings.start = Some(text.parse().map_err(|error| anyhow::anyhow!("--start {text}: {error}"))?);
        settings.run.offset = offset.unwrap_or(settings.run.offset);
    }
    for fault in &arguments.faults {
        settings.add_fault(fault)?;
    }
    Ok(settings)
}

fn list_faults() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for fault in FAULTS {
        let name =
            if fault.value.is_empty() { fault.name.to_owned() } else { format!("{}={}", fault.name, fault.value) };
        writeln!(out, "{name:<24}{}", fault.text)?;
    }
    Ok(())
}
