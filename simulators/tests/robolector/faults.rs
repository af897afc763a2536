//! Damage on the line: what was heard whole is understood, and nothing is invented.

use std::time::Duration;

use instrument_proto::codec::star::{Damage, Item, Outstanding, Paired, Scanner};
use instrumentd_simulators::robolector::{Dialect, Fault, Faults, Ports, Robolector, Settings, Truth, What};
use instrumentd_simulators::{Control as _, Responsiveness};

use super::ear;
use super::sampling::{counted, deeds, true_deeds};

fn damaged(dialect: Dialect, faults: Faults) -> (Vec<Vec<u8>>, Vec<Truth>, instrumentd_simulators::robolector::Deck) {
    let (_kept, folder) = ear::folder();
    let mut settings = Settings { faults, ..ear::settings(dialect, &folder) };
    settings.plan = ear::columns(&settings.deck, 4, 4);
    let deck = settings.deck.clone();
    let (openings, truths) = ear::run(settings);
    (openings, truths, deck)
}

/// With a check byte nothing false is understood, and what was heard whole is.
#[test]
fn a_damaged_line_loses_only_what_was_damaged() {
    for fault in [
        Fault::LineNoise,
        Fault::SplitFrames,
        Fault::MergedFrames,
        Fault::LostBytes,
        Fault::AlteredBytes,
        Fault::Repeat,
    ] {
        let (openings, truths, deck) = damaged(Dialect::TecanSerial, Faults::default().with(fault, 8));
        let happened = truths
            .iter()
            .filter(|truth| matches!(&truth.what, What::Happened { fault: name, .. } if name == fault.name()))
            .count();
        assert!(happened > 3, "{fault} was asked for");
        let understood = counted(deeds(&Dialect::TecanSerial, &deck, &openings));
        let all = counted(true_deeds(&truths));
        if matches!(fault, Fault::LostBytes | Fault::AlteredBytes) {
            // Where an arm's move was damaged, the next one is read at the place before: the listener here is a simple one. It does not invent volumes.
            assert!(understood.values().sum::<u32>() < all.values().sum::<u32>(), "{fault}: something was lost");
        } else {
            assert_eq!(understood, all, "{fault}");
        }
    }
}

#[test]
fn on_a_damaged_star_line_whole_frames_are_understood() {
    for fault in [
        Fault::LineNoise,
        Fault::SplitFrames,
        Fault::MergedFrames,
        Fault::OutOfOrder,
        Fault::SlaveTimeout,
        Fault::Stall,
    ] {
        let (openings, truths, deck) = damaged(ear::star(), Faults::default().with(fault, 4));
        assert!(
            truths
                .iter()
                .any(|truth| matches!(&truth.what, What::Happened { fault: name, .. } if name == fault.name())),
            "{fault}"
        );
        assert_eq!(counted(deeds(&ear::star(), &deck, &openings)), counted(true_deeds(&truths)), "{fault}");
    }
    for fault in [Fault::LostBytes, Fault::NoReply, Fault::ControllerRestart] {
        let (openings, truths, deck) = damaged(ear::star(), Faults::default().with(fault, 6));
        let understood = counted(deeds(&ear::star(), &deck, &openings));
        let heard = counted(true_deeds(truths.iter().filter(|truth| truth.heard)));
        for (deed, times) in &heard {
            assert!(understood.get(deed).is_some_and(|found| found >= times), "{fault}: {deed} was heard whole");
        }
    }
}

#[test]
fn a_controller_that_starts_anew_counts_from_one_again() {
    let (openings, truths, _) = damaged(ear::star(), Faults::default().with(Fault::ControllerRestart, 3));
    let restarts = truths
        .iter()
        .filter(|truth| matches!(&truth.what, What::Happened { fault, .. } if fault == "controller-restart"))
        .count();
    let text = String::from_utf8_lossy(&openings[0]).into_owned();
    assert!(restarts > 0);
    assert_eq!(text.matches(">C0RMid0001\r\n").count(), restarts + 1);
    let aspirated = truths.iter().filter(|truth| matches!(truth.what, What::Aspirated { .. })).count();
    let dispensed = truths.iter().filter(|truth| matches!(truth.what, What::Dispensed { .. })).count();
    assert!(dispensed < aspirated, "what was under way is given up");
}

#[test]
fn replies_out_of_order_find_their_commands() {
    let (openings, _, _) = damaged(ear::star(), Faults::default().with(Fault::OutOfOrder, 2));
    let Dialect::Star(framing) = ear::star() else { unreachable!("a STAR") };
    let mut table = Outstanding::new(8);
    let (mut orphans, mut overtaken) = (0, 0);
    Scanner::new(framing, None).feed(&openings[0], |item| {
        let Item::Frame(frame) = item else { panic!("only whole frames") };
        match table.place(&frame, || ()) {
            Paired::Orphan => orphans += 1,
            Paired::Reply(pending) => overtaken += u32::from(table.iter().any(|other| other.key.id < pending.key.id)),
            Paired::Command { lost } => assert!(lost.is_empty()),
        }
    });
    assert_eq!(orphans, 0);
    assert!(overtaken > 3, "replies came out of order: {overtaken}");
    assert!(table.is_empty());
}

