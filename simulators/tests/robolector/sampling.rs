//! What goes over the line leads back to the wells, the volumes and the errors of the truth.

use std::collections::BTreeMap;

use instrument_proto::codec::star::{Frame, Item, Outstanding, Paired, Scanner};
use instrument_proto::codec::tecan::{self, Conversation, Form, Seen};
use instrument_proto::geometry::{Hit, Placed, Position};
use instrumentd_simulators::robolector::{
    Access, Action, Deck, Dialect, Fault, Faults, Place, Plan, Recording, Settings, Spot, Transfer, Truth, What,
};

use super::ear;

/// Something that a channel did: taken (negative) or given, tenths of a microlitre on the wire.
pub type Deed = (Spot, i32);

/// Wells by position.
pub fn well(deck: &Deck, at: Position) -> Option<Spot> {
    deck.pieces.iter().find_map(|piece| {
        let placed = Placed { labware: &piece.kind, placement: piece.placement, y_axis: deck.y_axis };
        match placed.hit(at) {
            Hit::Well(well, _) => Some(Spot::from(&Place { labware: piece.name.clone(), well })),
            _ => None,
        }
    })
}

/// What a STAR's line tells, pairing replies with commands: only what a reply says was done counts.
pub fn star_deeds(deck: &Deck, openings: &[Vec<u8>], framing: &instrument_proto::codec::star::Framing) -> Vec<Deed> {
    let mut deeds = Vec::new();
    for bytes in openings {
        let mut scanner = Scanner::new(framing.clone(), None);
        let mut table = Outstanding::new(8);
        scanner.feed(bytes, |item| {
            let Item::Frame(frame) = item else { return };
            if let Paired::Reply(pending) = table.place(&frame, || wanted(deck, &frame)) {
                let report = frame.report().ok().flatten();
                let Some(report) = report else { return };
                deeds.extend(
                    pending
                        .note
                        .into_iter()
                        // A module that the master waited for in vain works to the end.
                        .filter(|(channel, _)| report.channel(*channel).is_none_or(|fault| fault.trace == 11))
                        .map(|(_, deed)| deed),
                );
            }
        });
    }
    deeds
}

/// Channel and deed of each channel that a command wants to do something.
fn wanted(deck: &Deck, frame: &Frame<'_>) -> Vec<(u8, Deed)> {
    let (volume, sign) = match frame.command.as_str() {
        "AS" => ("av", -1),
        "DS" => ("dv", 1),
        _ => return Vec::new(),
    };
    let (Ok(tm), Ok(x), Ok(y), Ok(volume)) =
        (frame.channels("tm"), frame.channels("xp"), frame.channels("yp"), frame.channels(volume))
    else {
        return Vec::new();
    };
    tm.selected()
        .filter_map(|channel| {
            let at = Position { x: x.get(channel)?, y: y.get(channel)? };
            Some((channel, (well(deck, at)?, sign * volume.get(channel)?)))
        })
        .collect()
}

/// What a Tecan's line tells.
pub fn tecan_deeds(deck: &Deck, openings: &[Vec<u8>], form: Form) -> Vec<Deed> {
    let mut deeds = Vec::new();
    for bytes in openings {
        let mut arm = Arm::default();
        let mut conversation = Conversation::default();
        tecan::Scanner::new(form).feed(bytes, |item| {
            let tecan::Item::Message(message) = item else { return };
            let text = match message.body {
                tecan::Body::Command { text } => text.to_vec(),
                _ => Vec::new(),
            };
            if let Seen::Answer(pending) = conversation.place(&message, || text) {
                let tecan::Body::Answer { status, data } = message.body else { return };
                arm.answered(deck, &pending.note, status, data, &mut deeds);
            }
        });
    }
    deeds
}

/// Where a Tecan's tips are, and what their last move was.
#[derive(Default)]
struct Arm {
    at: (i32, i32, i32),
    /// A move that failed on some tip, until the axes say on which.
    failed: Vec<(usize, Deed)>,
}

