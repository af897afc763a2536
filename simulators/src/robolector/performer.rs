//! Turns what is to be done into what is said and what is true.

use instrument_proto::geometry::{Position, RowColumn};

use super::batch::{Arrangement, Hop};
use super::deck::{Deck, Place, Role};
use super::fault::{Fault, Faults};
use super::plan::Action;
use super::truth::{Spot, What};
use super::voice::{Side, Stamp, Step, Voice};

/// How long a stalled reply takes, seconds.
const STALL: f64 = 300.0;

pub(super) struct Performer {
    pub voice: Box<dyn Voice>,
    pub deck: Deck,
    pub channels: u8,
    /// Whether channels need equal distances.
    pub equal: bool,
    pub faults: Faults,
    pub random: fastrand::Rng,
    /// Tips of the rack that are gone.
    pub tips_used: usize,
}

impl Performer {
    /// What the control software says when it starts.
    pub fn opening(&mut self) -> Vec<Step> {
        let steps = self.voice.opening();
        self.disturbed(steps)
    }

    /// Does one thing.
    pub fn perform(&mut self, action: &Action) -> Vec<Step> {
        let steps = match action {
            Action::Transfer(transfers) => {
                let arrangement = Arrangement { y_axis: self.deck.y_axis, equal: self.equal };
                let batches = arrangement.batches(&self.deck, transfers, self.channels);
                batches.iter().flat_map(|hops| self.batch(&arrangement, hops)).collect()
            }
            Action::Stamp { source, destination, volume_ul } => self.stamp(source, destination, *volume_ul),
            Action::Move { labware, to } => {
                let Some(index) = self.deck.pieces.iter().position(|piece| piece.name == *labware) else {
                    return Vec::new();
                };
                let piece = self.deck.pieces[index].clone();
                let from = self.deck.middle(&piece, piece.placement);
                let target = self.deck.middle(&piece, *to);
                let mut steps = self.voice.grip(from, vec![What::Gripped { labware: labware.clone() }]);
                let released = What::Released { labware: labware.clone(), x_mm: to.x_mm, y_mm: to.y_mm };
                steps.extend(self.voice.release(target, vec![released]));
                self.deck.pieces[index].placement = *to;
                steps
            }
        };
        self.disturbed(steps)
    }

    fn batch(&mut self, arrangement: &Arrangement, hops: &[Hop]) -> Vec<Step> {
        let tips = self.tips(hops.len());
        let no_tip = self.one_of(hops, Fault::NoTip);
        let truth = hops
            .iter()
            .map(|hop| match no_tip {
                Some(channel) if channel == hop.channel => failed(hop, Fault::NoTip),
                _ => What::TipOn { channel: hop.channel },
            })
            .collect();
        let mut steps = self.voice.pick_up(hops, &tips, no_tip.as_slice(), truth);
        let hops: Vec<Hop> = hops.iter().filter(|hop| Some(hop.channel) != no_tip).cloned().collect();
        let with_tips: Vec<u8> = hops.iter().map(|hop| hop.channel).collect();
        if hops.is_empty() {
            return steps;
        }
        let mut bad: Vec<(u8, Fault)> = Vec::new();
        for fault in [Fault::Clot, Fault::TooLittleLiquid] {
            let free: Vec<Hop> =
                hops.iter().filter(|hop| bad.iter().all(|(channel, _)| *channel != hop.channel)).cloned().collect();
            bad.extend(self.one_of(&free, fault).map(|channel| (channel, fault)));
        }
        // One kind of error at a time: a master that has waited in vain tells of nothing else.
        let late = if bad.is_empty() { self.one_of(&hops, Fault::SlaveTimeout) } else { None };
        let truth = hops
            .iter()
            .map(|hop| match bad.iter().find(|(channel, _)| *channel == hop.channel) {
                Some((_, fault)) => failed(hop, *fault),
                None => self.aspirated(hop),
            })
            .collect();
        let mut told = bad.clone();
        told.extend(late.map(|channel| (channel, Fault::SlaveTimeout)));
        steps.extend(self.voice.aspirate(&hops, &told, truth));
        let full: Vec<Hop> =
            hops.into_iter().filter(|hop| bad.iter().all(|(channel, _)| *channel != hop.channel)).collect();
        if self.faults.strikes(Fault::ControllerRestart, &mut self.random) {
            // Whatever was under way is given up: the new one clears the tips first.
            self.voice.restart();
            let mut opening = self.voice.opening();
            if let Some(first) = opening.first_mut() {
                first.faults.push(Fault::ControllerRestart);
            }
            steps.extend(opening);
        } else {
            for group in arrangement.groups(&full) {
                let truth = group.iter().map(|hop| self.dispensed(hop)).collect();
                steps.extend(self.voice.dispense(group, truth));
            }
        }
        let truth = with_tips.iter().map(|channel| What::TipOff { channel: *channel }).collect();
        let waste = self.waste();
        steps.extend(self.voice.drop_tips(&with_tips, waste, truth));
        steps
    }

