//! A Tecan Genesis or EVO and its control software.

use instrument_proto::codec::tecan::{Form, Module, write};
use instrument_proto::geometry::Position;

use super::batch::Hop;
use super::fault::Fault;
use super::truth::What;
use super::voice::{Stamp, Step, Utterance, Voice};

/// Full steps of a 1 ml diluter for a microlitre.
const STEPS_PER_UL: f64 = 3.0;
/// Air before and after the liquid, steps.
const LEADING_AIR: i32 = 15;
const TRAILING_AIR: i32 = 30;
/// What a liquid class for water makes of a volume.
const CORRECTION: f64 = 1.043;
/// Heights, tenths of a millimetre.
const UP: i32 = 2100;
const START: i32 = 1375;
const DEEPEST: i32 = 985;

/// How long the robot takes, seconds.
const QUICK: f64 = 0.05;
const MOVE: f64 = 1.5;
const PLUNGE: f64 = 1.0;
const DETECT: f64 = 2.0;
const GRIP: f64 = 6.0;

pub(super) struct Tecan {
    form: Form,
    tips: usize,
    letters: std::collections::BTreeMap<Module, u8>,
}

/// One argument of each tip.
type PerTip = Vec<Option<i32>>;

impl Tecan {
    pub fn new(form: Form, tips: u8) -> Self {
        Self { form, tips: usize::from(tips), letters: std::collections::BTreeMap::new() }
    }

    fn arm(&self) -> Module {
        module(if self.form == Form::Serial { "A1" } else { "C5" })
    }

    fn gripper(&self) -> Module {
        module(if self.form == Form::Serial { "R1" } else { "C1" })
    }

    fn master(&self) -> Module {
        module(if self.form == Form::Serial { "M1" } else { "C5" })
    }

    /// A command, its acknowledgements and its answer.
    fn exchange(&mut self, module: Module, text: &[u8], status: u8, data: &str, takes_s: f64) -> Step {
        let letter = self.letters.entry(module).or_insert(b'G');
        *letter = write::next_letter(*letter);
        let letter = *letter;
        let command = write::command(self.form, letter, module, text);
        let answer = write::answer(self.form, letter, module, status, data.as_bytes());
        let mut step = Step::new(command, answer, takes_s);
        if self.form == Form::Serial {
            step.said.insert(1, Utterance::robot(write::acknowledge(module), 0.005));
            step.said.push(Utterance::controller(write::acknowledge(module)));
        }
        step
    }

    fn arm_does(&mut self, name: &str, arguments: &[Option<i32>], takes_s: f64) -> Step {
        let arm = self.arm();
        self.exchange(arm, &write::arguments(name, arguments), 0, "", takes_s)
    }

    /// The same number for all tips.
    fn all(&self, number: i32) -> PerTip {
        vec![Some(number); self.tips]
    }

    /// A number for those tips, nothing for the others.
    fn some(&self, channels: &[u8], number: impl Fn(u8) -> i32) -> PerTip {
        (1u8..).take(self.tips).map(|tip| channels.contains(&tip).then(|| number(tip))).collect()
    }

    fn mask(channels: &[u8]) -> i32 {
        channels.iter().fold(0, |mask, channel| mask | 1 << (i32::from(*channel) - 1))
    }

    /// Moves the arm so that each tip is above its place; all places are in line and equally spaced.
    fn move_to(&mut self, places: &[(u8, Position)]) -> Vec<Step> {
        let Some((first, at)) = places.first() else { return Vec::new() };
        let spacing = match places.get(1) {
            Some((second, next)) => (next.y - at.y) / (i32::from(*second) - i32::from(*first)).max(1),
            None => 90,
        };
        let mut arguments = vec![Some(at.x), Some(at.y - (i32::from(*first) - 1) * spacing), Some(spacing)];
        arguments.extend(self.all(UP));
        let up = self.all(UP);
        vec![self.arm_does("SHZ", &up, QUICK), self.arm_does("PAA", &arguments, MOVE)]
    }

    /// Moves the plungers of those tips by so many steps.
    fn air(&mut self, channels: &[u8], steps: i32) -> Vec<Step> {
        let (valve, speed) = (self.some(channels, |_| 0), self.some(channels, |_| 420));
        let plunge = self.some(channels, |_| steps);
        vec![
            self.arm_does("PVL", &valve, QUICK),
            self.arm_does("SEP", &speed, QUICK),
            self.arm_does("PPR", &plunge, PLUNGE),
        ]
    }

