use proptest::prelude::*;

use super::*;

fn code(text: &str) -> Code {
    Code::new(text.as_bytes()).expect("a code")
}

fn frame(text: &str) -> Frame<'_> {
    Frame::read(text.as_bytes(), None).expect("a frame")
}

/// What a scanner gives for these pieces: texts of frames, and why other bytes are none.
fn scanned(scanner: &mut Scanner, pieces: &[&[u8]]) -> Vec<Result<(String, Option<Side>), Damage>> {
    let mut out = Vec::new();
    for piece in pieces {
        scanner.feed(piece, |item| out.push(kept(item)));
    }
    if scanner.framing().terminator == Terminator::Gap {
        scanner.gap(|item| out.push(kept(item)));
    }
    out
}

fn kept(item: Item<'_>) -> Result<(String, Option<Side>), Damage> {
    match item {
        Item::Frame(frame) => Ok((String::from_utf8_lossy(frame.text()).into_owned(), frame.side)),
        Item::Damaged { why, .. } => Err(why),
    }
}

fn texts(framing: Framing, bytes: &[u8]) -> Vec<String> {
    let found = scanned(&mut Scanner::new(framing, None), &[bytes]);
    found.into_iter().filter_map(Result::ok).map(|(text, _)| text).collect()
}

#[test]
fn an_aspiration_is_read() {
    let text = "C0ASid0001at0 0&tm1 0&xp02983 00000&yp1457 0000&th2450te2450lp2000 2000&ch000 000&zl1866 1866&av01072 01072&as1000 1000&gj0gk0lk0 0&";
    let frame = frame(text);
    assert_eq!((frame.module, frame.command, frame.id), (code("C0"), code("AS"), Some(1)));
    assert_eq!(frame.channels("xp").map(|x| x.values().to_vec()), Ok(vec![2983, 0]));
    assert_eq!(frame.channels("av").map(|v| (v.get(1), v.get(3), v.is_open())), Ok((Some(1072), None, true)));
    assert_eq!(frame.channels("tm").map(|tm| tm.selected().collect::<Vec<_>>()), Ok(vec![1]));
    assert_eq!(frame.number("th"), Ok(2450));
    assert_eq!(frame.number("gj"), Ok(0));
    assert_eq!(frame.value("lk"), Some(&b"0 0&"[..]));
    let missing = frame.number("zz").expect_err("it is not there");
    assert_eq!(missing.to_string(), "parameter `zz` of C0AS is missing");
    assert_eq!(frame.number("xp").expect_err("two numbers").to_string(), "parameter `xp` of C0AS cannot be read");
    assert!(!frame.has_report());
}

#[test]
fn real_strings_are_read() {
    for (text, module, command, id) in [
        ("C0TTid0001tt01tf1tl0519tv03600tg2tu0", "C0", "TT", Some(1)),
        ("C0TPid0002xp01179 01179 00000&yp2418 2328 0000&tm1 1 0&tt01tp2244tz2164th2450td0", "C0", "TP", Some(2)),
        ("C0PPid0001xs03479xd0yj1142yd0zj1874zd0gr1th2800te2800gw4go1308gb1245gt20ga0gc0", "C0", "PP", Some(1)),
        ("C0CPid0001cl3FFFFFFFFFFFFFcb00000000000000", "C0", "CP", Some(1)),
        (
            "C0ZBid0001cp05zb2200th2750zy1287bd1ma0250 2100 0860 0200mr0mo000 000 000 000 000 000 000",
            "C0",
            "ZB",
            Some(1),
        ),
        ("C0QMid1111 er00/00", "C0", "QM", Some(1111)),
        ("P1VWid0001vw0 0", "P1", "VW", Some(1)),
        ("VPid2233er00/00vpth 00000 03500", "", "", None),
        ("C0VPid2233er00/00vpth 00000 03500", "C0", "VP", Some(2233)),
        ("C0RFid0003er00/00rf1.0S 2009-06-24 A", "C0", "RF", Some(3)),
        ("C0QM", "C0", "QM", None),
        ("A1PMDAid262er99es\"P170 P270\"", "A1PM", "DA", Some(262)),
        ("I1AMRQid0000er4et\"Slave not available\"", "I1AM", "RQ", Some(0)),
    ] {
        match Frame::read(text.as_bytes(), None) {
            Ok(frame) => assert_eq!((frame.module.as_str(), frame.command.as_str(), frame.id), (module, command, id)),
            // Without its module it is no frame.
            Err(why) => assert_eq!((module, why), ("", Damage::NoHead), "{text}"),
        }
    }
    assert_eq!(
        frame("C0RYid0052er00/00ry+1530 +1399 -0007").channels("ry").map(|y| y.values().to_vec()),
        Ok(vec![1530, 1399, -7])
    );
    assert_eq!(frame("C0RFid0003er00/00rf1.0S 2009-06-24 A").value("rf"), Some(&b"1.0S 2009-06-24 A"[..]));
    let faulty = frame("C0VPid2233er00/00vpth 00000 03500");
    assert_eq!(faulty.value("vp"), Some(&b""[..]), "it names a parameter instead of having a value");
    assert_eq!(faulty.channels("th").map(|th| th.values().to_vec()), Ok(vec![0, 3500]));
    let mask = frame("C0EAid0004cwFFFFFFFFFFFFFFFFFFFFFFFFcr000");
    assert_eq!(mask.parameters().next().and_then(|cw| cw.hex()), Some((1 << 96) - 1));
}

