//! What a line's state is between two inputs, in parts that change at different rates.
//!
//! `line`: epoch, tips, plates, commands whose outcome is open, and the balances that changed last; `balances`: those of all wells, as of some changes ago,
//! since they are many; `to`, `from`, `either`: bytes of frames that have no end yet. All together are at most 64 KiB: balances, which are the largest, are given up when they would not fit.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use super::robot::{Robot, State};
use super::volumes::{Balances, Recent};
use crate::driver::{Effects, SnapshotPart, SourceName};

/// The format of all parts.
const VERSION: u32 = 2;

/// The most that all parts together may take.
const MAX_BYTES: usize = 64 * 1024;

/// Most parts are not larger.
const USUAL_BYTES: usize = 2048;

/// The wells' balances.
const BALANCES: &str = "balances";

/// Where in which epoch the line is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub epoch: String,
    /// Events that were made in this epoch.
    pub ordinal: u64,
    /// When the last bytes came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Part<T> {
    version: u32,
    state: T,
}

/// What was written of each part.
#[derive(Debug, Default)]
pub(super) struct Written {
    parts: BTreeMap<&'static str, Vec<u8>>,
    /// The balances' size then.
    balances: Option<usize>,
}

/// Reads a snapshot into a line; `false` where there is none that can be used: the line then begins anew.
pub(super) fn read(parts: &[(String, Vec<u8>)], robot: &mut Robot, dialect: &mut Dialect, header: &mut Header) -> bool {
    let bytes = |name: &str| parts.iter().find(|(part, _)| part == name).map(|(_, bytes)| bytes.as_slice());
    let restored = (|| {
        let (head, state, saved, recent): (Header, State, serde_json::Value, Recent) = part(bytes("line")?)?;
        let mut balances: Balances = part(bytes(BALANCES)?)?;
        balances.take_up(recent);
        dialect.restore(&saved).then_some((head, state, balances))
    })();
    for side in ["to", "from", "either"] {
        dialect.resume(side, bytes(side).filter(|_| restored.is_some()).unwrap_or_default());
    }
    match restored {
        Some((head, state, balances)) => {
            *header = head;
            robot.state = state;
            robot.balances = balances;
            true
        }
        None => {
            *header = Header::default();
            robot.state = State::default();
            robot.balances.clear();
            dialect.reset();
            false
        }
    }
}

/// Reads one part.
fn part<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Option<T> {
    let part: Part<T> = serde_json::from_slice(bytes).ok()?;
    (part.version == VERSION).then_some(part.state)
}

/// Writes one part. The state is plain data: that cannot fail; should it, the part is empty, and reading it says that there is no snapshot.
fn json<T: Serialize>(state: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    match serde_json::to_writer(&mut bytes, &Part { version: VERSION, state }) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}

/// Gives out the parts that changed.
pub(super) fn write(
    source: &SourceName,
    robot: &mut Robot,
    dialect: &Dialect,
    header: &Header,
    written: &mut Written,
    effects: &mut Effects,
) {
    let mut parts: Vec<(&'static str, Vec<u8>)> = Vec::new();
    let unchanged = written.balances.filter(|_| robot.balances.recent().is_some());
    let mut balances = unchanged.unwrap_or_else(|| push(&mut parts, &mut robot.balances));
    parts.push(("line", json(&(header, &robot.state, dialect.saved(), robot.balances.recent()))));
    parts.extend(dialect.held().map(|(side, held)| (side, held.to_vec())));
    let others = parts.iter().filter(|(part, _)| *part != BALANCES).map(|(_, bytes)| bytes.len()).sum::<usize>();
    if others + balances > MAX_BYTES {
        robot.balances.clear();
        let text = "too much is followed at once: the wells' balances begin anew".to_owned();
        effects.gaps.push((source.clone(), "state-too-large", text));
        parts.retain(|(part, _)| *part != BALANCES && *part != "line");
        balances = push(&mut parts, &mut robot.balances);
        parts.push(("line", json(&(header, &robot.state, dialect.saved(), robot.balances.recent()))));
    }
    written.balances = Some(balances);
    for (part, bytes) in parts {
        if written.parts.get(part) != Some(&bytes) {
            written.parts.entry(part).or_default().clone_from(&bytes);
            effects.snapshots.push(SnapshotPart { source: source.clone(), part, bytes });
        }
    }
}

/// Adds all balances to the parts; their size.
fn push(parts: &mut Vec<(&'static str, Vec<u8>)>, balances: &mut Balances) -> usize {
    let bytes = json(balances);
    balances.written();
    let size = bytes.len();
    parts.push((BALANCES, bytes));
    size
}
