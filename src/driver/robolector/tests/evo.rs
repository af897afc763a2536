//! Protocols as an open-source control program really sends them to a Freedom EVO: `evo-protocols.txt`, each command with its answer under
//! it (`@` for the status of success), here in both of the forms that blocks have.

use instrument_proto::codec::tecan::{Form, Module, write};

use super::support::Bench;
use crate::driver::{Direction, Mode, Sees};
use crate::profile::deck::{DeckSettings, Role};
use crate::profile::robolector::{Dialect, TecanDialect, TecanForm};
use crate::profile::{Kind, shipped};

const PROTOCOLS: &str = include_str!("evo-protocols.txt");

fn deck(deck: &mut DeckSettings) {
    // The left front corners; y grows to the front.
    deck.labware.retain(|labware| ["fp", "dwp", "tips"].contains(&labware.name.as_str()));
    for labware in &mut deck.labware {
        (labware.x_mm, labware.y_mm) = match labware.name.as_str() {
            "fp" => (368.5, 279.3),
            "dwp" => (368.5, 183.3),
            _ => (223.5, 273.5),
        };
        if labware.role == Role::Tips {
            labware.anchor = crate::profile::deck::Anchor::A01;
            (labware.x_mm, labware.y_mm) = (238.0, 199.1);
        }
    }
}

pub struct Talk {
    pub bench: Bench,
    form: Form,
    letter: u8,
}

impl Talk {
    pub fn new(form: Form, mode: Mode) -> Self {
        Self::with_syringes(1000.0, form, mode)
    }

    fn with_syringes(syringe_ul: f64, form: Form, mode: Mode) -> Self {
        let mut profile = shipped("robolector-tecan").expect("shipped");
        let changed = std::sync::Arc::make_mut(&mut profile);
        let Kind::Robolector(robot) = &mut changed.kind else { panic!("a robot") };
        let framing = if form == Form::Usb { TecanForm::Nul } else { TecanForm::Rs232 };
        robot.dialect = Dialect::Tecan(TecanDialect { form: framing, syringe_ul });
        let mut settings = super::support::deck(&profile);
        deck(&mut settings);
        let mut bench = Bench::with(profile, settings);
        bench.open(mode);
        Self { bench, form, letter: write::FIRST_LETTER }
    }

    pub fn command(&mut self, text: &str) {
        let module = Module::new(&text.as_bytes()[..2]).expect("a module");
        self.letter = write::next_letter(self.letter);
        let bytes = write::command(self.form, self.letter, module, &text.as_bytes()[2..]);
        self.bench.bytes(Direction::ToInstrument, &bytes);
        self.bench.pass(1);
    }

    pub fn answer(&mut self, text: &str) {
        let (module, rest) = text.as_bytes().split_at(2);
        let module = Module::new(module).expect("a module");
        if self.form == Form::Serial {
            self.bench.bytes(Direction::FromInstrument, &write::acknowledge(module));
        }
        let bytes = write::answer(self.form, self.letter, module, rest[0] - b'@', &rest[1..]);
        self.bench.bytes(Direction::FromInstrument, &bytes);
        self.bench.pass(1);
    }

    /// Runs the protocol with this heading.
    fn run(&mut self, heading: &str) {
        let mut on = false;
        for line in PROTOCOLS.lines() {
            if let Some(text) = line.strip_prefix("## ") {
                on = text.starts_with(heading);
            } else if on {
                match line.strip_prefix("  ") {
                    Some(answer) => self.answer(answer),
                    None => self.command(line),
                }
            }
        }
    }
}

