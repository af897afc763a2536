use proptest::prelude::*;

use super::dates;
use super::model::{label, well};
use super::written::{Written, read as time};
use super::*;

fn plate(name: &str, barcode: &str) -> PlateName {
    PlateName { name: name.into(), barcode: barcode.into(), plate_type: "384PP_AQ_BP".into() }
}

fn row(source: &str, destination: &str, time: &str) -> Row {
    Row {
        time: time.into(),
        source: plate("Source[1]", "S1"),
        destination: plate("Destination[1]", "D1"),
        source_well: well(source).expect("a well"),
        destination_well: Some(well(destination).expect("a well")),
        figures: Figures {
            requested_nl: Figure::Is(100.0),
            actual_nl: Figure::Is(100.0),
            survey_ul: Figure::Is(52.337),
            current_ul: Figure::Is(52.237),
        },
        sample_id: "S-1".into(),
        sample_name: "a, \"b\" <c> & d".into(),
        fluid: FluidCells { kind: "AQ".into(), composition: Figure::Is(100.0), units: "%".into() },
        ..Row::default()
    }
}

fn written() -> Report {
    Report {
        header: Header {
            run_id: "1733769624".into(),
            ended: "2024-12-09 13:46:20".into(),
            application: "Labcyte Echo Plate Reformat".into(),
            version: "1.7.2".into(),
            protocol: "a \"protocol\".epr".into(),
            user: "LabAutomation".into(),
            ..Header::default()
        },
        instrument: Instrument {
            name: "E5XX-1".into(),
            model: "Echo 525".into(),
            serial: "E5XX-1".into(),
            software: "2.6.3".into(),
        },
        rows: vec![
            Row { exception: true, status: "MM0202001: too low".into(), ..row("A1", "B2", "2024-12-09 13:41:30.154") },
            row("AF48", "P24", "2024-12-09 13:41:31.102"),
        ],
    }
}

fn report_of(document: &Document) -> &Report {
    match &document.part {
        Part::Report(report) => report,
        Part::Survey(_) => panic!("a report"),
    }
}

fn without_lines(report: &Report) -> Report {
    let rows = report.rows.iter().map(|row| Row { line: 0, ..row.clone() }).collect();
    Report { rows, ..report.clone() }
}

fn kinds(document: &Document) -> Vec<&'static str> {
    document.defects.iter().map(|defect| defect.kind.name()).collect()
}

#[test]
fn what_is_written_is_read_again_and_known_by_its_content() {
    let report = written();
    let csv = write::report_csv(&report);
    let read_back = read(csv.as_bytes()).expect("a report");
    assert_eq!((read_back.format, &read_back.cut, kinds(&read_back).len()), (Format::ReportCsv, &None, 0));
    assert_eq!(without_lines(report_of(&read_back)), report);
    assert!(is_whole(csv.as_bytes(), Format::ReportCsv));

    let xml = write::report_xml(&report);
    let read_back = read(xml.as_bytes()).expect("a report");
    assert_eq!((read_back.format, &read_back.cut, kinds(&read_back).len()), (Format::ReportXml, &None, 0));
    // The xml variant has no sections.
    let plain = report.rows.iter().map(|row| Row { exception: false, ..row.clone() }).collect();
    assert_eq!(without_lines(report_of(&read_back)), Report { rows: plain, ..report });
    assert!(is_whole(xml.as_bytes(), Format::ReportXml));
}

