//! Which of the four a file is, and whether it is all there.

use super::text;

/// The four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `<platesurvey>`.
    SurveyXml,
    /// `<transfer>`.
    TransferXml,
    /// `Run ID,…`.
    ReportCsv,
    /// `<report>` with a `<reportheader>`.
    ReportXml,
}

impl Format {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::SurveyXml => "survey xml",
            Self::TransferXml => "transfer xml",
            Self::ReportCsv => "report csv",
            Self::ReportXml => "report xml",
        }
    }

    /// What ends a whole file.
    fn end(self) -> &'static str {
        match self {
            Self::SurveyXml => "</platesurvey>",
            Self::TransferXml => "</transfer>",
            Self::ReportCsv => "instrument software version",
            Self::ReportXml => "</report>",
        }
    }
}

/// What the first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detection {
    /// Not enough yet.
    More,
    /// It is one of the four.
    Found(Format),
    /// It is none.
    Foreign(Foreign),
}

/// What a file is instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// Nothing at all.
    Empty,
    /// A picklist: what is to be transferred, and no word of what was.
    Picklist,
    /// A workbook of a spreadsheet (zip or OLE), whatever its name says.
    Workbook,
    /// The description of plate types (`.elwx`).
    Labware,
    /// XML of something else.
    OtherXml,
    /// No text.
    Binary,
    /// Other text.
    OtherText,
}

/// How much is looked at: comments and a declaration can stand before the first element.
const HEAD: usize = 8 << 10;

/// Looks at the first bytes of a file. `all`: no more will come.
pub fn detect(bytes: &[u8], all: bool) -> Detection {
    if bytes.is_empty() {
        return if all { Detection::Foreign(Foreign::Empty) } else { Detection::More };
    }
    if bytes.starts_with(b"PK") || bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return Detection::Foreign(Foreign::Workbook);
    }
    let all = all || bytes.len() >= HEAD;
    let mut head = bytes.get(..HEAD).unwrap_or(bytes);
    // A letter that the end cuts in two is not judged.
    if let Err(error) = std::str::from_utf8(head)
        && error.error_len().is_none()
    {
        head = head.get(..error.valid_up_to()).unwrap_or(head);
    }
    let (text, _) = text::of(head);
    if text.contains('\0') {
        return Detection::Foreign(Foreign::Binary);
    }
    let found = match text.trim_start() {
        "" => None,
        trimmed if trimmed.starts_with('<') => xml(trimmed),
        trimmed => csv(trimmed, all),
    };
    match found {
        Some(detection) => detection,
        None if all => Detection::Foreign(Foreign::OtherText),
        None => Detection::More,
    }
}

/// By the first element.
fn xml(text: &str) -> Option<Detection> {
    let mut rest = text;
    loop {
        rest = rest.get(rest.find('<')?..)?;
        let (skip, until) = match rest {
            it if it.starts_with("<?") => ("<?", "?>"),
            it if it.starts_with("<!--") => ("<!--", "-->"),
            // Refused with its reason when it is read.
            it if it.starts_with("<!") => ("<!", ">"),
            _ => break,
        };
        let behind = rest.get(skip.len()..)?;
        rest = behind.get(behind.find(until)? + until.len()..)?;
    }
    let name: String =
        rest.chars().skip(1).take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect();
    // The name must be seen to end.
    let ends = rest.get(1 + name.len()..).is_some_and(|behind| !behind.is_empty());
    ends.then_some(match name.as_str() {
        "platesurvey" => Detection::Found(Format::SurveyXml),
        "transfer" => Detection::Found(Format::TransferXml),
        "report" => Detection::Found(Format::ReportXml),
        "plateinfo" | "sourceplates" => Detection::Foreign(Foreign::Labware),
        _ => Detection::Foreign(Foreign::OtherXml),
    })
}

/// By the first line.
fn csv(text: &str, all: bool) -> Option<Detection> {
    let (line, whole) = text.split_once(['\n', '\r']).map_or((text, false), |(line, _)| (line, true));
    let line = line.to_ascii_lowercase();
    let line = line.trim_start_matches(['"', '*', ' ']);
    if line.starts_with("run id") && line.len() > "run id".len() {
        return Some(Detection::Found(Format::ReportCsv));
    }
    if !whole && !all {
        return None;
    }
    let has = |name: &str| line.contains(name);
    Some(Detection::Foreign(match has("source well") && has("destination well") && !has("actual volume") {
        true => Foreign::Picklist,
        false => Foreign::OtherText,
    }))
}

/// Whether a file that begins as `format` is all there by its structure: its root element is closed, or the last line of its footer
/// stands there with its line end. A file without either can still be whole, which only time tells.
pub fn is_whole(bytes: &[u8], format: Format) -> bool {
    const TAIL: usize = 4 << 10;
    // A file of two bytes a letter is not looked into: it is whole when it is silent.
    let tail = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or(bytes);
    let tail = String::from_utf8_lossy(tail);
    match format {
        Format::ReportCsv => {
            let ends = tail.ends_with(['\n', '\r']);
            let blank = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"');
            let last = tail.trim_end_matches(blank).rsplit(['\n', '\r']).next().unwrap_or_default();
            let last = last.trim_start_matches(['"', '*', ' ']).to_ascii_lowercase();
            ends && last.starts_with(format.end())
        }
        _ => tail.trim_end().ends_with(format.end()),
    }
}
