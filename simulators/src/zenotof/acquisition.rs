//! One acquisition where it is written: the `.wiff` and its companions, tick by tick.

use std::io;

use fastrand::Rng;
use instrument_proto::codec::wiff::write::{NewSample, WiffWriter, block_header, file_header};
use instrument_proto::codec::wiff::{IndexRecord, Layout, ModeKind, wiff2};
use jiff::{SignedDuration, Timestamp};

use super::content::{description, file_record, introduction, method, provenance, scan};
use super::fault::Fault;
use super::settings::{FilePlan, SamplePlan, Settings};
use super::step::Milestone;

/// Seconds from the last scan to the end entry in the run log, from there to the `.wiff2`, and from there to the end of the journal.
const TO_END_LOG_S: f64 = 3.0;
const TO_WIFF2_S: f64 = 1.0;
const TO_COMMIT_S: f64 = 1.0;
/// Seconds after the end at which one more sample comes.
const TO_REOPENING_S: f64 = 120.0;

/// A file of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Member {
    Wiff,
    Scan,
    Wiff2,
    Journal,
    Timeseries,
}

impl Member {
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Member::Wiff => ".wiff",
            Member::Scan => ".wiff.scan",
            Member::Wiff2 => ".wiff2",
            Member::Journal => ".wiff2-journal",
            Member::Timeseries => ".timeseries.data",
        }
    }
}

/// What happens to a member.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Edit {
    Write { offset: u64, bytes: Vec<u8> },
    Remove,
}

/// What happens at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) edits: Vec<(Member, Edit)>,
    pub(super) milestones: Vec<Milestone>,
    /// The software closes the files: a transfer can begin.
    pub(super) closed: bool,
    /// Nothing more will be written, unless one more sample comes.
    pub(super) whole: bool,
    /// The queue goes on.
    pub(super) done: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Next {
    Begin,
    Sample,
    Scans,
    EndLog,
    Wiff2,
    Commit,
    Close,
    Convert,
    Reopen,
    Nothing,
}

pub(super) struct Acquisition {
    pub(super) plan: FilePlan,
    settings: Settings,
    rng: Rng,
    /// Makes the data of another run, where this one's `.wiff.scan` is swapped.
    stranger: Rng,
    writer: WiffWriter,
    next: Next,
    at: f64,
    begun_at: f64,
    /// The sample at work, from 0, and its number in the file.
    sample: usize,
    index: u16,
    scans: u32,
    /// Length of the `.wiff.scan` by the index, and as it is written.
    expected: u64,
    scan_length: u64,
    block_at: u64,
    /// Data that wait for the conversion.
    held: Vec<u8>,
    wiff2_length: u64,
    /// What of the `.wiff2` is not yet written.
    rest_of_wiff2: Vec<u8>,
}