impl Arm {
    fn answered(&mut self, deck: &Deck, command: &[u8], status: u8, data: &[u8], deeds: &mut Vec<Deed>) {
        let body = tecan::Body::Command { text: command };
        let Some((name, arguments)) = body.command() else { return };
        let Ok(arguments) = arguments.all() else { return };
        match (name, arguments.as_slice()) {
            ("PAA", [Some(x), Some(y), Some(spacing), ..]) => self.at = (*x, *y, *spacing),
            ("MTR", steps) => {
                let (x, y, spacing) = self.at;
                let moved: Vec<(usize, Deed)> = steps
                    .iter()
                    .enumerate()
                    .filter_map(|(tip, steps)| {
                        let at = Position { x, y: y + spacing * tip as i32 };
                        // Air of 45 steps goes out with what is given; three steps are a microlitre.
                        let steps = (*steps)?;
                        let liquid = if steps < 0 { -steps - 45 } else { -steps };
                        Some((tip, (well(deck, at)?, (liquid as f64 * 10.0 / 3.0).round() as i32)))
                    })
                    .collect();
                match status {
                    0 => deeds.extend(moved.into_iter().map(|(_, deed)| deed)),
                    _ => self.failed = moved,
                }
            }
            ("REE", _) => {
                let well_done = |tip: usize| data.get(tip + 3) == Some(&b'@');
                deeds.extend(self.failed.drain(..).filter(|(tip, _)| well_done(*tip)).map(|(_, deed)| deed));
            }
            _ => {}
        }
    }
}

/// The same of the truth.
pub fn true_deeds<'a>(truths: impl IntoIterator<Item = &'a Truth>) -> Vec<Deed> {
    let tenths = |ul: &f64| (ul * 10.0).round() as i32;
    truths
        .into_iter()
        .filter_map(|truth| match &truth.what {
            What::Aspirated { place, piston_ul, .. } => Some((place.clone(), -tenths(piston_ul))),
            What::Dispensed { place, piston_ul, .. } => Some((place.clone(), tenths(piston_ul))),
            _ => None,
        })
        .collect()
}

/// How often each deed was done.
pub fn counted(deeds: impl IntoIterator<Item = Deed>) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for (spot, tenths) in deeds {
        *counts.entry(format!("{} {} {tenths}", spot.labware, spot.well)).or_default() += 1;
    }
    counts
}

fn dialects() -> Vec<Dialect> {
    vec![ear::star(), Dialect::TecanSerial, Dialect::TecanUsb]
}

pub fn deeds(settings_dialect: &Dialect, deck: &Deck, openings: &[Vec<u8>]) -> Vec<Deed> {
    match settings_dialect {
        Dialect::Star(framing) => star_deeds(deck, openings, framing),
        Dialect::TecanSerial => tecan_deeds(deck, openings, Form::Serial),
        Dialect::TecanUsb => tecan_deeds(deck, openings, Form::Usb),
    }
}

#[test]
fn a_sampling_leads_back_to_its_wells_and_volumes() {
    for dialect in dialects() {
        let (_kept, folder) = ear::folder();
        let mut settings = ear::settings(dialect.clone(), &folder);
        settings.plan = ear::columns(&settings.deck, 2, 2);
        // Feed from a trough with several channels, and mixing.
        let feed = |row| Transfer {
            source: Place::new("feed", 0, 0),
            destination: Place::new("cultures", row, 3),
            volume_ul: 12.0,
        };
        let mix = Transfer {
            source: Place::new("cultures", 0, 4),
            destination: Place::new("cultures", 0, 4),
            volume_ul: 200.0,
        };
        let actions = vec![Action::Transfer((0..6).map(feed).collect()), Action::Transfer(vec![mix])];
        settings.plan.accesses.push(Access { at_s: 0.0, actions });
        let deck = settings.deck.clone();
        let (openings, truths) = ear::run(settings);
        assert_eq!(openings.len(), 1, "the line was open once");
        let told = true_deeds(&truths);
        assert_eq!(told.len(), 2 * (24 + 6 + 1), "{dialect:?}: everything was done");
        assert_eq!(deeds(&dialect, &deck, &openings), told, "{dialect:?}");
        assert!(truths.iter().all(|truth| truth.heard), "a quiet line carries everything");
    }
}

