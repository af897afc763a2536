//! `instrumentd check`.

use std::process::ExitCode;

/// Validate a configuration and print every problem at once.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs it.
pub fn run(_arguments: Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
