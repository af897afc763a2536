//! The numbers of notification messages: what follows, what is missing, what was there before.

/// What a message's number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next one.
    Next,
    /// So many before it did not come.
    After(u32),
    /// It came before.
    Repeated,
}

/// The number after `number`: 0 is none of them.
pub(super) fn next(number: u32) -> u32 {
    number.checked_add(1).unwrap_or(1)
}

/// The number before `number`.
pub(super) fn previous(number: u32) -> u32 {
    if number > 1 { number - 1 } else { u32::MAX }
}

/// How the number of a message that arrived stands to the one that is expected. Numbers run from 1 to `u32::MAX` and then
/// begin again; what is more than half of them ahead is behind.
pub(super) fn arrival(expected: u32, number: u32) -> Arrival {
    const COUNT: u64 = u32::MAX as u64;
    let ahead = (u64::from(number) + COUNT - u64::from(expected)) % COUNT;
    match u32::try_from(ahead) {
        Ok(0) => Arrival::Next,
        Ok(ahead) if ahead < u32::MAX / 2 => Arrival::After(ahead),
        _ => Arrival::Repeated,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_begin_again_with_one() {
        assert_eq!((next(u32::MAX), previous(1), previous(next(7))), (1, u32::MAX, 7));
        assert_eq!(arrival(1, u32::MAX), Arrival::Repeated);
        assert_eq!(arrival(u32::MAX, 1), Arrival::After(1));
        assert_eq!(arrival(u32::MAX, 3), Arrival::After(3));
    }

    proptest! {
        #[test]
        fn as_many_are_missing_as_lie_between(expected in 1u32.., missing in 0u32..1000) {
            let number = (0..missing).fold(expected, |number, _| next(number));
            let said = if missing == 0 { Arrival::Next } else { Arrival::After(missing) };
            prop_assert_eq!(arrival(expected, number), said);
            if missing > 0 {
                prop_assert_eq!(arrival(number, expected), Arrival::Repeated);
            }
        }
    }
}
