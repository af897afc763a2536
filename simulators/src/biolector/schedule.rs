//! The course of a run: which record is made when. It knows nothing of how a file looks.

use fastrand::Rng;

use super::calibration::{OxygenOptode, PhOptode, rounded};
use super::chamber::ChamberModel;
use super::growth::{Culture, Moment};
use super::quirk::Quirk;
use super::record::{Fault, Optics, Record, Source, Voice, What};
use super::settings::{Channel, ChannelKind, Model, Settings};

/// Cycles by which number and time jump under [`Quirk::CycleJump`].
const JUMP: u32 = 120;
/// The first cycle under [`Quirk::HighStartCycle`].
const HIGH_START: u32 = 616;
/// How long a pause with an open cover lasts, in seconds.
const PAUSE_SECONDS: f64 = 65.0;
/// The volume with which a well starts, in µL.
const START_VOLUME: f64 = 1000.0;

/// Makes the records of a run, cycle by cycle.
#[derive(Debug)]
pub struct Schedule {
    settings: Settings,
    channels: Vec<Channel>,
    cultures: Vec<Culture>,
    chamber: ChamberModel,
    noise: Rng,
    /// The clock of the instrument, in seconds since the file was begun.
    clock: f64,
    /// What the printed time is ahead of that clock.
    ahead: u32,
    done: u32,
}

impl Schedule {
    /// The course of a run with these settings.
    pub fn new(settings: &Settings) -> Schedule {
        // Each purpose has its own stream of numbers, so that one quirk changes nothing but what it is about.
        let stream =
            |purpose: u64| Rng::with_seed(settings.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(purpose));
        let mut inoculum = stream(1);
        let cultures = (0..48).map(|_| Culture::new(&mut inoculum, settings.growth_hours)).collect();
        let ahead = if settings.has(Quirk::HighStartCycle) { (HIGH_START - 1) * settings.cycle_seconds } else { 0 };
        Schedule {
            channels: settings.channels(),
            cultures,
            chamber: ChamberModel::new(settings.model, stream(2)),
            noise: stream(3),
            clock: 0.0,
            ahead,
            done: 0,
            settings: settings.clone(),
        }
    }

    /// The number of seconds after the start at which the run stands, as it prints it.
    pub fn printed_seconds(&self) -> u32 {
        self.clock as u32 + self.ahead
    }

    /// Somebody held the run up: what follows comes so many seconds later.
    pub fn delay(&mut self, seconds: f64) {
        self.clock += seconds;
    }

    /// Other set-points, from the next cycle on.
    pub fn set_points(&mut self, rpm: u32, celsius: f64) {
        (self.chamber.rpm, self.chamber.celsius) = (rpm, celsius);
    }

    /// The number that the next cycle will print, from 1.
    fn cycle_number(&self) -> u32 {
        let first = if self.settings.has(Quirk::HighStartCycle) { HIGH_START } else { 1 };
        let jump = if self.settings.has(Quirk::CycleJump) && self.done >= 2 { JUMP } else { 0 };
        first + self.done + jump
    }

    /// What is recorded before the first cycle.
    pub fn opening(&mut self) -> Vec<Record> {
        let mut out = Vec::new();
        match self.settings.model {
            Model::Pro => {
                for (time, text) in [(9, "COVER CLOSED"), (14, "START SHAKER"), (14, "TEMP REGULATION ON")] {
                    self.clock = f64::from(time);
                    // These rows belong to the beginning of the run, also in a file that begins later.
                    out.push(comment(self.clock, time, 1, Voice::System, text.to_owned()));
                }
                self.fluids(&mut out, 0, false);
            }
            Model::Xt => {
                self.fluids(&mut out, 0, false);
                let (rpm, celsius) = (self.chamber.rpm, self.chamber.celsius);
                for (time, voice, text) in [
                    (0, Voice::System, "TempControl state changed to 1".to_owned()),
                    (0, Voice::System, format!("Target temperature changed to {celsius}")),
                    (0, Voice::System, "HumidityControl changed to 1".to_owned()),
                    (22, Voice::System, "Coverstate changed to BUSY".to_owned()),
                    (27, Voice::System, "Coverstate changed to CLOSED".to_owned()),
                    (27, Voice::System, format!("Target RPM changed to {rpm}")),
                    (27, Voice::System, "Shaker state changed to 1".to_owned()),
                    (27, Voice::Service, "Set and started 4 scripts.".to_owned()),
                ] {
                    self.clock = f64::from(time);
                    out.push(comment(self.clock, time, 0, voice, text));
                }
                self.fluids(&mut out, 1, false);
                self.clock = 32.0;
                let text = format!("Setpoint (Shaker) planned at 00:00:00 was fulfilled with value {rpm}");
                out.push(comment(self.clock, 32, 1, Voice::User, text));
            }
            Model::One => {
                self.clock = 86.0;
                out.push(comment(self.clock, 86, 1, Voice::System, ", PreShaking   ON, , PreShaking   OFF".to_owned()));
            }
        }
        out
    }

