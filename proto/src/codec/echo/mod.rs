//! What Echo acoustic liquid handlers (Labcyte, Beckman Coulter) leave as files: plate surveys and reports of transfers.
//!
//! There are four, told apart by what stands in them and never by their names:
//!
//! - **survey xml**, `<platesurvey>`: one `<w>` for each well with the surveyed volume;
//! - **transfer xml**, `<transfer>`: one `<w>` for each transfer, and one for each that was skipped;
//! - **report csv**, header lines from `Run ID`, the sections `[EXCEPTIONS]` and `[DETAILS]`, and a footer;
//! - **report xml**, `<report>`: the same as records. A report without destinations is one of a survey.
//!
//! Units are mixed: transferred volumes are nanolitres, volumes of fluid in a well microlitres. The date of a run is that of its
//! end; a transfer xml tells the time of day alone for each shot ([`dates`]). A report that a spreadsheet saved has lost parts of its
//! times ([`written`]).
//!
//! Reading takes whole files. It never fails for a single bad row: what cannot be read is a [`Defect`] with its line, and a
//! file that breaks off is read up to there ([`Document::cut`]).
//!
//! Source: a survey and two reports of real instruments; for the transfer xml and the report xml public descriptions and the
//! programs that read them.

mod columns;
pub mod dates;
mod detect;
mod model;
mod report_csv;
mod report_xml;
mod survey_xml;
#[cfg(test)]
mod tests;
mod text;
mod transfer_xml;
pub mod write;
pub mod written;
mod xml;

pub use detect::{Detection, Foreign, Format, detect, is_whole};
pub use model::{
    Cut, Defect, DefectKind, Document, Figure, Figures, FluidCells, Header, Instrument, Part, PlateName, Report, Row,
    Survey, SurveyedWell,
};

/// The largest file that is read, in bytes: a survey of 1536 wells is 0.7 MB, a report of 50 000 transfers 10 MB.
pub const MAX_FILE: usize = 16 << 20;

/// Rows of one file that are read; what comes after is a [`DefectKind::TooMany`].
pub const MAX_ROWS: usize = 100_000;

/// Defects that are kept one by one; further ones are only counted.
pub const MAX_DEFECTS: usize = 100;

/// Reads a whole file, or what is there of it. `Err` where it is none of the four.
///
/// # Errors
/// What it is instead.
pub fn read(bytes: &[u8]) -> Result<Document, Foreign> {
    let format = match detect(bytes, true) {
        Detection::Found(format) => format,
        Detection::Foreign(foreign) => return Err(foreign),
        Detection::More => return Err(Foreign::OtherText),
    };
    let (text, lossy) = text::of(bytes);
    let mut document = match format {
        Format::SurveyXml => survey_xml::read(&text),
        Format::TransferXml => transfer_xml::read(&text),
        Format::ReportCsv => report_csv::read(&text),
        Format::ReportXml => report_xml::read(&text),
    };
    if lossy {
        document.defect(DefectKind::NotUtf8, 1, "letters outside ASCII were read as Latin-1");
    }
    Ok(document)
}
