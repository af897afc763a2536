use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn at(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).expect("in range")
}

fn read(pieces: &[&[u8]]) -> Vec<(u64, Result<Entry, Mistake>)> {
    let mut reader = Reader::default();
    let mut out = Vec::new();
    for piece in pieces {
        reader.feed(piece, |number, entry| out.push((number, entry)));
    }
    reader.finish(|number, entry| out.push((number, entry)));
    out
}

fn written(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        match entry {
            Entry::Header(header) => write_header(&mut out, header),
            Entry::Chunk(chunk) => {
                write_chunk(&mut out, chunk.at, chunk.direction, chunk.source.as_deref(), chunk.offset, &chunk.bytes);
            }
            Entry::Note(note) => write_note(&mut out, note),
            Entry::Comment(text) => write_comment(&mut out, text),
        }
    }
    out
}

const EXAMPLE: &str = r"#instrumentd-capture 1 device=robolector-1 link=/dev/serial/by-id/usb-FTDI\x20A6
2026-03-02T07:00:00.000000Z ! opened
2026-03-02T07:00:00.123456Z > 0 C0QMid0001\r\n
2026-03-02T07:00:00.130021Z < 12 C0QMid0001er00/00\r\n
# the robot stands at the window
2026-03-02T07:00:01.000000Z = @second\x20port 0 \x02AM1RFV0\x03N
2026-03-02T07:00:09.000000Z ! @second\x20port lost the adapter ran over
";

#[test]
fn the_documented_example_is_read_and_written() {
    let read = read(&[EXAMPLE.as_bytes()]);
    let entries: Vec<Entry> = read.into_iter().map(|(_, entry)| entry.expect("a whole line")).collect();
    assert_eq!(String::from_utf8_lossy(&written(&entries)), EXAMPLE);
    assert_eq!(
        entries[0],
        Entry::Header(Header {
            version: 1,
            device: "robolector-1".into(),
            link: "/dev/serial/by-id/usb-FTDI A6".into()
        })
    );
    let Entry::Chunk(chunk) = &entries[5] else { panic!("bytes") };
    assert_eq!((chunk.source.as_deref(), chunk.direction), (Some("second port"), Direction::Unknown));
    assert_eq!(chunk.bytes, b"\x02AM1RFV0\x03N");
}

#[test]
fn the_document_shows_this_example() {
    let document = include_str!("../../../../docs/capture-format.md");
    assert!(document.contains(EXAMPLE), "docs/capture-format.md has another example");
}

#[test]
fn a_file_may_be_cut_anywhere() {
    for from in 0..EXAMPLE.len() {
        let whole_lines = EXAMPLE[from..].lines().count();
        let found = read(&[&EXAMPLE.as_bytes()[from..]]);
        let good = found.iter().filter(|(_, entry)| entry.is_ok()).count();
        assert!(good + 1 >= whole_lines, "cut before byte {from}: only its first line may suffer: {found:?}");
        let found = read(&[&EXAMPLE.as_bytes()[..from]]);
        let good = found.iter().filter(|(_, entry)| entry.is_ok()).count();
        assert!(good + 1 >= EXAMPLE[..from].lines().count(), "cut at byte {from}: only its last line may suffer");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let text = "\n2026-03-02T07:00:00Z * 0 x\n2026-03-02T07:00:00Z < x\n07:00 < 0 x\n2026-03-02T07:00:00Z < 0 \\q\n\
        2026-03-02T07:00:00Z < 0 a\tb\n2026-03-02T07:00:00Z ! exploded\n#instrumentd-capture 2 device=a link=b\n\
        #instrumentd-capture one\n2026-03-02T07:00:00Z < 0 \\x4";
    let found = read(&[text.as_bytes()]);
    assert_eq!(
        found,
        [
            (2, Err(Mistake::NoMark("*".into()))),
            (3, Err(Mistake::NoOffset)),
            (4, Err(Mistake::NoTime)),
            (5, Err(Mistake::BadEscape)),
            (6, Err(Mistake::Unescaped(b'\t'))),
            (7, Err(Mistake::UnknownNote("exploded".into()))),
            (8, Err(Mistake::LaterVersion(2))),
            (9, Err(Mistake::BadHeader)),
            (10, Err(Mistake::Cut)),
        ]
    );
}

#[test]
fn a_long_line_is_refused_and_a_long_piece_takes_several() {
    let mut text = b"2026-03-02T07:00:00Z < 0 ".to_vec();
    text.extend(std::iter::repeat_n(b'x', 100_000));
    text.push(b'\n');
    assert_eq!(read(&[&text]), [(1, Err(Mistake::TooLong))]);
    let mut out = Vec::new();
    write_chunk(&mut out, at(0), Direction::FromInstrument, None, 7, &[0xff; MAX_CHUNK + 1]);
    let offsets: Vec<(u64, usize)> = read(&[&out])
        .into_iter()
        .filter_map(|(_, entry)| match entry {
            Ok(Entry::Chunk(chunk)) => Some((chunk.offset, chunk.bytes.len())),
            _ => None,
        })
        .collect();
    assert_eq!(offsets, [(7, MAX_CHUNK), (7 + MAX_CHUNK as u64, 1)]);
}

fn entry() -> impl Strategy<Value = Entry> {
    let time = (0i64..4_000_000_000_000_000).prop_map(at);
    let source = prop::option::of("[a-z /\\\\-]{1,12}");
    let direction = prop::sample::select(vec![Direction::FromInstrument, Direction::ToInstrument, Direction::Unknown]);
    let kind = prop::sample::select(vec![NoteKind::Opened, NoteKind::Closed, NoteKind::Lost]);
    prop_oneof![
        ("\\PC{0,12}", "\\PC{0,20}").prop_map(|(device, link)| Entry::Header(Header {
            version: VERSION,
            device,
            link
        })),
        (time.clone(), direction, source.clone(), any::<u64>(), prop::collection::vec(any::<u8>(), 1..200)).prop_map(
            |(at, direction, source, offset, bytes)| Entry::Chunk(Chunk { at, direction, source, offset, bytes })
        ),
        (time, source, kind, "\\PC{0,20}").prop_map(|(at, source, kind, text)| Entry::Note(Note {
            at,
            source,
            kind,
            text
        })),
        "[a-z][a-z ]{0,20}[a-z]".prop_map(Entry::Comment),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_in_any_split(
        entries in prop::collection::vec(entry(), 0..10), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let bytes = written(&entries);
        prop_assert!(bytes.iter().all(|b| matches!(b, b'\n' | 0x20..=0x7e)), "only printable text");
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let found: Vec<Entry> = read(&pieces).into_iter().map(|(_, entry)| entry.expect("a whole line")).collect();
        prop_assert_eq!(found, entries);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn no_bytes_panic(text in "(2026-03-02T07:00:00Z [<>=!] (@[a-z]{1,3} )?[0-9]{0,3} ?|#|#instrumentd-capture )?[ -~\\n]{0,40}", noise in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = read(&[text.as_bytes(), &noise]);
    }
}
