//! Tests of the journal through its handle.

mod alike;
mod basics;
mod faults;
mod full;
mod model;
mod offline;
mod whole;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Batch, Journal, OpenError};
use crate::config::settings::{JournalSettings, WhenFull};
use crate::event::cultivation::Run;
use crate::event::device::Faulted;
use crate::event::envelope::Origin;
use crate::event::{Body, DeviceId, Event, EventSource, Ingest, Key, Prepared, Subject, TimeQuality, ids};

pub(super) fn settings(folder: &Path) -> JournalSettings {
    JournalSettings {
        path: folder.join("journal.db"),
        keep_for: Duration::from_secs(3600 * 24 * 365),
        max_bytes: 1 << 30,
        when_full: WhenFull::Wait,
    }
}

pub(super) fn device(name: &str) -> DeviceId {
    name.parse().expect("a valid name")
}

pub(super) fn broker() -> Arc<str> {
    "main".into()
}

fn source(device: &DeviceId) -> EventSource {
    EventSource::new(&"lab".parse().expect("a valid name"), device)
}

pub(super) fn run(device: &DeviceId, identity: &str) -> Arc<Run> {
    Arc::new(Run {
        id: ids::run_id(&source(device), identity),
        name: identity.into(),
        instrument_run_id: identity.into(),
        started_at: None,
        flags: Vec::new(),
        identity: identity.into(),
    })
}

/// An event with this key and text.
pub(super) fn event(run: Option<&Arc<Run>>, cycle: Option<u32>, key: Key, text: &str) -> Event {
    Event {
        body: Body::DeviceFaulted(Faulted { code: "test".into(), text: text.into(), remedy: None }),
        key,
        run: run.cloned(),
        cycle,
        closes: false,
        subject: Subject::Device,
        time: None,
        time_quality: TimeQuality::Unknown,
        revision: 1,
        reason: None,
        causation: None,
        offset: None,
        alike: None,
    }
}

pub(super) fn prepared(device: &DeviceId, event: &Event) -> Prepared {
    let origin = Origin { source: source(device), partition: device.clone(), ingest: Ingest::Live, position: None };
    Prepared::new(event, &origin)
}

/// A batch of events without a run, one for each text, keyed by it.
pub(super) fn batch(device: &DeviceId, texts: &[&str]) -> Batch {
    let mut batch = Batch::new(device.clone(), "files".into());
    for text in texts {
        batch.events.push(prepared(device, &event(None, None, Key::Text((*text).into()), text)));
    }
    batch
}

/// Opens the journal again after its handles were dropped: its writer needs a moment to end.
pub(super) fn reopen(settings: &JournalSettings) -> Journal {
    loop {
        match Journal::open(settings, &[broker()]) {
            Err(OpenError::InUse { .. }) => std::thread::yield_now(),
            other => return other.expect("the journal opens"),
        }
    }
}

/// A payload as JSON.
pub(super) fn json(payload: &[u8]) -> serde_json::Value {
    serde_json::from_slice(payload).expect("an event is JSON")
}
