//! The device's link, opened here.

use anyhow::bail;
use tokio::sync::mpsc;

use super::remote::{Remote, Service};
use super::sets::Sets;
use crate::config::settings::DeviceSettings;
use crate::driver::{Mode, Sees, SourceName};
use crate::event::SiteId;
use crate::link::files::{self, LinkEvent};
use crate::link::filesets::recorded;
use crate::link::recorder::Happening;
use crate::link::stream::{self, StreamEvent};
use crate::profile::Kind;

/// Pieces of a folder that wait to be written.
const WAITING: usize = 4;

/// Which of a device's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Which {
    /// The instrument's own service, or its gateway's
    Grpc,
    /// The folder of its files
    Files,
}

/// The link.
pub(super) enum Source {
    Stream(stream::StreamLink, stream::Inlet),
    Files(files::FileLink, mpsc::Receiver<LinkEvent>),
    Remote(Box<Remote>),
    Service(Box<Service>),
    Sets(Box<Sets>),
}

/// What is said of it.
pub(super) enum Said {
    Stream(StreamEvent),
    Files(LinkEvent),
    /// What passed, with its lines.
    Passed(Happening, Vec<u8>),
    /// How the connection stands.
    Connection(String),
}

impl Source {
    pub fn open(site: &SiteId, device: &DeviceSettings, which: Option<Which>) -> anyhow::Result<Self> {
        if let Some(mut settings) = device.stream.clone() {
            if which.is_some() {
                bail!("--link is for devices with several: {} has its line alone", device.id);
            }
            if settings.mode == Mode::Host {
                eprintln!("the line is only listened to: where nobody asks the instrument, nothing will come");
                settings.mode = Mode::Listen { sees: Sees::RepliesOnly };
            }
            settings.capture = None;
            let (link, inlet) = stream::spawn(stream::Start {
                device: device.id.clone(),
                settings,
                time_zone: device.time_zone.clone(),
                worklists: Vec::new(),
                position: None,
            });
            return Ok(Self::Stream(link, inlet));
        }
        let has_no = |what| format!("{} has no {what} in this configuration", device.id);
        let grpc = device.grpc.clone().filter(|_| which != Some(Which::Files));
        match (grpc, &device.profile.kind) {
            (Some(grpc), Kind::Biolector(profile)) => {
                return Ok(Self::Remote(Box::new(Remote::open(site, device, grpc, profile.live))));
            }
            (Some(grpc), Kind::EchoMs(_)) => return Ok(Self::Service(Box::new(Service::open(grpc)))),
            _ if which == Some(Which::Grpc) => bail!(has_no("`grpc`")),
            _ => {}
        }
        let Some(settings) = device.files.clone() else { bail!(has_no("`files`")) };
        if matches!(device.profile.kind, Kind::Zenotof(_)) {
            return Ok(Self::Sets(Box::new(Sets::open(site, device, settings))));
        }
        let (sender, events) = mpsc::channel(WAITING);
        let (layout, settle) = (device.profile.family.layout(), device.profile.settle);
        let start = files::Start { settings, layout, settle, known: Vec::new(), baseline: None };
        Ok(Self::Files(files::spawn(start, sender), events))
    }

    /// The name of the link, as captures write it.
    pub fn link(&self, device: &DeviceSettings) -> &'static str {
        match self {
            Self::Stream(..) => device.stream.as_ref().map_or("serial", |stream| stream.link()),
            Self::Files(..) => "files",
            Self::Remote(_) | Self::Service(_) => crate::decode::replay::GRPC,
            Self::Sets(_) => recorded::SETS,
        }
    }

    /// Has a file that is called otherwise now recorded from its start, under its new name.
    pub fn reread(&self, source: &SourceName) {
        if let Self::Files(link, _) = self {
            link.reread(source);
        }
    }

    pub async fn stop(&mut self) {
        match self {
            Self::Stream(link, _) => link.stop(),
            Self::Files(link, _) => link.stop(),
            Self::Remote(remote) => remote.stop(),
            Self::Service(service) => service.stop().await,
            Self::Sets(sets) => sets.stop(),
        }
    }

    /// What is said next; cancel-safe. `None` when the link has ended.
    pub async fn next(&mut self) -> Option<Said> {
        match self {
            Self::Stream(_, inlet) => inlet.next().await.map(Said::Stream),
            Self::Files(_, events) => events.recv().await.map(Said::Files),
            Self::Remote(remote) => remote.next().await,
            Self::Service(service) => service.next().await,
            Self::Sets(sets) => sets.next().await,
        }
    }
}
