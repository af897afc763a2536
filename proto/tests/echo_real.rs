//! The Echo's files as real instruments wrote them.

mod support;

use instrument_proto::codec::echo::{Document, Figure, Format, Part, Report, Row, is_whole, read};

fn document(name: &str, format: Format) -> Option<Document> {
    let bytes = support::real_bytes(&format!("echo/{name}"))?;
    assert!(is_whole(&bytes, format), "{name}");
    let document = read(&bytes).expect("one of the four");
    assert_eq!((document.format, &document.cut, &document.defects), (format, &None, &vec![]), "{name}");
    Some(document)
}

fn report(document: &Document) -> &Report {
    match &document.part {
        Part::Report(report) => report,
        Part::Survey(_) => panic!("a report"),
    }
}

fn figures(row: &Row) -> [Option<f64>; 4] {
    let it = row.figures;
    [it.requested_nl, it.actual_nl, it.survey_ul, it.current_ul].map(Figure::number)
}

#[test]
fn a_survey_of_384_wells() {
    let Some(document) = document("platesurvey.xml", Format::SurveyXml) else { return };
    let Part::Survey(survey) = &document.part else { panic!("a survey") };
    assert_eq!((survey.rows, survey.columns, survey.wells.len()), (16, 24, 384));
    assert_eq!(
        [&survey.plate_type, &survey.barcode, &survey.date, &survey.serial],
        ["384PP_AQ_BP", "UnknownBarCode", "2023-10-29 18:31:12.000", "E5XX-12345"]
    );
    let filled: Vec<_> = survey.wells.iter().filter(|well| well.status.is_empty()).collect();
    assert_eq!(filled.len(), 17);
    let volume: f64 = filled.iter().filter_map(|well| well.volume_ul.number()).sum();
    assert!((volume - 385.927).abs() < 1e-9, "{volume}");
    let (first, last) = (&survey.wells[0], &survey.wells[383]);
    assert_eq!((first.row, first.column, first.volume_ul, first.line), (0, 0, Figure::Is(8.006), 4));
    assert_eq!((last.row, last.column), (15, 23));
    assert_eq!(last.status, "Data missing for well (16th row, 24th column), defaulting to 0.0 value of AQ");
}

#[test]
fn a_report_of_transfers() {
    let Some(document) = document("TransferOnly.csv", Format::ReportCsv) else { return };
    let report = report(&document);
    assert_eq!((report.header.run_id.as_str(), report.header.ended.as_str()), ("1733769624", "2024-12-09 13:46:20"));
    assert_eq!((report.instrument.model.as_str(), report.instrument.serial.as_str()), ("Echo 525", "E5XX-19119"));
    assert_eq!(report.rows.len(), 4);
    assert!(report.rows.iter().all(|row| !row.exception && row.status.is_empty()));
    let (first, last) = (&report.rows[0], &report.rows[3]);
    assert_eq!(figures(first), [100.0, 100.0, 52.337, 52.237].map(Some));
    assert_eq!(
        (first.source_well, first.destination_well, first.time.as_str()),
        ((0, 0), Some((0, 0)), "2024-12-09 13:41:30.154")
    );
    assert_eq!((last.source_well, last.destination_well), ((0, 1), Some((1, 1))));
    assert_eq!((last.source.barcode.as_str(), last.destination.barcode.as_str()), ("SRC123456", "DST314159"));
}

#[test]
fn a_report_of_exceptions_that_a_spreadsheet_saved() {
    let Some(document) = document("SurveyVolumeExamples.csv", Format::ReportCsv) else { return };
    let report = report(&document);
    assert_eq!(report.header.ended, "3/11/2025 15:14");
    assert_eq!(report.rows.len(), 30);
    assert!(report.rows.iter().all(|row| row.exception && row.status.starts_with("MM0202001: ")));
    let (first, last) = (&report.rows[0], &report.rows[29]);
    assert_eq!(figures(first), [1000.0, 0.0, 13.251, 9.251].map(Some));
    assert_eq!((first.source_well, first.destination_well, first.time.as_str()), ((2, 20), Some((9, 14)), "15:54.8"));
    assert_eq!((last.source_well, last.destination_well, last.time.as_str()), ((0, 22), Some((3, 17)), "16:00.7"));
}
