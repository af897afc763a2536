//! What acquisition events say: the `data` of the `acquisition.*` types.
//!
//! An acquisition is one set of files that a mass spectrometer's software wrote. What identifies it stands in its content;
//! its name and place are where it was seen last.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Well;

/// An ontology term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Term {
    /// Its CURIE, `MS:1003293` for instance.
    pub id: String,
    /// Its label.
    pub label: String,
}

/// Which acquisition an event is about, and where its files are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileSetRef {
    /// Our id, derived from the device and the instrument's own identity of the acquisition.
    pub id: Uuid,
    /// The name that its files have in common, without the folder.
    pub name: String,
    /// The configured name of the root that the paths are relative to.
    pub root: String,
    /// The path of its main file, relative to the root, `/` between folders.
    pub path: String,
    /// The revision of its content: 1, and one more for each time that it changed after it was complete.
    pub revision: u32,
    /// What is weak about its identity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<SetFlag>,
}

/// What is weak about an acquisition's identity or times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SetFlag {
    /// The files hold no identity that can be read: it is a digest of their beginnings.
    ContentKey,
    /// The offset between the file's local time and its UTC time is not the one that the device's declared zone has then.
    ZoneConflict,
}

/// A file set, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileSet {
    /// Which acquisition, where.
    #[serde(flatten)]
    pub set: FileSetRef,
    /// Where a reader finds the root, as configured: a URL or a path on the subscriber's side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Its files, in the order of their kinds.
    pub members: Vec<Member>,
}

impl FileSet {
    /// Where its main file is, for the envelope's `dataref`; `None` without a configured base.
    pub fn reference(&self) -> Option<String> {
        let base = self.base.as_deref()?;
        Some(format!("{}/{}", base.trim_end_matches('/'), self.set.path))
    }
}

/// One file of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Member {
    /// Its path, relative to the root of the set.
    pub path: String,
    /// Its root, where that is another one than the set's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Its size, in bytes.
    pub size: u64,
    /// When it was last written, by the clock of the machine that holds it.
    pub mtime: Timestamp,
    /// The SHA-256 of its content, in lower-case hexadecimal; absent where it was not, or not yet, read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The ontology term of its format; absent where no ontology has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Term>,
}

/// A rule that took part in a decision, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Evidence {
    /// The rule's name; `docs/acquisitions.md` lists them.
    pub rule: &'static str,
    /// What it found, in words, with the numbers.
    pub text: String,
}

/// Something that keeps an acquisition from being whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// A short name; `docs/acquisitions.md` lists them.
    pub code: &'static str,
    /// What was found, in words.
    pub text: String,
    /// The file that it is about, relative to the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The bytes that there should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_bytes: Option<u64>,
    /// The bytes that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_bytes: Option<u64>,
}

/// Something that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unknown {
    /// The field of the event that is therefore absent.
    pub field: String,
    /// Why.
    pub reason: String,
}

/// The mass spectrometer, as the files name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Instrument {
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model's ontology term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
    /// The serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The firmware's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// The computer that wrote the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub computer: Option<String>,
}

/// The software that wrote the files, as they name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Software {
    /// Name and version as written.
    pub name: String,
    /// Its ontology term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
}

/// How the mass spectrometer was told to measure.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Mode {
    /// `ms1`, `dda`, `dia`, `prm`, `srm`, or `unknown`.
    pub kind: &'static str,
    /// Of `dia`: `swath` or `zt-scan`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<&'static str>,
    /// The mode's ontology term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
    /// The vendor's word for it, or what of the method told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// The isolation windows of a `swath`, in the order of the method.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
}

/// An isolation window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Window {
    /// Its lower end, m/z.
    pub lower_mz: f64,
    /// Its upper end, m/z.
    pub upper_mz: f64,
}

/// The polarity of the ions measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Polarity {
    /// `positive`, `negative`, `mixed`, or `unknown`.
    pub value: &'static str,
    /// Its ontology term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
}

/// `acquisition.started`: a new acquisition was seen and knows who it is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Started {
    /// Which.
    pub file_set: FileSetRef,
    /// When its first sample began, in UTC by the instrument's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// The same as the instrument's local clock showed it, with the offset that follows from the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument_time: Option<String>,
    /// The mass spectrometer.
    pub instrument: Instrument,
    /// What wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<Software>,
    /// How many samples are to come, where a batch file says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_samples: Option<u32>,
}

