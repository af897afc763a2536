//! The robot as its commands and answers show it, whatever its dialect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use instrument_proto::geometry::Position;
use serde::{Deserialize, Serialize};

use super::access::Access;
use super::action::{Action, Arm, Done, HEAD_96, Step, Verb};
use super::deck::{Deck, Spot, Standing};
use super::gripper::Held;
use super::plan::{Plan, Progress};
use super::telling::Teller;
use super::tips::{Channel, Content, Origin};
use super::transfer::Ending;
use super::volumes::{Balances, rounded};
use crate::event::body::Body;
use crate::event::liquid::{LiquidFlag, Place, Tip};
use crate::event::sampling::Aspirated;
use crate::profile::deck::Role;
use crate::profile::robolector::LiquidClass;

/// What is followed of the robot; what a snapshot holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub channels: BTreeMap<u8, Channel>,
    pub standing: Standing,
    pub gripper: Option<Held>,
    pub access: Option<Access>,
    /// How far the worklist was carried out.
    pub planned: Progress,
}

/// The robot.
#[derive(Debug)]
pub(super) struct Robot {
    pub deck: Deck,
    /// The liquid class by which volumes are corrected where no worklist tells.
    pub class: Option<(Arc<str>, LiquidClass)>,
    /// Whether a channel without a disposable tip can hold liquid.
    pub fixed_tips: bool,
    /// Whether air gaps are seen on the wire, so that what a dispense gives beyond all liquid is air.
    pub follows_air: bool,
    pub plan: Plan,
    pub state: State,
    pub balances: Balances,
}

/// What several steps of one command share.
pub(super) struct Shared<'a> {
    pub done: &'a Done,
    pub succeeded: Vec<u8>,
}

impl Robot {
    /// A command was given: the arm moves. Returns the access to a cultivation in which it works, if it is one.
    pub fn approach(&mut self, action: &Action, tell: &mut Teller<'_>) -> Option<String> {
        self.follow_access(action, tell)
    }

    /// A command was carried out, or is taken to be.
    pub fn apply(&mut self, done: &Done, tell: &mut Teller<'_>) {
        match &done.action {
            Action::Channels { verb, tip_type, steps } => {
                let succeeded = steps.iter().filter(|step| step.errors.is_empty()).map(|step| step.channel).collect();
                let shared = Shared { done, succeeded };
                if self.fails_as_one(*verb, steps, &shared, tell) {
                    return;
                }
                for step in steps {
                    self.step(*verb, tip_type.as_deref(), step, &shared, tell);
                }
            }
            Action::Reset { arm, errors } if errors.is_empty() => self.reset(*arm, done, tell),
            Action::Reset { .. } => {}
            Action::Grip { at, direction, errors } => self.grip(*at, *direction, errors, done, tell),
            Action::Release { at, direction, errors } => self.release(*at, *direction, errors, done, tell),
            Action::Barcodes { reader, place, codes, errors } => {
                self.barcodes(reader, place.as_deref(), codes, errors, tell);
            }
        }
    }

    fn step(&mut self, verb: Verb, tip_type: Option<&str>, step: &Step, shared: &Shared<'_>, tell: &mut Teller<'_>) {
        if !step.errors.is_empty() {
            return self.failed(verb, step, shared, tell);
        }
        match verb {
            Verb::PickUp => self.pick_up(tip_type, step, tell),
            Verb::Eject => {
                self.finish(step.channel, Ending::Ejected, shared.done, tell);
                self.channel(step.channel).tip = None;
                self.drop_idle(step.channel);
            }
            Verb::Wash => {
                self.finish(step.channel, Ending::Washed, shared.done, tell);
                self.channel(step.channel).segments.clear();
                self.drop_idle(step.channel);
            }
            Verb::Aspirate => self.aspirate(step, shared, tell),
            Verb::Dispense => self.dispense(step, shared, tell),
            Verb::Air => self.channel(step.channel).draw(Content::Air, step.piston_ul),
            Verb::Prime => self.channel(step.channel).prime(step.piston_ul),
        }
    }

