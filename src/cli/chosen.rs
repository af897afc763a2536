//! Which device an offline command is about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;

use crate::config;
use crate::config::settings::{AcquisitionSettings, CommandSettings, DeckSettings, DeviceSettings};
use crate::event::{DeviceId, SiteId};
use crate::profile;

/// What is said of the device on the command line.
#[derive(Debug, clap::Args)]
pub(super) struct Chosen {
    /// What made the input: the name of a device profile.
    #[arg(long, value_name = "NAME")]
    profile: String,
    /// Take site and device, with all that is set for it, from this configuration.
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
}

impl Chosen {
    /// The device's settings, from the configuration where one is named.
    pub(super) fn look_up(&self) -> anyhow::Result<(SiteId, DeviceSettings)> {
        match &self.config {
            Some(file) => self.configured(file),
            None => self.stated(),
        }
    }

    fn configured(&self, file: &Path) -> anyhow::Result<(SiteId, DeviceSettings)> {
        let settings = config::load(file).map_err(|problems| anyhow::anyhow!("{problems}"))?.settings;
        let fits = |device: &&DeviceSettings| match &self.device {
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
                self.device.as_ref().map_or(format!("with the profile {}", self.profile), ToString::to_string),
                listed(&settings.devices)
            ),
        }
    }

    fn stated(&self) -> anyhow::Result<(SiteId, DeviceSettings)> {
        let Some(profile) = profile::shipped(&self.profile) else {
            let known: Vec<&str> = profile::names().collect();
            let nearest = known.iter().max_by(|a, b| {
                strsim::jaro_winkler(a, &self.profile).total_cmp(&strsim::jaro_winkler(b, &self.profile))
            });
            bail!(
                "there is no profile `{}`; did you mean `{}`? Known are: {}",
                self.profile,
                nearest.unwrap_or(&""),
                known.join(", ")
            );
        };
        let time_zone = TimeZone::get(&self.time_zone).with_context(|| {
            format!("`{}` is no time zone; an IANA name is wanted, Europe/Berlin for instance", self.time_zone)
        })?;
        let id = match &self.device {
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
                grpc: None,
                commands: CommandSettings::default(),
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