#[test]
fn turned_plates_are_reached_all_the_same() {
    for dialect in dialects() {
        for degrees in [90, 180, 270] {
            let (_kept, folder) = ear::folder();
            let mut settings = ear::settings(dialect.clone(), &folder);
            for piece in &mut settings.deck.pieces {
                if piece.name == "samples" {
                    piece.placement.rotation =
                        instrument_proto::geometry::Rotation::from_degrees(degrees).expect("a quarter");
                }
            }
            settings.plan = ear::columns(&settings.deck, 1, 1);
            let deck = settings.deck.clone();
            let (openings, truths) = ear::run(settings);
            let told = true_deeds(&truths);
            assert_eq!(told.len(), 12);
            assert_eq!(deeds(&dialect, &deck, &openings), told, "{dialect:?} at {degrees}");
        }
    }
}

#[test]
fn channels_that_fail_do_nothing_and_the_others_go_on() {
    for dialect in dialects() {
        let (_kept, folder) = ear::folder();
        let mut settings = ear::settings(dialect.clone(), &folder);
        settings.plan = ear::columns(&settings.deck, 4, 2);
        settings.faults = Faults::default().with(Fault::Clot, 2).with(Fault::TooLittleLiquid, 2).with(Fault::NoTip, 2);
        let deck = settings.deck.clone();
        let (openings, truths) = ear::run(settings);
        let failed = truths.iter().filter(|truth| matches!(truth.what, What::Failed { .. })).count();
        assert!(failed >= 3, "faults were asked for: {failed}");
        let told = true_deeds(&truths);
        assert_eq!(told.len() + 2 * failed, 2 * 48, "{dialect:?}: what failed was neither taken nor given");
        assert_eq!(deeds(&dialect, &deck, &openings), told, "{dialect:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed| {
        let (_kept, folder) = ear::folder();
        let mut settings = Settings { seed, ..ear::settings(Dialect::TecanSerial, &folder) };
        settings.plan = ear::columns(&settings.deck, 1, 1);
        settings.faults = Faults::default().with(Fault::LineNoise, 3).with(Fault::Clot, 2).with(Fault::LostBytes, 9);
        ear::run(settings)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).0, run(8).0);
}

#[test]
fn the_gripper_and_the_head_are_told_of() {
    let (_kept, folder) = ear::folder();
    let mut settings = ear::settings(ear::star(), &folder);
    settings.faults = Faults::default().with(Fault::SlaveTimeout, 1);
    let to = instrument_proto::geometry::Placement { x_mm: 1000.0, y_mm: 70.0, rotation: Default::default() };
    let stamp = Action::Stamp { source: "samples".into(), destination: "archive".into(), volume_ul: 50.0 };
    let actions = vec![stamp, Action::Move { labware: "samples".into(), to }];
    settings.plan = Plan { accesses: vec![Access { at_s: 0.0, actions }] };
    let (openings, truths) = ear::run(settings);
    let text = String::from_utf8_lossy(&openings[0]).into_owned();
    for part in ["er99/00 H002/11\r\n", "er99/00 H001/40\r\n", "C0EDid", "C0PPid", "xs10639"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(
        truths.iter().any(|truth| matches!(&truth.what, What::StampAspirated { volume_ul, .. } if *volume_ul == 50.0))
    );
    assert!(truths.iter().any(|truth| matches!(&truth.what, What::Released { x_mm, .. } if *x_mm == 1000.0)));
}

#[test]
fn a_recording_is_what_goes_over_the_line() {
    for dialect in dialects() {
        let (_kept, folder) = ear::folder();
        let mut settings = ear::settings(dialect, &folder);
        settings.plan = ear::columns(&settings.deck, 2, 2);
        settings.faults = Faults::default().with(Fault::Clot, 3).with(Fault::LineNoise, 9);
        let recording = Recording::make(settings.clone()).expect("nothing can fail");
        let (openings, truths) = ear::run(settings);
        let said: Vec<u8> = recording.openings[0].said.iter().flat_map(|said| said.bytes.clone()).collect();
        assert_eq!(said, openings[0]);
        assert_eq!(recording.truths, truths);
        let mut captured = Vec::new();
        let mut reader = instrument_proto::codec::capture::Reader::default();
        reader.feed(&recording.to_capture("r", jiff::Timestamp::UNIX_EPOCH), |_, entry| {
            if let instrument_proto::codec::capture::Entry::Chunk(chunk) = entry.expect("a line") {
                captured.extend(chunk.bytes);
            }
        });
        assert_eq!(captured, said);
    }
}
