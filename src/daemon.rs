//! The daemon: opens the journal, starts publishers and devices, applies a changed configuration, and stops in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::settings::DeviceSettings;
use crate::config::{Problems, Settings, missing_devices};
use crate::device::{Board, DeviceState, Plan, Store, Supervised, supervise};
use crate::event::DeviceId;
use crate::journal::{DeviceStatus, Journal};
use crate::publish::{self, Standing};

/// A supervisor that has not looked after its actor for so long is stuck, and with it the daemon.
const STUCK: Duration = Duration::from_secs(30);

/// Why the daemon did not start, or did not take a changed configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] crate::journal::OpenError),
    /// What the journal keeps cannot be read.
    #[error(transparent)]
    Read(#[from] crate::journal::ReadError),
    /// The journal knows devices that the configuration does not have.
    #[error("{}", .0.sentences())]
    MissingDevices(Problems),
    /// Something changed that only a restart can apply.
    #[error("{what} changed: that needs a restart of the daemon; nothing was applied")]
    NeedsRestart {
        /// What.
        what: &'static str,
    },
}

impl StartError {
    /// Whether trying again later is in vain: somebody has to change the configuration, the journal's place or the
    /// program.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Self::Journal(error) => error.needs_a_person(),
            Self::Read(_) => false,
            Self::MissingDevices(_) | Self::NeedsRestart { .. } => true,
        }
    }
}

/// A running daemon.
pub struct Daemon {
    settings: Settings,
    /// The configuration file, for messages.
    file: String,
    journal: Journal,
    board: Arc<Board>,
    devices: BTreeMap<DeviceId, Supervised>,
    publishers: Vec<JoinHandle<()>>,
    stop_publishing: CancellationToken,
    watching: JoinHandle<()>,
}

impl Daemon {
    /// Starts everything that `settings` name; `file` is where they come from, for messages.
    pub async fn start(settings: Settings, file: &Path) -> Result<Self, StartError> {
        install_tls();
        let brokers: Vec<Arc<str>> = settings.brokers.iter().map(|broker| broker.name.clone()).collect();
        let path = settings.journal.clone();
        let journal = blocking(move || Journal::open(&path, &brokers)).await?;
        let file = file.display().to_string();
        if let Err(error) = known_devices_are_configured(journal.devices(), &settings, &file) {
            journal.close().await;
            return Err(error);
        }
        let board = Arc::new(Board::new(settings.node.clone(), journal.id().to_string()));
        let watching = tokio::spawn(watch_journal(journal.clone(), board.clone()));
        let stop_publishing = CancellationToken::new();
        let mut daemon = Self {
            file,
            journal,
            board,
            devices: BTreeMap::new(),
            publishers: Vec::new(),
            stop_publishing,
            watching,
            settings: Settings { devices: Vec::new(), ..settings.clone() },
        };
        for device in settings.devices {
            daemon.start_device(device);
        }
        for broker in &daemon.settings.brokers {
            daemon.publishers.push(publish::spawn(
                broker.clone(),
                daemon.settings.site.clone(),
                daemon.settings.node.clone(),
                Arc::new(daemon.journal.clone()),
                daemon.board.clone() as Arc<dyn Standing>,
                daemon.stop_publishing.clone(),
            ));
        }
        Ok(daemon)
    }

    /// Where everybody's state can be read.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Whether every supervisor and the journal's writer have moved lately; feeds the watchdog.
    pub fn is_alive(&self) -> bool {
        let oldest = Instant::now().checked_sub(STUCK);
        let looked = |device: &Supervised| oldest.is_none_or(|oldest| device.looked() > oldest);
        self.devices.values().all(looked) && self.journal.busy_for().is_none_or(|busy| busy < STUCK)
    }

    /// Crashes a device's actor on purpose; `false` where there is no such device.
    pub async fn crash(&self, device: &DeviceId) -> bool {
        match self.devices.get(device) {
            Some(supervised) => {
                supervised.crash().await;
                true
            }
            None => false,
        }
    }