fn told(heading: &str) -> Vec<String> {
    let told: Vec<Vec<String>> = [Form::Serial, Form::Usb]
        .into_iter()
        .map(|form| {
            let mut talk = Talk::new(form, Mode::Listen { sees: Sees::Both });
            talk.run("setup");
            assert!(talk.bench.events.is_empty(), "{:?}", talk.bench.told());
            talk.run(heading);
            let bench = talk.bench;
            assert!(bench.gaps.is_empty() && bench.defects.is_empty(), "{:?} {:?}", bench.gaps, bench.defects);
            bench.told()
        })
        .collect();
    assert_eq!(told[0], told[1], "both forms tell the same");
    told[0].clone()
}

/// The notes that begin with one of these words.
fn of(notes: &[String], words: &[&str]) -> Vec<String> {
    notes.iter().filter(|note| words.iter().any(|word| note.starts_with(word))).cloned().collect()
}

#[test]
fn four_tips_sample_and_the_air_gaps_are_no_sample() {
    let notes = told("sampling");
    assert_eq!(
        of(&notes, &["completed", "failed"]),
        [
            "completed fp A02 (52.667) by 1 -> dwp A03 (52.667)",
            "completed fp B02 (52.667) by 2 -> dwp B03 (52.667)",
            "completed fp C02 (52.667) by 3 -> dwp C03 (52.667)",
            "completed fp D02 (52.667) by 4 -> dwp D03 (52.667)",
        ]
    );
    assert_eq!(of(&notes, &["access"]), ["access", "access ended: left after 40"]);
}

#[test]
fn smaller_syringes_move_less_with_as_many_steps() {
    let mut talk = Talk::with_syringes(500.0, Form::Serial, Mode::Listen { sees: Sees::Both });
    talk.run("setup");
    // What was kept of a line holds where everything is; the syringes are the profile's.
    talk.bench.open_as("epoch-1", Mode::Listen { sees: Sees::Both }, true);
    talk.run("sampling");
    let completed = of(&talk.bench.told(), &["completed"]);
    assert_eq!(completed[0], "completed fp A02 (26.333) by 1 -> dwp A03 (26.333)");
}

#[test]
fn what_goes_into_a_culture_is_an_addition() {
    assert_eq!(
        of(&told("addition"), &["added", "completed", "failed", "transferred"]),
        ["added F08 (21.667) from dwp H12 of unknown"]
    );
}

#[test]
fn liquid_that_is_dropped_with_its_tip_is_a_failed_sampling() {
    assert_eq!(
        of(&told("tips never"), &["failed", "completed"]),
        ["failed tip-never-dispensed at fp C04 by 1: the tip was dropped with the liquid in it (others [])"]
    );
}

#[test]
fn the_plate_arm_is_followed_in_its_own_coordinates() {
    assert_eq!(told("gripper"), ["moved ? from ? to ? turned 0"]);
}

#[test]
fn the_axes_own_errors_tell_which_tips_failed() {
    let mut talk = Talk::new(Form::Usb, Mode::Listen { sees: Sees::Both });
    for command in ["C5AGT15,1123,210,0", "C5PAA3998,2040,130,2100,2100,2100,2100,2100,2100,2100,2100"] {
        talk.command(command);
        talk.answer("C5@");
    }
    talk.command("C5MTR158,158,158,158,,,,");
    talk.answer("C5L");
    assert!(talk.bench.noted("failed").is_empty(), "the host's question may tell more");
    talk.command("C5REE0");
    talk.answer("C5@@@@@@R@@@@@");
    let failed = talk.bench.noted("failed");
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].starts_with("failed aspirate at fp C02 by 3: "), "{failed:?}");
    assert!(failed[0].ends_with("(others [1, 2, 4])"), "{failed:?}");
    assert_eq!(talk.bench.noted("aspirated").len(), 3);
}

#[test]
fn without_a_question_all_tips_of_the_command_failed() {
    let mut talk = Talk::new(Form::Serial, Mode::Listen { sees: Sees::Both });
    talk.command("A1PAA3998,2040,130,2100,2100,2100,2100,2100,2100,2100,2100");
    talk.answer("A1@");
    talk.command("A1MDT3,,,,6,6,0,0,0,0,0,0");
    talk.answer("A1I");
    talk.command("A1PAA45,1031,90,2100,2100,2100,2100,2100,2100,2100,2100");
    let failed = talk.bench.noted("failed aspirate");
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed[1].starts_with("failed aspirate at fp B02 by 2: "), "{failed:?}");
}

