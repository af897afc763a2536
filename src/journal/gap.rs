//! Gaps that the journal itself knows of.

use jiff::Timestamp;

use super::batch::Batch;
use crate::event::device::Gap;
use crate::event::envelope::Origin;
use crate::event::{Body, DeviceId, Event, EventSource, Ingest, Key, Prepared, SiteId, Subject, TimeQuality};

/// What was lost.
pub(super) struct Lost {
    /// `rollback` or `drop-oldest`.
    pub(super) reason: &'static str,
    /// What makes this gap another one than the device's other gaps.
    pub(super) key: String,
    /// From when.
    pub(super) from: Option<Timestamp>,
    /// To when.
    pub(super) to: Option<Timestamp>,
    /// What was lost and what was not.
    pub(super) text: String,
}

/// A batch with the `device.gap` for `lost`. `None` for a device that has never said anything: nothing of it can be lost,
/// and its source is not known.
pub(super) fn batch(device: &DeviceId, source: Option<&str>, lost: Lost, now: Timestamp) -> Option<Batch> {
    let site: SiteId = source?.split(':').nth(2)?.parse().ok()?;
    let gap = Gap {
        link: "journal".into(),
        reason: lost.reason.into(),
        from: lost.from,
        to: lost.to,
        text: lost.text,
        run: None,
        missing: Vec::new(),
    };
    let event = Event {
        body: Body::DeviceGap(gap),
        key: Key::Text(lost.key),
        run: None,
        cycle: None,
        closes: false,
        subject: Subject::Device,
        time: Some(now),
        time_quality: TimeQuality::Observed,
        revision: 1,
        reason: None,
        causation: None,
        offset: None,
        alike: None,
    };
    let source = EventSource::new(&site, device);
    let origin = Origin { source, partition: device.clone(), ingest: Ingest::Live, position: None };
    let mut batch = Batch::new(device.clone(), "journal".into());
    batch.events.push(Prepared::new(&event, &origin));
    Some(batch)
}
