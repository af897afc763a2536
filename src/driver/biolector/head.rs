//! Whether a header that an instrument rewrote in place is still the header that was read.

use instrument_proto::codec::biolector::one;

/// The line that a BioLector I rewrites while it runs.
const REWRITTEN: &[u8] = b"DATE END;";

/// Compares the header as it was read with the source's first bytes as they are now.
///
/// `Ok` holds the end that the rewritten line tells; `Err` means that something else changed.
pub(super) fn rewritten(read: &[u8], now: &[u8]) -> Result<Option<String>, ()> {
    let mut end = None;
    let mut lines = now.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).peekable();
    for before in read.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        let Some(line) = lines.next() else { break };
        let last = lines.peek().is_none();
        if before.starts_with(REWRITTEN) && line.starts_with(REWRITTEN) {
            if line.len() != before.len() && !last {
                return Err(());
            }
            let mut header = one::Header::default();
            header.take(line);
            end = Some(header.end);
        } else if before != line && !(last && before.starts_with(line)) && !before.is_empty() {
            return Err(());
        }
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_may_change() {
        let read = b"FILENAME;x\nDATE START;2018-05-03;13:49:00\nDATE END;2018-05-03;13:49:00;;Last\nREADING;W\n";
        let text = String::from_utf8_lossy(read).into_owned();
        let now = text.replace("END;2018-05-03;13:49:00", "END;2018-05-07;08:36:01") + "R;;;;1";
        assert_eq!(rewritten(read, now.as_bytes()), Ok(Some("2018-05-07 08:36:01".to_owned())));
        assert_eq!(rewritten(read, &now.as_bytes()[..30]), Ok(None));
        assert_eq!(rewritten(read, now.replace("START;2018", "START;2019").as_bytes()), Err(()));
        assert_eq!(rewritten(read, now.replace(";;Last", ";;Last Reading").as_bytes()), Err(()));
    }
}
