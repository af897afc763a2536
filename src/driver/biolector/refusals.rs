//! Sources that are refused: what was found, and what to do.

use instrument_proto::codec::biolector::detect::{Foreign, Format};

use super::source::{Source, Stage};
use super::table;
use crate::driver::{Effects, Refusal};

impl Source {
    pub fn refuse(&mut self, code: &'static str, reason: String, remedy: &str, effects: &mut Effects) {
        self.stage = Stage::Refused;
        let refusal = Refusal { code, reason, remedy: remedy.to_owned() };
        effects.refused.push((self.name.clone(), refusal));
    }

    pub fn no_meta(&mut self, effects: &mut Effects) {
        let reason = "it holds no `.meta` member, so it is no BioLector XT experiment".to_owned();
        self.refuse(
            "not-an-experiment",
            reason,
            "give the export as the instrument made it, with all its members",
            effects,
        );
    }

    pub fn foreign(&mut self, foreign: Foreign, held: &[u8], effects: &mut Effects) {
        let raw = "give the raw file that the instrument wrote";
        let (code, reason, remedy) = match foreign {
            Foreign::EditedExport => (
                "edited-export",
                "it was saved by the software BioLection (`=====parameters=====`) and is no raw file".to_owned(),
                raw,
            ),
            Foreign::TransformExport => (
                "transform-export",
                "it is a TRANSFORM export of the BioLector I's software (`FILE NAME;`) and no raw file".to_owned(),
                raw,
            ),
            Foreign::Zip => (
                "not-a-biolector-file",
                "it is a zip archive where a table was expected".to_owned(),
                "give the archive itself, with a name that ends in `.zip`",
            ),
            Foreign::Binary => ("not-a-biolector-file", "its first bytes are no text".to_owned(), raw),
            Foreign::OtherText if held.is_empty() => ("not-a-biolector-file", "it is empty".to_owned(), raw),
            Foreign::OtherText => {
                let line = held.split(|b| *b == b'\n').next().unwrap_or_default();
                let line = table::clean(&line[..line.len().min(60)]);
                ("not-a-biolector-file", format!("no BioLector writes a first line such as `{line}`"), raw)
            }
        };
        self.refuse(code, reason, remedy, effects);
    }
}

/// The family of a source's format, in words, and the profile for it.
pub(super) fn family_name(format: Format) -> (&'static str, &'static str) {
    match format {
        Format::One => ("BioLector I", "biolector-1"),
        Format::Pro => ("BioLector II or Pro", "biolector-pro"),
        Format::Xt => ("BioLector XT", "biolector-xt"),
    }
}