#[test]
fn errors_of_master_and_modules_are_read() {
    let report = |text| frame(text).report();
    assert!(report("C0RTid0001er00/00rt0 0 0 0 0 0 0 0").expect("read").is_some_and(|report| report.is_ok()));
    assert_eq!(report("P1VWid0001vw0 0"), Ok(None), "no error field, no word of success");
    let master = report("C0QMid1111 er99/00 P100/00 P235/00 P402/98 PG08/76").expect("read").expect("an error field");
    assert!(!master.is_ok());
    assert_eq!(
        master.faults().map(|fault| fault.text()).collect::<Vec<_>>(),
        [
            "channel 2: error that is not in the table (35/00)",
            "channel 4: hardware error (02/98)",
            "channel 16: no tip on the channel, a tip was already picked up (08/76)",
        ]
    );
    assert_eq!(master.channel(16).map(|fault| (fault.code, fault.trace)), Some((Some(8), 76)));
    assert_eq!(master.channel(1), None, "a channel that is well");
    let glued = report("C0ASid0007er99/00P100/00P204/81").expect("read").expect("an error field");
    assert_eq!(glued.faults().map(|fault| fault.text()).collect::<Vec<_>>(), ["channel 2: clot detected (04/81)"]);
    let module = report("I0XPid0006er36").expect("read").expect("an error field");
    assert_eq!(module.own.text(), "autoload: the hood is open (36)");
    let slow = report("C0EAid0004er99/00 H002/11").expect("read").expect("an error field");
    assert_eq!(
        slow.faults().map(|fault| fault.text()).collect::<Vec<_>>(),
        ["96-channel head: hardware error, did not answer the master in time and may still be at work (02/11)"]
    );
    let own = report("C0ASid0004er01/31").expect("read").expect("an error field");
    assert_eq!(own.own.text(), "master: the command was not understood, unknown parameter (01/31)");
    let vantage = report("A1PMDAid262er99es\"P170 P270\"").expect("read").expect("an error field");
    assert_eq!(
        vantage.faults().map(|fault| fault.text()).collect::<Vec<_>>()[0],
        "channel 1: no liquid level found (70)"
    );
    for bad in ["C0QMid1111er9x/00", "C0QMid1111er99/", "C0QMid1111er99/00 P1", "C0QMid1111er00/00 8"] {
        assert!(report(bad).is_err(), "{bad}");
    }
}

#[test]
fn barcodes_have_a_length() {
    let barcode = |text| frame(text).barcode("bb").map(|code| code.map(str::to_owned));
    assert_eq!(barcode("C0ZBid0001er00/00bb/08ABCDEFGH"), Ok(Some("ABCDEFGH".to_owned())));
    assert_eq!(
        barcode("C0ZBid0001er00/00bb/08abidefghcp05"),
        Ok(Some("abidefgh".to_owned())),
        "small letters are no names here"
    );
    assert_eq!(barcode("C0ZBid0001er05/30bb/00"), Ok(None));
    assert!(barcode("C0ZBid0001er00/00bb/XXABCDEFGH").is_err());
    assert_eq!(Frame::read(b"C0ZBid0001er00/00bb/08", None), Err(Damage::CutText));
}

