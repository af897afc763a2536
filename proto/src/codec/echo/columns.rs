//! The columns of a report: by their titles in the csv, by titles or element names in the xml.

use super::model::{DefectKind, Document, Figure, Figures, FluidCells, Header, Instrument, PlateName, Row, well};
use super::text::clean;

/// A title or an element's name in one form: `Source Plate Name` and `SrcPlateName` are `sourceplatename`.
pub(super) fn normal(title: &str) -> String {
    let mut name: String = title.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let longer = [("src", "source"), ("destination", "destination"), ("dest", "destination"), ("dst", "destination")];
    let longer =
        longer.into_iter().chain([("xfer", "transfer"), ("instrument", "instrument"), ("instr", "instrument")]);
    let longer = longer.chain([("application", "application"), ("app", "application")]);
    if let Some((short, long)) = longer.into_iter().find(|(short, _)| name.starts_with(short)) {
        name.replace_range(..short.len(), long);
    }
    for (short, long) in [("vol", "volume"), ("instrumentsn", "instrumentserialnumber")] {
        if name.ends_with(short) {
            name.truncate(name.len() - short.len());
            name.push_str(long);
        }
    }
    name
}

/// Puts an entry of a header or footer where it belongs.
pub(super) fn entry(title: &str, value: &str, header: &mut Header, instrument: &mut Instrument) {
    let slot = match normal(title).as_str() {
        "runid" => &mut header.run_id,
        "rundatetime" => &mut header.ended,
        "applicationname" => &mut header.application,
        "applicationversion" => &mut header.version,
        "protocolname" => &mut header.protocol,
        "orderid" => &mut header.order_id,
        "referenceid" => &mut header.reference_id,
        "username" => &mut header.user,
        "instrumentname" => &mut instrument.name,
        "instrumentmodel" => &mut instrument.model,
        "instrumentserialnumber" => &mut instrument.serial,
        "instrumentsoftwareversion" => &mut instrument.software,
        _ => return,
    };
    *slot = clean(value);
}

/// Whether the columns say what a row is: where liquid was, and where it went or how much there was.
pub(super) fn suffice(titles: &[String]) -> bool {
    let has = |name: &str| titles.iter().any(|title| title == name);
    has("sourcewell") && (has("destinationwell") && has("transfervolume") || has("surveyfluidvolume"))
}

/// Makes a row of cells, each with its column's name; `None` where it names no well, which is told. `comma`: whether a comma is the
/// decimal sign.
pub(super) fn row<'c>(
    cells: impl Iterator<Item = (&'c str, &'c str)>,
    line: u64,
    exception: bool,
    comma: bool,
    document: &mut Document,
) -> Option<Row> {
    let mut row = Row { line, exception, ..Row::default() };
    let (mut source, mut destination) = (String::new(), None);
    let figure = |text: &str| Figure::read(text, comma);
    for (column, cell) in cells {
        match column {
            "datetimepoint" => row.time = clean(cell),
            "sourceplatename" => row.source.name = clean(cell),
            "sourceplatebarcode" => row.source.barcode = clean(cell),
            "sourceplatetype" => row.source.plate_type = clean(cell),
            "sourcewell" => source = clean(cell),
            "destinationplatename" => row.destination.name = clean(cell),
            "destinationplatebarcode" => row.destination.barcode = clean(cell),
            "destinationplatetype" => row.destination.plate_type = clean(cell),
            "destinationwell" => destination = Some(clean(cell)),
            "transfervolume" => row.figures.requested_nl = figure(cell),
            "actualvolume" => row.figures.actual_nl = figure(cell),
            "sampleid" => row.sample_id = clean(cell),
            "samplename" => row.sample_name = clean(cell),
            "surveyfluidvolume" => row.figures.survey_ul = figure(cell),
            "currentfluidvolume" => row.figures.current_ul = figure(cell),
            "fluidcomposition" => row.fluid.composition = figure(cell),
            "fluidunits" => row.fluid.units = clean(cell),
            "fluidtype" => row.fluid.kind = clean(cell),
            "transferstatus" | "surveystatus" => row.status = clean(cell),
            _ => {}
        }
    }
    let told = format!("from `{source}` to `{}`", destination.as_deref().unwrap_or("-"));
    let wells = match &destination {
        Some(destination) => well(&source).zip(well(destination)).map(|(from, to)| (from, Some(to))),
        None => well(&source).map(|from| (from, None)),
    };
    let Some((from, to)) = wells else {
        document.defect(DefectKind::UnknownWell, line, &told);
        return None;
    };
    (row.source_well, row.destination_well) = (from, to);
    if row.figures.are_damaged() || row.fluid.composition == Figure::Damaged {
        document.defect(DefectKind::DamagedFigure, line, &told);
    }
    Some(row)
}

/// Whether two rows say the same, wherever they stand.
pub(super) fn same(one: &Row, other: &Row) -> bool {
    let plain = |row: &Row| Row { line: 0, exception: false, ..row.clone() };
    plain(one) == plain(other)
}

/// The titles of a report's columns as the instrument writes them, with the cell of a row for each.
pub(super) fn cells(row: &Row) -> [(&'static str, String); 19] {
    let number = |figure: Figure| figure.number().map(|number| number.to_string()).unwrap_or_default();
    let Figures { requested_nl, actual_nl, survey_ul, current_ul } = row.figures;
    let PlateName { name, barcode, plate_type } = &row.source;
    let FluidCells { kind, composition, units } = &row.fluid;
    let label = super::model::label;
    [
        ("Date Time Point", row.time.clone()),
        ("Source Plate Name", name.clone()),
        ("Source Plate Barcode", barcode.clone()),
        ("Source Plate Type", plate_type.clone()),
        ("Source Well", label(row.source_well)),
        ("Destination Plate Name", row.destination.name.clone()),
        ("Destination Plate Barcode", row.destination.barcode.clone()),
        ("Destination Plate Type", row.destination.plate_type.clone()),
        ("Destination Well", row.destination_well.map(label).unwrap_or_default()),
        ("Transfer Volume", number(requested_nl)),
        ("Actual Volume", number(actual_nl)),
        ("Sample ID", row.sample_id.clone()),
        ("Sample Name", row.sample_name.clone()),
        ("Survey Fluid Volume", number(survey_ul)),
        ("Current Fluid Volume", number(current_ul)),
        ("Fluid Composition", number(*composition)),
        ("Fluid Units", units.clone()),
        ("Fluid Type", kind.clone()),
        ("Transfer Status", row.status.clone()),
    ]
}
