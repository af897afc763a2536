//! What a device records: collects one batch and commits it, and makes the device's own events.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::exit::Exit;
use super::links::FILES;
use super::preview::Preview;
use crate::driver::SourceName;
use crate::event::envelope::Origin;
use crate::event::{Body, DeviceId, Event, Ingest, Key, Prepared, Subject, TimeQuality, Way, device};
use crate::journal::{Batch, Closed, Journal, SourceUpdate};

/// Where batches go.
#[derive(Clone)]
pub enum Store {
    /// Into the journal.
    Journal(Journal),
    /// Onto standard output, for a dry run.
    Print(Arc<Preview>),
}

/// Whether the link reaches its instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    /// It does.
    Connected,
    /// It does not.
    Disconnected,
}

/// What the journal keeps about the device's own events: how many there were, so that each has an id of its own, and
/// what the last said, so that a restart of the daemon does not say it again.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct OwnEvents {
    count: u64,
    /// Of the link `files`.
    connection: Option<Connection>,
    /// Where that link is disconnected: of several folders some may be away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    away: Option<String>,
    /// Of the other links, by their name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    links: BTreeMap<String, Connection>,
    faulted: Vec<String>,
}

/// Collects and commits.
pub struct Record {
    store: Store,
    device: DeviceId,
    origin: Origin,
    batch: Batch,
    own: OwnEvents,
}

impl Record {
    /// A record of `device`, whose events come from `origin`. `own` is the journal's note of that name.
    pub fn new(store: Store, device: DeviceId, origin: Origin, own: Option<&[u8]>) -> Self {
        let own = own.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let batch = Batch::new(device.clone(), FILES.into());
        Self { store, device, origin, batch, own }
    }

    /// Says which link the next sources belong to. What was collected for another one must be committed before.
    pub fn link(&mut self, link: &'static str) {
        if &*self.batch.link != link {
            self.batch.link = link.into();
        }
    }

    /// Says by which way the next events come in.
    pub fn ingest(&mut self, ingest: Ingest) {
        self.origin.ingest = ingest;
    }

    /// Lets what is collected wait a moment for other devices' batches, should many devices have such.
    pub fn be_patient(&mut self) {
        self.batch.is_patient = true;
    }

    /// Adds a note.
    pub fn note(&mut self, key: &str, value: Option<Vec<u8>>) {
        self.batch.notes.push((key.to_owned(), value));
    }

    /// Adds what changes about a source.
    pub fn source(&mut self, update: SourceUpdate) {
        self.batch.sources.push(update);
    }

    /// Adds a source's new position and the snapshot parts that changed with it.
    pub fn progress(&mut self, source: &SourceName, position: Option<Vec<u8>>, parts: Vec<(String, Vec<u8>)>) {
        if position.is_none() && parts.is_empty() {
            return;
        }
        self.batch.sources.push(SourceUpdate { source: source.clone(), position, parts, reset: false, forget: false });
    }

    /// Adds a driver's events.
    pub fn events(&mut self, source: Option<&SourceName>, events: &[Event]) {
        self.origin.position = source.cloned();
        let origin = &self.origin;
        let reconciled = Origin { ingest: Ingest::Reconciled, ..origin.clone() };
        let was_asked = |event: &Event| event.alike.as_ref().is_some_and(|alike| alike.way == Way::Asked);
        let prepare = |event: &Event| Prepared::new(event, if was_asked(event) { &reconciled } else { origin });
        self.batch.events.extend(events.iter().map(prepare));
    }

    /// Adds `device.connected` or `device.disconnected`, unless the last one said the same. Of the link `files` the place counts, too, where it is
    /// disconnected: a second folder may be away.
    pub async fn connection(
        &mut self,
        connection: Connection,
        place: String,
        why: Option<(String, Option<String>)>,
    ) -> Result<(), Exit> {
        let link = self.batch.link.to_string();
        let said = match link == FILES {
            true => {
                let away = (connection == Connection::Disconnected).then(|| place.clone());
                let before = (self.own.connection.replace(connection), self.own.away.clone());
                self.own.away.clone_from(&away);
                // An older version did not keep the place.
                before.0 == Some(connection) && (before.1.is_none() || before.1 == away)
            }
            false => self.own.links.insert(link.clone(), connection) == Some(connection),
        };
        if said {
            return Ok(());
        }
        let body = match connection {
            Connection::Connected => Body::DeviceConnected(device::Connected { link, place }),
            Connection::Disconnected => {
                let (reason, remedy) = why.unwrap_or_default();
                Body::DeviceDisconnected(device::Disconnected { link, place, reason, remedy })
            }
        };
        self.own_event(body);
        Ok(())
    }

