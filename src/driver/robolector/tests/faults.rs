//! What goes wrong with a robot, and what is told of it.

use super::support::{Bench, water};
use crate::driver::{Direction, Mode, Sees, StreamInput};
use crate::event::body::Body;
use crate::event::liquid::Outcome;
use crate::profile::deck::Role;

/// Wells of the first column of the FlowerPlate, by channel.
const FLOWER: [(u32, u32); 6] = [(3024, 1467), (3024, 1337), (3024, 1207), (3024, 1077), (3024, 947), (3024, 817)];
const DEEP: [(u32, u32); 8] =
    [(2984, 2417), (2984, 2327), (2984, 2237), (2984, 2147), (2984, 2057), (2984, 1967), (2984, 1877), (2984, 1787)];

fn list(values: impl Iterator<Item = u32>, width: usize) -> String {
    let values: Vec<String> = values.map(|value| format!("{value:0width$}")).collect();
    values.join(" ") + if values.len() < 8 { "&" } else { "" }
}

/// A command for the first so many channels, at these places.
pub fn command(name: &str, id: u32, places: &[(u32, u32)], volume: u32) -> String {
    let n = places.len();
    let mut text = format!(
        "C0{name}id{id:04}tm{}xp{}yp{}",
        list((0..n).map(|_| 1), 1),
        list(places.iter().map(|place| place.0), 5),
        list(places.iter().map(|place| place.1), 4)
    );
    match name {
        "AS" => text += &format!("av{}", list((0..n).map(|_| volume), 5)),
        "DS" => text += &format!("dv{}dm{}", list((0..n).map(|_| volume), 5), list((0..n).map(|_| 2), 1)),
        _ => text += "tt01",
    }
    text
}

fn listening() -> Bench {
    Bench::listening("robolector", |deck| deck.liquid_class = Some(water()))
}

fn ok(name: &str, id: u32) -> String {
    format!("C0{name}id{id:04}er00/00")
}

#[test]
fn one_of_eight_channels_fails_and_the_other_seven_succeed() {
    let mut bench = Bench::listening("robolector", |deck| {
        deck.labware.retain(|labware| labware.name != "fp");
        deck.labware[0].role = Role::Cultivation;
        deck.labware[0].cultivation_device = Some("biolector-1".parse().expect("a name"));
    });
    bench.exchange(&command("TP", 1, &DEEP, 0), &ok("TP", 1));
    let all_but_four = "C0ASid0002er99/00 P100/00 P200/00 P300/00 P404/81 P500/00 P600/00 P700/00 P800/00";
    bench.exchange(&command("AS", 2, &DEEP, 1072), all_but_four);
    assert_eq!(bench.noted("aspirated").len(), 7);
    let failed = bench.noted("failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(
        failed[0],
        "failed aspirate at dwp D01 by 4: channel 4: clot detected (04/81) (others [1, 2, 3, 5, 6, 7, 8])"
    );
    let Body::SamplingFailed(body) =
        &bench.events.iter().find(|event| matches!(event.body, Body::SamplingFailed(_))).expect("there").body
    else {
        panic!("a failure")
    };
    let error = &body.errors[0];
    assert_eq!((error.module.as_str(), error.channel, error.code, error.trace), ("P4", Some(4), 4, Some(81)));
    assert_eq!(body.source.as_ref().and_then(|source| source.piston_volume_ul), Some(107.2));
    assert!(body.cultivation.is_some());
}

#[test]
fn a_master_error_fails_all_channels_of_the_command() {
    let mut bench = listening();
    bench.exchange(&command("AS", 1, &FLOWER[..2], 1072), "C0ASid0001er16/40");
    assert_eq!(bench.noted("failed aspirate").len(), 2);
    assert!(bench.noted("aspirated").is_empty());
}

#[test]
fn a_dispense_that_failed_can_be_done_again() {
    let mut bench = listening();
    bench.exchange(&command("TP", 1, &FLOWER[..1], 0), &ok("TP", 1));
    bench.exchange(&command("AS", 2, &FLOWER[..1], 1072), &ok("AS", 2));
    bench.exchange(&command("DS", 3, &DEEP[..1], 1072), "C0DSid0003er99/00 P102/61");
    assert!(bench.noted("failed dispense at fp A01 by 1").len() == 1, "{:?}", bench.told());
    bench.exchange(&command("DS", 4, &DEEP[..1], 1072), &ok("DS", 4));
    assert_eq!(bench.noted("completed"), ["completed fp A01 -100(107.2) by 1 -> dwp A01 100(107.2)"]);
}

