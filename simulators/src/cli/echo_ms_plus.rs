//! `instrument-sim echo-ms-plus`: an acoustic ejector behind a gateway that speaks the device service.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use instrumentd_simulators::Pace;
use instrumentd_simulators::device_service::{HostSettings, Limits, TlsFiles};
use instrumentd_simulators::echo_ms_plus::{EchoMsPlus, Fault, Faults, Order, Settings, Tells};

/// How often the terminal is told how far it is.
const TOLD: Duration = Duration::from_secs(5);

/// An Echo MS+ behind a gateway that speaks the device service (`instrumentd.device.v1.DeviceService`).
///
/// It surveys plates and ejects from their wells into a mass spectrometer, and tells of it as docs/device-service.md says: variables, events,
/// history. Reflection and the health service are on, so that grpcurl needs no files. The same seed ejects the same. What goes wrong only goes
/// wrong when it is asked for.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Where to listen; port 0 is any free one.
    #[arg(long, default_value = "127.0.0.1:50061", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,

    /// How fast its time runs: 1 is real time, 60 a minute in each second, `max` without waiting.
    #[arg(long, default_value = "1", value_name = "X|max", value_parser = super::pace)]
    speed: Pace,

    /// The seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Plates, one run over each.
    #[arg(long, default_value_t = 1)]
    plates: u32,

    /// Wells of a plate: 384 or 1536.
    #[arg(long, default_value_t = 384)]
    format: u32,

    /// How many of them are ejected from; all by default.
    #[arg(long)]
    wells: Option<usize>,

    /// Shots from each well.
    #[arg(long, default_value_t = 1)]
    repeats: u32,

    /// A marker shot before every so many wells; 0 for none.
    #[arg(long, default_value_t = 24)]
    markers: usize,

    /// Seconds from one shot to the next (1 to 3 on the instrument).
    #[arg(long, default_value_t = 3.0)]
    interval: f64,

    /// Nanolitres of each shot; droplets have 2.5.
    #[arg(long, default_value_t = 10.0)]
    volume: f64,

    /// In which order the wells are ejected.
    #[arg(long, default_value = "serpentine")]
    order: OrderName,

    /// What the gateway tells of the shots when a run begins.
    #[arg(long, default_value = "order")]
    tells: TellsName,

    /// The share of shots that nothing comes of, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    missed: f64,

    /// The share of wells that hold too little, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    low: f64,

    /// The share of wells that hold nothing, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    empty: f64,

    /// The last run is aborted in its middle.
    #[arg(long)]
    abort: bool,

    /// The server's certificate, PEM; with it the line is TLS.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,

    /// The server's key, PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,

    /// Who signs clients' certificates, PEM; a client without one gets nothing.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    client_ca: Option<PathBuf>,

    /// A file with the token that clients have to show; without it all are let in.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The most elements in an item's queue.
    #[arg(long, default_value_t = 10_000)]
    max_queue: usize,

    /// Messages that a subscription keeps for Republish.
    #[arg(long, default_value_t = 1000)]
    max_retransmission: usize,

    /// Events and values that history keeps.
    #[arg(long, default_value_t = 100_000)]
    max_history: usize,

    /// Writes every shot that was due, one JSON object a line, into this file when all is over.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,

    /// Ends when the last run is over, instead of serving on until it is interrupted.
    #[arg(long)]
    exit: bool,

    /// Something that goes wrong at one in EVERY shots on average (100 by default); may be given several times. `--fault list` says what
    /// there is.
    #[arg(long = "fault", value_name = "NAME[:EVERY]")]
    faults: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  A plate of 384 wells in real time, and a look at it:
      instrument-sim echo-ms-plus
      grpcurl -plaintext 127.0.0.1:50061 list
      grpcurl -plaintext 127.0.0.1:50061 instrumentd.device.v1.DeviceService/GetServerStatus

  Two plates of 1536 wells, a minute in each second, some of which fail, with the truth beside it:
      instrument-sim echo-ms-plus --format 1536 --plates 2 --interval 1 --speed 60 --missed 0.01 --low 0.02 --truth truth.jsonl --exit

  A bad day: messages get lost, the server restarts without its queues, the instrument is gone for a while:
      instrument-sim echo-ms-plus --speed 60 --fault sequence-gap:20 --fault restart-lost:100 --fault gone:80

  Mutual TLS and a token:
      instrument-sim echo-ms-plus --certificate server.pem --key server.key --client-ca ca.pem --token-file token

  What can go wrong:
      instrument-sim echo-ms-plus --fault list";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderName {
    /// Odd rows from left to right, even rows back
    Serpentine,
    /// All rows from left to right
    RowWise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TellsName {
    /// The list in the order of ejection
    Order,
    /// The list as it was typed
    List,
    /// Nothing
    Nothing,
}

