//! Writing the files as the instruments do.

use csv::{QuoteStyle, Terminator, WriterBuilder};
use quick_xml::escape::escape;

use super::columns;
use super::model::{Figure, PlateName, Report, Row, Survey, label};

fn attributes(out: &mut String, pairs: &[(&str, &str)]) {
    for (name, value) in pairs {
        out.push_str(&format!(" {name}=\"{}\"", escape(*value)));
    }
}

fn number(figure: Figure) -> String {
    figure.number().map(|number| number.to_string()).unwrap_or_default()
}

/// A survey xml.
pub fn survey_xml(survey: &Survey) -> String {
    let mut out = "<?xml version=\"1.0\"?>\n<platesurvey".to_owned();
    let (rows, columns) = (survey.rows.to_string(), survey.columns.to_string());
    let total = (survey.rows * survey.columns).to_string();
    attributes(
        &mut out,
        &[
            ("name", &survey.plate_type),
            ("barcode", &survey.barcode),
            ("date", &survey.date),
            ("serial_number", &survey.serial),
            ("vtl", "0"),
            ("original", "1"),
            ("frmt", "1"),
            ("rows", &rows),
            ("cols", &columns),
            ("totalWells", &total),
        ],
    );
    out.push_str(">\n");
    for well in &survey.wells {
        let place = super::model::place(well.row, well.column).map(label).unwrap_or_default();
        out.push_str("<w");
        attributes(
            &mut out,
            &[
                ("r", &well.row.to_string()),
                ("c", &well.column.to_string()),
                ("n", &place),
                ("vl", &number(well.volume_ul)),
                ("cvl", &number(well.current_ul)),
                ("status", &well.status),
                ("fld", &well.fluid.kind),
                ("fldu", &well.fluid.units),
            ],
        );
        out.push_str("/>\n");
    }
    out.push_str("</platesurvey>\n");
    out
}

/// A transfer xml; the plates are those of the first row.
pub fn transfer_xml(report: &Report) -> String {
    let mut out = "<?xml version=\"1.0\"?>\n<transfer".to_owned();
    let head = [
        ("style", report.header.protocol.as_str()),
        ("date", &report.header.ended),
        ("serial_number", &report.instrument.serial),
        ("vtl", "0"),
        ("frmt", "1"),
    ];
    attributes(&mut out, &head);
    out.push_str(">\n<plateInfo>\n");
    let none = PlateName::default();
    let first = report.rows.first();
    let plates = [("source", first.map(|row| &row.source)), ("destination", first.map(|row| &row.destination))];
    for (role, plate) in plates {
        let plate = plate.unwrap_or(&none);
        out.push_str("<plate");
        attributes(&mut out, &[("type", role), ("name", &plate.plate_type), ("barcode", &plate.barcode)]);
        out.push_str("/>\n");
    }
    out.push_str("</plateInfo>\n");
    for (list, skipped) in [("printmap", false), ("skippedwells", true)] {
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.skipped == skipped).collect();
        out.push_str(&format!("<{list} total=\"{}\">\n", rows.len()));
        rows.iter().for_each(|row| shot(&mut out, row));
        out.push_str(&format!("</{list}>\n"));
    }
    out.push_str("</transfer>\n");
    out
}

fn shot(out: &mut String, row: &Row) {
    let (from, to) = (row.source_well, row.destination_well.unwrap_or_default());
    out.push_str("<w");
    attributes(
        out,
        &[
            ("n", &label(from)),
            ("r", &from.0.to_string()),
            ("c", &from.1.to_string()),
            ("dn", &label(to)),
            ("dr", &to.0.to_string()),
            ("dc", &to.1.to_string()),
            ("t", &row.time),
            ("cvl", &number(row.figures.current_ul)),
            ("vl", &number(row.figures.survey_ul)),
            ("vt", &number(row.figures.requested_nl)),
            ("avt", &number(row.figures.actual_nl)),
            ("fld", &row.fluid.kind),
            ("fldu", &row.fluid.units),
            ("fc", &number(row.fluid.composition)),
            ("reason", &row.status),
        ],
    );
    out.push_str("/>\n");
}

fn header(report: &Report) -> [(&'static str, &str); 8] {
    let header = &report.header;
    [
        ("Run ID", &header.run_id),
        ("Run Date/Time", &header.ended),
        ("Application Name", &header.application),
        ("Application Version", &header.version),
        ("Protocol Name", &header.protocol),
        ("Order ID", &header.order_id),
        ("Reference ID", &header.reference_id),
        ("User Name", &header.user),
    ]
}

fn footer(report: &Report) -> [(&'static str, &str); 4] {
    let instrument = &report.instrument;
    [
        ("Instrument Name", &instrument.name),
        ("Instrument Model", &instrument.model),
        ("Instrument Serial Number", &instrument.serial),
        ("Instrument Software Version", &instrument.software),
    ]
}

/// A report csv.
pub fn report_csv(report: &Report) -> String {
    let line = |cells: &[&str]| {
        let terminator = Terminator::Any(b'\n');
        let mut writer =
            WriterBuilder::new().quote_style(QuoteStyle::Necessary).terminator(terminator).from_writer(vec![]);
        // Writing to memory cannot fail.
        let written = writer.write_record(cells).ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
        String::from_utf8(written).unwrap_or_default()
    };
    let mut out: String = header(report).iter().map(|(title, value)| line(&[title, value])).collect();
    for (section, exceptions) in [("EXCEPTIONS", true), ("DETAILS", false)] {
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.exception == exceptions).collect();
        if exceptions && rows.is_empty() {
            continue;
        }
        let titles = columns::cells(&Row::default()).map(|(title, _)| title);
        out.push_str(&format!("\n[{section}]\n{}", line(&titles)));
        for row in rows {
            let cells = columns::cells(row);
            let cells: Vec<&str> = cells.iter().map(|(_, cell)| cell.as_str()).collect();
            out.push_str(&line(&cells));
        }
    }
    out.push('\n');
    out.extend(footer(report).iter().map(|(title, value)| line(&[title, value])));
    out
}

/// A report xml.
pub fn report_xml(report: &Report) -> String {
    let named = |title: &str, value: &str| {
        let name: String = title.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("<{name} name=\"{}\">{}</{name}>\n", escape(title), escape(value))
    };
    let mut out = "<?xml version=\"1.0\"?>\n<report>\n<reportheader>\n".to_owned();
    out.extend(header(report).iter().map(|(title, value)| named(title, value)));
    out.push_str("</reportheader>\n<reportbody>\n");
    for row in &report.rows {
        out.push_str("<record>\n");
        out.extend(columns::cells(row).iter().map(|(title, cell)| named(title, cell)));
        out.push_str("</record>\n");
    }
    out.push_str("</reportbody>\n<reportfooter>\n");
    out.extend(footer(report).iter().map(|(title, value)| named(title, value)));
    out.push_str("</reportfooter>\n</report>\n");
    out
}
