//! Where the rows of `sources` stand.
//!
//! A commit rewrites a page of the file for each place that it touches, and with few events a commit costs as much as it
//! has pages. Rows that change with almost every commit (a position, the part of a snapshot that moves) are therefore put
//! next to each other, apart from those that seldom change.

use std::collections::HashMap;
use std::fmt::Write as _;

use rusqlite::{Connection, params};

/// Rows that seldom change have numbers from here on, the others lower ones.
const SELDOM: i64 = 1 << 32;

/// After so many changes within one life of the daemon a row counts as one that often changes.
const OFTEN: u32 = 8;

/// So many places are known; when there are more, all are looked up again.
const KNOWN: usize = 1024;

const UPDATE: &str = "UPDATE sources SET value = ?2 WHERE number = ?1";
const MOVE: &str =
    "UPDATE sources SET value = ?2, number = (SELECT coalesce(max(number), 0) + 1 FROM sources WHERE number < ?3)
   WHERE number = ?1 RETURNING number";
const INSERT: &str = "INSERT INTO sources(number, device, link, source, part, value)
   VALUES((SELECT max(coalesce(max(number), 0), ?6 - 1) + 1 FROM sources), ?1, ?2, ?3, ?4, ?5)
   ON CONFLICT(device, link, source, part) DO UPDATE SET value = excluded.value RETURNING number";

/// The places of the rows that were written last. It follows from the file, and is dropped when a transaction fails.
#[derive(Default)]
pub(super) struct Places {
    known: HashMap<String, Place>,
    /// The name that is looked up.
    key: String,
}

struct Place {
    number: i64,
    changes: u32,
}

/// One part of one source; the empty part is the position.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) device: i64,
    pub(super) link: &'a str,
    pub(super) source: &'a str,
    pub(super) part: &'a str,
}

impl Places {
    /// Writes a value, wherever it stands.
    pub(super) fn put(&mut self, connection: &Connection, name: Name<'_>, value: &[u8]) -> rusqlite::Result<()> {
        let Name { device, link, source, part } = name;
        self.key.clear();
        // Into memory: that cannot fail.
        let _ = write!(self.key, "{device}\0{link}\0{source}\0{part}");
        if let Some(place) = self.known.get_mut(&self.key) {
            place.changes = place.changes.saturating_add(1);
            if place.changes == OFTEN && place.number >= SELDOM {
                let mut statement = connection.prepare_cached(MOVE)?;
                place.number = statement.query_row(params![place.number, value, SELDOM], |row| row.get(0))?;
                return Ok(());
            }
            if connection.prepare_cached(UPDATE)?.execute((place.number, value))? == 1 {
                return Ok(());
            }
        }
        let mut statement = connection.prepare_cached(INSERT)?;
        let number = statement.query_row(params![device, link, source, part, value, SELDOM], |row| row.get(0))?;
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(self.key.clone(), Place { number, changes: 0 });
        Ok(())
    }

    /// Rows were removed: what is known of places may be wrong.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}
