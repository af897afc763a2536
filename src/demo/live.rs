//! A BioLector XT at work, that tells what it does over its remote interface.

use std::net::SocketAddr;
use std::time::Duration;

use instrumentd_simulators::Pace;
use instrumentd_simulators::biolector::{self, Model};
use instrumentd_simulators::biolector_xt::{Begin, Settings, XtServer};

/// Cycles of the run, of half an hour of the instrument each: it is over before the other one.
const CYCLES: u32 = 12;
/// How long its network is away, in seconds of the instrument: about one cycle.
const AWAY: f64 = 1900.0;

/// A cultivation that is followed live.
#[derive(Debug)]
pub struct LiveCultivation {
    server: XtServer,
    pace: f64,
}

impl LiveCultivation {
    /// Switches the instrument on; its run begins when the daemon listens. `pace` is its seconds in one of ours.
    pub fn start(pace: f64) -> anyhow::Result<Self> {
        let run = biolector::Settings {
            model: Model::Xt,
            cycles: CYCLES,
            filtersets: 2,
            cycle_seconds: 1800,
            growth_hours: 6.0,
            seed: 2,
            process: 2,
            protocol: "Live".to_owned(),
            ..biolector::Settings::default()
        };
        let settings = Settings { run, pace: Pace::Times(pace), begin: Begin::WithFirstClient, ..Settings::default() };
        Ok(Self { server: XtServer::start(settings)?, pace })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Takes its network away, and brings it back after about a cycle. The run goes on.
    pub fn lose_network(&self) {
        self.server.restart(Duration::from_secs_f64(AWAY / self.pace));
    }

    /// Readings that it made so far, told or not.
    pub fn readings(&self) -> usize {
        self.server.truth().len()
    }

    /// Switches it off.
    pub async fn end(self) -> anyhow::Result<()> {
        // It waits for its threads.
        Ok(tokio::task::spawn_blocking(move || drop(self.server)).await?)
    }
}
