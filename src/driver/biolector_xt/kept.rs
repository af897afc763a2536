//! What is kept of the remote interface between two openings: the parts of its snapshot.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::live::Live;
use super::run::{Kept, LiveRun, Moving};
use crate::driver::{Effects, SnapshotPart};

/// Where the stream is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// The form of all parts.
    version: u32,
    /// The opening.
    pub epoch: String,
    /// Events without a natural key that were made in it.
    pub ordinal: u64,
    /// When it last said something that is recorded.
    pub last_at: Option<Timestamp>,
    /// The last cut, until it is made up for.
    pub cut: Option<Cut>,
    /// Experiments whose files are wanted.
    pub fetches: Vec<Fetch>,
}

/// A cut of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Cut {
    /// When it last said something that is recorded.
    pub from: Option<Timestamp>,
    /// When it was there again.
    pub to: Timestamp,
    pub why: String,
    /// The run then, the last cycle and second of it that were told, and what was told of that cycle.
    pub run: Option<String>,
    pub cycle: Option<u32>,
    pub elapsed_s: Option<u64>,
    pub told: BTreeMap<u32, u64>,
}

/// An experiment whose file is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fetch {
    /// As the instrument writes it.
    pub experiment: String,
    pub is_finished: bool,
    /// Whether it was asked for in this opening.
    pub is_asked: bool,
    /// Whether it is the run's end that it is to tell; else it fills a gap of a run that goes on.
    pub is_for_end: bool,
    pub tries: u32,
    /// The run as it was followed, to tell its end where no file does.
    pub kept: Option<Kept>,
    pub moving: Option<Moving>,
}

/// What was written last, so that only what changed is written.
#[derive(Debug, Default)]
pub(super) struct Written {
    parts: BTreeMap<&'static str, Vec<u8>>,
}

/// The version of the parts' form.
const VERSION: u32 = 1;

impl Live {
    /// Adds the parts of the snapshot that changed.
    pub fn write(&mut self, effects: &mut Effects) {
        let mut line = Line { version: VERSION, ..self.line.clone() };
        // What waits is not recorded: a cut from here would lose it.
        line.last_at = self.waiting_since().or(line.last_at);
        self.put("line", serde_json::to_vec(&line).unwrap_or_default(), effects);
        match &self.run {
            Some(run) => {
                let moving = serde_json::to_vec(&run.moving).unwrap_or_default();
                let kept = run.changed.then(|| serde_json::to_vec(&run.kept).unwrap_or_default());
                self.put("moving", moving, effects);
                if let Some(kept) = kept {
                    self.put("run", kept, effects);
                }
            }
            None => {
                self.put("moving", Vec::new(), effects);
                self.put("run", Vec::new(), effects);
            }
        }
        if let Some(run) = &mut self.run {
            run.changed = false;
        }
        let conditions = serde_json::to_vec(&self.conditions).unwrap_or_default();
        self.put("conditions", conditions, effects);
    }

    fn put(&mut self, part: &'static str, bytes: Vec<u8>, effects: &mut Effects) {
        if self.written.parts.get(part).is_some_and(|written| *written == bytes) {
            return;
        }
        effects.snapshots.push(SnapshotPart { source: self.source.clone(), part, bytes: bytes.clone() });
        self.written.parts.insert(part, bytes);
    }

    /// Takes over a snapshot; one of another form counts as none.
    pub fn restore(&mut self, snapshot: &[(String, Vec<u8>)]) {
        let part = |name: &str| snapshot.iter().find(|(part, _)| part == name).map(|(_, bytes)| bytes.as_slice());
        let Some(line) = part("line").and_then(|bytes| serde_json::from_slice::<Line>(bytes).ok()) else {
            return;
        };
        if line.version != VERSION {
            return;
        }
        self.line = line;
        let kept: Option<Kept> = part("run").and_then(|bytes| serde_json::from_slice(bytes).ok());
        let moving: Option<Moving> = part("moving").and_then(|bytes| serde_json::from_slice(bytes).ok());
        self.run = kept.zip(moving).map(|(kept, moving)| LiveRun::new(kept, moving, &self.context));
        self.conditions = part("conditions").and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    }
}
