//! The Echo MS+ driver: what a gateway's device service tells of runs, surveys and shots becomes `ejection.*` events.
//!
//! The node model is `docs/device-service.md`. What is decided here, and why:
//!
//! - A shot is named by its run and its place in the run's order. So an event that comes again, live, sent again or out of the
//!   server's history, is the same event, and a place of which nothing tells is a lost one, which the run's end names.
//! - Events make events; values only make the device's state. A value whose status is Bad is no value: the state is then
//!   `unknown`, whatever was told before.
//! - What the gateway does not tell stays absent: a run whose start was missed has no plate.

mod places;
mod run;
mod state;
mod tell;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use instrument_proto::device::echo_ms_plus::{NAMESPACE_URI, event_type, field, node};
use jiff::Timestamp;

use super::service::{Happened, ServiceInput, Wanted};
use super::{Driver, Effects, Input, SnapshotPart, SourceName};
use crate::driver::zenotof::ejection::Order;
use crate::event::cultivation::Defect;
use crate::event::{DeviceId, EventSource, SiteId};
use run::Runs;
use state::State;

/// Names the way of decoding; see [`super::biolector::DECODING`].
pub const DECODING: &str = "echo-ms-1";

/// What the driver wants to be told.
pub const WANTED: Wanted = Wanted {
    namespace: NAMESPACE_URI,
    notifier: node::DEVICE,
    events: &[
        (event_type::RUN_STARTED, field::RUN_STARTED),
        (event_type::WELL_SURVEYED, field::WELL_SURVEYED),
        (event_type::EJECTION, field::EJECTION),
        (event_type::MARKER, field::MARKER),
        (event_type::ERROR, field::ERROR),
        (event_type::RUN_ENDED, field::RUN_ENDED),
    ],
    values: &[
        node::SERIAL_NUMBER,
        node::SOFTWARE_REVISION,
        node::DEVICE_HEALTH,
        node::CURRENT_STATE,
        node::RUNNING_STATE,
        node::RUN_ID,
    ],
};

/// What the driver needs to know beside its input.
#[derive(Debug, Clone)]
pub struct Context {
    /// The device's CloudEvents source: part of every id.
    pub source: EventSource,
    /// In which order a shot list is worked off where the gateway does not tell.
    pub order: Order,
}

impl Context {
    /// The context of `device`.
    pub fn new(site: &SiteId, device: &DeviceId, order: Order) -> Self {
        Self { source: EventSource::new(site, device), order }
    }
}

/// The driver of one Echo MS+.
pub fn driver(context: Context) -> impl Driver {
    EchoMs { context, runs: Runs::default(), state: State::default(), unreadable: 0 }
}

struct EchoMs {
    context: Context,
    runs: Runs,
    state: State,
    unreadable: u32,
}

/// Why an event cannot be used.
struct Unreadable(String);

impl Driver for EchoMs {
    fn handle(&mut self, input: Input<'_>, _: Timestamp, effects: &mut Effects) {
        let Input::Service(source, input) = input else { return };
        match input {
            ServiceInput::Opened { snapshot } => self.runs = Runs::restore(snapshot, &self.context.source),
            ServiceInput::Value { node, value } => self.state.value(node, value, &self.runs, effects),
            ServiceInput::Event(happened) => self.event(source, &happened, effects),
            ServiceInput::Lost { .. } => {}
            ServiceInput::Closed { .. } => self.state.lost(effects),
        }
    }
}

impl EchoMs {
    fn event(&mut self, source: &SourceName, happened: &Happened<'_>, effects: &mut Effects) {
        let mut told = tell::Telling { context: &self.context, source, happened, effects };
        let done = match happened.event_type {
            event_type::RUN_STARTED => told.run_started(&mut self.runs),
            event_type::WELL_SURVEYED => told.surveyed(&mut self.runs),
            event_type::EJECTION => told.shot(&mut self.runs, "sample"),
            event_type::MARKER => told.shot(&mut self.runs, "marker"),
            event_type::ERROR => told.error(&mut self.runs),
            event_type::RUN_ENDED => told.run_ended(&mut self.runs),
            other => Err(Unreadable(format!("its type `{other}` is not one that was asked for"))),
        };
        if let Err(Unreadable(why)) = done {
            self.unreadable += 1;
            let text = format!("an event of type `{}` cannot be used: {why}", happened.event_type);
            effects.gaps.push((source.clone(), "unreadable-event", text.clone()));
            let defect = Defect { code: "unreadable-event", count: self.unreadable, first_offset: 0, text };
            effects.defects.push((source.clone(), defect));
        }
        for (part, bytes) in self.runs.changed() {
            effects.snapshots.push(SnapshotPart { source: source.clone(), part, bytes });
        }
        self.state.run(self.runs.current(), effects);
    }
}

/// A text from outside, short enough to be shown.
fn shown(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Rows and columns of a plate with so many wells.
fn rows_and_columns(wells: u32) -> Option<(u32, u32)> {
    match wells {
        96 => Some((8, 12)),
        384 => Some((16, 24)),
        1536 => Some((32, 48)),
        _ => None,
    }
}

/// A run as events name it.
type RunRef = Arc<crate::event::cultivation::Run>;
