//! What the journal keeps of a device between two runs of its actor.

use std::sync::Arc;

use super::actor::COMMANDS;
use super::exit::Exit;
use super::links::FILES;
use super::record::Store;
use crate::config::settings::{DeviceSettings, StreamSettings};
use crate::driver;
use crate::journal::{Batch, SourceUpdate, StoredSource};
use crate::link::device_service;
use crate::link::files::Known;
use crate::profile::Kind;

/// What the journal keeps of a device between two runs of its actor.
#[derive(Default)]
pub(super) struct Kept {
    /// The sources of the file link.
    pub(super) known: Vec<Known>,
    /// The position of the line.
    pub(super) line: Option<Vec<u8>>,
    /// The position of the device service.
    pub(super) service: Option<Vec<u8>>,
    /// What was in the folder before the first start.
    pub(super) baseline: Option<Vec<u8>>,
    /// What is known of the device's own events.
    pub(super) own_events: Option<Vec<u8>>,
    /// What was asked of the instrument, and what the daemon still has to do about it.
    pub(super) commands: Option<Vec<u8>>,
    /// The timers that count on.
    pub(super) silence: Option<Vec<u8>>,
}

impl Kept {
    /// Reads it; where the way of decoding has changed since, the sources are forgotten, so that they are read again
    /// and what comes out otherwise now supersedes what was said.
    pub(super) async fn read(store: &Store, settings: &Arc<DeviceSettings>) -> Result<Self, Exit> {
        let decoding = decoding_of(settings).into_bytes();
        let (reader, device, wanted) = (store.clone(), settings.id.clone(), decoding.clone());
        let line = settings.stream.as_ref().map(StreamSettings::link);
        let (mut kept, changed) = tokio::task::spawn_blocking(move || {
            let sources = |link: &str| match &reader {
                Store::Journal(journal) => journal.sources(&device, link),
                Store::Print(preview) => preview.ask(|history| history.sources(&device, link)),
            };
            let note = |name: &str| match &reader {
                Store::Journal(journal) => journal.note(&device, name),
                Store::Print(preview) => preview.ask(|history| history.note(&device, name)),
            };
            let known = |stored: StoredSource| Known { source: stored.source, position: stored.position };
            let line = line.map(sources).transpose()?.unwrap_or_default().pop();
            let kept = Self {
                known: sources(FILES)?.into_iter().map(known).collect(),
                line: line.map(|stored| stored.position),
                service: sources(device_service::LINK)?.pop().map(|stored| stored.position),
                baseline: note("baseline")?,
                own_events: note("own-events")?,
                commands: note(COMMANDS)?,
                silence: note("silence")?,
            };
            let changed = note("decoding")?.is_none_or(|kept| kept != wanted);
            Ok((kept, changed))
        })
        .await
        .map_err(|error| Exit::Panicked(error.to_string()))?
        .map_err(|error: crate::journal::ReadError| Exit::Unreadable(error.to_string()))?;
        if changed {
            let known = kept.known.drain(..).map(|known| SourceUpdate::forget(known.source));
            let mut batch = Batch::new(settings.id.clone(), FILES.into());
            batch.sources = known.collect();
            // What a line said cannot be read again; a trace can.
            if let Some(trace) = line.filter(|_| settings.stream.as_ref().is_some_and(StreamSettings::is_trace)) {
                kept.line = None;
                batch.link = trace.into();
                batch.sources.push(SourceUpdate::forget(trace.into()));
            }
            batch.notes.push(("decoding".to_owned(), Some(decoding)));
            if let Store::Journal(journal) = store {
                journal.commit(batch).await.map_err(|_| Exit::JournalClosed)?;
            }
        }
        Ok(kept)
    }
}

/// Everything that decides what comes out of the same bytes.
fn decoding_of(settings: &DeviceSettings) -> String {
    let zone = settings.time_zone.iana_name().unwrap_or("unnamed");
    match &settings.profile.kind {
        Kind::Biolector(_) => format!("{} {zone} {:?}", driver::biolector::DECODING, settings.profile),
        // Times of waiting decide when something is said, and not what: sets that ended need not be judged again.
        Kind::Zenotof(profile) => {
            let said = (settings.acquisitions.numbering, settings.acquisitions.order);
            format!("{} {zone} {:?} {said:?}", driver::zenotof::DECODING, profile.required)
        }
        Kind::Echo(profile) => format!("{} {zone} {profile:?}", driver::echo::DECODING),
        Kind::EchoMs(_) => driver::echo_ms::DECODING.to_owned(),
        Kind::Robolector(_) => format!("{zone} {:?} {:?}", settings.profile, settings.deck),
    }
}
