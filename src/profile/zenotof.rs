//! What is true of a model of ZenoTOF and of the sets of files that SCIEX OS leaves.
//!
//! source: public description of the file sets, their sizes and their order of arrival (`docs/files.md`).

use std::time::Duration;

use crate::config::values::Choice;

/// What the ZenoTOF driver needs to know of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ZenotofProfile {
    /// The members that a complete set has.
    pub required: Vec<Member>,
    /// How often a whole set is looked at, and must be unchanged, over [`Self::stable_for`].
    pub stable_polls: u32,
    /// For how long a set must have been unchanged, by the daemon's clock.
    pub stable_for: Duration,
    /// How long a set that is not whole may be idle before it is incomplete, and one that is whole and has fewer samples than
    /// its batch wants before no more are expected.
    pub idle: Duration,
    /// How long a `.wiff.scan` may stay an empty header while a conversion fills it; then the set is incomplete.
    pub conversion: Duration,
}

impl Default for ZenotofProfile {
    /// What holds where a profile says nothing.
    fn default() -> Self {
        Self {
            required: vec![Member::Wiff, Member::Scan],
            stable_polls: 3,
            stable_for: Duration::from_secs(60),
            idle: Duration::from_secs(15 * 60),
            conversion: Duration::from_secs(24 * 3600),
        }
    }
}

/// A member of a set of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Member {
    /// `.wiff`
    Wiff,
    /// `.wiff.scan`
    Scan,
    /// `.wiff2`
    Wiff2,
    /// `.timeseries.data`
    Timeseries,
    /// `.SSMetaData`
    Metadata,
    /// `_report.txt`
    Report,
}

impl Member {
    /// What its name has after the set's stem, in lower case.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Wiff => ".wiff",
            Self::Scan => ".wiff.scan",
            Self::Wiff2 => ".wiff2",
            Self::Timeseries => ".timeseries.data",
            Self::Metadata => ".ssmetadata",
            Self::Report => "_report.txt",
        }
    }
}

impl Choice for Member {
    const WHAT: &'static str = "member of a file set";
    const CHOICES: &'static [(&'static str, Self, &'static str)] = &[
        (".wiff", Self::Wiff, "metadata and the index of each sample's spectra"),
        (".wiff.scan", Self::Scan, "the spectra"),
        (".wiff2", Self::Wiff2, "the primary file of SCIEX OS, encrypted"),
        (".timeseries.data", Self::Timeseries, "time series such as pressure"),
        (".ssmetadata", Self::Metadata, "what Scanning SWATH adds"),
        ("_report.txt", Self::Report, "the report of Scanning SWATH"),
    ];
}
