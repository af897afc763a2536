//! The command line: one file for each subcommand.

pub(crate) mod check;
mod dead_letters;
mod decode;
#[cfg(feature = "demo")]
mod demo;
mod device;
mod dry_run;
mod events;
mod glob;
mod journal;
mod line;
mod run;
mod schema;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The version and the commit it was built from.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("INSTRUMENTD_COMMIT"), ")");

/// Makes lab instruments speak one language: what they do becomes typed events, kept in a journal and published on
/// MQTT.
#[derive(Debug, Parser)]
#[command(name = "instrumentd", version = VERSION, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  instrumentd demo                                   see it work, nothing to set up
  instrumentd decode --profile biolector-pro RUN.csv decode a result file of your own
  instrumentd check --config instrumentd.toml        find every mistake before the daemon does
  instrumentd run --config instrumentd.toml          the daemon";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Check(check::Arguments),
    Decode(decode::Arguments),
    Events(events::Arguments),
    Device(device::Arguments),
    DeadLetters(dead_letters::Arguments),
    Journal(journal::Arguments),
    Schema(schema::Arguments),
    #[cfg(feature = "demo")]
    Demo(demo::Arguments),
}

/// Runs the command line and says how it ended.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Decode(arguments) => decode::run(arguments),
        Command::Events(arguments) => events::run(arguments),
        Command::Device(arguments) => device::run(arguments),
        Command::DeadLetters(arguments) => dead_letters::run(arguments),
        Command::Journal(arguments) => journal::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => demo::run(arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("instrumentd: {error:#}");
        ExitCode::FAILURE
    })
}