    pub(super) fn channel(&mut self, channel: u8) -> &mut Channel {
        self.state.channels.entry(channel).or_default()
    }

    fn drop_idle(&mut self, channel: u8) {
        if self.state.channels.get(&channel).is_some_and(|it| it.tip.is_none() && it.segments.is_empty()) {
            self.state.channels.remove(&channel);
        }
    }

    fn pick_up(&mut self, tip_type: Option<&str>, step: &Step, tell: &mut Teller<'_>) {
        // A tip that is picked up over another was dropped unseen.
        let spot = self.spot(step.at);
        let place = self.place(spot, step.at, tell);
        let channel = self.channel(step.channel);
        channel.segments.clear();
        channel.tip = Some(Tip { tip_type: tip_type.map(Into::into), rack: place.labware, well: place.well });
    }

    fn aspirate(&mut self, step: &Step, shared: &Shared<'_>, tell: &mut Teller<'_>) {
        let done = shared.done;
        let spot = self.spot(step.at);
        let planned = self.plan.aspirated(&mut self.state.planned, spot, step.piston_ul);
        let mut flags: BTreeSet<LiquidFlag> = done.flags.iter().copied().collect();
        let mut text = self.off_well(spot, step.at, &mut flags);
        let (class, liquid_ul) = match planned.volume_ul {
            Some(volume) => (planned.liquid_class, Some(volume)),
            None => self.corrected(step.piston_ul),
        };
        if let Some(mismatch) = planned.contradiction {
            flags.insert(LiquidFlag::WorklistMismatch);
            text = Some(joined(text, mismatch));
        }
        if liquid_ul.is_none() {
            flags.insert(LiquidFlag::Uncorrected);
        }
        let tip = self.state.channels.get(&step.channel).and_then(|channel| channel.tip.clone());
        if tip.is_none() && !self.fixed_tips {
            flags.insert(LiquidFlag::NoTip);
        }
        let (place, over) = self.moved(spot, step.at, -step.piston_ul, liquid_ul.map(|volume| -volume), tell);
        if let Some(over) = over {
            flags.insert(over.0);
            text = Some(joined(text, over.1));
        }
        let cultivation = spot.well().and_then(|(piece, _)| self.culture(piece, tell));
        let body = Aspirated {
            cultivation,
            volume_ul: place.volume_ul,
            piston_volume_ul: step.piston_ul,
            channel: step.channel,
            tip,
            liquid_class: class,
            access_id: done.access.clone(),
            outcome: done.outcome,
            flags: flags.iter().copied().collect(),
            text: text.clone(),
            source: place.clone(),
        };
        tell.tell(Body::Aspirated(body), super::deck::subject(&place));
        flags.remove(&LiquidFlag::NoTip);
        let origin = Origin {
            well: spot.well(),
            at: step.at.filter(|_| spot.well().is_none()),
            balance_ul: place.balance_ul,
            taken_ul: step.piston_ul,
            liquid_ul,
            taken_at: tell.at,
            outcome: done.outcome,
            flags,
            text,
            access: done.access.clone(),
            planned: planned.row,
            delivered: Vec::new(),
            spent_ul: 0.0,
            returned_ul: 0.0,
            discarded_ul: 0.0,
            astray_ul: 0.0,
        };
        self.channel(step.channel).draw(Content::Liquid(Box::new(origin)), step.piston_ul);
    }

    /// An arm starts anew: what it carried is gone.
    fn reset(&mut self, arm: Arm, done: &Done, tell: &mut Teller<'_>) {
        if arm == Arm::Gripper {
            return self.gripper_reset(tell);
        }
        let channels: Vec<u8> = self
            .state
            .channels
            .keys()
            .copied()
            .filter(|channel| (*channel >= HEAD_96) == (arm == Arm::Head96))
            .collect();
        for channel in channels {
            self.finish(channel, Ending::Reset, done, tell);
            self.state.channels.remove(&channel);
        }
    }