#[test]
fn a_transfer_xml_keeps_its_units_apart_and_names_what_was_skipped() {
    let names = [plate("source", "UnknownBarCode"), plate("destination", "D1")];
    let shot = |skipped, time: &str| Row {
        skipped,
        source: names[0].clone(),
        destination: names[1].clone(),
        sample_id: String::new(),
        sample_name: String::new(),
        status: if skipped { "MM0202007: Problem calc. well fluid volume fc: 0 ft: 0".into() } else { String::new() },
        figures: Figures {
            requested_nl: Figure::Is(5000.0),
            actual_nl: if skipped { Figure::Absent } else { Figure::Is(5000.0) },
            survey_ul: Figure::Is(2433.379),
            current_ul: Figure::Is(2428.379),
        },
        ..row("A1", "B2", time)
    };
    let report = Report {
        header: Header { ended: "2023-10-29 22:30:09.000".into(), protocol: "style".into(), ..Header::default() },
        instrument: Instrument { serial: "E5XX-12345".into(), ..Instrument::default() },
        rows: vec![shot(false, "22:24:10.512"), shot(true, "")],
    };
    let xml = write::transfer_xml(&report);
    let document = read(xml.as_bytes()).expect("a transfer");
    assert_eq!((document.format, &document.cut, kinds(&document)), (Format::TransferXml, &None, vec![]));
    assert_eq!(without_lines(report_of(&document)), report);
    let fewer = xml.replace("<printmap total=\"1\">", "<printmap total=\"2\">");
    assert_eq!(kinds(&read(fewer.as_bytes()).expect("a transfer")), ["miscount"]);
    let contradiction = xml.replacen("dn=\"B2\"", "dn=\"B3\"", 1);
    assert_eq!(kinds(&read(contradiction.as_bytes()).expect("a transfer")), ["unknown-well"]);
}

#[test]
fn what_is_something_else_is_named() {
    let foreign = |bytes: &[u8]| read(bytes).expect_err("none of the four");
    assert_eq!(foreign(b""), Foreign::Empty);
    assert_eq!(
        foreign(
            b"Source Plate Name,Source Well,Destination Plate Name,Destination Well,Transfer Volume\nS,A1,D,A1,2.5\n"
        ),
        Foreign::Picklist
    );
    assert_eq!(foreign(b"PK\x03\x04rest"), Foreign::Workbook);
    assert_eq!(foreign(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), Foreign::Workbook);
    assert_eq!(foreign(b"<?xml version='1.0'?><plateinfo/>"), Foreign::Labware);
    assert_eq!(foreign(b"<html></html>"), Foreign::OtherXml);
    assert_eq!(foreign(b"\x00\x01\x02"), Foreign::Binary);
    assert_eq!(foreign(b"a,b,c\n"), Foreign::OtherText);
    assert_eq!(foreign(b"<?xml never ends"), Foreign::OtherText);
}

#[test]
fn a_spreadsheet_leaves_blank_cells_semicolons_and_decimal_commas() {
    let commas = "Run ID,1,,\nRun Date/Time,3/11/2025 15:14,,\n,,,\n[DETAILS],,,\n\
        Date Time Point,Source Well,Destination Well,Transfer Volume\n15:54.8,A1,B1,25\n,,,\n\
        Instrument Name,x,,\nInstrument Software Version,2,,\n";
    let document = read(commas.as_bytes()).expect("a report");
    let report = report_of(&document);
    assert_eq!((report.rows.len(), &document.cut, kinds(&document)), (1, &None, vec![]));
    assert_eq!((report.header.ended.as_str(), report.instrument.software.as_str()), ("3/11/2025 15:14", "2"));
    assert!(is_whole(commas.as_bytes(), Format::ReportCsv));

    let semicolons = commas.replace(",25\n", ",2,5\n").replacen(",2,5", ";2,5", 1).replace("A1,B1", "A1;B1");
    let semicolons = semicolons.replace("15:54.8,", "15:54.8;");
    let semicolons: String = semicolons
        .lines()
        .map(|line| if line.contains(';') { line.to_owned() } else { line.replace(',', ";") })
        .map(|line| line + "\r\n")
        .collect();
    let document = read(semicolons.as_bytes()).expect("a report");
    assert_eq!(report_of(&document).rows[0].figures.requested_nl, Figure::Is(2.5));
    assert_eq!(kinds(&document), ["other-separator"]);
}

