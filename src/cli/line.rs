//! One event as one line for a person.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::journal::Entry;

/// The line of an event, without its end: when it was recorded (local time), device and sequence, type, what it says.
pub(super) fn line(entry: &Entry, zone: &TimeZone) -> String {
    let row = &entry.row;
    let clock = entry.recorded.to_zoned(zone.clone()).strftime("%H:%M:%S%.3f").to_string();
    let kind = format!("{}.{}", row.category, row.name);
    let mut line = format!("{clock}  {:<16} {:>8}  {kind:<27}", row.device.as_str(), format!("#{}", row.sequence));
    match serde_json::from_slice::<Value>(&row.payload) {
        Ok(event) => {
            let data = event.get("data").unwrap_or(&Value::Null);
            let said = said(&row.category, &row.name, data);
            if !said.is_empty() {
                let _ = write!(line, "  {said}");
            }
            happened(&mut line, &event, entry.recorded, zone);
        }
        Err(_) => line.push_str("  (its stored text cannot be read; `instrumentd journal check` looks why)"),
    }
    line
}

/// When it happened, where that is not about when it was recorded, and by which way it came in.
fn happened(line: &mut String, event: &Value, recorded: Timestamp, zone: &TimeZone) {
    let time: Option<Timestamp> = event.get("time").and_then(Value::as_str).and_then(|text| text.parse().ok());
    if let Some(time) = time.filter(|time| recorded.duration_since(*time).abs().as_secs() >= 60) {
        let _ = write!(line, "  (of {})", time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S"));
    }
    match event.get("ingest").and_then(Value::as_str) {
        None | Some("live") => {}
        Some(other) => {
            let _ = write!(line, "  {other}");
        }
    }
}

/// What the event says, in few words.
fn said(category: &str, name: &str, data: &Value) -> String {
    let mut words = Vec::new();
    match (category, name) {
        ("cultivation", "measured") => {
            text(&mut words, data, "well", "");
            number(&mut words, data, "cycle", "cycle ");
            text(&mut words, data, "channel", "");
            let unit = data.get("unit").and_then(Value::as_str).unwrap_or_default();
            match data.get("value").or_else(|| data.get("amplitude")).and_then(Value::as_f64) {
                Some(value) => words.push(format!("= {value} {unit}").trim_end().to_owned()),
                None => words.push("no value".to_owned()),
            }
            let quality = data.get("quality").and_then(Value::as_str).filter(|quality| *quality != "ok");
            words.extend(quality.map(|quality| format!("[{quality}]")));
            flags(&mut words, data);
        }
        ("cultivation", "cycle-completed") => {
            number(&mut words, data, "cycle", "cycle ");
            match data.get("complete").and_then(Value::as_bool) {
                Some(true) => words.push("complete".to_owned()),
                Some(false) => words.push("NOT complete".to_owned()),
                None => {}
            }
            text(&mut words, data, "reason", "");
            let defects = data.get("defects").and_then(Value::as_array).map_or(0, Vec::len);
            if defects > 0 {
                words.push(format!("{defects} defects"));
            }
            span(&mut words, data);
        }
        _ => {
            for member in ["well", "channel", "sensor", "name", "code", "reason", "text", "place"] {
                text(&mut words, data, member, "");
            }
            number(&mut words, data, "cycle", "cycle ");
            if let Some(run) = data.get("run") {
                text(&mut words, run, "name", "run ");
            }
            text(&mut words, data, "remedy", "-> ");
            span(&mut words, data);
        }
    }
    words.join(" ")
}

fn text(words: &mut Vec<String>, data: &Value, member: &str, before: &str) {
    if let Some(text) = data.get(member).and_then(Value::as_str).filter(|text| !text.is_empty()) {
        // One event is one line, whatever an instrument wrote.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        words.push(format!("{before}{text}"));
    }
}

fn number(words: &mut Vec<String>, data: &Value, member: &str, before: &str) {
    if let Some(number) = data.get(member).and_then(Value::as_f64) {
        words.push(format!("{before}{number}"));
    }
}

fn flags(words: &mut Vec<String>, data: &Value) {
    let flags = data.get("flags").and_then(Value::as_array).into_iter().flatten();
    words.extend(flags.filter_map(Value::as_str).map(|flag| format!("({flag})")));
}

fn span(words: &mut Vec<String>, data: &Value) {
    let sequence = |member| data.get(member).and_then(Value::as_u64);
    if let Some((first, last)) = sequence("first_sequence").zip(sequence("last_sequence")) {
        words.push(format!("#{first} to #{last}"));
    }
}
