//! `instrumentd demo`.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::demo::{self, Place, Plot};

/// See it work: no configuration, no other program.
///
/// A simulated BioLector writes a run into a temporary folder, a simulated robot samples its plate in the pauses, and a
/// simulated ZenoTOF measures the samples. The daemon follows all of it, and a subscriber counts what arrives at a broker.
/// On the way the broker goes away for a while, the task that reads the BioLector crashes, and the robot's cable is pulled.
/// Ends after about a minute, or with Ctrl-C, and leaves nothing behind.
///
/// The exit code is 0 when nothing was lost and nothing came out of order.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  instrumentd demo                                   about a minute
  instrumentd demo --speed 10                        some seconds
  instrumentd demo --broker mqtt://localhost:1884    at a broker of your own")]
pub struct Arguments {
    /// How many times as fast; at 1 a second is eight minutes of the instruments, and the story takes about a minute.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// A broker of your own, without user and without TLS, that speaks MQTT 5.
    #[arg(long, value_name = "URL")]
    broker: Option<Place>,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed > 0.0 && speed.is_finite() => Ok(speed),
        _ => Err("a number above 0".to_owned()),
    }
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let flawless = runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stopping = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stopping.cancel();
        });
        demo::tell(Plot { speed: arguments.speed, broker: arguments.broker }, stop).await
    });
    // The broker has no end of its own; it ends with the process.
    runtime.shutdown_background();
    Ok(if flawless? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
