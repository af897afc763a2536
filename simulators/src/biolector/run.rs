//! A run, step by step: what the instrument does to its files, and when.

use std::collections::VecDeque;

use fastrand::Rng;
use jiff::civil::DateTime;

use super::damage::damage;
use super::line::{Line, Reading};
use super::one::OneRows;
use super::pro::ProRows;
use super::pro_header;
use super::quirk::Quirk;
use super::record::{Record, What};
use super::schedule::Schedule;
use super::settings::{Model, Settings, SettingsError};
use super::step::{Change, Milestone, Step};
use super::xt::{TABLE_HEADER, XtRows};
use super::xt_members;

/// The rows in the form of one model.
#[derive(Debug)]
enum Rows {
    Pro(ProRows),
    Xt(XtRows),
    One(OneRows),
}

impl Rows {
    fn cycle(&mut self, records: &[Record]) -> Vec<Line> {
        match self {
            Rows::Pro(rows) => rows.cycle(records),
            Rows::Xt(rows) => rows.cycle(records),
            Rows::One(rows) => rows.cycle(records),
        }
    }
}

/// A simulated run: an iterator over its steps.
#[derive(Debug)]
pub struct BiolectorRun {
    settings: Settings,
    schedule: Schedule,
    rows: Rows,
    /// The steps that are made and not yet taken.
    ready: VecDeque<Step>,
    /// The table's file as it stands after all steps that were made.
    table: Vec<u8>,
    /// Where the line lies that a BioLector I overwrites.
    date_end: u64,
    /// The time of the last step that was made.
    moment: f64,
    pieces: Rng,
    cycles: u32,
    begun: bool,
    ended: bool,
    fault_told: bool,
}

impl BiolectorRun {
    /// A run with these settings.
    ///
    /// # Errors
    /// [`SettingsError`] where they fit no instrument.
    pub fn new(settings: Settings) -> Result<BiolectorRun, SettingsError> {
        settings.check()?;
        let mut settings = settings;
        if settings.has(Quirk::LateComments) && settings.pause_every.is_none() {
            settings.pause_every = Some(2);
        }
        let rows = match settings.model {
            Model::Pro => Rows::Pro(ProRows::new(&settings)),
            Model::Xt => Rows::Xt(XtRows::new(&settings)),
            Model::One => Rows::One(OneRows::new(&settings)),
        };
        Ok(BiolectorRun {
            schedule: Schedule::new(&settings),
            rows,
            ready: VecDeque::new(),
            table: Vec::new(),
            date_end: 0,
            moment: 0.0,
            pieces: Rng::with_seed(settings.seed ^ 0x7_EA12),
            cycles: 0,
            begun: false,
            ended: false,
            fault_told: false,
            settings,
        })
    }

    /// The settings of the run.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The file that grows, relative to the folder into which the instrument writes.
    pub fn table_file(&self) -> String {
        let (settings, start) = (&self.settings, self.settings.start);
        match settings.model {
            Model::Pro => {
                format!("{}-{}-SIM-{}.csv", settings.process, settings.protocol, start.strftime("%Y-%m-%d-%H-%M-%S"))
            }
            Model::Xt => {
                let seed = xt_members::seed_name(settings);
                format!("{seed}/{seed}.csv")
            }
            Model::One => format!("{}_{}.csv", settings.protocol, start.strftime("%Y%m%d_%H%M%S")),
        }
    }

    fn wall(&self, seconds: u32) -> DateTime {
        self.settings.start.saturating_add(jiff::Span::new().seconds(i64::from(seconds)))
    }

    fn make_more(&mut self) {
        if !self.begun {
            self.begun = true;
            self.begin();
        } else if !self.ended {
            match self.schedule.next_cycle() {
                Some(records) => self.cycle(&records),
                None => self.ended = true,
            }
        }
    }

    /// The head of the file and what is recorded before the first cycle.
    fn begin(&mut self) {
        let mut lines = match &self.rows {
            Rows::Pro(rows) => lines_of(&format!("{}{}", pro_header::header(&self.settings), rows.table_header())),
            Rows::Xt(_) => {
                self.write_members();
                vec![Line::text(0.0, TABLE_HEADER)]
            }
            Rows::One(_) => self.one_head(),
        };
        let opening = self.schedule.opening();
        match &mut self.rows {
            // The restarting files show one row before their first restart.
            Rows::Pro(rows) if self.settings.has(Quirk::HeaderRestart) => {
                lines.extend(opening.iter().take(1).map(|record| rows.row(record)));
            }
            rows => lines.extend(rows.cycle(&opening)),
        }
        self.deliver(lines, Milestone::Begun, false);
    }

    fn one_head(&mut self) -> Vec<Line> {
        let file = self.table_file();
        let before = OneRows::before_date_end(&self.settings, &file);
        let end = if self.settings.has(Quirk::Crlf) { 2 } else { 1 };
        let mark = if self.settings.has(Quirk::Bom) { 3 } else { 0 };
        self.date_end = before.iter().map(|line| line.len() as u64 + end).sum::<u64>() + mark;
        let mut lines = before;
        lines.push(OneRows::date_end(&self.settings, 0, 0));
        lines.extend(OneRows::after_date_end(&self.settings));
        lines.into_iter().map(|line| Line::text(0.0, line)).collect()
    }

