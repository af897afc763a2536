//! What is known of the runs that events belong to.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::places::Places;
use super::{RunRef, rows_and_columns};
use crate::event::cultivation::{Plate, Run};
use crate::event::{EventSource, EventType, IdBase};

/// Runs that are remembered: events of the last ones can come again out of a server's history.
const REMEMBERED: usize = 4;

/// Faults that are remembered.
const FAULTS: usize = 16;

/// The longest name of a run or barcode that is kept.
const MAX_NAME: usize = 128;

/// What is kept of all runs: what rarely changes, and what changes with each event.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Known>,
    faults: Faults,
    heads_changed: bool,
    seen_changed: bool,
}

/// A run.
#[derive(Debug)]
pub(super) struct Known {
    pub run: RunRef,
    pub head: Head,
    pub seen: Seen,
}

/// What its start tells.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Head {
    pub id: String,
    pub name: String,
    pub started: Option<Timestamp>,
    /// Whether its start was told.
    pub told: bool,
    pub barcode: Option<String>,
    pub plate_type: Option<String>,
    pub wells: Option<u32>,
    /// Whether anything is known of the plate.
    pub has_plate: bool,
}

/// What was told of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    pub orders: Places,
    pub wells: Places,
    pub counts: BTreeMap<String, u64>,
    pub ended: bool,
}

/// Faults of the instrument: which were told, and which of them are not over.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Faults {
    known: Vec<String>,
    open: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize, Default)]
struct KeptSeen {
    runs: Vec<Seen>,
    faults: Faults,
}

impl Runs {
    /// The runs of a snapshot; none where it cannot be read.
    pub fn restore(parts: &[(String, Vec<u8>)], source: &EventSource) -> Self {
        let part = |name: &str| parts.iter().find(|(part, _)| part == name).map(|(_, bytes)| bytes.as_slice());
        let heads: Vec<Head> = part("heads").and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let kept: KeptSeen = part("seen").and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let mut seen = kept.runs.into_iter();
        let runs = heads.into_iter().map(|head| Known {
            run: Arc::new(run_of(source, &head)),
            head,
            seen: seen.next().unwrap_or_default(),
        });
        Self { runs: runs.collect(), faults: kept.faults, ..Self::default() }
    }

    /// The run that is told of last, unless it is over.
    pub fn current(&self) -> Option<RunRef> {
        self.runs.last().filter(|known| !known.seen.ended).map(|known| known.run.clone())
    }

    /// The run of this name, remembered from now on.
    pub fn named(&mut self, source: &EventSource, id: &str) -> Option<&mut Known> {
        if id.is_empty() || id.len() > MAX_NAME || id.contains('\u{1f}') {
            return None;
        }
        let at = match self.runs.iter().position(|known| known.head.id == id) {
            Some(at) => at,
            None => {
                if self.runs.len() >= REMEMBERED {
                    self.runs.remove(0);
                }
                let head = Head { id: id.to_owned(), name: id.to_owned(), ..Head::default() };
                self.runs.push(Known { run: Arc::new(run_of(source, &head)), head, seen: Seen::default() });
                (self.heads_changed, self.seen_changed) = (true, true);
                self.runs.len() - 1
            }
        };
        self.runs.get_mut(at)
    }

    /// Says that a run's start was learnt.
    pub fn note_head(&mut self) {
        self.heads_changed = true;
    }

    /// Says that something was told.
    pub fn note_seen(&mut self) {
        self.seen_changed = true;
    }

    /// Remembers a fault; false where it is known.
    pub fn fault(&mut self, key: &str, code: &str) -> bool {
        let faults = &mut self.faults;
        if faults.known.iter().any(|known| known == key) {
            return false;
        }
        if faults.known.len() >= FAULTS {
            faults.known.remove(0);
        }
        if faults.open.len() >= FAULTS {
            faults.open.remove(0);
        }
        faults.known.push(key.to_owned());
        faults.open.push((key.to_owned(), code.to_owned()));
        self.seen_changed = true;
        true
    }

    /// The faults that are over now that the instrument works again: key and code of each.
    pub fn recovered(&mut self) -> Vec<(String, String)> {
        self.seen_changed |= !self.faults.open.is_empty();
        std::mem::take(&mut self.faults.open)
    }

    /// The parts of the snapshot that changed since the last time.
    pub fn changed(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        let mut parts = Vec::new();
        if std::mem::take(&mut self.heads_changed) {
            let heads: Vec<&Head> = self.runs.iter().map(|known| &known.head).collect();
            parts.extend(serde_json::to_vec(&heads).ok().map(|bytes| ("heads", bytes)));
        }
        if std::mem::take(&mut self.seen_changed) {
            let faults = Faults { known: self.faults.known.clone(), open: self.faults.open.clone() };
            let kept = KeptSeen { runs: self.runs.iter().map(|known| known.seen.clone()).collect(), faults };
            parts.extend(serde_json::to_vec(&kept).ok().map(|bytes| ("seen", bytes)));
        }
        parts
    }
}

impl Known {
    /// Takes over what was learnt about the run's start.
    pub fn renew(&mut self, source: &EventSource) {
        self.run = Arc::new(run_of(source, &self.head));
    }

    /// Counts an event.
    pub fn count(&mut self, event_type: EventType) {
        *self.seen.counts.entry(event_type.short().to_owned()).or_default() += 1;
    }

    /// The run's plate, as far as it is known.
    pub fn plate(&self, source: &EventSource) -> Option<Plate> {
        let head = &self.head;
        if !head.has_plate {
            return None;
        }
        let (barcode, barcode_status) = match head.barcode.as_deref() {
            None => (None, "none"),
            Some("UnknownBarCode") => (None, "no-read"),
            Some(barcode) => (Some(barcode.to_owned()), "read"),
        };
        // A plate without a barcode is that of its run.
        let named = barcode.clone().map_or_else(|| format!("run/{}", head.id), |barcode| format!("barcode/{barcode}"));
        let id = IdBase::new(source, "", "plate", &named).id(1);
        let (rows, columns) = head.wells.and_then(rows_and_columns).unwrap_or_default();
        Some(Plate {
            id: id.to_string().into(),
            barcode,
            barcode_status,
            role: "sample",
            plate_type: head.plate_type.clone().unwrap_or_else(|| "unknown".to_owned()),
            rows,
            columns,
            lot: None,
        })
    }
}

/// The run as events name it.
fn run_of(source: &EventSource, head: &Head) -> Run {
    Run {
        id: crate::event::ids::run_id(source, &head.id),
        name: head.name.clone(),
        instrument_run_id: head.id.clone(),
        started_at: head.started,
        flags: Vec::new(),
        identity: head.id.clone(),
    }
}
