//! The BioLector at work.

use std::path::Path;

use instrumentd_simulators::biolector::player::{Pace, Player, Switch};
use instrumentd_simulators::biolector::{BiolectorRun, Milestone, Quirk, Settings};
use tokio::sync::mpsc;

use super::stage;

/// Cycles of the run, of half an hour of the instrument each.
pub const CYCLES: u32 = 16;
/// The run pauses for a sample after every so many cycles.
const PAUSE_EVERY: u32 = 3;
/// Steps of the instrument that were not told yet; when it is full the instrument waits.
const UNTOLD: usize = 64;

/// A cultivation in a thread of its own.
#[derive(Debug)]
pub struct Cultivation {
    milestones: mpsc::Receiver<Milestone>,
    switch: Switch,
    thread: std::thread::JoinHandle<anyhow::Result<()>>,
}

impl Cultivation {
    /// Begins a run in the instrument's folder; `pace` is the instrument's seconds in one of ours.
    pub fn begin(folder: &Path, pace: f64) -> anyhow::Result<Self> {
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).datetime();
        let run = BiolectorRun::new(Settings {
            cycles: CYCLES,
            filtersets: 4,
            cycle_seconds: 1800,
            growth_hours: 6.0,
            pause_every: Some(PAUSE_EVERY),
            overload_above: Some(900.0),
            start: now,
            process: 1,
            protocol: "Demo".to_owned(),
            quirks: [Quirk::LateComments].into(),
            ..Settings::default()
        })?;
        let player = Player::start(run, folder.join(stage::RESULTS), Pace::Times(pace), UNTOLD);
        let switch = player.switch();
        let (tell, milestones) = mpsc::channel(UNTOLD);
        let thread = std::thread::Builder::new().name("biolector".to_owned()).spawn(move || {
            for step in player.done() {
                for milestone in step.milestones {
                    if tell.blocking_send(milestone).is_err() {
                        return Ok(());
                    }
                }
            }
            player.join().map_err(anyhow::Error::from)
        })?;
        Ok(Self { milestones, switch, thread })
    }

    /// What happened next; `None` when the run is over and all of it was told.
    pub async fn next(&mut self) -> Option<Milestone> {
        self.milestones.recv().await
    }

    /// Switches the instrument off and waits for its end. Fails where it could not write.
    pub async fn end(self) -> anyhow::Result<()> {
        self.switch.off();
        drop(self.milestones);
        let thread = self.thread;
        tokio::task::spawn_blocking(move || thread.join())
            .await?
            .map_err(|_| anyhow::anyhow!("the simulated BioLector panicked"))?
    }
}
