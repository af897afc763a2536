//! `instrumentd device`.

use std::process::ExitCode;

use clap::Subcommand;

use super::journal::Place;
use crate::event::DeviceId;
use crate::journal::{Desk, History};

/// Retire or rename a device that the journal knows; the daemon must be stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  what the journal knows:
    instrumentd device list --config instrumentd.toml
  the instrument is gone for good:
    instrumentd device retire bl-old --config instrumentd.toml
  the configuration calls it bl-east now:
    instrumentd device rename bl-1 bl-east --config instrumentd.toml

The daemon refuses to start when the journal knows a device that the
configuration does not have: a typo in an id would otherwise be a new device
that publishes everything again. An instrument that is only away for a while
stays in the configuration with `enabled = false`.";

#[derive(Debug, Subcommand)]
enum Action {
    /// The devices that the journal knows.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// It is no longer expected in the configuration. Its events stay, and those that brokers do not have yet are still
    /// delivered; its retained topics are cleared.
    Retire {
        /// The device.
        device: DeviceId,
        #[command(flatten)]
        place: Place,
    },
    /// It goes on under a new name: what was read of its sources is not read again. The new name begins with sequence 1;
    /// the old one is retired with its events.
    Rename {
        /// The name that the journal knows.
        old: DeviceId,
        /// The name in the configuration; never used before.
        new: DeviceId,
        #[command(flatten)]
        place: Place,
    },
}

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::List { place } => {
            for status in History::open(&place.path()?)?.devices()? {
                let first = match status.first_available_sequence {
                    Some(first) => format!("from {first} on kept"),
                    None => "none kept".to_owned(),
                };
                let retired = if status.retired { "  retired" } else { "" };
                println!("{:<24} {:>10} events, {first}{retired}", status.device.as_str(), status.last_sequence);
            }
        }
        Action::Retire { device, place } => {
            Desk::open(&place.path()?)?.retire(&device)?;
            println!("{device} is retired. The daemon starts without it; its events stay in the journal.");
        }
        Action::Rename { old, new, place } => {
            Desk::open(&place.path()?)?.rename(&old, &new)?;
            println!("{old} goes on as {new}; {old} is retired with its events. Call it {new} in the configuration.");
        }
    }
    Ok(ExitCode::SUCCESS)
}
