//! Node ids in OPC UA's string syntax.
//!
//! source: OPC 10000-6, 5.3.1.10.

use std::fmt;
use std::str::FromStr;

/// The longest id that is taken, bytes. OPC UA allows string identifiers of 4096 characters.
const LONGEST: usize = 4096;

/// Which node of a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// The index of its namespace; 0 is OPC UA's own.
    pub namespace: u16,
    /// What names it there.
    pub identifier: Identifier,
}

/// What names a node in its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identifier {
    /// `i=`
    Numeric(u32),
    /// `s=`
    String(String),
    /// `g=`, in lower case.
    Guid(String),
    /// `b=`, base64.
    Opaque(String),
}

/// What is no node id, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no node id: {reason}; it is written as `ns=2;s=Device` or `i=85`")]
pub struct NodeIdError {
    text: String,
    reason: &'static str,
}

impl NodeId {
    /// A node with a number, of namespace 0 to 65535.
    pub fn numeric(namespace: u16, number: u32) -> Self {
        Self { namespace, identifier: Identifier::Numeric(number) }
    }

    /// A node with a name.
    pub fn string(namespace: u16, name: impl Into<String>) -> Self {
        Self { namespace, identifier: Identifier::String(name.into()) }
    }
}

impl FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        let no = |reason| NodeIdError { text: text.chars().take(80).collect(), reason };
        if text.len() > LONGEST {
            return Err(no("it is longer than 4096 bytes"));
        }
        let (namespace, rest) = match text.strip_prefix("ns=") {
            None => (0, text),
            Some(rest) => {
                let (index, rest) = rest.split_once(';').ok_or_else(|| no("the namespace does not end with `;`"))?;
                (index.parse().map_err(|_| no("the namespace is no number from 0 to 65535"))?, rest)
            }
        };
        let (kind, value) = rest.split_once('=').ok_or_else(|| no("`i=`, `s=`, `g=` or `b=` is missing"))?;
        let identifier = match kind {
            "i" => Identifier::Numeric(value.parse().map_err(|_| no("the identifier is no 32-bit number"))?),
            "s" if value.is_empty() => return Err(no("the identifier is empty")),
            "s" => Identifier::String(value.to_owned()),
            "g" if is_guid(value) => Identifier::Guid(value.to_ascii_lowercase()),
            "g" => return Err(no("the identifier is no GUID")),
            "b" if is_base64(value) => Identifier::Opaque(value.to_owned()),
            "b" => return Err(no("the identifier is no base64")),
            _ => return Err(no("the kind of identifier is none of `i`, `s`, `g`, `b`")),
        };
        Ok(Self { namespace, identifier })
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_base64(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - bare.len() <= 2
        && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace != 0 {
            write!(f, "ns={};", self.namespace)?;
        }
        match &self.identifier {
            Identifier::Numeric(number) => write!(f, "i={number}"),
            Identifier::String(name) => write!(f, "s={name}"),
            Identifier::Guid(guid) => write!(f, "g={guid}"),
            Identifier::Opaque(bytes) => write!(f, "b={bytes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_read_as_opc_ua_writes_them() {
        for text in ["i=85", "ns=2;s=Device/Identification", "ns=1;s=a=b;c", "ns=3;b=M/RbKBsRVkePCePcx24oRA=="] {
            assert_eq!(text.parse::<NodeId>().expect(text).to_string(), text);
        }
        let guid = "ns=4;g=09087E75-8E5E-499B-954F-F2A9603DB28A".parse::<NodeId>().expect("a GUID");
        assert_eq!(guid.to_string(), "ns=4;g=09087e75-8e5e-499b-954f-f2a9603db28a");
        assert_eq!("ns=0;i=85".parse(), Ok(NodeId::numeric(0, 85)));
    }

    #[test]
    fn what_is_no_id_is_told_with_the_reason() {
        for text in ["", "85", "ns=;i=1", "ns=2", "ns=70000;i=1", "i=-1", "i=4294967296", "s=", "g=1", "b=a", "x=1"] {
            let error = text.parse::<NodeId>().expect_err(text);
            assert!(error.to_string().contains("is no node id"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same_way(text in ".{0,60}") {
            if let Ok(id) = text.parse::<NodeId>() {
                prop_assert_eq!(id.to_string().parse::<NodeId>(), Ok(id));
            }
        }
    }
}