    /// The members of an XT run that do not grow.
    fn write_members(&mut self) {
        let seed = xt_members::seed_name(&self.settings);
        let mut members = xt_members::members(&self.settings);
        members.push((format!("{seed}.meta"), xt_members::meta(&self.settings, None)));
        members.push((format!("{seed}.log"), xt_members::log(&self.settings, None)));
        for (name, bytes) in members {
            self.push(0.0, Change::Replace { file: format!("{seed}/{name}"), bytes });
        }
    }

    fn cycle(&mut self, records: &[Record]) {
        let index = self.cycles;
        self.cycles += 1;
        let number = records.first().map_or(0, |record| record.cycle);
        let first_step = self.ready.len();
        let mut lines = self.rows.cycle(records);
        damage(&mut lines, &self.settings, index);
        if index == 0 && self.settings.model == Model::Xt && self.settings.has(Quirk::Latin1) {
            lines.extend(self.remark(records));
        }
        let last = self.cycles == self.settings.cycles;
        if last && !self.settings.has(Quirk::NoEnd) {
            lines.extend(self.closing());
        }
        self.deliver(lines, Milestone::CycleWritten(number), last);
        self.tell_pauses(records, first_step);
        let rewrites = self.settings.has(Quirk::HeadRewrite) || (last && !self.settings.has(Quirk::NoEnd));
        if self.settings.model == Model::One && rewrites {
            self.rewrite_head();
        }
        if last {
            self.ended = true;
            if self.settings.model == Model::Xt && !self.settings.has(Quirk::NoEnd) {
                self.finish_xt();
            }
            if let Some(step) = self.ready.back_mut() {
                step.milestones.push(Milestone::Ended);
            }
        }
    }

    /// What a user typed, in words that ASCII does not have.
    fn remark(&mut self, records: &[Record]) -> Option<Line> {
        let last = records.last()?;
        let text = "Probe genommen: 20 µL für die Zählung".to_owned();
        let what = What::Comment { voice: super::record::Voice::User, text };
        self.rows.cycle(&[Record { what, ..last.clone() }]).pop()
    }

    /// What is written when the run is stopped as it should.
    fn closing(&mut self) -> Vec<Line> {
        let records = self.schedule.closing();
        let mut lines = self.rows.cycle_plain(&records);
        if self.settings.model == Model::Pro && !self.settings.has(Quirk::HeaderRestart) {
            let seconds = self.schedule.printed_seconds();
            let at = lines.last().map_or(f64::from(seconds), |line| line.at);
            lines.push(Line::text(at, "=====end_process====="));
            lines
                .push(Line::text(at, format!("[end_date_time] {}", self.wall(seconds).strftime("%Y-%m-%d, %H:%M:%S"))));
        }
        lines
    }

    fn rewrite_head(&mut self) {
        let line = OneRows::date_end(&self.settings, self.schedule.printed_seconds(), self.cycles);
        let bytes = line.into_bytes();
        let from = self.date_end as usize;
        if let Some(place) = self.table.get_mut(from..from + bytes.len()) {
            place.copy_from_slice(&bytes);
        }
        let at = self.moment;
        let file = self.table_file();
        if self.settings.has(Quirk::ReplaceByLongerCopy) {
            let bytes = self.table.clone();
            self.push(at, Change::Replace { file, bytes });
        } else {
            self.push(at, Change::Overwrite { file, offset: self.date_end, bytes });
        }
    }

    /// The end of an XT run: its `.meta` says when it ended, and a zip of everything appears beside the folder.
    fn finish_xt(&mut self) {
        let seed = xt_members::seed_name(&self.settings);
        let end = Some(self.wall(self.schedule.printed_seconds()));
        let at = self.moment;
        let meta = (format!("{seed}.meta"), xt_members::meta(&self.settings, end));
        let log = (format!("{seed}.log"), xt_members::log(&self.settings, end));
        for (name, bytes) in [&meta, &log] {
            self.push(at, Change::Replace { file: format!("{seed}/{name}"), bytes: bytes.clone() });
        }
        let mut members = vec![log, meta, (format!("{seed}.csv"), self.table.clone())];
        members.extend(xt_members::members(&self.settings));
        // Writing to memory cannot fail; were it to, the run would have no zip, which a reader can live with.
        if let Ok(bytes) = xt_members::archive(&self.settings, &members) {
            self.push(at, Change::Replace { file: format!("{seed}.zip"), bytes });
        }
    }

    fn push(&mut self, at: f64, change: Change) {
        self.ready.push_back(Step { at, change, readings: Vec::new(), milestones: Vec::new() });
    }