/// `acquisition.progressed`: more was measured, or the measured is being converted.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Progressed {
    /// Which.
    pub file_set: FileSetRef,
    /// `acquiring` or `converting`.
    pub state: &'static str,
    /// Samples begun so far.
    pub samples: u32,
    /// The run time of the last one, by its index, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_s: Option<f64>,
    /// The records in its index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scans: Option<u64>,
    /// The bytes of all its files.
    pub bytes: u64,
}

/// `acquisition.sample-completed`: one injection, or on an Echo MS one plate run, is over and its data are there.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SampleCompleted {
    /// In which acquisition.
    pub file_set: FileSetRef,
    /// The place of the injection in the file, from 1; not a sample id.
    pub index: u32,
    /// The sample's name as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The sample's id as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_id: Option<String>,
    /// The comment as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The acquisition method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The batch that it was part of, as the file names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acquisition_batch: Option<String>,
    /// When it began, in UTC by the instrument's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// The same as the instrument's local clock showed it, with the offset that follows from the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument_time: Option<String>,
    /// When it ended; from the run log, else the last scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// From start to end, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// The injected volume, microlitres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub injection_volume_ul: Option<f64>,
    /// The rack as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// The plate as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<String>,
    /// The vial position as the instrument's software wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position_raw: Option<String>,
    /// The well that it is; only by a configured numbering rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub well: Option<Well>,
    /// The numbering rule that made the well of the position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub well_rule: Option<String>,
    /// How it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The polarity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polarity: Option<Polarity>,
    /// `complete` or `aborted`.
    pub status: &'static str,
    /// The rules that say that it is over.
    pub evidence: Vec<Evidence>,
    /// What cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unknown>,
}

/// `acquisition.completed` and `acquisition.aborted`: the files are whole, unaltered since they were hashed, and nothing more is expected.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Ended {
    /// The files.
    pub file_set: FileSet,
    /// The number of samples in it.
    pub samples: u32,
    /// The samples that were aborted, by their index.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aborted_samples: Vec<u32>,
    /// The rules that decided.
    pub evidence: Vec<Evidence>,
    /// When the first sample began, in UTC by the instrument's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// The same as the instrument's local clock showed it, with the offset that follows from the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument_time: Option<String>,
    /// When the last sample ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The mass spectrometer.
    pub instrument: Instrument,
    /// What wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<Software>,
    /// How it was measured; `unknown` where the samples differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The polarity; `mixed` where the samples differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polarity: Option<Polarity>,
    /// The batch that it was part of, as the file names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acquisition_batch: Option<String>,
    /// The ontology terms of what this is: the assay, the checksums.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<Term>,
    /// What cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unknown>,
}

/// `acquisition.incomplete`: nothing came for a long time, and what is there is not whole.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Incomplete {
    /// The files as far as they are there.
    pub file_set: FileSet,
    /// The number of samples in it, where that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// What is missing or wrong, with the numbers.
    pub problems: Vec<Problem>,
    /// The rules that decided.
    pub evidence: Vec<Evidence>,
}

/// `acquisition.reopened`: it changed after it was complete. A further end follows, with the next revision.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Reopened {
    /// Which; its revision is the one to come.
    pub file_set: FileSetRef,
    /// What changed.
    pub changes: Vec<Change>,
    /// The rules that decided.
    pub evidence: Vec<Evidence>,
}

/// How one file of a set changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// The file, relative to the root.
    pub path: String,
    /// `grew`, `shrank`, `rewritten`, `added` or `removed`.
    pub what: &'static str,
    /// Its size before, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_before: Option<u64>,
    /// Its size now, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// `acquisition.relocated`: files of it were renamed or moved; their content is the same.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Relocated {
    /// The files where they are now.
    pub file_set: FileSet,
    /// What moved.
    pub moves: Vec<Move>,
    /// How it is known that the content is the same: `file-identity` (the same file of the same size and time) or `sha256`.
    pub verified_by: &'static str,
}

/// One file that moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Move {
    /// Where it was.
    pub from: Place,
    /// Where it is.
    pub to: Place,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// The configured name of the root.
    pub root: String,
    /// The path relative to it.
    pub path: String,
}
