//! Cover, set-points, actual conditions, comments and pauses, as the stream says them.

use std::collections::BTreeMap;

use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrument_proto::biolector_xt::{
    CommentKind, CommentStatus, CoverState, GetShakerControlStatusResponse, GetTemperatureControlStatusResponse,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::files;
use super::live::{Live, operation};
use super::readings::{number, own};
use super::run::When;
use crate::driver::Effects;
use crate::driver::biolector::comments::{Meaning, xt};
use crate::event::cultivation::{Commented, CoverChanged, Environment, Paused, Resumed, SetpointChanged};
use crate::event::device::{Faulted, Recovered};
use crate::event::sampling::{AccessEnded, AccessStarted};
use crate::event::{Body, Event, IdBase, Key, Way};

/// The longest comment that is told whole.
const MAX_TEXT: usize = 4000;

/// What the instrument last said of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Conditions {
    cover: Option<String>,
    /// Set-points by quantity, and whether control is on.
    targets: BTreeMap<String, f64>,
    enabled: BTreeMap<String, bool>,
    /// Actual values by quantity.
    #[serde(skip)]
    actual: BTreeMap<&'static str, f64>,
    /// The same as they were told last, and when.
    #[serde(skip)]
    told: Option<(BTreeMap<&'static str, f64>, Timestamp)>,
}

impl Conditions {
    /// The set-point of a quantity.
    pub fn target(&self, quantity: &str) -> Option<f64> {
        self.targets.get(quantity).copied()
    }
}

/// A change of a set-point.
struct Change<'a> {
    quantity: &'static str,
    setpoint: Option<f64>,
    enabled: Option<bool>,
    text: &'a str,
    /// Whether it is told where nothing was known before.
    is_news: bool,
}

impl Live {
    /// Takes an item of the stream that is no reading.
    pub fn condition(&mut self, at: Timestamp, update: &Update, effects: &mut Effects) {
        match update {
            Update::MeasurementStatus(_) => {}
            Update::CoverState(state) => {
                if let Ok(cover) = CoverState::try_from(*state) {
                    self.cover(cover, cover.as_str_name(), at, effects);
                }
            }
            Update::ActualRpm(rpm) => self.actual("shaker_rpm", f64::from(*rpm), at, effects),
            Update::ActualTemperature(value) => self.actual("temperature_c", number(*value), at, effects),
            Update::O2(value) => self.actual("o2_percent", number(*value), at, effects),
            Update::Co2(value) => self.actual("co2_percent", number(*value), at, effects),
            Update::FlowRate(value) => self.actual("flow", number(*value), at, effects),
            Update::TargetRpm(rpm) => self.target("shaker_rpm", f64::from(*rpm), "target_rpm", at, effects),
            Update::TargetTemperature(value) => {
                self.target("temperature_c", number(*value), "target_temperature", at, effects);
            }
            Update::ShakerEnabled(on) => self.switched("shaker_rpm", *on, "shaker_enabled", at, effects),
            Update::TemperatureEnabled(on) => self.switched("temperature_c", *on, "temperature_enabled", at, effects),
            Update::CommentStatus(comment) => self.comment(comment, at, effects),
        }
    }

    /// The cover is as it is; a blocked one is a fault.
    pub fn cover(&mut self, cover: CoverState, text: &str, at: Timestamp, effects: &mut Effects) {
        let name = match cover {
            CoverState::CovUnknown => return,
            CoverState::CovMoving => "moving",
            CoverState::CovFailing => "failing",
            CoverState::CovOpen => "open",
            CoverState::CovClosed => "closed",
        };
        self.cover_is(name, text, at, effects);
    }

    fn cover_is(&mut self, cover: &'static str, text: &str, at: Timestamp, effects: &mut Effects) {
        let before = self.conditions.cover.replace(cover.to_owned());
        if before.as_deref() == Some(cover) {
            return;
        }
        let code = "cover-blocked".to_owned();
        let fault = match (before.as_deref(), cover) {
            (_, "failing") => Some(Body::DeviceFaulted(Faulted {
                code,
                text: "the instrument says that its cover is blocked".to_owned(),
                remedy: Some("look at the cover; measuring and the robot's access wait for it".to_owned()),
            })),
            (Some("failing"), _) => Some(Body::DeviceRecovered(Recovered { code })),
            _ => None,
        };
        if let Some(body) = fault {
            self.line.ordinal += 1;
            effects.events.push(own(body, &self.line.epoch, self.line.ordinal, at));
        }
        // What was found at the first look was so before.
        if before.is_none() && text == "asked" {
            return;
        }
        self.happened(at, effects, |run, cycle, elapsed_s| {
            Body::CoverChanged(CoverChanged { run, cycle, elapsed_s, cover, text: text.to_owned() })
        });
    }

