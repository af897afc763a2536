//! Result files of the BioLector family: what stands in them, byte for byte, without any judgement on what it means.
//!
//! Three families of raw files exist, told apart by their first line ([`detect`]):
//!
//! - BioLector I (`FILENAME;…`, format 3.3, Latin-1): [`one`],
//! - BioLector II and Pro (`=====process=====`, format 0.0.0, UTF-8 with or without BOM): [`pro`] and [`row`],
//! - BioLector XT (csv with one header line, format 1.0.0, beside json members): [`xt`] and [`row`].
//!
//! The formats are not published by the manufacturer; names and meanings follow what the instruments write.
//! Nothing here fails on foreign bytes: a line that is no whole row comes out as [`row::Torn`].

pub mod calibration;
pub mod columns;
pub mod detect;
pub mod number;
pub mod one;
pub mod pro;
pub mod row;
pub mod write;
pub mod xt;

pub use super::lines;