    /// Applies a changed configuration: starts what is new and restarts the devices that changed, and only those.
    /// Nothing is applied where something of it cannot be.
    pub async fn reload(&mut self, settings: Settings) -> Result<Vec<DeviceId>, StartError> {
        let outcome = self.apply(settings).await;
        self.board.reloaded(match &outcome {
            Ok(changed) => json!({"at": Timestamp::now(), "applied": true, "restarted": changed}),
            Err(error) => json!({"at": Timestamp::now(), "applied": false, "reason": error.to_string()}),
        });
        outcome
    }

    async fn apply(&mut self, settings: Settings) -> Result<Vec<DeviceId>, StartError> {
        let unchanged = [
            ("the site or node", settings.site == self.settings.site && settings.node == self.settings.node),
            ("[journal]", settings.journal == self.settings.journal),
            ("a broker", settings.brokers == self.settings.brokers),
        ];
        if let Some((what, _)) = unchanged.into_iter().find(|(_, same)| !same) {
            return Err(StartError::NeedsRestart { what });
        }
        known_devices_are_configured(self.journal.devices(), &settings, &self.file)?;
        let mut changed = Vec::new();
        let wanted: BTreeMap<DeviceId, DeviceSettings> =
            settings.devices.into_iter().map(|device| (device.id.clone(), device)).collect();
        let gone: Vec<DeviceId> = self.devices.keys().filter(|id| !wanted.contains_key(*id)).cloned().collect();
        for id in gone {
            if let Some(supervised) = self.devices.remove(&id) {
                supervised.stop().await;
                self.board.remove(&id);
                self.board.commands().remove(&id);
            }
        }
        for (id, device) in wanted {
            match self.devices.remove(&id) {
                Some(running) if *running.settings == device => {
                    self.devices.insert(id, running);
                }
                running => {
                    if let Some(running) = running {
                        running.stop().await;
                    }
                    self.start_device(device);
                    changed.push(id);
                }
            }
        }
        Ok(changed)
    }

    fn start_device(&mut self, settings: DeviceSettings) {
        let id = settings.id.clone();
        if !settings.enabled {
            self.board.commands().remove(&id);
            return;
        }
        let mut state = DeviceState::new(settings.profile.clone(), settings.location.clone(), Timestamp::now());
        if let Some(kept) = self.journal.devices().into_iter().find(|kept| kept.device == id) {
            state.last_sequence = kept.last_sequence;
            state.first_available_sequence = kept.first_available_sequence;
        }
        self.board.add(&id, state);
        self.board.commands().add(&id, !settings.commands.allow.is_empty());
        let plan = Plan {
            site: self.settings.site.clone(),
            settings: Arc::new(settings),
            store: Store::Journal(self.journal.clone()),
            board: self.board.clone(),
        };
        self.devices.insert(id, supervise(plan));
    }

    /// Stops in order: devices first, then the publishers (in-flight publishes settled, `stopped` published), then the
    /// journal.
    pub async fn stop(self) {
        let devices = self.devices.into_values().map(|device| tokio::spawn(device.stop()));
        for device in devices.collect::<Vec<_>>() {
            // A supervisor that panicked has stopped, too.
            let _ = device.await;
        }
        self.stop_publishing.cancel();
        for publisher in self.publishers {
            let _ = publisher.await;
        }
        self.watching.abort();
        self.journal.close().await;
    }
}

/// Installs the TLS provider; a second call finds it there.
fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A typo in an id must not become a new identity.
pub fn known_devices_are_configured(
    known: Vec<DeviceStatus>,
    settings: &Settings,
    file: &str,
) -> Result<(), StartError> {
    let known: Vec<DeviceId> = known.into_iter().filter(|kept| !kept.retired).map(|kept| kept.device).collect();
    let missing = missing_devices(settings, file, &known);
    if missing.is_empty() { Ok(()) } else { Err(StartError::MissingDevices(Problems(missing))) }
}

/// Shows on the board what the journal waits for; its writer says it in the log.
async fn watch_journal(journal: Journal, board: Arc<Board>) {
    let mut condition = journal.condition();
    loop {
        let now = condition.borrow_and_update().clone();
        board.journal_condition(now.trouble().map(|trouble| format!("{}: {}", now.name(), trouble.text)));
        if condition.changed().await.is_err() {
            return;
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
