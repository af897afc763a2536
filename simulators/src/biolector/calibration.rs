//! From what the optics see to what the file calls the value, and back.
//!
//! The instrument computes the calibrated value from the phase, with parameters that are linear in the temperature that the same row prints.
//! Here everything is computed from the *printed* digits, so that a reader who recomputes it gets the same digit.

/// A parameter that is linear in the temperature: `slope` · T + `offset`, T in °C, the value in degrees or pH.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linear {
    /// Per °C.
    pub slope: f64,
    /// At 0 °C.
    pub offset: f64,
}

impl Linear {
    /// The value at a temperature.
    pub fn at(self, celsius: f64) -> f64 {
        self.slope * celsius + self.offset
    }
}

/// A pH optode: pH = pH0 + dpH · ln((fmin − phase) / (phase − fmax)).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhOptode {
    /// Phase of the fully protonated dye.
    pub fmin: Linear,
    /// Phase of the deprotonated dye.
    pub fmax: Linear,
    /// The dye's apparent pKa.
    pub ph0: Linear,
    /// The slope at the pKa.
    pub dph: Linear,
}

impl PhOptode {
    /// The optode under the `index`-th well. Wells differ a little, so that a reader who takes another well's parameters is caught.
    pub fn of_well(index: usize) -> PhOptode {
        PhOptode {
            fmin: Linear { slope: -0.0412, offset: 65.214 },
            fmax: Linear { slope: -0.0038, offset: 13.1035 },
            ph0: Linear { slope: -0.0041, offset: rounded(6.2044 + 0.002 * index as f64, 4) },
            dph: Linear { slope: 0.0003, offset: 0.5211 },
        }
    }

    /// The pH that the instrument prints for a printed phase and temperature; `None` where the formula has no value.
    pub fn ph(&self, phase: f64, celsius: f64) -> Option<f64> {
        let ratio = (self.fmin.at(celsius) - phase) / (phase - self.fmax.at(celsius));
        (ratio > 0.0).then(|| self.ph0.at(celsius) + self.dph.at(celsius) * ratio.ln())
    }

    /// The phase at a pH.
    pub fn phase(&self, ph: f64, celsius: f64) -> f64 {
        let ratio = ((ph - self.ph0.at(celsius)) / self.dph.at(celsius)).exp();
        (self.fmin.at(celsius) + ratio * self.fmax.at(celsius)) / (1.0 + ratio)
    }
}

/// An oxygen optode: DO = (tan(k0) / tan(phase) − 1) / Ksv with Ksv = 0.01 · (tan(k0) / tan(k100) − 1), in % air saturation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OxygenOptode {
    /// Phase without oxygen.
    pub k0: Linear,
    /// Phase in water that is saturated with air.
    pub k100: Linear,
}

impl OxygenOptode {
    /// The optode under the `index`-th well.
    pub fn of_well(index: usize) -> OxygenOptode {
        OxygenOptode {
            k0: Linear { slope: -0.0352, offset: 72.812 },
            k100: Linear { slope: -0.112, offset: rounded(45.133 + 0.005 * index as f64, 4) },
        }
    }

    fn quenching(&self, celsius: f64) -> f64 {
        0.01 * (tan(self.k0.at(celsius)) / tan(self.k100.at(celsius)) - 1.0)
    }

    /// The saturation that the instrument prints for a printed phase and temperature, in %.
    pub fn saturation(&self, phase: f64, celsius: f64) -> f64 {
        (tan(self.k0.at(celsius)) / tan(phase) - 1.0) / self.quenching(celsius)
    }

    /// The phase at a saturation in %.
    pub fn phase(&self, saturation: f64, celsius: f64) -> f64 {
        (tan(self.k0.at(celsius)) / (1.0 + self.quenching(celsius) * saturation)).atan().to_degrees()
    }
}

fn tan(degrees: f64) -> f64 {
    degrees.to_radians().tan()
}

/// A number as it will be printed with so many decimals.
pub fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formulas_are_each_others_inverse() {
        let (ph, oxygen) = (PhOptode::of_well(5), OxygenOptode::of_well(5));
        for step in 0..30 {
            let wanted = 5.2 + 0.07 * f64::from(step);
            let found = ph.ph(ph.phase(wanted, 30.0), 30.0).expect("within the optode's range");
            assert!((found - wanted).abs() < 1e-9);
            let wanted = 3.0 * f64::from(step);
            assert!((oxygen.saturation(oxygen.phase(wanted, 30.0), 30.0) - wanted).abs() < 1e-9);
        }
    }

    #[test]
    fn a_phase_outside_the_optodes_range_has_no_ph() {
        assert_eq!(PhOptode::of_well(0).ph(5.0, 30.0), None);
    }
}
