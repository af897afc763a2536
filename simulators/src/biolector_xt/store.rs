//! What the instrument stores: protocols, and experiments with their zips.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use serde_json::Value;

use crate::biolector::xt_members::{archive, log, members, meta, protocol_file, protocol_id, seed_name};
use crate::biolector::{BiolectorRun, Change, Quirk, Settings};

/// The largest protocol that is taken.
pub(super) const LARGEST_PROTOCOL: usize = 16 << 20;

/// A protocol that can be started.
#[derive(Debug, Clone)]
pub(super) struct Protocol {
    pub id: String,
    pub name: String,
    pub file: Vec<u8>,
    /// What it measures.
    pub settings: Settings,
}

/// An experiment that was started.
#[derive(Debug, Clone)]
pub(super) struct Experiment {
    pub id: String,
    pub protocol: String,
    /// `<process>_<protocol>`.
    pub name: String,
    pub start: DateTime,
    /// `None` while it runs.
    pub content: Option<Content>,
}

/// Of what the zip of an experiment is made.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A run that took place: its settings, its table, and when it ended.
    Run { settings: Settings, table: Vec<u8>, end: Option<DateTime> },
    /// A run from before, made up when somebody wants it.
    Past(Settings),
}

impl Protocol {
    /// The protocol that measures what the settings say.
    pub fn of(settings: &Settings) -> Protocol {
        let id = protocol_id(settings);
        let settings = Settings { protocol_id: Some(id.clone()), ..settings.clone() };
        Protocol { id, name: settings.protocol.clone(), file: protocol_file(&settings), settings }
    }

    /// The same with microfluidics: 32 wells, fed from 16 reservoirs.
    pub fn microfluidic(settings: &Settings) -> Protocol {
        let mut quirks: BTreeSet<Quirk> = settings.quirks.clone();
        quirks.insert(Quirk::Microfluidic);
        let protocol = format!("{}_MF32", settings.protocol);
        let seed = settings.seed ^ 0x32;
        Protocol::of(&Settings { protocol, quirks, seed, wells: settings.wells.min(32), ..settings.clone() })
    }

    /// A protocol that was uploaded. What it says of name, cycle time, channels and wells is measured, as far as the simulated world
    /// has it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(file: Vec<u8>, base: &Settings) -> Result<Protocol, String> {
        let text = std::str::from_utf8(&file).map_err(|error| format!("the protocol is not UTF-8: {error}"))?;
        let json: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| format!("the protocol is not JSON: {error}"))?;
        let word = |key: &str| json[key].as_str().map(str::to_owned).filter(|word| !word.is_empty());
        let id = word("Id").ok_or("the protocol has no Id")?;
        let name = word("Name").ok_or("the protocol has no Name")?;
        let length = |value: &Value| value.as_array().and_then(|list| u32::try_from(list.len()).ok());
        let filtersets = length(&json["Channels"]).ok_or("the protocol has no Channels")?;
        let wells = length(&json["Layout"]["MeasuredCultivationLabels"]).unwrap_or(base.wells);
        let cycle_seconds = match word("CycleTime") {
            Some(text) => clock(&text).ok_or_else(|| format!("CycleTime '{text}' is not hours:minutes:seconds"))?,
            None => base.cycle_seconds,
        };
        let mut settings =
            Settings { protocol: name.clone(), protocol_id: Some(id.clone()), filtersets, wells, ..base.clone() };
        settings.cycle_seconds = cycle_seconds;
        if json["Microplate"]["Id"] == 3 {
            settings.quirks.insert(Quirk::Microfluidic);
        }
        settings.check().map_err(|error| error.to_string())?;
        Ok(Protocol { id, name, file, settings })
    }
}

/// Seconds of `00:15:00`.
fn clock(text: &str) -> Option<u32> {
    let mut parts = text.split(':').map(|part| part.parse::<u32>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)
}

impl Content {
    /// The zip.
    ///
    /// # Errors
    /// None that a memory buffer can cause; the zip writer's own are passed on.
    pub fn zip(&self) -> zip::result::ZipResult<Vec<u8>> {
        match self {
            Content::Run { settings, table, end } => {
                let seed = seed_name(settings);
                let mut all = vec![
                    (format!("{seed}.log"), log(settings, *end)),
                    (format!("{seed}.meta"), meta(settings, *end)),
                    (format!("{seed}.csv"), table.clone()),
                ];
                all.extend(members(settings));
                archive(settings, &all)
            }
            Content::Past(settings) => {
                let wanted = format!("{}.zip", seed_name(settings));
                let run = BiolectorRun::new(settings.clone()).ok();
                let zip = run.into_iter().flatten().find_map(|step| match step.change {
                    Change::Replace { file, bytes } if file == wanted => Some(bytes),
                    _ => None,
                });
                zip.ok_or(zip::result::ZipError::FileNotFound)
            }
        }
    }
}
