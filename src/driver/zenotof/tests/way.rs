//! The way of a set to its end.

use std::time::Duration;

use super::made::Made;
use super::world::{File, MINUTE, Thing, World, profile};
use crate::driver::zenotof::Settings;
use crate::driver::zenotof::position::{Numbering, Rule};
use crate::event::Body;
use crate::event::acquisition::Evidence;
use crate::profile::ZenotofProfile;
use crate::profile::zenotof::Member;

const SECOND: Duration = Duration::from_secs(1);

fn world() -> World {
    World::new(profile(), Settings::default())
}

fn rules(evidence: &[Evidence]) -> Vec<&'static str> {
    evidence.iter().map(|one| one.rule).collect()
}

/// The rules of the last event, which must be an end.
fn end_rules(world: &World) -> Vec<&'static str> {
    match &world.events.last().expect("an event").body {
        Body::AcquisitionCompleted(ended) | Body::AcquisitionAborted(ended) => rules(&ended.evidence),
        other => panic!("no end: {other:?}"),
    }
}

#[test]
fn a_set_that_grows_is_told_as_it_goes_and_ends_after_the_settling_time() {
    let (mut made, mut world) = (Made::new("S", 0), world());
    made.show(&mut world);
    assert!(world.told().is_empty(), "nobody knows yet who it is");
    made.begin("id-1").measure(10).show(&mut world);
    assert_eq!(world.told(), ["started"]);
    made.measure(300).show(&mut world);
    assert_eq!(world.told(), ["started", "progressed"]);
    made.end().show(&mut world);
    assert_eq!(world.told(), ["started", "progressed", "sample-completed"]);
    world.pass(59 * SECOND);
    assert_eq!(world.ends(), 0);
    world.pass(2 * SECOND);
    assert_eq!(world.told(), ["started", "progressed", "sample-completed", "completed"]);
    for rule in ["index-chain", "end-of-run", "unchanged", "hashed-unchanged"] {
        assert!(end_rules(&world).contains(&rule), "{rule}");
    }
    let Body::AcquisitionCompleted(ended) = &world.events[3].body else { panic!("not complete") };
    assert!(
        ended.file_set.members.iter().all(|member| member.sha256.as_ref().is_some_and(|digest| digest.len() == 64))
    );
    world.pass(100 * MINUTE);
    assert_eq!(world.events.len(), 4);
}

#[test]
fn each_sample_is_told_as_it_ends_and_between_two_of_them_nothing_is_complete() {
    let (mut made, mut world) = (Made::new("S", 0), world());
    for sample in 1..=13 {
        made.begin("").measure(5).show(&mut world);
        world.pass(20 * SECOND);
        made.measure(5).show(&mut world);
        world.pass(20 * SECOND);
        made.end().show(&mut world);
        // Quiet between two samples, as in real files.
        world.pass(20 * SECOND);
        assert_eq!((world.ends(), world.events.len()), (0, 1 + sample));
    }
    world.pass(MINUTE);
    assert_eq!(world.ends(), 1);
    let indices: Vec<u32> = world
        .events
        .iter()
        .filter_map(|event| match &event.body {
            Body::SampleCompleted(sample) => Some(sample.index),
            _ => None,
        })
        .collect();
    assert_eq!(indices, (1..=13).collect::<Vec<_>>());
}

#[test]
fn the_batchs_number_of_samples_ends_the_wait() {
    let (mut made, mut world) = (Made::new("S", 0), world());
    made.sample().show(&mut world);
    world.expected("data/S", 2);
    world.pass(2 * MINUTE);
    assert_eq!(world.ends(), 0, "one more is to come");
    made.begin("").measure(3).show(&mut world);
    world.pass(2 * SECOND);
    assert_eq!(world.ends(), 0, "it has not ended");
    made.measure(3).end().show(&mut world);
    world.pass(Duration::from_millis(1500));
    assert_eq!(world.ends(), 1);
    assert!(end_rules(&world).contains(&"expected-samples"));
}

#[test]
fn a_batch_that_was_broken_off_ends_after_the_idle_time() {
    let (mut made, mut world) = (Made::new("S", 0), world());
    made.sample().show(&mut world);
    world.expected("data/S", 30);
    world.pass(14 * MINUTE);
    assert_eq!(world.ends(), 0);
    world.pass(2 * MINUTE);
    assert!(end_rules(&world).contains(&"fewer-samples"));
}

