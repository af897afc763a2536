//! Ontology terms: the only place where a CURIE stands beside its label.
//!
//! source: psi-ms.obo 4.1.257 (HUPO-PSI) and the Ontology for Biomedical Investigations; all were looked up, none is
//! obsolete.

/// Each CURIE and its label.
const LABELS: &[(&str, &str)] = &[
    ("OBI:0001046", "bioreactor"),
    ("OBI:0400112", "liquid handler"),
    ("MS:1003293", "ZenoTOF 7600"),
    ("MS:1003444", "ZenoTOF 7600+"),
    ("MS:1003443", "ZenoTOF 8600"),
    ("MS:1003445", "SCIEX 7500+"),
    ("MS:1003446", "SCIEX OS"),
    ("MS:1000551", "Analyst"),
    ("MS:1000562", "ABI WIFF format"),
    ("MS:1003448", "SCIEX WIFF2 format"),
    ("MS:1003215", "data-independent acquisition"),
    ("MS:1003224", "data independent acquisition from dissociation of sequential mass ranges"),
    ("MS:1003221", "data-dependent acquisition"),
    ("MS:1000206", "selected reaction monitoring"),
    ("MS:1003907", "parallel reaction monitoring"),
    ("OBI:0000470", "mass spectrometry assay"),
    ("MS:1000130", "positive scan"),
    ("MS:1000129", "negative scan"),
    ("MS:1003294", "electron activated dissociation"),
    ("MS:1000133", "collision-induced dissociation"),
    ("MS:1000073", "electrospray ionization"),
    ("MS:1000568", "MD5"),
    ("MS:1000569", "SHA-1"),
    ("MS:1003151", "SHA-256"),
    ("OBI:0000747", "material sample"),
    ("OBI:0000192", "microtiter plate"),
];

/// The label of a CURIE in the table.
pub fn label(curie: &str) -> Option<&'static str> {
    LABELS.iter().find(|(id, _)| *id == curie).map(|(_, label)| *label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_stands_once_and_shipped_profiles_agree_with_it() {
        for (at, (id, _)) in LABELS.iter().enumerate() {
            assert!(LABELS.iter().skip(at + 1).all(|(other, _)| other != id), "{id} stands twice");
        }
        for name in crate::profile::names() {
            let profile = crate::profile::shipped(name).expect("shipped");
            let (id, said) = profile.term.as_ref().expect("a term");
            assert_eq!(label(id), Some(said.as_str()), "{name}");
        }
    }
}
