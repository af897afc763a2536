//! Where a Tecan's arms are, and what its commands do there.
//!
//! One command of a STAR says all of an aspiration; here it is many: the arm is moved (`PAA`), the surface found (`MDT`), the plungers are
//! moved while the tips follow the surface (`MTR`). So positions, valves and plungers are followed from command to command. Where one was
//! missed nothing of that is known any more, until the arm is moved again.
//!
//! A plunger that is moved by `PPR` (or by a diluter's own `P`) while its tip is up, or where that is not known, draws an air gap; while it
//! is down, liquid. A tip is down from `MDT`, the first move of its Z alone, or a `PAA` that lowers it, until the next move of its Z. A `PAA` lowers
//! a tip where it names a lower Z (counted from the deck upwards) than they travel at: what `SHZ` said last, else the highest Z named so far. Tips
//! that do not work may stand lower than those that do.

use instrument_proto::codec::tecan::{Body, Message};
use instrument_proto::geometry::Position;
use serde::{Deserialize, Serialize};

use super::action::{Action, Arm, Step, Verb};

/// Tips of the pipetting arm.
const TIPS: usize = 8;

/// Plunger steps that empty a syringe of any size.
const STROKE_STEPS: f64 = 3000.0;

/// Where everything is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Motion {
    /// The first tip's x and y and the tips' spacing, 0.1 mm.
    arm: Option<(i32, i32, i32)>,
    /// Tips that are lowered, one bit each; `None` where that is not known.
    #[serde(default)]
    lowered: Option<u8>,
    /// The Z at which the tips travel, 0.1 mm.
    #[serde(default)]
    travel: Option<i32>,
    /// Tips that were used last, one bit each.
    used: u8,
    /// Where each valve leads: 0 to the tip, 1 to the system liquid, 2 past the syringe.
    valves: [u8; TIPS],
    /// How far each plunger is out, steps.
    plungers: [i32; TIPS],
    /// Where the plate arm was told to go, and where it is, 0.1 mm.
    target: Option<(i32, i32)>,
    plate_arm: Option<(i32, i32)>,
    /// Whether the plate arm holds something.
    is_gripping: bool,
}

/// What a command would do.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Effect {
    /// The state afterwards.
    pub motion: Option<Motion>,
    /// What happens, in this order.
    pub actions: Vec<Action>,
    /// Where the arm works, for the access to a cultivation.
    pub approach: Option<Action>,
    /// Tips that take part, from 1; all that are in use, where the command moves the arm.
    pub tips: Vec<u8>,
    /// What failed, should it fail.
    pub verb: Option<Verb>,
}

/// Whether a module is the pipetting arm.
pub(super) fn is_pipetting_arm(module: &str) -> bool {
    matches!(module, "A1" | "A2" | "C5" | "C6")
}

/// Whether what a module does is followed.
pub(super) fn is_followed(module: &str) -> bool {
    is_pipetting_arm(module) || is_plate_arm(module) || diluter(module).is_some()
}

fn is_plate_arm(module: &str) -> bool {
    matches!(module, "R1" | "R2" | "C1" | "C2")
}

/// The tip that a diluter belongs to, from 0.
fn diluter(module: &str) -> Option<usize> {
    match module.as_bytes() {
        [b'D', digit @ b'1'..=b'8'] => Some(usize::from(digit - b'1')),
        _ => None,
    }
}

impl Motion {
    /// A command was missed: what it moved is not known.
    pub fn lose_track(&mut self) {
        *self = Self { used: self.used, travel: self.travel, is_gripping: self.is_gripping, ..Self::default() };
    }

    /// A command failed half way: what it moves may be anywhere.
    pub fn failed(&mut self, command: &str) {
        match command.get(..3) {
            Some("PAA") => {
                self.arm = None;
                self.lowered = None;
            }
            Some("MDT" | "MAZ" | "PAZ") => self.lowered = None,
            _ => {}
        }
    }

    /// Whether it is known where the pipetting arm is.
    pub fn is_known(&self) -> bool {
        self.arm.is_some()
    }

    /// What a command does, once it is carried out, with syringes of `syringe_ul` microlitres; `Err` where it contradicts its
    /// own syntax.
    pub fn effect(&self, message: &Message<'_>, syringe_ul: f64) -> Result<Effect, String> {
        let module = message.module.as_str();
        if let (Some(tip), Body::Command { text }) = (diluter(module), message.body) {
            return Ok(self.diluter(tip, text, syringe_ul));
        }
        let Some((command, arguments)) = message.body.command() else { return Ok(Effect::default()) };
        if !is_pipetting_arm(module) && !is_plate_arm(module) {
            return Ok(Effect::default());
        }
        // Sets and reports have arguments of their own.
        if command.starts_with('R') || (command.starts_with('S') && !matches!(command, "SAA" | "SHZ")) {
            return Ok(Effect::default());
        }
        let numbers = arguments.all().map_err(|_| format!("{command} with an argument that is no number"))?;
        if is_plate_arm(module) {
            Ok(self.plate_arm(command, &numbers))
        } else {
            self.pipetting(command, &numbers, syringe_ul)
        }
    }

