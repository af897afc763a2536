//! The dates of shots of which only the time of day is written.
//!
//! The date in the header is that of the run's *end*. Going backwards from it, each shot is at the latest moment with its time
//! of day that is not after the shot that follows: a run over midnight gets the day before for what came before it. That
//! holds for rows in the order of time within half a day; where it would make a run longer, the rows or the end contradict it,
//! and no date is given at all.

use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, ToSpan};

/// The longest run that is believed. A run takes minutes, one over many plates some hours; what comes out longer is a step
/// back in time that was taken for a midnight.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(12);

/// Why no dates follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {time} is not before what follows it, the run's end is {ended}")]
pub struct Contradiction {
    /// The row, from 1, among those given, counted from the first.
    pub row: usize,
    /// Its time of day.
    pub time: Time,
    /// The run's end.
    pub ended: DateTime,
}

/// The moments of `times`, which stand in the order of time and end at `ended` at the latest. `None` for rows without a time.
///
/// # Errors
/// The last row, in the order of the file, that contradicts what follows it.
pub fn backwards(ended: DateTime, times: &[Option<Time>]) -> Result<Vec<Option<DateTime>>, Contradiction> {
    let mut next = ended;
    let mut moments = vec![None; times.len()];
    for (index, (time, moment)) in times.iter().zip(&mut moments).enumerate().rev() {
        let Some(time) = *time else { continue };
        let contradiction = Contradiction { row: index + 1, time, ended };
        let same_day = next.date().to_datetime(time);
        let at = match same_day <= next {
            true => same_day,
            false => same_day.checked_sub(1.day()).map_err(|_| contradiction)?,
        };
        if ended.duration_since(at) > LONGEST {
            return Err(contradiction);
        }
        (*moment, next) = (Some(at), at);
    }
    Ok(moments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(texts: &[&str]) -> Vec<Option<Time>> {
        texts.iter().map(|text| text.parse().ok()).collect()
    }

    fn told(ended: &str, texts: &[&str]) -> Result<Vec<String>, usize> {
        let moments = backwards(ended.parse().expect("a moment"), &times(texts)).map_err(|error| error.row)?;
        Ok(moments.iter().map(|moment| moment.map_or("-".to_owned(), |moment| moment.to_string())).collect())
    }

    #[test]
    fn a_run_of_one_evening() {
        assert_eq!(
            told("2023-10-29T22:30:09", &["22:24:10", "", "22:24:11"]),
            Ok(vec!["2023-10-29T22:24:10".to_owned(), "-".to_owned(), "2023-10-29T22:24:11".to_owned()])
        );
    }

    #[test]
    fn over_midnight_the_first_shots_are_of_the_day_before() {
        assert_eq!(
            told("2024-03-01T00:10:00", &["23:59:59.9", "00:00:00", "00:00:00", "00:09:59"]),
            Ok(["2024-02-29T23:59:59.9", "2024-03-01T00:00:00", "2024-03-01T00:00:00", "2024-03-01T00:09:59"]
                .map(str::to_owned)
                .to_vec())
        );
        // The end itself is after midnight, and every shot before.
        assert_eq!(told("2024-01-01T00:00:30", &["23:50:00"]), Ok(vec!["2023-12-31T23:50:00".to_owned()]));
    }

    #[test]
    fn rows_out_of_order_and_a_date_that_is_no_end_contradict() {
        assert_eq!(told("2024-03-01T12:00:00", &["11:00:00", "11:00:02", "11:00:01"]), Err(2));
        assert_eq!(told("2024-03-01T10:00:00", &["10:00:01", "10:00:02"]), Err(2), "it is the start");
        assert_eq!(told("-009999-01-01T00:00:00", &["23:00:00"]), Err(1));
    }
}