    /// The records of the next cycle; `None` when all are made.
    pub fn next_cycle(&mut self) -> Option<Vec<Record>> {
        if self.done == self.settings.cycles {
            return None;
        }
        if self.settings.has(Quirk::CycleJump) && self.done == 2 {
            self.ahead += JUMP * self.settings.cycle_seconds;
        }
        let cycle = self.cycle_number();
        let begin = self.clock;
        let mut out = Vec::new();
        if self.settings.model == Model::Pro {
            self.periodic(&mut out, cycle);
            self.clock += 2.0;
            self.periodic(&mut out, cycle);
        }
        self.clock += 29.0;
        for channel in 0..self.channels.len() {
            self.filter_set(&mut out, cycle, channel);
        }
        let last = self.done + 1 == self.settings.cycles;
        if last && self.settings.has(Quirk::NoEnd) {
            // Stopped in the middle: half of the measurements and all that follows never happen.
            let measured = out.iter().filter(|record| matches!(record.what, What::Measurement { .. })).count();
            let mut kept = 0;
            out.retain(|record| {
                kept += usize::from(matches!(record.what, What::Measurement { .. }));
                kept <= measured / 2
            });
            self.done += 1;
            return Some(out);
        }
        if self.settings.pause_every.is_some_and(|every| every > 0 && (self.done + 1).is_multiple_of(every)) {
            self.clock += 7.0;
            self.pause(&mut out, cycle);
        }
        let next = (begin + f64::from(self.settings.cycle_seconds)).max(self.clock + 10.0);
        if self.settings.model != Model::One {
            self.clock += 6.0;
            while self.clock < next - 5.0 {
                self.periodic(&mut out, cycle);
                self.clock += 30.0;
            }
        }
        self.clock = next;
        if self.settings.model == Model::Xt || self.settings.has(Quirk::Microfluidic) {
            self.fluids(&mut out, cycle, true);
        }
        if self.settings.has(Quirk::LastWellBug) {
            file_late(&mut out, self.channels.len(), self.done == 0);
        }
        self.done += 1;
        Some(out)
    }

    /// What is recorded when the run is stopped.
    pub fn closing(&mut self) -> Vec<Record> {
        self.clock += 4.0;
        let cycle = self.cycle_number() - 1;
        let time = self.printed_seconds();
        match self.settings.model {
            Model::Xt => vec![comment(self.clock, time, cycle, Voice::Service, "Stopped scripting".to_owned())],
            Model::One => vec![comment(self.clock, time, cycle, Voice::System, "PAUSE   ON".to_owned())],
            Model::Pro => Vec::new(),
        }
    }

    fn hours(&self) -> f64 {
        f64::from(self.printed_seconds()) / 3600.0
    }

    fn chamber_now(&mut self, shaking: bool) -> super::record::Chamber {
        let hours = self.hours();
        let oxygen = self.cultures.first().map_or(100.0, |culture| culture.at(hours).oxygen);
        let seconds = self.clock + f64::from(self.ahead);
        self.chamber.at(seconds, (100.0 - oxygen) / 100.0, shaking)
    }

    fn push(&self, out: &mut Vec<Record>, cycle: u32, what: What) {
        out.push(Record { at: self.clock, time: self.printed_seconds(), cycle, what });
    }

    fn periodic(&mut self, out: &mut Vec<Record>, cycle: u32) {
        let chamber = self.chamber_now(true);
        self.push(out, cycle, What::Periodic { chamber });
    }

