//! `instrumentd dead-letters`.

use std::process::ExitCode;

/// List or retry events that a broker refused for good.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs it.
pub fn run(_arguments: Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
