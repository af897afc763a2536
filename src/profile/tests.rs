use super::*;
use crate::config::codes::Code;

#[test]
fn every_shipped_profile_is_valid_and_complete() {
    for name in names() {
        let text = super::text(name).expect("a text");
        if let Err(problems) = parse(name, name, text) {
            panic!("{problems}");
        }
        let profile = shipped(name).expect("shipped");
        assert_eq!(profile.name, name);
        assert!(profile.term.is_some() && !profile.plates.is_empty() && !profile.filters.is_empty(), "{name}");
        assert_eq!(profile.ranges.len(), 5, "{name}");
    }
}
/// The kinds of problems that are tested here.
pub(crate) const SEEN: [Code; 2] = [Code::BadPlate, Code::DuplicateKey];

#[test]
fn mistakes_in_a_profile_are_said_at_their_place() {
    let good = super::text("biolector-pro").expect("a text");
    let mut said = String::new();
    for (name, from, to, code) in [
        ("no model", "model = \"BioLector Pro\"\n", "", Code::MissingKey),
        ("unknown family", "\"biolector-pro\"", "\"biolector-2\"", Code::BadChoice),
        ("misspelt key", "settle =", "setle =", Code::UnknownKey),
        ("wells outside the plate", "reservoirs = \"A01-B08\"", "reservoirs = \"A01-B09\"", Code::BadPlate),
        ("wells the wrong way round", "cultivation = \"C01-F08\"", "cultivation = \"F08-C01\"", Code::BadPlate),
        ("filter twice", "id = 402", "id = 401", Code::DuplicateKey),
        (
            "unknown kind",
            "kind = \"ph\"\nname = \"pH(HP8)\"\n\n[[filters]]\nid = 403",
            "kind = \"pH\"\nname = \"pH(HP8)\"\n\n[[filters]]\nid = 403",
            Code::BadChoice,
        ),
        ("negative tolerance", "relative = 0.002", "relative = -1", Code::OutOfRange),
        ("range the wrong way round", "min = 0, max = 14", "min = 14, max = 0", Code::OutOfRange),
        ("infinite range", "min = 0, max = 14", "min = 0, max = inf", Code::OutOfRange),
        ("term without label", ", label = \"bioreactor\"", "", Code::MissingKey),
        ("text for a list", "[units]", "[units.do]", Code::WrongType),
    ] {
        assert_eq!(good.matches(from).count(), 1, "{name}");
        let problems = parse("p", "p.toml", &good.replace(from, to)).expect_err(name);
        assert_eq!(problems.0[0].code, code, "{name}: {problems}");
        said += &format!("==== {name} ====\n{problems}\n\n");
    }
    insta::assert_snapshot!("mistakes", said);
}

#[test]
fn filters_are_found_by_id_and_by_name() {
    use crate::event::cultivation::ChannelKind;
    let pro = shipped("biolector-pro").expect("shipped");
    assert_eq!(pro.filter(403).map(|filter| filter.kind), Some(ChannelKind::Do));
    assert_eq!(pro.filter(427), None);
    let one = shipped("biolector-1").expect("shipped");
    assert_eq!(one.filter_named("pH-hc").map(|filter| filter.kind), Some(ChannelKind::Ph));
    assert_eq!(&**shipped("biolector-xt").expect("shipped").units.of(ChannelKind::Do), "unresolved");
}