#[test]
fn a_pulled_cable_costs_only_what_was_on_the_wire() {
    for dialect in [ear::star(), Dialect::TecanSerial] {
        let (_kept, folder) = ear::folder();
        let mut settings = ear::settings(dialect.clone(), &folder);
        settings.plan = ear::columns(&settings.deck, 8, 2);
        settings.faults = Faults::default().with(Fault::Unplug, 12);
        let deck = settings.deck.clone();
        let (openings, truths) = ear::run(settings);
        let pulled = truths
            .iter()
            .filter(|truth| matches!(&truth.what, What::Happened { fault, .. } if fault == "unplug"))
            .count();
        assert!(pulled >= 3, "{dialect:?}: the cable was pulled {pulled} times");
        // Where it is pulled in the first frame after it was plugged, nothing may have come.
        assert!(openings.len() <= pulled + 1 && openings.len() > 1, "{dialect:?}: and plugged again");
        let understood = counted(deeds(&dialect, &deck, &openings));
        let all = counted(true_deeds(&truths));
        if matches!(dialect, Dialect::Star(_)) {
            for (deed, times) in counted(true_deeds(truths.iter().filter(|truth| truth.heard))) {
                assert!(understood.get(&deed).is_some_and(|found| *found >= times), "{deed} was heard whole");
            }
            for (deed, times) in &understood {
                assert!(all.get(deed).is_some_and(|done| done >= times), "{deed} was never done");
            }
        }
    }
}

#[test]
fn half_a_frame_at_a_cut_is_no_frame() {
    let (_kept, folder) = ear::folder();
    let mut settings = ear::settings(ear::star(), &folder);
    settings.plan = ear::columns(&settings.deck, 2, 1);
    let robot = {
        let settings = settings.clone();
        let robot = Robolector::spawn(settings, 64).expect("a terminal");
        robot.pull_cable();
        robot
    };
    let ear = ear::Ear::open(&folder.join("line"));
    let truths: Vec<Truth> = robot.truths().iter().collect();
    robot.join().expect("the plan is done");
    let openings = ear.heard();
    assert!(truths.iter().any(|truth| !truth.heard));
    let Dialect::Star(framing) = ear::star() else { unreachable!("a STAR") };
    let damage: Vec<Damage> = openings
        .iter()
        .flat_map(|bytes| {
            let mut scanner = Scanner::new(framing.clone(), None);
            let mut found = Vec::new();
            scanner.feed(bytes, |item| {
                if let Item::Damaged { why, .. } = item {
                    found.push(why);
                }
            });
            scanner.cut();
            found
        })
        .collect();
    assert_eq!(damage, [], "what was half said was cut, and nothing else suffered");
}

#[test]
fn two_ports_carry_a_side_each() {
    let (_kept, folder) = ear::folder();
    let (commands, replies) = (folder.join("commands"), folder.join("replies"));
    let mut settings = ear::settings(ear::star(), &folder);
    settings.ports = Ports::Two { commands: commands.clone(), replies: replies.clone() };
    settings.plan = ear::columns(&settings.deck, 1, 1);
    let robot = Robolector::spawn(settings, 64).expect("two terminals");
    let ears = [ear::Ear::open(&commands), ear::Ear::open(&replies)];
    assert!(robot.truths().iter().any(|truth| truth.what == What::Ended));
    robot.join().expect("the plan is done");
    let [commands, replies] = ears.map(|ear| String::from_utf8_lossy(&ear.heard().concat()).into_owned());
    assert!(commands.lines().all(|line| line.starts_with('>')), "{commands}");
    assert!(replies.lines().all(|line| line.starts_with('<') && line.contains("er00/00")), "{replies}");
    assert_eq!(commands.lines().count(), replies.lines().count());
}

#[test]
fn a_robot_can_be_silenced_stepped_and_asked_for_more() {
    let (_kept, folder) = ear::folder();
    let mut settings = ear::settings(ear::star(), &folder);
    settings.stay = true;
    let deck = settings.deck.clone();
    let robot = Robolector::spawn(settings, 64).expect("a terminal");
    robot.single_step();
    let ear = ear::Ear::open(&folder.join("line"));
    robot.step();
    robot.step();
    let patience = Duration::from_secs(60);
    assert!(robot.steps().wait_for(2, patience));
    robot.set_responsiveness(Responsiveness::Unresponsive);
    robot.free_run();
    robot.set_responsiveness(Responsiveness::Responsive);
    let access = ear::columns(&deck, 1, 1).accesses.remove(0);
    robot.ask(access).expect("room for one");
    let given = |truth: &Truth| matches!(&truth.what, What::Dispensed { place, .. } if place.well == "F01");
    assert!(robot.truths().iter().any(|truth| given(&truth)), "what was asked for is done");
    robot.stop();
    robot.join().expect("it was switched off");
    drop(ear.heard());
}

#[test]
fn whoever_writes_to_a_tap_is_told_of() {
    let (_kept, folder) = ear::folder();
    let settings = Settings { stay: true, ..ear::settings(ear::star(), &folder) };
    let robot = Robolector::spawn(settings, 64).expect("a terminal");
    let terminal = ear::open(&folder.join("line")).expect("it is there");
    rustix::io::write(&terminal, b"C0RF\r\n").expect("written");
    let said = robot.truths().iter().find_map(|truth| match truth.what {
        What::Commanded { frame } => Some(frame),
        _ => None,
    });
    assert_eq!(said.as_deref(), Some("C0RF\\r\\n"));
}
