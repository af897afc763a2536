//! `instrumentd dead-letters`.

use std::process::ExitCode;

use clap::Subcommand;
use jiff::tz::TimeZone;

use super::journal::Place;
use crate::event::DeviceId;
use crate::journal::{Desk, History};

/// List or retry events that a broker refused for good.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  instrumentd dead-letters list --config instrumentd.toml
  instrumentd dead-letters retry --config instrumentd.toml \\
    --broker main --device bl-1

A broker that calls an event's payload invalid would do so for ever; such an
event is put aside so that those behind it go on. Nothing is lost: it stays in
the journal. What else a broker may refuse is retried by the daemon itself.";

#[derive(Debug, Subcommand)]
enum Action {
    /// Which events, which broker, and what it said; also while the daemon runs.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Deliver them again, after the broker was mended: at the next start it gets the first of them and all that follow,
    /// with the ids that they had, so that subscribers drop what they know. The daemon must be stopped.
    Retry {
        #[command(flatten)]
        place: Place,
        /// Only at this broker.
        #[arg(long, value_name = "NAME")]
        broker: Option<String>,
        /// Only of this device.
        #[arg(long, value_name = "ID")]
        device: Option<DeviceId>,
    },
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::List { place } => {
            let letters = History::open(&place.path()?)?.dead_letters()?;
            if letters.is_empty() {
                println!("There are no dead letters.");
            }
            let zone = TimeZone::system();
            for letter in letters {
                let at = letter.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
                println!("{at}  {}  {} #{}  {}", letter.broker, letter.device, letter.sequence, letter.reason);
            }
        }
        Action::Retry { place, broker, device } => {
            let count = Desk::open(&place.path()?)?.retry(broker.as_deref(), device.as_ref())?;
            match count {
                0 => println!("There are no such dead letters; nothing was changed."),
                count => println!("{count} will be delivered again when the daemon starts."),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
