//! A source's state between two inputs, in parts that change at different rates.
//!
//! `fixed`: the run's facts; `moving`: position and open cycle; `past`: cycles that are over; `volumes`; `tail`: the
//! unterminated last line. Before a run's facts are known nothing is worth keeping: `fixed` then holds a marker that
//! makes the source be read again from its start.

use instrument_proto::codec::biolector::lines::Lines;
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::run::{Changed, Moving, Past, Run, Volumes};
use crate::driver::{Effects, SnapshotPart, SourceName};

/// The format of all parts. Another one means: read the source again.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Part<T> {
    version: u32,
    state: T,
}

#[derive(Serialize, Deserialize)]
struct Progress<T> {
    position: u64,
    dropped: u64,
    taken: u64,
    moving: T,
}

/// What a snapshot gives back.
pub(super) struct Restored {
    pub facts: Facts,
    pub moving: Moving,
    pub past: Past,
    pub volumes: Volumes,
    pub lines: Lines,
    pub position: u64,
    pub taken: u64,
}

/// Reads a snapshot; `None` where it cannot be used.
pub(super) fn read(parts: &[(String, Vec<u8>)]) -> Option<Restored> {
    let progress: Progress<Moving> = part(parts, "moving")?;
    Some(Restored {
        facts: part(parts, "fixed")?,
        past: part(parts, "past")?,
        volumes: part(parts, "volumes")?,
        lines: Lines::resume(bytes(parts, "tail").unwrap_or_default().to_vec(), progress.dropped),
        moving: progress.moving,
        position: progress.position,
        taken: progress.taken,
    })
}

fn bytes<'a>(parts: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    parts.iter().find(|(part, _)| part == name).map(|(_, bytes)| bytes.as_slice())
}

fn part<T: for<'de> Deserialize<'de>>(parts: &[(String, Vec<u8>)], name: &str) -> Option<T> {
    let part: Part<T> = serde_json::from_slice(bytes(parts, name)?).ok()?;
    (part.version == VERSION).then_some(part.state)
}

/// Writes the parts that changed.
pub(super) fn write(
    source: &SourceName,
    run: &mut Run,
    (lines, position, taken): (&Lines, u64, u64),
    tail_written: &mut bool,
    effects: &mut Effects,
) {
    let changed = std::mem::take(&mut run.changed);
    let Changed { facts, past, volumes } = changed;
    let (tail, dropped) = lines.tail();
    let mut put = |part: &'static str, bytes: Option<Vec<u8>>| {
        // The state is plain data: writing it cannot fail. Should it, the part is empty, and that is read again.
        effects.snapshots.push(SnapshotPart { source: source.clone(), part, bytes: bytes.unwrap_or_default() });
    };
    if facts {
        put("fixed", json(&run.facts));
    }
    if past {
        put("past", json(&run.past));
    }
    if volumes {
        put("volumes", json(&run.volumes));
    }
    put("moving", json(&Progress { position, dropped, taken, moving: &run.state }));
    if !tail.is_empty() || *tail_written {
        put("tail", Some(tail.to_vec()));
        *tail_written = !tail.is_empty();
    }
}

fn json<T: Serialize>(state: &T) -> Option<Vec<u8>> {
    serde_json::to_vec(&Part { version: VERSION, state }).ok()
}

/// What stands in `fixed` while there is no run: no json, so that reading it fails.
pub(super) fn marker(source: &SourceName) -> SnapshotPart {
    SnapshotPart { source: source.clone(), part: "fixed", bytes: b"-".to_vec() }
}