    /// How temperature control stands, as asked.
    pub fn temperature(&mut self, status: &GetTemperatureControlStatusResponse, at: Timestamp, effects: &mut Effects) {
        self.actual("temperature_c", number(status.actual), at, effects);
        self.target("temperature_c", number(status.target), "target", at, effects);
        self.switched("temperature_c", status.enabled, "enabled", at, effects);
    }

    /// How the shaker stands, as asked.
    pub fn shaker(&mut self, status: &GetShakerControlStatusResponse, at: Timestamp, effects: &mut Effects) {
        self.actual("shaker_rpm", f64::from(status.actual), at, effects);
        self.target("shaker_rpm", f64::from(status.target), "target", at, effects);
        self.switched("shaker_rpm", status.enabled, "enabled", at, effects);
    }

    fn target(&mut self, quantity: &'static str, value: f64, name: &str, at: Timestamp, effects: &mut Effects) {
        let text = format!("{name} {value}");
        let change = Change { quantity, setpoint: Some(value), enabled: None, text: &text, is_news: false };
        self.set(change, at, effects);
    }

    fn switched(&mut self, quantity: &'static str, on: bool, name: &str, at: Timestamp, effects: &mut Effects) {
        let text = format!("{name} {on}");
        let change = Change { quantity, setpoint: None, enabled: Some(on), text: &text, is_news: false };
        self.set(change, at, effects);
    }

    fn set(&mut self, change: Change<'_>, at: Timestamp, effects: &mut Effects) {
        let Change { quantity, setpoint, enabled, text, is_news } = change;
        let setpoint = setpoint.filter(|value| value.is_finite());
        let mut is_new = false;
        if let Some(value) = setpoint {
            let before = self.conditions.targets.insert(quantity.to_owned(), value);
            is_new |= before.map_or(is_news, |before| before != value);
        }
        if let Some(on) = enabled {
            let before = self.conditions.enabled.insert(quantity.to_owned(), on);
            is_new |= before.map_or(is_news, |before| before != on);
        }
        if is_new {
            self.happened(at, effects, |run, cycle, elapsed_s| {
                let text = text.to_owned();
                Body::SetpointChanged(SetpointChanged { run, cycle, elapsed_s, quantity, setpoint, enabled, text })
            });
        }
    }

    fn comment(&mut self, comment: &CommentStatus, at: Timestamp, effects: &mut Effects) {
        let text: String = comment.text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect();
        let text = text.trim();
        let kind = match CommentKind::try_from(comment.kind) {
            Ok(CommentKind::CommentService) => "service",
            Ok(CommentKind::CommentUser) => "user",
            Ok(CommentKind::CommentSystem) => "system",
            Ok(CommentKind::CommentUnknown) | Err(_) => "unknown",
        };
        let meaning = if kind == "system" { xt(text) } else { Meaning::Remark };
        match meaning {
            Meaning::Cover(cover) => self.cover_is(cover, text, at, effects),
            Meaning::SetPoint { quantity, value, enabled } => {
                let change = Change { quantity, setpoint: value, enabled, text, is_news: true };
                self.set(change, at, effects);
            }
            Meaning::Paused => self.paused(text, at, effects),
            Meaning::Resumed => self.resumed(text, at, effects),
            Meaning::Remark if text.is_empty() => {}
            Meaning::Remark => self.happened(at, effects, |run, cycle, elapsed_s| {
                let elapsed_s = Some(elapsed_s);
                Body::Commented(Commented { run, cycle, elapsed_s, kind, text: text.to_owned() })
            }),
        }
    }

    fn paused(&mut self, text: &str, at: Timestamp, effects: &mut Effects) {
        self.happened(at, effects, |run, cycle, elapsed_s| {
            Body::CultivationPaused(Paused { run, cycle, elapsed_s, text: text.to_owned() })
        });
        let Some((elapsed_s, _)) = self.run.as_ref().and_then(|run| run.kept.elapsed_of(at)) else { return };
        let Some(run) = &mut self.run else { return };
        let key = format!("pause/{}/{}", self.line.epoch, self.line.ordinal);
        let access_id = IdBase::new(&self.context.source, &run.kept.identity, "access", &key).id(1).to_string();
        run.moving.pause = Some((elapsed_s, access_id.clone()));
        effects.operation = Some(operation(run));
        self.happened(at, effects, |run, cycle, elapsed_s| {
            Body::AccessStarted(AccessStarted {
                run: Some(run),
                access_id,
                observed_by: "stream",
                elapsed_s: Some(elapsed_s),
                cycle: Some(cycle),
                cultivation: None,
            })
        });
    }

