//! The report csv.

use csv::{ReaderBuilder, StringRecord};

use super::columns;
use super::detect::Format;
use super::model::{DefectKind, Document, Part, Report, Row};

/// Cells of one row; the reports have some thirty columns.
const MAX_CELLS: usize = 256;

/// Where in the file the reading is.
enum Place {
    /// Among the header's lines, or the footer's.
    Entries,
    /// After the title of a section, before its columns.
    Title,
    /// Among the rows of a section.
    Rows(Vec<String>),
    /// Among rows that cannot be understood.
    Unknown,
}

struct Reading {
    document: Document,
    report: Report,
    place: Place,
    exceptions: bool,
    comma: bool,
    footer: bool,
    last: u64,
}

/// Reads a report; what is not whole is read up to where it breaks off.
pub(super) fn read(text: &str) -> Document {
    let separator = separator(text);
    let mut reading = Reading {
        document: Document::new(Format::ReportCsv, Part::Report(Report::default())),
        report: Report::default(),
        place: Place::Entries,
        exceptions: false,
        comma: separator != b',',
        footer: false,
        last: 1,
    };
    if separator != b',' {
        let text =
            "its cells are separated by something else than commas: a program other than the instrument's saved it";
        reading.document.defect(DefectKind::OtherSeparator, 1, text);
    }
    // An unterminated last line may be half of one.
    let (whole, tail) = match text.ends_with(['\n', '\r']) {
        true => (text, ""),
        false => text.split_at(text.rfind(['\n', '\r']).map_or(0, |at| at + 1)),
    };
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(whole.as_bytes());
    let mut record = StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => reading.take(&record),
            Ok(false) => break,
            Err(error) => {
                let line = error.position().map_or(reading.last, csv::Position::line);
                reading.document.cut(line, &error.to_string());
                break;
            }
        }
    }
    reading.ended(tail, separator)
}

/// What stands after `Run ID`.
fn separator(text: &str) -> u8 {
    let line = text.trim_start().lines().next().unwrap_or_default();
    let found = line.bytes().find(|byte| matches!(byte, b',' | b';' | b'\t'));
    found.unwrap_or(b',')
}

impl Reading {
    fn take(&mut self, record: &StringRecord) {
        let line = record.position().map_or(self.last, csv::Position::line);
        self.last = line;
        if record.iter().all(|cell| cell.trim().is_empty()) {
            return;
        }
        let first = record.get(0).unwrap_or_default().trim();
        let others = record.iter().skip(1).any(|cell| !cell.trim().is_empty());
        if let Some(title) = first.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|_| !others) {
            self.exceptions = title.trim().eq_ignore_ascii_case("exceptions");
            self.place = Place::Title;
            return;
        }
        if !matches!(self.place, Place::Entries) && columns::normal(first).starts_with("instrument") {
            self.place = Place::Entries;
            self.footer = true;
        }
        match &self.place {
            Place::Entries => {
                let value = record.get(1).unwrap_or_default();
                let (header, instrument) = (&mut self.report.header, &mut self.report.instrument);
                columns::entry(first.trim_end_matches(':'), value, header, instrument);
            }
            Place::Title => {
                let titles: Vec<String> = record.iter().take(MAX_CELLS).map(columns::normal).collect();
                if columns::suffice(&titles) {
                    self.place = Place::Rows(titles);
                } else {
                    self.document.defect(DefectKind::Columns, line, &titles.join(", "));
                    self.place = Place::Unknown;
                }
            }
            Place::Rows(titles) => {
                let wanted = titles.iter().rposition(|title| !title.is_empty()).map_or(0, |last| last + 1);
                if record.len() < wanted {
                    let text = format!("{} cells, and there are {wanted} columns", record.len());
                    self.document.defect(DefectKind::TornRow, line, &text);
                    return;
                }
                let cells = titles.iter().map(String::as_str).zip(record.iter());
                if let Some(row) = columns::row(cells, line, self.exceptions, self.comma, &mut self.document) {
                    self.row(row);
                }
            }
            Place::Unknown => {
                self.document.defect(DefectKind::Columns, line, "a row of a section that is not understood")
            }
        }
    }

    fn row(&mut self, row: Row) {
        if self.report.rows.len() >= super::MAX_ROWS {
            self.document.defect(DefectKind::TooMany, row.line, "no report has so many rows");
            return;
        }
        self.report.rows.push(row);
    }

    fn ended(mut self, tail: &str, separator: u8) -> Document {
        let tail = tail.trim();
        let software = columns::normal(tail).starts_with("instrumentsoftwareversion");
        if software && self.footer {
            // The last line of the footer without its line end: complete as far as anybody can tell.
            let (title, value) = tail.split_once(char::from(separator)).unwrap_or((tail, ""));
            columns::entry(title, value, &mut self.report.header, &mut self.report.instrument);
        } else if !tail.is_empty() {
            self.document.cut(self.last + 1, "its last line has no end and is not read");
        } else if !self.footer {
            self.document.cut(self.last, "it ends without the lines about the instrument");
        }
        self.once();
        self.document.part = Part::Report(self.report);
        self.document
    }

    /// A row that stands among the exceptions and again, the same in every cell, among the details is one shot.
    fn once(&mut self) {
        let split = self.report.rows.iter().position(|row| !row.exception).unwrap_or(self.report.rows.len());
        let (exceptions, rest) = self.report.rows.split_at(split);
        if exceptions.is_empty() || rest.is_empty() {
            return;
        }
        let mut told: std::collections::BTreeMap<_, Vec<&Row>> = std::collections::BTreeMap::new();
        let key = |row: &Row| (row.source_well, row.destination_well, row.time.clone());
        exceptions.iter().for_each(|row| told.entry(key(row)).or_default().push(row));
        let repeated: std::collections::BTreeSet<u64> = rest
            .iter()
            .filter(|row| told.get(&key(row)).is_some_and(|same| same.iter().any(|one| columns::same(one, row))))
            .map(|row| row.line)
            .collect();
        for line in &repeated {
            self.document.defect(
                DefectKind::RepeatedRow,
                *line,
                "it stands among the exceptions as well, and counts once",
            );
        }
        self.report.rows.retain(|row| !repeated.contains(&row.line));
    }
}
