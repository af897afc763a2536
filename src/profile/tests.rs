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
        assert!(profile.term.is_some(), "{name}");
        match &profile.kind {
            Kind::Biolector(biolector) => {
                assert!(!biolector.plates.is_empty() && !biolector.filters.is_empty(), "{name}");
                assert_eq!(biolector.ranges.len(), 5, "{name}");
            }
            Kind::Robolector(robot) => {
                assert_eq!(robot.channels, 8, "{name}");
                let flower = &robot.labware["flowerplate-48"];
                assert_eq!((flower.rows, flower.columns, flower.well_max_ul), (6, 8, Some(3200.0)), "{name}");
            }
            Kind::EchoMs(echo) => assert_eq!(echo, &crate::profile::EchoMsProfile::default(), "{name}"),
            Kind::Zenotof(zenotof) => assert_eq!(zenotof, &ZenotofProfile::default(), "{name}"),
            Kind::Echo(echo) => {
                assert_eq!((echo.droplet_nl("Echo 525"), echo.droplet_nl("Echo 650T")), (Some(25.0), Some(2.5)));
                assert!(echo.is_placeholder("unknownbarcode") && !echo.is_placeholder("SRC1"), "{name}");
                assert_eq!(echo.plate_formats, EchoProfile::default().plate_formats, "{name}");
            }
        }
    }
}
/// The kinds of problems that are tested here.
pub(crate) const SEEN: [Code; 3] = [Code::BadPlate, Code::DuplicateKey, Code::WrongFamily];

/// A shipped profile, the mistake's name, what is replaced by what, and the problem that follows.
const MISTAKES: &[(&str, &str, &str, &str, Code)] = &[
    ("biolector-pro", "no model", "model = \"BioLector Pro\"\n", "", Code::MissingKey),
    ("biolector-pro", "unknown family", "\"biolector-pro\"", "\"biolector-2\"", Code::BadChoice),
    ("biolector-pro", "misspelt key", "settle =", "setle =", Code::UnknownKey),
    (
        "biolector-pro",
        "wells outside the plate",
        "reservoirs = \"A01-B08\"",
        "reservoirs = \"A01-B09\"",
        Code::BadPlate,
    ),
    (
        "biolector-pro",
        "wells the wrong way round",
        "cultivation = \"C01-F08\"",
        "cultivation = \"F08-C01\"",
        Code::BadPlate,
    ),
    ("biolector-pro", "filter twice", "id = 402", "id = 401", Code::DuplicateKey),
    (
        "biolector-pro",
        "unknown kind",
        "kind = \"ph\"\nname = \"pH(HP8)\"\n\n[[filters]]\nid = 403",
        "kind = \"pH\"\nname = \"pH(HP8)\"\n\n[[filters]]\nid = 403",
        Code::BadChoice,
    ),
    ("biolector-pro", "negative tolerance", "relative = 0.002", "relative = -1", Code::OutOfRange),
    ("biolector-pro", "range the wrong way round", "min = 0, max = 14", "min = 14, max = 0", Code::OutOfRange),
    ("biolector-pro", "infinite range", "min = 0, max = 14", "min = 0, max = inf", Code::OutOfRange),
    ("biolector-pro", "term without label", ", label = \"bioreactor\"", "", Code::MissingKey),
    ("biolector-pro", "text for a list", "[units]", "[units.do]", Code::WrongType),
    ("biolector-pro", "another family's table", "[units]", "[star]\nterminator = \"cr\"\n\n[units]", Code::WrongFamily),
    ("robolector", "another dialect", "[star]\nterminator = \"any\"\ngap = \"0ms\"", "[tecan]", Code::WrongFamily),
    ("robolector", "another family's time", "[times]", "[times]\ntrust = \"zone\"", Code::WrongFamily),
    ("robolector", "no end of a string", "\"any\"", "\"none\"", Code::OutOfRange),
    ("robolector", "labware with capitals", "labware.dwp-96", "labware.DWP96", Code::BadName),
    ("robolector", "two wells in reach", "tolerance_mm = 1.8", "tolerance_mm = 2.25", Code::OutOfRange),
    ("robolector", "wells outside the plate", "pitch_mm = 13", "pitch_mm = 18", Code::BadPlate),
    (
        "robolector",
        "curve of one point",
        "channels = 8",
        "channels = 8\nliquid_classes = [{ name = \"Water\", curve = [{ piston_ul = 1, liquid_ul = 1 }] }]",
        Code::OutOfRange,
    ),
    ("zenotof-7600", "set without its head", "[\".wiff\", ", "[", Code::OutOfRange),
    ("zenotof-7600", "unknown member", "\".wiff.scan\"", "\".wif.scan\"", Code::BadChoice),
];

#[test]
fn mistakes_in_a_profile_are_said_at_their_place() {
    let mut said = String::new();
    for (profile, name, from, to, code) in MISTAKES {
        let good = super::text(profile).expect("a text");
        assert_eq!(good.matches(from).count(), 1, "{name}");
        let problems = parse("p", "p.toml", &good.replace(from, to)).expect_err(name);
        assert_eq!(problems.0[0].code, *code, "{name}: {problems}");
        said += &format!("==== {name} ====\n{problems}\n\n");
    }
    insta::assert_snapshot!("mistakes", said);
}

#[test]
fn filters_are_found_by_id_and_by_name() {
    use crate::event::cultivation::ChannelKind;
    let shipped = |name| shipped(name).expect("shipped").biolector().expect("a BioLector").clone();
    let pro = shipped("biolector-pro");
    assert_eq!(pro.filter(403).map(|filter| filter.kind), Some(ChannelKind::Do));
    assert_eq!(pro.filter(427), None);
    let one = shipped("biolector-1");
    assert_eq!(one.filter_named("pH-hc").map(|filter| filter.kind), Some(ChannelKind::Ph));
    assert_eq!(&**shipped("biolector-xt").units.of(ChannelKind::Do), "unresolved");
}
