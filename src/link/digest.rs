//! Short digests of bytes, by which content is recognised again.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The first half of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; 16]);

impl Digest {
    /// Over some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let whole = Sha256::digest(bytes);
        Self(std::array::from_fn(|i| whole[i]))
    }

    /// Its first eight bytes.
    pub fn short(&self) -> u64 {
        u64::from_be_bytes(std::array::from_fn(|i| self.0[i]))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        use std::fmt::Write as _;
        digest.0.iter().fold(Self::with_capacity(32), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bad = "not 32 hexadecimal digits";
        if text.len() != 32 || !text.is_ascii() {
            return Err(bad);
        }
        let number = u128::from_str_radix(&text, 16).map_err(|_| bad)?;
        Ok(Self(number.to_be_bytes()))
    }
}