    /// Reference and wells of one filter set.
    fn filter_set(&mut self, out: &mut Vec<Record>, cycle: u32, channel: usize) {
        let facts = self.channels[channel].clone();
        let detector = rounded(2050.0 + 130.0 * channel as f64 + 8.0 * self.noise.f64(), 2);
        let overloaded = self.settings.has(Quirk::Refoverld) && Some(channel) == self.last_intensity_channel();
        let first_of_filter =
            self.channels.iter().position(|other| other.filter_id == facts.filter_id) == Some(channel);
        if self.settings.model == Model::Xt && self.done == 0 && first_of_filter {
            self.push(out, cycle, What::Internal { channel, detector });
            self.clock += 1.0;
        }
        let amplitude = rounded(facts.reference_amplitude + 1.2 * (self.noise.f64() - 0.5), 2);
        let reference = (facts.kind.is_intensity() && !overloaded).then_some(amplitude);
        if facts.kind.is_intensity() || self.settings.model == Model::Xt {
            let chamber = self.chamber_now(true);
            self.push(out, cycle, What::Reference { channel, amplitude: reference, detector, chamber });
            self.clock += 2.0;
        }
        for well in 0..self.settings.well_count() as usize {
            let chamber = self.chamber_now(true);
            let moment = self.cultures[well].at(self.hours());
            let (amplitude, phase) = self.seen(&facts, well, moment, chamber.calibrating);
            let too_bright = self.settings.model == Model::Pro
                && facts.kind.is_intensity()
                && self.settings.overload_above.is_some_and(|limit| amplitude > limit);
            let fault = if overloaded || too_bright {
                Some(Fault::Overload)
            } else if self.saturated(channel, well, amplitude) {
                Some(Fault::Saturated)
            } else {
                None
            };
            let optics = Optics { amplitude, phase, reference, detector, fault };
            self.push(out, cycle, What::Measurement { channel, filed: channel, well, optics, chamber });
            // A reading that saturates is tried again before it is given up.
            self.clock += if fault.is_some() { 4.0 } else { 1.27 };
        }
        if self.settings.model == Model::Pro {
            self.periodic(out, cycle);
            self.clock += 2.0;
            if channel + 1 < self.channels.len() {
                self.periodic(out, cycle);
            }
        }
        self.clock += 4.0;
    }

    /// Amplitude and phase that a filter set sees, as they are printed.
    fn seen(&mut self, channel: &Channel, well: usize, moment: Moment, celsius: f64) -> (f64, f64) {
        let mut noise = |width: f64| width * (self.noise.f64() - 0.5);
        let gain = 1.9f64.powi(channel.gain as i32 - 3);
        let (amplitude, phase) = match channel.kind {
            ChannelKind::Biomass => (moment.biomass * gain * (1.0 + noise(0.02)), -2.3 + noise(0.4)),
            ChannelKind::Fluorescence => (moment.fluorescence * gain / 4.0 * (1.0 + noise(0.02)), -1.1 + noise(0.4)),
            ChannelKind::Ph => (92.0 + noise(6.0), PhOptode::of_well(well).phase(moment.ph + noise(0.02), celsius)),
            ChannelKind::Oxygen => {
                (23.0 + noise(2.0), OxygenOptode::of_well(well).phase((moment.oxygen + noise(0.6)).max(0.0), celsius))
            }
        };
        let decimals = if self.settings.model == Model::One { 1 } else { 2 };
        (rounded(amplitude, 2), rounded(phase, decimals))
    }

    fn last_intensity_channel(&self) -> Option<usize> {
        self.channels.iter().rposition(|channel| channel.kind.is_intensity())
    }

    /// Whether the detector saturates: the channel with the highest gain does from the second cycle on, in every fourth well at once and in
    /// the others as their cells grow.
    fn saturated(&self, channel: usize, well: usize, amplitude: f64) -> bool {
        let highest =
            self.channels.iter().filter(|channel| channel.kind.is_intensity()).map(|channel| channel.gain).max();
        self.settings.has(Quirk::Sens1Nan)
            && self.done >= 1
            && self.channels[channel].kind.is_intensity()
            && highest == Some(self.channels[channel].gain)
            && (well.is_multiple_of(4) || amplitude > 400.0)
    }

