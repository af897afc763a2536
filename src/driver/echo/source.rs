//! One file: held until it is whole, then told.

use instrument_proto::codec::echo::{Detection, Foreign, MAX_FILE, detect, is_whole, read};
use serde::{Deserialize, Serialize};

use super::{Context, Place, tell};
use crate::driver::{Effects, FileInput, Refusal, Request, SnapshotPart, SourceName};

/// The format of the snapshot. Another one means: read the file again.
const VERSION: u32 = 1;

/// What is kept of a file between two inputs: how much of it was told. What is not told yet is read again after a restart.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    told: Option<u64>,
}

enum Stage {
    /// What there is of it; not all, as far as its structure says.
    Reading(Vec<u8>),
    /// All of it was told.
    Told,
    /// It is none of ours.
    Refused,
    /// It waits to be read again.
    Stale,
}

pub(super) struct Source {
    name: SourceName,
    stage: Stage,
    /// Bytes taken.
    at: u64,
    /// Its structure said that it was whole, and there was more: only silence tells then.
    pub misled: bool,
    marked: bool,
}

impl Source {
    pub fn open(name: SourceName, snapshot: &[(String, Vec<u8>)], misled: bool, effects: &mut Effects) -> Self {
        let mut source = Self { name, stage: Stage::Reading(Vec::new()), at: 0, misled, marked: false };
        let Some((_, bytes)) = snapshot.iter().find(|(part, _)| part == "file") else { return source };
        match serde_json::from_slice::<Kept>(bytes).ok().filter(|kept| kept.version == VERSION) {
            Some(Kept { told: Some(at), .. }) => (source.stage, source.at) = (Stage::Told, at),
            _ => source.reread(effects),
        }
        source
    }

    /// Bytes that it holds.
    pub fn held(&self) -> usize {
        match &self.stage {
            Stage::Reading(held) => held.len(),
            _ => 0,
        }
    }

    /// Takes an input; `room`: how much it may hold.
    pub fn take(&mut self, input: &FileInput<'_>, context: &Context, room: usize, effects: &mut Effects) {
        match input {
            FileInput::Bytes { offset, bytes } => self.bytes(*offset, bytes, context, room, effects),
            FileInput::Head(_) if matches!(self.stage, Stage::Stale | Stage::Refused) => {}
            FileInput::Head(_) => self.reread(effects),
            FileInput::Settled => self.silent(false, context, effects),
            FileInput::Ended => self.silent(true, context, effects),
            FileInput::Opened { .. } | FileInput::Member { .. } | FileInput::Gone => {}
        }
    }

    fn reread(&mut self, effects: &mut Effects) {
        self.stage = Stage::Stale;
        effects.requests.push(Request::Reread(self.name.clone()));
    }

    fn bytes(&mut self, offset: u64, bytes: &[u8], context: &Context, room: usize, effects: &mut Effects) {
        match &mut self.stage {
            Stage::Refused | Stage::Stale => return,
            Stage::Told if offset == self.at && bytes.iter().all(u8::is_ascii_whitespace) => {
                self.at += bytes.len() as u64;
                return self.keep(Some(self.at), effects);
            }
            Stage::Told => {
                self.misled = true;
                return self.reread(effects);
            }
            Stage::Reading(_) if offset != self.at => return self.reread(effects),
            Stage::Reading(held) => held.extend_from_slice(bytes),
        }
        self.at += bytes.len() as u64;
        let Stage::Reading(held) = &self.stage else { return };
        if held.len() > MAX_FILE {
            let reason = format!("it is larger than {} MB, which no report is", MAX_FILE >> 20);
            return self.refuse("too-large", reason, "take it out of the folder", effects);
        }
        if held.len() > room {
            let reason = "too many files in the folder are unfinished at once".to_owned();
            return self.refuse("too-much-unfinished", reason, "take out what is no report, then restart", effects);
        }
        match detect(held, false) {
            Detection::Found(format) if is_whole(held, format) && !self.misled => self.tell(context, effects),
            Detection::Found(_) | Detection::More => {
                if !std::mem::replace(&mut self.marked, true) {
                    self.keep(None, effects);
                }
            }
            Detection::Foreign(foreign) => self.foreign(foreign, effects),
        }
    }

    /// Nothing more comes for now, or, at the `end`, at all.
    fn silent(&mut self, end: bool, context: &Context, effects: &mut Effects) {
        let Stage::Reading(held) = &self.stage else { return };
        match detect(held, end) {
            Detection::Found(_) => self.tell(context, effects),
            Detection::Foreign(foreign) => self.foreign(foreign, effects),
            // Its first line is not there yet.
            Detection::More => {}
        }
    }

    fn tell(&mut self, context: &Context, effects: &mut Effects) {
        let Stage::Reading(held) = std::mem::replace(&mut self.stage, Stage::Told) else { return };
        match read(&held) {
            Ok(document) => {
                tell(&document, &Place::new(&self.name, &held), context, effects);
                self.keep(Some(self.at), effects);
            }
            Err(foreign) => self.foreign(foreign, effects),
        }
    }

    fn keep(&self, told: Option<u64>, effects: &mut Effects) {
        // Numbers only: this cannot fail. Should it, what cannot be read leads to reading the file again.
        let bytes = serde_json::to_vec(&Kept { version: VERSION, told }).unwrap_or_default();
        effects.snapshots.push(SnapshotPart { source: self.name.clone(), part: "file", bytes });
    }

    fn refuse(&mut self, code: &'static str, reason: String, remedy: &str, effects: &mut Effects) {
        self.stage = Stage::Refused;
        effects.refused.push((self.name.clone(), Refusal { code, reason, remedy: remedy.to_owned() }));
    }

    fn foreign(&mut self, foreign: Foreign, effects: &mut Effects) {
        let ours =
            "a survey xml (`<platesurvey>`), a transfer xml (`<transfer>`) or a report (`Run ID,…` or `<report>`)";
        let (code, reason, remedy) = match foreign {
            Foreign::Picklist => (
                "picklist",
                "it is a picklist, which says what was to be transferred and not what was".to_owned(),
                "give the report that the run left",
            ),
            Foreign::Workbook => (
                "workbook",
                "it is a workbook or an archive, whatever its name says".to_owned(),
                "give the csv or xml as the instrument wrote it: a spreadsheet damages its times",
            ),
            Foreign::Labware => (
                "labware",
                "it describes plate types and no plate".to_owned(),
                "take it out of the folder; nothing of it is needed",
            ),
            Foreign::Empty => ("empty", "it is empty".to_owned(), "give the file as the instrument wrote it"),
            Foreign::OtherXml | Foreign::Binary | Foreign::OtherText => {
                let what = match foreign {
                    Foreign::OtherXml => "xml of something else",
                    Foreign::Binary => "no text",
                    _ => "some other text",
                };
                ("not-an-echo-file", format!("it is {what}, and not {ours}"), "take it out of the folder")
            }
        };
        self.refuse(code, reason, remedy, effects);
    }
}
