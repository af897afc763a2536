//! The mass spectrometer at work: one run over the plate of samples, as an Echo MS makes it.

use std::path::Path;
use std::sync::mpsc::TryRecvError;

use anyhow::Context as _;
use instrumentd_simulators::Pace;
use instrumentd_simulators::zenotof::{FilePlan, Milestone, Player, SamplePlan, Settings, ZenotofRun, batch_csv};
use jiff::tz::Offset;

use super::stage;

/// Steps that were not taken yet; when there are so many the instrument waits.
const UNTOLD: usize = 4096;
/// The acquisition's name.
const STEM: &str = "demo-plate";

/// A mass spectrometer that writes its acquisition.
#[derive(Debug)]
pub struct Spectrometer {
    player: Player,
    /// Acquisitions whose last byte is written.
    pub written: usize,
}

impl Spectrometer {
    /// Begins a run with these wells as its shot list, after a batch that asks for it.
    pub fn begin(folder: &Path, pace: f64, wells: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let shots = std::iter::once("Start Marker".to_owned()).chain(wells).collect();
        let file = FilePlan {
            stem: STEM.to_owned(),
            samples: vec![SamplePlan::plate_run(STEM, shots)],
            faults: std::collections::BTreeSet::new(),
        };
        let settings =
            Settings { start: jiff::Timestamp::now(), offset: Offset::UTC, files: vec![file], ..Settings::default() };
        let batch = folder.join(stage::BATCHES).join("demo.csv");
        std::fs::write(&batch, batch_csv(&settings))
            .with_context(|| format!("cannot write the batch '{}'", batch.display()))?;
        let run = ZenotofRun::new(settings)?;
        let player = Player::start(run, folder.join(stage::ACQUISITIONS), Pace::Times(pace), UNTOLD);
        Ok(Self { player, written: 0 })
    }

    /// What happened since the last look; true when the run is over.
    pub fn look(&mut self) -> bool {
        loop {
            match self.player.done().try_recv() {
                Ok(step) => {
                    let whole = |milestone: &&Milestone| matches!(milestone, Milestone::FileWhole { .. });
                    self.written += step.milestones.iter().filter(whole).count();
                }
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }

    /// Switches it off and waits for its end. Fails where it could not write.
    pub async fn end(self) -> anyhow::Result<()> {
        self.player.stop();
        tokio::task::spawn_blocking(move || self.player.join()).await??;
        Ok(())
    }
}
