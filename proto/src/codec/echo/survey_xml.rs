//! The survey xml.

use super::detect::Format;
use super::model::{DefectKind, Document, Figure, FluidCells, Part, Survey, SurveyedWell, place, well};
use super::text::clean;
use super::xml::{Element, Piece, Pieces};

/// Reads a survey; what is not whole is read up to where it breaks off.
pub(super) fn read(text: &str) -> Document {
    let mut document = Document::new(Format::SurveyXml, Part::Survey(Survey::default()));
    let (mut survey, mut total) = (Survey::default(), None);
    let mut pieces = Pieces::of(text);
    let mut depth = 0usize;
    loop {
        match pieces.next() {
            Ok(Piece::Open(element)) => {
                match depth {
                    0 => total = head(&element, &mut survey),
                    1 if element.name == "w" => take(&element, &mut survey, &mut document),
                    _ => {}
                }
                depth += 1;
            }
            Ok(Piece::Close(around)) => depth = around,
            Ok(Piece::Text(_)) => {}
            Ok(Piece::End) => break,
            Err(cut) => {
                document.cut = Some(cut);
                break;
            }
        }
    }
    if document.cut.is_none() {
        super::transfer_xml::ending(&mut pieces, &mut document);
        if let Some(total) = total.filter(|total| *total != survey.wells.len() as u64) {
            let text = format!("it says that it holds {total} wells, and {} can be read", survey.wells.len());
            document.defect(DefectKind::Miscount, 1, &text);
        }
    }
    document.part = Part::Survey(survey);
    document
}

fn head(root: &Element, survey: &mut Survey) -> Option<u64> {
    survey.plate_type = clean(root.get("name"));
    survey.barcode = clean(root.get("barcode"));
    survey.date = clean(root.get("date"));
    survey.serial = clean(root.get("serial_number"));
    let bounded = |text: &str, most: u32| text.trim().parse().ok().filter(|n| *n <= most).unwrap_or_default();
    survey.rows = bounded(root.get("rows"), 32);
    survey.columns = bounded(root.get("cols"), 48);
    root.get("totalWells").trim().parse().ok()
}

fn take(element: &Element, survey: &mut Survey, document: &mut Document) {
    if survey.wells.len() >= super::MAX_ROWS {
        document.defect(DefectKind::TooMany, element.line, "no plate has so many wells");
        return;
    }
    let number = |name: &str| element.get(name).trim().parse::<u32>().ok();
    let counted = number("r").zip(number("c")).and_then(|(row, column)| place(row, column));
    let named = well(element.get("n"));
    let (row, column) = match (named, counted) {
        (Some(named), Some(counted)) if named == counted => named,
        (Some(only), None) | (None, Some(only)) if element.get("n").is_empty() || element.get("r").is_empty() => only,
        _ => {
            let text = format!("well {}, row {}, column {}", element.get("n"), element.get("r"), element.get("c"));
            document.defect(DefectKind::UnknownWell, element.line, &text);
            return;
        }
    };
    let figure = |name: &str| Figure::read(element.get(name), false);
    let found = SurveyedWell {
        line: element.line,
        row: row.into(),
        column: column.into(),
        volume_ul: figure("vl"),
        current_ul: figure("cvl"),
        status: clean(element.get("status")),
        fluid: FluidCells {
            kind: clean(element.get("fld")),
            composition: Figure::Absent,
            units: clean(element.get("fldu")),
        },
    };
    if [found.volume_ul, found.current_ul].contains(&Figure::Damaged) {
        let text = format!("{}: vl {}, cvl {}", element.get("n"), element.get("vl"), element.get("cvl"));
        document.defect(DefectKind::DamagedFigure, element.line, &text);
    }
    survey.wells.push(found);
}