    /// What `REE` says of each axis: X, Y, spacing, and the tips.
    fn axes(&mut self, failed: &[u8], status: u8) -> Step {
        let letters: String = (0..3 + self.tips)
            .map(|axis| {
                let tip = axis.checked_sub(2).and_then(|tip| u8::try_from(tip).ok());
                let bad = tip.is_some_and(|tip| failed.contains(&tip));
                char::from(0x40 + if bad { status } else { 0 })
            })
            .collect();
        let arm = self.arm();
        self.exchange(arm, b"REE0", 0, &letters, QUICK)
    }

    fn steps(&self, volume_ul: f64) -> i32 {
        (volume_ul * CORRECTION * STEPS_PER_UL).round() as i32
    }
}

/// The module of a name that stands in this file.
fn module(name: &str) -> Module {
    match Module::new(name.as_bytes()) {
        Some(module) => module,
        None => unreachable!("{name} is a module"),
    }
}

fn channels(hops: &[Hop]) -> Vec<u8> {
    hops.iter().map(|hop| hop.channel).collect()
}

fn without(channels: &[u8], failed: &[u8]) -> Vec<u8> {
    channels.iter().copied().filter(|channel| !failed.contains(channel)).collect()
}

impl Voice for Tecan {
    fn opening(&mut self) -> Vec<Step> {
        let (master, arm) = (self.master(), self.arm());
        let tips = self.tips.to_string();
        vec![
            self.exchange(master, b"RFV0", 0, "GENESIS-V1.61-07/2001", QUICK),
            self.exchange(arm, b"RNT1", 0, &tips, QUICK),
            self.axes(&[], 0),
            self.exchange(arm, b"RPX0", 0, "889", QUICK),
        ]
    }

    fn restart(&mut self) {
        self.letters.clear();
    }

    fn query(&mut self) -> Step {
        let master = self.master();
        self.exchange(master, b"RFV0", 0, "GENESIS-V1.61-07/2001", QUICK)
    }

    fn pick_up(&mut self, hops: &[Hop], tips: &[Position], failed: &[u8], truth: Vec<What>) -> Vec<Step> {
        let wanted = channels(hops);
        let places: Vec<(u8, Position)> = wanted.iter().copied().zip(tips.iter().copied()).collect();
        let mut steps = self.move_to(&places);
        let plunge = self.air(&wanted, TRAILING_AIR);
        steps.extend(plunge);
        let text = write::arguments("AGT", &[Some(Self::mask(&wanted)), Some(UP - 900), Some(210)]);
        let arm = self.arm();
        steps.push(self.exchange(arm, &text, if failed.is_empty() { 0 } else { 25 }, "", MOVE).with(truth));
        if !failed.is_empty() {
            steps.push(self.axes(failed, 25));
        }
        steps
    }

    fn aspirate(&mut self, hops: &[Hop], failed: &[(u8, Fault)], truth: Vec<What>) -> Vec<Step> {
        let wanted = channels(hops);
        let of = |fault: Fault| -> Vec<u8> {
            failed.iter().filter(|(_, other)| *other == fault).map(|(channel, _)| *channel).collect()
        };
        let (dry, clotted) = (of(Fault::TooLittleLiquid), of(Fault::Clot));
        let places: Vec<(u8, Position)> = hops.iter().map(|hop| (hop.channel, hop.from)).collect();
        let mut steps = self.move_to(&places);
        let air = self.air(&wanted, LEADING_AIR);
        steps.extend(air);
        steps.push(self.arm_does("SDM", &[Some(7), Some(1)], QUICK));
        for (name, number) in [("SSL", 600), ("SDL", 40), ("STL", START), ("SML", DEEPEST), ("SBL", 20)] {
            let arguments = self.some(&wanted, |_| number);
            steps.push(self.arm_does(name, &arguments, QUICK));
        }
        let mut detect = vec![Some(Self::mask(&wanted)), None, None, None];
        detect.extend(self.some(&wanted, |_| 30));
        let arm = self.arm();
        let status = if dry.is_empty() { 0 } else { 11 };
        steps.push(self.exchange(arm, &write::arguments("MDT", &detect), status, "", DETECT));
        if !dry.is_empty() {
            steps.push(self.axes(&dry, 11));
        }
        let left = without(&wanted, &dry);
        if left.is_empty() {
            if let Some(last) = steps.last_mut() {
                last.truth = truth;
            }
            return steps;
        }
        for (name, number) in [("SSZ", 30), ("SEP", 600), ("STZ", -30)] {
            let arguments = self.some(&left, |_| number);
            steps.push(self.arm_does(name, &arguments, QUICK));
        }
        let volume = |tip: u8| hops.iter().find(|hop| hop.channel == tip).map_or(0.0, |hop| hop.transfer.volume_ul);
        let take = self.some(&left, |tip| self.steps(volume(tip)));
        let status = if clotted.is_empty() { 0 } else { 18 };
        steps.push(self.exchange(arm, &write::arguments("MTR", &take), status, "", DETECT).with(truth));
        if !clotted.is_empty() {
            steps.push(self.axes(&clotted, 18));
        }
        let left = without(&left, &clotted);
        let (slow, up) = (self.some(&left, |_| 200), self.some(&left, |_| START));
        steps.push(self.arm_does("SSZ", &slow, QUICK));
        steps.push(self.arm_does("MAZ", &up, PLUNGE));
        let air = self.air(&left, TRAILING_AIR);
        steps.extend(air);
        steps
    }

