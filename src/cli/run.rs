//! `instrumentd run`.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::prelude::*;

use super::dry_run::dry_run;
use crate::config::{self, Settings};
use crate::daemon::{Daemon, StartError};

/// How long an orderly stop may take: 5 seconds are promised, and ending the process takes a little of them.
const STOP_WITHIN: Duration = Duration::from_millis(4500);

/// The exit status where another start would fail in the same way: a person has to change something first. It is
/// `EX_CONFIG` of sysexits.h, and the unit does not restart after it.
pub const NEEDS_A_PERSON: u8 = 78;

/// Run the daemon: read the instruments, keep the journal, publish on MQTT.
///
/// SIGTERM and Ctrl-C stop it within 5 seconds: what is in flight is settled, `stopped` is published, the journal is
/// closed. SIGHUP reads the configuration again and restarts the devices that changed; a configuration with an error
/// changes nothing.
///
/// Ends with 78 where starting again would be in vain: a wrong configuration, a journal that another daemon has, that is
/// damaged or of a newer version, a device that only the journal knows.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  instrumentd run --config /etc/instrumentd/instrumentd.toml
  instrumentd run --config instrumentd.toml --dry-run > would-be.ndjson")]
pub struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Use the real links, print every event that would be published as one line of JSON, and say how much history
    /// waits; write neither journal nor broker nor instrument.
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = match config::load(&arguments.config) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                eprintln!("{warning}");
            }
            loaded.settings
        }
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(NEEDS_A_PERSON));
        }
    };
    log_to(&settings.log.filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = if arguments.dry_run {
        runtime.block_on(dry_run(settings, &arguments.config))
    } else {
        runtime.block_on(daemon(settings, &arguments.config))
    };
    // A link's thread that hangs in a dead mount must not hold up the end.
    runtime.shutdown_background();
    match result {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match error.downcast_ref::<StartError>() {
            Some(start) if start.needs_a_person() => {
                match start {
                    StartError::MissingDevices(problems) => eprintln!("{problems}"),
                    other => eprintln!("instrumentd: {other}"),
                }
                Ok(ExitCode::from(NEEDS_A_PERSON))
            }
            _ => Err(error),
        },
    }
}

async fn daemon(settings: Settings, config_file: &std::path::Path) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut daemon = Daemon::start(settings, config_file).await?;
    tracing::info!(version = super::VERSION, journal = %daemon.journal().id(), "The daemon runs.");
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let watchdog = sd_notify::watchdog_enabled();
    let mut feed = tokio::time::interval(watchdog.map_or(Duration::from_secs(3600), |every| every / 3));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&mut daemon, config_file).await,
            _ = feed.tick(), if watchdog.is_some() => {
                if daemon.is_alive() {
                    let _ = sd_notify::notify(&[NotifyState::Watchdog]);
                } else {
                    tracing::error!("A supervisor or the journal is stuck; the watchdog is not fed.");
                }
            }
        }
    }
    tracing::info!("Stopping.");
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    if tokio::time::timeout(STOP_WITHIN, daemon.stop()).await.is_err() {
        tracing::warn!("Stopping took too long; what was not settled is published again at the next start.");
    }
    Ok(())
}

async fn reload(daemon: &mut Daemon, config_file: &std::path::Path) {
    let reloading = NotifyState::monotonic_usec_now().ok();
    let _ = sd_notify::notify(&[NotifyState::Reloading]);
    if let Some(time) = reloading {
        let _ = sd_notify::notify(&[time]);
    }
    let file = config_file.to_owned();
    match tokio::task::spawn_blocking(move || config::load(&file)).await {
        Ok(Ok(loaded)) => match daemon.reload(loaded.settings).await {
            Ok(restarted) => tracing::info!(?restarted, "The changed configuration is applied."),
            Err(error) => tracing::error!(%error, "The changed configuration is not applied."),
        },
        Ok(Err(problems)) => tracing::error!(%problems, "The changed configuration has errors; nothing was applied."),
        Err(error) => tracing::error!(%error, "The configuration could not be read."),
    }
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

/// Logs to the journal of systemd where it started us, else readable on the terminal.
fn log_to(filter: &str) -> anyhow::Result<()> {
    // What the client library logs of each refusal is said by the publisher, once; a filter that names it wins.
    let client = crate::publish::CLIENT_LIBRARY;
    let filter = if filter.contains(client) { filter.to_owned() } else { format!("{client}=error,{filter}") };
    let filter = tracing_subscriber::EnvFilter::try_new(filter).context("the log filter in [log] is not valid")?;
    let journald = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    // A file of the log is for people and for grep: no escape sequences in it.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layer = || tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(colours);
    let terminal = journald.is_none().then(layer);
    tracing_subscriber::registry().with(filter).with(journald).with(terminal).init();
    Ok(())
}
