//! What is told of a set on its way, each thing once.

use super::follow::Set;
use super::judge::{Judgement, Verdict, evidence};
use super::state::Phase;
use super::tell::Teller;
use crate::driver::set::Observation;
use crate::driver::{Effects, Identity, Operation};
use crate::event::acquisition::Evidence;

/// An acquisition's progress is told once for so many seconds of its run time.
const PROGRESS_S: f64 = 60.0;

impl Set {
    pub(super) fn tell_incomplete(
        &mut self,
        look: &Observation,
        judgement: &Judgement,
        rules: Vec<Evidence>,
        effects: &mut Effects,
    ) {
        let Some(teller) = self.teller(look) else { return };
        let mut event = teller.incomplete(judgement, rules);
        self.state.told.incomplete += 1;
        event.revision = self.state.told.incomplete;
        event.reason = (event.revision > 1).then(|| "it changed and is still not whole".into());
        effects.events.push(event);
    }

    /// Tells of the set, once it is known who it is.
    pub(super) fn teller<'a>(&'a self, look: &'a Observation) -> Option<Teller<'a>> {
        let identity = self.state.identity.as_ref()?;
        Some(Teller { context: &self.context, identity, look, revision: self.state.revision })
    }

    pub(super) fn tell_started(&mut self, look: &Observation, effects: &mut Effects) {
        if self.state.told.started {
            return;
        }
        let Some(event) = self.teller(look).map(|teller| teller.started(&self.state)) else { return };
        effects.events.push(event);
        self.state.told.started = true;
    }

    /// Tells how far a sample is that is seen growing; what comes by copy tells nothing of when it happened.
    pub(super) fn tell_progress(&mut self, look: &Observation, effects: &mut Effects) {
        let last = look.wiff.as_ref().and_then(|wiff| wiff.samples.last());
        let Some((last, elapsed)) = last.and_then(|last| Some((last, last.scans.as_ref().ok()?.elapsed_s()?))) else {
            return;
        };
        if self.state.hollow || !self.state.lives {
            return;
        }
        // A run time is finite and not negative: whole steps of it fit.
        let step = (last.index, (elapsed / PROGRESS_S) as u64);
        if step.1 == 0 || step <= self.state.told.progress {
            return;
        }
        let key = format!("progress/{}/{}", step.0, step.1);
        let Some(event) = self.teller(look).map(|teller| teller.progressed("acquiring", key)) else { return };
        effects.events.push(event);
        self.state.told.progress = step;
    }

    pub(super) fn tell_converting(&mut self, look: &Observation, effects: &mut Effects) {
        self.state.told.converting = true;
        let key = format!("converting/{}", self.state.revision);
        effects.events.extend(self.teller(look).map(|teller| teller.progressed("converting", key)));
    }

    /// Tells of the samples that are over. While the set may still be coming by copy none: nobody knows yet whether their
    /// bytes are all there.
    pub(super) fn tell_samples(&mut self, look: &Observation, judgement: &Judgement, all: bool, effects: &mut Effects) {
        let Some(wiff) = &look.wiff else { return };
        for (index, rules) in &judgement.over {
            let seen = self.state.lives && !self.state.hollow;
            if self.state.told.samples.contains(index) || !(all || seen) {
                continue;
            }
            let Some(sample) = wiff.samples.iter().find(|sample| sample.index == *index) else { continue };
            effects.events.extend(self.teller(look).map(|teller| teller.sample(sample, rules.clone())));
            self.state.told.samples.push(*index);
        }
        if !all {
            return;
        }
        // At the end every sample is over, whether its log says so or not.
        let whole = judgement.verdict == Verdict::Whole;
        for sample in wiff.samples.iter().filter(|_| whole) {
            if !self.state.told.samples.contains(&sample.index) {
                let rules = vec![evidence("set-complete", "the file set is complete")];
                effects.events.extend(self.teller(look).map(|teller| teller.sample(sample, rules)));
                self.state.told.samples.push(sample.index);
            }
        }
    }

    pub(super) fn tell_plan(&mut self, look: &Observation, effects: &mut Effects) {
        if self.state.told.planned {
            return;
        }
        let order = self.context.settings.order;
        let event = self.teller(look).and_then(|teller| super::ejection::planned(&teller, order));
        self.state.told.planned = event.is_some();
        effects.events.extend(event);
    }

    pub(super) fn operate(&self, look: &Observation, effects: &mut Effects) {
        let name = match self.state.phase {
            Phase::Seen | Phase::Acquiring => "acquiring",
            Phase::Converting => "converting",
            Phase::Settling | Phase::Hashing => "settling",
            Phase::Ended | Phase::Rechecking | Phase::Incomplete => "idle",
        };
        let teller = self.teller(look);
        let run = teller.as_ref().map(|teller| teller.run());
        if let Some(instrument) = teller.map(|teller| teller.source()).filter(|source| source.serial.is_some()) {
            effects.identity = Some(Identity { instrument, channels: Vec::new() });
        }
        effects.operation = Some(Operation { name, run, cycle: None });
    }
}
