//! `instrumentd decode`.

use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::chosen::Chosen;
use crate::decode::{DecodeError, decode, decode_sets};
use crate::device::driver_of;
use crate::driver::biolector;
use crate::event::envelope::Origin;
use crate::event::{EventSource, Ingest};
use crate::profile::{Kind, Reach};

/// Inputs smaller than this are done before a progress bar could be read.
pub(super) const WORTH_A_BAR: u64 = 4 << 20;

/// Decode instrument files offline into events, one line of JSON each.
///
/// Gives the same ids, types, subjects and data that the daemon would publish for the same site and device; only what a
/// journal alone knows (sequences, times of recording) is missing. A summary goes to standard error. The exit code is
/// not 0 where the input is not of the profile.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  instrumentd decode --profile biolector-pro 224-MO_Coryne.csv > events.ndjson
  instrumentd decode --profile biolector-xt --site lab --device xt-1 \\
    --time-zone Europe/Berlin 4_BG_test.zip
  instrumentd decode --profile biolector-xt --config instrumentd.toml results/
  instrumentd decode --profile zenotof-7600 Data/ > events.ndjson
  instrumentd decode --profile echo-liquid-handler Reports/ > events.ndjson
  instrumentd decode --profile biolector-xt --run-id 7240a390 \\
    --started-at 2023-10-06T15:54:41Z bare.csv")]
pub struct Arguments {
    #[command(flatten)]
    chosen: Chosen,
    /// The run's identity, where the source names none (a bare XT csv).
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,
    /// The run's start, where the source names none.
    #[arg(long, value_name = "TIME")]
    started_at: Option<Timestamp>,
    /// A file, a zip archive or a folder; of a file set any member.
    path: PathBuf,
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (site, settings) = arguments.chosen.look_up()?;
    if settings.profile.family.reach() == Reach::Stream {
        bail!(
            "a {} writes no files: record its line with `instrumentd capture`, decode that with `instrumentd replay`",
            settings.profile.model
        );
    }
    if settings.profile.family.reach() == Reach::Service {
        bail!("a {} writes no files that are read: it is followed by `instrumentd run`", settings.profile.model);
    }
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
    let mut out = BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
    let mut progress = |done, total| {
        if !shown && total >= WORTH_A_BAR {
            bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
            shown = true;
        }
        bar.set_length(total);
        bar.set_position(done);
    };
    let path = &arguments.path;
    let result = match settings.profile.kind {
        Kind::Zenotof(_) => {
            let driver = driver_of(&site, &settings);
            decode_sets(path, driver, origin, &mut out, &mut progress)
                .map(|found| (found.to_string(), found.none_is_whole()))
        }
        Kind::Echo(_) => {
            let driver = driver_of(&site, &settings);
            decode(path, settings.profile.family.layout(), driver, origin, &mut out, &mut progress)
                .map(|summary| (summary.to_string(), summary.is_empty()))
        }
        _ => {
            let (profile, zone) = (settings.profile.clone(), settings.time_zone.clone());
            let mut context = biolector::Context::new(&site, &settings.id, profile, zone);
            context.stated_run_id = arguments.run_id;
            context.stated_start = arguments.started_at;
            let driver = Box::new(biolector::driver(context));
            decode(path, settings.profile.family.layout(), driver, origin, &mut out, &mut progress)
                .map(|summary| (summary.to_string(), summary.is_empty() && !summary.refused.is_empty()))
        }
    };
    bar.finish_and_clear();
    match result {
        Ok((summary, nothing_fits)) => {
            eprint!("{summary}");
            Ok(if nothing_fits { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        // Somebody read only the first lines (`| head`), which is fine.
        Err(DecodeError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => {
            let _ = out.flush();
            eprintln!("instrumentd decode: {error}");
            Ok(ExitCode::FAILURE)
        }
    }
}