#[test]
fn what_is_no_frame_is_refused() {
    for (text, why) in [
        ("", Damage::NoHead),
        ("C0", Damage::NoHead),
        ("0ASid0001", Damage::NoHead),
        ("P100/00 P235/00", Damage::NoHead),
        ("C0ASid001at0", Damage::BadId),
        ("C0ASid00011at0", Damage::BadId),
        ("C0ASid0001 02983", Damage::BadParameters),
        ("C0AS\x01d0001", Damage::NotPrintable),
        ("A1PMDAid262er99es\"P170", Damage::CutText),
        ("C0ASid0001at0 0C0ASid0002at0 0", Damage::NoEnd { next: 15 }),
    ] {
        assert_eq!(Frame::read(text.as_bytes(), None).map(|frame| frame.command), Err(why), "{text:?}");
    }
    assert!(frame("C0ASid0001xp02983 0000&").channels("xp").is_err(), "a digit was lost");
}

#[test]
fn frames_end_as_the_framing_says() {
    for terminator in [Terminator::Any, Terminator::Cr, Terminator::Lf, Terminator::CrLf, Terminator::Nul] {
        let mut bytes = b"C0QMid0001".to_vec();
        bytes.extend(terminator.bytes());
        bytes.extend(b"C0QMid0001er00/00");
        bytes.extend(terminator.bytes());
        bytes.extend(b"C0RFid0002");
        let found = texts(Framing { terminator, marks: None }, &bytes);
        assert_eq!(found, ["C0QMid0001", "C0QMid0001er00/00"], "{terminator:?}");
    }
    let mut scanner = Scanner::new(Framing { terminator: Terminator::Gap, marks: None }, None);
    assert_eq!(scanned(&mut scanner, &[b"C0QM", b"id0001"]), [Ok(("C0QMid0001".to_owned(), None))]);
    let merged = scanned(&mut scanner, &[b"C0QMid0001er00/00C0RFid0002"]);
    assert_eq!(merged.len(), 2, "packets that were read at once are two: {merged:?}");
}

#[test]
fn marks_say_who_speaks() {
    let framing = Framing { terminator: Terminator::CrLf, marks: Some(Marks::default()) };
    let mut scanner = Scanner::new(framing, None);
    let lines: &[u8] = b"2026-03-02 08:00:00.123> C0QMid0001\r\n< C0QMid0001er00/00\r\nC0RFid0002\r\n";
    let found = scanned(&mut scanner, &[lines]);
    assert_eq!(
        found,
        [
            Ok(("C0QMid0001".to_owned(), Some(Side::Command))),
            Ok(("C0QMid0001er00/00".to_owned(), Some(Side::Reply))),
            Ok(("C0RFid0002".to_owned(), None)),
        ]
    );
}

#[test]
fn a_burst_of_packets_without_any_silence_is_taken_apart() {
    for marks in [None, Some(Marks::default())] {
        let framing = Framing { terminator: Terminator::Gap, marks };
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for id in 1..2000 {
            for (mark, text) in
                [(b">", format!("C0ASid{id:04}xp02983 00000&")), (b"<", format!("C0ASid{id:04}er00/00"))]
            {
                if framing.marks.is_some() {
                    bytes.extend_from_slice(mark);
                }
                bytes.extend_from_slice(text.as_bytes());
                expected.push(text);
            }
        }
        for size in [1, 700, bytes.len()] {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            let found = scanned(&mut Scanner::new(framing.clone(), None), &pieces);
            let sides: Vec<Option<Side>> =
                found.iter().filter_map(|item| item.as_ref().ok()).map(|(_, side)| *side).collect();
            assert_eq!(
                found.into_iter().map(|item| item.expect("whole").0).collect::<Vec<_>>(),
                expected,
                "pieces of {size}"
            );
            assert_eq!(sides[0], framing.marks.as_ref().map(|_| Side::Command));
        }
    }
}

#[test]
fn a_terminator_that_is_lost_between_marks_costs_one_frame() {
    let framing = Framing { terminator: Terminator::CrLf, marks: Some(Marks::default()) };
    let found =
        scanned(&mut Scanner::new(framing, None), &[b"08:00:01 > C0ASid0001xp029 08:00:02 < C0QWid0002er00/00\r\n"]);
    assert_eq!(found.len(), 2);
    assert!(matches!(found[0], Err(Damage::NoEnd { .. })), "{found:?}");
    assert_eq!(found[1], Ok(("C0QWid0002er00/00".to_owned(), Some(Side::Reply))));
}

