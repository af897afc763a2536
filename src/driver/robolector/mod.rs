//! The RoboLector driver: what a liquid handling robot does, from the words that its control software and it exchange.
//!
//! A dialect ([`star`], and Tecan's) turns frames into actions ([`action`]), each with what the robot answered. A model of the robot ([`robot`])
//! follows tips ([`tips`]), volumes ([`volumes`]) and labware ([`deck`], [`gripper`]) through them and decides what a dispense means
//! ([`transfer`], [`sampling`]).
//!
//! What is decided here, and why:
//!
//! - An action counts when the robot answered it. Where answers are not visible, or one never came, its events say `outcome: unknown`.
//! - Each arm does one thing after the other: its actions are told in the order of their commands, however answers come.
//! - A sampling is complete when its tip is empty or done with: several dispenses make one sampling with several destinations.
//! - What is drawn in last goes out first. Air gaps and system liquid are followed, so that they never count as sample.
//! - The deck decides what a position means. A position that fits no well is told as such, and never rounded to one.

mod access;
mod action;
mod deck;
mod dialect;
mod gripper;
mod host;
mod line;
mod outlet;
mod plan;
mod queries;
mod robot;
mod sampling;
mod snapshot;
mod star;
mod star_actions;
mod star_pairing;
mod tecan;
mod tecan_motion;
mod tecan_talk;
mod telling;
#[cfg(test)]
mod tests;
mod tips;
mod transfer;
mod volumes;

use std::collections::BTreeMap;
use std::sync::Arc;

use instrument_proto::geometry::YAxis;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Driver, Effects, FileInput, Input, SourceName, WORKLISTS};
use crate::event::cultivation::Defect;
use crate::event::{DeviceId, EventSource, SiteId};
use crate::profile::deck::DeckSettings;
use crate::profile::robolector::Dialect as Speech;
use crate::profile::{Profile, RobolectorProfile};
use deck::Deck;
use dialect::Dialect;
use line::Line;
use plan::{Plan, Worklists};
use robot::{Robot, State};
use volumes::Balances;

/// The source name of a controller's trace: its times are the instrument's.
const TRACE: &str = "trace";

/// Names the way of decoding. To be changed whenever the same bytes give other events: a trace is then read again.
pub const DECODING: &str = "robolector-1";

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
    pub profile: Arc<Profile>,
    /// What stands on the deck.
    pub deck: Arc<DeckSettings>,
}

impl Context {
    /// The context of `device`, a robot of `profile` with this deck.
    pub fn new(
        site: &SiteId,
        device: &DeviceId,
        profile: Arc<Profile>,
        time_zone: TimeZone,
        deck: impl Into<Arc<DeckSettings>>,
    ) -> Self {
        let source = EventSource::new(site, device);
        Self { source, device: device.clone(), time_zone, profile, deck: deck.into() }
    }
}

/// The driver of one robot. A profile of another kind of instrument gives a driver that takes nothing.
pub fn driver(context: Context) -> impl Driver {
    RoboLector::new(context)
}

struct RoboLector {
    context: Arc<Context>,
    lines: BTreeMap<SourceName, Line>,
    worklists: Worklists,
}

impl RoboLector {
    fn new(context: Context) -> Self {
        Self { context: Arc::new(context), lines: BTreeMap::new(), worklists: Worklists::default() }
    }

    fn line(&mut self, name: &SourceName) -> Option<&mut Line> {
        let profile = self.context.profile.robolector()?;
        let (context, worklists) = (&self.context, &self.worklists);
        Some(self.lines.entry(name.clone()).or_insert_with(|| {
            let mut robot = robot(profile, &context.deck);
            robot.plan = worklists.plan(&robot.deck);
            Line::new(name.clone(), context.clone(), robot, Dialect::new(profile))
        }))
    }
}

fn robot(profile: &RobolectorProfile, settings: &DeckSettings) -> Robot {
    let is_tecan = matches!(profile.dialect, Speech::Tecan(_));
    let y_axis = if is_tecan { YAxis::ToTheFront } else { YAxis::ToTheBack };
    Robot {
        deck: Deck::new(settings, y_axis),
        class: settings.liquid_class.as_ref().map(|(name, class)| (name.as_str().into(), class.clone())),
        fixed_tips: is_tecan,
        follows_air: is_tecan,
        plan: Plan::default(),
        state: State::default(),
        balances: Balances::default(),
    }
}

impl Driver for RoboLector {
    fn handle(&mut self, input: Input<'_>, now: Timestamp, effects: &mut Effects) {
        match input {
            Input::Stream(name, input) => {
                if let Some(line) = self.line(name) {
                    line.take(input, now, effects);
                }
            }
            Input::Timer(timer) => {
                if let Some(line) = self.lines.get_mut(&timer.source) {
                    line.timer(timer, now, effects);
                }
            }
            Input::File(name, FileInput::Member { name: worklist, bytes }) if &**name == WORKLISTS => {
                for (number, error) in (1..).zip(self.worklists.read(worklist, bytes)) {
                    let text = format!("{worklist}, {error}");
                    let defect = Defect { code: "worklist-line", count: number, first_offset: 0, text };
                    effects.defects.push((name.clone(), defect));
                }
                for line in self.lines.values_mut() {
                    line.robot.plan = self.worklists.plan(&line.robot.deck);
                }
            }
            // A robot leaves no result files.
            Input::File(..) | Input::Set(..) | Input::Xt(..) | Input::Service(..) => {}
        }
    }
}
