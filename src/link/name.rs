//! Names of sources: relative paths as text, without losing a byte.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use crate::driver::SourceName;

/// The name of a path relative to the watched folder: its components joined by `/`. Bytes that are not UTF-8, and `%`
/// itself, are written as `%XX`; everything else, spaces included, stands as it is.
pub fn encode(relative: &Path) -> SourceName {
    let mut text = String::with_capacity(relative.as_os_str().len());
    for component in relative.components() {
        if let Component::Normal(part) = component {
            if !text.is_empty() {
                text.push('/');
            }
            encode_component(part, &mut text);
        }
    }
    text.into()
}

fn encode_component(part: &OsStr, text: &mut String) {
    for chunk in part.as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '%' => text.push_str("%25"),
                other => text.push(other),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The relative path that [`encode`] made `name` from. A `%` that no two hexadecimal digits follow stands for itself.
pub fn decode(name: &str) -> PathBuf {
    name.split('/').map(decode_component).collect()
}

fn decode_component(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    from_bytes(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(not(unix))]
fn from_bytes(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spaces_stay_and_the_rest_is_escaped() {
        assert_eq!(&*encode(Path::new("runs/122_2 24 81 BXT.csv")), "runs/122_2 24 81 BXT.csv");
        assert_eq!(&*encode(Path::new("100%.csv")), "100%25.csv");
        let path = PathBuf::from(from_bytes(b"K\xfchlung.csv".to_vec()));
        assert_eq!(&*encode(&path), "K%FChlung.csv");
        assert_eq!(decode("K%FChlung.csv"), path);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(parts in proptest::collection::vec(proptest::collection::vec(1u8..=255, 1..20), 1..4)) {
            let path: PathBuf = parts
                .into_iter()
                .map(|mut part| { part.iter_mut().for_each(|b| if *b == b'/' || *b == b'.' { *b = b'%' }); from_bytes(part) })
                .collect();
            prop_assert_eq!(decode(&encode(&path)), path);
        }
    }
}
