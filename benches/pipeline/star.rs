//! How fast one core takes apart a STAR's traffic: frames found in pieces as a serial port gives them, replies paired with their commands,
//! and the fields read that a sampling needs.

use std::hint::black_box;
use std::time::Instant;

use instrument_proto::codec::star::{Framing, Item, Marks, Outstanding, Paired, Scanner, Terminator};

use crate::{Wanted, verdict};

const EXCHANGES: u16 = 5000;
const ROUNDS: u32 = 20;
/// What a serial port gives at once, roughly.
const PIECE: usize = 512;

pub fn measure() {
    let framing = Framing { terminator: Terminator::CrLf, marks: Some(Marks::default()) };
    let traffic = traffic();
    let found = rate(&traffic, &framing, |_| 1);
    let mut table = Outstanding::new(16);
    let read = rate(&traffic, &framing, |item| {
        let Item::Frame(frame) = item else { return 0 };
        match table.place(&frame, || frame.channels("xp").ok().zip(frame.channels("yp").ok())) {
            Paired::Command { .. } => {
                black_box((frame.channels("tm").ok(), frame.channels("av").ok(), frame.channels("dv").ok()));
            }
            Paired::Reply(_) => {
                black_box(frame.report().map(|report| report.is_some_and(|report| report.is_ok())).ok());
            }
            Paired::Orphan => unreachable!("every reply has its command"),
        }
        1
    });
    let bytes = traffic.len() / usize::from(EXCHANGES * 2);
    println!("  {bytes} bytes a frame on average; finding frames alone: {found:.0} frames/s");
    verdict("frames found, paired and read on one core", read, Wanted::AtLeast(500_000.0), "frames/s");
}

fn rate(traffic: &[u8], framing: &Framing, mut each: impl FnMut(Item<'_>) -> u64) -> f64 {
    let mut scanner = Scanner::new(framing.clone(), None);
    let begin = Instant::now();
    let mut frames = 0;
    for _ in 0..ROUNDS {
        for piece in traffic.chunks(PIECE) {
            scanner.feed(piece, |item| frames += each(item));
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(frames, u64::from(ROUNDS) * u64::from(EXCHANGES) * 2, "every frame is found");
    frames as f64 / seconds
}

/// Aspirations and dispenses of two channels with all the parameters of a real controller, and their replies.
fn traffic() -> Vec<u8> {
    let mut text = String::new();
    for id in 1..=EXCHANGES {
        let command = if id % 2 == 1 { "AS" } else { "DS" };
        let volume = if id % 2 == 1 { "av01072 01072&as1000 1000" } else { "dv01072 01072&ds1800 1800" };
        text.push_str(&format!(
            ">C0{command}id{id:04}at0 0 0&tm1 1 0&xp02983 02983 00000&yp1457 1367 0000&th2450te2450lp2000 2000 2000&\
             ch000 000 000&zl1866 1866 1866&po0100 0100 0100&zu0032 0032 0032&zr06180 06180 06180&zx1866 1866 1866&\
             ip0000 0000 0000&it0 0 0&fp0000 0000 0000&{volume}&ta000 000&ba0000 0000&oa000 000&lm0 0&ll1 1&lv1 1&\
             zo000 000&ld00 00&de0020 0020&wt10 10&mv00000 00000&mc00 00&mp000 000&ms1000 1000&mh0000 0000&gi000 000&\
             gj0gk0lk0 0&ik0000 0000&sd0500 0500&se0500 0500&sz0300 0300&io0000 0000&\r\n<C0{command}id{id:04}er00/00\r\n"
        ));
    }
    text.into_bytes()
}
