//! The queue: acquisitions one after the other, and everything that still happens to earlier ones meanwhile.

use std::collections::BTreeMap;
use std::io;

use super::acquisition::Acquisition;
use super::delivery::{Way, path};
use super::fault::Fault;
use super::settings::{FilePlan, Settings, SettingsError};
use super::step::{Change, Milestone, Step};

/// A mass spectrometer at work: an iterator over what happens to the files in its folder.
pub struct ZenotofRun {
    settings: Settings,
    /// Acquisitions at which something may still happen.
    active: Vec<(Acquisition, Way)>,
    /// Steps that wait for their time, by milliseconds and number.
    waiting: BTreeMap<(u64, u64), Step>,
    numbered: u64,
    begun: usize,
    /// When the next acquisition begins; none while one is at work.
    next_begins: Option<f64>,
    /// The time of the last step.
    at: f64,
    ended: bool,
}

/// A queue that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings fit no instrument.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A container could not be begun.
    #[error("cannot begin a .wiff: {0}")]
    Container(#[from] io::Error),
}

/// What a watcher has to find when all is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The set's stem, after the last renaming.
    pub stem: String,
    /// How it ended.
    pub end: End,
    /// Samples in the `.wiff`.
    pub samples: usize,
}

/// How an acquisition ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All bytes are there.
    Complete,
    /// It was aborted, and all bytes are there.
    Aborted,
    /// Something is missing or foreign.
    Incomplete(Fault),
}

impl ZenotofRun {
    /// Prepares a queue.
    ///
    /// # Errors
    /// [`RunError`] when the settings fit no instrument.
    pub fn new(settings: Settings) -> Result<ZenotofRun, RunError> {
        settings.check()?;
        let mut run = ZenotofRun {
            settings,
            active: Vec::new(),
            waiting: BTreeMap::new(),
            numbered: 0,
            begun: 0,
            next_begins: Some(0.0),
            at: 0.0,
            ended: false,
        };
        // SCIEX OS puts an empty file into the folder of a project, which must not be deleted and means nothing.
        let special = Change::Write { file: path(&run.settings, ".special"), offset: 0, bytes: Vec::new() };
        run.wait(vec![Step { at: 0.0, changes: vec![special], milestones: Vec::new() }]);
        // Each container must be able to begin; then nothing can fail later on.
        run.begin_next()?;
        Ok(run)
    }

    /// What a watcher has to find when all is over, in the order of the queue.
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.settings.files.iter().map(outcome).collect()
    }

    fn wait(&mut self, steps: Vec<Step>) {
        for step in steps {
            self.numbered += 1;
            self.waiting.insert(((step.at * 1000.0).round() as u64, self.numbered), step);
        }
    }

    fn begin_next(&mut self) -> io::Result<()> {
        let Some(at) = self.next_begins.take() else { return Ok(()) };
        let late: Vec<Step> = self.active.iter_mut().flat_map(|(_, way)| way.next_begins(at)).collect();
        self.wait(late);
        self.active.retain(|(acquisition, _)| acquisition.due().is_some());
        if let Some(plan) = self.settings.files.get(self.begun) {
            let acquisition = Acquisition::new(plan.clone(), &self.settings, self.begun, at)?;
            let way = Way::new(plan.clone(), &self.settings, self.begun);
            self.active.push((acquisition, way));
            self.begun += 1;
        }
        Ok(())
    }

    /// Lets the acquisition that is due first do its next tick.
    fn tick(&mut self, which: usize) -> io::Result<()> {
        let (acquisition, way) = &mut self.active[which];
        let tick = acquisition.tick()?;
        if tick.done {
            self.next_begins = Some(tick.at + self.settings.gap_seconds);
        }
        let steps = way.take(tick, &self.settings);
        self.wait(steps);
        Ok(())
    }

    /// The acquisition that is due first, and when.
    fn due(&self) -> Option<(usize, f64)> {
        let due =
            self.active.iter().enumerate().filter_map(|(which, (acquisition, _))| Some((which, acquisition.due()?)));
        due.min_by(|one, other| one.1.total_cmp(&other.1))
    }

    fn advance(&mut self) -> io::Result<Option<Step>> {
        loop {
            let first = self.waiting.keys().next().map_or(f64::INFINITY, |(at, _)| *at as f64 / 1000.0);
            let due = self.due();
            match (self.next_begins, due) {
                (Some(at), due) if due.is_none_or(|(_, due)| at < due) && at <= first => self.begin_next()?,
                (_, Some((which, at))) if at <= first => self.tick(which)?,
                _ => {
                    if let Some((_, step)) = self.waiting.pop_first() {
                        self.at = step.at;
                        return Ok(Some(step));
                    }
                    if !self.ended {
                        self.ended = true;
                        return Ok(Some(Step { at: self.at, changes: Vec::new(), milestones: vec![Milestone::Ended] }));
                    }
                    return Ok(None);
                }
            }
        }
    }
}

impl Iterator for ZenotofRun {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        // The writer works in memory and has begun: nothing is left that could fail.
        self.advance().ok().flatten()
    }
}

fn outcome(plan: &FilePlan) -> Outcome {
    let renamed = plan.has(Fault::Renamed) || plan.has(Fault::RenamedSingly);
    let stem = if renamed { format!("{}_renamed", plan.stem) } else { plan.stem.clone() };
    let spoils = [
        Fault::EmptyFile,
        Fault::NeverEnds,
        Fault::ScanMissing,
        Fault::ScanStuckForEver,
        Fault::ScanTruncated,
        Fault::ScanHole,
        Fault::Mispaired,
        Fault::MispairedSameSize,
        Fault::JournalStays,
    ];
    let end = match spoils.into_iter().find(|fault| plan.has(*fault)) {
        Some(fault) => End::Incomplete(fault),
        None if plan.has(Fault::Abort) => End::Aborted,
        None => End::Complete,
    };
    let samples = match plan.samples.len() {
        _ if plan.has(Fault::EmptyFile) => 0,
        count => count + usize::from(plan.has(Fault::Reopened)),
    };
    Outcome { stem, end, samples }
}