    /// Marks the steps at which a pause begins and ends, as the file tells it.
    fn tell_pauses(&mut self, records: &[Record], first_step: usize) {
        for record in records {
            let What::Comment { text, .. } = &record.what else { continue };
            let milestone = match text.as_str() {
                "COVER OPEN" | "Pause on" | "PAUSE   ON" => Milestone::PauseBegan,
                "COVER CLOSED" | "Pause off" | "PAUSE   OFF" => Milestone::PauseEnded,
                _ => continue,
            };
            if let Some(step) = self.ready.iter_mut().skip(first_step).find(|step| step.at >= record.at) {
                step.milestones.push(milestone);
            }
        }
    }

    /// Turns lines into steps, in the way in which this run delivers its bytes.
    fn deliver(&mut self, lines: Vec<Line>, milestone: Milestone, last: bool) {
        let mut bytes = Vec::new();
        let mut rows: VecDeque<Written> = VecDeque::new();
        if self.table.is_empty() && self.settings.has(Quirk::Bom) {
            bytes.extend_from_slice(b"\xef\xbb\xbf");
        }
        let count = lines.len();
        for (index, line) in lines.into_iter().enumerate() {
            bytes.extend(self.encoded(&line.bytes));
            if !(last && index + 1 == count && self.settings.has(Quirk::UnterminatedLastLine)) {
                bytes.extend_from_slice(if self.settings.has(Quirk::Crlf) { b"\r\n" } else { b"\n" });
            }
            // Rows that were written late or filed late stand where they stand: time never runs backwards for the writer.
            self.moment = self.moment.max(line.at);
            let row = Written { end: bytes.len(), at: self.moment, reading: line.reading };
            // The head is written at once.
            match rows.back_mut() {
                Some(head) if row.at == 0.0 => *head = row,
                _ => rows.push_back(row),
            }
        }
        self.table.extend_from_slice(&bytes);
        let file = self.table_file();
        if self.settings.has(Quirk::ReplaceByLongerCopy) {
            let readings: Vec<Reading> = rows.into_iter().filter_map(|row| row.reading).collect();
            let milestones = self.fault_in(&readings);
            let change = Change::Replace { file, bytes: self.table.clone() };
            self.ready.push_back(Step { at: self.moment, change, readings, milestones });
        } else {
            self.deliver_pieces(&file, &bytes, rows);
        }
        if let Some(step) = self.ready.back_mut() {
            step.milestones.push(milestone);
        }
    }

    /// One step for each row, or for random pieces of the bytes.
    fn deliver_pieces(&mut self, file: &str, bytes: &[u8], mut rows: VecDeque<Written>) {
        let torn = self.settings.has(Quirk::TornWrites);
        let mut from = 0;
        while from < bytes.len() {
            let to = if torn {
                // Mostly small pieces, now and then a large one.
                let large = self.pieces.u8(0..10) == 0;
                let size = if large { self.pieces.usize(200..4096) } else { self.pieces.usize(1..120) };
                bytes.len().min(from + size)
            } else {
                rows.front().map_or(bytes.len(), |row| row.end)
            };
            let mut at = rows.front().map_or(self.moment, |row| row.at);
            let mut readings = Vec::new();
            while rows.front().is_some_and(|row| row.end <= to) {
                if let Some(row) = rows.pop_front() {
                    at = row.at;
                    readings.extend(row.reading);
                }
            }
            let milestones = self.fault_in(&readings);
            let change = Change::Append { file: file.to_owned(), bytes: bytes[from..to].to_vec() };
            self.ready.push_back(Step { at, change, readings, milestones });
            from = to;
        }
    }

    /// The milestone of the first reading without a value, once.
    fn fault_in(&mut self, readings: &[Reading]) -> Vec<Milestone> {
        match readings.iter().find(|reading| reading.amplitude.is_none()) {
            Some(first) if !self.fault_told => {
                self.fault_told = true;
                vec![Milestone::FirstFault(first.well.clone())]
            }
            _ => Vec::new(),
        }
    }

    /// A line's bytes in the encoding of the file.
    fn encoded(&self, bytes: &[u8]) -> Vec<u8> {
        let latin1 = self.settings.model == Model::One || self.settings.has(Quirk::Latin1);
        match std::str::from_utf8(bytes) {
            Ok(text) if latin1 => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
            _ => bytes.to_vec(),
        }
    }
}

impl Rows {
    /// Rows as they are, without the header and the copies that a restarting file puts around a cycle.
    fn cycle_plain(&mut self, records: &[Record]) -> Vec<Line> {
        match self {
            Rows::Pro(rows) => records.iter().map(|record| rows.row(record)).collect(),
            other => other.cycle(records),
        }
    }
}

/// A row that stands in the bytes.
#[derive(Debug)]
struct Written {
    /// Where it ends, with its line end.
    end: usize,
    at: f64,
    reading: Option<Reading>,
}

fn lines_of(text: &str) -> Vec<Line> {
    text.lines().map(|line| Line::text(0.0, line)).collect()
}

impl Iterator for BiolectorRun {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        while self.ready.is_empty() {
            if self.begun && self.ended {
                return None;
            }
            self.make_more();
        }
        self.ready.pop_front()
    }
}
