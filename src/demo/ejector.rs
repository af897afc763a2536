//! The Echo MS+ at work behind its gateway: it ejects the samples that the robot took into the mass spectrometer.

use std::net::SocketAddr;

use instrumentd_simulators::Pace;
use instrumentd_simulators::device_service::{HostSettings, Limits};
use instrumentd_simulators::echo_ms_plus::{EchoMsPlus, Faults, Kind, PlateRun, Settings, Shot};
use instrumentd_simulators::zenotof::echo::{FIRST_S, SPACING_S};

/// The plate's barcode.
const PLATE: &str = "DEMO0001";
/// The share of shots that nothing comes of.
const MISSED: f64 = 0.08;

/// An Echo MS+ whose gateway is there all the time.
#[derive(Debug)]
pub struct Ejector {
    echo: EchoMsPlus,
}

/// What came of its shots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shots {
    /// Samples that went into the mass spectrometer.
    pub ejected: usize,
    /// Samples that did not.
    pub missed: usize,
    /// Markers.
    pub markers: usize,
}

impl Ejector {
    /// Starts the gateway; the instrument does nothing yet.
    pub fn start() -> anyhow::Result<Self> {
        let idle = Settings { runs: Vec::new(), start: jiff::Timestamp::now(), ..Settings::default() };
        let echo = EchoMsPlus::start(idle, HostSettings::default(), Limits::default(), Faults::default(), Pace::Max)?;
        Ok(Self { echo })
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.echo.address()
    }

    /// Begins a run over these wells, at the time and pace of the mass spectrometer's.
    pub fn begin(&mut self, pace: f64, wells: impl Iterator<Item = String>) -> anyhow::Result<()> {
        let samples = wells.map(|well| Shot::well(without_zeros(&well)));
        let shots: Vec<Shot> = std::iter::once(Shot::Marker("Start Marker".to_owned())).chain(samples).collect();
        let survey_s = 0.05;
        let settings = Settings {
            start: jiff::Timestamp::now(),
            lead_s: (FIRST_S - survey_s * (shots.len() - 1) as f64).max(0.0),
            interval_s: SPACING_S,
            survey_s,
            missed: MISSED,
            runs: vec![PlateRun { barcode: PLATE.to_owned(), shots }],
            ..Settings::default()
        };
        Ok(self.echo.go_on(settings, Faults::default(), Pace::Times(pace))?)
    }

    /// Whether its run is over.
    pub fn is_resting(&self) -> bool {
        self.echo.is_over()
    }

    /// What came of its shots so far.
    pub fn shots(&self) -> Shots {
        let mut shots = Shots::default();
        for shot in self.echo.truth() {
            match (shot.kind, shot.actual) {
                (Kind::Marker { .. }, _) => shots.markers += 1,
                (Kind::Sample { .. }, Some(_)) => shots.ejected += 1,
                (Kind::Sample { .. }, None) => shots.missed += 1,
            }
        }
        shots
    }

    /// Switches it off.
    pub async fn end(self) -> anyhow::Result<()> {
        Ok(tokio::task::spawn_blocking(move || drop(self.echo)).await?)
    }
}

/// `A02` as an Echo writes it: `A2`.
fn without_zeros(well: &str) -> String {
    let row = well.trim_end_matches(|letter: char| letter.is_ascii_digit());
    format!("{row}{}", well[row.len()..].trim_start_matches('0'))
}
