//! The ZenoTOF driver: sets of `.wiff`, `.wiff.scan` and `.wiff2` files become acquisitions, known complete the moment they are.
//!
//! Names become sets by [`group`]; who a set is stands in its content ([`identity`]); a look at it is judged by content alone
//! ([`judge`]); what follows with time is decided by [`follow`], and what becomes of a set after its end by [`change`].
//!
//! What is decided here, and why:
//!
//! - A set is whole when the `.wiff` parses, lists its samples, and the index of each one names bytes that are there, the last
//!   of them the last of the `.wiff.scan`. That is asked of the content, not of ages and sizes.
//! - Whole is not finished: between two samples a file is whole, too. So more than that is asked for: that the batch's number of
//!   samples is reached and all ended, that the next acquisition began, or else that nothing changed for the settling time.
//! - Space without content (holes, zeros where the index names data) is the mark of a copy that reserves its place: no
//!   shortcut is taken then.
//! - Time is only ever the silence of the source while the daemon is up; clocks are never compared across machines.

pub mod batch;
mod change;
pub mod ejection;
mod follow;
pub mod group;
pub mod identity;
mod judge;
pub mod position;
mod say;
mod state;
mod tell;
#[cfg(test)]
pub mod tests;
mod vocabulary;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::set::{SetInput, SetName};
use super::{Driver, Effects, Input, Request, Timer, TimerChange};
use crate::event::{DeviceId, EventSource, SiteId};
use crate::profile::ZenotofProfile;
use follow::Set;

/// Names the way of decoding; see [`super::biolector::DECODING`].
pub const DECODING: &str = "zenotof-1";

/// A timer of a set that is not open yet, after a restart for instance, is set again for so long.
const NOT_YET: std::time::Duration = std::time::Duration::from_secs(5);

/// What one device's configuration says beside its profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// How vial positions become wells; without it they do not.
    pub numbering: Option<position::Numbering>,
    /// In which order a shot list is worked off.
    pub order: ejection::Order,
}

/// What the driver needs to know beside its input.
#[derive(Debug, Clone)]
pub struct Context {
    /// The device's CloudEvents source: part of every id.
    pub source: EventSource,
    /// The zone of the instrument's clock.
    pub time_zone: TimeZone,
    /// What is true of the model.
    pub profile: ZenotofProfile,
    /// What the configuration says.
    pub settings: Settings,
}

impl Context {
    /// The context of `device`, a model of `profile` whose clock runs in `time_zone`.
    pub fn new(
        site: &SiteId,
        device: &DeviceId,
        profile: ZenotofProfile,
        time_zone: TimeZone,
        settings: Settings,
    ) -> Self {
        Self { source: EventSource::new(site, device), time_zone, profile, settings }
    }
}

/// The driver of one ZenoTOF.
pub fn driver(context: Context) -> impl Driver {
    Zenotof { context: Arc::new(context), sets: BTreeMap::new() }
}

struct Zenotof {
    context: Arc<Context>,
    sets: BTreeMap<SetName, Set>,
}

impl Driver for Zenotof {
    fn handle(&mut self, input: Input<'_>, now: Timestamp, effects: &mut Effects) {
        match input {
            Input::Set(name, SetInput::Opened { snapshot }) => {
                self.sets.insert(name.clone(), Set::open(name.clone(), self.context.clone(), snapshot));
            }
            Input::Set(name, SetInput::Closed) => {
                self.sets.remove(name);
                let timer = Timer { source: name.clone(), name: follow::TIMER };
                effects.timers.push(TimerChange::Cancel(timer));
            }
            Input::Set(name, input) => match self.sets.get_mut(name) {
                Some(set) => {
                    set.take(input, now, effects);
                    self.note_next(name, effects);
                }
                None => effects.requests.push(Request::Reread(name.clone())),
            },
            Input::Timer(timer) => match self.sets.get_mut(&timer.source) {
                Some(set) => set.timer(effects),
                None => effects.timers.push(TimerChange::Set(timer.clone(), NOT_YET)),
            },
            // Neither single files nor lines belong to this instrument.
            Input::File(..) | Input::Stream(..) | Input::Xt(..) | Input::Service(..) => {}
        }
    }
}

impl Zenotof {
    /// Where the set `name` began after another one in its folder was over, that one is over indeed: an instrument measures
    /// one file at a time. Both times are of the instrument's clock.
    fn note_next(&mut self, name: &SetName, effects: &mut Effects) {
        let Some((folder, began, _)) = self.sets.get(name).and_then(|set| set.span.clone()) else { return };
        let next: Option<Arc<str>> = name.rsplit('/').next().map(Arc::from);
        for (other, set) in &mut self.sets {
            let before = set.span.as_ref().is_some_and(|(place, _, end)| *place == folder && *end <= began);
            if other != name && before && set.next.is_none() {
                set.next = next.clone();
                set.hurry(effects);
            }
        }
    }
}
