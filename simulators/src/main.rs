//! `instrument-sim`: simulated instruments from the command line.

mod cli;

use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    cli::run(cli::Arguments::parse())
}
