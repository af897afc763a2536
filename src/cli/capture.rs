//! `instrumentd capture`.

mod recording;
mod remote;
mod sets;
mod source;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::config;
use crate::config::settings::DeviceSettings;
use crate::config::streams::{Line, Port};
use crate::event::{DeviceId, SiteId};
use crate::link::files::LinkEvent;
use crate::link::stream::holder::holders;
use crate::link::stream::usb::{self, Roots};
use recording::Recording;
use source::{Said, Source, Which};

/// How often the progress is shown.
const TICK: Duration = Duration::from_millis(500);

/// How long it is waited for what was on its way when the recording ends.
const LAST: Duration = Duration::from_millis(200);

/// Record what comes over a device's link, with times and directions, until Ctrl-C.
///
/// The link is opened here. Of a line it is a tap: nothing is written to the instrument. A gRPC service is asked what the
/// daemon would ask, and subscribed to as it would: each message is recorded as it is encoded, never a token. Of sets of
/// `.wiff` files what was found at each look is recorded, never the files. A serial port
/// that the running daemon has open is refused, because each would get a part of the bytes: there, say
/// `capture = { folder = … }` on its link instead.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  instrumentd capture --config instrumentd.toml --device robot-1 \\
    --output robot-1.capture
  instrumentd replay --profile robolector robot-1.capture

  instrumentd capture --config instrumentd.toml --device xt-1 --link grpc \\
    --output xt-1.capture
  instrumentd replay --profile biolector-xt xt-1.capture")]
pub struct Arguments {
    /// The configuration that says how the device is reached.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The device.
    #[arg(long)]
    device: DeviceId,
    /// Which link, of a device with several: `grpc` unless it is said.
    #[arg(long, value_name = "LINK")]
    link: Option<Which>,
    /// The new file to record into.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = config::load(&arguments.config).map_err(|problems| anyhow::anyhow!("{problems}"))?.settings;
    let Some(device) = settings.devices.iter().find(|device| device.id == arguments.device) else {
        bail!("{} has no device {}", arguments.config.display(), arguments.device);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(capture(&settings.site, device, arguments.link, &arguments.output))
}

async fn capture(
    site: &SiteId,
    device: &DeviceSettings,
    which: Option<Which>,
    output: &Path,
) -> anyhow::Result<ExitCode> {
    refuse_shared(device)?;
    let mut source = Source::open(site, device, which)?;
    let file = File::create_new(output).with_context(|| format!("{} cannot be made", output.display()))?;
    let mut recording = Recording::new(file, &device.id, source.link(device))?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut tick = tokio::time::interval(TICK);
    eprintln!("recording {} into {}; Ctrl-C ends it", device.id, output.display());
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = tick.tick() => recording.show(),
            said = source.next() => match said {
                Some(said) => {
                    if let Said::Files(LinkEvent::Renamed { to, .. }) = &said {
                        source.reread(to);
                    }
                    recording.record(said)?;
                }
                None => bail!("the link ended"),
            },
        }
    }
    source.stop().await;
    // What was heard is recorded, and what was on its way.
    while let Ok(Some(said)) = tokio::time::timeout(LAST, source.next()).await {
        recording.record(said)?;
    }
    eprintln!("{}", recording.end());
    Ok(ExitCode::SUCCESS)
}

/// Two readers of one serial port would each get a part of its bytes.
fn refuse_shared(device: &DeviceSettings) -> anyhow::Result<()> {
    let Some(Line::Serial { port, replies, .. }) = device.stream.as_ref().map(|stream| &stream.line) else {
        return Ok(());
    };
    let roots = Roots::default();
    for port in [Some(port), replies.as_ref()].into_iter().flatten() {
        let path = match port {
            Port::Path(path) => path.clone(),
            // One that is not plugged in is waited for.
            Port::Usb(wanted) => usb::find(wanted, &roots).unwrap_or_default(),
        };
        let others = holders(&path, &roots.proc);
        if !others.is_empty() {
            bail!(
                "{} is in use by {}: each of the two would get a part of the bytes; if that is the daemon, let it record \
                 with `capture = {{ folder = \"…\" }}` on its link",
                path.display(),
                others.join(", ")
            );
        }
    }
    Ok(())
}
