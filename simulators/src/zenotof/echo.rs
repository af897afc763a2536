//! The runs of an Echo MS: one sample is a whole plate, its trace has a peak for each ejection.
//!
//! Source: what `rtmsEcho` says of the timing.

/// Seconds from the start of the run to the first ejection.
pub const FIRST_S: f64 = 16.0 + 2.6 * SPACING_S;
/// Seconds from one ejection to the next.
pub const SPACING_S: f64 = 3.0;
/// Half the width of a peak in seconds, up to where it has fallen to the 1/e.
const HALF_WIDTH_S: f64 = 0.35;

/// The order in which the ejector takes the shots, as positions in the typed list: row by row, odd rows from left to right and even ones
/// back; a marker stays before the shot that it was typed before. Repeats of a well stay in typed order.
pub fn serpentine(shots: &[String]) -> Vec<usize> {
    by_rows(shots, true)
}

/// The same with all rows from left to right.
pub fn row_wise(shots: &[String]) -> Vec<usize> {
    by_rows(shots, false)
}

fn by_rows(shots: &[String], there_and_back: bool) -> Vec<usize> {
    let mut key = (0, 0);
    let mut keyed: Vec<((u32, i64), usize)> = Vec::with_capacity(shots.len());
    // From the end, so that a marker takes the place of what follows it.
    for (index, shot) in shots.iter().enumerate().rev() {
        if let Some((row, column)) = place(shot) {
            let column = i64::from(column);
            key = (row, if row.is_multiple_of(2) || !there_and_back { column } else { -column });
        } else if keyed.is_empty() {
            key = (u32::MAX, 0);
        }
        keyed.push((key, index));
    }
    keyed.reverse();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, index)| index).collect()
}

/// Row and column from 0 of a shot that begins with a well.
fn place(shot: &str) -> Option<(u32, u32)> {
    let letters = shot.bytes().take_while(u8::is_ascii_uppercase).count();
    let digits: String = shot.chars().skip(letters).take_while(char::is_ascii_digit).collect();
    let row = shot
        .bytes()
        .take(letters)
        .try_fold(0u32, |row, letter| Some(row.checked_mul(26)? + u32::from(letter - b'A') + 1))?;
    let column: u32 = digits.parse().ok()?;
    (1..=2).contains(&letters).then(|| Some((row.checked_sub(1)?, column.checked_sub(1)?)))?
}

/// The share of the highest signal at a time of the run.
pub(super) fn signal(shots: usize, seconds: f64) -> f64 {
    let nearest = ((seconds - FIRST_S) / SPACING_S).round();
    if nearest < 0.0 || nearest >= shots as f64 {
        return 0.01;
    }
    let away = (seconds - FIRST_S - nearest * SPACING_S) / HALF_WIDTH_S;
    0.01 + (-away * away).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_there_and_back() {
        let shots: Vec<String> = ["B1", "B2", "A1", "Marker", "A3", "A2"].map(str::to_owned).to_vec();
        let order: Vec<&str> = serpentine(&shots).into_iter().map(|index| shots[index].as_str()).collect();
        assert_eq!(order, ["A1", "A2", "Marker", "A3", "B2", "B1"]);
        let order: Vec<&str> = row_wise(&shots).into_iter().map(|index| shots[index].as_str()).collect();
        assert_eq!(order, ["A1", "A2", "Marker", "A3", "B1", "B2"]);
    }

    #[test]
    fn every_ejection_has_a_peak() {
        assert!(signal(10, FIRST_S) > 1.0 && signal(10, FIRST_S + 9.0 * SPACING_S) > 1.0);
        assert!(
            signal(10, 5.0) < 0.1 && signal(10, FIRST_S + SPACING_S / 2.0) < 0.1 && signal(10, FIRST_S + 40.0) < 0.1
        );
    }
}
