//! The driver against real files, an independent parser, any split of bytes and any restart.

mod known;
mod support;