    fn dispense(&mut self, hops: &[Hop], truth: Vec<What>) -> Vec<Step> {
        let wanted = channels(hops);
        let places: Vec<(u8, Position)> = hops.iter().map(|hop| (hop.channel, hop.to)).collect();
        let mut steps = self.move_to(&places);
        for (name, number) in [("SEP", 600), ("SPP", 2400), ("STZ", 0)] {
            let arguments = self.some(&wanted, |_| number);
            steps.push(self.arm_does(name, &arguments, QUICK));
        }
        let volume = |tip: u8| hops.iter().find(|hop| hop.channel == tip).map_or(0.0, |hop| hop.transfer.volume_ul);
        // With the air before and after it.
        let give = self.some(&wanted, |tip| -(self.steps(volume(tip)) + LEADING_AIR + TRAILING_AIR));
        steps.push(self.arm_does("MTR", &give, DETECT).with(truth));
        steps
    }

    fn drop_tips(&mut self, channels: &[u8], waste: Position, truth: Vec<What>) -> Vec<Step> {
        let Some(first) = channels.first() else { return Vec::new() };
        let mut steps = self.move_to(&[(*first, waste)]);
        let text = write::arguments("ADT", &[Some(Self::mask(channels))]);
        let arm = self.arm();
        steps.push(self.exchange(arm, &text, 0, "", MOVE).with(truth));
        steps
    }

    fn grip(&mut self, at: Position, truth: Vec<What>) -> Vec<Step> {
        let gripper = self.gripper();
        let mut go = |text: Vec<u8>, takes_s| self.exchange(gripper, &text, 0, "", takes_s);
        let place = |z: i32, last: i32| {
            let arguments = [Some(1), Some(at.x), Some(at.y), Some(z), Some(900), None, Some(1), Some(last)];
            write::arguments("SAA", &arguments)
        };
        vec![
            go(place(UP, 0), QUICK),
            go(b"AAC".to_vec(), MOVE),
            go(b"PAG900".to_vec(), MOVE),
            go(place(DEEPEST, 0), QUICK),
            go(b"AAC".to_vec(), MOVE),
            go(b"SGG100,75".to_vec(), QUICK),
            go(b"AGR754".to_vec(), GRIP).with(truth),
        ]
    }

    fn release(&mut self, at: Position, truth: Vec<What>) -> Vec<Step> {
        let gripper = self.gripper();
        let mut go = |text: Vec<u8>, takes_s| self.exchange(gripper, &text, 0, "", takes_s);
        let place = |z: i32| {
            let arguments = [Some(1), Some(at.x), Some(at.y), Some(z), Some(900), None, Some(1), Some(0)];
            write::arguments("SAA", &arguments)
        };
        vec![
            go(place(DEEPEST), QUICK),
            go(b"AAC".to_vec(), GRIP),
            go(b"PAG900".to_vec(), MOVE).with(truth),
            go(place(UP), QUICK),
            go(b"AAC".to_vec(), MOVE),
        ]
    }

    fn stamp(&mut self, _: Stamp, _: bool, _: [Vec<What>; 2]) -> Vec<Step> {
        // A 96-channel arm's commands are not known well enough to be made up.
        Vec::new()
    }

    fn piston_ul(&self, volume_ul: f64) -> f64 {
        f64::from(self.steps(volume_ul)) / STEPS_PER_UL
    }

    fn repeats(&self) -> bool {
        self.form == Form::Serial
    }
}
