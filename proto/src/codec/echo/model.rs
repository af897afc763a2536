//! The typed records.

use super::detect::Format;
use super::{MAX_DEFECTS, text};

/// What was read of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Which of the four it is.
    pub format: Format,
    /// What it tells.
    pub part: Part,
    /// Where it breaks off; `None` where it is whole.
    pub cut: Option<Cut>,
    /// What is wrong in it, at most [`MAX_DEFECTS`].
    pub defects: Vec<Defect>,
    /// How many defects there were beyond those.
    pub more_defects: usize,
}

/// What a file tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// A survey of one plate.
    Survey(Survey),
    /// A report of transfers, or of surveys as rows.
    Report(Report),
}

/// Where a file breaks off, and why it is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The line, from 1.
    pub line: u64,
    /// Why.
    pub text: String,
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// What kind of.
    pub kind: DefectKind,
    /// The line, from 1.
    pub line: u64,
    /// What stands there.
    pub text: String,
}

/// Kinds of defects. The rows of the first five are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DefectKind {
    /// A row names no well, or one that no plate has.
    UnknownWell,
    /// A row has fewer cells than columns.
    TornRow,
    /// A row stands in the file twice, in two sections.
    RepeatedRow,
    /// A section has no columns that say what its rows are.
    Columns,
    /// Rows beyond [`super::MAX_ROWS`].
    TooMany,
    /// A figure cannot be read; the row counts without it.
    DamagedFigure,
    /// A date or time is none that an instrument writes; it is not used.
    DamagedTime,
    /// A number that identifies something was rewritten by a spreadsheet (`1.73E+09`); it is not used.
    DamagedIdentity,
    /// A count that the file states is not the count of what stands in it.
    Miscount,
    /// The cells are separated by something else than commas: a program other than the instrument's saved it.
    OtherSeparator,
    /// The text is no UTF-8.
    NotUtf8,
    /// Something follows the end.
    AfterEnd,
}

impl DefectKind {
    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownWell => "unknown-well",
            Self::TornRow => "torn-row",
            Self::RepeatedRow => "repeated-row",
            Self::Columns => "unknown-columns",
            Self::TooMany => "too-many-rows",
            Self::DamagedFigure => "damaged-figure",
            Self::DamagedTime => "damaged-time",
            Self::DamagedIdentity => "damaged-identity",
            Self::Miscount => "miscount",
            Self::OtherSeparator => "other-separator",
            Self::NotUtf8 => "not-utf-8",
            Self::AfterEnd => "after-end",
        }
    }

    /// Whether a row is lost by it.
    pub fn loses_rows(self) -> bool {
        matches!(self, Self::UnknownWell | Self::TornRow | Self::Columns | Self::TooMany)
    }
}

impl Document {
    /// An empty one.
    pub(super) fn new(format: Format, part: Part) -> Self {
        Self { format, part, cut: None, defects: Vec::new(), more_defects: 0 }
    }

    /// Adds a defect.
    pub(super) fn defect(&mut self, kind: DefectKind, line: u64, text: &str) {
        if self.defects.len() < MAX_DEFECTS {
            self.defects.push(Defect { kind, line, text: text::clean(text) });
        } else {
            self.more_defects += 1;
        }
    }

    /// Notes where it breaks off.
    pub(super) fn cut(&mut self, line: u64, text: &str) {
        self.cut.get_or_insert(Cut { line, text: text::clean(text) });
    }
}

/// A number as it stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Figure {
    /// There is none.
    #[default]
    Absent,
    /// A finite number.
    Is(f64),
    /// Something that is none.
    Damaged,
}

impl Figure {
    /// Reads one; `comma`: whether a comma is the decimal sign.
    pub(super) fn read(text: &str, comma: bool) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::Absent;
        }
        let plain =
            |text: &str| text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
        let number = match comma && text.matches(',').count() == 1 && !text.contains('.') {
            true => text.replace(',', ".").parse::<f64>(),
            false if plain(text) => text.parse::<f64>(),
            false => return Self::Damaged,
        };
        number.ok().filter(|number| number.is_finite()).map_or(Self::Damaged, Self::Is)
    }

    /// The number, if it is one.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Is(number) => Some(number),
            Self::Absent | Self::Damaged => None,
        }
    }
}

/// What a survey xml tells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survey {
    /// The plate's type, `384PP_AQ_BP` for instance.
    pub plate_type: String,
    /// The barcode as written, a placeholder where none was read.
    pub barcode: String,
    /// When, `YYYY-MM-DD HH:MM:SS.mmm` in the instrument's local time.
    pub date: String,
    /// The instrument's serial number.
    pub serial: String,
    /// Rows of the plate; 0 where it does not tell.
    pub rows: u32,
    /// Columns of the plate; 0 where it does not tell.
    pub columns: u32,
    /// The wells.
    pub wells: Vec<SurveyedWell>,
}

