//! The transfer xml.

use super::detect::Format;
use super::model::{DefectKind, Document, Figure, Figures, FluidCells, Part, PlateName, Report, Row, place, well};
use super::text::clean;
use super::xml::{Element, Piece, Pieces};

/// What is being read.
#[derive(Default)]
struct Reading {
    report: Report,
    source: PlateName,
    destination: PlateName,
    /// The element below the root.
    list: String,
    /// How many shots the list says it holds, how many were seen, and where it stands.
    stated: Option<(u64, u64, u64)>,
}

/// Reads the transfers of a run; what is not whole is read up to where it breaks off.
pub(super) fn read(text: &str) -> Document {
    let mut document = Document::new(Format::TransferXml, Part::Report(Report::default()));
    let mut reading = Reading::default();
    let mut pieces = Pieces::of(text);
    let mut depth = 0usize;
    loop {
        match pieces.next() {
            Ok(Piece::Open(element)) => {
                match (depth, element.name.as_str()) {
                    (0, _) => {
                        reading.report.header.ended = clean(element.get("date"));
                        reading.report.header.protocol = clean(element.get("style"));
                        reading.report.instrument.serial = clean(element.get("serial_number"));
                    }
                    (1, name) => {
                        let total = element.get("total").trim().parse().ok();
                        reading.stated = total.map(|total| (total, 0, element.line));
                        reading.list = name.to_owned();
                    }
                    (_, "plate") if reading.list == "plateInfo" => plate(&element, &mut reading),
                    (2, "w") => shot(&element, &mut reading, &mut document),
                    _ => {}
                }
                depth += 1;
            }
            Ok(Piece::Close(around)) => {
                depth = around;
                if let Some((total, seen, line)) = reading.stated.take_if(|_| around == 1)
                    && total != seen
                {
                    let text = format!("`{}` says that it holds {total}, and there are {seen}", reading.list);
                    document.defect(DefectKind::Miscount, line, &text);
                }
            }
            Ok(Piece::Text(_)) => {}
            Ok(Piece::End) => break,
            Err(cut) => {
                document.cut = Some(cut);
                break;
            }
        }
    }
    if document.cut.is_none() {
        ending(&mut pieces, &mut document);
    }
    // Plates may be named after the shots.
    for row in &mut reading.report.rows {
        row.source.clone_from(&reading.source);
        row.destination.clone_from(&reading.destination);
    }
    document.part = Part::Report(reading.report);
    document
}

/// Says what follows the root element.
pub(super) fn ending(pieces: &mut Pieces<'_>, document: &mut Document) {
    let rest = pieces.rest();
    if !rest.is_empty() {
        let line = pieces.line();
        document.defect(DefectKind::AfterEnd, line, &rest.chars().take(60).collect::<String>());
    }
}

fn plate(element: &Element, reading: &mut Reading) {
    // Here `name` is the plate's type; there is one of each, so that the place in the run is its role.
    let named = |role: &str| PlateName {
        name: role.to_owned(),
        barcode: clean(element.get("barcode")),
        plate_type: clean(element.get("name")),
    };
    match element.get("type").trim() {
        "source" => reading.source = named("source"),
        "destination" => reading.destination = named("destination"),
        _ => {}
    }
}

fn shot(element: &Element, reading: &mut Reading, document: &mut Document) {
    if let Some((_, seen, _)) = &mut reading.stated {
        *seen += 1;
    }
    if reading.report.rows.len() >= super::MAX_ROWS {
        document.defect(DefectKind::TooMany, element.line, "no run has so many transfers");
        return;
    }
    let number = |name: &str| element.get(name).trim().parse::<u32>().ok();
    let at = |label: &str, row: &str, column: &str| {
        let counted = number(row).zip(number(column)).and_then(|(row, column)| place(row, column));
        let is_named = !element.get(label).trim().is_empty();
        match (well(element.get(label)), counted) {
            (Some(named), Some(counted)) => (named == counted).then_some(named),
            (Some(named), None) => element.get(row).is_empty().then_some(named),
            (None, counted) => counted.filter(|_| !is_named),
        }
    };
    let (Some(source_well), Some(destination_well)) = (at("n", "r", "c"), at("dn", "dr", "dc")) else {
        let text = format!("from `{}` to `{}`", element.get("n"), element.get("dn"));
        document.defect(DefectKind::UnknownWell, element.line, &text);
        return;
    };
    let figure = |name: &str| Figure::read(element.get(name), false);
    let figures = Figures {
        requested_nl: figure("vt"),
        actual_nl: figure("avt"),
        survey_ul: figure("vl"),
        current_ul: figure("cvl"),
    };
    if figures.are_damaged() {
        let text: Vec<String> = ["vt", "avt", "vl", "cvl"].map(|name| format!("{name} {}", element.get(name))).into();
        document.defect(DefectKind::DamagedFigure, element.line, &text.join(", "));
    }
    reading.report.rows.push(Row {
        line: element.line,
        exception: false,
        skipped: reading.list == "skippedwells",
        time: clean(element.get("t")),
        source_well,
        destination_well: Some(destination_well),
        figures,
        fluid: FluidCells {
            kind: clean(element.get("fld")),
            composition: figure("fc"),
            units: clean(element.get("fldu")),
        },
        status: clean(element.get("reason")),
        ..Row::default()
    });
}
