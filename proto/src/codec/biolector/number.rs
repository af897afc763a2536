//! Reads the figures that stand in the cells of result files.

/// What a cell that should hold a figure holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// Nothing, or the column is not there.
    Empty,
    /// A finite number, sentinels such as -9999.00 included.
    Number(f64),
    /// `nan`, `inf` and what the Windows runtime prints for them.
    NotANumber,
    /// `REFOVERLD`: the detector saturated.
    Overload,
    /// Anything else: the line is torn, or the cell repeats its column's name.
    Invalid,
}

impl Cell {
    /// The number, where it is one.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(value),
            _ => None,
        }
    }
}

/// Largest digit count that a 64-bit mantissa divided by an exact power of ten still rounds correctly.
const EXACT_DIGITS: usize = 15;
const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads one cell.
pub fn cell(text: &[u8]) -> Cell {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Cell::Empty;
    }
    if let Some(value) = plain(text) {
        return Cell::Number(value);
    }
    if text == b"REFOVERLD" {
        return Cell::Overload;
    }
    if is_not_a_number(text) {
        return Cell::NotANumber;
    }
    if !text.iter().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')) {
        return Cell::Invalid;
    }
    match std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()) {
        Some(value) if value.is_finite() => Cell::Number(value),
        Some(_) => Cell::NotANumber,
        None => Cell::Invalid,
    }
}

/// `-12.34` and the like with few enough digits to be exact; the way that nearly every cell takes.
fn plain(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let (mut mantissa, mut seen, mut point) = (0u64, 0usize, None);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                seen += 1;
                if seen > EXACT_DIGITS {
                    return None;
                }
            }
            b'.' if point.is_none() => point = Some(seen),
            _ => return None,
        }
    }
    if seen == 0 {
        return None;
    }
    // Both operands are exact doubles, so the division rounds as parsing the decimal text would.
    let value = mantissa as f64 / POWERS[point.map_or(0, |at| seen - at)];
    Some(if negative { -value } else { value })
}

fn is_not_a_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let starts = |word: &[u8]| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    (starts(b"nan") && (text.len() == 3 || text[3] == b'('))
        || text.eq_ignore_ascii_case(b"inf")
        || text.eq_ignore_ascii_case(b"infinity")
        || starts(b"1.#")
}

/// An unsigned whole number without sign, as cycles, wells and filter sets are written; leading zeros allowed.
pub fn whole(text: &[u8]) -> Option<u32> {
    let text = text.trim_ascii();
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cells_are_what_they_say() {
        for (text, expected) in [
            ("", Cell::Empty),
            ("  ", Cell::Empty),
            ("5.80", Cell::Number(5.8)),
            ("-9999.00", Cell::Number(-9999.0)),
            ("000066", Cell::Number(66.0)),
            (" 1", Cell::Number(1.0)),
            ("-4E-05", Cell::Number(-4e-5)),
            ("734916527492733861888.00", Cell::Number(734_916_527_492_733_861_888.0)),
            ("nan", Cell::NotANumber),
            ("-nan(ind)", Cell::NotANumber),
            ("1.#QNAN", Cell::NotANumber),
            ("inf", Cell::NotANumber),
            ("REFOVERLD", Cell::Overload),
            ("12.34.5", Cell::Invalid),
            ("Amp_1", Cell::Invalid),
            (".", Cell::Invalid),
            ("-", Cell::Invalid),
        ] {
            assert_eq!(cell(text.as_bytes()), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn figures_equal_what_the_standard_parser_reads(text in "-?[0-9]{1,20}(\\.[0-9]{0,12})?") {
            prop_assert_eq!(cell(text.as_bytes()).number(), text.parse::<f64>().ok());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (cell(&bytes), whole(&bytes));
        }
    }
}
