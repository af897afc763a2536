//! What lab instruments put on the wire and into files: typed records and their codecs, without I/O.
pub mod biolector_xt;
pub mod codec;
pub mod device;
pub mod geometry;