    fn pipetting(&self, command: &str, numbers: &[Option<i32>], syringe_ul: f64) -> Result<Effect, String> {
        let mut next = self.clone();
        let number = |at: usize| numbers.get(at).copied().flatten();
        let mut effect = Effect::default();
        match command {
            "PIA" | "PID" | "PIB" => {
                next.plungers = [0; TIPS];
                next.lowered = Some(0);
                effect.actions.push(Action::Reset { arm: Arm::Channels, errors: Vec::new() });
            }
            "PAA" => {
                // What is left out stays as it was.
                let x = number(0).or(self.arm.map(|arm| arm.0));
                let y = number(1).or(self.arm.map(|arm| arm.1));
                let ys = number(2).or(self.arm.map(|arm| arm.2)).unwrap_or(90);
                if !(0..=400).contains(&ys) {
                    return Err(format!("tips cannot be {ys} tenths of a millimetre apart"));
                }
                next.arm = x.zip(y).map(|(x, y)| (x, y, ys));
                let heights = numbers.get(3..).unwrap_or_default();
                next.travel = self.travel.max(heights.iter().take(TIPS).flatten().copied().max());
                next.lowered = Some(each(heights, |z| next.travel.is_some_and(|travel| z < travel)));
                effect.tips = tips(self.used);
                effect.approach = Some(next.work(Verb::Air, self.used, |_| 0.0));
            }
            "SHZ" => next.travel = numbers.iter().take(TIPS).flatten().copied().max().or(self.travel),
            "PAZ" | "MAZ" => {
                let named = Some(each(numbers, |_| true)).filter(|named| *named != 0).unwrap_or(u8::MAX);
                let up = each(numbers, |z| self.travel.is_some_and(|travel| z >= travel));
                // The first move of Z lowers, the next one raises.
                next.lowered = match self.lowered {
                    Some(lowered) => Some((lowered ^ named) & !up),
                    None => (up != 0 && up == named).then_some(0),
                };
                effect.tips = tips(self.used);
            }
            "MDT" => {
                next.used = mask(number(0))?;
                next.lowered = Some(self.lowered.unwrap_or_default() | next.used);
                effect.verb = Some(Verb::Aspirate);
                effect.tips = tips(next.used);
                effect.approach = Some(next.work(Verb::Air, next.used, |_| 0.0));
            }
            "AGT" | "AST" | "ADT" => {
                let verb = if command == "AGT" { Verb::PickUp } else { Verb::Eject };
                next.used = mask(number(0))?;
                let action = next.work(verb, next.used, |_| 0.0);
                effect.verb = Some(verb);
                effect.tips = tips(next.used);
                effect.approach = Some(action.clone());
                effect.actions.push(action);
            }
            "PVL" => {
                for (valve, position) in next.valves.iter_mut().zip(numbers) {
                    if let Some(position) = position {
                        *valve = u8::try_from(*position).map_err(|_| "PVL with a negative position")?;
                    }
                }
            }
            "PPR" | "MTR" => {
                let in_liquid = if command == "MTR" { u8::MAX } else { self.lowered.unwrap_or_default() };
                next.plungers_by(in_liquid, numbers, syringe_ul, &mut effect);
            }
            "PPA" => {
                let moved: Vec<Option<i32>> =
                    numbers.iter().zip(self.plungers).map(|(to, from)| to.map(|to| to.saturating_sub(from))).collect();
                next.plungers_by(self.lowered.unwrap_or_default(), &moved, syringe_ul, &mut effect);
            }
            _ => return Ok(effect),
        }
        effect.motion = Some(next);
        Ok(effect)
    }

    /// Plungers are moved, each by its own number of steps: out is positive. `in_liquid` says which tips are, one bit each.
    fn plungers_by(&mut self, in_liquid: u8, steps: &[Option<i32>], syringe_ul: f64, effect: &mut Effect) {
        let mut used = 0u8;
        let mut moves: Vec<(Verb, usize, i32)> = Vec::new();
        for (tip, by) in steps.iter().take(TIPS).enumerate() {
            let Some(by) = by.filter(|by| *by != 0) else { continue };
            used |= 1 << tip;
            if let Some(plunger) = self.plungers.get_mut(tip) {
                *plunger = plunger.saturating_add(by);
            }
            let verb = match (self.valves.get(tip).copied().unwrap_or_default(), by > 0) {
                (0, true) if in_liquid >> tip & 1 == 1 => Verb::Aspirate,
                (0, true) => Verb::Air,
                (0, false) => Verb::Dispense,
                (_, true) => Verb::Prime,
                // Back into the reservoir.
                (_, false) => continue,
            };
            moves.push((verb, tip, by));
        }
        if used == 0 {
            return;
        }
        self.used = used;
        effect.tips = tips(used);
        for verb in [Verb::Prime, Verb::Air, Verb::Aspirate, Verb::Dispense] {
            let of: Vec<(usize, i32)> =
                moves.iter().filter(|(other, ..)| *other == verb).map(|(_, tip, by)| (*tip, *by)).collect();
            if of.is_empty() {
                continue;
            }
            let selected = of.iter().fold(0u8, |mask, (tip, _)| mask | 1 << tip);
            let by = |tip: usize| of.iter().find(|(other, _)| *other == tip).map_or(0, |(_, by)| *by);
            let action = self.work(verb, selected, |tip| f64::from(by(tip).unsigned_abs()) / STROKE_STEPS * syringe_ul);
            if matches!(verb, Verb::Aspirate | Verb::Dispense) {
                effect.verb = Some(verb);
                effect.approach = Some(action.clone());
            }
            effect.actions.push(action);
        }
    }

