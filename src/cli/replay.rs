//! `instrumentd replay`.

use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::chosen::Chosen;
use super::decode::WORTH_A_BAR;
use crate::config::settings::DeviceSettings;
use crate::decode::replay::{Kind, ReplayError, replay};
use crate::device::driver_of;
use crate::driver::{Mode, Sees};
use crate::event::envelope::Origin;
use crate::event::{EventSource, Ingest};
use crate::profile::Reach;

/// Decode a capture offline into events, one line of JSON each.
///
/// Gives the same ids, types, subjects and data that the daemon would publish for the same site and device; only what a
/// journal alone knows is missing. A robot's deck, liquid class and worklists come from the configuration. A summary goes
/// to standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  instrumentd replay --profile robolector robot-1.capture > events.ndjson
  instrumentd replay --profile robolector --config instrumentd.toml \\
    --device robot-1 /var/lib/instrumentd/captures/robot-1.*.capture")]
pub struct Arguments {
    #[command(flatten)]
    chosen: Chosen,
    /// The captures, in their order.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (site, settings) = arguments.chosen.look_up()?;
    let mut out = BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
    let worklists = worklists(&settings)?;
    for file in &arguments.files {
        let kind = kind(&settings);
        let origin = Origin {
            source: EventSource::new(&site, &settings.id),
            partition: settings.id.clone(),
            ingest: Ingest::Backfill,
            position: None,
        };
        let bar = ProgressBar::hidden();
        let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let mut shown = !std::io::stderr().is_terminal();
        let driver = driver_of(&site, &settings);
        let result = replay(file, kind, driver, &worklists, origin, &mut out, &mut |done, total| {
            if !shown && total >= WORTH_A_BAR {
                bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
                shown = true;
            }
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        match result {
            Ok(replayed) => eprint!("{}: {replayed}", file.display()),
            Err(ReplayError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                return Ok(ExitCode::SUCCESS);
            }
            Err(error) => {
                let _ = out.flush();
                eprintln!("instrumentd replay: {}: {error}", file.display());
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How the captured link was used: as the configuration says, else as a tap of both directions.
fn kind(settings: &DeviceSettings) -> Kind {
    match (settings.profile.family.reach(), &settings.stream) {
        (Reach::Files | Reach::Service, _) => Kind::Files,
        (Reach::Stream, Some(stream)) => Kind::Stream(stream.link().into(), stream.mode),
        (Reach::Stream, None) => Kind::Stream("serial".into(), Mode::Listen { sees: Sees::Both }),
    }
}

fn worklists(settings: &DeviceSettings) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let read = |path: &PathBuf| {
        let bytes = std::fs::read(path).with_context(|| format!("the worklist {} cannot be read", path.display()))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok((name.unwrap_or_default(), bytes))
    };
    settings.deck.worklists.iter().map(read).collect()
}
