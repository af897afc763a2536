//! The command line of the simulators.

mod biolector_file;
mod biolector_xt;
mod echo_ms_plus;
mod replay;
mod robolector;
mod zenotof;

use clap::{Parser, Subcommand};
use instrumentd_simulators::Pace;

/// Simulated lab instruments.
#[derive(Debug, Parser)]
#[command(name = "instrument-sim", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    instrument: Instrument,
}

#[derive(Debug, Subcommand)]
enum Instrument {
    BiolectorFile(Box<biolector_file::Arguments>),
    BiolectorXt(Box<biolector_xt::Arguments>),
    EchoMsPlus(Box<echo_ms_plus::Arguments>),
    Replay(replay::Arguments),
    Robolector(Box<robolector::Arguments>),
    Zenotof(Box<zenotof::Arguments>),
}

/// Does what the command line says.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.instrument {
        Instrument::BiolectorFile(arguments) => biolector_file::run(*arguments),
        Instrument::BiolectorXt(arguments) => biolector_xt::run(*arguments),
        Instrument::EchoMsPlus(arguments) => echo_ms_plus::run(*arguments),
        Instrument::Replay(arguments) => replay::run(arguments),
        Instrument::Robolector(arguments) => robolector::run(*arguments),
        Instrument::Zenotof(arguments) => zenotof::run(*arguments),
    }
}

/// How fast an instrument's time runs.
fn pace(text: &str) -> Result<Pace, String> {
    if text == "max" {
        return Ok(Pace::Max);
    }
    match text.parse::<f64>() {
        Ok(times) if times > 0.0 && times.is_finite() => Ok(Pace::Times(times)),
        _ => Err("a number above 0, or `max`".to_owned()),
    }
}
