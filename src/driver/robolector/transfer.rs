//! What a dispense means: a sampling, an addition, a transfer, mixing, waste.

use std::collections::BTreeSet;

use super::action::{Done, Step};
use super::deck::{Spot, subject};
use super::robot::{Robot, Shared, joined};
use super::telling::Teller;
use super::tips::{Delivery, MAX_DELIVERIES, Origin};
use super::volumes::rounded;
use crate::event::body::Body;
use crate::event::cultivation::Added;
use crate::event::liquid::{LiquidFlag, Outcome, Place};
use crate::event::sampling::{Dispensed, Purpose};
use crate::event::transfer;
use crate::profile::deck::Role;

/// Why a tip's content is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All of it was dispensed.
    Emptied,
    /// The tip was dropped.
    Ejected,
    /// The tip was washed.
    Washed,
    /// The arm started anew.
    Reset,
}

/// What a dispense gave of one portion.
#[derive(Debug, Clone)]
struct Given {
    segment: usize,
    piston_ul: f64,
    /// The origin as it was before.
    origin: Origin,
}

/// A dispense with all that its events share.
struct Dispense<'a> {
    step: &'a Step,
    done: &'a Done,
    spot: Spot,
    place: Place,
    class: Option<std::sync::Arc<str>>,
    liquid_ul: Option<f64>,
    flags: BTreeSet<LiquidFlag>,
    text: Option<String>,
}

/// A place of which nothing is known.
pub(super) fn nowhere() -> Place {
    Place {
        plate: None,
        labware: None,
        well: None,
        position: None,
        volume_ul: None,
        piston_volume_ul: None,
        balance_ul: None,
    }
}

/// The worse of two outcomes.
pub(super) fn worse(a: Outcome, b: Outcome) -> Outcome {
    match (a, b) {
        (Outcome::Confirmed, Outcome::Confirmed) => Outcome::Confirmed,
        (Outcome::Failed, _) | (_, Outcome::Failed) => Outcome::Failed,
        _ => Outcome::Unknown,
    }
}

impl Robot {
    pub(super) fn dispense(&mut self, step: &Step, shared: &Shared<'_>, tell: &mut Teller<'_>) {
        let done = shared.done;
        let spot = self.spot(step.at);
        let channel = self.channel(step.channel);
        let was_filled = channel.has_filling();
        let (portions, beyond) = channel.give(step.piston_ul);
        let given: Vec<Given> = portions
            .iter()
            .filter_map(|portion| {
                let origin = channel.origin_mut(portion.segment)?.clone();
                Some(Given { segment: portion.segment, piston_ul: portion.piston_ul, origin })
            })
            .collect();
        let liquid_piston: f64 = given.iter().map(|part| part.piston_ul).sum();
        if given.is_empty() && (was_filled || step.piston_ul <= 0.0) {
            // System liquid: the arm flushes itself.
            return;
        }
        let mut flags: BTreeSet<LiquidFlag> = done.flags.iter().copied().collect();
        let mut text = self.off_well(spot, step.at, &mut flags);
        // Air that went out with the liquid is no liquid; what is beyond all that was seen counts in full, unless it can only be air.
        let piston_ul = match (given.is_empty(), self.follows_air) {
            (true, _) => step.piston_ul,
            (false, true) => rounded(liquid_piston),
            (false, false) => rounded(liquid_piston + beyond),
        };
        if given.is_empty() {
            flags.insert(LiquidFlag::NoAspirate);
            text = Some(joined(text, "no aspirate was seen that filled this tip".to_owned()));
        } else if beyond > given.iter().map(|part| part.origin.negligible_ul()).fold(0.0, f64::max) {
            flags.insert(LiquidFlag::VolumeMismatch);
            text = Some(joined(text, format!("{beyond:.1} µl more were dispensed than aspirated")));
        }
        if given.len() > 1 {
            flags.insert(LiquidFlag::Pooled);
        }
        let planned = self.plan.dispensed(&mut self.state.planned, spot, piston_ul);
        let (class, liquid_ul) = match planned.volume_ul {
            Some(volume) => (planned.liquid_class, Some(volume)),
            None => self.corrected(piston_ul),
        };
        if let Some(contradiction) = planned.contradiction {
            flags.insert(LiquidFlag::WorklistMismatch);
            text = Some(joined(text, contradiction));
        }
        if liquid_ul.is_none() {
            flags.insert(LiquidFlag::Uncorrected);
        }
        let (place, over) = self.moved(spot, step.at, piston_ul, liquid_ul, tell);
        if let Some((flag, over)) = over {
            flags.insert(flag);
            text = Some(joined(text, over));
        }
        let dispense = Dispense { step, done, spot, place, class, liquid_ul, flags, text };
        self.tell_dispensed(&dispense, &given, piston_ul, tell);
        let planned = planned.row;
        for part in &given {
            self.book(&dispense, part, (liquid_piston, piston_ul), planned, tell);
        }
        if given.is_empty() && self.role(spot) == Some(Role::Cultivation) {
            self.added(&dispense, None, piston_ul, liquid_ul, tell);
        }
        let channel = self.channel(step.channel);
        if step.empties || channel.is_empty_of_liquid() {
            self.finish(step.channel, Ending::Emptied, done, tell);
        }
    }