#[test]
fn a_failure_after_which_nothing_more_is_said_is_told_soon() {
    let mut talk = Talk::new(Form::Usb, Mode::Listen { sees: Sees::Both });
    talk.command("C5PAA3998,2040,130,2100,2100,2100,2100,2100,2100,2100,2100");
    talk.answer("C5@");
    talk.command("C5MTR158,158,,,,,,");
    talk.answer("C5C");
    assert!(talk.bench.noted("failed").is_empty());
    let (_, wait) = talk.bench.timers.iter().find(|(timer, _)| timer.name == "reply").expect("set");
    assert!(wait.as_secs() <= 10, "a question would have come, {wait:?}");
    talk.bench.run_out("reply");
    assert_eq!(talk.bench.noted("failed aspirate").len(), 2);
}

#[test]
fn a_diluter_string_moves_its_tip() {
    let mut talk = Talk::new(Form::Serial, Mode::Listen { sees: Sees::Both });
    let steps = [
        "A1PAA3868,2040,130,2100,2100,2100,2100,2100,2100,2100,2100",
        "D1IV900P300R",
        "D1OV900P15R",
        "A1MDT1,,,,6,0,0,0,0,0,0,0",
        "D1V900P300M200R",
        "A1PAZ2100,,,,,,,",
        "A1PAA4008,1090,90,2100,2100,2100,2100,2100,2100,2100,2100",
        "D1V900D315R",
    ];
    for step in steps {
        talk.command(step);
        talk.answer(&format!("{}@", &step[..2]));
    }
    assert_eq!(talk.bench.noted("completed"), ["completed fp A01 (100) by 1 -> dwp A03 (100)"]);
    assert!(talk.bench.noted("aspirated")[0].starts_with("aspirated fp A01 (100) by 1"));
}

#[test]
fn tips_that_the_arm_lowers_itself_are_in_the_liquid() {
    let mut talk = Talk::new(Form::Serial, Mode::Listen { sees: Sees::Both });
    let steps = [
        "A1SHZ2100,2100,2100,2100,2100,2100,2100,2100",
        "A1AGT1,1123,210,0",
        "A1PAA3868,2040,130,2100,2100,2100,2100,2100,2100,2100,2100",
        "D1OV900P15R",
        "A1PAA3868,2040,130,1200,2100,2100,2100,2100,2100,2100,2100",
        "D1V900P300R",
        "A1PAA4008,1090,90,2100,2100,2100,2100,2100,2100,2100,2100",
        "A1PAA4008,1090,90,1200,2100,2100,2100,2100,2100,2100,2100",
        "D1V900D315R",
    ];
    for step in steps {
        talk.command(step);
        talk.answer(&format!("{}@", &step[..2]));
    }
    assert_eq!(talk.bench.noted("aspirated").len(), 1, "the air before it is none");
    assert_eq!(talk.bench.noted("completed"), ["completed fp A01 (100) by 1 -> dwp A03 (100)"]);
}

