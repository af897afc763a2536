//! `instrumentd run --dry-run`: the real links and drivers, and nothing written.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::Settings;
use crate::config::settings::{Backfill, DeviceSettings};
use crate::daemon::{StartError, known_devices_are_configured};
use crate::device::{Board, DeviceState, Found, Plan, Preview, Store, Supervised, supervise};
use crate::driver::Mode;
use crate::event::DeviceId;
use crate::journal::{History, OpenError};

/// How often is looked whether a device has something new to tell.
const LOOK: Duration = Duration::from_millis(500);

/// Runs the devices of `settings` until it is told to stop.
pub async fn dry_run(settings: Settings, file: &Path) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let history = history_of(&settings, file)?;
    eprintln!("dry run: nothing is written and nothing is published; Ctrl-C ends it");
    say_what_brokers_lack(&settings, history.as_ref())?;
    let preview = Arc::new(Preview::new(history));
    let board = Arc::new(Board::new(settings.node.clone(), "dry-run".to_owned()));
    let devices: Vec<Supervised> = settings
        .devices
        .into_iter()
        .filter(|device| device.enabled)
        .map(|device| {
            let state = DeviceState::new(device.profile.clone(), device.location.clone(), jiff::Timestamp::now());
            board.add(&device.id, state);
            supervise(Plan {
                site: settings.site.clone(),
                settings: Arc::new(device),
                store: Store::Print(preview.clone()),
                board: board.clone(),
            })
        })
        .collect();
    let mut teller = Teller::default();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = look.tick() => for device in &devices {
                teller.tell(&device.settings, &board, &preview);
            },
        }
    }
    for device in devices {
        device.stop().await;
    }
    eprintln!("dry run: {} would have been recorded and published", events(preview.printed()));
    if preview.known() > 0 {
        eprintln!("dry run: {} that the journal knows already came again and would not", events(preview.known()));
    }
    Ok(())
}

/// The journal that `run` would go on with, only read; what would keep `run` from starting is an error here, too.
fn history_of(settings: &Settings, file: &Path) -> Result<Option<History>, StartError> {
    let path = &settings.journal.path;
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(source) => return Err(OpenError::Io { path: path.clone(), source }.into()),
    }
    let history = History::open(path)?;
    known_devices_are_configured(history.devices()?, settings, &file.display().to_string())?;
    Ok(Some(history))
}

/// How much of what is recorded still has to be published.
fn say_what_brokers_lack(settings: &Settings, history: Option<&History>) -> Result<(), StartError> {
    let Some(history) = history else {
        eprintln!("there is no journal yet: `run` makes one at {}", settings.journal.path.display());
        return Ok(());
    };
    for broker in &settings.brokers {
        let unsent = history.unsent(&broker.name)?;
        for (device, count) in &unsent {
            eprintln!(
                "broker {}: {} of {device} recorded earlier and not acknowledged wait for it",
                broker.name,
                events(*count)
            );
        }
        if unsent.is_empty() {
            eprintln!("broker {}: nothing recorded earlier waits for it", broker.name);
        }
    }
    Ok(())
}

/// Says once what each device's link found, and once when all of it is read.
#[derive(Default)]
struct Teller {
    found: BTreeSet<DeviceId>,
    read: BTreeSet<DeviceId>,
    absent: BTreeSet<DeviceId>,
}

impl Teller {
    fn tell(&mut self, settings: &DeviceSettings, board: &Board, preview: &Preview) {
        let id = &settings.id;
        let Some(state) = board.device(id) else { return };
        if state.connection == "disconnected" {
            if self.absent.insert(id.clone()) {
                let why = state.last_error.as_ref().map_or("it is not there", |fault| fault.text.as_str());
                eprintln!("{id}: disconnected: {why}");
            }
            return;
        }
        self.absent.remove(id);
        if let (Some(stream), "connected") = (&settings.stream, state.connection)
            && self.found.insert(id.clone())
        {
            let place = state.place.as_deref().unwrap_or(stream.link());
            let how = state.watching.as_deref().unwrap_or_default();
            eprintln!("{id}: {place} is open, {how}");
            if stream.mode == Mode::Host {
                eprintln!("{id}: a dry run asks the instrument nothing: what `run` would ask is not asked");
            }
        }
        let Some(waiting) = state.found.waiting_at_first else { return };
        if self.found.insert(id.clone()) {
            eprintln!("{id}: {}", found(&state.found, waiting, settings));
        }
        if state.found.waiting == 0 && self.read.insert(id.clone()) {
            eprintln!("{id}: all is read; {} so far, more as the instrument writes", events(preview.printed()));
        }
    }
}

fn found(found: &Found, waiting: usize, settings: &DeviceSettings) -> String {
    let backfill = match settings.files.as_ref().and_then(|files| files.backfill) {
        Some(Backfill::All) => "published because of `backfill = \"all\"`",
        Some(Backfill::Since(_)) => "of which those that changed since the moment in `backfill` are published",
        None => "not published because of `backfill = \"none\"`",
    };
    let place = settings.files.as_ref().map(|files| files.folder.display().to_string()).unwrap_or_default();
    let mut text = format!("{place}: {} followed, {waiting} to be looked at", sources(found.followed));
    if found.before_first_start > 0 {
        text.push_str(&format!("; {} there before the first start, {backfill}", were(found.before_first_start)));
    }
    text
}

fn events(count: u64) -> String {
    format!("{count} event{}", if count == 1 { "" } else { "s" })
}

fn sources(count: usize) -> String {
    format!("{count} source{}", if count == 1 { "" } else { "s" })
}

fn were(count: usize) -> String {
    if count == 1 { "1 was".to_owned() } else { format!("{count} were") }
}