    /// What tips do where they are, with so many microlitres each.
    fn work(&self, verb: Verb, selected: u8, piston_ul: impl Fn(usize) -> f64) -> Action {
        let steps = (0..TIPS)
            .filter(|tip| selected >> tip & 1 == 1)
            .map(|tip| Step {
                channel: tip as u8 + 1,
                at: self.arm.map(|(x, y, ys)| Position { x, y: y.saturating_add(ys.saturating_mul(tip as i32)) }),
                piston_ul: super::volumes::rounded(piston_ul(tip)),
                empties: false,
                errors: Vec::new(),
            })
            .collect();
        Action::Channels { verb, tip_type: None, steps }
    }

    /// A diluter's own string: `V900P60M200R` sets a speed and draws 60 steps in, waits and runs.
    fn diluter(&self, tip: usize, text: &[u8], syringe_ul: f64) -> Effect {
        let mut next = self.clone();
        let mut effect = Effect::default();
        let mut at = 0;
        while let Some(letter) = text.get(at).copied() {
            at += 1;
            let digits = text.get(at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
            let number = text.get(at..at + digits).unwrap_or_default();
            at += digits;
            let number = number.iter().take(6).fold(0i32, |n, b| n * 10 + i32::from(b - b'0'));
            let position = next.plungers.get(tip).copied().unwrap_or_default();
            let by = match letter {
                b'P' => number,
                b'D' => -number,
                b'A' => number - position,
                b'Z' | b'Y' | b'W' => {
                    if let Some(plunger) = next.plungers.get_mut(tip) {
                        *plunger = 0;
                    }
                    continue;
                }
                b'I' | b'O' | b'B' => {
                    if let Some(valve) = next.valves.get_mut(tip) {
                        *valve = match letter {
                            b'I' => 1,
                            b'O' => 0,
                            _ => 2,
                        };
                    }
                    continue;
                }
                _ => continue,
            };
            let mut steps = [None; TIPS];
            if let Some(step) = steps.get_mut(tip) {
                *step = Some(by);
            }
            let used = next.used;
            next.plungers_by(self.lowered.unwrap_or_default(), &steps, syringe_ul, &mut effect);
            next.used |= used;
        }
        effect.motion = Some(next);
        effect
    }

    fn plate_arm(&self, command: &str, numbers: &[Option<i32>]) -> Effect {
        let mut next = self.clone();
        let number = |at: usize| numbers.get(at).copied().flatten();
        let mut effect = Effect::default();
        match command {
            // The vectors are gone through in their order; the last one is where the arm comes to rest.
            "SAA" => next.target = number(1).zip(number(2)),
            "AAC" => next.plate_arm = self.target.or(self.plate_arm),
            "PAA" => next.plate_arm = number(0).zip(number(1)).or(self.plate_arm),
            "AGR" => {
                let Some((x, y)) = self.plate_arm else { return effect };
                next.is_gripping = true;
                effect.actions.push(Action::Grip { at: Position { x, y }, direction: None, errors: Vec::new() });
            }
            "PAG" if self.is_gripping => {
                let Some((x, y)) = self.plate_arm else { return effect };
                next.is_gripping = false;
                effect.actions.push(Action::Release { at: Position { x, y }, direction: None, errors: Vec::new() });
            }
            "PIA" => {
                next.is_gripping = false;
                effect.actions.push(Action::Reset { arm: Arm::Gripper, errors: Vec::new() });
            }
            _ => return effect,
        }
        effect.motion = Some(next);
        effect
    }
}

/// A tip mask.
fn mask(number: Option<i32>) -> Result<u8, String> {
    number.and_then(|mask| u8::try_from(mask).ok()).ok_or_else(|| "a command without a mask of tips".to_owned())
}

/// The tips whose number is there and as wanted.
fn each(numbers: &[Option<i32>], is_wanted: impl Fn(i32) -> bool) -> u8 {
    let wanted = numbers.iter().take(TIPS).enumerate().filter(|(_, number)| number.is_some_and(&is_wanted));
    wanted.fold(0, |mask, (tip, _)| mask | 1 << tip)
}

fn tips(mask: u8) -> Vec<u8> {
    (0..8).filter(|tip| mask >> tip & 1 == 1).map(|tip| tip + 1).collect()
}