#[test]
fn a_dispense_without_an_aspirate_says_so() {
    let mut bench = listening();
    bench.exchange(&command("TP", 1, &DEEP[..1], 0), &ok("TP", 1));
    bench.exchange(&command("DS", 2, &DEEP[..1], 500), &ok("DS", 2));
    bench.exchange(&command("DS", 3, &FLOWER[..1], 500), &ok("DS", 3));
    assert_eq!(bench.noted("dispensed")[0], "dispensed dwp A01 46.642(50) by 1 for Unknown NoAspirate");
    assert_eq!(bench.noted("added"), ["added A01 46.642(50) from ? of unknown NoAspirate"]);
    assert!(bench.noted("completed").is_empty());
}

#[test]
fn a_position_that_fits_no_well_is_told_and_not_rounded() {
    let mut bench = listening();
    bench.exchange(&command("AS", 1, &[(3090, 1467)], 1072), &ok("AS", 1));
    bench.exchange(&command("AS", 2, &[(7000, 4000)], 1072), &ok("AS", 2));
    let told = bench.noted("aspirated");
    assert_eq!(told[0], "aspirated fp (309.0 146.7) -100(107.2) by 1 OffWell NoTip");
    assert_eq!(told[1], "aspirated ? (700.0 400.0) -100(107.2) by 1 OffWell NoTip");
    let Body::Aspirated(body) = &bench.events[1].body else { panic!("{:?}", bench.told()) };
    assert_eq!(body.text.as_deref(), Some("the position fits no well of `fp`: the nearest is A02, 6.4 mm away"));
}

#[test]
fn more_than_a_well_holds_is_an_over_draw() {
    let mut bench = listening();
    for id in 1..=4 {
        bench.exchange(&command("AS", id, &FLOWER[..1], 10_000), &ok("AS", id));
    }
    let told = bench.noted("aspirated");
    assert!(!told[2].contains("OverDrawn") && told[3].contains("OverDrawn"), "{told:?}");
}

#[test]
fn a_lost_reply_makes_the_outcome_unknown() {
    let mut bench = listening();
    bench.exchange(&command("TP", 1, &FLOWER[..1], 0), &ok("TP", 1));
    bench.command(&command("AS", 2, &FLOWER[..1], 1072));
    bench.run_out("reply");
    assert_eq!(bench.noted("aspirated"), ["aspirated fp A01 -100(107.2) by 1 Unknown ReplyLost"]);
    assert_eq!(bench.gaps.len(), 1);
    assert_eq!(bench.gaps[0].0, "lost-reply");
    // It comes after all, and is nobody's answer.
    bench.reply(&ok("AS", 2));
    assert_eq!(bench.defects, [("late-reply", 1)]);
    bench.exchange(&command("DS", 3, &DEEP[..1], 1072), &ok("DS", 3));
    assert_eq!(bench.noted("completed"), ["completed fp A01 -100(107.2) by 1 -> dwp A01 100(107.2) Unknown ReplyLost"]);
}

#[test]
fn an_arm_that_goes_on_shows_that_a_reply_is_lost() {
    let mut bench = listening();
    bench.command(&command("AS", 1, &FLOWER[..1], 1072));
    bench.exchange(&command("DS", 2, &DEEP[..1], 1072), &ok("DS", 2));
    assert!(bench.noted("aspirated").is_empty(), "the reply may still come");
    bench.command(&command("TR", 3, &DEEP[..1], 0));
    assert_eq!(bench.noted("completed").len(), 1);
    assert!(
        bench.noted("completed")[0].ends_with("Unknown NoTip ReplyLost")
            || bench.noted("completed")[0].contains("ReplyLost")
    );
}

#[test]
fn replies_out_of_order_are_told_in_order() {
    let mut bench = listening();
    bench.command(&command("TP", 1, &FLOWER[..1], 0));
    bench.command(&command("AS", 2, &FLOWER[..1], 1072));
    bench.command(&command("DS", 3, &DEEP[..1], 1072));
    bench.reply(&ok("DS", 3));
    bench.reply(&ok("AS", 2));
    assert!(bench.noted("aspirated").is_empty());
    bench.reply(&ok("TP", 1));
    assert_eq!(bench.noted("completed"), ["completed fp A01 -100(107.2) by 1 -> dwp A01 100(107.2)"]);
    assert!(bench.gaps.is_empty());
}

