//! What the instrument does now, as its values tell it.

use instrument_proto::device::echo_ms_plus::node;
use instrument_proto::device::v1::DataValue;

use super::run::Runs;
use super::{RunRef, shown};
use crate::driver::{Effects, Identity, Operation};
use crate::event::cultivation::Instrument;

/// The last values; a Bad one is none.
#[derive(Debug, Default)]
pub(super) struct State {
    serial: Option<String>,
    software: Option<String>,
    health: Option<f64>,
    unit: Option<String>,
    running: Option<String>,
    run: Option<RunRef>,
    told: Option<Operation>,
}

impl State {
    /// A variable has another value, or none.
    pub fn value(&mut self, node: &str, value: &DataValue, runs: &Runs, effects: &mut Effects) {
        let usable = value.value.as_ref().filter(|_| !value.status().is_bad());
        let text = usable.and_then(|value| value.as_text()).map(shown);
        match node {
            // Who it is does not change because it is not there; nothing is learnt from that either.
            node::SERIAL_NUMBER | node::SOFTWARE_REVISION => {
                let place = if node == node::SERIAL_NUMBER { &mut self.serial } else { &mut self.software };
                if let Some(text) = text.filter(|text| !text.is_empty() && place.as_ref() != Some(text)) {
                    *place = Some(text);
                    effects.identity = Some(self.identity());
                }
            }
            node::DEVICE_HEALTH => self.health = usable.and_then(|value| value.as_f64()),
            node::CURRENT_STATE => self.unit = text,
            node::RUNNING_STATE => self.running = text,
            _ => {}
        }
        self.run = runs.current();
        self.tell(effects);
    }

    /// Another run is under way, or none.
    pub fn run(&mut self, run: Option<RunRef>, effects: &mut Effects) {
        self.run = run;
        self.tell(effects);
    }

    /// The server cannot be heard: nothing is known.
    pub fn lost(&mut self, effects: &mut Effects) {
        (self.health, self.unit, self.running) = (None, None, None);
        self.tell(effects);
    }

    fn identity(&self) -> Identity {
        let instrument = Instrument {
            serial: self.serial.clone(),
            software: self.software.clone(),
            format: "instrumentd.device.v1".to_owned(),
        };
        Identity { instrument, channels: Vec::new() }
    }

    fn tell(&mut self, effects: &mut Effects) {
        let name = match (self.unit.as_deref(), self.running.as_deref()) {
            // NAMUR NE 107: 1 is failure.
            _ if self.health == Some(1.0) => "faulted",
            (Some("Aborting" | "Aborted" | "Clearing"), _) => "faulted",
            (Some("Stopped" | "Stopping"), _) => "idle",
            (Some("Running"), Some("Starting" | "Execute" | "Completing" | "Unholding" | "Unsuspending")) => "ejecting",
            (Some("Running"), Some("Holding" | "Held" | "Suspending" | "Suspended")) => "paused",
            (Some("Running"), Some("Idle" | "Complete" | "Resetting")) => "idle",
            _ => "unknown",
        };
        let operation = Operation { name, run: self.run.clone(), cycle: None };
        if self.told.as_ref() != Some(&operation) {
            self.told = Some(operation.clone());
            effects.operation = Some(operation);
        }
    }
}
