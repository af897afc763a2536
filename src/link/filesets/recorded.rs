//! Looks at file sets in recordings: what was found of each set, never the files themselves.

use instrument_proto::codec::capture::NoteKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::SetEvent;
use crate::driver::Direction;
use crate::driver::set::{Hashed, Observation, SetInput};
use crate::link::recorder::Happening;

/// The link of the captures of file sets.
pub const SETS: &str = "sets";

/// What stands after `opened` of a set that was known before.
pub const AGAIN: &str = "again";

/// What stands before the new name of a set that was renamed.
pub const RENAMED: &str = "it is called ";

/// What a line with bytes says of a set, as JSON.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// How it stood.
    Looked(Box<Observation>),
    /// What a batch file says of it.
    Expected {
        /// How many samples it will hold.
        samples: u32,
        /// The batch file.
        batch: String,
    },
    /// The digest of a member.
    Hashed(Hashed),
}

/// The same, to be written.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Written<'a> {
    Looked(&'a Observation),
    Expected { samples: u32, batch: &'a str },
    Hashed(&'a Hashed),
}

impl Line {
    /// It, for the driver.
    pub fn input(&self) -> SetInput<'_> {
        match self {
            Self::Looked(seen) => SetInput::Looked(seen),
            Self::Expected { samples, batch } => SetInput::Expected { samples: *samples, batch },
            Self::Hashed(hashed) => SetInput::Hashed(hashed),
        }
    }
}

/// What a recording says of what the link said; `None` where that concerns the journal alone.
pub fn happening(event: &SetEvent, at: Timestamp) -> Option<Happening> {
    let note = |set: &crate::driver::set::SetName, kind, text: String| {
        Some(Happening::Note { at, source: Some(set.clone()), kind, text })
    };
    let line = |set: &crate::driver::set::SetName, line: Written<'_>| {
        let bytes = serde_json::to_vec(&line).ok()?;
        Some(Happening::Bytes { at, source: Some(set.clone()), direction: Direction::FromInstrument, offset: 0, bytes })
    };
    match event {
        SetEvent::Opened { set, resume } => {
            note(set, NoteKind::Opened, if *resume { AGAIN.to_owned() } else { String::new() })
        }
        SetEvent::Looked { set, seen, .. } => line(set, Written::Looked(seen)),
        SetEvent::Expected { set, samples, batch } => line(set, Written::Expected { samples: *samples, batch }),
        SetEvent::Hashed { set, hashed } => line(set, Written::Hashed(hashed)),
        SetEvent::Rested { set, .. } => note(set, NoteKind::Closed, "it rests".to_owned()),
        SetEvent::Gone { set } => note(set, NoteKind::Closed, "it is gone".to_owned()),
        SetEvent::Renamed { from, to, .. } => note(from, NoteKind::Closed, format!("{RENAMED}{to}")),
        SetEvent::Trouble { text, .. } => Some(Happening::Remark(text.clone())),
        SetEvent::Disconnected { place, reason, .. } => Some(Happening::Remark(format!("{place}: {reason}"))),
        SetEvent::Connected { .. } | SetEvent::Baseline(_) | SetEvent::TroubleOver { .. } => None,
    }
}
