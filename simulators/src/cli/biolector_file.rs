//! `instrument-sim biolector-file`: a BioLector that writes result files into a folder.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use instrumentd_simulators::biolector::player::{Pace, Player};
use instrumentd_simulators::biolector::{BiolectorRun, Columns, Milestone, Model, Quirk, Settings};
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

use super::pace;

/// Steps that are done and not yet told; beyond that the instrument waits for the terminal.
const REMEMBERED: usize = 1024;

/// A BioLector that writes its result files into a folder, as the instrument does.
///
/// The run is made up of a seed: the same options give the same bytes, whatever the speed. Cultures lag, grow and stop, oxygen dips and
/// comes back, the pH falls. Referenced amplitude, pH and oxygen follow from the raw values by the instrument's own formulas.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The folder to write into; it comes to be when it is not there. `-` writes the table to standard output at once.
    folder: Option<PathBuf>,

    /// The instrument.
    #[arg(long, default_value = "pro")]
    model: ModelName,

    /// The column names of a Pro: both generations are in use.
    #[arg(long, default_value = "new")]
    columns: ColumnNames,

    /// How fast its time runs: 1 is real time, 60 a minute in each second, `max` without waiting.
    #[arg(long, default_value = "60", value_name = "X|max", value_parser = pace)]
    speed: Pace,

    /// The seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Cycles to measure.
    #[arg(long, default_value_t = 10)]
    cycles: u32,

    /// Filter sets to measure in each cycle: biomass, pH, oxygen, biomass at a high gain, fluorescence.
    #[arg(long, default_value_t = 3)]
    filtersets: u32,

    /// Wells to measure, the first ones in reading order.
    #[arg(long, default_value_t = 48)]
    wells: u32,

    /// From the start of one cycle to the next, in seconds of the instrument.
    #[arg(long, default_value_t = 600)]
    cycle_time: u32,

    /// Hours from inoculation to the stationary phase of a typical well.
    #[arg(long, default_value_t = 20.0)]
    growth_hours: f64,

    /// A pause with an open cover after every so many cycles, as somebody takes samples.
    #[arg(long, value_name = "CYCLES")]
    pause_every: Option<u32>,

    /// The start of the run on the instrument's clock, with its distance from UTC (which only an XT writes): 2026-03-02T08:00:00+01:00
    #[arg(long, value_name = "TIME", value_parser = start)]
    start: Option<Start>,

    /// The number of the run; it is part of the file's name.
    #[arg(long, default_value_t = 501)]
    process: u32,

    /// The name of the protocol; it is part of the file's name.
    #[arg(long, default_value = "SIM_Batch")]
    protocol: String,

    /// Something that real files were seen with; may be given several times. `--quirk list` says what there is.
    #[arg(long = "quirk", value_name = "NAME")]
    quirks: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  A run of ten cycles that grows in ./results, a minute of the instrument in each second:
      instrument-sim biolector-file ./results

  A whole night at once, with pauses that are written late and a spliced block:
      instrument-sim biolector-file ./results --speed max --cycles 90 --quirk late-comments --quirk spliced-block

  An XT: its members in a folder of their own, the zip beside it at the end:
      instrument-sim biolector-file ./results --model xt --filtersets 4 --quirk sens1-nan

  The table alone, to look at:
      instrument-sim biolector-file - --cycles 2 --wells 4 | tail -n 40

  What quirks there are, and for which models:
      instrument-sim biolector-file --quirk list";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ModelName(Model);