#[test]
fn the_next_acquisition_ends_the_wait() {
    let (mut made, mut next, mut world) = (Made::new("S", 0), Made::new("T", 600), world());
    made.sample().show(&mut world);
    world.pass(10 * SECOND);
    next.begin("").measure(3).show(&mut world);
    world.pass(Duration::from_millis(1500));
    assert_eq!(world.ends(), 1);
    assert!(end_rules(&world).contains(&"next-acquisition"));
}

#[test]
fn an_acquisition_that_began_before_is_not_the_next_one() {
    let (mut made, mut before, mut world) = (Made::new("S", 600), Made::new("R", 0), world());
    made.sample().show(&mut world);
    before.begin("").measure(3).show(&mut world);
    world.pass(30 * SECOND);
    // The earlier one is over, although it came later and its log has no end; the later one may go on.
    assert_eq!(world.ends(), 1);
    let Body::AcquisitionCompleted(ended) = &world.events.last().expect("an event").body else { panic!("no end") };
    assert_eq!(ended.file_set.set.name, "R");
}

#[test]
fn an_aborted_run_is_aborted_although_its_log_has_an_end() {
    let (mut made, mut world) = (Made::new("S", 0), world());
    made.sample().begin("").measure(3).abort().show(&mut world);
    world.pass(2 * MINUTE);
    assert_eq!(world.told(), ["started", "sample-completed", "sample-completed", "aborted"]);
    let Body::SampleCompleted(sample) = &world.events[2].body else { panic!("no sample") };
    assert_eq!(sample.status, "aborted");
}

#[test]
fn a_run_that_was_aborted_before_its_first_scan_ends() {
    let (mut made, mut world) = (Made::new("S", 0), world());
    made.begin("").abort().show(&mut world);
    world.pass(2 * MINUTE);
    assert_eq!(world.told().last(), Some(&"aborted"));
}

#[test]
fn a_conversion_that_takes_hours_is_converting() {
    let (mut made, mut world) = (Made::new("S", 0), world());
    made.begin("").measure(20).end();
    let whole = made.scan.clone();
    made.scan.truncate(44);
    made.show(&mut world);
    world.pass(23 * 60 * MINUTE);
    assert_eq!(world.told(), ["started", "progressed"]);
    let Body::AcquisitionProgressed(progressed) = &world.events[1].body else { panic!("no progress") };
    assert_eq!(progressed.state, "converting");
    // The conversion fills it, in two steps.
    made.scan = whole[..100].to_vec();
    made.show(&mut world);
    world.pass(MINUTE);
    made.scan = whole;
    made.show(&mut world);
    world.pass(2 * MINUTE);
    assert_eq!(world.told(), ["started", "progressed", "sample-completed", "completed"]);
}

#[test]
fn a_conversion_that_never_comes_is_incomplete() {
    let (mut made, mut world) = (Made::new("S", 0), world());
    made.begin("").measure(20).end();
    made.scan.truncate(44);
    made.show(&mut world);
    world.pass(25 * 60 * MINUTE);
    assert_eq!(world.told(), ["started", "progressed", "incomplete"]);
    let Body::AcquisitionIncomplete(incomplete) = &world.events[2].body else { panic!("not incomplete") };
    assert!(rules(&incomplete.evidence).contains(&"conversion-timeout"));
}

#[test]
fn reserved_space_takes_every_shortcut_away() {
    let (mut made, mut next, mut world) = (Made::new("S", 0), Made::new("T", 600), world());
    made.sample();
    let mut files = made.files("S", 1);
    let scan = files.get_mut(&Member::Scan).expect("there");
    let whole = scan.bytes.clone();
    scan.bytes[44..].fill(0);
    world.sets.insert("data/S".into(), Thing::Files(files.clone()));
    world.show("data/S");
    world.expected("data/S", 1);
    next.begin("").show(&mut world);
    world.pass(30 * SECOND);
    assert_eq!(world.told(), ["started", "started"]);
    files.insert(Member::Scan, File { bytes: whole, modified: 2, ..files[&Member::Scan].clone() });
    world.sets.insert("data/S".into(), Thing::Files(files));
    world.show("data/S");
    world.pass(50 * SECOND);
    assert_eq!(world.ends(), 0);
    world.pass(20 * SECOND);
    assert_eq!(world.ends(), 1);
}

