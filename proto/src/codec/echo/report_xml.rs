//! The report xml: the columns of the csv as elements of a record.

use super::columns;
use super::detect::Format;
use super::model::{DefectKind, Document, Part, Report};
use super::xml::{Piece, Pieces};

/// Columns of one record.
const MAX_COLUMNS: usize = 256;

/// Reads a report; what is not whole is read up to where it breaks off.
pub(super) fn read(text: &str) -> Document {
    let mut document = Document::new(Format::ReportXml, Part::Report(Report::default()));
    let mut report = Report::default();
    let mut pieces = Pieces::of(text);
    // The elements that are open below the root, each with its title, and the text of the innermost.
    let mut open: Vec<String> = Vec::new();
    let mut depth = 0usize;
    let mut value = String::new();
    let (mut record, mut at, mut exceptions) = (Vec::<(String, String)>::new(), 1, false);
    loop {
        match pieces.next() {
            Ok(Piece::Open(element)) => {
                if depth > 0 {
                    let title = Some(element.get("name")).filter(|title| !title.trim().is_empty());
                    let name = element.name.as_str();
                    if name == "record" {
                        record.clear();
                        at = element.line;
                    }
                    exceptions |= name.eq_ignore_ascii_case("exceptions");
                    let keeps = matches!(name, "record" | "reportheader" | "reportbody" | "reportfooter");
                    open.push(if keeps { name } else { title.unwrap_or(name) }.to_owned());
                }
                value.clear();
                depth += 1;
            }
            Ok(Piece::Text(text)) => {
                // Bounded by the file's own size.
                value.push_str(&text);
            }
            Ok(Piece::Close(around)) => {
                depth = around;
                let Some(title) = open.pop() else { continue };
                match open.last().map(String::as_str) {
                    Some("reportheader" | "reportfooter") => {
                        columns::entry(&title, &value, &mut report.header, &mut report.instrument);
                    }
                    Some("record") if record.len() < MAX_COLUMNS => {
                        record.push((columns::normal(&title), std::mem::take(&mut value)));
                    }
                    _ if title == "record" => take(&record, at, exceptions, &mut report, &mut document),
                    _ if title.eq_ignore_ascii_case("exceptions") => exceptions = false,
                    _ => {}
                }
                value.clear();
            }
            Ok(Piece::End) => break,
            Err(cut) => {
                document.cut = Some(cut);
                break;
            }
        }
    }
    if document.cut.is_none() {
        super::transfer_xml::ending(&mut pieces, &mut document);
    }
    document.part = Part::Report(report);
    document
}

fn take(record: &[(String, String)], line: u64, exceptions: bool, report: &mut Report, document: &mut Document) {
    if report.rows.len() >= super::MAX_ROWS {
        document.defect(DefectKind::TooMany, line, "no report has so many rows");
        return;
    }
    let titles: Vec<String> = record.iter().map(|(title, _)| title.clone()).collect();
    if !columns::suffice(&titles) {
        document.defect(DefectKind::Columns, line, &titles.join(", "));
        return;
    }
    let cells = record.iter().map(|(title, cell)| (title.as_str(), cell.as_str()));
    if let Some(row) = columns::row(cells, line, exceptions, false, document) {
        report.rows.push(row);
    }
}
