//! The incubation chamber: it warms up, is regulated around its set-point, and breathes with the cultures.

use fastrand::Rng;

use super::calibration::rounded;
use super::record::Chamber;
use super::settings::Model;

/// The chamber's state and noise.
#[derive(Debug, Clone)]
pub struct ChamberModel {
    model: Model,
    rng: Rng,
    /// The shaker's set-point, rpm.
    pub rpm: u32,
    /// The temperature's set-point, °C.
    pub celsius: f64,
}

impl ChamberModel {
    /// A chamber at the start of a run.
    pub fn new(model: Model, rng: Rng) -> ChamberModel {
        let (rpm, celsius) = if model == Model::Xt { (1200, 37.0) } else { (1400, 30.0) };
        ChamberModel { model, rng, rpm, celsius }
    }

    /// The chamber at a time in seconds. `activity` is how hard the cultures breathe, 0 to 1; `shaking` is off while the cover is open.
    pub fn at(&mut self, seconds: f64, activity: f64, shaking: bool) -> Chamber {
        let warm = 1.0 - (-seconds / 75.0).exp();
        let mut noise = |width: f64| width * (self.rng.f64() - 0.5);
        let celsius = 22.4 + (self.celsius - 22.4) * warm;
        // An XT prints steps of 0.05 °C, the others of 0.1 °C.
        let step = if self.model == Model::Xt { 20.0 } else { 10.0 };
        let at_step = |value: f64| rounded((value * step).round() / step, 2);
        Chamber {
            calibrating: at_step(celsius + noise(0.12)),
            lower: at_step(celsius + 0.3 * (1.0 - warm) + noise(0.12)),
            water: at_step(24.0 + 6.0 * (1.0 - (-seconds / 900.0).exp()) + noise(0.6)),
            oxygen: rounded(20.95 - 0.9 * activity + noise(0.03), 2),
            humidity: rounded(55.0 + 30.0 * warm + noise(0.6), 2),
            shaker: if shaking { self.rpm + self.rng.u32(0..3) - 1 } else { 0 },
            heater: rounded(100.0 * (1.0 - warm), 2),
        }
    }
}
