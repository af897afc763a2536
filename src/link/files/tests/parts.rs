//! A header and one part for each cycle.

use super::*;

const HEADER: &[u8] = b"FILENAME;run\nDATE END;2018-05-03;13:49:00;;Last Reading;1   \nREADING;WELLNUM\n";

fn part(folder: &Path, number: u32, bytes: &[u8]) {
    append(&folder.join(format!("C{number}.tmp")), bytes);
}

#[test]
fn parts_are_in_the_order_of_their_numbers() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        let run = folder.path().join("run");
        std::fs::create_dir(folder.path().join(".run")).expect("a folder");
        let mut whole = HEADER.to_vec();
        append(&folder.path().join(".run/header.csv"), HEADER);
        for number in 1..=12 {
            part(&folder.path().join(".run"), number, &lines(number as usize * 100, 3));
            whole.extend(lines(number as usize * 100, 3));
        }
        std::fs::rename(folder.path().join(".run"), &run).expect("moved in");
        rig.until_content("run/header.csv", &whole);
        assert_eq!(rig.count("opened run/header.csv Parts false"), 1);
        for number in 13..=25 {
            part(&run, number, &lines(number as usize * 100, 2));
            part(&run, number, &lines(number as usize * 100 + 2, 2));
            whole.extend(lines(number as usize * 100, 4));
            if number % 5 == 0 {
                rig.restart();
            }
        }
        rig.until_content("run/header.csv", &whole);
        assert_eq!((rig.count("gap"), rig.live), (0, whole.len()));
    });
}

#[test]
fn the_header_is_rewritten_while_parts_come() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        append(&folder.path().join("header.csv"), HEADER);
        part(folder.path(), 1, &lines(0, 10));
        rig.until_content("header.csv", &[HEADER.to_vec(), lines(0, 10)].concat());
        let rewritten = String::from_utf8_lossy(HEADER).replace("Reading;1   ", "Reading;1055");
        let mut file = std::fs::OpenOptions::new().write(true).open(folder.path().join("header.csv")).expect("it");
        file.write_all(rewritten.as_bytes()).expect("written");
        drop(file);
        rig.until_logged("head header.csv");
        assert!(rig.heads[0].starts_with(rewritten.as_bytes()));
        part(folder.path(), 2, &lines(10, 10));
        rig.until_content("header.csv", &[HEADER.to_vec(), lines(0, 20)].concat());
        assert_eq!((rig.count("gap"), rig.count("opened")), (0, 1));
    });
}

#[test]
fn a_real_run_comes_as_it_came_to_the_instrument() {
    let (Some(run), Some(header)) = (
        real_data("biolector-1/NT_1400rpm_30C_BS15_5min_20180503_132133.csv"),
        real_data("biolector-1/header-while-running.csv"),
    ) else {
        return;
    };
    let whole = std::fs::read(run).expect("the run");
    let running = std::fs::read(header).expect("its header while it ran");
    let folder = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::connected(folder.path(), WatchMode::Notify);
    append(&folder.path().join("header.csv"), &running);
    let rows: Vec<&[u8]> = whole[running.len()..].split_inclusive(|byte| *byte == b'\n').collect();
    let mut came = running.clone();
    for (number, rows) in (1..).zip(rows.chunks(51)) {
        for rows in rows.chunks(20) {
            let rows = rows.concat();
            part(folder.path(), number, &rows);
            came.extend(rows);
        }
        if number % 200 == 0 {
            rig.until_content("header.csv", &came);
            rig.restart();
        }
    }
    let mut file = std::fs::OpenOptions::new().write(true).open(folder.path().join("header.csv")).expect("it");
    file.write_all(&whole[..running.len()]).expect("written");
    drop(file);
    rig.until_logged("head header.csv");
    rig.until_content("header.csv", &came);
    assert!(came[running.len()..] == whole[running.len()..]);
    assert!(whole.starts_with(&rig.heads[0]));
    assert_eq!((rig.count("gap"), rig.live), (0, whole.len()));
}

#[test]
fn a_part_that_grows_after_the_next_began_is_read_in_its_place() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        append(&folder.path().join("header.csv"), HEADER);
        part(folder.path(), 1, b"C1;one\n");
        part(folder.path(), 2, b"C2;two\n");
        rig.until_content("header.csv", &[HEADER, b"C1;one\nC2;two\n"].concat());
        part(folder.path(), 1, b"C1;late\n");
        let whole = [HEADER, b"C1;one\nC1;late\nC2;two\n"].concat();
        rig.until("all in order", |rig| rig.content["header.csv"] == whole);
        assert_eq!((rig.count("gap"), rig.count("opened header.csv Parts false")), (0, 2));
    });
}

#[test]
fn a_missing_part_is_waited_for_and_then_passed_over() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        append(&folder.path().join("header.csv"), HEADER);
        part(folder.path(), 1, b"C1;one\n");
        rig.until_content("header.csv", &[HEADER, b"C1;one\n"].concat());
        part(folder.path(), 3, b"C3;three\n");
        rig.until_content("header.csv", &[HEADER, b"C1;one\nC3;three\n"].concat());
        assert_eq!(rig.count("gap header.csv missing-part"), 1);
    });
}

#[test]
fn parts_that_are_tidied_away_stay_read() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        append(&folder.path().join("header.csv"), HEADER);
        for number in 1..=3 {
            part(folder.path(), number, &lines(number as usize * 10, 10));
        }
        let whole = [HEADER.to_vec(), lines(10, 30)].concat();
        rig.until_content("header.csv", &whole);
        for number in [1, 2] {
            std::fs::remove_file(folder.path().join(format!("C{number}.tmp"))).expect("removed");
        }
        part(folder.path(), 4, b"C4;four\n");
        let whole = [whole, b"C4;four\n".to_vec()].concat();
        rig.until_content("header.csv", &whole);
        rig.restart();
        part(folder.path(), 5, b"C5;five\n");
        let whole = [whole, b"C5;five\n".to_vec()].concat();
        rig.until_content("header.csv", &whole);
        for number in 3..=5 {
            std::fs::remove_file(folder.path().join(format!("C{number}.tmp"))).expect("removed");
        }
        append(&folder.path().join("final.csv"), b"x\n");
        rig.until_logged("settled final.csv");
        assert_eq!((rig.count("gap"), rig.count("opened header.csv Parts false")), (0, 1), "{:#?}", rig.log);
    });
}
