//! `instrumentd events`.

use std::io::{ErrorKind, IsTerminal as _, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::glob;
use super::journal::Place;
use super::line::line;
use crate::config::nearest::nearest;
use crate::event::{DeviceId, EventType};
use crate::journal::{Entry, History};

/// Read the journal, also while the daemon runs: what happened, in the order in which it was recorded.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Only of this device.
    #[arg(long, value_name = "ID")]
    device: Option<DeviceId>,
    /// Only of these types: `cultivation.measured`, `device.*`, `*.cycle-*`. Can be given several times.
    #[arg(long = "type", value_name = "PATTERN")]
    types: Vec<String>,
    /// Only events with a larger sequence than this; sequences count for each device.
    #[arg(long, value_name = "N", default_value_t = 0)]
    after_seq: u64,
    /// Only events recorded since: a moment (2026-11-20T02:00, local unless it says otherwise), a time of today (02:00)
    /// or how long ago (90s, 2h, 3d).
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Go on with what is recorded from now on, until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// One line for a person, or the events as they are published, one JSON object on a line.
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Pretty,
    Ndjson,
}

const EXAMPLES: &str = "\
Examples:
  what happened in the last two hours:
    instrumentd events --config instrumentd.toml --since 2h
  connections, faults and gaps only:
    instrumentd events --config instrumentd.toml --type 'device.*'
  watch one instrument:
    instrumentd events --config instrumentd.toml --device bl-1 --follow
  a table of readings:
    instrumentd events --journal /var/lib/instrumentd/journal.db \\
      --format ndjson --type cultivation.measured |
      jq -r '[.time, .data.well, .data.value] | @csv'

The journal is only read. Times in the pretty format are local; events whose
payload retention has removed are left out.";

/// Between two looks for new events when following: soon enough for a person, rare enough for an idle machine.
const LOOK: Duration = Duration::from_millis(250);

/// Runs it.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut history = History::open(&arguments.place.path()?)?;
    if let Some(device) = &arguments.device {
        let known = history.devices()?;
        // While following it may still come.
        if !arguments.follow && !known.iter().any(|status| status.device == *device) {
            let names: Vec<&str> = known.iter().map(|status| status.device.as_str()).collect();
            anyhow::bail!("the journal has no events of a device `{device}`; it has some of: {}", names.join(", "));
        }
    }
    for pattern in &arguments.types {
        is_a_type(pattern)?;
    }
    let mut out = std::io::stdout().lock();
    match print(&arguments, &mut history, &mut out) {
        Err(error) if is_closed_pipe(&error) => Ok(ExitCode::SUCCESS),
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

/// A typo would look like a quiet night.
fn is_a_type(pattern: &str) -> anyhow::Result<()> {
    let names: Vec<&str> = EventType::ALL.iter().map(|known| known.short()).collect();
    let fits = |known: &EventType| glob::matches(pattern, known.short()) || glob::matches(pattern, known.full());
    if EventType::ALL.iter().any(fits) {
        return Ok(());
    }
    let meant = nearest(pattern, names.iter().copied()).map(|name| format!("; did you mean `{name}`?"));
    anyhow::bail!(
        "there is no event type `{pattern}`{} `instrumentd schema event --list` lists them, `*` stands for any characters",
        meant.as_deref().unwrap_or(";")
    )
}

fn print(arguments: &Arguments, history: &mut History, out: &mut impl Write) -> anyhow::Result<()> {
    let zone = TimeZone::system();
    let mut day = None;
    let mut cursor = history.cursor(arguments.device.clone(), arguments.after_seq, arguments.since);
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut buffer = std::io::BufWriter::new(out);
    loop {
        while let Some(entry) = history.next(&mut cursor)? {
            if !is_wanted(&arguments.types, &entry) {
                continue;
            }
            if arguments.format == Format::Ndjson {
                buffer.write_all(&entry.row.payload)?;
                buffer.write_all(b"\n")?;
                continue;
            }
            let date = entry.recorded.to_zoned(zone.clone()).date();
            if day.replace(date) != Some(date) {
                writeln!(buffer, "--- {date} ({}) ---", zone.iana_name().unwrap_or("local time"))?;
            }
            match mark(&entry).filter(|_| colour) {
                Some(mark) => writeln!(buffer, "\x1b[{mark}m{}\x1b[0m", line(&entry, &zone))?,
                None => writeln!(buffer, "{}", line(&entry, &zone))?,
            }
        }
        buffer.flush()?;
        if !arguments.follow {
            return Ok(());
        }
        // Nothing in this process happens meanwhile: the writer is another one, and SQLite does not tell readers.
        std::thread::park_timeout(LOOK);
    }
}

fn is_wanted(types: &[String], entry: &Entry) -> bool {
    let (category, name) = (&entry.row.category, &entry.row.name);
    let short = format!("{category}.{name}");
    let matches =
        |pattern: &String| glob::matches(pattern, &short) || glob::matches(pattern, &format!("instrumentd.{short}.v1"));
    types.is_empty() || types.iter().any(matches)
}

/// The terminal's colour for what a person should see first.
fn mark(entry: &Entry) -> Option<&'static str> {
    match (&*entry.row.category, &*entry.row.name) {
        ("device", "gap" | "faulted") => Some("31"),
        ("device", "disconnected") => Some("33"),
        ("device", "connected" | "recovered") => Some("32"),
        ("cultivation", "measured") => None,
        _ => Some("1"),
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// A moment, a time of today, or how long ago.
fn moment(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let zone = TimeZone::system();
    let local = |when: jiff::civil::DateTime| when.to_zoned(zone.clone()).map(|zoned| zoned.timestamp());
    if let Ok(when) = text.parse::<jiff::civil::DateTime>() {
        return Ok(local(when)?);
    }
    let now = Timestamp::now();
    if let Ok(time) = text.parse::<jiff::civil::Time>() {
        return Ok(local(now.to_zoned(zone.clone()).date().to_datetime(time))?);
    }
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(at);
    let seconds = match unit {
        "s" => Some(1i64),
        "m" | "min" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let ago = seconds.zip(count.parse::<i64>().ok()).and_then(|(seconds, count)| seconds.checked_mul(count));
    let ago = ago.with_context(|| {
        format!(
            "`{text}` is no time: write 2026-11-20T02:00, 2026-11-20T02:00:00Z, 02:00, or how long ago: 90s, 2h, 3d"
        )
    })?;
    Ok(now.checked_sub(SignedDuration::from_secs(ago))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_absolute_local_or_ago() {
        let at = moment("2026-11-20T02:00:00Z").expect("a moment");
        assert_eq!(at.to_string(), "2026-11-20T02:00:00Z");
        assert!(moment("2026-11-20T02:00").is_ok() && moment("2026-11-20").is_ok() && moment("02:00").is_ok());
        let ago = moment("2h").expect("a duration");
        let error = Timestamp::now().duration_since(ago) - SignedDuration::from_hours(2);
        assert!(error.abs() < SignedDuration::from_mins(5), "{error}");
        for wrong in ["", "h", "yesterday", "2x", "99999999999999999d"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
