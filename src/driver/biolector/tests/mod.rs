//! The driver against real files, an independent parser, any split of bytes and any restart.

mod independent;
mod known;
mod made;
mod misfiled;
mod splits;
mod support;