impl ValueEnum for ModelName {
    fn value_variants<'a>() -> &'a [ModelName] {
        &[ModelName(Model::Pro), ModelName(Model::Xt), ModelName(Model::One)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self.0 {
            Model::Pro => "BioLector II or Pro: one csv with a header of sections",
            Model::Xt => "BioLector XT: a csv and its members, a zip at the end",
            Model::One => "BioLector I: a csv in Latin-1 with a header of fixed lines",
        };
        Some(PossibleValue::new(self.0.name()).help(help))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ColumnNames {
    /// Temp_up, Temp_down, Temp_water
    Old,
    /// T_UC_HumSensor_analog, T_LC_PT100, T_UC_PT100
    New,
}

#[derive(Debug, Clone, Copy)]
struct Start {
    time: jiff::civil::DateTime,
    offset: Option<Offset>,
}

fn start(text: &str) -> Result<Start, String> {
    let pieces = Pieces::parse(text).map_err(|error| error.to_string())?;
    let time = pieces.time().ok_or("a time of day is missing, as in 2026-03-02T08:00:00+01:00")?;
    Ok(Start { time: pieces.date().to_datetime(time), offset: pieces.to_numeric_offset() })
}

/// Writes the run.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.quirks.iter().any(|name| name == "list") {
        return list_quirks();
    }
    let Some(folder) = arguments.folder.clone() else {
        bail!("say into which folder to write (or `-` for standard output); `--help` has examples")
    };
    let pace = arguments.speed;
    let settings = settings(arguments)?;
    let run = BiolectorRun::new(settings)?;
    if folder.as_os_str() == "-" {
        return print_table(run);
    }
    eprintln!("writing {}", folder.join(run.table_file()).display());
    let player = Player::start(run, folder, pace, REMEMBERED);
    let mut readings = 0;
    loop {
        match player.done().recv_timeout(Duration::from_secs(3600)) {
            Ok(step) => {
                readings += step.readings.len();
                for milestone in &step.milestones {
                    tell(milestone, readings, step.at);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    player.join()?;
    Ok(())
}

fn settings(arguments: Arguments) -> anyhow::Result<Settings> {
    let mut settings = Settings {
        model: arguments.model.0,
        columns: if arguments.columns == ColumnNames::Old { Columns::Old } else { Columns::New },
        seed: arguments.seed,
        cycles: arguments.cycles,
        filtersets: arguments.filtersets,
        wells: arguments.wells,
        cycle_seconds: arguments.cycle_time,
        growth_hours: arguments.growth_hours,
        pause_every: arguments.pause_every,
        process: arguments.process,
        protocol: arguments.protocol,
        ..Settings::default()
    };
    if let Some(start) = arguments.start {
        settings.start = start.time;
        settings.offset = start.offset.unwrap_or(settings.offset);
    }
    for name in &arguments.quirks {
        settings.quirks.insert(name.parse::<Quirk>()?);
    }
    Ok(settings)
}

fn list_quirks() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for quirk in Quirk::ALL {
        let models = quirk.models().iter().map(|model| model.name()).collect::<Vec<_>>().join(", ");
        writeln!(out, "{:<24}{:<14}{}", quirk.name(), models, quirk.text())?;
    }
    Ok(())
}

/// The table as it stands at the end of the run.
fn print_table(run: BiolectorRun) -> anyhow::Result<()> {
    use instrumentd_simulators::biolector::Change;
    let name = run.table_file();
    let mut table: Vec<u8> = Vec::new();
    for step in run {
        match step.change {
            Change::Append { file, bytes } if file == name => table.extend(bytes),
            Change::Replace { file, bytes } if file == name => table = bytes,
            Change::Overwrite { file, offset, bytes } if file == name => {
                let from = usize::try_from(offset)?;
                table
                    .get_mut(from..from + bytes.len())
                    .context("the overwritten line lies in the table")?
                    .copy_from_slice(&bytes);
            }
            _ => {}
        }
    }
    std::io::stdout().lock().write_all(&table)?;
    Ok(())
}

fn tell(milestone: &Milestone, readings: usize, seconds: f64) {
    let hours = seconds / 3600.0;
    let text = match milestone {
        Milestone::Begun => "the run begins".to_owned(),
        Milestone::CycleWritten(cycle) => format!("cycle {cycle} is written, {readings} readings so far"),
        Milestone::PauseBegan => "pause, the cover opens".to_owned(),
        Milestone::PauseEnded => "the cover is closed, the run goes on".to_owned(),
        Milestone::FirstFault(well) => format!("a reading of well {well} has no value"),
        Milestone::Ended => format!("the run is over after {readings} readings"),
    };
    eprintln!("{hours:8.2} h  {text}");
}
