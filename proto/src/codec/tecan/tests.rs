use proptest::prelude::*;

use super::*;

/// Letter, module, and the text of a command or `=status data`; why other bytes are no block.
type Found = Result<(Option<char>, String, String), Damage>;

fn kept(item: Item<'_>) -> Found {
    match item {
        Item::Message(message) => {
            let text = match message.body {
                Body::Command { text } => String::from_utf8_lossy(text).into_owned(),
                Body::Answer { status, data } => format!("={status} {}", String::from_utf8_lossy(data)),
                Body::Acknowledge => "@".to_owned(),
            };
            Ok((message.letter.map(char::from), message.module.to_string(), text))
        }
        Item::Damaged { why, .. } => Err(why),
    }
}

fn scanned(form: Form, pieces: &[&[u8]]) -> Vec<Found> {
    let mut scanner = Scanner::new(form);
    let mut out = Vec::new();
    for piece in pieces {
        scanner.feed(piece, |item| out.push(kept(item)));
    }
    out
}

fn module(name: &str) -> Module {
    Module::new(name.as_bytes()).expect("a module")
}

fn found(letter: char, module: &str, text: &str) -> Found {
    Ok((Some(letter), module.to_owned(), text.to_owned()))
}

/// A conversation of a real Genesis, byte for byte.
const REPORT_FIRMWARE: &[u8] = &[0x02, 0x41, 0x4D, 0x31, 0x52, 0x46, 0x56, 0x30, 0x03, 0x4E];
const ACKNOWLEDGED: &[u8] = &[0x02, 0x40, 0x4D, 0x31, 0x03, 0x3D];
const FIRMWARE: &[u8] = b"\x02\x51\x4D\x31\x40GENESIS-V1.61-07/2001\x03\x49";
const NOT_THERE: &[u8] = &[0x02, 0x41, 0x4F, 0x31, 0x45, 0x03, 0x7B];

#[test]
fn a_real_genesis_is_understood() {
    let acknowledged: Found = Ok((None, "M1".to_owned(), "@".to_owned()));
    let expected = vec![
        found('A', "M1", "RFV0"),
        acknowledged.clone(),
        found('A', "M1", "=0 GENESIS-V1.61-07/2001"),
        acknowledged,
        found('A', "O1", "=5 "),
    ];
    let all = [REPORT_FIRMWARE, ACKNOWLEDGED, FIRMWARE, ACKNOWLEDGED, NOT_THERE].concat();
    assert_eq!(scanned(Form::Serial, &[&all]), expected);
    let bytes: Vec<&[u8]> = all.chunks(1).collect();
    assert_eq!(scanned(Form::Serial, &bytes), expected, "byte by byte");
    assert_eq!(errors::text(module("O1"), 5), "module O1: this module is not there (5)");
}

#[test]
fn what_is_written_is_what_a_real_genesis_and_its_host_wrote() {
    assert_eq!(write::command(Form::Serial, b'A', module("M1"), b"RFV0"), REPORT_FIRMWARE);
    assert_eq!(write::acknowledge(module("M1")), ACKNOWLEDGED);
    assert_eq!(write::answer(Form::Serial, b'A', module("M1"), 0, b"GENESIS-V1.61-07/2001"), FIRMWARE);
    assert_eq!(write::error_with_own_letter(b'A', module("O1"), 5), NOT_THERE);
    let letters: Vec<u8> =
        std::iter::successors(Some(b'A'), |letter| Some(write::next_letter(*letter))).take(8).collect();
    assert_eq!(letters, b"ABCDEFGA");
}

#[test]
fn the_usb_form_has_neither_letter_nor_check() {
    let answer = b"\x02C5\x80889,,-7\0";
    let all = [b"\x02C5PAA3829,2051,90,2100,,2000\0", &answer[..], b"\x02C1\x89\0"].concat();
    let told = |module: &str, text: &str| Ok((None, module.to_owned(), text.to_owned()));
    assert_eq!(
        scanned(Form::Usb, &[&all]),
        [told("C5", "PAA3829,2051,90,2100,,2000"), told("C5", "=0 889,,-7"), told("C1", "=9 ")]
    );
    assert_eq!(write::answer(Form::Usb, b'A', module("C5"), 0, b"889,,-7"), answer);
    assert_eq!(errors::text(module("C1"), 9), "plate arm (RoMa): plate not gripped (9)");
}

