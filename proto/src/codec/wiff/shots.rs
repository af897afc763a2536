//! The shot list of an Echo MS: one run over a plate is one sample, its wells stand in a list.
//!
//! Source: what `rtmsEcho` says of `DabsInfo`. Its distance between the texts differs from Analyst's, so the list is looked for.

use super::fields::utf16;
use super::model::{Shot, ShotList};

/// Characters that are looked at in search of the list; a hostile stream could cost without end.
const MOST_UNITS: usize = 4 << 20;

/// Reads a list as it was typed: `A01, B7, Marker, AA3`. None when a part is neither well nor marker, or there are fewer than two: a single
/// `A1` is what people call ordinary samples.
pub fn parse_list(text: &str) -> Option<ShotList> {
    let mut list = ShotList { shots: Vec::new(), cut: false };
    for name in text.split(',').map(str::trim) {
        let well = well(name);
        let marker = well.is_none() && name.to_ascii_lowercase().contains("marker");
        if well.is_none() && !marker {
            return None;
        }
        if list.shots.len() == ShotList::MAX_SHOTS {
            list.cut = true;
            break;
        }
        list.shots.push(Shot { name: name.to_owned(), well, marker });
    }
    let wells = list.shots.iter().filter(|shot| shot.well.is_some()).count();
    (wells > 0 && list.shots.len() > 1).then_some(list)
}

/// The well at the start of a shot's name: one or two capitals, then digits.
fn well(name: &str) -> Option<String> {
    let letters = name.bytes().take_while(u8::is_ascii_uppercase).count();
    let digits = name.bytes().skip(letters).take_while(u8::is_ascii_digit).count();
    let sound = (1..=2).contains(&letters) && (1..=2).contains(&digits);
    sound.then(|| name[..letters + digits].to_owned())
}

/// Looks for the longest list among all texts that could stand in the bytes.
pub(super) fn find(bytes: &[u8]) -> Option<ShotList> {
    let mut best: Option<ShotList> = None;
    let mut looked_at = 0;
    for at in 0x20..bytes.len().saturating_sub(2) {
        let length = usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let Some(text) = bytes.get(at + 2..at + 2 + length) else { continue };
        // Shorter than "A1,B1", or not beginning with a capital.
        if length < 10 || !length.is_multiple_of(2) || !text[0].is_ascii_alphabetic() || text[1] != 0 {
            continue;
        }
        looked_at += length / 2;
        if looked_at > MOST_UNITS {
            break;
        }
        let found = parse_list(&utf16(text));
        let count = |list: &Option<ShotList>| list.as_ref().map_or(0, |list| list.shots.len());
        if count(&found) > count(&best) {
            best = found;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [&(units.len() as u16).to_le_bytes()[..], &units].concat()
    }

    #[test]
    fn a_list_is_wells_and_markers() {
        let list = parse_list("Marker, A01, B7 standard, AA3").expect("a list");
        let wells: Vec<Option<&str>> = list.shots.iter().map(|shot| shot.well.as_deref()).collect();
        assert_eq!(wells, [None, Some("A01"), Some("B7"), Some("AA3")]);
        assert!(list.shots[0].marker && !list.shots[1].marker);
        for other in ["", "A01", "10000001", "Plasma, A1", "Marker, Marker"] {
            assert_eq!(parse_list(other), None, "{other}");
        }
    }

    #[test]
    fn the_list_is_found_with_and_without_the_gap() {
        let names = (1..=24).map(|column| format!("C{column:02}")).collect::<Vec<_>>().join(", ");
        for gap in [0, 4] {
            let bytes = [vec![0; 0x24], text("run 1"), vec![0; gap], text(&names), text("rack"), vec![0; 9]].concat();
            let list = find(&bytes).expect("a list");
            assert_eq!(list.shots.len(), 24, "gap {gap}");
            assert_eq!(list.shots[23].well.as_deref(), Some("C24"));
        }
    }

    #[test]
    fn a_hostile_stream_costs_no_more_than_any_other() {
        let bytes: Vec<u8> = [0x42, 0x00, 0xfe, 0x7f].repeat(30_000);
        assert_eq!(find(&bytes), None);
    }
}