#[test]
fn a_vantage_writes_numbers_of_any_width() {
    let text = "A1PMDAid0248at0&tm1 0&xp05683 0&yp1457 0 &th2450&";
    let frame = frame(text);
    assert_eq!(frame.channels("xp").map(|x| x.values().to_vec()), Ok(vec![5683, 0]));
    assert_eq!(frame.channels("yp").map(|y| (y.get(1), y.is_open())), Ok((Some(1457), true)));
}

#[test]
fn a_lost_terminator_costs_the_frame_before_it_only() {
    let found =
        scanned(&mut Scanner::new(Framing::default(), None), &[b"C0ASid0001xp029C0ASid0002er00/00\r\nC0RFid0003\r\n"]);
    assert_eq!(found.len(), 3);
    assert_eq!(found[0], Err(Damage::NoEnd { next: 15 }));
    assert_eq!(found[1], Ok(("C0ASid0002er00/00".to_owned(), None)));
}

#[test]
fn a_frame_without_end_is_dropped_and_said() {
    let mut scanner = Scanner::new(Framing::default(), None);
    let mut bytes = vec![b'A'; 3 * MAX_FRAME];
    bytes.extend_from_slice(b"\r\nC0RFid0003\r\n");
    let found = scanned(&mut scanner, &[&bytes[..100], &bytes[100..]]);
    assert_eq!(found, [Err(Damage::TooLong), Ok(("C0RFid0003".to_owned(), None))]);
    assert!(scanner.held().is_empty());
}

#[test]
fn a_line_whose_frames_never_end_is_told_of_at_once() {
    let mut scanner = Scanner::new(Framing::default(), None);
    let unended = b"C0RTid0001er00/00rt0 0 0 0 0 0 0 0".repeat(MAX_FRAME / 32 + 1);
    assert_eq!(scanned(&mut scanner, &[&unended[..]]), [Err(Damage::TooLong)]);
    let mut resumed = Scanner::new(Framing::default(), None);
    resumed.resume(scanner.held());
    for mut scanner in [scanner, resumed] {
        // Its rest is not told again, and what follows is read.
        let found = scanned(&mut scanner, &[b"C0RTid0002er00/00", b"\r\nC0RFid0003\r\n"]);
        assert_eq!(found, [Ok(("C0RFid0003".to_owned(), None))]);
    }
}

#[test]
fn half_a_frame_before_a_cut_never_meets_what_follows() {
    let mut scanner = Scanner::new(Framing::default(), None);
    assert!(scanned(&mut scanner, &[b"C0ASid0001xp02983"]).is_empty());
    assert_eq!(scanner.cut(), 17);
    assert_eq!(
        scanned(&mut scanner, &[b" 00000&\r\nC0RFid0001\r\n"]),
        [Err(Damage::NoHead), Ok(("C0RFid0001".to_owned(), None))]
    );
}

#[test]
fn replies_find_their_commands_in_any_order() {
    let mut table = Outstanding::new(8);
    for text in ["C0ASid0001tm1", "C0DSid0002tm1", "P1VWid0003", "C0RF"] {
        assert_eq!(table.place(&frame(text), || text), Paired::Command { lost: Vec::new() });
    }
    let mut answered = |text| match table.place(&frame(text), || "") {
        Paired::Reply(pending) => pending.note,
        _ => "",
    };
    assert_eq!(answered("C0DSid0002er00/00"), "C0DSid0002tm1");
    assert_eq!(answered("P1VWid0003vw0 0"), "P1VWid0003", "an answer needs no error field");
    assert_eq!(answered("C0RFer00/00rf1.0S"), "C0RF", "nor an id");
    assert_eq!(answered("C0ASid0002er00/00"), "", "nobody asked");
    assert_eq!(answered("C0ASid0001er00/00"), "C0ASid0001tm1");
    assert!(table.is_empty());
}

#[test]
fn a_controller_that_starts_anew_uses_ids_again() {
    let mut table = Outstanding::new(8);
    table.place(&frame("P1VWid0001"), || "first");
    let Paired::Command { lost } = table.place(&frame("P1VWid0001"), || "second") else {
        panic!("the same text again is a command again")
    };
    assert_eq!(lost.iter().map(|lost| (lost.pending.note, lost.why)).collect::<Vec<_>>(), [("first", Why::Reused)]);
    let reply = table.reply(&frame("P1VWid0001vw1 1"));
    assert_eq!(reply.map(|pending| pending.note), Some("second"));
}

