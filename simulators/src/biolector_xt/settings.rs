//! What a simulated BioLector XT is to be like.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::Pace;
use crate::biolector::{self, Model, Quirk, SettingsError};

/// Everything that decides what the instrument does. The same settings and the same requests at the same times give the same readings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What its first protocol measures: wells, filter sets, cycles, seed, quirks. The model is always the XT; `start` is not used.
    pub run: biolector::Settings,
    /// Where the server listens. Port 0 is any free one.
    pub listen: SocketAddr,
    /// How fast its time runs. [`Pace::Max`] waits for nothing while a run is under way and keeps real time otherwise.
    pub pace: Pace,
    /// Its clock when it is switched on; `None`: the host's clock.
    pub start: Option<Timestamp>,
    /// Finished experiments that it stores from before.
    pub history: u32,
    /// When its first protocol is started.
    pub begin: Begin,
    /// Somebody pauses the run and opens the cover for a minute after every so many cycles.
    pub visit_every: Option<u32>,
    /// Updates that may wait for one client of the stream.
    pub queue: usize,
    /// What happens when they are that many.
    pub slow_client: SlowClient,
    /// What goes wrong.
    pub faults: Faults,
}

/// When the first protocol is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// When somebody asks for it.
    WhenAsked,
    /// At once.
    AtOnce,
    /// When the first client listens to the stream.
    WithFirstClient,
}

/// What happens to a client that takes updates too slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowClient {
    /// Its stream ends, after what is waiting, with RESOURCE_EXHAUSTED.
    Cut,
    /// The instrument's time stands still until there is room.
    Wait,
}

/// What goes wrong, or is another way than a client may think.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// From a request to pause until the run stands, in seconds of the instrument.
    pub pause_latency_s: f64,
    /// How far its clock is ahead of the right time, in seconds.
    pub clock_skew_s: f64,
    /// Every local time is called +02:00, in winter too.
    pub summer_offset: bool,
    /// Identifiers come in braces.
    pub braces: bool,
    /// The number of the first channel, 0 or 1.
    pub index_base: u32,
    /// A running experiment is not given away.
    pub refuse_running_download: bool,
    /// The file's times are so many seconds later than the stream's.
    pub file_late_s: u32,
    /// All streams are cut after so many updates, on average.
    pub cut_every: Option<u32>,
    /// The server is restarted after so many updates, on average.
    pub restart_every: Option<u32>,
    /// How long a restart takes, in real seconds.
    pub down_s: f64,
    /// The stream is open and nothing comes.
    pub silent_stream: bool,
    /// Every so many updates a message comes that is none.
    pub malformed_every: Option<u32>,
    /// Every so many updates a comment of eight mebibytes comes.
    pub oversized_every: Option<u32>,
    /// Each answer takes so long, in real seconds.
    pub slow_s: f64,
    /// Methods that never answer.
    pub hang: BTreeSet<String>,
    /// The cover does not move.
    pub cover_blocked: bool,
    /// Starting needs a licence that is not there.
    pub no_licence: bool,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults {
            pause_latency_s: 0.2,
            clock_skew_s: 0.0,
            summer_offset: false,
            braces: false,
            index_base: 0,
            refuse_running_download: false,
            file_late_s: 0,
            cut_every: None,
            restart_every: None,
            down_s: 1.0,
            silent_stream: false,
            malformed_every: None,
            oversized_every: None,
            slow_s: 0.0,
            hang: BTreeSet::new(),
            cover_blocked: false,
            no_licence: false,
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            run: biolector::Settings { model: Model::Xt, cycle_seconds: 900, ..biolector::Settings::default() },
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            pace: Pace::Max,
            start: None,
            history: 1,
            begin: Begin::WhenAsked,
            visit_every: None,
            queue: 4096,
            slow_client: SlowClient::Wait,
            faults: Faults::default(),
        }
    }
}

impl Settings {
    /// Checks that the settings fit an instrument.
    ///
    /// # Errors
    /// [`SettingsError`] with the first thing that does not fit.
    pub fn check(&self) -> Result<(), SettingsError> {
        let run = biolector::Settings { model: Model::Xt, ..self.run.clone() };
        run.check()?;
        let queue = u32::try_from(self.queue).unwrap_or(u32::MAX);
        if !(1..=1_000_000).contains(&queue) {
            let what = "the number of updates that may wait";
            return Err(SettingsError::OutOfRange { what, value: queue, low: 1, high: 1_000_000 });
        }
        Ok(())
    }

    /// The offset that stands behind local times.
    pub(super) fn printed_offset(&self) -> Offset {
        if self.faults.summer_offset { Offset::constant(2) } else { self.run.offset }
    }

