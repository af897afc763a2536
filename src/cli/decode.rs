//! `instrumentd decode`.

use std::process::ExitCode;

/// Decode instrument files offline into events.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs it.
pub fn run(_arguments: Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