#[test]
fn a_full_table_says_what_goes() {
    let mut table = Outstanding::new(2);
    let mut lost = Vec::new();
    for text in ["C0ASid9998tm1", "C0ASid9999tm1", "C0ASid0001tm1"] {
        if let Paired::Command { lost: gone } = table.place(&frame(text), || text) {
            lost.extend(gone.into_iter().map(|lost| (lost.pending.note, lost.why)));
        }
    }
    assert_eq!(lost, [("C0ASid9998tm1", Why::Full)]);
    assert_eq!(table.len(), 2);
    assert_eq!(table.give_up(|pending| pending.key.id == Some(1)).len(), 1);
}

#[test]
fn the_codec_gives_what_the_scanner_finds() {
    use bytes::BytesMut;
    use tokio_util::codec::{Decoder as _, Encoder as _};

    let framing = Framing { terminator: Terminator::CrLf, marks: Some(Marks::default()) };
    let mut codec = StarCodec::new(framing, None);
    let mut buffer = BytesMut::new();
    codec.encode((Side::Command, b"C0QMid0001"), &mut buffer).expect("written");
    codec.encode((Side::Reply, b"C0QMid0001er00/00"), &mut buffer).expect("written");
    assert_eq!(&buffer[..], b">C0QMid0001\r\n<C0QMid0001er00/00\r\n");
    buffer.extend_from_slice(b">C0RF");
    let mut sides = Vec::new();
    while let Some(Received::Frame(packet)) = codec.decode(&mut buffer).expect("no I/O") {
        sides.push(packet.frame().expect("looked at before").side);
    }
    assert_eq!(sides, [Some(Side::Command), Some(Side::Reply)]);
    assert_eq!(codec.decode_eof(&mut buffer).expect("no I/O"), None, "half a frame does not count");
}

prop_compose! {
    fn any_frame()(
        module in prop::sample::select(vec!["C0", "P1", "PG", "R0", "H0", "I0"]),
        command in "[A-Z]{2}",
        id in prop::option::of(0u16..=LAST_ID),
        report in prop::option::of((0u8..100, 0u8..100, prop::collection::vec((1u8..=16, 0u8..100, 0u8..100), 0..3))),
        numbers in prop::collection::vec(0i32..100_000, 1..9),
        signed in prop::collection::vec(-9999i32..=9999, 1..9),
        barcode in prop::option::of("[A-Za-z0-9]{1,20}"),
    ) -> Vec<u8> {
        let module = code(module);
        let mut text = Text::new(module, code(&command), id);
        if let Some((error, trace, slaves)) = &report {
            let slaves: Vec<Fault> = slaves
                .iter()
                .map(|(channel, error, trace)| Fault { module: Code::of_channel(*channel).expect("1 to 16"), code: Some(*error), trace: *trace })
                .collect();
            text = text.report(&Fault { module, code: Some(*error), trace: *trace }, &slaves);
        }
        text.channels("xp", &numbers, 5, 8)
            .signed_channels("ry", &signed, 4, 8)
            .number("th", numbers[0], 5)
            .barcode("bb", barcode.as_deref())
            .raw("gj", "0")
            .into_bytes()
    }
}

/// Bytes without a terminator and without the head of a frame: four letters on a line of their own are a whole frame, not noise.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let is_head = |four: &[u8]| matches!(four, [b'A'..=b'Z', b'A'..=b'Z' | b'0'..=b'9', b'A'..=b'Z', b'A'..=b'Z']);
    let no_terminator = any::<u8>().prop_map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { b });
    prop::collection::vec(no_terminator, 0..40)
        .prop_filter("no head of a frame", move |bytes| !bytes.windows(4).any(is_head))
}

