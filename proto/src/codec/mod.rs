//! Codecs: bytes to typed records and back.

pub mod biolector;
pub mod capture;
pub mod echo;
pub mod grpc;
pub mod lines;
pub mod star;
pub mod tecan;
pub mod wiff;
pub mod worklist;
