//! Whether a journal is whole, and what of a damaged one can be read.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::schema;

/// How many findings are listed; one page can break many rows.
const FINDINGS: usize = 10;

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// What is wrong, in SQLite's words; empty where nothing was found.
    pub wrong: Vec<String>,
    /// Whether everything was looked at in the time that was given.
    pub complete: bool,
}

/// Looks through the whole structure of the file, for at most `limit`.
pub(super) fn quick_check(connection: &Connection, limit: Duration) -> rusqlite::Result<Findings> {
    let interrupt = connection.get_interrupt_handle();
    let (done, over) = channel::<()>();
    let timer = std::thread::spawn(move || {
        if over.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let found = findings(connection);
    drop(done);
    let _ = timer.join();
    match found {
        Ok(wrong) => Ok(Findings { wrong, complete: true }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(Findings::default()),
        Err(error) if is_damage(&error) => Ok(Findings { wrong: vec![error.to_string()], complete: true }),
        Err(error) => Err(error),
    }
}

fn findings(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = connection.prepare(&format!("PRAGMA quick_check({FINDINGS})"))?;
    let mut rows = check.query([])?;
    let mut wrong = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        if text != "ok" {
            wrong.extend(text.lines().filter(|line| !line.starts_with("***")).map(str::to_owned));
        }
    }
    wrong.truncate(FINDINGS);
    Ok(wrong)
}

/// Whether SQLite says that the file itself is damaged.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// What can be read of a device's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readable {
    /// The device's name; by its number where the names cannot be read.
    pub device: String,
    /// How many payloads can be read.
    pub rows: u64,
    /// The first and last sequence among them.
    pub range: Option<(u64, u64)>,
    /// How many sequences between the two cannot be read.
    pub missing: u64,
}

/// What can be read of a journal.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// By device.
    pub devices: Vec<Readable>,
    /// Whether there was time for all of it.
    pub complete: bool,
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.devices.is_empty() {
            f.write_str("no events")?;
        }
        for (at, device) in self.devices.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let name = &device.device;
            match device.range {
                None => write!(f, "{comma}nothing of {name}")?,
                Some((first, last)) => {
                    write!(f, "{comma}{} events of {name} (sequences {first} to {last}", device.rows)?;
                    if device.missing > 0 {
                        write!(f, ", {} of them not", device.missing)?;
                    }
                    f.write_str(")")?;
                }
            }
        }
        if !self.complete {
            f.write_str(" and maybe more: the file is large and was not looked through to its end")?;
        }
        Ok(())
    }
}

/// Looks what of the events in the journal at `path` can be read, for at most `limit`.
pub(super) fn survey(path: &Path, limit: Duration) -> rusqlite::Result<Survey> {
    let connection = schema::connect_salvager(path)?;
    // `None`: for ever.
    let until = Instant::now().checked_add(limit);
    let mut devices: BTreeMap<i64, Readable> = BTreeMap::new();
    let complete = payloads(&connection, &mut |key, _, _, _| {
        let found = devices.entry(schema::device(key)).or_default();
        let sequence = schema::sequence(key);
        found.rows += 1;
        let (first, last) = found.range.unwrap_or((sequence, sequence));
        found.range = Some((first.min(sequence), last.max(sequence)));
        Ok(until.is_none_or(|until| Instant::now() < until))
    })?;
    let names = names(&connection);
    for (number, found) in &mut devices {
        found.device = names.get(number).cloned().unwrap_or_else(|| format!("device number {number}"));
        found.missing = found.range.map_or(0, |(first, last)| (last - first + 1).saturating_sub(found.rows));
    }
    Ok(Survey { devices: devices.into_values().collect(), complete })
}

/// The devices' names, as far as they can be read.
pub(super) fn names(connection: &Connection) -> BTreeMap<i64, String> {
    let mut names = BTreeMap::new();
    if let Ok(mut statement) = connection.prepare("SELECT number, device FROM devices")
        && let Ok(rows) = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
    {
        names.extend(rows.map_while(Result::ok));
    }
    names
}

/// What is done with a payload that can be read: key, type, recorded, payload. False ends the reading.
pub(super) type PayloadSink<'s> = dyn FnMut(i64, i64, i64, &[u8]) -> rusqlite::Result<bool> + 's;

/// After this many keys in a row that cannot be read, the rest of the device is given up and the next one is tried: a
/// damaged page hides some thousand rows at most.
const GIVE_UP: u32 = 1 << 16;

/// Devices that are looked for when not even their names can be read.
const DEVICES: i64 = 32;

/// Hands every payload that can be read to `sink`, ascending. Where reading fails, it goes on behind the damage. Returns
/// false when `sink` ended it.
pub(super) fn payloads(connection: &Connection, sink: &mut PayloadSink<'_>) -> rusqlite::Result<bool> {
    const FROM: &str = "SELECT key, type, recorded, payload FROM payloads WHERE key >= ?1 ORDER BY key";
    let mut from = connection.prepare(FROM)?;
    let devices = names(connection).keys().max().copied().unwrap_or(DEVICES);
    let end = schema::key(devices, u64::MAX);
    let (mut next, mut failed) = (0, 0);
    while next <= end {
        let mut rows = from.query([next])?;
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(true),
                Err(error) if is_damage(&error) => break,
                Err(error) => return Err(error),
            };
            let fields = (|| -> rusqlite::Result<_> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) })();
            let Ok((key, kind, recorded)) = fields else { break };
            (next, failed) = (key + 1, 0);
            // A row whose payload cannot be read is skipped like a page that cannot.
            let Ok(payload) = row.get_ref(3).and_then(|value| Ok(value.as_blob()?)) else { continue };
            // Of a file that was cut short, pages that are not there read as nothing.
            if serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_err() {
                continue;
            }
            if !sink(key, kind, recorded, payload)? {
                return Ok(false);
            }
        }
        failed += 1;
        next = if failed < GIVE_UP { next + 1 } else { schema::key(schema::device(next) + 1, 0) };
        if failed >= GIVE_UP {
            failed = 0;
        }
    }
    Ok(true)
}
