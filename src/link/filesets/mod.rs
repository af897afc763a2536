//! The file-set link: trees into which a mass spectrometer's software writes sets of files.

mod digests;
mod look;
mod once;
mod tree;

pub use digests::{Throttle, sha256};
pub use once::{OfflineSet, sets_at};
