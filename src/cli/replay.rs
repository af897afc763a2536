//! `instrumentd replay`.

use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::chosen::Chosen;
use super::decode::WORTH_A_BAR;
use crate::config::settings::DeviceSettings;
use crate::decode::replay::{GRPC, Kind, Replay, ReplayError, header_of};
use crate::device::driver_of;
use crate::driver::biolector::Context;
use crate::driver::{self, Driver, Mode, Sees, biolector_xt};
use crate::event::envelope::Origin;
use crate::event::{EventSource, Ingest, SiteId};
use crate::profile::{Family, Kind as ProfileKind, Reach};

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
    for (kind, files) in in_order(&arguments.files, &settings)? {
        let origin = Origin {
            source: EventSource::new(&site, &settings.id),
            partition: settings.id.clone(),
            ingest: Ingest::Backfill,
            position: None,
        };
        let driver = maker(kind, site.clone(), settings.clone());
        let mut replay = Replay::new(kind, driver, &worklists, origin, &mut out);
        for (number, file) in (1..).zip(&files) {
            let mut result = with_a_bar(|progress| replay.read(file, progress));
            if number == files.len() {
                result = result.and(replay.end());
            }
            match result {
                Ok(()) => eprint!("{}: {}", file.display(), replay.found()),
                Err(ReplayError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    return Ok(ExitCode::SUCCESS);
                }
                Err(error) => {
                    drop(replay);
                    let _ = out.flush();
                    eprintln!("instrumentd replay: {}: {error}", file.display());
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows how far a long reading is.
fn with_a_bar<T>(read: impl FnOnce(&mut dyn FnMut(u64, u64)) -> T) -> T {
    let bar = ProgressBar::hidden();
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut shown = !std::io::stderr().is_terminal();
    let result = read(&mut |done, total| {
        if !shown && total >= WORTH_A_BAR {
            bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
            shown = true;
        }
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    result
}

/// The captures, those that follow one another together: a recording goes on in its next file.
fn in_order(files: &[PathBuf], settings: &DeviceSettings) -> anyhow::Result<Vec<(Kind, Vec<PathBuf>)>> {
    let mut groups: Vec<(Kind, Vec<PathBuf>)> = Vec::new();
    let mut before = None;
    for file in files {
        let header = header_of(file).with_context(|| file.display().to_string())?;
        match groups.last_mut() {
            Some((_, group)) if header.is_some() && header == before => group.push(file.clone()),
            _ => {
                let is_grpc = header.as_ref().is_some_and(|header| header.link == GRPC);
                groups.push((kind(settings, is_grpc), vec![file.clone()]));
            }
        }
        before = header;
    }
    Ok(groups)
}

/// What makes the driver of a kind of capture.
fn maker(kind: Kind, site: SiteId, settings: DeviceSettings) -> Box<dyn Fn() -> Box<dyn Driver>> {
    match kind {
        Kind::Remote(_) => Box::new(move || {
            let (profile, zone) = (settings.profile.clone(), settings.time_zone.clone());
            Box::new(biolector_xt::driver(Context::new(&site, &settings.id, profile, zone)))
        }),
        _ => Box::new(move || driver_of(&site, &settings)),
    }
}

/// How the captured link was used: as the configuration says, else as a tap of both directions.
fn kind(settings: &DeviceSettings, is_grpc: bool) -> Kind {
    if let (ProfileKind::Biolector(profile), true) = (&settings.profile.kind, is_grpc) {
        return Kind::Remote(profile.live.max_download_bytes);
    }
    match (settings.profile.family.reach(), &settings.stream) {
        (Reach::Files, _) if settings.profile.family == Family::Zenotof => Kind::Sets,
        (Reach::Files, _) => Kind::Files,
        (Reach::Service, _) => Kind::Service(driver::echo_ms::WANTED),
        (Reach::Stream, Some(stream)) => Kind::Stream(stream.link(), stream.mode),
        (Reach::Stream, None) => Kind::Stream("serial", Mode::Listen { sees: Sees::Both }),
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
