//! From the times that BioLectors write to UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::event::cultivation::RunFlag;
use crate::profile::TimeTrust;

/// A moment as the instrument wrote it, converted.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::driver) struct Moment {
    /// In UTC.
    pub at: Timestamp,
    /// What is weak about the conversion.
    pub flag: Option<RunFlag>,
}

/// Local time without zone: `2019-07-12, 16:54:30` (Pro) or `2018-05-03 13:49:00` (I).
pub(in crate::driver) fn local(text: &str, zone: &TimeZone) -> Option<Moment> {
    let text: String = text.chars().filter(|c| *c != ',').collect();
    let mut words = text.split_whitespace();
    let civil: DateTime = format!("{}T{}", words.next()?, words.next()?).parse().ok()?;
    in_zone(civil, zone)
}

fn in_zone(civil: DateTime, zone: &TimeZone) -> Option<Moment> {
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    let flag = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Fold { .. } => Some(RunFlag::AmbiguousLocalTime),
        AmbiguousOffset::Gap { .. } => Some(RunFlag::SkippedLocalTime),
    };
    // "Compatible" takes the earlier of two and, in a gap, the later reading.
    Some(Moment { at: ambiguous.compatible().ok()?, flag })
}

/// ISO 8601 with offset (XT). Where the offset is not the one that the zone has then, `trust` decides.
pub(in crate::driver) fn with_offset(text: &str, zone: &TimeZone, trust: TimeTrust) -> Option<Moment> {
    let pieces = Pieces::parse(text.trim()).ok()?;
    let civil = pieces.date().to_datetime(pieces.time()?);
    let Some(offset) = pieces.to_numeric_offset() else { return in_zone(civil, zone) };
    let at = offset.to_timestamp(civil).ok()?;
    if zone.to_offset(at) == offset {
        return Some(Moment { at, flag: None });
    }
    let at = match trust {
        TimeTrust::Offset => at,
        TimeTrust::Zone => in_zone(civil, zone)?.at,
    };
    Some(Moment { at, flag: Some(RunFlag::ZoneConflict) })
}

/// The moment `elapsed_s` after `start`.
pub(in crate::driver) fn after(start: Option<Timestamp>, elapsed_s: f64) -> Option<Timestamp> {
    let milliseconds = (elapsed_s * 1000.0).round();
    if !(0.0..1e15).contains(&milliseconds) {
        return None;
    }
    // In range, so the conversion is exact.
    start?.checked_add(jiff::SignedDuration::from_millis(milliseconds as i64)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").expect("the zone data base")
    }

    #[test]
    fn local_times_are_converted_and_doubtful_ones_flagged() {
        for (text, utc, flag) in [
            ("2019-07-12, 16:54:30", "2019-07-12T14:54:30Z", None),
            ("2018-05-03 13:49:00", "2018-05-03T11:49:00Z", None),
            ("2018-10-28, 02:30:00", "2018-10-28T00:30:00Z", Some(RunFlag::AmbiguousLocalTime)),
            ("2018-03-25, 02:30:00", "2018-03-25T01:30:00Z", Some(RunFlag::SkippedLocalTime)),
        ] {
            let moment = local(text, &berlin()).expect("a time");
            assert_eq!((moment.at.to_string(), moment.flag), (utc.to_owned(), flag), "{text}");
        }
        for bad in ["", "2019-07-12", "yesterday, 12:00", "2019-13-12, 16:54:30"] {
            assert_eq!(local(bad, &berlin()), None, "{bad}");
        }
    }

    #[test]
    fn a_conflicting_offset_is_flagged_and_trust_decides() {
        let summer = with_offset("2023-10-06T17:54:41+02:00", &berlin(), TimeTrust::Zone).expect("a time");
        assert_eq!((summer.at.to_string(), summer.flag), ("2023-10-06T15:54:41Z".to_owned(), None));
        // The instrument goes on writing +02:00 in winter.
        for (trust, utc) in [(TimeTrust::Offset, "2023-12-06T15:00:00Z"), (TimeTrust::Zone, "2023-12-06T16:00:00Z")] {
            let moment = with_offset("2023-12-06T17:00:00+02:00", &berlin(), trust).expect("a time");
            assert_eq!((moment.at.to_string(), moment.flag), (utc.to_owned(), Some(RunFlag::ZoneConflict)));
        }
        assert_eq!(with_offset("2023", &berlin(), TimeTrust::Zone), None);
    }

    #[test]
    fn impossible_spans_give_no_time() {
        let start = "2023-10-06T15:54:41Z".parse().ok();
        assert_eq!(after(start, 1.5).map(|t| t.to_string()).as_deref(), Some("2023-10-06T15:54:42.5Z"));
        assert_eq!(after(start, f64::NAN), None);
        assert_eq!(after(start, 1e30), None);
        assert_eq!(after(None, 1.0), None);
    }
}
