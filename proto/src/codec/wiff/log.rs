//! The run log of a sample, and what the mass spectrometer says of itself there.

use super::fields::{Fields, utf16};
use super::model::{Instrument, LogEntry, RunLog};
use super::reason::{Known, Unknown};

/// Entries that are kept as the last ones.
const LAST: usize = 4;

/// Reads a log and the instrument's introduction in it.
pub(super) fn run_log(stream: &str, bytes: &[u8]) -> (Known<RunLog>, Known<Instrument>) {
    let mut fields = Fields::new(stream, bytes, 0x24);
    let declared = match fields.u32("number of entries") {
        Ok(declared) => declared,
        Err(why) => return (Err(why.clone()), Err(why)),
    };
    let mut log = RunLog { declared, read: 0, end: None, abort: None, last: Vec::new(), cut: None };
    let mut instrument = None;
    while log.read < declared {
        match entry(&mut fields) {
            Ok((entry, text)) => {
                take(&mut log, entry, &text);
                if instrument.is_none() {
                    instrument = introduction(&text);
                }
            }
            Err(why) => {
                log.cut = Some(why);
                break;
            }
        }
    }
    let missing = || match &log.cut {
        Some(why) => why.clone(),
        None => Unknown::NotStated("no entry of the run log introduces the mass spectrometer".to_owned()),
    };
    let instrument = instrument.ok_or_else(missing);
    (Ok(log), instrument)
}

fn entry(fields: &mut Fields<'_>) -> Known<(LogEntry, String)> {
    let sequence = fields.u32("log entry")?;
    let at_ms = fields.u32("time of a log entry")?;
    fields.u32("kind of a log entry")?;
    let length = fields.u16("log entry")?;
    let text = utf16(fields.take(usize::from(length), "text of a log entry")?);
    let kept: String = text.trim_end().chars().take(LogEntry::MAX_TEXT).collect();
    Ok((LogEntry { sequence, at_ms, text: kept }, text))
}

fn take(log: &mut RunLog, entry: LogEntry, text: &str) {
    log.read += 1;
    let head = text.to_ascii_lowercase();
    if log.abort.is_none() && head.contains("aborting acquisition") {
        log.abort = Some(entry.clone());
    }
    if head.contains("end of run") {
        log.end = Some(entry.clone());
    }
    if log.last.len() == LAST {
        log.last.remove(0);
    }
    log.last.push(entry);
}

/// Reads "Mass Spectrometer:QTRAP 5500:0:,Config Table Version: 04, Firmware Version: …, Serial Number: …".
fn introduction(text: &str) -> Option<Instrument> {
    let rest = text.trim_start();
    let head = "mass spectrometer:";
    if !rest.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head)) {
        return None;
    }
    let (first, parts) = rest[head.len()..].split_once(',')?;
    let mut instrument = Instrument::default();
    for part in parts.split(',') {
        let Some((key, value)) = part.split_once(':') else { continue };
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let place = match key.trim().to_ascii_lowercase().as_str() {
            "component id" => &mut instrument.name,
            "model" => &mut instrument.model_number,
            "manufacturer" => &mut instrument.manufacturer,
            "serial number" => &mut instrument.serial,
            "firmware version" => &mut instrument.firmware,
            _ => continue,
        };
        if place.is_none() && !value.is_empty() {
            *place = Some(value);
        }
    }
    if instrument.serial.is_none() && instrument.firmware.is_none() {
        return None;
    }
    if instrument.name.is_none() {
        let name = first.split(':').next().unwrap_or_default().trim();
        instrument.name = (!name.is_empty()).then(|| name.to_owned());
    }
    instrument.model = instrument.name.as_deref().map(model);
    Some(instrument)
}

/// A model's name in the one spelling that can be compared.
fn model(name: &str) -> String {
    let joined: String = name.chars().filter(|letter| !letter.is_whitespace()).collect();
    let joined = joined.to_uppercase();
    joined.strip_suffix("SYSTEM").unwrap_or(&joined).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruments_introduce_themselves() {
        let zeno = "Mass Spectrometer: ZenoTOF 7600 System,Firmware Version: MC01.2,Component Id: ZenoTOF 7600 System,\
                    Manufacturer: AB Sciex Instruments,Serial Number: FB123456,Source Housing: OptiFlow";
        let zeno = introduction(zeno).expect("an introduction");
        assert_eq!(zeno.model.as_deref(), Some("ZENOTOF7600"));
        assert_eq!(zeno.serial.as_deref(), Some("FB123456"));
        assert_eq!(
            introduction("Mass Spectrometer:QTRAP 5500:0:,Start of Run - Detailed Status,Vacuum Status:\t Ok"),
            None
        );
        assert_eq!(introduction("ExionLC Column Oven, Serial#: AB2CT5350014"), None);
    }
}
