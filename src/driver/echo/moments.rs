//! From the times that an Echo writes to UTC.

use std::sync::Arc;

use instrument_proto::codec::echo::dates;
use instrument_proto::codec::echo::written::{Written, read};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::{Defects, Place};
use crate::event::liquid::LiquidFlag;
use crate::event::{Alike, Known, TimeQuality, Way};

/// A moment as written, and in UTC where it can be used.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moment {
    /// In UTC.
    pub at: Option<Timestamp>,
    /// What is weak about it, or why it is not used.
    pub flags: Vec<LiquidFlag>,
    /// As written.
    pub written: Option<Arc<str>>,
}

impl Moment {
    /// How far it can be trusted.
    pub fn quality(&self) -> TimeQuality {
        if self.at.is_some() { TimeQuality::Instrument } else { TimeQuality::Unknown }
    }

    /// How an event of this moment is recognised: where a spreadsheet damaged the time, what another file told under the same id is
    /// better, and stays.
    pub fn alike(&self, key: &str) -> Option<Box<Alike>> {
        let is_damaged = self.at.is_none() && self.flags.contains(&LiquidFlag::DamagedTime);
        is_damaged.then(|| {
            Box::new(Alike {
                about: key.to_owned(),
                elapsed_s: None,
                window_s: 0.0,
                // Whatever was said before of a known id counts more than what comes this way.
                way: Way::Live,
                figures: Vec::new(),
                known: Known::Keep,
            })
        })
    }

    fn new(written: &str) -> Self {
        Self { at: None, flags: Vec::new(), written: super::text(written) }
    }

    fn put(&mut self, civil: DateTime, zone: &TimeZone) {
        let ambiguous = zone.to_ambiguous_timestamp(civil);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => {}
            AmbiguousOffset::Fold { .. } => self.flags.push(LiquidFlag::AmbiguousLocalTime),
            AmbiguousOffset::Gap { .. } => self.flags.push(LiquidFlag::SkippedLocalTime),
        }
        // "Compatible" takes the earlier of two and, in a gap, the later reading.
        match ambiguous.compatible() {
            Ok(at) => self.at = Some(at),
            Err(_) => self.flags.push(LiquidFlag::DamagedTime),
        }
    }
}

/// A moment that stands for itself.
pub(super) fn single(written: &str, line: u64, zone: &TimeZone, place: &Place<'_>, defects: &mut Defects) -> Moment {
    let mut moment = Moment::new(written);
    match read(written) {
        Written::Absent => {}
        Written::Full(civil) => moment.put(civil, zone),
        Written::OfDay(_) => moment.flags.push(LiquidFlag::DateUnknown),
        Written::Damaged => {
            moment.flags.push(LiquidFlag::DamagedTime);
            defects.add("damaged-time", line, &format!("`{written}` is no time that an Echo writes"), place);
        }
    }
    moment
}

/// The moments of rows that stand in the order of time, each with its line, in a run that ended at `ended`.
pub(super) fn of_rows(
    rows: &[(&str, u64)],
    ended: &str,
    zone: &TimeZone,
    place: &Place<'_>,
    defects: &mut Defects,
) -> Vec<Moment> {
    let mut moments: Vec<Moment> =
        rows.iter().map(|(written, line)| single(written, *line, zone, place, defects)).collect();
    let times: Vec<_> = rows
        .iter()
        .map(|(written, _)| match read(written) {
            Written::OfDay(time) => Some(time),
            _ => None,
        })
        .collect();
    let Written::Full(end) = read(ended) else { return moments };
    match dates::backwards(end, &times) {
        Ok(dates) => {
            for (moment, date) in moments.iter_mut().zip(dates) {
                let Some(date) = date else { continue };
                moment.flags = vec![LiquidFlag::DateDerived];
                moment.put(date, zone);
            }
        }
        Err(contradiction) => {
            let line = rows.get(contradiction.row - 1).map_or(1, |(_, line)| *line);
            defects.add("time-contradiction", line, &contradiction.to_string(), place);
            for (moment, _) in moments.iter_mut().zip(times).filter(|(_, time)| time.is_some()) {
                moment.flags = vec![LiquidFlag::TimeContradiction];
            }
        }
    }
    moments
}
