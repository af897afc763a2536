//! Comments and system events: pauses and accesses, the cover, set-points, and what people write.

use super::comments::Meaning;
use super::run::{Pause, Run, span};
use crate::driver::Effects;
use crate::event::cultivation::{Commented, CoverChanged, Paused, Resumed, SetpointChanged};
use crate::event::sampling::{AccessEnded, AccessStarted};
use crate::event::{Body, IdBase, Key};

/// A text of a comment row.
pub(super) struct Remark<'a> {
    pub kind: &'static str,
    pub text: &'a str,
    pub meaning: Meaning,
    pub ordinal: u32,
}

impl Run {
    /// Takes one text of a comment row.
    pub fn remark(
        &mut self,
        remark: &Remark<'_>,
        cycle: u32,
        elapsed_s: Option<f64>,
        offset: u64,
        effects: &mut Effects,
    ) {
        let scope = self.scope(cycle);
        let key = Key::Offset(offset, remark.ordinal);
        let (run, text) = (self.run.clone(), remark.text.to_owned());
        let body = match (&remark.meaning, elapsed_s) {
            (Meaning::Paused, Some(elapsed_s)) => Body::CultivationPaused(Paused { run, cycle, elapsed_s, text }),
            (Meaning::Resumed, Some(elapsed_s)) => {
                let duration_s = self.state.pause.as_ref().map(|pause| elapsed_s - pause.elapsed_s);
                Body::CultivationResumed(Resumed { run, cycle, elapsed_s, text, duration_s: span(duration_s) })
            }
            (Meaning::Cover(cover), Some(elapsed_s)) => {
                Body::CoverChanged(CoverChanged { run, cycle, elapsed_s, cover, text })
            }
            (Meaning::SetPoint { quantity, value, enabled }, Some(elapsed_s)) => {
                let (setpoint, enabled) = (*value, *enabled);
                Body::SetpointChanged(SetpointChanged { run, cycle, elapsed_s, quantity, setpoint, enabled, text })
            }
            _ => Body::Commented(Commented { run, cycle, elapsed_s, kind: remark.kind, text }),
        };
        let meant = !matches!(body, Body::Commented(_));
        self.emit(effects, body, key.clone(), scope, elapsed_s, Some(offset));
        let Some(elapsed_s) = elapsed_s.filter(|_| meant) else { return };
        match remark.meaning {
            Meaning::Paused => {
                let access_id = self.access_id("pause", cycle, elapsed_s);
                let body = AccessStarted {
                    run: Some(self.run.clone()),
                    access_id: access_id.clone(),
                    observed_by: "file",
                    elapsed_s: Some(elapsed_s),
                    cycle: Some(cycle),
                    cultivation: None,
                };
                self.state.pause = Some(Pause { elapsed_s, access_id });
                self.emit(effects, Body::AccessStarted(body), key, scope, Some(elapsed_s), Some(offset));
                self.operation(effects, "paused");
            }
            Meaning::Resumed => {
                let pause = self.state.pause.take();
                let duration_s = span(pause.as_ref().map(|pause| elapsed_s - pause.elapsed_s));
                let access_id =
                    pause.map_or_else(|| self.access_id("resumed", cycle, elapsed_s), |pause| pause.access_id);
                let body = AccessEnded {
                    run: Some(self.run.clone()),
                    access_id,
                    observed_by: "file",
                    elapsed_s: Some(elapsed_s),
                    duration_s,
                    cycle: Some(cycle),
                    cultivation: None,
                    reason: None,
                };
                self.emit(effects, Body::AccessEnded(body), key, scope, Some(elapsed_s), Some(offset));
                self.operation(effects, "measuring");
            }
            Meaning::Cover(_) | Meaning::SetPoint { .. } | Meaning::Remark => {}
        }
    }

    /// From what the instrument wrote, so that another way in gives the same.
    fn access_id(&self, what: &str, cycle: u32, elapsed_s: f64) -> String {
        let key = format!("{what}/{cycle}/{elapsed_s}");
        IdBase::new(&self.context.source, &self.facts.run_id, "access", &key).id(1).to_string()
    }
}
