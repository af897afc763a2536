//! Who an acquisition is: the instrument's own identity, from the content.
//!
//! It is the moment at which the instrument's software created the storage of the first sample, which the container keeps
//! to 100 ns. It is there as soon as there is anything, never changes while samples are added, and goes along with every
//! copy. One instrument cannot begin two files in the same 100 ns. Names, ids and comments are no part of it: they can be
//! edited afterwards. Serial number and computer are none either: they appear later, and the device is part of every id.

use instrument_proto::codec::wiff::Wiff;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::driver::set::Observation;

/// An identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The text that goes into ids.
    pub key: String,
    /// Whether it is the instrument's own. Else it is a digest of what the files begin with.
    pub own: bool,
}

/// The instrument's own identity of a `.wiff`; `None` while it cannot be read beyond doubt.
///
/// A container that is being copied can show half a time stamp. So the time counts only when the wall clock in the sample
/// table agrees with it, as it does in every whole file.
pub fn own(wiff: &Wiff) -> Option<Identity> {
    wiff.container.as_ref().ok()?;
    let first = wiff.samples.first().filter(|sample| sample.index <= 1)?;
    first.table.as_ref().ok()?;
    let start = first.start.as_ref().ok()?;
    start.offset.as_ref().ok()?;
    Some(Identity { key: format!("wiff/{}", start.utc), own: true })
}

/// The identity of a set that holds none that can be read: a digest of the wall clock and description of its first sample,
/// or else of the first bytes of its members. Only for a set that does not change any more.
pub fn of_content(look: &Observation) -> Identity {
    let mut hash = Sha256::new();
    let first = look.wiff.as_ref().and_then(|wiff| wiff.samples.first());
    match first.and_then(|sample| Some((sample.table.as_ref().ok()?, sample.description.as_ref().ok()?))) {
        Some((table, description)) => {
            hash.update(format!("{}\0{}\0{}", table.local_start, description.name, description.id));
        }
        None => {
            for member in &look.members {
                hash.update(format!("{}\0{:016x}\0", member.kind.suffix(), member.beginning));
            }
        }
    }
    let digest: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Identity { key: format!("content/{digest}"), own: false }
}