#[test]
fn a_slow_head_is_waited_for() {
    let mut bench = listening();
    let aspirate = "C0EAid0001aa0xs02984xd0yh2417af01072cwFFFFFFFFFFFFFFFFFFFFFFFF";
    bench.exchange(aspirate, "C0EAid0001er99/00 H002/11");
    assert!(bench.noted("aspirated").is_empty() && bench.noted("failed").is_empty());
    bench.exchange("C0EVid0002", "C0EVid0002er99/00 H001/40");
    assert!(bench.noted("aspirated").is_empty(), "it is still busy");
    bench.exchange("C0EVid0003", "C0EVid0003er00/00");
    let told = bench.noted("aspirated");
    assert_eq!(told.len(), 96);
    assert_eq!(told[0], "aspirated dwp A01 -100(107.2) by 101 NoTip SlaveTimeOut");
}

#[test]
fn a_slow_head_of_which_nobody_hears_again_is_unknown() {
    let mut bench = listening();
    let aspirate = "C0EAid0001aa0xs02984xd0yh2417af01072cw000000000000000000000001";
    bench.exchange(aspirate, "C0EAid0001er99/00 H002/11");
    bench.run_out("reply");
    assert_eq!(bench.noted("aspirated"), ["aspirated dwp A01 -100(107.2) by 101 Unknown NoTip SlaveTimeOut"]);
}

#[test]
fn an_aborted_batch_fails_step_by_step_and_its_liquid_is_accounted_for() {
    let mut bench = listening();
    bench.exchange(&command("TP", 1, &FLOWER[..2], 0), &ok("TP", 1));
    bench.exchange(&command("AS", 2, &FLOWER[..2], 1072), &ok("AS", 2));
    bench.exchange(&command("DS", 3, &DEEP[..2], 1072), "C0DSid0003er10/00");
    bench.exchange("C0DIid0004xp08000 08000&yp4050 3782&tp2000tz1700te2450tm1 1&tt04ti0", &ok("DI", 4));
    assert_eq!(bench.noted("failed dispense").len(), 2);
    assert_eq!(bench.noted("failed interrupted").len(), 2);
    assert!(bench.noted("completed").is_empty());
}

#[test]
fn without_replies_on_the_line_every_outcome_is_unknown() {
    let mut bench = Bench::new("robolector", |_| {});
    bench.open(Mode::Listen { sees: Sees::CommandsOnly });
    assert_eq!(bench.operations, ["listening-commands-only"]);
    for text in
        [command("TP", 1, &FLOWER[..1], 0), command("AS", 2, &FLOWER[..1], 1072), command("DS", 3, &DEEP[..1], 1072)]
    {
        bench.command(&text);
    }
    let completed = bench.noted("completed");
    assert_eq!(completed, ["completed fp A01 (107.2) by 1 -> dwp A01 (107.2) Unknown CommandsOnly"]);
    assert!(bench.events.iter().all(|event| match &event.body {
        Body::SamplingCompleted(body) => body.outcome == Outcome::Unknown && body.volume_ul.is_none(),
        _ => true,
    }));
}

#[test]
fn both_directions_on_one_port_are_told_apart() {
    let mut bench = listening();
    for (name, places) in [("TP", &FLOWER[..1]), ("AS", &FLOWER[..1]), ("DS", &DEEP[..1])] {
        bench.bytes(Direction::Either, format!("{}\r\n", command(name, 7, places, 1072)).as_bytes());
        bench.bytes(Direction::Either, format!("{}\r\n", ok(name, 7)).as_bytes());
    }
    assert_eq!(bench.noted("completed"), ["completed fp A01 -100(107.2) by 1 -> dwp A01 100(107.2)"]);
}

#[test]
fn a_cut_line_loses_only_what_was_on_it() {
    let mut bench = listening();
    bench.exchange(&command("TP", 1, &FLOWER[..1], 0), &ok("TP", 1));
    bench.exchange(&command("AS", 2, &FLOWER[..1], 1072), &ok("AS", 2));
    for cut in 0..100u32 {
        let text = command("DS", 3, &DEEP[..1], 1072);
        bench.bytes(Direction::ToInstrument, &text.as_bytes()[..(cut as usize + 1) % text.len()]);
        bench.stream(StreamInput::Closed { reason: "unplugged" });
        bench.open_as(&format!("epoch-{}", cut + 2), Mode::Listen { sees: Sees::Both }, false);
    }
    assert!(bench.defects.is_empty(), "what was half read does not count: {:?}", bench.defects);
    bench.exchange(&command("DS", 3, &DEEP[..1], 1072), &ok("DS", 3));
    assert_eq!(bench.noted("completed"), ["completed fp A01 -100(107.2) by 1 -> dwp A01 100(107.2) AfterGap"]);
}

#[test]
fn a_command_on_the_way_when_the_line_is_cut_is_unknown() {
    let mut bench = listening();
    bench.command(&command("AS", 1, &FLOWER[..1], 1072));
    bench.stream(StreamInput::Closed { reason: "unplugged" });
    assert_eq!(bench.noted("aspirated"), ["aspirated fp A01 -100(107.2) by 1 Unknown NoTip ReplyLost"]);
    assert_eq!(bench.noted("access ended").len(), 1);
}

