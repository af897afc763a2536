//! The `.wiff2`: an encrypted data base of which only the size and eight bytes can be checked.
//!
//! Source: public notes of OpenSXRaw on 53 files.

/// Where the constant bytes stand.
pub const MARK_AT: u64 = 16;

/// Page size 4096, write and read version 1 (a rollback journal), 12 reserved bytes in each page, 64/32/32.
pub const MARK: [u8; 8] = [0x10, 0x00, 0x01, 0x01, 0x0c, 0x40, 0x20, 0x20];

/// The page size; a whole file is a multiple of it.
pub const PAGE: u64 = 4096;

/// Bytes from the start of the file that [`judge`] wants.
pub const HEAD: usize = 24;

/// What can be said of a `.wiff2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Verdict {
    /// Size and bytes are those of a whole file.
    Sound,
    /// The file has no bytes.
    Empty,
    /// The size is no multiple of the page size: the file is cut off or being written.
    PartialPage {
        /// Bytes behind the last whole page.
        extra: u64,
    },
    /// Bytes 16 to 23 are zero: the space is there, the content is not.
    NotWritten,
    /// Bytes 16 to 23 are others than in every file known.
    Foreign {
        /// What stands there.
        found: [u8; 8],
    },
}

/// Judges by the first bytes ([`HEAD`] of them, or as many as there are) and the size of the file.
pub fn judge(head: &[u8], size: u64) -> Verdict {
    if size == 0 {
        return Verdict::Empty;
    }
    let found: [u8; 8] = match head.get(MARK_AT as usize..HEAD).and_then(|bytes| bytes.try_into().ok()) {
        Some(found) => found,
        None => return Verdict::PartialPage { extra: size % PAGE },
    };
    if found == [0; 8] {
        return Verdict::NotWritten;
    }
    if found != MARK {
        return Verdict::Foreign { found };
    }
    match size % PAGE {
        0 => Verdict::Sound,
        extra => Verdict::PartialPage { extra },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(mark: [u8; 8]) -> Vec<u8> {
        let mut head = vec![0xa7; HEAD];
        head[16..].copy_from_slice(&mark);
        head
    }

    #[test]
    fn a_whole_file_has_whole_pages_and_the_mark() {
        assert_eq!(judge(&head(MARK), 8192), Verdict::Sound);
        assert_eq!(judge(&head(MARK), 8191), Verdict::PartialPage { extra: 4095 });
        assert_eq!(judge(&head([0; 8]), 8192), Verdict::NotWritten);
        assert_eq!(judge(&head([1; 8]), 8192), Verdict::Foreign { found: [1; 8] });
        assert_eq!(judge(&[], 0), Verdict::Empty);
        assert_eq!(judge(&[0xa7; 20], 20), Verdict::PartialPage { extra: 20 });
    }
}