    fn resumed(&mut self, text: &str, at: Timestamp, effects: &mut Effects) {
        let pause = self.run.as_mut().and_then(|run| run.moving.pause.take());
        let duration = |elapsed_s: f64| {
            let began = pause.as_ref().map(|(began, _)| elapsed_s - began);
            began.filter(|seconds| *seconds >= 0.0).map(|seconds| (seconds * 1000.0).round() / 1000.0)
        };
        self.happened(at, effects, |run, cycle, elapsed_s| {
            let duration_s = duration(elapsed_s);
            Body::CultivationResumed(Resumed { run, cycle, elapsed_s, text: text.to_owned(), duration_s })
        });
        let key = format!("resumed/{}/{}", self.line.epoch, self.line.ordinal);
        let source = self.context.source.clone();
        self.happened(at, effects, |run, cycle, elapsed_s| {
            let own_id = || IdBase::new(&source, &run.identity, "access", &key).id(1).to_string();
            let access_id = pause.as_ref().map_or_else(own_id, |(_, id)| id.clone());
            Body::AccessEnded(AccessEnded {
                run: Some(run),
                access_id,
                observed_by: "stream",
                elapsed_s: Some(elapsed_s),
                duration_s: duration(elapsed_s),
                cycle: Some(cycle),
                cultivation: None,
                reason: None,
            })
        });
        if let Some(run) = &self.run {
            effects.operation = Some(operation(run));
        }
    }

    /// Makes the event of something that happened in the run; nothing while none runs.
    fn happened(
        &mut self,
        at: Timestamp,
        effects: &mut Effects,
        body: impl FnOnce(std::sync::Arc<crate::event::cultivation::Run>, u32, f64) -> Body,
    ) {
        let Some(run) = &mut self.run else { return };
        let Some((elapsed_s, is_certain)) = run.kept.elapsed_of(at) else { return };
        let cycle = run.moving.cycle.unwrap_or(0);
        let body = body(run.run.clone(), cycle, elapsed_s);
        self.line.ordinal += 1;
        let key = Key::Text(format!("{}/{}", self.line.epoch, self.line.ordinal));
        let mut alike = files::happening(&body, Way::Live);
        if let Some(alike) = alike.as_mut().filter(|_| !is_certain) {
            // Reckoned from a clock that nothing was compared with.
            alike.elapsed_s = None;
        }
        let scope = run.moving.cycle.filter(|_| !run.moving.cycle_is_told);
        let event = run.event(body, key, scope, When::observed(at));
        effects.events.push(Event { alike: alike.map(Box::new), ..event });
    }

    /// An actual value: told when it moved beyond its dead-band, and at most once in the profile's time where it only wavers.
    fn actual(&mut self, quantity: &'static str, value: f64, at: Timestamp, effects: &mut Effects) {
        if !value.is_finite() || value.abs() > 1e6 {
            return;
        }
        self.conditions.actual.insert(quantity, value);
        let live = self.context.profile.live;
        let band = match quantity {
            "temperature_c" => live.temperature_band_c,
            "shaker_rpm" => live.shaker_band_rpm,
            _ => live.gas_band_percent,
        };
        let is_due = match &self.conditions.told {
            None => true,
            Some((told, when)) => {
                let moved = told.get(quantity).is_none_or(|before| (before - value).abs() > band);
                let differs = told.get(quantity) != Some(&value);
                let since = u64::try_from(at.duration_since(*when).as_millis()).unwrap_or(0);
                moved || (differs && u128::from(since) >= live.environment_every.as_millis())
            }
        };
        if !is_due || self.run.is_none() {
            return;
        }
        let actual = self.conditions.actual.clone();
        self.conditions.told = Some((actual.clone(), at));
        let get = |quantity: &str| actual.get(quantity).copied();
        self.happened(at, effects, |run, cycle, elapsed_s| {
            Body::Environment(Environment {
                run,
                cycle,
                elapsed_s,
                temperatures_c: get("temperature_c").map(|value| ("actual".into(), value)).into_iter().collect(),
                shaker_rpm: get("shaker_rpm"),
                o2_percent: get("o2_percent"),
                co2_percent: get("co2_percent"),
                humidity_percent: None,
                flow: get("flow"),
            })
        });
    }
}
