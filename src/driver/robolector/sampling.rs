//! Samplings that are complete, and those that failed.

use super::action::{Done, HEAD_96, Step, Verb};
use super::deck::{Spot, subject};
use super::robot::{Robot, Shared, joined};
use super::telling::Teller;
use super::tips::Origin;
use super::transfer::Ending;
use super::volumes::rounded;
use crate::event::Subject;
use crate::event::body::Body;
use crate::event::liquid::{LiquidFlag, Place};
use crate::event::sampling::{Completed, Failed, Sample, SampleRole};
use crate::event::transfer;
use crate::profile::deck::Role;

/// Whether a text can be a sample's id.
fn is_sample_id(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl Robot {
    /// What is in a channel's tip is done with: tells what became of each portion.
    pub(super) fn finish(&mut self, channel: u8, ending: Ending, done: &Done, tell: &mut Teller<'_>) {
        let Some(it) = self.state.channels.get_mut(&channel) else { return };
        let liquids = it.take_liquids();
        if ending != Ending::Emptied {
            it.segments.clear();
        }
        let pooled = liquids.iter().filter(|(_, origin)| !origin.delivered.is_empty()).count() > 1;
        for (left, mut origin) in liquids {
            if pooled {
                origin.flags.insert(LiquidFlag::Pooled);
            }
            self.finish_origin(channel, left, origin, ending, done, tell);
        }
    }

    fn finish_origin(
        &mut self,
        channel: u8,
        left: f64,
        mut origin: Origin,
        ending: Ending,
        done: &Done,
        tell: &mut Teller<'_>,
    ) {
        let from_culture = self.role(origin.spot()) == Some(Role::Cultivation);
        let rest = if ending == Ending::Emptied { 0.0 } else { left };
        if !origin.delivered.is_empty() {
            if rest + origin.discarded_ul + origin.astray_ul > origin.negligible_ul() {
                origin.flags.insert(LiquidFlag::ResidueDiscarded);
            }
            return self.completed(channel, origin, tell);
        }
        let accounted = origin.spent_ul >= origin.taken_ul - origin.negligible_ul();
        if accounted || (rest <= origin.negligible_ul() && origin.spent_ul > 0.0 && origin.astray_ul <= 0.0) {
            return;
        }
        let (reason, text) = match ending {
            _ if origin.astray_ul > 0.0 => ("off-well", "the liquid was dispensed where no well is configured"),
            Ending::Reset => ("interrupted", "the arm was initialised with the liquid in the tip"),
            Ending::Ejected => ("tip-never-dispensed", "the tip was dropped with the liquid in it"),
            Ending::Washed | Ending::Emptied => ("tip-never-dispensed", "the liquid went into the wash station"),
        };
        if from_culture {
            self.sampling_lost(channel, &origin, reason, text, done, tell);
        } else if origin.astray_ul <= 0.0 {
            let body = transfer::Failed {
                reason,
                text: text.to_owned(),
                source: Some(self.origin_place(&origin, origin.taken_ul, origin.liquid_ul, tell)),
                piston_volume_ul: Some(origin.taken_ul),
                status: "failed".to_owned(),
                channel: Some(channel),
                tip: self.tip(channel),
                liquid_class: self.class_of(&origin),
                flags: origin.flags.iter().copied().collect(),
                ..transfer::Failed::default()
            };
            let about = body.source.as_ref().map_or(Subject::Device, subject);
            tell.tell(Body::TransferFailed(body), about);
        }
    }

    fn class_of(&self, origin: &Origin) -> Option<std::sync::Arc<str>> {
        let row = origin.planned.and_then(|row| self.plan.row(row));
        row.and_then(|row| row.liquid_class.clone()).or_else(|| self.class.as_ref().map(|(name, _)| name.clone()))
    }

    fn completed(&mut self, channel: u8, origin: Origin, tell: &mut Teller<'_>) {
        let taken = rounded(origin.taken_ul - origin.returned_ul);
        let liquid = origin.liquid_ul.map(|volume| rounded(volume * taken / origin.taken_ul.max(f64::MIN_POSITIVE)));
        let source = self.origin_place(&origin, taken, liquid, tell);
        let destinations: Vec<Place> = origin
            .delivered
            .iter()
            .map(|delivery| Place {
                volume_ul: delivery.liquid_ul,
                piston_volume_ul: Some(delivery.piston_ul),
                balance_ul: delivery.balance_ul,
                ..self.place(Spot::Well { piece: delivery.well.0, well: delivery.well.1 }, None, tell)
            })
            .collect();
        let row = origin.planned.and_then(|row| self.plan.row(row));
        let planned_id = row.and_then(|row| row.id.as_deref()).filter(|id| is_sample_id(id)).map(str::to_owned);
        let first = destinations.first();
        let role = match origin.flags.contains(&LiquidFlag::Pooled) {
            true => SampleRole::Pool,
            false => SampleRole::Unknown,
        };
        let sample = Sample {
            id: planned_id.unwrap_or_else(|| tell.mint("sample")),
            role,
            plate: first.and_then(|place| place.plate.clone()),
            well: first.and_then(|place| place.well),
            origins: vec![source.clone()],
        };
        let about = subject(&source);
        let body = Completed {
            run: None,
            sample,
            cultivation: origin.well.and_then(|(piece, _)| self.culture(piece, tell)),
            volume_ul: source.volume_ul,
            piston_volume_ul: taken,
            source,
            destinations,
            channel,
            tip: self.tip(channel),
            liquid_class: self.class_of(&origin),
            access_id: origin.access,
            trigger: None,
            aspirated_at: Some(origin.taken_at),
            outcome: origin.outcome,
            flags: origin.flags.into_iter().collect(),
            text: origin.text,
        };
        tell.tell(Body::SamplingCompleted(body), about);
    }

    fn sampling_lost(
        &mut self,
        channel: u8,
        origin: &Origin,
        reason: &'static str,
        text: &str,
        done: &Done,
        tell: &mut Teller<'_>,
    ) {
        let source = self.origin_place(origin, origin.taken_ul, origin.liquid_ul, tell);
        let about = subject(&source);
        let mut flags = origin.flags.clone();
        flags.extend(done.flags.iter().copied());
        let body = Failed {
            reason,
            text: joined(origin.text.clone(), text.to_owned()),
            cultivation: origin.well.and_then(|(piece, _)| self.culture(piece, tell)),
            volume_ul: source.volume_ul,
            source: Some(source),
            piston_volume_ul: Some(origin.taken_ul),
            channel: Some(channel),
            tip: self.tip(channel),
            liquid_class: self.class_of(origin),
            access_id: origin.access.clone(),
            aspirated_at: Some(origin.taken_at),
            flags: flags.into_iter().collect(),
            ..Failed::default()
        };
        tell.tell(Body::SamplingFailed(body), about);
    }

    /// Whether a whole head failed for one reason: that is one event and not 96.
    pub(super) fn fails_as_one(
        &mut self,
        verb: Verb,
        steps: &[Step],
        shared: &Shared<'_>,
        tell: &mut Teller<'_>,
    ) -> bool {
        let Some(first) = steps.first().filter(|step| step.channel >= HEAD_96 && !step.errors.is_empty()) else {
            return false;
        };
        if steps.len() < 2 || steps.iter().any(|step| step.errors != first.errors) {
            return false;
        }
        self.failed_step(verb, first, None, shared, tell);
        true
    }

    /// One channel failed.
    pub(super) fn failed(&mut self, verb: Verb, step: &Step, shared: &Shared<'_>, tell: &mut Teller<'_>) {
        self.failed_step(verb, step, Some(step.channel), shared, tell);
    }

    fn failed_step(
        &mut self,
        verb: Verb,
        step: &Step,
        channel: Option<u8>,
        shared: &Shared<'_>,
        tell: &mut Teller<'_>,
    ) {
        let reason = match verb {
            Verb::PickUp => "tip-pickup",
            Verb::Eject => "tip-eject",
            Verb::Aspirate => "aspirate",
            Verb::Dispense => "dispense",
            Verb::Wash => "wash",
            Verb::Air | Verb::Prime => "command",
        };
        let text = step.errors.first().map_or_else(String::new, |error| error.text.clone());
        let spot = self.spot(step.at);
        let here = Place {
            piston_volume_ul: (step.piston_ul > 0.0).then_some(step.piston_ul),
            ..self.place(spot, step.at, tell)
        };
        let origin = self.state.channels.get(&step.channel).and_then(|channel| channel.liquids().last().cloned());
        let from_origin = origin.as_ref().filter(|_| verb == Verb::Dispense);
        let source = match (verb, from_origin) {
            (Verb::Aspirate, _) => Some(here.clone()),
            (_, Some(origin)) => Some(self.origin_place(origin, origin.taken_ul, origin.liquid_ul, tell)),
            _ => None,
        };
        let source_role = match (verb, from_origin) {
            (Verb::Aspirate, _) => self.role(spot),
            (_, Some(origin)) => self.role(origin.spot()),
            _ => None,
        };
        let destination = (verb == Verb::Dispense).then_some(here.clone());
        let about = source.as_ref().or(destination.as_ref()).map_or(Subject::Device, subject);
        let flags: Vec<LiquidFlag> = shared.done.flags.clone();
        let errors = step.errors.clone();
        let piston_volume_ul = (step.piston_ul > 0.0).then_some(step.piston_ul);
        let (_, liquid_ul) = if step.piston_ul > 0.0 { self.corrected(step.piston_ul) } else { (None, None) };
        let class = self.class.as_ref().map(|(name, _)| name.clone()).filter(|_| step.piston_ul > 0.0);
        let tip = self.tip(step.channel);
        let between_plates = matches!(verb, Verb::Aspirate | Verb::Dispense)
            && source_role.is_some_and(|role| role != Role::Cultivation);
        if between_plates {
            let body = transfer::Failed {
                reason,
                text,
                source,
                destination,
                volume_nominal_nl: liquid_ul.map(|volume| rounded(volume * 1000.0)),
                survey_volume_ul: None,
                piston_volume_ul,
                status: "failed".to_owned(),
                channel,
                tip,
                liquid_class: class,
                succeeded_channels: shared.succeeded.clone(),
                errors,
                flags,
                reported: transfer::Reported::default(),
            };
            return tell.tell(Body::TransferFailed(body), about);
        }
        let culture = match (verb, from_origin) {
            (Verb::Aspirate, _) => spot.well().and_then(|(piece, _)| self.culture(piece, tell)),
            (_, Some(origin)) => origin.well.and_then(|(piece, _)| self.culture(piece, tell)),
            _ => None,
        };
        let body = Failed {
            reason,
            text,
            run: None,
            cultivation: culture,
            source,
            destinations: destination.into_iter().collect(),
            volume_ul: liquid_ul.map(|volume| -volume),
            piston_volume_ul,
            channel,
            tip,
            liquid_class: class,
            access_id: shared.done.access.clone(),
            trigger: None,
            aspirated_at: from_origin.map(|origin| origin.taken_at),
            succeeded_channels: shared.succeeded.clone(),
            errors,
            flags,
        };
        tell.tell(Body::SamplingFailed(body), about);
    }
}
