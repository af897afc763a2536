//! Which facts were told, by which way: so that what two ways of a device both tell of becomes one event.
//!
//! Looked up and written in the transaction that records the events, so that it holds whatever is cut off where.

use rusqlite::{CachedStatement, Connection, Row, params};
use uuid::Uuid;

use super::schema;
use crate::event::Prepared;
use crate::event::envelope::PreparedAlike;

const MINUTE_MS: i64 = 60_000;

/// Under this minute stand facts of which nobody knows when in the run they happened.
const SOME_TIME: i64 = -1;

const FIND: &str =
    "SELECT minute, key, at, way, id, figures, paired FROM facts WHERE run = ?1 AND minute = ?2 AND about = ?3";
const INSERT: &str = "INSERT OR IGNORE INTO facts VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL)";
const PAIR: &str = "UPDATE facts SET paired = ?5 WHERE run = ?1 AND minute = ?2 AND about = ?3 AND key = ?4";

/// A fact that another way has told of.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    minute: i64,
    key: i64,
    at: Option<i64>,
    way: i64,
    figures: Vec<f64>,
    paired: Option<i64>,
    /// The id of the event that told of it.
    pub(super) id: Uuid,
}

impl Fact {
    /// The sequence of the event that told of it.
    pub(super) fn sequence(&self) -> u64 {
        schema::sequence(self.key)
    }

    /// Names of the figures that `alike` gives otherwise.
    pub(super) fn disagreements(&self, alike: &PreparedAlike) -> Vec<&'static str> {
        alike
            .figures
            .iter()
            .zip(&self.figures)
            .filter(|(figure, other)| !figure.agrees(**other))
            .map(|(f, _)| f.name)
            .collect()
    }
}

/// What other ways have told of an event's fact.
pub(super) enum Told {
    /// Nothing.
    Nothing,
    /// The same.
    Same(Fact),
    /// Something that may be the same or not.
    Perhaps(Fact),
}

/// Finds what another way told of `event`'s fact: one fact of each way makes a pair, the nearest ones first.
pub(super) fn find(connection: &Connection, event: &Prepared, alike: &PreparedAlike) -> rusqlite::Result<Told> {
    let mut statement = connection.prepare_cached(FIND)?;
    if let Some(at) = alike.at {
        let minute = |at: i64| at.div_euclid(MINUTE_MS).max(0);
        let near = |fact: &Fact| Some((fact.at? - at).abs()).filter(|apart| *apart <= alike.window);
        let mut best = None;
        for minute in minute(at - alike.window)..=minute(at + alike.window) {
            look(&mut statement, minute, event, alike, &near, &mut best)?;
        }
        if let Some((_, fact)) = best {
            return Ok(Told::Same(fact));
        }
    }
    let mut best = None;
    look(&mut statement, SOME_TIME, event, alike, &|fact| Some(fact.key), &mut best)?;
    Ok(best.map_or(Told::Nothing, |(_, fact)| Told::Perhaps(fact)))
}

/// Whether what is known under `event`'s id is its own fact: a cycle that was inferred wrongly gives one reading the id of
/// another, which was at another time.
pub(super) fn is_own(connection: &Connection, event: &Prepared, alike: &PreparedAlike) -> rusqlite::Result<bool> {
    /// No two readings of a well and filter set are nearer than that on an instrument.
    const NEAR_MS: i64 = 2000;
    // What has no time has one natural key alone.
    let Some(at) = alike.at else { return Ok(true) };
    let mut statement = connection.prepare_cached(FIND)?;
    let minute = |at: i64| at.div_euclid(MINUTE_MS).max(0);
    for minute in minute(at - NEAR_MS)..=minute(at + NEAR_MS) {
        let mut rows = statement.query(params![alike.run, minute, alike.about])?;
        while let Some(row) = rows.next()? {
            let fact = read(row)?;
            let is_near = fact.at.is_some_and(|other| (other - at).abs() <= NEAR_MS);
            if is_near && (event.revision..event.revision + 4).any(|revision| event.id(revision) == fact.id) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// How well a fact fits, the best first: one that was found before, one with the same id, how many figures differ, how far
/// it is away.
type Rank = (bool, bool, usize, i64);

fn look(
    statement: &mut CachedStatement<'_>,
    minute: i64,
    event: &Prepared,
    alike: &PreparedAlike,
    near: &dyn Fn(&Fact) -> Option<i64>,
    best: &mut Option<(Rank, Fact)>,
) -> rusqlite::Result<()> {
    let own = short(event.base.id(1));
    let mut rows = statement.query(params![alike.run, minute, alike.about])?;
    while let Some(row) = rows.next()? {
        let fact = read(row)?;
        let Some(apart) = near(&fact) else { continue };
        let is_free = !alike.is_paired || fact.paired.is_none_or(|other| other == own);
        let mut figures = alike.figures.iter().zip(&fact.figures);
        if fact.way == alike.way || !is_free || figures.any(|(f, other)| f.is_strict && !f.agrees(*other)) {
            continue;
        }
        let has_its_id = (event.revision..event.revision + 4).any(|revision| event.id(revision) == fact.id);
        let rank = (fact.paired != Some(own), !has_its_id, fact.disagreements(alike).len(), apart);
        if best.as_ref().is_none_or(|(least, _)| rank < *least) {
            *best = Some((rank, fact));
        }
    }
    Ok(())
}

/// Remembers that the event `id` told of its fact under `sequence`.
pub(super) fn insert(
    connection: &Connection,
    device: i64,
    id: Uuid,
    alike: &PreparedAlike,
    sequence: u64,
) -> rusqlite::Result<()> {
    let figures: Vec<u8> = alike.figures.iter().flat_map(|figure| figure.value.to_be_bytes()).collect();
    connection.prepare_cached(INSERT)?.execute(params![
        alike.run,
        alike.at.map_or(SOME_TIME, |at| at.div_euclid(MINUTE_MS).max(0)),
        alike.about,
        schema::key(device, sequence),
        alike.at,
        alike.way,
        id.as_bytes().as_slice(),
        figures
    ])?;
    Ok(())
}

/// Remembers that `event` is about `fact`: no other event of its way will be.
pub(super) fn pair(
    connection: &Connection,
    event: &Prepared,
    alike: &PreparedAlike,
    fact: &Fact,
) -> rusqlite::Result<()> {
    if fact.paired.is_some() || !alike.is_paired {
        return Ok(());
    }
    let row = params![alike.run, fact.minute, alike.about, fact.key, short(event.base.id(1))];
    connection.prepare_cached(PAIR)?.execute(row)?;
    Ok(())
}

fn short(id: Uuid) -> i64 {
    (id.as_u128() >> 64) as u64 as i64
}

fn read(row: &Row<'_>) -> rusqlite::Result<Fact> {
    let figures: Vec<u8> = row.get(5)?;
    let figure = |bytes: &[u8]| f64::from_be_bytes(std::array::from_fn(|i| bytes[i]));
    Ok(Fact {
        minute: row.get(0)?,
        key: row.get(1)?,
        at: row.get(2)?,
        way: row.get(3)?,
        id: Uuid::from_slice(&row.get::<_, Vec<u8>>(4)?).unwrap_or_default(),
        figures: figures.chunks_exact(8).map(figure).collect(),
        paired: row.get(6)?,
    })
}