    fn purpose(&self, spot: Spot, origin: Option<&Origin>) -> Purpose {
        let from = origin.and_then(|origin| self.role(origin.spot()));
        let returns = origin.is_some_and(|origin| origin.well.is_some() && origin.well == spot.well());
        match (self.role(spot), from) {
            (Some(Role::Waste | Role::Tips), _) => Purpose::Waste,
            (Some(Role::Wash), _) => Purpose::Wash,
            (None, _) => Purpose::Unknown,
            (Some(_), _) if returns => Purpose::Mix,
            (Some(Role::Cultivation), _) => Purpose::Addition,
            (Some(Role::Sample), Some(Role::Cultivation)) => Purpose::Sampling,
            (Some(Role::Sample | Role::Source), None) => Purpose::Unknown,
            (Some(Role::Sample | Role::Source), Some(_)) => Purpose::Transfer,
        }
    }

    fn tell_dispensed(&mut self, dispense: &Dispense<'_>, given: &[Given], piston_ul: f64, tell: &mut Teller<'_>) {
        let body = Dispensed {
            cultivation: dispense.spot.well().and_then(|(piece, _)| self.culture(piece, tell)),
            destination: dispense.place.clone(),
            purpose: self.purpose(dispense.spot, given.first().map(|part| &part.origin)),
            volume_ul: dispense.liquid_ul,
            piston_volume_ul: piston_ul,
            channel: dispense.step.channel,
            tip: self.tip(dispense.step.channel),
            liquid_class: dispense.class.clone(),
            access_id: dispense.done.access.clone(),
            outcome: dispense.done.outcome,
            flags: dispense.flags.iter().copied().collect(),
            text: dispense.text.clone(),
        };
        tell.tell(Body::Dispensed(body), subject(&dispense.place));
    }

    pub(super) fn tip(&self, channel: u8) -> Option<crate::event::liquid::Tip> {
        self.state.channels.get(&channel).and_then(|channel| channel.tip.clone())
    }

    /// Books one portion of a dispense with its origin, and tells of it what can be told at once. `all_ul`: what all portions had
    /// in the tip, and what the piston gave of them, which is somewhat more where the tip was blown out.
    fn book(
        &mut self,
        dispense: &Dispense<'_>,
        part: &Given,
        all_ul: (f64, f64),
        planned: Option<u32>,
        tell: &mut Teller<'_>,
    ) {
        let share = part.piston_ul / all_ul.0.max(f64::MIN_POSITIVE);
        let liquid_ul = dispense.liquid_ul.map(|volume| rounded(volume * share));
        let piston_ul = rounded(all_ul.1 * share);
        let purpose = self.purpose(dispense.spot, Some(&part.origin));
        match purpose {
            Purpose::Addition => self.added(dispense, Some(&part.origin), piston_ul, liquid_ul, tell),
            Purpose::Transfer => self.transferred(dispense, &part.origin, piston_ul, liquid_ul, tell),
            _ => {}
        }
        let Some(origin) = self.channel(dispense.step.channel).origin_mut(part.segment) else { return };
        match purpose {
            Purpose::Sampling => {
                if let Some(well) = dispense.spot.well().filter(|_| origin.delivered.len() < MAX_DELIVERIES) {
                    let balance_ul = dispense.place.balance_ul;
                    origin.delivered.push(Delivery { well, piston_ul, liquid_ul, balance_ul });
                }
                origin.planned = planned.or(origin.planned);
            }
            Purpose::Mix => {
                origin.returned_ul += piston_ul;
                origin.spent_ul += piston_ul;
            }
            Purpose::Waste | Purpose::Wash => {
                origin.discarded_ul += piston_ul;
                if purpose == Purpose::Waste {
                    origin.spent_ul += piston_ul;
                }
            }
            Purpose::Unknown => origin.astray_ul += piston_ul,
            Purpose::Addition | Purpose::Transfer => origin.spent_ul += piston_ul,
        }
        if matches!(purpose, Purpose::Sampling) {
            origin.outcome = worse(origin.outcome, dispense.done.outcome);
            origin.flags.extend(dispense.flags.iter().copied());
            if let Some(text) = &dispense.text {
                origin.text = Some(joined(origin.text.take(), text.clone()));
            }
        }
    }

