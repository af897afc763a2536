//! What becomes of a set after its end.

use std::collections::BTreeMap;

use super::made::Made;
use super::world::{File, MINUTE, Thing, World, profile};
use crate::driver::zenotof::Settings;
use crate::event::Body;
use crate::profile::zenotof::Member;

/// A world with a set of one sample that is complete, its maker, and its files.
fn ended() -> (World, Made, BTreeMap<Member, File>) {
    let mut world = World::new(profile(), Settings::default());
    let mut made = Made::new("S", 0);
    made.sample().show(&mut world);
    world.pass(2 * MINUTE);
    assert_eq!(world.told(), ["started", "sample-completed", "completed"]);
    world.events.clear();
    let Thing::Files(files) = world.sets["data/S"].clone() else { panic!("no files") };
    (world, made, files)
}

fn show(world: &mut World, files: BTreeMap<Member, File>) {
    world.sets.insert("data/S".into(), Thing::Files(files));
    world.show("data/S");
}

#[test]
fn another_sample_reopens_at_once_and_ends_as_the_next_revision() {
    let (mut world, mut made, _) = ended();
    made.begin("").measure(5).show(&mut world);
    assert_eq!(world.told(), ["reopened"]);
    made.measure(5).end().show(&mut world);
    world.pass(2 * MINUTE);
    assert_eq!(world.told(), ["reopened", "sample-completed", "completed"]);
    let Body::AcquisitionCompleted(end) = &world.events[2].body else { panic!("not complete") };
    assert_eq!((end.file_set.set.revision, end.samples, world.events[2].revision), (2, 2, 2));
    let Body::SampleCompleted(sample) = &world.events[1].body else { panic!("no sample") };
    assert_eq!(sample.index, 2);
}

#[test]
fn other_content_of_the_same_size_reopens_and_the_same_content_does_not() {
    for same in [true, false] {
        let (mut world, _, mut files) = ended();
        let wiff = files.get_mut(&Member::Wiff).expect("there");
        (wiff.modified, wiff.inode) = (9_000, 77);
        if !same {
            // In the name of the software: nothing that completeness looks at.
            let at = wiff.bytes.windows(4).position(|four| four == b"C\0I\0").expect("the software's name");
            wiff.bytes[at] = b'K';
        }
        show(&mut world, files);
        world.restart();
        world.pass(5 * MINUTE);
        let told: &[&str] = if same { &[] } else { &["reopened", "completed"] };
        assert_eq!(world.told(), told);
    }
}

#[test]
fn a_set_that_is_restored_over_itself_is_not_reopened() {
    let (mut world, _, files) = ended();
    // Truncated first, then filled again.
    let scan = &files[&Member::Scan];
    for (size, modified) in [(0, 5_000), (60, 5_001), (scan.bytes.len(), 5_002)] {
        let bytes = scan.bytes[..size].to_vec();
        let part = File { bytes, modified, ..scan.clone() };
        let mut now = files.clone();
        now.insert(Member::Scan, part);
        show(&mut world, now);
        world.pass(MINUTE / 2);
    }
    world.pass(5 * MINUTE);
    assert!(world.told().is_empty());
}

#[test]
fn a_file_that_is_cut_off_for_good_reopens_and_is_then_incomplete() {
    let (mut world, _, mut files) = ended();
    let scan = files.get_mut(&Member::Scan).expect("there");
    scan.bytes.pop();
    scan.modified = 5_000;
    show(&mut world, files);
    world.pass(60 * MINUTE);
    assert_eq!(world.told(), ["reopened", "incomplete"]);
    let Body::AcquisitionReopened(reopened) = &world.events[0].body else { panic!("not reopened") };
    assert_eq!((reopened.changes[0].what, reopened.file_set.revision), ("shrank", 2));
}

#[test]
fn a_late_member_reopens() {
    let (mut world, _, mut files) = ended();
    let scan = files[&Member::Scan].clone();
    let report = File { path: "S_report.txt".to_owned(), bytes: b"x".to_vec(), inode: 99, ..scan };
    files.insert(Member::Report, report);
    show(&mut world, files);
    world.pass(5 * MINUTE);
    assert_eq!(world.told(), ["reopened", "completed"]);
}

#[test]
fn a_renamed_set_is_relocated_also_member_by_member() {
    let (mut world, _, mut files) = ended();
    for kind in [Member::Wiff, Member::Scan] {
        let file = files.get_mut(&kind).expect("there");
        file.path = format!("archive/{}", file.path);
        show(&mut world, files.clone());
        world.restart();
        world.pass(10 * MINUTE);
    }
    assert_eq!(world.told(), ["relocated", "relocated"]);
    let Body::AcquisitionRelocated(relocated) = &world.events[1].body else { panic!("not relocated") };
    assert_eq!((relocated.verified_by, relocated.moves.len()), ("file-identity", 1));
    assert_eq!(relocated.moves[0].from.path, "S.wiff.scan");
    assert_eq!(relocated.moves[0].to.path, "archive/S.wiff.scan");
    assert!(relocated.file_set.members.iter().all(|member| member.sha256.is_some()));
}

#[test]
fn a_set_that_was_copied_elsewhere_is_relocated_by_its_content() {
    let (mut world, _, mut files) = ended();
    for (inode, file) in (500..).zip(files.values_mut()) {
        (file.path, file.inode, file.modified) = (format!("archive/{}", file.path), inode, 7_000);
    }
    show(&mut world, files);
    world.pass(5 * MINUTE);
    assert_eq!(world.told(), ["relocated"]);
    let Body::AcquisitionRelocated(relocated) = &world.events[0].body else { panic!("not relocated") };
    assert_eq!((relocated.verified_by, relocated.moves.len()), ("sha256", 2));
}

#[test]
fn members_that_are_gone_make_nothing_incomplete() {
    for kept in [Member::Wiff, Member::Scan] {
        let (mut world, _, mut files) = ended();
        files.retain(|kind, _| *kind == kept);
        show(&mut world, files);
        world.pass(100 * MINUTE);
        assert!(world.told().is_empty(), "{:?}", world.told());
    }
}

#[test]
fn another_acquisition_under_the_same_name_is_another_one() {
    let (mut world, _, _) = ended();
    let mut other = Made::new("S", 5_000);
    other.sample().show(&mut world);
    world.pass(2 * MINUTE);
    assert_eq!(world.told(), ["started", "sample-completed", "completed"]);
    // One that is open when it is overwritten is told as incomplete.
    let mut world = World::new(profile(), Settings::default());
    let mut first = Made::new("S", 0);
    first.begin("").measure(3).show(&mut world);
    first.measure(3).show(&mut world);
    other.show(&mut world);
    world.pass(2 * MINUTE);
    let told = world.told();
    assert_eq!(told, ["started", "incomplete", "started", "sample-completed", "completed"]);
}
