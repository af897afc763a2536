//! `instrumentd demo`.

use std::process::ExitCode;

/// See it work: no configuration, no other program.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs it.
pub fn run(_arguments: Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