#[test]
fn arguments_may_be_left_out() {
    let text = write::arguments("PVL", &[Some(0), None, None, Some(-120)]);
    assert_eq!(text, b"PVL0,,,-120");
    let body = Body::Command { text: &text };
    let (name, arguments) = body.command().expect("a command");
    assert_eq!((name, arguments.all()), ("PVL", Ok(vec![Some(0), None, None, Some(-120)])));
    assert_eq!(Body::Command { text: b"PIA" }.command().map(|(_, none)| none.all()), Some(Ok(vec![])));
    assert_eq!(Body::Command { text: b"RPX1x" }.command().map(|(_, odd)| odd.all()), Some(Err(NoNumber)));
    assert!(Body::Command { text: b"V900P60M200R" }.command().is_none(), "a diluter's own string");
    assert_eq!(Body::Answer { status: 0, data: b"889,899" }.numbers().all(), Ok(vec![Some(889), Some(899)]));
}

#[test]
fn damage_is_said_and_costs_one_block() {
    let mut scanner = Scanner::new(Form::Serial);
    let mut wrong = REPORT_FIRMWARE.to_vec();
    wrong[6] = b'W';
    let all = [&wrong[..], b"xyz", b"\x02AM1R", ACKNOWLEDGED, b"\x02AM1\xff78\x03\x09", FIRMWARE, b"\0\r\n", NOT_THERE]
        .concat();
    let mut out = Vec::new();
    scanner.feed(&all, |item| out.push(kept(item)));
    assert_eq!(
        out,
        [
            Err(Damage::Checksum { expected: 0x4F, found: 0x4E }),
            Err(Damage::Outside),
            Err(Damage::NoEnd),
            Ok((None, "M1".to_owned(), "@".to_owned())),
            Err(Damage::NotPrintable),
            found('A', "M1", "=0 GENESIS-V1.61-07/2001"),
            found('A', "O1", "=5 "),
        ]
    );
    assert_eq!(scanner.checksum_errors(), 1);
}

#[test]
fn a_lost_check_byte_does_not_cost_the_next_block() {
    let all = [&REPORT_FIRMWARE[..9], FIRMWARE].concat();
    assert_eq!(
        scanned(Form::Serial, &[&all]),
        [Err(Damage::Checksum { expected: 0x4E, found: 2 }), found('A', "M1", "=0 GENESIS-V1.61-07/2001")]
    );
}

#[test]
fn half_a_block_before_a_cut_never_meets_what_follows() {
    let mut scanner = Scanner::new(Form::Serial);
    let mut out = Vec::new();
    scanner.feed(&FIRMWARE[..12], |item| out.push(kept(item)));
    assert_eq!(scanner.cut(), 12);
    scanner.feed(&FIRMWARE[12..], |item| out.push(kept(item)));
    scanner.feed(NOT_THERE, |item| out.push(kept(item)));
    assert_eq!(out, [Err(Damage::Outside), found('A', "O1", "=5 ")]);
}

fn placed<'a>(conversation: &mut Conversation<&'a str>, bytes: &[u8], note: &'a str) -> Seen<&'a str> {
    let mut seen = None;
    Scanner::new(Form::Serial).feed(bytes, |item| {
        if let Item::Message(message) = item {
            seen = Some(conversation.place(&message, || note));
        }
    });
    seen.expect("a whole block")
}

#[test]
fn a_command_that_is_said_twice_is_executed_once() {
    let mut conversation = Conversation::default();
    let command = |letter, text: &str| write::command(Form::Serial, letter, module("A1"), text.as_bytes());
    let answer = |letter| write::answer(Form::Serial, letter, module("A1"), 0, b"");
    assert_eq!(placed(&mut conversation, &command(b'A', "PPR300"), "first"), Seen::Command { unanswered: None });
    assert_eq!(placed(&mut conversation, &command(b'A', "PPR300"), "again"), Seen::Repeat { answered: false });
    assert!(matches!(placed(&mut conversation, &answer(b'A'), ""), Seen::Answer(pending) if pending.note == "first"));
    assert_eq!(placed(&mut conversation, &command(b'A', "PPR300"), "again"), Seen::Repeat { answered: true });
    assert_eq!(placed(&mut conversation, &answer(b'A'), ""), Seen::Orphan, "its answer once more");
    // The same with the next letter is a second one.
    assert_eq!(placed(&mut conversation, &command(b'B', "PPR300"), "second"), Seen::Command { unanswered: None });
    assert!(matches!(
        placed(&mut conversation, &command(b'C', "PPR-300"), "third"),
        Seen::Command { unanswered: Some(pending) } if pending.note == "second"
    ));
    assert_eq!(placed(&mut conversation, ACKNOWLEDGED, ""), Seen::Acknowledge);
    assert_eq!(placed(&mut conversation, &answer(b'B'), ""), Seen::Orphan, "the answer to another letter");
    assert_eq!(conversation.pending().count(), 1);
}

