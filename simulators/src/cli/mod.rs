//! The command line of the simulators.

mod biolector_file;

use clap::{Parser, Subcommand};

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
}

/// Does what the command line says.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.instrument {
        Instrument::BiolectorFile(arguments) => biolector_file::run(*arguments),
    }
}
