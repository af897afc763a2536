//! gRPC's way of writing messages into a body: one byte that says whether it is compressed, four for its length (big-endian), the
//! message ("Length-Prefixed-Message" of gRPC over HTTP/2).

use bytes::{Buf as _, Bytes, BytesMut};

/// What stands before each message.
pub const PREFIX: usize = 5;

/// Cuts a body into its messages.
#[derive(Debug, Clone, Default)]
pub struct Messages {
    buffer: BytesMut,
}

/// A message that is larger than was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// How long it says that it is, in bytes.
    pub length: u32,
}

impl Messages {
    /// Takes the next bytes of the body.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, with its prefix; `None` where it is not all there yet.
    ///
    /// # Errors
    /// When it says that it is longer than `most` bytes. What came of it is given by [`Messages::rest`].
    pub fn next(&mut self, most: usize) -> Result<Option<Bytes>, TooLarge> {
        let Some(length) = length(&self.buffer) else { return Ok(None) };
        let Some(whole) = usize::try_from(length).ok().filter(|length| *length <= most).map(|l| l + PREFIX) else {
            return Err(TooLarge { length });
        };
        if self.buffer.len() < whole {
            return Ok(None);
        }
        Ok(Some(self.buffer.split_to(whole).freeze()))
    }

    /// What was fed and is no whole message; nothing of it is kept.
    pub fn rest(&mut self) -> Bytes {
        self.buffer.split().freeze()
    }
}

/// The message in a piece that [`Messages::next`] gave; `None` where it is compressed, or not whole.
pub fn message(piece: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = piece.split_at_checked(PREFIX)?;
    (prefix.first() == Some(&0) && length(prefix) == u32::try_from(message.len()).ok()).then_some(message)
}

/// The length that the prefix at the beginning of `bytes` says.
pub fn length(bytes: &[u8]) -> Option<u32> {
    let mut prefix = bytes.get(1..PREFIX)?;
    Some(prefix.get_u32())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).expect("short");
        [&[0][..], &length.to_be_bytes(), message].concat()
    }

    proptest! {
        #[test]
        fn any_split_of_a_body_gives_its_messages(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..10),
            cuts in proptest::collection::vec(1usize..20, 1..20),
        ) {
            let body: Vec<u8> = messages.iter().flat_map(|message| piece(message)).collect();
            let (mut reader, mut found, mut rest) = (Messages::default(), Vec::new(), &body[..]);
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().expect("one")));
                reader.feed(now);
                while let Some(one) = reader.next(64).expect("short enough") {
                    found.push(message(&one).expect("whole").to_vec());
                }
                rest = later;
            }
            prop_assert_eq!(found, messages);
            prop_assert!(reader.rest().is_empty());
        }

        #[test]
        fn nothing_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..60), most in 0usize..100) {
            let mut reader = Messages::default();
            reader.feed(&bytes);
            let mut pieces = Vec::new();
            while let Ok(Some(one)) = reader.next(most) {
                let _ = message(&one);
                pieces.extend_from_slice(&one);
            }
            pieces.extend_from_slice(&reader.rest());
            prop_assert_eq!(pieces, bytes, "nothing is added or lost");
        }
    }
}
