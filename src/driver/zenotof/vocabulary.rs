//! Ontology terms of what the files say. Labels stand in one table, that of the profiles.

use instrument_proto::codec::wiff::{Instrument, ModeKind, Polarity};

use crate::event::acquisition::{self, Term};
use crate::profile::terms::label;
use crate::profile::zenotof::Member;

/// The term of this CURIE.
pub fn term(id: &str) -> Option<Term> {
    label(id).map(|label| Term { id: id.to_owned(), label: label.to_owned() })
}

/// The format of a member.
pub fn format(kind: Member) -> Option<Term> {
    match kind {
        Member::Wiff | Member::Scan => term("MS:1000562"),
        Member::Wiff2 => term("MS:1003448"),
        Member::Timeseries | Member::Metadata | Member::Report => None,
    }
}

/// What a complete acquisition is: the assay, and what its digests are.
pub fn acquisition() -> Vec<Term> {
    ["OBI:0000470", "MS:1003151"].into_iter().filter_map(term).collect()
}

/// The model's term, by the vendor's name for it.
fn model(instrument: &Instrument) -> Option<Term> {
    let id = match instrument.model.as_deref()? {
        "ZENOTOF7600" => "MS:1003293",
        "ZENOTOF7600+" => "MS:1003444",
        "ZENOTOF8600" => "MS:1003443",
        "7500+" | "SCIEX7500+" => "MS:1003445",
        _ => return None,
    };
    term(id)
}

/// The instrument for an event.
pub fn instrument(found: Option<&Instrument>, computer: Option<&str>) -> acquisition::Instrument {
    let computer = computer.filter(|name| !name.is_empty()).map(str::to_owned);
    let Some(found) = found else { return acquisition::Instrument { computer, ..Default::default() } };
    acquisition::Instrument {
        model: found.name.clone(),
        term: model(found),
        serial: found.serial.clone(),
        firmware: found.firmware.clone(),
        computer,
    }
}

/// The software, by the name that it wrote.
pub fn software(name: &str) -> Option<acquisition::Software> {
    let lower = name.to_lowercase();
    let id = match () {
        () if lower.starts_with("sciex os") => term("MS:1003446"),
        () if lower.starts_with("analyst") => term("MS:1000551"),
        () => None,
    };
    (!name.is_empty()).then(|| acquisition::Software { name: name.to_owned(), term: id })
}

/// The polarity.
pub fn polarity(found: Option<Polarity>) -> acquisition::Polarity {
    let (value, id) = match found {
        Some(Polarity::Positive) => ("positive", Some("MS:1000130")),
        Some(Polarity::Negative) => ("negative", Some("MS:1000129")),
        Some(Polarity::Switching) => ("mixed", None),
        None => ("unknown", None),
    };
    acquisition::Polarity { value, term: id.and_then(term) }
}

/// The mode, with the vendor's word.
pub fn mode(found: &instrument_proto::codec::wiff::Mode) -> acquisition::Mode {
    let (kind, variant, id) = match found.kind {
        ModeKind::Ms1 => ("ms1", None, None),
        ModeKind::Dda => ("dda", None, Some("MS:1003221")),
        ModeKind::Swath => ("dia", Some("swath"), Some("MS:1003224")),
        ModeKind::ZtScan => ("dia", Some("zt-scan"), Some("MS:1003215")),
        ModeKind::Prm => ("prm", None, Some("MS:1003907")),
        ModeKind::Srm => ("srm", None, Some("MS:1000206")),
        ModeKind::Unknown => ("unknown", None, None),
    };
    let windows = found.windows.iter();
    acquisition::Mode {
        kind,
        variant,
        term: id.and_then(term),
        vendor: Some(found.word.clone()).filter(|word| !word.is_empty()),
        windows: windows.map(|w| acquisition::Window { lower_mz: w.lower, upper_mz: w.upper }).collect(),
    }
}