#[test]
fn bad_rows_are_told_and_the_others_read() {
    let text = "Run ID,1\n[EXCEPTIONS]\nDate Time Point,Source Well,Destination Well,Transfer Volume,Transfer Status\n\
        t,A1,B1,1,MM1: x\nt,A1\nt,A1,ZZ9,1,\nt,A1,B1,many,\n[DETAILS]\n\
        Date Time Point,Source Well,Destination Well,Transfer Volume,Transfer Status\nt,A1,B1,1,MM1: x\nt,A1,B1,1,\n\
        [OTHER]\na,b\nc,d\n\nInstrument Name,x\nInstrument Software Version,2\n";
    let document = read(text.as_bytes()).expect("a report");
    assert_eq!(
        kinds(&document),
        ["torn-row", "unknown-well", "damaged-figure", "unknown-columns", "unknown-columns", "repeated-row"]
    );
    assert_eq!(document.defects[0].line, 5);
    let rows = &report_of(&document).rows;
    let told: Vec<_> = rows.iter().map(|row| (row.line, row.exception, row.figures.requested_nl)).collect();
    let one = Figure::Is(1.0);
    assert_eq!(told, [(4, true, one), (7, true, Figure::Damaged), (11, false, one)]);
}

#[test]
fn what_breaks_off_is_read_up_to_there() {
    let csv = write::report_csv(&written());
    let at = csv.find("[DETAILS]").expect("there") + 400;
    let document = read(&csv.as_bytes()[..at]).expect("a report");
    assert_eq!(report_of(&document).rows.len(), 1);
    assert!(document.cut.as_ref().expect("cut").text.contains("no end"), "{:?}", document.cut);
    let no_footer = csv.split("\nInstrument").next().expect("text").to_owned();
    let document = read(no_footer.as_bytes()).expect("a report");
    assert_eq!(report_of(&document).rows.len(), 2);
    assert!(document.cut.expect("cut").text.contains("without the lines about the instrument"));
    // The last line without its line end is all there as far as anybody can tell.
    let document = read(csv.trim_end().as_bytes()).expect("a report");
    assert_eq!((document.cut.clone(), report_of(&document).instrument.software.as_str()), (None, "2.6.3"));
    assert!(!is_whole(csv.trim_end().as_bytes(), Format::ReportCsv));

    let xml = write::report_xml(&written());
    let document = read(&xml.as_bytes()[..xml.rfind("<record>").expect("there") + 300]).expect("a report");
    assert_eq!((report_of(&document).rows.len(), document.cut.is_some()), (1, true));
}

#[test]
fn hostile_xml_is_bounded_and_says_why_it_stops() {
    let told = |text: &str| read(text.as_bytes()).expect("xml").cut.map(|cut| cut.text).unwrap_or_default();
    let bomb =
        "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><platesurvey name=\"&b;\"></platesurvey>";
    assert!(told(bomb).contains("document type"));
    assert!(told("<!DOCTYPE platesurvey><platesurvey></platesurvey>").contains("document type"));
    assert!(told("<platesurvey name=\"&b;\"></platesurvey>").contains('b'), "an unknown entity");
    assert!(told("<report><reportbody><record>&lol;</record></reportbody></report>").contains("entity"));
    let deep = format!("<platesurvey>{}", "<a>".repeat(100_000));
    assert!(told(&deep).contains("nested deeper"));
    let many: String = (0..100).map(|n| format!(" a{n}=\"\"")).collect();
    assert!(told(&format!("<platesurvey><w{many}/></platesurvey>")).contains("more attributes"));
    let long = format!("<platesurvey><w n=\"{}\"/></platesurvey>", "x".repeat(10_000));
    assert!(told(&long).contains("attribute longer"));
    assert!(told("<platesurvey><w></platesurvey>").contains('w'), "crossed elements");
    assert!(told("<platesurvey><w n=\"A1\" n=\"A2\"/></platesurvey>").contains("uplicate"));
    let wells = "<w r=\"0\" c=\"0\" n=\"A1\" vl=\"NaN\"/>".repeat(MAX_ROWS + 200);
    let document = read(format!("<platesurvey>{wells}</platesurvey>").as_bytes()).expect("a survey");
    assert_eq!((document.defects.len(), document.more_defects), (MAX_DEFECTS, MAX_ROWS + 100));
}

