//! The BioLector driver: result files of BioLector I, II/Pro and XT become events.
//!
//! One driver serves all files of a device. Each source goes through the same stages: its first line tells the
//! family ([`source`]), its header or members give the facts of the run ([`facts`]), and every row after that is
//! taken by the [`run`], which follows the cycles ([`cycle`]) and judges each reading ([`reading`]).
//!
//! What is decided here, and why:
//!
//! - The first row in file order for a (cycle, filter set, well) makes the event. Every further row stands whole in
//!   that cycle's `cycle-completed`. Which rows are whole is the codec's judgement.
//! - A cycle is over at the first of: everything expected was read; the last reading in measuring order came right
//!   after the one before it; the first row of another cycle; the run's end; a time without rows. Only the last
//!   depends on anything but content. Rows that come later are told, and then the cycle's end once more.
//! - A run's end is what the file says (`end_process`, `.meta` End). A BioLector I rewrites `DATE END` while it runs,
//!   so there the end counts when nothing more comes: offline at the file's end; live, where the header said so from the first, when its last cycle was read, and else after a time of silence.
//!   Should it go on after all, the next end is told as a further revision.

pub(super) mod clock;
pub(super) mod comments;
mod completion;
mod cycle;
mod defects;
mod ending;
mod facts;
mod head;
mod headers;
mod members;
mod reading;
mod readings;
mod refusals;
mod remarks;
mod rows_one;
mod run;
mod snapshot;
mod source;
mod started;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Driver, Effects, FileInput, Input, Request, SourceName};
use crate::event::{DeviceId, EventSource, SiteId};
use crate::profile::{BiolectorProfile, Profile};
pub(super) use headers::kind_by_name;
pub(super) use reading::unit;
use source::Source;

/// What a driver needs to know beside its input.
#[derive(Debug, Clone)]
pub struct Context {
    /// The device's CloudEvents source: part of every id.
    pub source: EventSource,
    /// The device.
    pub device: DeviceId,
    /// The zone of the instrument's clock.
    pub time_zone: TimeZone,
    /// What is true of the model.
    pub model: Arc<Profile>,
    /// What is true of the model as a BioLector.
    pub profile: BiolectorProfile,
    /// The run's identity as an operator states it, for a source that holds none.
    pub stated_run_id: Option<String>,
    /// The run's start as an operator states it.
    pub stated_start: Option<Timestamp>,
}

/// Names the way of decoding. To be changed whenever the same bytes give other events: sources are then read again, and
/// what is said otherwise now supersedes what was said.
pub const DECODING: &str = "biolector-1";

impl Context {
    /// The context of `device`, a model of `profile` whose clock runs in `time_zone`. With a profile of another kind of
    /// instrument every source is refused, since its family is not the profile's.
    pub fn new(site: &SiteId, device: &DeviceId, profile: Arc<Profile>, time_zone: TimeZone) -> Self {
        Self {
            source: EventSource::new(site, device),
            device: device.clone(),
            time_zone,
            profile: profile.biolector().cloned().unwrap_or_default(),
            model: profile,
            stated_run_id: None,
            stated_start: None,
        }
    }
}

/// The driver of one BioLector.
pub fn driver(context: Context) -> impl Driver {
    BioLector { context: Arc::new(context), sources: BTreeMap::new() }
}

struct BioLector {
    context: Arc<Context>,
    sources: BTreeMap<SourceName, Source>,
}

impl Driver for BioLector {
    fn handle(&mut self, input: Input<'_>, _now: Timestamp, effects: &mut Effects) {
        match input {
            Input::File(name, FileInput::Opened { kind, snapshot }) => {
                let source = Source::open(name.clone(), kind, snapshot, self.context.clone(), effects);
                self.sources.insert(name.clone(), source);
            }
            Input::File(name, FileInput::Gone) => {
                self.sources.remove(name);
            }
            Input::File(name, input) => match self.sources.get_mut(name) {
                Some(source) => source.take(&input, effects),
                None => effects.requests.push(Request::Reread(name.clone())),
            },
            // Nothing streams from its files, and they come one by one.
            Input::Stream(..) | Input::Xt(..) | Input::Set(..) | Input::Service(..) => {}
            Input::Timer(timer) => {
                if let Some(source) = self.sources.get_mut(&timer.source) {
                    source.timer(effects);
                }
            }
        }
    }
}