#[test]
fn tips_that_do_not_work_may_stand_lower_than_those_that_draw_air() {
    let mut talk = Talk::new(Form::Usb, Mode::Listen { sees: Sees::Both });
    // As an open-source control program moves three of eight tips: the others stand lower than tips travel.
    let steps = [
        "C5SHZ2000,2000,2000,2000,2000,2000,2000,2000",
        "C5AGT28,1267,210,0",
        "C5PAA3998,2040,130,2000,2000,2100,2100,2100,2000,2000,2000",
        "C5PVL,,0,0,0,,,",
        "C5PPR,,15,30,15,,,",
        "C5SHZ2100,2100,2100,2100,2100,2100,2100,2100",
        "C5MDT28,,,,0,0,60,79,50,0,0,0",
        "C5SHZ2000,2000,2000,2000,2000,2000,2000,2000",
        "C5MTR,,300,600,900,,,",
        "C5MAZ,,1281,1281,1281,,,",
        "C5PPR,,30,30,30,,,",
        "C5SHZ2000,2000,2100,2100,2100,2000,2000,2000",
        "C5PAA4008,1090,90,2000,2000,1261,1261,1261,2000,2000,2000",
        "C5MTR,,-345,-660,-945,,,",
        "C5PAA4008,1090,90,2100,2100,2100,2100,2100,2100,2100,2100",
    ];
    for step in steps {
        talk.command(step);
        talk.answer("C5@");
    }
    assert_eq!(talk.bench.noted("aspirated").len(), 3, "air is no liquid");
    assert_eq!(
        talk.bench.noted("completed"),
        [
            "completed fp C02 (100) by 3 -> dwp C03 (100)",
            "completed fp D02 (200) by 4 -> dwp D03 (200)",
            "completed fp E02 (300) by 5 -> dwp E03 (300)",
        ]
    );
}

#[test]
fn only_commands_are_visible() {
    let mut talk = Talk::new(Form::Serial, Mode::Listen { sees: Sees::CommandsOnly });
    for line in PROTOCOLS.lines().filter(|line| !line.starts_with([' ', '#'])) {
        talk.command(line);
    }
    let completed = talk.bench.noted("completed");
    assert_eq!(completed.len(), 4);
    assert!(completed.iter().all(|note| note.contains(" Unknown CommandsOnly")), "{completed:?}");
}

/// All protocols as they stand on an RS-232 line.
pub fn session() -> Vec<(Direction, Vec<u8>)> {
    let mut letter = write::FIRST_LETTER;
    let mut session = Vec::new();
    for line in PROTOCOLS.lines().filter(|line| !line.starts_with('#')) {
        let text = line.trim_start();
        let module = Module::new(&text.as_bytes()[..2]).expect("a module");
        if line.starts_with(' ') {
            session.push((Direction::FromInstrument, write::acknowledge(module)));
            let (status, data) = (text.as_bytes()[2] - b'@', &text.as_bytes()[3..]);
            session.push((Direction::FromInstrument, write::answer(Form::Serial, letter, module, status, data)));
        } else {
            letter = write::next_letter(letter);
            session
                .push((Direction::ToInstrument, write::command(Form::Serial, letter, module, &text.as_bytes()[2..])));
        }
    }
    session
}

#[test]
fn a_real_genesis_says_who_it_is_and_what_it_has_not() {
    // A byte capture of a Genesis: firmware version, and the error for a module that is not there.
    let host = |bench: &mut Bench, bytes: &[u8]| bench.bytes(Direction::ToInstrument, bytes);
    let device = |bench: &mut Bench, bytes: &[u8]| bench.bytes(Direction::FromInstrument, bytes);
    let mut bench = Talk::new(Form::Serial, Mode::Listen { sees: Sees::Both }).bench;
    host(&mut bench, b"\x02AM1RFV0\x03\x4e");
    device(&mut bench, b"\x02@M1\x03\x3d\x02QM1@GENESIS-V1.61");
    device(&mut bench, b"-07/2001\x03\x49");
    host(&mut bench, b"\x02@M1\x03\x3d");
    host(&mut bench, &write::command(Form::Serial, b'A', Module::new(b"O1").expect("a module"), b"PIA"));
    device(&mut bench, b"\x02AO1E\x03\x7b");
    assert!(bench.defects.is_empty() && bench.gaps.is_empty(), "{:?} {:?}", bench.defects, bench.gaps);
    assert!(bench.events.is_empty());
    assert_eq!(bench.firmware.as_deref(), Some("GENESIS-V1.61-07/2001"));
}
