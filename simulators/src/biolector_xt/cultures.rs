//! What is in the wells: volumes, feeds, pH control and the last value of each channel.

use instrument_proto::biolector_xt::PhControlParams;
use jiff::Timestamp;

use crate::biolector::xt::START_VOLUME;

/// Wells of a plate, in the order of the wire's labels: row by row.
pub(super) const WELLS: usize = 48;

/// One well.
#[derive(Debug, Clone)]
pub(super) struct Culture {
    /// What each of the two sources pumped, µL.
    pub pumped: [f64; 2],
    /// What a robot added, less what it took, µL.
    pub external: f64,
    pub feeds: [Feed; 2],
    pub ph: PhControl,
    /// The last value of each channel.
    pub values: Vec<Option<(f64, Timestamp)>>,
}

/// The feed from one source: a + b·t + c·exp(d·t) µL in an hour, t in hours since it was started.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Feed {
    pub formula: [f64; 4],
    /// For how long it has been on, in hours; `None` while it is off.
    pub on_for: Option<f64>,
}

impl Feed {
    fn rate(&self) -> f64 {
        let [a, b, c, d] = self.formula;
        let hours = self.on_for.unwrap_or(0.0);
        (a + b * hours + c * (d * hours).exp()).clamp(0.0, 1000.0)
    }
}

/// The pH control of one well.
#[derive(Debug, Clone)]
pub(super) struct PhControl {
    pub target: f64,
    pub enabled: bool,
    pub params: PhControlParams,
}

impl Culture {
    pub fn new(channels: usize) -> Culture {
        let params = PhControlParams { p: 0.5, i: 0.01, v_min: 0.3, v_max: 6.0, deadband: 0.05, start_volume: 800.0 };
        Culture {
            pumped: [0.0; 2],
            external: 0.0,
            feeds: [Feed { formula: [4.0, 0.0, 0.0, 0.0], on_for: None }; 2],
            ph: PhControl { target: 7.0, enabled: false, params },
            values: vec![None; channels],
        }
    }

    /// What is in the well, µL.
    pub fn volume(&self) -> f64 {
        (START_VOLUME + self.pumped[0] + self.pumped[1] + self.external).max(0.0)
    }

    /// Time passes.
    pub fn feed_for(&mut self, hours: f64) {
        for (feed, pumped) in self.feeds.iter_mut().zip(&mut self.pumped) {
            let rate = feed.rate();
            if let Some(on_for) = &mut feed.on_for {
                *on_for += hours;
                *pumped += rate * hours;
            }
        }
    }
}
