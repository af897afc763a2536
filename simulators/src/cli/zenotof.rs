//! `instrument-sim zenotof`: a mass spectrometer that writes file sets into a folder.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use instrumentd_simulators::player::Pace;
use instrumentd_simulators::zenotof::{
    Copying, Delivery, End, Fault, FilePlan, Layout, Milestone, ModeKind, Order, Player, Polarity, SamplePlan,
    Settings, Version, ZenotofRun, batch_csv, plan,
};

/// Steps that are done and not yet told; beyond that the instrument waits for the terminal.
const REMEMBERED: usize = 1024;

/// A ZenoTOF 7600 that writes its file sets into a folder, as SCIEX OS does.
///
/// The containers are real ones: this reader and others open them. The same options give the same bytes, whatever the speed. What goes wrong
/// only goes wrong when it is asked for.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The folder to write into; it comes to be when it is not there.
    folder: Option<PathBuf>,

    /// How fast its time runs: 1 is real time, 60 a minute in each second, `max` without waiting.
    #[arg(long, default_value = "60", value_name = "X|max", value_parser = super::pace)]
    speed: Pace,

    /// The seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Files to acquire, one after the other.
    #[arg(long, default_value_t = 1)]
    files: u32,

    /// Samples in each file.
    #[arg(long, default_value_t = 1)]
    samples: u32,

    /// Seconds of acquisition for each sample.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,

    /// Instead: so many wells of a 384-well plate under an Echo MS, as one sample of each file.
    #[arg(long, value_name = "WELLS", conflicts_with_all = ["samples", "seconds"])]
    echo: Option<u32>,

    /// What is acquired.
    #[arg(long, default_value = "mrm")]
    mode: ModeName,

    /// Negative ions.
    #[arg(long)]
    negative: bool,

    /// A sub-folder for the data, with `/`: SCIEX OS has <project>/Data.
    #[arg(long, default_value = "")]
    project: String,

    /// Seconds from one scan to the next.
    #[arg(long, default_value_t = 0.5)]
    scan_seconds: f64,

    /// Bytes of data of each scan: how fast the files grow.
    #[arg(long, default_value_t = 32)]
    scan_bytes: u32,

    /// Quiet seconds between two samples of a file.
    #[arg(long, default_value_t = 13.0)]
    pause: f64,

    /// Quiet seconds between two files.
    #[arg(long, default_value_t = 60.0)]
    gap: f64,

    /// Seconds from the end of a ZT Scan to its conversion.
    #[arg(long, default_value_t = 600.0)]
    convert: f64,

    /// Sectors of 512 bytes in the container, as on an Echo MS.
    #[arg(long)]
    v3: bool,

    /// The data inside the .wiff, as older software does.
    #[arg(long)]
    single_file: bool,

    /// Acquired elsewhere and copied into the folder when it is complete.
    #[arg(long, value_name = "HOW")]
    network: Option<CopyName>,

    /// With --network: which member of a set arrives first.
    #[arg(long, default_value = "random", requires = "network")]
    order: OrderName,

    /// With --network: bytes in a second.
    #[arg(long, default_value_t = 1e6, requires = "network")]
    rate: f64,

    /// Writes the batch, as SCIEX OS would import it, into this file before it begins.
    #[arg(long, value_name = "FILE")]
    batch: Option<PathBuf>,

    /// Something that goes wrong, with all files or with one of them (`2:abort`); may be given several times. `--fault list` says what
    /// there is.
    #[arg(long = "fault", value_name = "[N:]NAME")]
    faults: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  Three files of five samples that grow in ./data, a minute of the instrument in each second:
      instrument-sim zenotof ./data --files 3 --samples 5

  The same over a network share: each set is copied when it is complete, in any order, with old times:
      instrument-sim zenotof ./data --files 3 --samples 5 --network temporary-name

  A queue in which the second run is aborted and the third has a truncated .wiff.scan:
      instrument-sim zenotof ./data --files 4 --fault 2:abort --fault 3:scan-truncated --speed max

  A ZT Scan whose conversion takes an hour:
      instrument-sim zenotof ./data --mode zt-scan --convert 3600

  A plate of 384 wells under an Echo MS, with the batch beside it:
      instrument-sim zenotof ./data --echo 384 --v3 --batch ./batch.csv

  What can go wrong:
      instrument-sim zenotof --fault list";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeName {
    /// Transitions on a triple quadrupole
    Mrm,
    /// Product ions of chosen precursors at high resolution
    MrmHr,
    /// Survey scans
    Ms1,
    /// Data-dependent
    Ida,
    /// Data-independent in windows
    Swath,
    /// Data-independent with a scanning quadrupole; the .wiff.scan stays at its headers until it is converted
    ZtScan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CopyName {
    /// Under a temporary name, then renamed
    TemporaryName,
    /// Under its own name; it grows
    Growing,
    /// With its final size at once and zeros inside
    Preallocated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderName {
    WiffFirst,
    WiffLast,
    Random,
}

/// Writes the acquisitions.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.faults.iter().any(|name| name == "list") {
        return list_faults();
    }
    let Some(folder) = arguments.folder.clone() else { bail!("say into which folder to write; `--help` has examples") };
    let (pace, batch) = (arguments.speed, arguments.batch.clone());
    let settings = settings(arguments)?;
    if let Some(file) = batch {
        std::fs::write(&file, batch_csv(&settings)).with_context(|| format!("cannot write '{}'", file.display()))?;
    }
    let run = ZenotofRun::new(settings)?;
    let outcomes = run.outcomes();
    eprintln!("writing into {}", folder.display());
    let player = Player::start(run, folder, pace, REMEMBERED);
    loop {
        match player.done().recv_timeout(Duration::from_secs(3600)) {
            Ok(step) => step.milestones.iter().for_each(|milestone| tell(milestone, step.at)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    player.join()?;
    for outcome in outcomes {
        let end = match outcome.end {
            End::Complete => "complete".to_owned(),
            End::Aborted => "aborted".to_owned(),
            End::Incomplete(fault) => format!("incomplete ({fault})"),
        };
        eprintln!("{}: {} samples, {end}", outcome.stem, outcome.samples);
    }
    Ok(())
}

fn settings(arguments: Arguments) -> anyhow::Result<Settings> {
    let mode = match arguments.mode {
        ModeName::Mrm => ModeKind::Srm,
        ModeName::MrmHr => ModeKind::Prm,
        ModeName::Ms1 => ModeKind::Ms1,
        ModeName::Ida => ModeKind::Dda,
        ModeName::Swath => ModeKind::Swath,
        ModeName::ZtScan => ModeKind::ZtScan,
    };
    let order = match arguments.order {
        OrderName::WiffFirst => Order::WiffFirst,
        OrderName::WiffLast => Order::WiffLast,
        OrderName::Random => Order::Random,
    };
    let copied = |copy| Delivery::Network { order, copy, rate: arguments.rate };
    let delivery = match arguments.network {
        None => Delivery::Local,
        Some(CopyName::TemporaryName) => copied(Copying::TemporaryName),
        Some(CopyName::Growing) => copied(Copying::Growing),
        Some(CopyName::Preallocated) => copied(Copying::Preallocated),
    };
    let mut files = plan(arguments.files, arguments.samples, arguments.seconds);
    if let Some(wells) = arguments.echo {
        let names =
            (0..wells.min(384)).map(|well| format!("{}{:02}", char::from(b'A' + (well / 24) as u8), well % 24 + 1));
        let shots: Vec<String> = std::iter::once("Start Marker".to_owned()).chain(names).collect();
        for (number, file) in (1..).zip(&mut files) {
            file.samples = vec![SamplePlan::plate_run(&format!("plate{number:03}"), shots.clone())];
        }
    }
    for fault in &arguments.faults {
        add_fault(&mut files, fault)?;
    }
    let defaults = Settings::default();
    let method = if mode == ModeKind::ZtScan { "ZT Scan 5 min.msm".to_owned() } else { defaults.method.clone() };
    Ok(Settings {
        seed: arguments.seed,
        folder: arguments.project,
        files,
        version: if arguments.v3 { Version::V3 } else { Version::V4 },
        layout: if arguments.single_file { Layout::SingleFile } else { Layout::ScanFile },
        mode,
        polarity: if arguments.negative { Polarity::Negative } else { Polarity::Positive },
        method,
        scan_seconds: arguments.scan_seconds,
        scan_bytes: arguments.scan_bytes,
        pause_seconds: arguments.pause,
        gap_seconds: arguments.gap,
        convert_seconds: arguments.convert,
        delivery,
        ..defaults
    })
}

/// `abort` for all files, `2:abort` for the second.
fn add_fault(files: &mut [FilePlan], text: &str) -> anyhow::Result<()> {
    let Some((number, name)) = text.split_once(':') else {
        let fault: Fault = text.parse()?;
        for file in files {
            file.faults.insert(fault);
        }
        return Ok(());
    };
    let count = files.len();
    let file = number.parse::<usize>().ok().and_then(|number| files.get_mut(number.checked_sub(1)?));
    let file = file.with_context(|| format!("'{text}': the number before the colon is from 1 to {count}"))?;
    file.faults.insert(name.parse::<Fault>()?);
    Ok(())
}

fn list_faults() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for fault in Fault::ALL {
        writeln!(out, "{:<24}{}", fault.name(), fault.text())?;
    }
    Ok(())
}

fn tell(milestone: &Milestone, seconds: f64) {
    let text = match milestone {
        Milestone::FileBegan { stem } => format!("{stem}: begun"),
        Milestone::SampleBegan { stem, sample } => format!("{stem}: sample {sample} begins"),
        Milestone::SampleEnded { stem, sample, aborted: true } => format!("{stem}: sample {sample} is aborted"),
        Milestone::SampleEnded { stem, sample, aborted: false } => format!("{stem}: sample {sample} ends"),
        Milestone::FileWhole { stem } => format!("{stem}: nothing more will be written"),
        Milestone::Renamed { from, to } => format!("{from}: renamed to {to}"),
        Milestone::Ended => "all is over".to_owned(),
    };
    eprintln!("{seconds:9.1} s  {text}");
}
