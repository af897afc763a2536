//! Names and identities: sites, nodes, devices, events.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The UUIDv5 namespace of every id this project makes; fixed for ever, since ids must not change between versions.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x1f0d_7a52_64c9_5b1e_9d0a_7c3e_51b2_88f4);

/// Why a name of a site, node or device was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a valid name: use 1 to 63 lower-case letters, digits and hyphens, starting with a letter or digit"
)]
pub struct InvalidName {
    /// The text that was refused.
    pub name: String,
}

/// Whether `name` matches `[a-z0-9][a-z0-9-]{0,62}`, the rule for every topic level that the operator chooses.
pub fn is_valid_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let allowed = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    matches!(bytes.first(), Some(first) if allowed(first))
        && bytes.len() <= 63
        && bytes.iter().all(|b| allowed(b) || *b == b'-')
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if is_valid_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidName { name: text.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name_type! {
    /// A site: the laboratory whose devices share one naming; the third topic level.
    SiteId
}
name_type! {
    /// A node: one running daemon.
    NodeId
}
name_type! {
    /// A device: one instrument at a site.
    DeviceId
}

/// The CloudEvents `source` of a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventSource(Arc<str>);

impl EventSource {
    /// `urn:instrumentd:<site>:<device>`.
    pub fn new(site: &SiteId, device: &DeviceId) -> Self {
        Self(format!("urn:instrumentd:{site}:{device}").into())
    }

    /// The URN as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an event's id is made from, without the revision: source, run identity, type and natural key.
///
/// Kept beside the event until it is committed, because the journal mints the next revision when it knows the id
/// with other content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdBase(Box<[u8]>);

impl IdBase {
    /// Joins the four parts with the ASCII unit separator, which none of them contains.
    pub fn new(source: &EventSource, run_identity: &str, event_type: &str, key: &str) -> Self {
        const SEPARATOR: u8 = 0x1f;
        let parts = [source.as_str(), run_identity, event_type, key];
        let mut name = Vec::with_capacity(parts.iter().map(|p| p.len() + 1).sum::<usize>() + 4);
        for part in parts {
            name.extend_from_slice(part.as_bytes());
            name.push(SEPARATOR);
        }
        Self(name.into_boxed_slice())
    }

    /// The CloudEvents source that it was made from.
    pub fn source(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0x1f).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..end]).unwrap_or_default()
    }

    /// A number that is near that of other events of the same run and about the same cycle: an index that is ordered by
    /// it before the id stays where it is being written, although ids are random.
    ///
    /// The upper half is a hash of source and run identity, the lower half the first number in the key (the cycle, or
    /// the offset). It is a function of what the id is made from, so one id has one locality.
    pub fn locality(&self) -> i64 {
        let mut parts = self.0.split(|b| *b == 0x1f);
        let mut hash: u32 = 0x811c_9dc5; // FNV-1a
        for part in parts.by_ref().take(2) {
            for byte in part.iter().chain(&[0x1f]) {
                hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
            }
        }
        let key = parts.nth(1).unwrap_or_default();
        let number = key
            .iter()
            .skip_while(|b| !b.is_ascii_digit())
            .take_while(|b| b.is_ascii_digit())
            .fold(0u32, |n, b| n.saturating_mul(10).saturating_add(u32::from(b - b'0')));
        (i64::from(hash.cast_signed()) << 32) | i64::from(number)
    }

    /// The id of revision `revision` (1 is the first).
    pub fn id(&self, revision: u32) -> Uuid {
        let mut name = Vec::with_capacity(self.0.len() + 4);
        name.extend_from_slice(&self.0);
        // Almost every event is the first of its id.
        match revision {
            0..=9 => name.push(b'0' + revision as u8),
            _ => name.extend_from_slice(revision.to_string().as_bytes()),
        }
        Uuid::new_v5(&NAMESPACE, &name)
    }
}

/// The id of a run: a UUIDv5 over the source and the instrument's own run identity.
pub fn run_id(source: &EventSource, run_identity: &str) -> Uuid {
    IdBase::new(source, run_identity, "run", "").id(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_topic_rule() {
        for good in ["a", "0", "biolector-xt-1", &"x".repeat(63)] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a b", "é", &"x".repeat(64), "a/b", "+"] {
            assert!(!is_valid_name(bad), "{bad}");
        }
    }

    #[test]
    fn ids_depend_on_every_part_and_are_frozen() {
        let source = EventSource::new(&"lab".parse().expect("valid"), &"bl".parse().expect("valid"));
        let base = IdBase::new(&source, "run-1", "cultivation.measured", "1/1/A01");
        assert_eq!(base.id(1).to_string(), "648a280e-9f11-5d99-97e8-45d092a48710");
        assert_ne!(base.id(1), base.id(2));
        assert_ne!(base.id(1), IdBase::new(&source, "run-1", "cultivation.measured", "1/1/A02").id(1));
    }
}