    /// Adds `device.gap` up to now.
    pub fn gap(&mut self, source: &SourceName, from: Option<Timestamp>, reason: &str, text: String) {
        let text = format!("{source}: {text}");
        self.own_event(Body::DeviceGap(device::Gap {
            link: self.batch.link.to_string(),
            reason: reason.to_owned(),
            from,
            to: Some(Timestamp::now()),
            text,
            run: None,
            missing: Vec::new(),
        }));
    }

    /// Adds `device.faulted` for a source that cannot be read, once for each.
    pub fn faulted(&mut self, source: Option<&SourceName>, text: String, remedy: Option<String>) {
        let code = fault_code(source);
        if !self.own.faulted.contains(&code) {
            self.own.faulted.push(code.clone());
            self.own_event(Body::DeviceFaulted(device::Faulted { code, text, remedy }));
        }
    }

    /// Adds `device.recovered` where that source was faulted.
    pub fn recovered(&mut self, source: Option<&SourceName>) {
        let code = fault_code(source);
        if let Some(at) = self.own.faulted.iter().position(|faulted| *faulted == code) {
            self.own.faulted.remove(at);
            self.own_event(Body::DeviceRecovered(device::Recovered { code }));
        }
    }

    /// Adds `device.command-handled`; its id.
    pub fn command_handled(&mut self, handled: device::CommandHandled, causation: Option<Uuid>) -> Uuid {
        self.caused_event(Body::DeviceCommandHandled(handled), causation)
    }

    fn own_event(&mut self, body: Body) {
        self.caused_event(body, None);
    }

    fn caused_event(&mut self, body: Body, causation: Option<Uuid>) -> Uuid {
        self.own.count += 1;
        let event = Event {
            body,
            key: Key::Text(self.own.count.to_string()),
            run: None,
            cycle: None,
            closes: false,
            subject: Subject::Device,
            time: Some(Timestamp::now()),
            time_quality: TimeQuality::Observed,
            revision: 1,
            reason: None,
            causation,
            offset: None,
            alike: None,
        };
        let origin = Origin { ingest: Ingest::Live, position: None, ..self.origin.clone() };
        let prepared = Prepared::new(&event, &origin);
        let id = prepared.id(1);
        self.batch.events.push(prepared);
        self.note("own-events", serde_json::to_vec(&self.own).ok());
        id
    }

    /// The last committed snapshot of a source.
    pub async fn snapshot(&self, source: &SourceName) -> Result<Vec<(String, Vec<u8>)>, Exit> {
        let (store, device, source) = (self.store.clone(), self.device.clone(), source.clone());
        let link = self.batch.link.clone();
        let read = move || match store {
            Store::Journal(journal) => journal.snapshot(&device, &link, &source),
            Store::Print(preview) => preview.ask(|history| history.snapshot(&device, &link, &source)),
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| Exit::Panicked(error.to_string()))?
            .map_err(|error| Exit::Unreadable(error.to_string()))
    }

    /// The first sequence that a replay can still give.
    pub fn first_available(&self) -> Option<u64> {
        let Store::Journal(journal) = &self.store else { return None };
        journal.device(&self.device)?.first_available_sequence
    }

    /// Whether nothing was collected.
    pub fn is_empty(&self) -> bool {
        self.batch.events.is_empty() && self.batch.sources.is_empty() && self.batch.notes.is_empty()
    }

    /// Commits what was collected; gives the device's last sequence.
    pub async fn commit(&mut self) -> Result<Option<u64>, Exit> {
        if self.is_empty() {
            return Ok(None);
        }
        let next = Batch::new(self.device.clone(), self.batch.link.clone());
        let batch = std::mem::replace(&mut self.batch, next);
        match &self.store {
            Store::Journal(journal) => match journal.commit(batch).await {
                Ok(committed) => Ok(Some(committed.last_sequence)),
                Err(Closed) => Err(Exit::JournalClosed),
            },
            Store::Print(preview) => {
                let preview = preview.clone();
                tokio::task::spawn_blocking(move || preview.print(&batch.events))
                    .await
                    .map_err(|error| Exit::Panicked(error.to_string()))?
                    .map_err(|error| Exit::Unreadable(error.to_string()))?;
                Ok(None)
            }
        }
    }
}

fn fault_code(source: Option<&SourceName>) -> String {
    match source {
        Some(source) => format!("unreadable-source {source}"),
        None => "unreadable-folder".to_owned(),
    }
}
