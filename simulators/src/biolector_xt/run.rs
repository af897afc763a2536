//! A run that can be held up: the records of the simulated world, one after the other, and the table they stand in.

use std::collections::VecDeque;

use crate::biolector::plate::Well;
use crate::biolector::record::{Record, Voice, What};
use crate::biolector::schedule::{Schedule, file_late};
use crate::biolector::xt::{TABLE_HEADER, XtRows};
use crate::biolector::{Channel, Quirk, Settings};

/// Seconds between the last reading and the first other record of a cycle.
const AFTER_MEASURING: f64 = 6.0;

#[derive(Debug)]
pub(super) struct Run {
    pub settings: Settings,
    /// When it was started, in seconds of the instrument.
    pub began: f64,
    pub channels: Vec<Channel>,
    /// The wells in reading order.
    pub wells: Vec<Well>,
    pub cycle: u32,
    /// The channel that is or was measured last, and how many wells of it are.
    pub channel: usize,
    pub measured: u32,
    pub pause: Option<Pause>,
    pub stopping: bool,
    schedule: Schedule,
    rows: XtRows,
    /// What comes next, with times since the start.
    pending: VecDeque<Record>,
    /// What came in this cycle.
    played: Vec<Record>,
    /// The cycles before.
    table: Vec<u8>,
    cycles: u32,
    file_late_s: u32,
    late_rows: bool,
}

/// A pause that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    /// When it takes effect, in seconds of the instrument.
    pub at: f64,
    /// Since when it has been in effect.
    pub since: Option<f64>,
    pub stop_shaker: bool,
    /// It ends as soon as the cover is closed.
    pub ending: bool,
}

impl Run {
    pub fn new(settings: Settings, began: f64, file_late_s: u32) -> Run {
        // What the instrument files late, and when somebody comes, is not the schedule's business here.
        let mut plain = Settings { pause_every: None, ..settings.clone() };
        let late_rows = plain.quirks.remove(&Quirk::LastWellBug);
        let mut schedule = Schedule::new(&plain);
        let pending = schedule.opening().into();
        let wells = settings.plate().serpentine();
        Run {
            began,
            channels: settings.channels(),
            wells: wells.into_iter().take(settings.well_count() as usize).collect(),
            cycle: 0,
            channel: 0,
            measured: 0,
            pause: None,
            stopping: false,
            schedule,
            rows: XtRows::new(&settings),
            pending,
            played: Vec::new(),
            table: format!("{TABLE_HEADER}\n").into_bytes(),
            cycles: 0,
            file_late_s,
            late_rows,
            settings,
        }
    }

    /// When the next record is due, in seconds of the instrument; `None` while the run stands.
    pub fn due(&self) -> Option<f64> {
        let standing = self.pause.is_some_and(|pause| pause.since.is_some());
        self.pending.front().filter(|_| !standing).map(|record| self.began + record.at)
    }

    /// The next record, whatever its time.
    pub fn next(&mut self) -> Option<Record> {
        self.pending.pop_front()
    }

    /// Keeps a record for the table.
    pub fn keep(&mut self, record: Record) {
        self.played.push(record);
    }

    /// Something was said, now.
    pub fn comment(&mut self, now: f64, voice: Voice, text: String) {
        let at = now - self.began;
        self.played.push(Record { at, time: at as u32, cycle: self.cycle, what: What::Comment { voice, text } });
    }

    /// The line of a reading: what was seen, as it is printed.
    pub fn value(&self, record: &Record) -> Option<f64> {
        self.rows.row(record).reading.and_then(|reading| reading.calibrated.or(reading.referenced))
    }

    pub fn set_volume(&mut self, well: usize, microlitres: f64) {
        self.rows.set_volume(well, microlitres);
    }

    pub fn set_points(&mut self, rpm: u32, celsius: f64) {
        self.schedule.set_points(rpm, celsius);
    }

    pub fn is_starting(&self) -> bool {
        self.cycles == 0
    }

    pub fn pending_is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether something of this cycle is still to be measured.
    pub fn is_measuring(&self) -> bool {
        self.cycles > 0 && self.pending.iter().any(is_measuring)
    }

    /// When the next cycle begins, in seconds since the start.
    pub fn next_cycle_at(&self) -> f64 {
        self.pending.back().map_or(0.0, |record| record.at)
    }

    /// Goes on to the next cycle; false when there is none.
    pub fn begin_cycle(&mut self) -> bool {
        self.close_cycle();
        match self.schedule.next_cycle() {
            Some(records) if !self.stopping => {
                self.cycle = records.first().map_or(self.cycle, |record| record.cycle);
                (self.channel, self.measured) = (0, 0);
                self.cycles += 1;
                self.pending = records.into();
                true
            }
            _ => false,
        }
    }

    /// The running filter set is finished and nothing more.
    pub fn stop(&mut self) {
        self.stopping = true;
        let standing = self.pause.is_some_and(|pause| pause.since.is_some());
        if standing || !self.is_measuring() {
            self.pending.clear();
            return;
        }
        let running = self.channel;
        let of_running =
            |record: &Record| matches!(record.what, What::Measurement { channel, .. } if channel == running);
        let kept = self.pending.iter().rposition(of_running).map_or(0, |last| last + 1);
        self.pending.truncate(kept);
    }

    /// Goes on after a pause of so many seconds. What is measured comes later by that; waiting is shortened, so that
    /// the next cycle begins when it should, if it can.
    pub fn resume(&mut self, now: f64, paused_for: f64) {
        let elapsed = now - self.began;
        let first_waiting = self.pending.iter().rposition(is_measuring).map_or(0, |last| last + 1);
        let cycle_end = self.next_cycle_at();
        let mut busy_until = elapsed;
        for record in self.pending.iter_mut().take(first_waiting) {
            move_to(record, record.at + paused_for);
            busy_until = record.at + AFTER_MEASURING;
        }
        let mut index = 0;
        self.pending.retain(|record| {
            index += 1;
            let late = index > first_waiting && record.at < busy_until;
            !(late && matches!(record.what, What::Periodic { .. }))
        });
        for record in self.pending.iter_mut().skip(first_waiting) {
            move_to(record, record.at.max(busy_until));
        }
        self.schedule.delay((self.next_cycle_at() - cycle_end).max(0.0));
    }

    /// The table as it stands.
    pub fn table(&self) -> Vec<u8> {
        let mut table = self.table.clone();
        self.render(&self.played, &mut table);
        table
    }

    /// Puts the cycle into the table, the way in which the instrument files it.
    fn close_cycle(&mut self) {
        let mut records = std::mem::take(&mut self.played);
        if self.late_rows && self.cycles > 0 {
            file_late(&mut records, self.channels.len(), self.cycles == 1);
        }
        let mut table = std::mem::take(&mut self.table);
        self.render(&records, &mut table);
        self.table = table;
    }

    fn render(&self, records: &[Record], table: &mut Vec<u8>) {
        for record in records {
            let mut record = record.clone();
            if matches!(record.what, What::Measurement { .. }) {
                record.time += self.file_late_s;
            }
            table.extend(self.rows.row(&record).bytes);
            table.push(b'\n');
        }
    }
}

fn is_measuring(record: &Record) -> bool {
    matches!(record.what, What::Measurement { .. } | What::Reference { .. } | What::Internal { .. })
}

fn move_to(record: &mut Record, at: f64) {
    record.at = at;
    record.time = at as u32;
}
