//! Codecs: bytes to typed records and back.

pub mod biolector;
pub mod wiff;
