//! What real result files have that a clean one has not, each as a switch.

use std::fmt;
use std::str::FromStr;

use super::settings::Model;

macro_rules! quirks {
    ($($variant:ident, $name:literal, $models:expr, $text:literal;)*) => {
        /// A peculiarity that real files were seen with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Quirk {
            $(#[doc = $text] $variant,)*
        }

        impl Quirk {
            /// All of them, in the order of the help text.
            pub const ALL: &'static [Quirk] = &[$(Quirk::$variant,)*];

            /// The name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Quirk::$variant => $name,)* }
            }

            /// What it does, in one sentence.
            pub fn text(self) -> &'static str {
                match self { $(Quirk::$variant => $text,)* }
            }

            /// The models whose files were seen with it.
            pub fn models(self) -> &'static [Model] {
                match self { $(Quirk::$variant => $models,)* }
            }
        }
    };
}

const ALL_MODELS: &[Model] = &[Model::Pro, Model::Xt, Model::One];
const PRO_AND_XT: &[Model] = &[Model::Pro, Model::Xt];
const PRO: &[Model] = &[Model::Pro];
const XT: &[Model] = &[Model::Xt];
const ONE: &[Model] = &[Model::One];

quirks! {
    LateComments, "late-comments", PRO_AND_XT,
        "A pause is written only when it is over: its rows come late and their times go backwards.";
    HeaderRestart, "header-restart", PRO,
        "A short header stands before every cycle, rows hold column names as placeholders, the last P row of a cycle is a copy of the M row before it, and no more C rows are written.";
    ShortTable, "short-table", PRO,
        "The table stops at the fourth temperature, as of BioLection 3.16 and 3.17, and rows go on for some empty cells.";
    DuplicateRows, "duplicate-rows", ALL_MODELS,
        "Three rows of a cycle stand in the file twice.";
    SplicedBlock, "spliced-block", PRO_AND_XT,
        "A block of five rows is repeated and the six wells that should follow are lost.";
    TornLine, "torn-line", ALL_MODELS,
        "Two lines are glued together inside a number, which then has two decimal points.";
    StrayBytes, "stray-bytes", ALL_MODELS,
        "Control bytes 0x10 and 0x00 stand in the middle of rows.";
    Refoverld, "refoverld", PRO,
        "The last intensity filter set is overloaded in every well: REFOVERLD and -9999.00.";
    Sens1Nan, "sens1-nan", XT,
        "The channel with the highest gain saturates: SENS1 and nan.";
    GarbageFloats, "garbage-floats", XT,
        "Numbers that were never set print as what the memory held: 734916527492733861888.00, -431602080.00.";
    MissingWells, "missing-wells", ALL_MODELS,
        "Some wells of a filter set have no row in one cycle.";
    CycleJump, "cycle-jump", PRO_AND_XT,
        "The cycle number and the time jump by 120 cycles after the second.";
    HighStartCycle, "high-start-cycle", PRO,
        "The file begins at cycle 616.";
    OneWell, "one-well", ALL_MODELS,
        "Only one well is measured.";
    Microfluidic, "microfluidic", PRO_AND_XT,
        "An MF32 plate: 32 wells C01 to F08, reservoirs in rows A and B, F rows in every cycle.";
    LastWellBug, "last-well-bug", XT,
        "Rows are filed one event late, as XT 1.8.10 does: F01 stands under the next filter set, the last one in the F rows.";
    Bom, "bom", ALL_MODELS,
        "The file begins with a UTF-8 byte order mark.";
    Crlf, "crlf", ALL_MODELS,
        "Lines end with CR LF.";
    Latin1, "latin1", PRO_AND_XT,
        "Free text holds bytes of Latin-1 that are not UTF-8 (a BioLector I is always Latin-1).";
    UnterminatedLastLine, "unterminated-last-line", ALL_MODELS,
        "The last line of the file has no line end.";
    NoEnd, "no-end", ALL_MODELS,
        "The run stops in the middle of its last cycle and nothing says that it ended.";
    HeadRewrite, "head-rewrite", ONE,
        "The DATE END line of the growing file is overwritten in place after every cycle.";
    ReplaceByLongerCopy, "replace-by-longer-copy", ALL_MODELS,
        "The file does not grow: a longer copy takes its place after every cycle.";
    TornWrites, "torn-writes", ALL_MODELS,
        "Bytes arrive in random pieces that respect no line and no character.";
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A quirk's name that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown quirk '{0}'; `--quirk list` prints the known ones")]
pub struct UnknownQuirk(String);

impl FromStr for Quirk {
    type Err = UnknownQuirk;

    fn from_str(name: &str) -> Result<Quirk, UnknownQuirk> {
        Quirk::ALL.iter().copied().find(|quirk| quirk.name() == name).ok_or_else(|| UnknownQuirk(name.to_owned()))
    }
}
