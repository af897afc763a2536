//! What is acquired, how fast, and how it comes to where the daemon looks.

use std::collections::BTreeSet;

use instrument_proto::codec::wiff::{Layout, ModeKind, Polarity, Version};
use jiff::Timestamp;
use jiff::tz::Offset;

use super::echo;
use super::fault::Fault;

/// A queue of acquisitions.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The seed of everything random: the same settings give the same bytes.
    pub seed: u64,
    /// When the first acquisition begins, by the instrument's clock.
    pub start: Timestamp,
    /// The distance of that clock's zone from UTC.
    pub offset: Offset,
    /// The folder of the data, relative to where the player writes; parts separated by `/`, empty for none. SCIEX OS: `<project>/Data`.
    pub folder: String,
    /// The acquisitions, in the order of the queue.
    pub files: Vec<FilePlan>,
    /// The generation of the container.
    pub version: Version,
    /// Where the data are.
    pub layout: Layout,
    /// What kind of acquisition.
    pub mode: ModeKind,
    /// Which ions.
    pub polarity: Polarity,
    /// The acquisition method's file.
    pub method: String,
    /// Seconds from one scan to the next.
    pub scan_seconds: f64,
    /// Bytes of data of a scan; with transitions four for each of them.
    pub scan_bytes: u32,
    /// Seconds from one write to the files to the next.
    pub write_seconds: f64,
    /// Quiet seconds between two samples of a file.
    pub pause_seconds: f64,
    /// Quiet seconds between two files.
    pub gap_seconds: f64,
    /// Seconds from the end of a ZT Scan to its conversion.
    pub convert_seconds: f64,
    /// Whether there is a `.wiff2`.
    pub wiff2: bool,
    /// Whether there is a `.timeseries.data`.
    pub timeseries: bool,
    /// How the files come to the folder.
    pub delivery: Delivery,
    /// The serial number of the mass spectrometer.
    pub serial: String,
}

/// How the files come to the folder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Delivery {
    /// They are written there and grow.
    Local,
    /// They are acquired elsewhere and copied when they are complete, with the times that they have there.
    Network {
        /// Which member comes first.
        order: Order,
        /// How each is copied.
        copy: Copying,
        /// Bytes in a second.
        rate: f64,
    },
}

/// In which order the members of a set arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `.wiff`, `.wiff.scan`, `.wiff2`, others.
    WiffFirst,
    /// The other way round.
    WiffLast,
    /// Another one for each set.
    Random,
}

/// How a file is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copying {
    /// Under a temporary name, then renamed.
    TemporaryName,
    /// Under its own name; it grows.
    Growing,
    /// Under its own name; it has its final size at once, with zeros inside.
    Preallocated,
}

/// One `.wiff` with its companions.
#[derive(Debug, Clone, PartialEq)]
pub struct FilePlan {
    /// The name before the suffixes. May have dots.
    pub stem: String,
    /// The samples, in their order.
    pub samples: Vec<SamplePlan>,
    /// What goes wrong.
    pub faults: BTreeSet<Fault>,
}

/// One sample of a file; on an Echo MS one run over a plate.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplePlan {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The comment.
    pub comment: String,
    /// The rack's type.
    pub rack: String,
    /// The plate's type.
    pub plate: String,
    /// The vial's position.
    pub position: String,
    /// Injected volume in µl; -1 where none applies.
    pub injection_volume_ul: f32,
    /// Seconds of acquisition.
    pub seconds: f64,
    /// The wells that an Echo MS ejects from, and markers, as typed; empty for an ordinary injection. Stands in the place of the id.
    pub shots: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 1,
            // 2026-03-02 08:00 in Basel.
            start: Timestamp::constant(1_772_434_800, 0),
            offset: Offset::constant(1),
            folder: String::new(),
            files: plan(1, 1, 60.0),
            version: Version::V4,
            layout: Layout::ScanFile,
            mode: ModeKind::Srm,
            polarity: Polarity::Positive,
            method: "Screen_pos.msm".to_owned(),
            scan_seconds: 0.5,
            scan_bytes: 32,
            write_seconds: 5.0,
            pause_seconds: 13.0,
            gap_seconds: 60.0,
            convert_seconds: 600.0,
            wiff2: true,
            timeseries: true,
            delivery: Delivery::Local,
            serial: "FB12345678".to_owned(),
        }
    }
}

/// So many files with so many samples each, named after their numbers.
pub fn plan(files: u32, samples: u32, seconds: f64) -> Vec<FilePlan> {
    let file = |number: u32| FilePlan {
        stem: format!("2026-03-02_run.{number:03}"),
        samples: (1..=samples).map(|sample| SamplePlan::numbered(number, sample, seconds)).collect(),
        faults: BTreeSet::new(),
    };
    (1..=files).map(file).collect()
}

impl SamplePlan {
    /// An injection from a plate of 96 wells.
    pub fn numbered(file: u32, sample: u32, seconds: f64) -> SamplePlan {
        SamplePlan {
            name: format!("run{file:03}_{sample:02}"),
            id: format!("S{file:03}-{sample:02}"),
            comment: String::new(),
            rack: "1 Plate".to_owned(),
            plate: "96 wells".to_owned(),
            position: sample.to_string(),
            injection_volume_ul: 5.0,
            seconds,
            shots: Vec::new(),
        }
    }

