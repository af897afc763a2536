//! Which file it is, by its first line.

/// A family of raw result files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// BioLector I, format 3.3.
    One,
    /// BioLector II and Pro, format 0.0.0.
    Pro,
    /// The table of a BioLector XT, format 1.0.0.
    Xt,
}

/// Why a file is none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// Saved by the evaluation software BioLection: a wide table of shortened figures, no raw data.
    EditedExport,
    /// A `TRANSFORM` export of the BioLector I's software: wide, with the decimal mark of the computer's language.
    TransformExport,
    /// A zip archive where its content was expected.
    Zip,
    /// Bytes that are no text: an image, for instance.
    Binary,
    /// Text that no BioLector writes.
    OtherText,
}

/// What the first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detection {
    /// Not enough bytes.
    More,
    /// A raw file.
    Raw(Format),
    /// Something else.
    Foreign(Foreign),
}

/// The UTF-8 byte order mark, with which the BioLector II begins its files.
pub const BOM: &[u8] = b"\xef\xbb\xbf";

/// A first line longer than this is none of ours.
const MAX_FIRST_LINE: usize = 4096;

/// Tells what a file is by its first bytes; `whole` says that no more will come.
pub fn detect(bytes: &[u8], whole: bool) -> Detection {
    if BOM.starts_with(bytes) && !whole {
        return Detection::More;
    }
    let text = bytes.strip_prefix(BOM).unwrap_or(bytes);
    if text.starts_with(b"PK\x03\x04") || text.starts_with(b"PK\x05\x06") {
        return Detection::Foreign(Foreign::Zip);
    }
    let end = text.iter().position(|b| *b == b'\n');
    let line = &text[..end.unwrap_or(text.len()).min(MAX_FIRST_LINE)];
    if line.iter().any(|b| *b < 0x20 && !matches!(b, b'\t' | b'\r' | b'\x1b')) {
        return Detection::Foreign(Foreign::Binary);
    }
    if end.is_none() && !whole && text.len() < MAX_FIRST_LINE {
        return Detection::More;
    }
    let line = line.trim_ascii();
    if line.starts_with(b"FILENAME;") {
        return Detection::Raw(Format::One);
    }
    if line.starts_with(b"FILE NAME;") {
        return Detection::Foreign(Foreign::TransformExport);
    }
    if line.starts_with(b"Type;Cycle;Well;Filterset;Time;") {
        return Detection::Raw(Format::Xt);
    }
    match super::row::section(line) {
        Some(b"process") => Detection::Raw(Format::Pro),
        Some(b"parameters") => Detection::Foreign(Foreign::EditedExport),
        _ => Detection::Foreign(Foreign::OtherText),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_tells() {
        for (text, expected) in [
            (&b"FILENAME;\\Hard Disk2\\x.csv\n"[..], Detection::Raw(Format::One)),
            (b"=====process=====\r\n", Detection::Raw(Format::Pro)),
            (b"\xef\xbb\xbf=====process=====\n", Detection::Raw(Format::Pro)),
            (b"Type;Cycle;Well;Filterset;Time;Amp_1\n", Detection::Raw(Format::Xt)),
            (b"\xef\xbb\xbf=====parameters=====\n", Detection::Foreign(Foreign::EditedExport)),
            (b"FILE NAME;x\n", Detection::Foreign(Foreign::TransformExport)),
            (b"PK\x03\x04....", Detection::Foreign(Foreign::Zip)),
            (b"\xff\xd8\xff\xe0\x00\x10JFIF", Detection::Foreign(Foreign::Binary)),
            (b"a,b,c\n", Detection::Foreign(Foreign::OtherText)),
            (b"\xef\xbb", Detection::More),
            (b"=====proc", Detection::More),
            (b"", Detection::More),
        ] {
            assert_eq!(detect(text, false), expected, "{:?}", String::from_utf8_lossy(text));
        }
        assert_eq!(detect(b"", true), Detection::Foreign(Foreign::OtherText));
    }
}
