//! `instrumentd check`.

mod files;
mod folders;
mod journal;
mod lines;
mod services;
mod surroundings;
#[cfg(test)]
pub(crate) mod tests;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::codes::Code;
use crate::config::{self, Problem, Problems, render};
use crate::event::DeviceId;
use crate::journal::History;

/// Validate a configuration and print every problem at once.
///
/// Each problem is shown at its place, with what is allowed and what was probably meant. What the machine lacks right
/// now (folders, files, brokers) are warnings. Ends with 0 only if `run` would start.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How to print the problems: for people, or as a JSON array for tools.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

const EXAMPLES: &str = "\
Examples:
  instrumentd check --config /etc/instrumentd/instrumentd.toml
  instrumentd check --config instrumentd.toml --format json |
    jq '.[] | select(.severity == \"error\")'";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let problems = problems(&arguments.config);
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Json => {
            let records: Vec<render::Record<'_>> = problems.0.iter().map(Into::into).collect();
            serde_json::to_writer_pretty(&mut out, &records)?;
            writeln!(out)?;
        }
        Format::Human => {
            let colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            for problem in &problems.0 {
                writeln!(out, "{}\n", render::human(problem, colours))?;
            }
            writeln!(out, "{}", problems.summary())?;
        }
    }
    Ok(if problems.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything there is to say about the configuration at `path`.
fn problems(path: &Path) -> Problems {
    let name = path.display().to_string();
    let bytes = match config::read(path, &name) {
        Ok(bytes) => bytes,
        Err(problems) => return problems,
    };
    let text = match config::utf8(&name, &bytes) {
        Ok(text) => text,
        Err(problem) => return Problems(vec![*problem]),
    };
    let folder = config::folder_of(path);
    let mut examined = config::examine(text, &name, &folder);
    let around = surroundings::look(&examined, &folder);
    examined.problems.0.extend(around);
    let is_usable = examined.problems.0.iter().all(|problem| problem.code != Code::JournalUnusable);
    if let Some(settings) = examined.settings.as_ref().filter(|_| is_usable) {
        let found = match known_to_the_journal(&settings.journal.path) {
            Ok(known) => config::missing_devices(settings, &name, &known),
            Err(error) => vec![unusable(&name, &error)],
        };
        examined.problems.0.extend(found);
    }
    examined.problems.sort();
    examined.problems
}

/// The devices in the journal at `path` that are not retired; none where there is no journal yet.
fn known_to_the_journal(path: &Path) -> anyhow::Result<Vec<DeviceId>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let devices = History::open(path)?.devices()?;
    Ok(devices.into_iter().filter(|status| !status.retired).map(|status| status.device).collect())
}

fn unusable(file: &str, error: &anyhow::Error) -> Problem {
    let mut problem = Problem::of_file(Code::JournalUnusable, file, format!("{error:#}"));
    problem.help("`run` would not start with this journal");
    problem
}