/// A well of a survey.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SurveyedWell {
    /// Where it stands in the file, from 1.
    pub line: u64,
    /// Row, from 0.
    pub row: u32,
    /// Column, from 0.
    pub column: u32,
    /// Surveyed volume, microlitres.
    pub volume_ul: Figure,
    /// Current volume, microlitres.
    pub current_ul: Figure,
    /// The instrument's words; empty where all is well.
    pub status: String,
    /// What the fluid is taken for.
    pub fluid: FluidCells,
}

/// What a file says of a fluid.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FluidCells {
    /// The kind: `AQ`, `DMSO` …
    pub kind: String,
    /// How much of it, in `units`.
    pub composition: Figure,
    /// The unit.
    pub units: String,
}

/// What a report tells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The run.
    pub header: Header,
    /// The instrument.
    pub instrument: Instrument,
    /// Its rows, in the order of the file.
    pub rows: Vec<Row>,
}

/// The run that a report is about, as written; empty where it does not tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Header {
    /// The run's id; a transfer xml names none.
    pub run_id: String,
    /// When the run ended, in the instrument's local time.
    pub ended: String,
    /// The application that ran it.
    pub application: String,
    /// Its version.
    pub version: String,
    /// The protocol.
    pub protocol: String,
    /// The order's id.
    pub order_id: String,
    /// The reference's id.
    pub reference_id: String,
    /// Who ran it.
    pub user: String,
}

/// The instrument as a file names it; empty where it does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Instrument {
    /// Its name.
    pub name: String,
    /// Its model, `Echo 525` for instance.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// Its software's version.
    pub software: String,
}

/// A plate as a row names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PlateName {
    /// Its name in the run, `Source[1]` for instance.
    pub name: String,
    /// The barcode as written.
    pub barcode: String,
    /// Its type.
    pub plate_type: String,
}

/// A row of a report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// Where it stands in the file, from 1.
    pub line: u64,
    /// Whether it stands among the exceptions.
    pub exception: bool,
    /// Whether it was skipped without a try.
    pub skipped: bool,
    /// When, as written.
    pub time: String,
    /// The source plate.
    pub source: PlateName,
    /// The source well, as row and column from 0.
    pub source_well: (u8, u8),
    /// The destination plate.
    pub destination: PlateName,
    /// The destination well, as row and column from 0; `None` in a survey's report.
    pub destination_well: Option<(u8, u8)>,
    /// The volumes.
    pub figures: Figures,
    /// The sample's id.
    pub sample_id: String,
    /// The sample's name.
    pub sample_name: String,
    /// The fluid.
    pub fluid: FluidCells,
    /// The instrument's words; empty where all is well.
    pub status: String,
}

/// The volumes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// Asked for, nanolitres.
    pub requested_nl: Figure,
    /// Transferred, nanolitres.
    pub actual_nl: Figure,
    /// Surveyed in the source well, microlitres.
    pub survey_ul: Figure,
    /// In the source well after it, microlitres.
    pub current_ul: Figure,
}

impl Figures {
    /// Whether one of them cannot be read.
    pub fn are_damaged(&self) -> bool {
        [self.requested_nl, self.actual_nl, self.survey_ul, self.current_ul].contains(&Figure::Damaged)
    }
}

/// The largest plate has 32 rows and 48 columns.
const MAX_ROWS: u32 = 32;
const MAX_COLUMNS: u32 = 48;

/// Row and column, from 0, where a plate can have such a well.
pub(super) fn place(row: u32, column: u32) -> Option<(u8, u8)> {
    let on_plate = row < MAX_ROWS && column < MAX_COLUMNS;
    on_plate.then(|| Some((u8::try_from(row).ok()?, u8::try_from(column).ok()?))).flatten()
}

/// Reads `A1`, `A01`, `AF48`: row and column from 0.
pub(super) fn well(label: &str) -> Option<(u8, u8)> {
    let label = label.trim();
    let letters = label.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (row, digits) = label.split_at(letters);
    if !(1..=2).contains(&row.len()) || !(1..=2).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let row = row.bytes().fold(0u32, |n, b| n * 26 + u32::from(b.to_ascii_uppercase() - b'A') + 1) - 1;
    place(row, digits.parse::<u32>().ok()?.checked_sub(1)?)
}

/// A well's label as the instrument writes it: `A1`, without a leading zero.
pub(super) fn label((row, column): (u8, u8)) -> String {
    let letter = char::from(b'A' + row % 26);
    let prefix = if row >= 26 { "A" } else { "" };
    format!("{prefix}{letter}{}", u32::from(column) + 1)
}