#[test]
fn modules_are_kept_apart_and_bounded() {
    let mut conversation = Conversation::default();
    let mut unanswered = Vec::new();
    for number in 0..=MAX_MODULES {
        let name = [b'A' + (number / 10) as u8, b'0' + (number % 10) as u8];
        let bytes = write::command(Form::Serial, b'A', Module::new(&name).expect("a module"), b"RFV0");
        if let Seen::Command { unanswered: Some(pending) } = placed(&mut conversation, &bytes, "") {
            unanswered.push(pending.module);
        }
    }
    assert_eq!(unanswered, [module("A0")]);
    assert_eq!(conversation.pending().count(), MAX_MODULES);
    assert_eq!(conversation.give_up(|_| false).len(), MAX_MODULES);
}

#[test]
fn the_codec_gives_what_the_scanner_finds() {
    use bytes::BytesMut;
    use tokio_util::codec::{Decoder as _, Encoder as _};

    let mut codec = TecanCodec::new(Form::Serial);
    let mut buffer = BytesMut::new();
    codec.encode(REPORT_FIRMWARE, &mut buffer).expect("written");
    codec.encode(FIRMWARE, &mut buffer).expect("written");
    buffer.extend_from_slice(&NOT_THERE[..3]);
    let first = codec.decode(&mut buffer).expect("no I/O").expect("a block");
    assert_eq!(first.message().map(|message| message.body), Some(Body::Command { text: b"RFV0" }));
    assert!(codec.decode(&mut buffer).expect("no I/O").is_some());
    assert_eq!(codec.decode_eof(&mut buffer).expect("no I/O"), None, "half a block does not count");
}

prop_compose! {
    fn any_block(form: Form)(
        letter in b'A'..=b'G', name in "[A-Z][0-9A-Z]", kind in 0u8..4, status in 0u8..=30, text in "[A-Z]{3}[ -~]{0,60}",
    ) -> (Vec<u8>, Found) {
        let to = module(&name);
        let letter_told = (form == Form::Serial).then_some(char::from(letter));
        match kind {
            0 if form == Form::Serial => (write::acknowledge(to), Ok((None, name, "@".to_owned()))),
            1 if form == Form::Serial && status > 0 => {
                (write::error_with_own_letter(letter, to, status), Ok((letter_told, name, format!("={status} "))))
            }
            2 => (write::answer(form, letter, to, status, text.as_bytes()), Ok((letter_told, name, format!("={status} {text}")))),
            _ => (write::command(form, letter, to, text.as_bytes()), Ok((letter_told, name, text))),
        }
    }
}

fn cut_at(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #[test]
    fn any_split_gives_the_same_blocks(
        blocks in prop::collection::vec(any_block(Form::Serial), 1..6),
        usb in prop::collection::vec(any_block(Form::Usb), 1..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        for (form, blocks) in [(Form::Serial, blocks), (Form::Usb, usb)] {
            let bytes: Vec<u8> = blocks.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            let expected: Vec<Found> = blocks.into_iter().map(|(_, found)| found).collect();
            prop_assert_eq!(&scanned(form, &[&bytes]), &expected);
            let pieces = cut_at(&bytes, &cuts);
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(&scanned(form, &pieces), &expected);
        }
    }

    #[test]
    fn any_split_of_any_bytes_gives_the_same(
        bytes in prop::collection::vec(prop_oneof![Just(0x02u8), Just(0x03), Just(0), Just(b'A'), Just(b'1'), any::<u8>()], 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        for form in [Form::Serial, Form::Usb] {
            let pieces = cut_at(&bytes, &cuts);
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(scanned(form, &pieces), scanned(form, &[&bytes]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// One check byte cannot see a byte that turns into the block's own STX or ETX where what is left happens to have the right check; any
    /// other alteration of one byte is refused.
    #[test]
    fn an_altered_byte_is_refused(
        (block, _) in any_block(Form::Serial), at in any::<prop::sample::Index>(),
        to in any::<u8>().prop_filter("no control", |b| !matches!(b, 0x02 | 0x03)),
    ) {
        let mut altered = block.clone();
        let at = at.index(altered.len());
        prop_assume!(altered[at] != to);
        altered[at] = to;
        let next = write::acknowledge(module("M1"));
        altered.extend_from_slice(&next);
        let found: Vec<Found> = scanned(Form::Serial, &[&altered]).into_iter().filter(Result::is_ok).collect();
        prop_assert_eq!(found, [Ok((None, "M1".to_owned(), "@".to_owned()))]);
    }

    #[test]
    fn blocks_between_noise_are_found_and_nothing_else(
        blocks in prop::collection::vec((any_block(Form::Serial), prop::collection::vec(any::<u8>(), 0..40)), 1..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for ((block, found), noise) in blocks {
            bytes.extend_from_slice(&noise);
            bytes.extend_from_slice(&block);
            expected.push(found);
        }
        let pieces = cut_at(&bytes, &cuts);
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let found: Vec<Found> = scanned(Form::Serial, &pieces).into_iter().filter(Result::is_ok).collect();
        prop_assert_eq!(found, expected);
    }
}
