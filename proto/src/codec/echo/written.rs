//! Dates and times as the instrument and as spreadsheets write them.

use jiff::civil::{Date, DateTime, Time};

/// A moment as it stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Nothing.
    Absent,
    /// A date and a time with seconds, in the instrument's local time.
    Full(DateTime),
    /// A time of day with seconds.
    OfDay(Time),
    /// Anything else: `3/11/2025 15:14`, whose day and month nobody can tell, `15:54.8`, which has lost its hour.
    Damaged,
}

/// Reads `2024-12-09 13:41:30.154` or `22:24:10.512`. No other form is written by the instrument, and none is guessed at.
pub fn read(text: &str) -> Written {
    let text = text.trim();
    if text.is_empty() {
        return Written::Absent;
    }
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (Some(date), time.trim_start()),
        None => (None, text),
    };
    let Some(time) = time_of_day(time) else { return Written::Damaged };
    match date.map(date_of) {
        None => Written::OfDay(time),
        Some(Some(date)) => Written::Full(date.to_datetime(time)),
        Some(None) => Written::Damaged,
    }
}

/// `HH:MM:SS` with up to nine decimals.
fn time_of_day(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let [hour, minute, second] = parts(clock, ':', [2, 2, 2])?;
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) || text.ends_with('.') {
        return None;
    }
    let nanosecond: i32 = format!("{fraction:0<9}").parse().ok()?;
    Time::new(hour.try_into().ok()?, minute.try_into().ok()?, second.try_into().ok()?, nanosecond).ok()
}

/// `YYYY-MM-DD`.
fn date_of(text: &str) -> Option<Date> {
    let [year, month, day] = parts(text, '-', [4, 2, 2])?;
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// Three numbers of exactly so many digits.
fn parts(text: &str, between: char, digits: [usize; 3]) -> Option<[i16; 3]> {
    let mut found = [0; 3];
    let mut cells = text.split(between);
    for (number, digits) in found.iter_mut().zip(digits) {
        let cell = cells.next().filter(|cell| cell.len() == digits && cell.bytes().all(|b| b.is_ascii_digit()))?;
        *number = cell.parse().ok()?;
    }
    cells.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_instrument_writes_is_read_and_what_a_spreadsheet_leaves_is_not() {
        let full = |text: &str| Written::Full(text.parse().expect("a time"));
        assert_eq!(read("2024-12-09 13:41:30.154"), full("2024-12-09T13:41:30.154"));
        assert_eq!(read("2023-10-29 18:31:12"), full("2023-10-29T18:31:12"));
        assert_eq!(read(" 22:24:10.512 "), Written::OfDay("22:24:10.512".parse().expect("a time")));
        assert_eq!(read(""), Written::Absent);
        for damaged in [
            "15:54.8",
            "3/11/2025 15:14",
            "11.03.2025 15:14:07",
            "2025-03-11",
            "2025-03-11 15:14",
            "24:00:00",
            "12:60:00",
            "2025-02-30 10:00:00",
            "45727.6347",
            "1:02:03",
            "12:00:00.",
            "12:00:00 PM",
            "12:00:00.1234567890",
            "é:ü:ß",
        ] {
            assert_eq!(read(damaged), Written::Damaged, "{damaged}");
        }
    }
}