    /// The line was cut: what is in the tips is remembered, but what happens to it meanwhile is not seen.
    pub fn line_cut(&mut self) {
        for channel in self.state.channels.values_mut() {
            for segment in &mut channel.segments {
                if let Content::Liquid(origin) = &mut segment.content {
                    origin.flags.insert(LiquidFlag::AfterGap);
                }
            }
        }
    }

    // --- what the steps share ---

    pub(super) fn spot(&mut self, at: Option<Position>) -> Spot {
        at.map_or(Spot::Nowhere, |at| self.deck.spot(&mut self.state.standing, at))
    }

    pub(super) fn role(&self, spot: Spot) -> Option<Role> {
        match spot {
            Spot::Well { piece, .. } => self.deck.piece(piece).map(|piece| piece.role),
            _ => None,
        }
    }

    pub(super) fn place(&self, spot: Spot, at: Option<Position>, tell: &Teller<'_>) -> Place {
        self.deck.place(&self.state.standing, spot, at, tell.source)
    }

    pub(super) fn culture(&self, piece: u8, tell: &Teller<'_>) -> Option<crate::event::liquid::Culture> {
        self.deck.culture(&self.state.standing, piece, tell.source)
    }

    /// The liquid's own volume for what the piston moves, by the configured class.
    pub(super) fn corrected(&self, piston_ul: f64) -> (Option<Arc<str>>, Option<f64>) {
        match &self.class {
            Some((name, class)) => (Some(name.clone()), class.liquid_ul(piston_ul).map(rounded)),
            None => (None, None),
        }
    }

    /// What to say where a position fits no well.
    pub(super) fn off_well(
        &self,
        spot: Spot,
        at: Option<Position>,
        flags: &mut BTreeSet<LiquidFlag>,
    ) -> Option<String> {
        let text = match spot {
            Spot::Well { .. } => return None,
            Spot::Between { piece, nearest, away_mm } => {
                let name = self.deck.piece(piece).map_or("labware", |piece| &*piece.name);
                format!("the position fits no well of `{name}`: the nearest is {nearest}, {away_mm:.1} mm away")
            }
            Spot::Nowhere if at.is_none() => "the position is not known: the move there was not seen".to_owned(),
            Spot::Nowhere => "no labware is configured at this position".to_owned(),
        };
        flags.insert(LiquidFlag::OffWell);
        Some(text)
    }

    /// Books a volume (negative: taken) and gives the place with it.
    pub(super) fn moved(
        &mut self,
        spot: Spot,
        at: Option<Position>,
        piston_ul: f64,
        liquid_ul: Option<f64>,
        tell: &Teller<'_>,
    ) -> (Place, Option<(LiquidFlag, String)>) {
        let mut place = self.place(spot, at, tell);
        place.piston_volume_ul = Some(piston_ul.abs());
        place.volume_ul = liquid_ul;
        let Some((piece, well)) = spot.well() else { return (place, None) };
        let Some(labware) = self.deck.piece(piece).filter(|piece| piece.is_plate()) else { return (place, None) };
        let max = labware.well_max_ul;
        let Some(balance) = self.balances.change(piece, well, liquid_ul.unwrap_or(piston_ul), max) else {
            return (place, None);
        };
        place.balance_ul = Some(balance.sum_ul);
        let held = max.unwrap_or_default();
        let flag = if balance.over_drawn {
            let text = format!("{:.1} µl more were taken from {well} than put in; it holds {held} µl", -balance.sum_ul);
            Some((LiquidFlag::OverDrawn, text))
        } else if balance.overfilled {
            let text = format!("{:.1} µl more were put into {well} than taken; it holds {held} µl", balance.sum_ul);
            Some((LiquidFlag::Overfilled, text))
        } else {
            None
        };
        (place, flag)
    }
}

/// Two remarks in one.
pub(super) fn joined(first: Option<String>, second: String) -> String {
    match first {
        Some(first) => format!("{first}; {second}"),
        None => second,
    }
}
