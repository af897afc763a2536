//! The instrument around the plate: chamber, shaker, gas, cover, light array.

use instrument_proto::biolector_xt::{CoverState, GassingMode, LamModes, Power};

/// A quantity that is regulated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Regulated {
    pub actual: f64,
    pub target: f64,
    pub enabled: bool,
}

/// Everything that can be set.
#[derive(Debug)]
pub(super) struct Controls {
    /// °C.
    pub temperature: Regulated,
    /// rpm.
    pub shaker: Regulated,
    /// %; what is aimed at is only kept.
    pub oxygen: Regulated,
    /// %.
    pub carbon_dioxide: Regulated,
    /// Litres in an hour.
    pub flow: f64,
    pub humidity: bool,
    pub cover: Cover,
    pub light: Light,
}

/// The cover and where it is going.
#[derive(Debug)]
pub(super) struct Cover {
    pub state: CoverState,
    /// When it arrives, in seconds of the instrument, and where.
    pub arrives: Option<(f64, CoverState)>,
}

/// The light-array module.
#[derive(Debug)]
pub(super) struct Light {
    pub frequency: f32,
    pub mode: LamModes,
    pub powers: Vec<Power>,
}

/// Seconds that the cover takes from one end to the other.
pub(super) const COVER_SECONDS: f64 = 5.0;

impl Controls {
    /// As it stands when nobody uses it: cold, still, open.
    pub fn new() -> Controls {
        let off = |actual, target| Regulated { actual, target, enabled: false };
        Controls {
            temperature: off(22.4, 37.0),
            shaker: off(0.0, 1200.0),
            oxygen: off(20.95, 20.95),
            carbon_dioxide: off(0.04, 0.04),
            flow: 50.0,
            humidity: false,
            cover: Cover { state: CoverState::CovOpen, arrives: None },
            light: Light {
                frequency: 1000.0,
                mode: LamModes::LamPwm,
                powers: (0..16).map(|index| Power { index, value: 0.0 }).collect(),
            },
        }
    }

    /// How the chamber is gassed.
    pub fn gassing(&self) -> GassingMode {
        if self.flow <= 0.0 {
            GassingMode::GassingOff
        } else if self.carbon_dioxide.enabled {
            GassingMode::GassingCo2Up
        } else if !self.oxygen.enabled {
            GassingMode::GassingAir
        } else if self.oxygen.target <= 0.0 {
            GassingMode::GassingAnaerobe
        } else if self.oxygen.target > 20.95 {
            GassingMode::GassingO2Up
        } else {
            GassingMode::GassingO2Down
        }
    }

    /// What a minute fraction does to the chamber while no run measures it.
    pub fn settle(&mut self, seconds: f64) {
        let near = 1.0 - (-seconds / 75.0).exp();
        let aim = if self.temperature.enabled { self.temperature.target } else { 22.4 };
        self.temperature.actual += (aim - self.temperature.actual) * near;
        let closed = self.cover.state == CoverState::CovClosed && self.flow > 0.0;
        for (gas, air) in [(&mut self.oxygen, 20.95), (&mut self.carbon_dioxide, 0.04)] {
            let aim = if gas.enabled && closed { gas.target } else { air };
            gas.actual += (aim - gas.actual) * near;
        }
    }
}