fn cut_at(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        numbers in prop::collection::vec(0i32..100_000, 1..16), signed in prop::collection::vec(-9999i32..=9999, 1..16),
        id in 0u16..=LAST_ID, barcode in prop::option::of("[ -~]{1,30}"), error in 0u8..100, trace in 0u8..100,
    ) {
        let own = Fault { module: code("C0"), code: Some(error), trace };
        let text = Text::new(code("C0"), code("AS"), Some(id))
            .report(&own, &[])
            .channels("xp", &numbers, 5, 16)
            .signed_channels("ry", &signed, 4, 16)
            .barcode("bb", barcode.as_deref())
            .into_bytes();
        let frame = Frame::read(&text, None).expect("a frame");
        prop_assert_eq!(frame.id, Some(id));
        prop_assert_eq!(frame.channels("xp").map(|x| (x.values().to_vec(), x.is_open())), Ok((numbers.clone(), numbers.len() < 16)));
        prop_assert_eq!(frame.channels("ry").map(|y| y.values().to_vec()), Ok(signed));
        let graphic = barcode.map(|code| code.chars().filter(char::is_ascii_graphic).collect::<String>()).filter(|code| !code.is_empty());
        prop_assert_eq!(frame.barcode("bb").map(|code| code.map(str::to_owned)), Ok(graphic));
        prop_assert_eq!(frame.report().map(|report| report.map(|report| report.own)), Ok(Some(own)));
    }

    #[test]
    fn any_split_gives_the_same_frames(
        frames in prop::collection::vec(any_frame(), 1..6), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        marked in any::<bool>(),
    ) {
        let framing = Framing { terminator: Terminator::CrLf, marks: marked.then(Marks::default) };
        let mut bytes = Vec::new();
        for (number, frame) in frames.iter().enumerate() {
            if marked {
                bytes.push(if number % 2 == 0 { b'>' } else { b'<' });
            }
            bytes.extend_from_slice(frame);
            bytes.extend_from_slice(b"\r\n");
        }
        let whole = scanned(&mut Scanner::new(framing.clone(), None), &[&bytes]);
        prop_assert_eq!(whole.len(), frames.len());
        let pieces = cut_at(&bytes, &cuts);
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(scanned(&mut Scanner::new(framing, None), &pieces), whole);
    }

    #[test]
    fn a_scanner_goes_on_where_another_was_held(frames in prop::collection::vec(any_frame(), 1..4), at in any::<prop::sample::Index>()) {
        let bytes = frames.join(&b"\r\n"[..]);
        let (before, after) = bytes.split_at(at.index(bytes.len()));
        let mut first = Scanner::new(Framing::default(), None);
        let mut found = scanned(&mut first, &[before]);
        let mut second = Scanner::new(Framing::default(), None);
        second.resume(first.held());
        found.extend(scanned(&mut second, &[after]));
        prop_assert_eq!(found, scanned(&mut Scanner::new(Framing::default(), None), &[&bytes]));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for terminator in [Terminator::CrLf, Terminator::Nul, Terminator::Gap] {
            scanned(&mut Scanner::new(Framing { terminator, marks: Some(Marks::default()) }, None), &[&bytes]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Noise may stand on lines of its own or just before a frame: every frame that arrived whole is found, and nothing else.
    #[test]
    fn frames_between_noise_are_found(
        frames in prop::collection::vec((any_frame(), noise(), noise(), any::<bool>()), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (frame, line, before, glued) in &frames {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
            // Without an id nothing tells where noise ends and a frame begins.
            let has_id = frame.get(4..6) == Some(b"id");
            if *glued && has_id {
                bytes.extend_from_slice(before);
            }
            bytes.extend_from_slice(frame);
            bytes.extend_from_slice(b"\r\n");
            expected.push(String::from_utf8_lossy(frame).into_owned());
        }
        let pieces = cut_at(&bytes, &cuts);
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let found = scanned(&mut Scanner::new(Framing::default(), None), &pieces);
        let found: Vec<String> = found.into_iter().filter_map(Result::ok).map(|(text, _)| text).collect();
        prop_assert_eq!(found, expected);
    }
}

proptest! {
    /// Whatever comes: a command is answered, given up or still awaited, never two of these and never none.
    #[test]
    fn every_command_comes_out_once(said in prop::collection::vec((0u16..6, any::<bool>(), any::<bool>()), 0..60)) {
        let mut table = Outstanding::new(4);
        let (mut asked, mut out) = (0usize, Vec::new());
        for (id, with_id, is_reply) in said {
            let id = if with_id { format!("id{id:04}") } else { String::new() };
            let text = if is_reply { format!("C0AS{id}er00/00") } else { format!("C0AS{id}tm1 0&") };
            match table.place(&frame(&text), || asked) {
                Paired::Command { lost } => {
                    asked += 1;
                    out.extend(lost.into_iter().map(|lost| lost.pending.note));
                }
                Paired::Reply(pending) => out.push(pending.note),
                Paired::Orphan => {}
            }
            prop_assert!(table.len() <= 4);
        }
        out.extend(table.iter().map(|pending| pending.note));
        out.sort_unstable();
        prop_assert_eq!(out, (0..asked).collect::<Vec<_>>());
    }
}
