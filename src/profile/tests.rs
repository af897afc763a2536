use super::*;

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