#[test]
fn encodings() {
    let csv = write::report_csv(&written());
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(csv.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(without_lines(report_of(&read(&wide).expect("a report"))), written());
    let marked = [b"\xef\xbb\xbf", csv.as_bytes()].concat();
    assert_eq!(without_lines(report_of(&read(&marked).expect("a report"))), written());
    let latin: Vec<u8> =
        csv.replace("LabAutomation", "M#ller").bytes().map(|b| if b == b'#' { 0xfc } else { b }).collect();
    let document = read(&latin).expect("a report");
    assert_eq!((report_of(&document).header.user.as_str(), kinds(&document)), ("Müller", vec!["not-utf-8"]));
}

fn any_text() -> impl Strategy<Value = String> {
    let pieces = [
        "<platesurvey ",
        "<transfer>",
        "<report>",
        "<w ",
        "/>",
        ">",
        "</w>",
        "</platesurvey>",
        "r=\"0\" ",
        "n='A1' ",
        "&amp;",
        "&#x0;",
        "&x;",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "?>",
        "\"",
        "Run ID,1\n",
        "[DETAILS]\n",
        "[EXCEPTIONS]\n",
        "Date Time Point,Source Well,Destination Well,Transfer Volume\n",
        "t,A1,B1,1e999\n",
        ",",
        "\n",
        "é",
        "\0",
        "Instrument Name,x\n",
        "<record>",
        "</record>",
        "<reportbody>",
        "23:59:59",
        "<printmap total=\"99999999999\">",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in any_text(), cut in any::<prop::sample::Index>()) {
        let _ = read(&bytes);
        let _ = read(text.as_bytes());
        for whole in [write::report_csv(&written()), write::report_xml(&written()), write::transfer_xml(&written())] {
            let at = cut.index(whole.len());
            let _ = read(&whole.as_bytes()[..at]);
            let spliced = [&whole.as_bytes()[..at], text.as_bytes(), &whole.as_bytes()[at..]].concat();
            let _ = read(&spliced);
            // No beginning is taken for another format than the whole, or for a whole file.
            let format = read(whole.as_bytes()).expect("a report").format;
            prop_assert!(matches!(detect(&whole.as_bytes()[..at], false), Detection::More | Detection::Found(_)));
            if let Detection::Found(found) = detect(&whole.as_bytes()[..at], false) {
                prop_assert_eq!(found, format);
                prop_assert!(at + 1 >= whole.len() || !is_whole(&whole.as_bytes()[..at], format));
            }
        }
    }

    #[test]
    fn wells_and_times_come_back(row in 0u8..32, column in 0u8..48, text in "\\PC{0,12}") {
        prop_assert_eq!(well(&label((row, column))), Some((row, column)));
        let _ = well(&text);
        let _ = time(&text);
    }

    #[test]
    fn shots_of_a_run_get_their_dates_back(
        start in 0i64..2_000_000, steps in proptest::collection::vec(0i64..600, 1..60), wait in 0i64..3600,
    ) {
        let begin: jiff::civil::DateTime = "2024-02-20T00:00:00".parse().expect("a moment");
        let mut at = begin.saturating_add(jiff::SignedDuration::from_secs(start));
        let moments: Vec<_> = steps.iter().map(|step| {
            at = at.saturating_add(jiff::SignedDuration::from_secs(*step));
            at
        }).collect();
        let ended = at.saturating_add(jiff::SignedDuration::from_secs(wait));
        let times: Vec<_> = moments.iter().map(|moment| Some(moment.time())).collect();
        let long = ended.duration_since(moments[0]) > dates::LONGEST;
        let found = dates::backwards(ended, &times);
        prop_assert_eq!(found.is_err(), long);
        if let Ok(found) = found {
            prop_assert_eq!(found, moments.into_iter().map(Some).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_time_is_full_or_of_a_day_or_nothing() {
    assert!(matches!(time("2024-12-09T13:41:30"), Written::Full(_)));
    assert!(matches!(time("13:41:30"), Written::OfDay(_)));
}
