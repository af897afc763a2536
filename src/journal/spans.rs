//! The first and last sequence of each run and cycle, which the events that end them tell.
//!
//! Almost every event widens the span of its cycle. The spans that were widened last are kept together in one small row
//! of `sources`, which is written with positions and snapshots; a span goes to its own row in `scopes` when others have
//! taken its place.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::places::{Name, Places};
use crate::event::Scope;

/// So many spans of a device are kept together: the open run's, the open cycle's, and those that late rows still belong to.
const RECENT: usize = 4;

/// A run's own row among its cycles in `scopes`.
const NO_CYCLE: i64 = -1;

/// Bytes of a span in the row: run, cycle, first, last.
const WIDTH: usize = 40;

/// From the first sequence to the last.
type Range = (u64, u64);

/// The spans in memory. They follow from the file, and are dropped when a transaction fails.
#[derive(Default)]
pub(super) struct Spans {
    devices: HashMap<i64, Recent>,
}

/// A device's spans, the one that was widened last at the end.
#[derive(Default)]
struct Recent {
    spans: Vec<(Scope, Range)>,
    changed: bool,
}

impl Spans {
    /// `sequence` belongs to `scope`.
    pub(super) fn widen(
        &mut self,
        connection: &Connection,
        device: i64,
        scope: Scope,
        sequence: u64,
    ) -> rusqlite::Result<()> {
        let recent = self.recent(connection, device)?;
        if let Some(at) = recent.spans.iter().position(|(other, _)| *other == scope) {
            let (scope, (first, last)) = recent.spans.remove(at);
            let wider = (first.min(sequence), last.max(sequence));
            recent.changed |= wider != (first, last);
            recent.spans.push((scope, wider));
            return Ok(());
        }
        let (first, last) = stored(connection, device, scope)?.unwrap_or((sequence, sequence));
        recent.spans.push((scope, (first.min(sequence), last.max(sequence))));
        recent.changed = true;
        while recent.spans.len() > RECENT {
            let (scope, (first, last)) = recent.spans.remove(0);
            connection.prepare_cached("INSERT OR REPLACE INTO scopes VALUES(?1, ?2, ?3, ?4, ?5)")?.execute(params![
                device,
                scope.run.as_bytes().as_slice(),
                cycle(scope),
                first.cast_signed(),
                last.cast_signed()
            ])?;
        }
        Ok(())
    }

    /// What a closing event tells: its cycle's span, or for a run that of everything in the run.
    pub(super) fn of(&mut self, connection: &Connection, device: i64, scope: Scope) -> rusqlite::Result<Option<Range>> {
        let recent = self.recent(connection, device)?;
        if scope.cycle.is_some() {
            let found = recent.spans.iter().find(|(other, _)| *other == scope);
            return found.map_or_else(|| stored(connection, device, scope), |(_, range)| Ok(Some(*range)));
        }
        let (first, last): (Option<i64>, Option<i64>) = connection
            .prepare_cached("SELECT min(first), max(last) FROM scopes WHERE device = ?1 AND run = ?2")?
            .query_row(params![device, scope.run.as_bytes().as_slice()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let stored = first.zip(last).map(|(first, last)| (first.cast_unsigned(), last.cast_unsigned()));
        let here = recent.spans.iter().filter(|(other, _)| other.run == scope.run).map(|(_, range)| *range);
        Ok(here.chain(stored).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))))
    }

    /// Writes what changed.
    pub(super) fn write(&mut self, connection: &Connection, places: &mut Places) -> rusqlite::Result<()> {
        for (device, recent) in self.devices.iter_mut().filter(|(_, recent)| recent.changed) {
            let mut bytes = Vec::with_capacity(RECENT * WIDTH);
            for (scope, (first, last)) in &recent.spans {
                bytes.extend_from_slice(scope.run.as_bytes());
                for number in [cycle(*scope).cast_unsigned(), *first, *last] {
                    bytes.extend_from_slice(&number.to_be_bytes());
                }
            }
            places.put(connection, name(*device), &bytes)?;
            recent.changed = false;
        }
        Ok(())
    }

    fn recent(&mut self, connection: &Connection, device: i64) -> rusqlite::Result<&mut Recent> {
        use std::collections::hash_map::Entry;
        match self.devices.entry(device) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let Name { device, link, source, part } = name(device);
                let bytes: Option<Vec<u8>> = connection
                    .prepare_cached(
                        "SELECT value FROM sources WHERE device = ?1 AND link = ?2 AND source = ?3 AND part = ?4",
                    )?
                    .query_row((device, link, source, part), |row| row.get(0))
                    .optional()?;
                let spans = bytes.unwrap_or_default().chunks_exact(WIDTH).map(span).collect();
                Ok(entry.insert(Recent { spans, changed: false }))
            }
        }
    }
}

/// The row of a device's spans: that of no link.
fn name(device: i64) -> Name<'static> {
    Name { device, link: "", source: "", part: "spans" }
}

fn span(bytes: &[u8]) -> (Scope, Range) {
    let number = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| bytes[at + i]));
    let run = Uuid::from_bytes(std::array::from_fn(|i| bytes[i]));
    (Scope { run, cycle: u32::try_from(number(16)).ok() }, (number(24), number(32)))
}

fn stored(connection: &Connection, device: i64, scope: Scope) -> rusqlite::Result<Option<Range>> {
    connection
        .prepare_cached("SELECT first, last FROM scopes WHERE device = ?1 AND run = ?2 AND cycle = ?3")?
        .query_row(params![device, scope.run.as_bytes().as_slice(), cycle(scope)], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        })
        .optional()
}

fn cycle(scope: Scope) -> i64 {
    scope.cycle.map_or(NO_CYCLE, i64::from)
}
