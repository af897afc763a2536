//! Cuts a stream of bytes into lines, whatever pieces it comes in.

/// Bytes of one line that are kept; the rest of a longer line is counted and dropped. The longest real line, a
/// comment row of a long note included, stays far below.
pub const MAX_LINE: usize = 16 * 1024;

/// Holds back the unterminated end of what it was fed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    tail: Vec<u8>,
    dropped: u64,
}

/// One line without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line without `\n` or `\r\n`.
    pub bytes: &'a [u8],
    /// How many bytes of the source it takes, its end included.
    pub length: u64,
    /// Whether it ended with a line feed.
    pub terminated: bool,
}

impl Lines {
    /// A splitter that goes on after `tail`, an unterminated end that was held back before.
    pub fn resume(tail: Vec<u8>, dropped: u64) -> Self {
        Self { tail, dropped }
    }

    /// What is held back, and how many bytes of it were dropped as too long.
    pub fn tail(&self) -> (&[u8], u64) {
        (&self.tail, self.dropped)
    }

    /// Takes the next bytes and gives each whole line to `each`.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.tail.is_empty() && self.dropped == 0 && line.len() <= MAX_LINE {
                each(Line { bytes: without_cr(line), length: line.len() as u64 + 1, terminated: true });
            } else {
                self.hold(line);
                let length = self.tail.len() as u64 + self.dropped + 1;
                each(Line { bytes: without_cr(&self.tail), length, terminated: true });
                self.tail.clear();
                self.dropped = 0;
            }
        }
        self.hold(bytes);
    }

    /// The unterminated last line, where there is one; it stays held back.
    pub fn unterminated(&self) -> Option<Line<'_>> {
        (!self.tail.is_empty()).then(|| Line {
            bytes: without_cr(&self.tail),
            length: self.tail.len() as u64 + self.dropped,
            terminated: false,
        })
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.tail.len());
        let kept = &bytes[..bytes.len().min(room)];
        self.tail.extend_from_slice(kept);
        self.dropped += (bytes.len() - kept.len()) as u64;
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, u64) {
        let mut lines = Lines::default();
        let (mut out, mut length) = (Vec::new(), 0);
        for piece in pieces {
            lines.feed(piece, |line| {
                out.push(line.bytes.to_vec());
                length += line.length;
            });
        }
        if let Some(line) = lines.unterminated() {
            out.push(line.bytes.to_vec());
            length += line.length;
        }
        (out, length)
    }

    #[test]
    fn a_long_line_is_cut_but_counted() {
        let mut text = vec![b'x'; MAX_LINE + 10];
        text.extend_from_slice(b"\ny");
        let (lines, length) = cut(&[&text]);
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [MAX_LINE, 1]);
        assert_eq!(length, text.len() as u64);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(text in "[ab\r\n]{0,60}", at in 0usize..60, then in 0usize..60) {
            let bytes = text.as_bytes();
            let a = at.min(bytes.len());
            let b = (a + then).min(bytes.len());
            prop_assert_eq!(cut(&[bytes]), cut(&[&bytes[..a], &bytes[a..b], &bytes[b..]]));
        }
    }
}