#[test]
fn a_command_that_was_altered_on_the_way_is_refused_and_its_reply_leaves_a_gap() {
    let mut bench = listening();
    let text = command("AS", 1, &FLOWER[..1], 1072).replace("xp03024", "xp0302");
    bench.exchange(&text, &ok("AS", 1));
    assert!(bench.noted("aspirated").is_empty());
    assert_eq!(bench.gaps.iter().map(|gap| gap.0).collect::<Vec<_>>(), ["unreadable-command"]);
    // Its id was altered: the reply pairs with nothing.
    bench.exchange(&command("AS", 2, &FLOWER[..1], 1072), &ok("AS", 3));
    assert!(bench.noted("aspirated").is_empty());
    assert_eq!(bench.gaps[1].0, "unpaired-reply");
}

#[test]
fn noise_between_frames_invents_no_event() {
    let mut bench = listening();
    for noise in [&b"\r\n\x00\xff\x80garbage\r\n"[..], b"C0\r\nid0001\r\n", b"\x02\x03\x02ABC\n", b"er99/00\r\n"] {
        bench.bytes(Direction::ToInstrument, noise);
        bench.bytes(Direction::FromInstrument, noise);
    }
    assert!(bench.events.is_empty() && bench.gaps.is_empty());
    bench.exchange(&command("AS", 1, &FLOWER[..1], 1072), &ok("AS", 1));
    assert_eq!(bench.noted("aspirated").len(), 1);
}

#[test]
fn an_arm_that_is_not_heard_of_again_has_left() {
    let mut bench = listening();
    bench.exchange(&command("AS", 1, &FLOWER[..1], 1072), &ok("AS", 1));
    bench.run_out("access");
    assert_eq!(bench.noted("access"), ["access", "access ended: silence after 0"]);
}

#[test]
fn a_lid_that_was_moved_is_no_plate() {
    let mut bench = listening();
    bench.exchange("C0PPid0001xs03479xd0yj1142yd0gr1", "C0PPid0001er00/00");
    bench.exchange("C0PRid0002xs03479xd0yj4022yd0gr1", "C0PRid0002er00/00");
    bench.exchange(&command("AS", 3, &FLOWER[..1], 1072), &ok("AS", 3));
    assert_eq!(bench.noted("aspirated"), ["aspirated fp A01 -100(107.2) by 1 NoTip"]);
}

#[test]
fn a_plate_that_the_gripper_lost_is_removed() {
    let mut bench = listening();
    bench.exchange("C0PPid0001xs03479xd0yj1142yd0gr1", "C0PPid0001er99/00 R000/94");
    assert_eq!(bench.noted("moved"), ["moved fp from fp to ? turned 0 Failed"]);
    bench.exchange("C0PPid0003xs03479xd0yj1142yd0gr1", "C0PPid0003er00/00");
    bench.exchange("C0PRid0004xs03479xd0yj4022yd0gr1", "C0PRid0004er99/00 R023/00");
    assert_eq!(bench.noted("removed"), ["removed fp: gripped-and-lost"]);
}

#[test]
fn silence_ends_a_frame_where_nothing_else_does() {
    silence_ends_a_frame(crate::profile::robolector::Terminator::None);
}

#[test]
fn silence_ends_a_frame_also_where_a_terminator_could() {
    silence_ends_a_frame(crate::profile::robolector::Terminator::Any);
}

fn silence_ends_a_frame(terminator: crate::profile::robolector::Terminator) {
    let mut profile = crate::profile::shipped("robolector").expect("shipped");
    let crate::profile::Kind::Robolector(robot) = &mut std::sync::Arc::make_mut(&mut profile).kind else {
        panic!("a robot")
    };
    let crate::profile::robolector::Dialect::Star(star) = &mut robot.dialect else { panic!("a STAR") };
    star.terminator = terminator;
    star.gap = std::time::Duration::from_millis(50);
    let deck = super::support::deck(&profile);
    let mut bench = Bench::with(profile, deck);
    bench.open(Mode::Listen { sees: Sees::Both });
    bench.bytes(Direction::ToInstrument, command("AS", 1, &FLOWER[..1], 1072).as_bytes());
    bench.pass(1);
    bench.bytes(Direction::FromInstrument, ok("AS", 1).as_bytes());
    assert!(bench.noted("aspirated").is_empty(), "the reply may go on");
    bench.run_out("gap");
    assert_eq!(bench.noted("aspirated"), ["aspirated fp A01 (107.2) by 1 NoTip"]);
}
