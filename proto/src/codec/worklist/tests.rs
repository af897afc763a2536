use proptest::prelude::*;

use super::*;

const SAMPLING: &[u8] = b"C;harvest of cycle 28\r\n\
A;BL48;;FlowerPlate;7;;200.00;Water_DispZmax-1;;1;\r\n\
D;DWP;DW-0001;96 Well DeepWell;28;;200.00;Water_DispZmax-1;;1;\r\n\
W1;\r\n\
B;\r\n\
B;Aspirate(112,\"Water_DispZmax-1\",\"50\",0);\r\n\
WD;\r\nF;\r\nS;2\r\nW;\r\n\
R;Trough;;Trough 100ml;1;8;MTP;;96 Well;1;96;50.00;Water;3;12;0;7;8\r\n";

#[test]
fn a_worklist_is_read() {
    let (lines, errors) = read(SAMPLING);
    assert_eq!(errors, []);
    assert_eq!(lines.len(), 11);
    let Record::Aspirate(aspirate) = &lines[1].record else { panic!("an aspiration") };
    assert_eq!((lines[1].number, aspirate.rack_label.as_str(), aspirate.position), (2, "BL48", 7));
    assert_eq!(
        (aspirate.volume_ul, aspirate.liquid_class.as_str(), aspirate.tip_mask),
        (200.0, "Water_DispZmax-1", Some(1))
    );
    assert_eq!(well(aspirate.position, 6, 8).map(|well| (well.row, well.column)), Some((0, 1)), "A02");
    assert_eq!(lines[5].record, Record::Script("Aspirate(112,\"Water_DispZmax-1\",\"50\",0);".into()));
    let Record::Distribute(reagent) = &lines[10].record else { panic!("a distribution") };
    assert_eq!((reagent.destination_wells, reagent.volume_ul, reagent.excluded.clone()), ((1, 96), 50.0, vec![7, 8]));
    assert_eq!(write(lines.iter().map(|line| &line.record)), SAMPLING);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let text = b"A;BL48;;;0;;200.00\nA;BL48;;;7\n\nX;1\nD;BL48;;;7;;20,5\nA;an extremely long label of a rack that nobody reads;;;1;;1\nS;\nF;what\nC;\xe9chantillon";
    let (lines, errors) = read(text);
    assert_eq!(
        errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "line 1: field 4 is `0`, not a position from 1",
            "line 2: field 6 (a volume in microlitres) is missing",
            "line 4: `X` begins no record: expected A, D, R, W, WD, F, B, S or C",
            "line 5: field 6 is `20,5`, not a volume in microlitres",
            "line 6: field 1 is `an extremely long label of a rac`, not at most 32 characters",
            "line 7: field 1 (a tip type) is missing",
            "line 8: more fields than the record has",
        ]
    );
    assert_eq!(lines, [Line { number: 9, record: Record::Comment("\u{e9}chantillon".into()) }]);
}

#[test]
fn positions_go_down_the_columns() {
    let at = |position| well(position, 6, 8).map(|well| (well.row, well.column));
    assert_eq!(
        [at(1), at(2), at(6), at(7), at(48)],
        [Some((0, 0)), Some((1, 0)), Some((5, 0)), Some((0, 1)), Some((5, 7))]
    );
    assert_eq!([at(0), at(49), well(1, 0, 8).map(|well| (well.row, well.column))], [None, None, None]);
    for number in 1..=96 {
        assert_eq!(well(number, 8, 12).map(|well| position(well, 8)), Some(number));
    }
}

fn text() -> impl Strategy<Value = String> {
    "[!-:<-~\u{a1}-\u{ff}]{0,20}"
}

prop_compose! {
    fn pipetting()(
        names in prop::array::uniform7(text()), position in 1u32..1537, volume in 0u32..100_000, mask in prop::option::of(0u32..256),
    ) -> Pipetting {
        let [rack_label, rack_id, rack_type, tube_id, liquid_class, tip_type, forced_rack_type] = names;
        Pipetting {
            rack_label, rack_id, rack_type, position, tube_id, volume_ul: f64::from(volume) / 100.0, liquid_class, tip_type,
            tip_mask: mask, forced_rack_type,
        }
    }
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        pipetting().prop_map(Record::Aspirate),
        pipetting().prop_map(Record::Dispense),
        (0u8..=4).prop_map(Record::Wash),
        Just(Record::Decontaminate),
        Just(Record::Flush),
        Just(Record::Break),
        any::<u32>().prop_map(Record::TipType),
        text().prop_map(Record::Comment),
        "[A-Z][a-z]{2,9}\\([0-9,\"]{0,20}\\);".prop_map(Record::Script),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(records in prop::collection::vec(record(), 0..12)) {
        let (lines, errors) = read(&write(&records));
        prop_assert_eq!(errors, []);
        prop_assert_eq!(lines.into_iter().map(|line| line.record).collect::<Vec<_>>(), records);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn no_bytes_panic_and_every_line_is_accounted_for(
        bytes in prop::collection::vec(prop_oneof![Just(b';'), Just(b'\n'), Just(b'A'), Just(b'1'), any::<u8>()], 0..200),
    ) {
        let (lines, errors) = read(&bytes);
        let told = bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        prop_assert_eq!(lines.len() + errors.len(), told);
    }
}
