//! The command line: one file for each subcommand.

mod capture;
pub(crate) mod check;
mod chosen;
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
mod probe;
mod replay;
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
  see it work, nothing to set up:
    instrumentd demo
  decode a result file of your own:
    instrumentd decode --profile biolector-pro RUN.csv
  find every mistake before the daemon does:
    instrumentd check --config instrumentd.toml
  the daemon:
    instrumentd run --config instrumentd.toml";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Check(check::Arguments),
    Decode(decode::Arguments),
    Capture(capture::Arguments),
    Replay(replay::Arguments),
    Events(events::Arguments),
    Device(device::Arguments),
    DeadLetters(dead_letters::Arguments),
    Journal(journal::Arguments),
    Schema(schema::Arguments),
    Probe(probe::Arguments),
    #[cfg(feature = "demo")]
    Demo(demo::Arguments),
}

/// Runs the command line and says how it ended.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Decode(arguments) => decode::run(arguments),
        Command::Capture(arguments) => capture::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Events(arguments) => events::run(arguments),
        Command::Device(arguments) => device::run(arguments),
        Command::DeadLetters(arguments) => dead_letters::run(arguments),
        Command::Journal(arguments) => journal::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Probe(arguments) => probe::run(arguments),
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => demo::run(arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("instrumentd: {}", told(&error));
        ExitCode::FAILURE
    })
}

/// An error with its causes, without those that it tells of itself.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    /// An example that a terminal breaks in the middle cannot be copied.
    #[test]
    fn examples_fit_on_a_terminal() {
        let command = super::Arguments::command();
        let mut all = vec![&command];
        while let Some(one) = all.pop() {
            all.extend(one.get_subcommands());
            let text = one.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", one.get_name());
            }
        }
    }
}
