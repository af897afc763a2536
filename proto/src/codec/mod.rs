//! Codecs: bytes to typed records and back.

pub mod biolector;
pub mod star;
pub mod tecan;