    fn stamp(&mut self, source: &str, destination: &str, volume_ul: f64) -> Vec<Step> {
        let a01 = |labware: &str| self.deck.centre(&Place::new(labware, 0, 0));
        let (Some(from), Some(to)) = (a01(source), a01(destination)) else { return Vec::new() };
        let tips = self.deck.of(Role::Tips).and_then(|tips| a01(&tips.name)).unwrap_or(from);
        let stamp = Stamp { tips, from, to, waste: self.waste(), volume_ul };
        let late = self.faults.strikes(Fault::SlaveTimeout, &mut self.random);
        let truth = [
            vec![What::StampAspirated { labware: source.to_owned(), volume_ul }],
            vec![What::StampDispensed { labware: destination.to_owned(), volume_ul }],
        ];
        let mut steps = self.voice.stamp(stamp, late, truth);
        if late && let Some(first) = steps.get_mut(1) {
            first.faults.push(Fault::SlaveTimeout);
        }
        steps
    }

    /// Does to exchanges what goes wrong with them.
    fn disturbed(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let mut out = Vec::with_capacity(steps.len());
        for mut step in steps {
            let answer = step.said.iter().rposition(|said| said.side == Side::Robot);
            let Some(answer) = answer else {
                out.push(step);
                continue;
            };
            if self.faults.strikes(Fault::Stall, &mut self.random) {
                step.said[answer].after_s += STALL;
                step.faults.push(Fault::Stall);
            }
            if self.faults.strikes(Fault::NoReply, &mut self.random) {
                step.said.truncate(answer);
                step.faults.push(Fault::NoReply);
            } else if self.faults.strikes(Fault::OutOfOrder, &mut self.random) {
                let query = self.voice.query();
                step.said.splice(answer..answer, query.said);
                step.faults.push(Fault::OutOfOrder);
            }
            if self.voice.repeats() && self.faults.strikes(Fault::Repeat, &mut self.random) {
                let again = step.said[0].clone();
                // Between the acknowledgement and the answer; the robot acknowledges once more and executes nothing.
                let acknowledged = step.said.get(1).cloned();
                step.said.splice(2..2, std::iter::once(again).chain(acknowledged));
                step.faults.push(Fault::Repeat);
            }
            out.push(step);
        }
        out
    }

    /// One of the channels, where the fault strikes.
    fn one_of(&mut self, hops: &[Hop], fault: Fault) -> Option<u8> {
        if hops.is_empty() || !self.faults.strikes(fault, &mut self.random) {
            return None;
        }
        hops.get(self.random.usize(0..hops.len())).map(|hop| hop.channel)
    }

    /// The next tips, so many in one column; a rack that is empty was changed for a full one.
    fn tips(&mut self, count: usize) -> Vec<Position> {
        let Some(rack) = self.deck.of(Role::Tips) else { return vec![Position { x: 0, y: 0 }; count] };
        let rows = usize::from(rack.kind.rows.max(1));
        let room = rows * usize::from(rack.kind.columns.max(1));
        if self.tips_used % rows + count > rows {
            self.tips_used = self.tips_used.next_multiple_of(rows);
        }
        let first = self.tips_used;
        self.tips_used += count;
        (first..first + count)
            .filter_map(|index| {
                let index = index % room;
                let well = RowColumn { row: (index % rows) as u8, column: (index / rows) as u8 };
                self.deck.centre(&Place { labware: rack.name.clone(), well })
            })
            .collect()
    }

    fn waste(&self) -> Position {
        let waste = self.deck.of(Role::Waste).map(|waste| Place::new(&waste.name, 0, 0));
        waste.and_then(|waste| self.deck.centre(&waste)).unwrap_or(Position { x: 8000, y: 1000 })
    }

    fn aspirated(&self, hop: &Hop) -> What {
        let volume_ul = hop.transfer.volume_ul;
        What::Aspirated {
            channel: hop.channel,
            place: Spot::from(&hop.transfer.source),
            volume_ul,
            piston_ul: self.voice.piston_ul(volume_ul),
        }
    }

    fn dispensed(&self, hop: &Hop) -> What {
        let volume_ul = hop.transfer.volume_ul;
        What::Dispensed {
            channel: hop.channel,
            place: Spot::from(&hop.transfer.destination),
            volume_ul,
            piston_ul: self.voice.piston_ul(volume_ul),
        }
    }
}

fn failed(hop: &Hop, fault: Fault) -> What {
    What::Failed { channel: hop.channel, place: Spot::from(&hop.transfer.source), fault: fault.name().to_owned() }
}
