//! The time that a line of a trace begins with.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// The time at the start of `line`, and the rest after it and after what separates the two. `None` where no time stands
/// there. A time without an offset is one of `zone`; where that is ambiguous, the earlier, and where it is skipped, the
/// one after the jump.
///
/// Understood are `2026-11-21 10:00:00`, with `T` for the space, with a fraction after `.`, `,` or `:`, and with `Z` or
/// `+01:00` at the end.
pub(super) fn stamp<'l>(line: &'l [u8], zone: &TimeZone) -> Option<(Timestamp, &'l [u8])> {
    let date = digits(line, &[(0, 4), (5, 2), (8, 2)])?;
    let time = digits(line, &[(11, 2), (14, 2), (17, 2)])?;
    let is_at = |at: usize, wanted: &[u8]| line.get(at).is_some_and(|byte| wanted.contains(byte));
    if !(is_at(4, b"-") && is_at(7, b"-") && is_at(10, b" T") && is_at(13, b":") && is_at(16, b":")) {
        return None;
    }
    let mut rest = line.get(19..)?;
    let mut nanoseconds = 0;
    if let [b'.' | b',' | b':', after @ ..] = rest {
        let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if (1..=9).contains(&length) {
            let (fraction, after) = after.split_at(length);
            let value = fraction.iter().fold(0i32, |value, digit| value * 10 + i32::from(digit - b'0'));
            nanoseconds = value * 10i32.pow(9 - u32::try_from(length).ok()?);
            rest = after;
        }
    }
    let small = |value: i32| i8::try_from(value).ok();
    let [year, month, day] = date;
    let [hour, minute, second] = time;
    let local = DateTime::new(
        i16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        nanoseconds,
    )
    .ok()?;
    let (offset, rest) = offset(rest);
    let at = match offset {
        Some(offset) => offset.to_timestamp(local).ok()?,
        None => zone.to_timestamp(local).ok()?,
    };
    let content = rest.iter().position(|byte| !b" \t;,|".contains(byte)).unwrap_or(rest.len());
    Some((at, rest.get(content..)?))
}

/// The numbers of so many digits at these places.
fn digits<const N: usize>(line: &[u8], places: &[(usize, usize); N]) -> Option<[i32; N]> {
    let mut values = [0; N];
    for (value, (at, length)) in values.iter_mut().zip(places) {
        for byte in line.get(*at..at + length)? {
            *value = *value * 10 + i32::from(byte.is_ascii_digit().then(|| byte - b'0')?);
        }
    }
    Some(values)
}

fn offset(rest: &[u8]) -> (Option<Offset>, &[u8]) {
    if let [b'Z', after @ ..] = rest {
        return (Some(Offset::UTC), after);
    }
    let sign = match rest.first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return (None, rest),
    };
    let parts = digits(rest, &[(1, 2), (4, 2)]).filter(|_| rest.get(3) == Some(&b':'));
    let seconds = parts.map(|[hours, minutes]| sign * (hours * 3600 + minutes * 60));
    match seconds.and_then(|seconds| Offset::from_seconds(seconds).ok()) {
        Some(offset) => (Some(offset), rest.get(6..).unwrap_or_default()),
        None => (None, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        for (line, at, rest) in [
            ("2026-11-21 10:00:00.123 C0ASid0001", "2026-11-21T09:00:00.123Z", "C0ASid0001"),
            ("2026-11-21 10:00:00:007; > C0ASid0001", "2026-11-21T09:00:00.007Z", "> C0ASid0001"),
            ("2026-07-21T10:00:00,5\tx", "2026-07-21T08:00:00.5Z", "x"),
            ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z", ""),
            ("2026-11-21T10:00:00-05:30 x", "2026-11-21T15:30:00Z", "x"),
            // The hour that there is twice, and the one that there is not.
            ("2026-10-25 02:30:00 x", "2026-10-25T00:30:00Z", "x"),
            ("2026-03-29 02:30:00 x", "2026-03-29T01:30:00Z", "x"),
        ] {
            let read = stamp(line.as_bytes(), &zone);
            assert_eq!(read, Some((at.parse().expect("a time"), rest.as_bytes())), "{line}");
        }
        for line in ["C0ASid0001at0", "2026-13-21 10:00:00 x", "2026-11-21", "", "2026-11-21 1:00:00 x", "20261121"] {
            assert_eq!(stamp(line.as_bytes(), &zone), None, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_it(line in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            let _ = stamp(&line, &TimeZone::UTC);
        }
    }
}
