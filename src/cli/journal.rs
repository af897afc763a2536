//! `instrumentd journal`, and where the other commands find the journal.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;

use crate::config;
use crate::journal::{self, History};

/// Which journal.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Place {
    /// The configuration that names the journal.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The journal itself.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

impl Place {
    /// The journal's file: the one that was given, else the one that the configuration names. Mistakes elsewhere in the
    /// configuration do not matter here.
    pub(super) fn path(&self) -> anyhow::Result<PathBuf> {
        if let Some(journal) = &self.journal {
            return Ok(journal.clone());
        }
        let path = self.config.as_deref().context("give --config FILE or --journal FILE")?;
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let examined = config::examine(&text, &name, &config::folder_of(path));
        let journal = examined.journal.with_context(|| {
            format!("{name} cannot be read as a configuration; `instrumentd check --config {name}` tells where, or give --journal FILE")
        })?;
        Ok(journal.path)
    }
}

/// Check a journal, or make a new one of what can be read of a damaged one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  is it whole, what is in it? also while the daemon runs:
    instrumentd journal check --config instrumentd.toml
  after damage; the daemon must be stopped:
    instrumentd journal recover --config instrumentd.toml

A journal is copied safely, also while the daemon runs, with
  sqlite3 journal.db \".backup 'journal-backup.db'\"
docs/operations.md tells how one is restored, upgraded and moved.";

#[derive(Debug, Subcommand)]
enum Action {
    /// Look through the whole file and say what is wrong and what can be read. Changes nothing.
    Check(Place),
    /// Keep the damaged file aside as `<journal>.corrupt-<time>` and put a new journal in its place, with everything that
    /// can be read.
    Recover {
        #[command(flatten)]
        place: Place,
        /// Do it although the check finds nothing wrong.
        #[arg(long)]
        force: bool,
    },
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::Check(place) => check(&place.path()?),
        Action::Recover { place, force } => recover(&place.path()?, force),
    }
}

fn check(path: &std::path::Path) -> anyhow::Result<ExitCode> {
    let report = journal::examine(path)?;
    let path = path.display();
    println!("{path}: {}", report.survey);
    if report.findings.wrong.is_empty() {
        let history = History::open(std::path::Path::new(&path.to_string()))?;
        for device in history.devices()? {
            let retired = if device.retired { ", retired" } else { "" };
            println!("  {}: last sequence {}{retired}", device.device, device.last_sequence);
        }
        println!("The file is whole.");
        return Ok(ExitCode::SUCCESS);
    }
    for wrong in &report.findings.wrong {
        println!("  damaged: {wrong}");
    }
    println!(
        "Stop the daemon and copy the file somewhere safe. Then either restore a backup, or run\n  \
         instrumentd journal recover --journal {path}\nwhich keeps the damaged file aside and makes a new journal of what can be read."
    );
    Ok(ExitCode::FAILURE)
}

fn recover(path: &std::path::Path, force: bool) -> anyhow::Result<ExitCode> {
    if !force && journal::examine(path)?.findings.wrong.is_empty() {
        println!("{} is whole, nothing was done; --force does it nevertheless.", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let done = journal::recover(path)?;
    println!("The damaged journal is kept as {}.", done.kept.display());
    println!("The new one holds {}.", done.survey);
    for (table, rows) in &done.incomplete {
        match *table {
            "payloads" => println!("  No event's payload could be read."),
            "ids" => println!(
                "  Of the ids of known events {rows} could be read: what instruments' files still hold may be published \
                 again, under the same ids."
            ),
            table => println!("  Of `{table}`, {rows} entries could be read."),
        }
    }
    println!(
        "If events are missing, the daemon gives the journal a new id at its next start and records a gap for each device."
    );
    Ok(ExitCode::SUCCESS)
}
