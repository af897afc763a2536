//! Host mode: the daemon alone asks the robot how it is.

use std::time::Duration;

use jiff::Timestamp;

use super::Context;
use super::dialect::Dialect;
use super::outlet::Outlet;
use crate::driver::{Direction, Effects, SourceName};

/// What the daemon asks as the only host.
#[derive(Debug)]
pub(super) struct Host;

impl Host {
    pub fn new(_context: &Context) -> Self {
        Self
    }

    pub fn ask(&mut self, _source: &SourceName, _now: Timestamp, _effects: &mut Effects) {}

    pub fn next(&self) -> Option<Duration> {
        None
    }

    pub fn take(&mut self, direction: Direction, bytes: &[u8], dialect: &mut Dialect, out: &mut Outlet<'_>) {
        dialect.feed(direction, bytes, out);
    }
}