    /// A run of an Echo MS over the wells and markers, so long that all ejections fit.
    pub fn plate_run(name: &str, shots: Vec<String>) -> SamplePlan {
        let seconds = echo::FIRST_S + echo::SPACING_S * (shots.len() as f64 + 4.0);
        SamplePlan {
            name: name.to_owned(),
            id: shots.join(", "),
            comment: String::new(),
            rack: String::new(),
            plate: "384PP_AQ_BP".to_owned(),
            position: String::new(),
            injection_volume_ul: -1.0,
            seconds,
            shots,
        }
    }
}

impl FilePlan {
    /// Whether this goes wrong.
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

/// What cannot both happen to one set.
const CONTRADICTIONS: &[(Fault, Fault)] = &[
    (Fault::Renamed, Fault::RenamedSingly),
    (Fault::Renamed, Fault::Reopened),
    (Fault::RenamedSingly, Fault::Reopened),
    (Fault::Renamed, Fault::EmptyFile),
    (Fault::RenamedSingly, Fault::EmptyFile),
    (Fault::Renamed, Fault::WrittenLate),
    (Fault::RenamedSingly, Fault::WrittenLate),
    (Fault::Reopened, Fault::WrittenLate),
    (Fault::Reopened, Fault::EmptyFile),
    (Fault::Reopened, Fault::NeverEnds),
    (Fault::ScanStuck, Fault::ScanStuckForEver),
    (Fault::Mispaired, Fault::MispairedSameSize),
    (Fault::Abort, Fault::NeverEnds),
    (Fault::Torn, Fault::WrittenLate),
];

/// Settings that no instrument has.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// Nothing to do.
    #[error("there is no {0}; give at least one")]
    Nothing(&'static str),
    /// A name that is no file name.
    #[error("'{0}' is no name for a file: it is empty or has one of / \\ : * ? \" < > |")]
    Name(String),
    /// Two files of one name.
    #[error("two files are called '{0}'")]
    Twice(String),
    /// A number that does not fit.
    #[error("{what} is {value}, and must be from {low} to {high}")]
    OutOfRange {
        /// What.
        what: &'static str,
        /// The value.
        value: f64,
        /// The least.
        low: f64,
        /// The most.
        high: f64,
    },
    /// Two faults that cannot both happen to one set.
    #[error("'{0}' and '{1}' cannot happen to the same set")]
    Contradiction(Fault, Fault),
    /// A fault that needs what the settings leave out.
    #[error("'{0}' needs a .wiff.scan; leave out the single-file layout")]
    NeedsScanFile(Fault),
}

impl Settings {
    /// Checks that an instrument could have them.
    ///
    /// # Errors
    /// [`SettingsError`] with the first thing that does not fit.
    pub fn check(&self) -> Result<(), SettingsError> {
        let range = |what, value: f64, low, high| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(SettingsError::OutOfRange { what, value, low, high })
            }
        };
        range("the time from scan to scan in seconds", self.scan_seconds, 0.001, 3600.0)?;
        range("the bytes of a scan", f64::from(self.scan_bytes), 4.0, 1e7)?;
        range("the time from write to write in seconds", self.write_seconds, 0.01, 3600.0)?;
        range("the pause between samples in seconds", self.pause_seconds, 0.0, 1e6)?;
        range("the gap between files in seconds", self.gap_seconds, 0.0, 1e6)?;
        range("the time to the conversion in seconds", self.convert_seconds, 0.0, 1e6)?;
        if let Delivery::Network { rate, .. } = self.delivery {
            range("the rate of copying in bytes per second", rate, 1.0, 1e12)?;
        }
        if self.files.is_empty() {
            return Err(SettingsError::Nothing("file"));
        }
        let mut names = BTreeSet::new();
        for file in &self.files {
            let plain = |name: &str| !name.is_empty() && !name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']);
            if !plain(&file.stem) {
                return Err(SettingsError::Name(file.stem.clone()));
            }
            if !names.insert(file.stem.to_lowercase()) {
                return Err(SettingsError::Twice(file.stem.clone()));
            }
            if file.samples.is_empty() {
                return Err(SettingsError::Nothing("sample"));
            }
            range("the number of samples", file.samples.len() as f64, 1.0, 1000.0)?;
            for sample in &file.samples {
                range("the length of a sample in seconds", sample.seconds, self.scan_seconds, 1e6)?;
            }
            if let Some((one, other)) = CONTRADICTIONS.iter().find(|(one, other)| file.has(*one) && file.has(*other)) {
                return Err(SettingsError::Contradiction(*one, *other));
            }
            let of_scan = [
                Fault::ScanStuck,
                Fault::ScanStuckForEver,
                Fault::ScanTruncated,
                Fault::ScanHole,
                Fault::ScanMissing,
                Fault::Mispaired,
                Fault::MispairedSameSize,
                Fault::CaseDiffers,
            ];
            let wrong = of_scan.into_iter().find(|fault| self.layout == Layout::SingleFile && file.has(*fault));
            if let Some(fault) = wrong {
                return Err(SettingsError::NeedsScanFile(fault));
            }
        }
        Ok(())
    }
}
