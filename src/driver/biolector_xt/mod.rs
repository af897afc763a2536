//! The BioLector XT driver for devices with a remote interface: what the instrument says as it happens, beside its files.
//!
//! The interface tells readings without their cycle, nothing of the run's state, and nothing twice. So the driver infers:
//! the run from the list of experiments, cycles from the order of the readings and the instrument's progress
//! ([`tracker`]), pauses from comments. After a cut it looks for what it missed among the current values ([`reconcile`])
//! and in the experiment's own file, which the file driver decodes. A reading has the same natural key whichever way it
//! came; where a way has another or none, the journal matches the two ([`files`]).

mod channels;
mod conditions;
mod files;
pub mod input;
mod kept;
mod live;
mod order;
mod readings;
mod reconcile;
mod run;
#[cfg(test)]
mod tests;
mod tracker;

use std::sync::Arc;

use jiff::Timestamp;

pub use input::{Ask, Heard, XtInput};

use super::biolector::{self, Context};
use super::{Driver, Effects, FileInput, Input};
use files::Files;
use live::Live;

/// The name of the link, and of the source that the stream is.
pub const GRPC: &str = "grpc";

/// The driver of one BioLector XT with a remote interface.
pub fn driver(context: Context) -> impl Driver {
    let live = Live::new(Arc::new(context.clone()), GRPC.into());
    BiolectorXt { context: context.clone(), file_driver: biolector::driver(context), files: Files::default(), live }
}

struct BiolectorXt<D> {
    context: Context,
    file_driver: D,
    files: Files,
    live: Live,
}

impl<D: Driver> Driver for BiolectorXt<D> {
    fn handle(&mut self, input: Input<'_>, now: Timestamp, effects: &mut Effects) {
        let source = match &input {
            Input::Xt(input) => return self.live.take(*input, now, effects),
            Input::File(source, FileInput::Gone) => {
                self.files.forget(source);
                Some((*source).clone())
            }
            Input::File(source, _) => Some((*source).clone()),
            Input::Timer(timer) => Some(timer.source.clone()),
            Input::Stream(..) | Input::Set(..) | Input::Service(..) => None,
        };
        let before = effects.events.len();
        self.file_driver.handle(input, now, effects);
        if let (Some(source), Some(events)) = (source, effects.events.get_mut(before..)) {
            self.files.mark(&source, events, &self.context.profile.tolerance);
        }
    }
}
