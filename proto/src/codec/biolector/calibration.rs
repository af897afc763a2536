//! From phase to pH and dissolved oxygen, with parameters that depend on temperature.
//!
//! The formulas are those of the optode evaluation that BioLector Pro files carry the parameters of; they give
//! the figures that the instrument itself prints, to the printed digit (checked on real files).

/// A parameter that depends linearly on temperature: `slope · T + offset`, T in degrees Celsius.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Linear {
    /// Change per degree.
    pub slope: f64,
    /// Value at 0 °C.
    pub offset: f64,
}

impl Linear {
    /// The value at `temperature_c`.
    pub fn at(self, temperature_c: f64) -> f64 {
        self.slope * temperature_c + self.offset
    }
}

/// Parameters of a pH optode in one well.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PhCalibration {
    /// Phase at the acid end, degrees.
    pub phase_min: Linear,
    /// Phase at the alkaline end, degrees; the smaller one.
    pub phase_max: Linear,
    /// pH at the inflection point.
    pub ph0: Linear,
    /// Slope, pH.
    pub dph: Linear,
}

impl PhCalibration {
    /// pH = pH0 + dpH · ln((fmin − φ) / (φ − fmax)); `None` outside the open interval between the two phases.
    pub fn ph(&self, phase_deg: f64, temperature_c: f64) -> Option<f64> {
        let ratio = (self.phase_min.at(temperature_c) - phase_deg) / (phase_deg - self.phase_max.at(temperature_c));
        if !(ratio.is_finite() && ratio > 0.0) {
            return None;
        }
        let ph = self.ph0.at(temperature_c) + self.dph.at(temperature_c) * ratio.ln();
        ph.is_finite().then_some(ph)
    }
}

/// Parameters of a DO optode in one well.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DoCalibration {
    /// Phase without oxygen, degrees.
    pub phase_0: Linear,
    /// Phase at air saturation, degrees.
    pub phase_100: Linear,
}

impl DoCalibration {
    /// Percent air saturation by Stern and Volmer: (tan k0 / tan φ − 1) / Ksv with Ksv = (tan k0 / tan k100 − 1) / 100.
    pub fn percent(&self, phase_deg: f64, temperature_c: f64) -> Option<f64> {
        let tan = |degrees: f64| degrees.to_radians().tan();
        let zero = tan(self.phase_0.at(temperature_c));
        let ksv = 0.01 * (zero / tan(self.phase_100.at(temperature_c)) - 1.0);
        let percent = (zero / tan(phase_deg) - 1.0) / ksv;
        percent.is_finite().then_some(percent)
    }
}

/// The referenced amplitude: the raw one times the filter's reference value, over the reference's reading in the
/// same cycle and filter set. `None` where the reference cannot be used.
pub fn referenced(amplitude: f64, reference_value: f64, reference_amplitude: f64) -> Option<f64> {
    let usable = reference_value > 0.0 && reference_amplitude > 0.0;
    let value = amplitude * reference_value / reference_amplitude;
    (usable && value.is_finite()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(slope: f64, offset: f64) -> Linear {
        Linear { slope, offset }
    }

    #[test]
    fn a_real_row_gives_the_printed_figures() {
        let ph = PhCalibration {
            phase_min: linear(-0.0387, 64.5241),
            phase_max: linear(-0.0045, 12.7927),
            ph0: linear(-0.0032, 6.1718),
            dph: linear(0.0002, 0.5179),
        };
        assert!((ph.ph(27.76, 29.5).expect("inside") - 6.53).abs() < 0.005);
        assert_eq!(ph.ph(5.0, 29.5), None);
        assert_eq!(ph.ph(70.0, 29.5), None);
        let oxygen = DoCalibration { phase_0: linear(-0.0309, 72.5095), phase_100: linear(-0.1005, 44.5783) };
        assert!((oxygen.percent(42.68, 29.6).expect("defined") - 94.73).abs() < 0.02);
        assert_eq!(oxygen.percent(0.0, 29.6), None);
        assert!((referenced(8.57, 181.110641, 241.30).expect("usable") - 6.43).abs() < 0.005);
        assert_eq!(referenced(8.57, 181.0, 0.0), None);
    }
}
