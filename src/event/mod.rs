//! Events: what a device's actor commits to the journal and subscribers receive.
//!
//! This module depends on nothing else in the crate. The contract is told in `docs/event-contract.md`.

pub mod acquisition;
pub mod alike;
pub mod body;
pub mod cultivation;
pub mod device;
pub mod ejection;
pub mod envelope;
pub mod ids;
pub mod labware;
pub mod liquid;
pub mod sampling;
pub mod schema;
pub mod transfer;
pub mod well;

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use alike::{Alike, Figure, Known, Way};
pub use body::{Body, EventType};
pub use envelope::{Prepared, Stamp};
pub use ids::{DeviceId, EventSource, IdBase, NodeId, SiteId};
pub use well::Well;

/// How far an event's time can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeQuality {
    /// The instrument's own clock, converted to UTC.
    Instrument,
    /// The instrument's clock with a measured offset applied.
    Corrected,
    /// When the daemon saw it.
    Observed,
    /// Nothing tells.
    Unknown,
}

impl TimeQuality {
    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instrument => "instrument",
            Self::Corrected => "corrected",
            Self::Observed => "observed",
            Self::Unknown => "unknown",
        }
    }
}

/// By which way an event came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ingest {
    /// As it happened.
    Live,
    /// From what was there before the daemon looked for the first time.
    Backfill,
    /// Read again after a cut, to fill what was missed.
    Reconciled,
}

impl Ingest {
    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Backfill => "backfill",
            Self::Reconciled => "reconciled",
        }
    }
}

/// What an event is about; the CloudEvents `subject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Nothing smaller than the device.
    Device,
    /// A plate's well: `<plate.id>/<well>`.
    Well {
        /// The plate's id.
        plate: Arc<str>,
        /// The well.
        well: Well,
    },
    /// A run, by our id of it.
    Run(Uuid),
    /// Anything else, a file set for instance.
    Other(Arc<str>),
}

/// The natural key of an event within its device, run and type, or its place in the source where it has none.
///
/// `docs/event-contract.md` lists the key of each type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// There is one such event in a run (its start, its end).
    Run,
    /// One in a cycle.
    Cycle(u32),
    /// One in a cycle and filter set.
    FilterSet(u32, u32),
    /// One in a cycle, filter set and well.
    Reading(u32, u32, Well),
    /// No natural key: the byte offset in the source's data section, and an ordinal where one row makes several.
    Offset(u64, u32),
    /// Anything else, written out.
    Text(String),
}

impl Key {
    /// The key's text, as it goes into the id.
    pub fn write(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Run => Ok(()),
            Self::Cycle(cycle) => write!(out, "cycle/{cycle}"),
            Self::FilterSet(cycle, set) => write!(out, "set/{cycle}/{set}"),
            Self::Reading(cycle, set, well) => write!(out, "reading/{cycle}/{set}/{well}"),
            Self::Offset(offset, ordinal) => write!(out, "offset/{offset}/{ordinal}"),
            Self::Text(text) => write!(out, "text/{text}"),
        };
    }
}

/// Which events a run's or cycle's closing event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The run, by our id.
    pub run: Uuid,
    /// The cycle; `None` where the event belongs to the run alone.
    pub cycle: Option<u32>,
}

/// One event as a driver makes it: typed, without what only the journal knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The typed `data`; says the type.
    pub body: Body,
    /// The natural key.
    pub key: Key,
    /// The run it belongs to: part of the id, and the correlation id.
    pub run: Option<Arc<cultivation::Run>>,
    /// The cycle whose count it belongs to.
    pub cycle: Option<u32>,
    /// Whether its data gets `first_sequence` and `last_sequence` of its run or cycle at the commit.
    pub closes: bool,
    /// What it is about.
    pub subject: Subject,
    /// When it happened, in UTC, as well as it is known.
    pub time: Option<Timestamp>,
    /// How far `time` can be trusted.
    pub time_quality: TimeQuality,
    /// 1, or more where the driver itself supersedes what it said before.
    pub revision: u32,
    /// Why this revision exists; `None` for the first.
    pub reason: Option<Arc<str>>,
    /// The event that led to this one.
    pub causation: Option<Uuid>,
    /// The byte in the source's data section where it stands.
    pub offset: Option<u64>,
    /// By what the journal recognises it where another way of the device may have told of it; `None` where there is but one way.
    pub alike: Option<Box<Alike>>,
}