/// Serves and ejects.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.faults.iter().any(|name| name == "list") {
        return list_faults();
    }
    let (pace, truth, exit) = (arguments.speed, arguments.truth.clone(), arguments.exit);
    let host = host(&arguments)?;
    let (scheme, guarded) = (if host.tls.is_some() { "TLS" } else { "plain text" }, host.token.is_some());
    let limits = Limits {
        queue: arguments.max_queue.max(1),
        retransmission: arguments.max_retransmission.max(1),
        history: arguments.max_history.max(1),
        ..Limits::default()
    };
    let mut faults = Faults::default();
    for text in &arguments.faults {
        let (fault, every) = fault(text)?;
        faults.set(fault, every);
    }
    let mut echo = EchoMsPlus::start(settings(&arguments), host, limits, faults, pace)?;
    let token = if guarded { ", with a token" } else { "" };
    eprintln!("the device service of a simulated Echo MS+ listens on {} ({scheme}{token})", echo.address());
    let interrupted = interrupted()?;
    let mut told = usize::MAX;
    while !echo.is_over() && interrupted.recv_timeout(TOLD).is_err() {
        let due = echo.truth().len();
        if due != told {
            eprintln!("{due} shots");
            told = due;
        }
    }
    let is_interrupted = !echo.is_over();
    if !is_interrupted {
        echo.wait()?;
        eprintln!("{}", summary(&echo));
        if !exit {
            eprintln!("all runs are over; the server goes on until it is interrupted");
            // Both an interruption and the end of whoever listens for it are the end.
            let _ = interrupted.recv();
        }
    }
    if let Some(path) = truth {
        let mut file = std::fs::File::create(&path).with_context(|| format!("cannot write '{}'", path.display()))?;
        for shot in echo.truth() {
            serde_json::to_writer(&mut file, &shot)?;
            writeln!(file)?;
        }
    }
    Ok(())
}

fn summary(echo: &EchoMsPlus) -> String {
    let truth = echo.truth();
    let came = truth.iter().filter(|shot| shot.actual.is_some()).count();
    format!("{} shots were due, {came} came, {} did not", truth.len(), truth.len() - came)
}

/// Says when the process is to end.
fn interrupted() -> anyhow::Result<mpsc::Receiver<()>> {
    let (sender, receiver) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        // Without a way to hear of it the process ends by the signal itself.
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            let _ = sender.send(());
        }
    });
    Ok(receiver)
}

fn settings(arguments: &Arguments) -> Settings {
    let count = arguments.wells.unwrap_or(arguments.format as usize);
    let base = Settings {
        seed: arguments.seed,
        start: jiff::Timestamp::now(),
        order: match arguments.order {
            OrderName::Serpentine => Order::Serpentine,
            OrderName::RowWise => Order::RowWise,
        },
        tells: match arguments.tells {
            TellsName::Order => Tells::Order,
            TellsName::List => Tells::List,
            TellsName::Nothing => Tells::Nothing,
        },
        interval_s: arguments.interval,
        nominal_nl: arguments.volume,
        missed: arguments.missed,
        low: arguments.low,
        empty: arguments.empty,
        abort: arguments.abort,
        ..Settings::default()
    };
    base.plates(arguments.plates, arguments.format, count, arguments.repeats, arguments.markers)
}

fn host(arguments: &Arguments) -> anyhow::Result<HostSettings> {
    let tls = match (&arguments.certificate, &arguments.key) {
        (Some(certificate), Some(key)) => Some(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: arguments.client_ca.clone(),
        }),
        _ => None,
    };
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read '{}'", path.display()))?;
        match text.trim() {
            "" => bail!("'{}' holds no token", path.display()),
            token => Ok(token.to_owned()),
        }
    };
    let token = arguments.token_file.as_ref().map(read).transpose()?;
    Ok(HostSettings { address: arguments.listen, tls, token })
}

/// `cut`, or `cut:50`.
fn fault(text: &str) -> anyhow::Result<(Fault, u32)> {
    let Some((name, every)) = text.split_once(':') else { return Ok((text.parse()?, 100)) };
    match every.parse() {
        Ok(every) if every > 0 => Ok((name.parse()?, every)),
        _ => bail!("'{text}': what stands behind the colon is a number from 1"),
    }
}

fn list_faults() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for fault in Fault::ALL {
        writeln!(out, "{:<18}{}", fault.name(), fault.text())?;
    }
    Ok(())
}
