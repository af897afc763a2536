//! A damaged journal: telling what is wrong, and making a new one of what can be read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, params_from_iter};

use super::check::{self, Findings, Survey};
use super::desk::take_lock;
use super::open::{OpenError, beside};
use super::schema;

/// What a check of a journal says.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What is wrong with the file.
    pub findings: Findings,
    /// What of its events can be read.
    pub survey: Survey,
}

/// Looks through the whole journal, as long as it takes. Changes nothing; a daemon may have it open.
pub fn examine(path: &Path) -> Result<Report, OpenError> {
    if let Err(source) = std::fs::metadata(path) {
        return Err(OpenError::Io { path: path.to_owned(), source });
    }
    let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let connection = schema::connect_salvager(path).map_err(sqlite)?;
    let findings = match check::quick_check(&connection, Duration::MAX) {
        Ok(findings) => findings,
        Err(error) if check::is_damage(&error) => Findings { wrong: vec![error.to_string()], complete: true },
        Err(error) => return Err(sqlite(error)),
    };
    let survey = match check::survey(path, Duration::MAX) {
        Ok(survey) => survey,
        // Not even the list of tables can be read.
        Err(error) if is_unreadable(&error) => Survey { devices: Vec::new(), complete: true },
        Err(error) => return Err(sqlite(error)),
    };
    Ok(Report { findings, survey })
}

fn is_unreadable(error: &rusqlite::Error) -> bool {
    check::is_damage(error) || error.sqlite_error_code() == Some(ErrorCode::Unknown)
}

/// What a recovery did.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// Where the damaged file is now.
    pub kept: PathBuf,
    /// What the new journal holds.
    pub survey: Survey,
    /// Tables of which not everything could be read, with how many rows could.
    pub incomplete: Vec<(&'static str, u64)>,
}

/// Tables beside `payloads`: the columns, the first ones of which order the rows.
const TABLES: [(&str, &str, &str); 11] = [
    ("journal", "name, value", "name"),
    ("types", "number, category, name", "number"),
    ("devices", "number, device, source, last, retired", "number"),
    ("ids", "locality, id, key, content, type, time, recorded", "locality, id"),
    ("facts", "run, minute, about, key, at, way, id, figures, paired", "run, minute, about, key"),
    ("scopes", "device, run, cycle, first, last", "device, run, cycle"),
    ("sources", "device, link, source, part, value", "device, link, source, part"),
    ("notes", "device, name, value", "device, name"),
    ("brokers", "broker, since", "broker"),
    ("positions", "broker, device, sequence", "broker, device"),
    ("dead_letters", "broker, device, sequence, reason, at", "broker, device, sequence"),
];

/// Moves the damaged journal aside and puts one in its place that holds what can be read of it. No daemon may have it
/// open. The new journal gets a new id at its next start when it holds fewer events than the old one had. Where nothing can
/// be read, it is empty.
pub fn recover(path: &Path) -> Result<Recovered, OpenError> {
    let _lock = take_lock(path)?;
    let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    let fresh = beside(path, "recovering");
    remove_journal(&fresh).map_err(io(&fresh))?;
    let old = schema::connect_salvager(path).map_err(sqlite)?;
    let mut new = schema::connect_writer(&fresh).map_err(sqlite)?;
    schema::migrate(&mut new).map_err(sqlite)?;
    let incomplete = copy(&old, &new).map_err(sqlite)?;
    schema::checkpoint(&new, "TRUNCATE").map_err(sqlite)?;
    drop((old, new));
    let survey = check::survey(&fresh, Duration::MAX).map_err(sqlite)?;
    let kept = beside(path, &format!("corrupt-{}", Timestamp::now().strftime("%Y%m%dT%H%M%SZ")));
    for suffix in ["-wal", "-shm"] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&kept, suffix));
        if from.exists() {
            std::fs::rename(&from, to).map_err(io(&from))?;
        }
    }
    std::fs::rename(path, &kept).map_err(io(path))?;
    std::fs::rename(&fresh, path).map_err(io(&fresh))?;
    remove_journal(&fresh).map_err(io(&fresh))?;
    Ok(Recovered { kept, survey, incomplete })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_journal(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        match std::fs::remove_file(with_suffix(path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Copies what can be read; names the tables of which something could not.
fn copy(old: &Connection, new: &Connection) -> rusqlite::Result<Vec<(&'static str, u64)>> {
    new.execute_batch("BEGIN IMMEDIATE")?;
    let mut incomplete = Vec::new();
    // Where even that cannot be read, every table is tried.
    let version = old.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)).unwrap_or(schema::VERSION);
    let is_there = |table: &str| table != "facts" || version >= 3;
    for (table, columns, order) in TABLES.into_iter().filter(|(table, ..)| is_there(table)) {
        let (rows, whole) = copy_table(old, new, table, columns, order)?;
        if !whole {
            incomplete.push((table, rows));
        }
    }
    {
        let mut insert = new.prepare("INSERT OR IGNORE INTO payloads VALUES(?1, ?2, ?3, ?4)")?;
        match check::payloads(old, &mut |key, kind, recorded, payload| {
            insert.execute((key, kind, recorded, payload))?;
            Ok(true)
        }) {
            Ok(_) => {}
            Err(error) if is_unreadable(&error) => incomplete.push(("payloads", 0)),
            Err(error) => return Err(error),
        }
    }
    // A device whose name is lost keeps its rows, under a name that says so.
    new.execute_batch(
        "INSERT OR IGNORE INTO devices(number, device) SELECT DISTINCT key >> 40, 'recovered-' || (key >> 40) FROM payloads;
         COMMIT",
    )?;
    Ok(incomplete)
}

/// Copies a table from its start, and, where that ends at a damaged page, from its end too.
fn copy_table(
    old: &Connection,
    new: &Connection,
    table: &str,
    columns: &str,
    order: &str,
) -> rusqlite::Result<(u64, bool)> {
    let count = columns.split(',').count();
    let marks = vec!["?"; count].join(", ");
    let mut insert = new.prepare(&format!("INSERT OR REPLACE INTO {table}({columns}) VALUES({marks})"))?;
    let backwards = order.split(", ").map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", ");
    let mut copied = 0;
    for direction in [order, &backwards] {
        let whole = match old.prepare(&format!("SELECT {columns} FROM {table} ORDER BY {direction}")) {
            Ok(mut select) => copy_rows(&mut select, &mut insert, count, &mut copied)?,
            Err(error) if is_unreadable(&error) => false,
            Err(error) => return Err(error),
        };
        if whole {
            return Ok((copied, true));
        }
    }
    Ok((copied, false))
}

/// False where a damaged page ended it.
fn copy_rows(
    select: &mut rusqlite::Statement<'_>,
    insert: &mut rusqlite::Statement<'_>,
    count: usize,
    copied: &mut u64,
) -> rusqlite::Result<bool> {
    let mut rows = select.query([])?;
    loop {
        match rows.next() {
            Ok(None) => return Ok(true),
            Ok(Some(row)) => {
                let values: rusqlite::Result<Vec<Value>> = (0..count).map(|column| row.get(column)).collect();
                // What the table's types refuse was damaged; it is left out.
                if values.is_ok_and(|values| insert.execute(params_from_iter(values)).is_ok()) {
                    *copied += 1;
                }
            }
            Err(error) if check::is_damage(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
