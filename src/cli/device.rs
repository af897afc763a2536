//! `instrumentd device`.

use std::process::ExitCode;

/// Retire or rename a device that the journal knows.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs it.
pub fn run(_arguments: Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
