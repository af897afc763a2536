//! `instrumentd decode`.

use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config;
use crate::config::settings::{AcquisitionSettings, DeckSettings, DeviceSettings};
use crate::decode::{DecodeError, decode, decode_sets};
use crate::device::driver_of;
use crate::driver::biolector;
use crate::event::envelope::Origin;
use crate::event::{DeviceId, EventSource, Ingest, SiteId};
use crate::profile::{self, Kind, Reach};

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
  instrumentd decode --profile biolector-xt --run-id 7240a390 \\
    --started-at 2023-10-06T15:54:41Z bare.csv")]
pub struct Arguments {
    /// What made the files: the name of a device profile.
    #[arg(long, value_name = "NAME")]
    profile: String,
    /// Take site, device and time zone from this configuration.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["site", "time_zone"])]
    config: Option<PathBuf>,
    /// The site in the events' source.
    #[arg(long, default_value = "site")]
    site: SiteId,
    /// The device in the events' source; with --config, which of its devices.
    #[arg(long)]
    device: Option<DeviceId>,
    /// The zone of the instrument's clock, an IANA name.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
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
    let chosen = Chosen {
        profile: &arguments.profile,
        config: arguments.config.as_deref(),
        site: &arguments.site,
        device: arguments.device.as_ref(),
        time_zone: &arguments.time_zone,
    };
    let (site, settings) = chosen.look_up()?;
    if settings.profile.family.reach() == Reach::Stream {
        bail!(
            "a {} writes no files: record its line with `instrumentd capture`, decode that with `instrumentd replay`",
            settings.profile.model
        );
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
        _ => {
            let (profile, zone) = (settings.profile.clone(), settings.time_zone.clone());
            let mut context = biolector::Context::new(&site, &settings.id, profile, zone);
            context.stated_run_id = arguments.run_id;
            context.stated_start = arguments.started_at;
            let driver = Box::new(biolector::driver(context));
            decode(path, driver, origin, &mut out, &mut progress)
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

/// What is said of the device on the command line.
pub(super) struct Chosen<'a> {
    pub(super) profile: &'a str,
    pub(super) config: Option<&'a Path>,
    pub(super) site: &'a SiteId,
    pub(super) device: Option<&'a DeviceId>,
    pub(super) time_zone: &'a str,
}

impl Chosen<'_> {
    /// The device's settings, from the configuration where one is named.
    pub(super) fn look_up(&self) -> anyhow::Result<(SiteId, DeviceSettings)> {
        match self.config {
            Some(file) => self.configured(file),
            None => self.stated(),
        }
    }

    fn configured(&self, file: &Path) -> anyhow::Result<(SiteId, DeviceSettings)> {
        let settings = config::load(file).map_err(|problems| anyhow::anyhow!("{problems}"))?.settings;
        let fits = |device: &&DeviceSettings| match self.device {
            Some(id) => device.id == *id,
            None => device.profile.name == self.profile,
        };
        let mut fitting = settings.devices.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(device), None) if device.profile.name != self.profile => bail!(
                "the device {} in {} has the profile `{}`, not `{}`",
                device.id,
                file.display(),
                device.profile.name,
                self.profile
            ),
            (Some(device), None) => Ok((settings.site, device.clone())),
            (Some(_), Some(_)) => {
                bail!("several devices in {} have this profile: name one with --device", file.display())
            }
            (None, _) => bail!(
                "{} has no device {}; its devices are: {}",
                file.display(),
                self.device.map_or(format!("with the profile {}", self.profile), ToString::to_string),
                listed(&settings.devices)
            ),
        }
    }

    fn stated(&self) -> anyhow::Result<(SiteId, DeviceSettings)> {
        let Some(profile) = profile::shipped(self.profile) else {
            let known: Vec<&str> = profile::names().collect();
            let nearest = known
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(a, self.profile).total_cmp(&strsim::jaro_winkler(b, self.profile)));
            bail!(
                "there is no profile `{}`; did you mean `{}`? Known are: {}",
                self.profile,
                nearest.unwrap_or(&""),
                known.join(", ")
            );
        };
        let time_zone = TimeZone::get(self.time_zone).with_context(|| {
            format!("`{}` is no time zone; an IANA name is wanted, Europe/Berlin for instance", self.time_zone)
        })?;
        let id = match self.device {
            Some(id) => id.clone(),
            None => "device".parse()?,
        };
        Ok((
            self.site.clone(),
            DeviceSettings {
                id,
                enabled: true,
                profile: Arc::clone(&profile),
                location: None,
                time_zone,
                files: None,
                stream: None,
                deck: DeckSettings::default(),
                acquisitions: AcquisitionSettings::default(),
            },
        ))
    }
}

/// `bl-1 (biolector-pro), xt-1 (biolector-xt)`.
fn listed(devices: &[DeviceSettings]) -> String {
    let one = |device: &DeviceSettings| format!("{} ({})", device.id, device.profile.name);
    devices.iter().map(one).collect::<Vec<_>>().join(", ")
}