    /// Throws a switch by its name: `cut=500`, `braces`, `hang=GetCurrentProgress`.
    ///
    /// # Errors
    /// [`FaultError`] for a name that nobody knows or a value that does not fit.
    pub fn add_fault(&mut self, text: &str) -> Result<(), FaultError> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let known = FAULTS.iter().find(|known| known.name == name);
        let known = known.ok_or_else(|| FaultError::Unknown(name.to_owned()))?;
        let bad = || FaultError::Value { name: known.name, value: known.value, given: value.unwrap_or("").to_owned() };
        if value.is_some() == known.value.is_empty() {
            return Err(bad());
        }
        let text = value.unwrap_or("");
        let seconds = || text.parse::<f64>().ok().filter(|seconds| (-1e7..=1e7).contains(seconds)).ok_or_else(bad);
        let span = || seconds().and_then(|seconds| if seconds < 0.0 { Err(bad()) } else { Ok(seconds) });
        let count = || text.parse::<u32>().ok().filter(|count| *count > 0).map(Some).ok_or_else(bad);
        let faults = &mut self.faults;
        match known.name {
            "pause-latency" => faults.pause_latency_s = span()?,
            "sens1" => drop(self.run.quirks.insert(Quirk::Sens1Nan)),
            "last-well" => drop(self.run.quirks.insert(Quirk::LastWellBug)),
            "garbage-floats" => drop(self.run.quirks.insert(Quirk::GarbageFloats)),
            "clock-skew" => faults.clock_skew_s = seconds()?,
            "summer-offset" => faults.summer_offset = true,
            "braces" => faults.braces = true,
            "index-base" => faults.index_base = text.parse().ok().filter(|base| *base < 2).ok_or_else(bad)?,
            "refuse-running" => faults.refuse_running_download = true,
            "file-late" => faults.file_late_s = text.parse().map_err(|_| bad())?,
            "cut" => faults.cut_every = count()?,
            "restart" => faults.restart_every = count()?,
            "down" => faults.down_s = span()?,
            "silent" => faults.silent_stream = true,
            "malformed" => faults.malformed_every = count()?,
            "oversized" => faults.oversized_every = count()?,
            "slow" => faults.slow_s = span()?,
            "hang" => drop(faults.hang.insert(text.to_owned())),
            "cover-blocked" => faults.cover_blocked = true,
            "no-licence" => faults.no_licence = true,
            other => return Err(FaultError::Unknown(other.to_owned())),
        }
        Ok(())
    }
}

/// A switch, for the help text.
#[derive(Debug, Clone, Copy)]
pub struct FaultSwitch {
    /// Its name on the command line.
    pub name: &'static str,
    /// What its value is; empty where it has none.
    pub value: &'static str,
    /// What it does, in one sentence.
    pub text: &'static str,
}

const fn switch(name: &'static str, value: &'static str, text: &'static str) -> FaultSwitch {
    FaultSwitch { name, value, text }
}

/// All switches, in the order of the help text.
pub const FAULTS: &[FaultSwitch] = &[
    switch("pause-latency", "SECONDS", "A pause takes effect so long after the request (0.2 without this)."),
    switch("sens1", "", "The channel with the highest gain saturates: SENS1 and nan in the file, NaN in the stream."),
    switch(
        "last-well",
        "",
        "The file holds F01 under the next filter set, as XT 1.8.10 writes it; the stream is right.",
    ),
    switch("garbage-floats", "", "Numbers in the file that were never set print as what the memory held."),
    switch("clock-skew", "SECONDS", "Its clock is ahead by this much, behind where it is negative."),
    switch("summer-offset", "", "Local times are called +02:00 whatever the time of year."),
    switch("braces", "", "Identifiers come as {uuid}."),
    switch("index-base", "0|1", "The number of the first channel (0 without this)."),
    switch(
        "refuse-running",
        "",
        "A running experiment is not given away: DownloadExperiment fails until it is finished.",
    ),
    switch("file-late", "SECONDS", "The file's readings print a time that is so much later than the stream's."),
    switch("cut", "N", "All status streams are cut after N updates on average; what is on its way is lost."),
    switch("restart", "N", "The server is restarted after N updates on average; the run goes on meanwhile."),
    switch("down", "SECONDS", "So long a restart takes, in real seconds (1 without this)."),
    switch("silent", "", "The status stream is open and nothing comes."),
    switch("malformed", "N", "Every N updates a message comes that cannot be decoded."),
    switch("oversized", "N", "Every N updates a comment of 8 MiB comes."),
    switch("slow", "SECONDS", "Every answer takes so long, in real seconds."),
    switch("hang", "METHOD", "This method never answers, as in hang=GetCurrentProgress."),
    switch("cover-blocked", "", "The cover does not move: its state is COV_FAILING."),
    switch("no-licence", "", "StartProtocol answers LICENSE_MISSING."),
];

/// A switch that cannot be thrown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such switch.
    #[error("unknown fault '{0}'; `--fault list` prints the known ones")]
    Unknown(String),
    /// Its value does not fit.
    #[error("fault '{name}' is written '{name}{}{value}', not with '{given}'", if value.is_empty() { "" } else { "=" })]
    Value {
        /// The switch.
        name: &'static str,
        /// What its value is.
        value: &'static str,
        /// What was given.
        given: String,
    },
}