    /// A pause with an open cover, as somebody takes a sample.
    fn pause(&mut self, out: &mut Vec<Record>, cycle: u32) {
        let begin = (self.clock, self.printed_seconds());
        self.clock += PAUSE_SECONDS;
        let end = (self.clock, self.printed_seconds());
        self.clock += 5.0;
        let again = (self.clock, self.printed_seconds());
        let rpm = self.chamber.rpm;
        let late = self.settings.has(Quirk::LateComments);
        let rows: Vec<((f64, u32), &str)> = match (self.settings.model, late) {
            (Model::Pro, true) => vec![
                (begin, "PAUSE MEASUREMENT"),
                (end, "RESTART MEASUREMENT"),
                (begin, "COVER OPEN"),
                (end, "COVER CLOSED"),
                (again, "START SHAKER"),
                (again, "TEMP REGULATION ON"),
            ],
            (Model::Pro, false) => vec![(begin, "COVER OPEN"), (end, "COVER CLOSED")],
            (Model::Xt, _) => vec![
                (begin, "Pause on"),
                (begin, "Coverstate changed to BUSY"),
                (begin, "Coverstate changed to OPEN"),
                (end, "Coverstate changed to CLOSED"),
                (again, "Shaker state changed to 1"),
                (again, "Pause off"),
            ],
            (Model::One, _) => vec![(begin, "PAUSE   ON"), (end, "Close Cover"), (again, "PAUSE   OFF")],
        };
        for ((at, time), text) in rows {
            let at = if late { again.0 } else { at };
            out.push(comment(at, time, cycle, Voice::System, text.to_owned()));
        }
        if self.settings.model == Model::One {
            out.push(comment(again.0, again.1, cycle, Voice::System, format!("SWITCH SETPOINT:Freq.={rpm}")));
        }
    }

    /// The fluid account of every well.
    fn fluids(&mut self, out: &mut Vec<Record>, cycle: u32, running: bool) {
        let microfluidic = self.settings.has(Quirk::Microfluidic);
        if self.settings.model == Model::Pro && !microfluidic {
            return;
        }
        let start = if self.settings.model == Model::Xt { 800.0 } else { START_VOLUME };
        let feeding = if microfluidic { 0.3 * f64::from(self.done + u32::from(running)) } else { 0.0 };
        let mut sources = vec![Source::External];
        if microfluidic {
            sources.extend([Source::Reservoir(0), Source::Reservoir(1)]);
            // A Pro begins with the reservoirs alone.
            if !running && self.settings.model == Model::Pro {
                sources.remove(0);
            }
        }
        for source in sources {
            for well in 0..self.settings.well_count() as usize {
                let pumped = if source == Source::Reservoir(0) && running { rounded(feeding, 3) } else { 0.0 };
                let total = rounded(start + if running { feeding } else { 0.0 }, 3);
                self.push(out, cycle, What::Fluid { well, source, pumped, total });
            }
        }
    }
}

fn comment(at: f64, time: u32, cycle: u32, voice: Voice, text: String) -> Record {
    Record { at, time, cycle, what: What::Comment { voice, text } }
}

/// Files the last well of each filter set one event late: under the next filter set, and the one of the last filter set among the fluid
/// rows. In the first cycle only the first filter set's row goes astray.
pub fn file_late(records: &mut Vec<Record>, channels: usize, first_cycle: bool) {
    for set in (0..channels).rev() {
        let last_row = records
            .iter()
            .rposition(|record| matches!(record.what, What::Measurement { channel, .. } if channel == set));
        let Some(from) = last_row else { continue };
        let last_set = set + 1 == channels;
        if first_cycle && set > 0 && !last_set {
            continue;
        }
        let mut record = records.remove(from);
        let is_next = |other: &Record| match other.what {
            What::Fluid { .. } => last_set,
            What::Reference { .. } => !last_set,
            _ => false,
        };
        let to = records.iter().skip(from).position(is_next).map_or(from, |next| from + next + 1);
        if let (false, What::Measurement { filed, .. }) = (last_set, &mut record.what) {
            *filed = set + 1;
        }
        // Written with its neighbour, while the time that it prints stays the one of the reading.
        record.at = records.get(to.saturating_sub(1)).map_or(record.at, |neighbour| neighbour.at);
        records.insert(to, record);
    }
}