impl Acquisition {
    /// Prepares an acquisition that begins at `at`.
    ///
    /// # Errors
    /// Those of the writer, which writes in memory.
    pub(super) fn new(plan: FilePlan, settings: &Settings, number: usize, at: f64) -> io::Result<Acquisition> {
        let seed = settings.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64);
        let writer = WiffWriter::new(settings.version, settings.layout, &file_record(&plan), moment(settings, at))?;
        Ok(Acquisition {
            plan,
            settings: settings.clone(),
            rng: Rng::with_seed(seed),
            stranger: Rng::with_seed(!seed),
            writer,
            next: Next::Begin,
            at,
            begun_at: at,
            sample: 0,
            index: 0,
            scans: 0,
            expected: 0,
            scan_length: 0,
            block_at: 0,
            held: Vec::new(),
            wiff2_length: 0,
            rest_of_wiff2: Vec::new(),
        })
    }

    /// When the next tick is due; none when nothing follows.
    pub(super) fn due(&self) -> Option<f64> {
        (self.next != Next::Nothing).then_some(self.at)
    }

    fn has(&self, fault: Fault) -> bool {
        self.plan.has(fault)
    }

    fn stuck(&self) -> bool {
        self.settings.mode == ModeKind::ZtScan || self.has(Fault::ScanStuck) || self.has(Fault::ScanStuckForEver)
    }

    fn is_last(&self) -> bool {
        self.sample + 1 == self.plan.samples.len()
    }

    fn plan_of_sample(&self) -> SamplePlan {
        let last = self.plan.samples.len() - 1;
        let mut plan = self.plan.samples[self.sample.min(last)].clone();
        if self.sample > last {
            plan.name += "_again";
        }
        plan
    }

    /// Seconds of the sample at work that are acquired before it ends or is ended.
    fn seconds(&self) -> f64 {
        let cut = self.is_last() && (self.has(Fault::Abort) || self.has(Fault::NeverEnds));
        self.plan_of_sample().seconds * if cut { 0.5 } else { 1.0 }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// Those of the writer, which writes in memory.
    pub(super) fn tick(&mut self) -> io::Result<Tick> {
        let mut tick = Tick { at: self.at, ..Tick::default() };
        match self.next {
            Next::Begin => self.begin(&mut tick),
            Next::Sample => self.begin_sample(&mut tick)?,
            Next::Scans => self.acquire(&mut tick)?,
            Next::EndLog => self.end_sample(&mut tick)?,
            Next::Wiff2 => self.write_wiff2(&mut tick),
            Next::Commit => self.commit(&mut tick),
            Next::Close => self.close(&mut tick)?,
            Next::Convert => self.convert(&mut tick),
            Next::Reopen => {
                self.sample += 1;
                self.next = Next::Sample;
            }
            Next::Nothing => {}
        }
        let pages = self.writer.changes();
        tick.edits.extend(pages.into_iter().map(|(offset, bytes)| (Member::Wiff, Edit::Write { offset, bytes })));
        Ok(tick)
    }

    fn begin(&mut self, tick: &mut Tick) {
        tick.milestones.push(Milestone::FileBegan { stem: self.plan.stem.clone() });
        self.expected = if self.settings.layout == Layout::ScanFile { 20 } else { 0 };
        self.append_scan(tick, &file_header());
        self.next = Next::Sample;
    }

    /// Bytes at the end of the `.wiff.scan`, where there is one.
    fn append_scan(&mut self, tick: &mut Tick, bytes: &[u8]) {
        if self.settings.layout == Layout::ScanFile && !self.has(Fault::ScanMissing) {
            let write = Edit::Write { offset: self.scan_length, bytes: bytes.to_vec() };
            tick.edits.push((Member::Scan, write));
            self.scan_length += bytes.len() as u64;
        }
    }

    fn begin_sample(&mut self, tick: &mut Tick) -> io::Result<()> {
        let plan = self.plan_of_sample();
        let key = self.settings.wiff2.then(|| std::array::from_fn(|_| self.rng.u8(1..)));
        let sample = NewSample {
            description: description(&plan, &self.plan, &self.settings),
            injection_volume_ul: plan.injection_volume_ul,
            provenance: provenance(&self.settings),
            start: moment(&self.settings, self.at),
            offset: self.settings.offset,
            method: method(&self.settings),
            block_at: u32::try_from(self.expected).unwrap_or(u32::MAX),
            wiff2_key: key,
        };
        self.index = self.writer.begin_sample(&sample)?;
        self.block_at = self.expected;
        if self.settings.layout == Layout::ScanFile {
            self.expected += 24;
        }
        // Later headers wait with the data before them.
        if self.stuck() && self.index > 1 {
            self.held.extend(block_header(self.index, 0));
        } else {
            self.append_scan(tick, &block_header(self.index, 0));
        }
        for text in introduction(&self.settings) {
            self.writer.add_log(self.index, 0, &text)?;
        }
        tick.milestones.push(Milestone::SampleBegan { stem: self.plan.stem.clone(), sample: self.index });
        self.begun_at = self.at;
        self.scans = 0;
        self.next = Next::Scans;
        self.at += self.settings.write_seconds.min(self.seconds());
        Ok(())
    }

    /// The scans up to now, into index and data.
    fn acquire(&mut self, tick: &mut Tick) -> io::Result<()> {
        let wanted = (((self.at - self.begun_at) / self.settings.scan_seconds) + 1e-9) as u32;
        let (mut records, mut data) = (Vec::new(), Vec::new());
        let data_at = self.block_at + if self.settings.layout == Layout::ScanFile { 24 } else { 0 };
        let plan = self.plan_of_sample();
        while self.scans < wanted {
            let seconds = f64::from(self.scans) * self.settings.scan_seconds;
            let (bytes, flag, tic) = scan(&self.settings, &plan, seconds, &mut self.rng);
            records.push(IndexRecord {
                number: u64::from(self.scans),
                offset: ((self.expected - data_at) & 0xffff_ffff) as u32,
                length: bytes.len() as u32,
                time_ms: seconds * 1000.0,
                flag,
                tic,
            });
            self.expected += bytes.len() as u64;
            if self.has(Fault::Mispaired) || self.has(Fault::MispairedSameSize) {
                let strange = scan(&self.settings, &plan, seconds, &mut self.stranger);
                // The other run has a scan more for each ten of this one.
                let again = self.has(Fault::Mispaired) && self.scans.is_multiple_of(10);
                data.extend(if again { [&strange.0[..], &strange.0].concat() } else { strange.0 });
            } else {
                data.extend(bytes);
            }
            self.scans += 1;
        }
        self.writer.add_scans(self.index, &records)?;
        let over = self.at - self.begun_at >= self.seconds() - 1e-9;
        if over && self.is_last() {
            if self.has(Fault::ScanTruncated) {
                let cut = self.rng.usize(1..=data.len().clamp(1, 4096));
                data.truncate(data.len().saturating_sub(cut));
            }
            if self.has(Fault::ScanHole) {
                data.fill(0);
            }
        }
        if self.settings.layout == Layout::SingleFile {
            self.writer.add_data(self.index, &data)?;
        } else if self.stuck() {
            self.held.extend(data);
        } else {
            self.append_scan(tick, &data);
        }
        let left = self.begun_at + self.seconds() - self.at;
        if !over {
            self.at += self.settings.write_seconds.min(left);
        } else if self.is_last() && self.has(Fault::NeverEnds) {
            (tick.closed, tick.whole, tick.done) = (true, true, true);
            self.next = Next::Nothing;
        } else {
            self.at += TO_END_LOG_S;
            self.next = Next::EndLog;
        }
        Ok(())
    }

    fn end_sample(&mut self, tick: &mut Tick) -> io::Result<()> {
        let aborted = self.is_last() && self.has(Fault::Abort);
        let ms = ((self.at - self.begun_at) * 1000.0) as u32;
        if aborted {
            self.writer.add_log(self.index, ms, "Aborting acquisition.")?;
        }
        let end = "End of Run - Detailed Status,Vacuum Status:\t At Pressure,Backing Pump:\t Ok";
        self.writer.add_log(self.index, ms, &format!("Mass Spectrometer: ZenoTOF 7600 System,{end}"))?;
        self.writer.stamp(self.index, moment(&self.settings, self.at))?;
        self.state_block_length(tick);
        let stem = self.plan.stem.clone();
        tick.milestones.push(Milestone::SampleEnded { stem, sample: self.index, aborted });
        let wiff2 = self.settings.wiff2 && !self.has(Fault::Wiff2Missing);
        self.next = if wiff2 { Next::Wiff2 } else { Next::Close };
        self.at += TO_WIFF2_S;
        Ok(())
    }

    /// The Echo MS states the length of its data in the block header; elsewhere it stays 0.
    fn state_block_length(&mut self, tick: &mut Tick) {
        let echo = !self.plan_of_sample().shots.is_empty() && self.settings.mode == ModeKind::Srm;
        let written = self.scan_length == self.expected && self.settings.layout == Layout::ScanFile;
        if echo && written {
            let length = ((self.expected - self.block_at - 24) & 0xffff_ffff) as u32;
            let write = Edit::Write { offset: self.block_at + 12, bytes: length.to_le_bytes().to_vec() };
            tick.edits.push((Member::Scan, write));
        }
    }

    /// The `.wiff2` is written under its journal.
    fn write_wiff2(&mut self, tick: &mut Tick) {
        let mut noise = |count: usize| (0..count).map(|_| self.rng.u8(..)).collect::<Vec<u8>>();
        let journal = Edit::Write { offset: 0, bytes: noise(512) };
        let mut bytes = noise(2 * wiff2::PAGE as usize);
        if self.wiff2_length == 0 {
            bytes[wiff2::MARK_AT as usize..wiff2::HEAD].copy_from_slice(&wiff2::MARK);
        }
        // The file is half written when somebody looks.
        let half = bytes.len() / 2 + 1000;
        let write = Edit::Write { offset: self.wiff2_length, bytes: bytes[..half].to_vec() };
        tick.edits.extend([(Member::Journal, journal), (Member::Wiff2, write)]);
        self.rest_of_wiff2 = bytes[half..].to_vec();
        self.wiff2_length += half as u64;
        self.next = Next::Commit;
        self.at += TO_COMMIT_S;
    }

    fn commit(&mut self, tick: &mut Tick) {
        let bytes = std::mem::take(&mut self.rest_of_wiff2);
        let length = bytes.len() as u64;
        tick.edits.push((Member::Wiff2, Edit::Write { offset: self.wiff2_length, bytes }));
        self.wiff2_length += length;
        if !(self.is_last() && self.has(Fault::JournalStays)) {
            tick.edits.push((Member::Journal, Edit::Remove));
        }
        self.next = Next::Close;
    }

    /// After a sample: the next one, or the end of the file.
    fn close(&mut self, tick: &mut Tick) -> io::Result<()> {
        if self.sample + 1 < self.plan.samples.len() {
            self.sample += 1;
            self.next = Next::Sample;
            self.at = self.begun_at.max(self.at) + self.settings.pause_seconds;
            return Ok(());
        }
        let again = self.sample >= self.plan.samples.len();
        if self.settings.timeseries && !again {
            let bytes = (0..256).map(|_| self.rng.u8(..)).collect();
            tick.edits.push((Member::Timeseries, Edit::Write { offset: 0, bytes }));
        }
        self.writer.commit(moment(&self.settings, self.at))?;
        tick.closed = true;
        tick.done = !again;
        self.after_the_end(again);
        tick.whole = self.next != Next::Convert;
        Ok(())
    }

    /// What follows when the queue has gone on.
    fn after_the_end(&mut self, again: bool) {
        if self.stuck() && !self.held.is_empty() && !self.has(Fault::ScanStuckForEver) {
            self.at += self.settings.convert_seconds;
            self.next = Next::Convert;
        } else if self.has(Fault::Reopened) && !again {
            self.at += TO_REOPENING_S;
            self.next = Next::Reopen;
        } else {
            self.next = Next::Nothing;
        }
    }

    /// The data come into the `.wiff.scan`, a part in each tick.
    fn convert(&mut self, tick: &mut Tick) {
        let part = (self.held.len() / 2 + 1).max(1 << 20).min(self.held.len());
        let bytes: Vec<u8> = self.held.drain(..part).collect();
        self.append_scan(tick, &bytes);
        if self.held.is_empty() {
            (tick.closed, tick.whole) = (true, true);
            let again = self.sample >= self.plan.samples.len();
            self.after_the_end(again);
        } else {
            self.at += self.settings.write_seconds;
        }
    }
}

/// The instrument's time, so many seconds after the first acquisition began.
pub(super) fn moment(settings: &Settings, at: f64) -> Timestamp {
    let since = SignedDuration::from_millis((at * 1000.0).round() as i64);
    settings.start.checked_add(since).unwrap_or(settings.start)
}
