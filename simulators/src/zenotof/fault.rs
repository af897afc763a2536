//! What can go wrong with an acquisition's files, each as a switch.

use std::fmt;
use std::str::FromStr;

macro_rules! faults {
    ($($variant:ident, $name:literal, $text:literal;)*) => {
        /// Something that goes wrong, or that only looks so.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $text] $variant,)*
        }

        impl Fault {
            /// All of them, in the order of the help text.
            pub const ALL: &'static [Fault] = &[$(Fault::$variant,)*];

            /// The name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Fault::$variant => $name,)* }
            }

            /// What it does, in one sentence.
            pub fn text(self) -> &'static str {
                match self { $(Fault::$variant => $text,)* }
            }
        }
    };
}

faults! {
    Abort, "abort",
        "The last sample is aborted halfway: the run log says so, and has its end entry all the same.";
    NeverEnds, "never-ends",
        "The software dies halfway through the last sample: no end entry, no .wiff2.";
    ScanStuck, "scan-stuck",
        "The .wiff.scan keeps its 44 bytes of headers until a conversion after the end, as with a ZT Scan.";
    ScanStuckForEver, "scan-stuck-for-ever",
        "The conversion never comes.";
    ScanTruncated, "scan-truncated",
        "The last bytes of the .wiff.scan are never written.";
    ScanHole, "scan-hole",
        "Zeros stay where the last data of the .wiff.scan should be; its size is right.";
    ScanMissing, "scan-missing",
        "There is no .wiff.scan.";
    Mispaired, "mispaired",
        "The .wiff.scan is another run's, of another length.";
    MispairedSameSize, "mispaired-same-size",
        "The .wiff.scan is another run's, of the same length.";
    Wiff2Missing, "wiff2-missing",
        "There is no .wiff2.";
    JournalStays, "journal-stays",
        "The journal of the .wiff2 is never removed.";
    EmptyFile, "empty-file",
        "The .wiff stays at 0 bytes and has no companions.";
    WrittenLate, "written-late",
        "The .wiff has 0 bytes until the next acquisition begins; then everything is there at once.";
    Torn, "torn",
        "Pages of the .wiff are written one after the other in any order, so that it is torn most of the time.";
    CaseDiffers, "case-differs",
        "The name of the .wiff.scan is written in capitals.";
    Reopened, "reopened",
        "Two minutes after the end one more sample is added.";
    Renamed, "renamed",
        "Half a minute after the end somebody renames the set.";
    RenamedSingly, "renamed-singly",
        "Half a minute after the end somebody renames the set, one member every twenty seconds.";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A fault's name that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown fault '{0}'; `--fault list` prints the known ones")]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Fault, UnknownFault> {
        Fault::ALL.iter().copied().find(|fault| fault.name() == name).ok_or_else(|| UnknownFault(name.to_owned()))
    }
}