#[test]
fn a_wiff2_that_is_not_whole_holds_the_end_back() {
    for (bytes, journal) in [(vec![0; 4096], false), (sound(4095), false), (sound(8192), true), (Vec::new(), false)] {
        let (mut made, mut world) = (Made::new("S", 0), world());
        made.others.insert(Member::Wiff2, bytes);
        made.sample();
        let mut seen = super::world::observation("data/S", &made.files("S", 1));
        seen.journal = journal;
        world.seen("data/S", seen);
        world.pass(10 * MINUTE);
        assert_eq!(world.ends(), 0);
        world.pass(10 * MINUTE);
        assert_eq!(world.told().last(), Some(&"incomplete"));
    }
    let (mut made, mut world) = (Made::new("S", 0), world());
    made.others.insert(Member::Wiff2, sound(8192));
    made.sample().show(&mut world);
    world.pass(2 * MINUTE);
    assert!(end_rules(&world).contains(&"wiff2-sound"));
}

fn sound(size: usize) -> Vec<u8> {
    let mut bytes = vec![0xa7; size];
    bytes[16..24].copy_from_slice(&[0x10, 0, 1, 1, 0x0c, 0x40, 0x20, 0x20]);
    bytes
}

#[test]
fn a_wiff2_that_the_profile_requires_is_waited_for() {
    let required = vec![Member::Wiff, Member::Scan, Member::Wiff2];
    let mut world = World::new(ZenotofProfile { required, ..profile() }, Settings::default());
    let mut made = Made::new("S", 0);
    made.sample().show(&mut world);
    world.pass(10 * MINUTE);
    assert_eq!(world.ends(), 0);
    made.others.insert(Member::Wiff2, sound(4096));
    made.show(&mut world);
    world.pass(2 * MINUTE);
    assert_eq!(world.ends(), 1);
}

#[test]
fn a_position_is_a_well_by_the_configured_rule_only() {
    for (numbering, well) in
        [(None, None), (Some(Numbering { rule: Rule::DownColumns, rows: 8, columns: 12 }), Some("B01"))]
    {
        let mut world = World::new(profile(), Settings { numbering, ..Settings::default() });
        let mut made = Made::new("S", 0);
        made.sample().sample().show(&mut world);
        world.pass(2 * MINUTE);
        let Body::SampleCompleted(sample) = &world.events[2].body else { panic!("no sample") };
        assert_eq!(sample.well.map(|well| well.to_string()).as_deref(), well);
        assert_eq!((sample.position_raw.as_deref(), sample.well_rule.is_some()), (Some("02"), well.is_some()));
    }
}

#[test]
fn a_shot_list_is_planned_and_never_ejected() {
    let (mut made, mut world) = (Made::new("S", 0), world());
    made.begin("A01, A02, B01, B02, Marker 1").measure(20).end().show(&mut world);
    world.pass(2 * MINUTE);
    assert_eq!(world.told(), ["started", "sample-completed", "planned", "completed"]);
    let Body::EjectionPlanned(planned) = &world.events[2].body else { panic!("no plan") };
    let order: Vec<&str> = planned.ejections.iter().map(|one| one.text.as_str()).collect();
    assert_eq!(order, ["A01", "A02", "B02", "Marker 1", "B01"]);
    assert_eq!((planned.order, planned.basis), ("serpentine", "shot-list"));
}

#[test]
fn a_restart_at_any_look_changes_nothing() {
    let run = |kill_at: Option<usize>| {
        let (mut made, mut world) = (Made::new("S", 0), world());
        let mut step = 0;
        let mut next = |world: &mut World, time: Duration| {
            world.pass(time);
            if kill_at == Some(step) {
                world.restart();
            }
            step += 1;
        };
        for _ in 0..3 {
            made.begin("").measure(250).show(&mut world);
            next(&mut world, 10 * SECOND);
            made.measure(50).end().show(&mut world);
            next(&mut world, 10 * SECOND);
        }
        for _ in 0..4 {
            next(&mut world, 21 * SECOND);
        }
        (world.told(), world.ids())
    };
    let whole = run(None);
    assert_eq!(whole.0.iter().filter(|name| **name == "completed").count(), 1);
    for kill_at in 0..10 {
        assert_eq!(run(Some(kill_at)), whole, "killed at {kill_at}");
    }
}

#[test]
fn what_lies_there_is_judged_at_once_when_nothing_more_comes() {
    let (mut made, mut world) = (Made::new("S", 0), world());
    made.sample().show(&mut world);
    world.ended("data/S");
    assert_eq!(world.told(), ["started", "sample-completed", "completed"]);
    let (mut made, mut world) = (Made::new("S", 0), self::world());
    made.sample();
    made.scan.pop();
    made.show(&mut world);
    world.ended("data/S");
    assert_eq!(world.told(), ["started", "incomplete"]);
}
