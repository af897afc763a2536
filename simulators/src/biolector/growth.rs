//! Cultures that look like cultures: lag, exponential growth and a stationary phase, with a spread over the plate.
//!
//! Growth follows Baranyi's lag function on a logistic curve. Oxygen dips with what the cells take up and comes back when they stop; the pH
//! falls with the biomass that was made and creeps up a little afterwards.

use fastrand::Rng;

/// One well's culture.
#[derive(Debug, Clone)]
pub struct Culture {
    lag: f64,
    rate: f64,
    start: f64,
    end: f64,
    background: f64,
    start_ph: f64,
    ph_drop: f64,
    oxygen_dip: f64,
}

/// What a culture is like at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Scattered light of the cells, in the arbitrary unit of a biomass reading at gain 3.
    pub biomass: f64,
    /// Fluorescence of the product, in the same kind of unit.
    pub fluorescence: f64,
    /// pH.
    pub ph: f64,
    /// Dissolved oxygen, % air saturation.
    pub oxygen: f64,
}

impl Culture {
    /// A culture with its own lag, rate and yield. `span` is the time in hours from inoculation to the stationary phase of a typical
    /// well; the whole curve is stretched with it.
    pub fn new(rng: &mut Rng, span: f64) -> Culture {
        let spread = |rng: &mut Rng, middle: f64, share: f64| middle * (1.0 + share * (2.0 * rng.f64() - 1.0));
        Culture {
            lag: spread(rng, 0.18 * span, 0.35),
            rate: spread(rng, 8.5 / span, 0.15),
            start: spread(rng, 1.6, 0.2),
            end: spread(rng, 95.0, 0.25),
            background: spread(rng, 6.0, 0.2),
            start_ph: spread(rng, 6.95, 0.004),
            ph_drop: spread(rng, 1.1, 0.2),
            oxygen_dip: spread(rng, 62.0, 0.15),
        }
    }

    /// The culture at `hours` after inoculation.
    pub fn at(&self, hours: f64) -> Moment {
        let (mu, lag) = (self.rate, self.lag);
        let adjusted = hours + ((-mu * hours).exp() + (-mu * lag).exp() - (-mu * (hours + lag)).exp()).ln() / mu;
        let cells = self.end / (1.0 + (self.end / self.start - 1.0) * (-mu * adjusted).exp());
        // 0 at the start, 1 at the end.
        let progress = (cells - self.start) / (self.end - self.start);
        // The logistic curve's growth, 1 at its steepest.
        let activity = 4.0 * (cells / self.end) * (1.0 - cells / self.end);
        let after = (hours - lag - 6.0 / mu).max(0.0) * mu;
        Moment {
            biomass: self.background + cells,
            fluorescence: 3.0 + 0.5 * cells * progress,
            ph: self.start_ph - self.ph_drop * progress + 0.12 * (1.0 - (-after / 8.0).exp()),
            oxygen: 99.0 - 4.0 * progress - self.oxygen_dip * activity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_culture_lags_grows_and_stops() {
        let culture = Culture::new(&mut Rng::with_seed(3), 20.0);
        let at = |hours: f64| culture.at(hours);
        let early = at(2.0).biomass / at(0.0).biomass;
        assert!(early < 1.1, "hardly any growth in the lag phase, but a factor of {early}");
        assert!(at(12.0).biomass > 3.0 * at(2.0).biomass, "it grows");
        let late = at(60.0).biomass / at(40.0).biomass;
        assert!((late - 1.0).abs() < 0.01, "it stops, but changed by a factor of {late}");
    }

    #[test]
    fn oxygen_dips_and_recovers_while_the_ph_falls() {
        let culture = Culture::new(&mut Rng::with_seed(3), 20.0);
        let lowest = (0..400).map(|n| culture.at(f64::from(n) / 10.0).oxygen).fold(f64::MAX, f64::min);
        assert!(lowest < 60.0);
        assert!(lowest > 0.0);
        assert!(culture.at(0.0).oxygen > 90.0);
        assert!(culture.at(60.0).oxygen > 90.0);
        assert!(culture.at(0.0).ph - culture.at(30.0).ph > 0.6);
    }

    #[test]
    fn wells_differ() {
        let mut rng = Rng::with_seed(9);
        let one = Culture::new(&mut rng, 20.0).at(9.0).biomass;
        let other = Culture::new(&mut rng, 20.0).at(9.0).biomass;
        assert!((one - other).abs() > 0.01);
    }
}