    fn added(
        &mut self,
        dispense: &Dispense<'_>,
        origin: Option<&Origin>,
        piston_ul: f64,
        liquid_ul: Option<f64>,
        tell: &mut Teller<'_>,
    ) {
        let Some((piece, well)) = dispense.spot.well() else { return };
        let mut flags = dispense.flags.clone();
        let mut outcome = dispense.done.outcome;
        if let Some(origin) = origin {
            flags.extend(origin.flags.iter().copied());
            outcome = worse(outcome, origin.outcome);
        }
        let row = origin.and_then(|origin| origin.planned).and_then(|row| self.plan.row(row));
        let substance =
            row.map_or_else(|| "unknown".to_owned(), |row| row.id.as_ref().unwrap_or(&row.rack).to_string());
        let body = Added {
            cultivation: self.culture(piece, tell),
            well,
            volume_ul: liquid_ul,
            piston_volume_ul: piston_ul,
            source: origin.map(|origin| self.origin_place(origin, piston_ul, liquid_ul, tell)),
            substance,
            channel: dispense.step.channel,
            tip: self.tip(dispense.step.channel),
            liquid_class: dispense.class.clone(),
            access_id: dispense.done.access.clone(),
            outcome,
            flags: flags.into_iter().collect(),
            text: dispense.text.clone(),
        };
        tell.tell(Body::CultivationAdded(body), subject(&dispense.place));
    }

    fn transferred(
        &mut self,
        dispense: &Dispense<'_>,
        origin: &Origin,
        piston_ul: f64,
        liquid_ul: Option<f64>,
        tell: &mut Teller<'_>,
    ) {
        let mut flags = dispense.flags.clone();
        flags.extend(origin.flags.iter().copied());
        let destination = Place { volume_ul: liquid_ul, piston_volume_ul: Some(piston_ul), ..dispense.place.clone() };
        let source = self.origin_place(origin, piston_ul, liquid_ul, tell);
        let about = subject(&source);
        let body = transfer::Completed {
            source,
            destination,
            volume_nl: liquid_ul.map(|volume| rounded(volume * 1000.0)),
            volume_nominal_nl: None,
            survey_volume_ul: None,
            piston_volume_ul: Some(piston_ul),
            status: "ok".to_owned(),
            channel: Some(dispense.step.channel),
            tip: self.tip(dispense.step.channel),
            liquid_class: dispense.class.clone(),
            outcome: worse(origin.outcome, dispense.done.outcome),
            flags: flags.into_iter().collect(),
            text: dispense.text.clone(),
            reported: transfer::Reported::default(),
        };
        tell.tell(Body::TransferCompleted(body), about);
    }

    /// The place from which `piston_ul` of an origin came.
    pub(super) fn origin_place(
        &self,
        origin: &Origin,
        piston_ul: f64,
        liquid_ul: Option<f64>,
        tell: &Teller<'_>,
    ) -> Place {
        Place {
            volume_ul: liquid_ul.map(|volume| -volume),
            piston_volume_ul: Some(piston_ul),
            balance_ul: origin.balance_ul,
            ..self.place(origin.spot(), origin.at, tell)
        }
    }
}
