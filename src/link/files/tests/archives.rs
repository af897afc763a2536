//! Zip archives and unpacked exports.

use std::io::{Cursor, Read as _};

use zip::write::SimpleFileOptions;

use super::*;

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).expect("an entry");
        zip.write_all(bytes).expect("written");
    }
    zip.finish().expect("an archive").into_inner()
}

fn export(table: &[u8], end: &str) -> Vec<u8> {
    let meta = format!("{{\"CsvFileVersion\":\"1.0.0\",\"End\":\"{end}\"}}");
    zipped(&[("7_x y.csv", table), ("7_x y.log", b"log"), ("7_x y.json", b"{}"), ("7_x y.meta", meta.as_bytes())])
}

#[test]
fn a_growing_copy_is_read_when_it_is_whole() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        // The copy below pauses for less than this.
        let mut rig = Rig::new(Start { settle: Duration::from_secs(1), ..start(folder.path(), watch) });
        rig.until("the first look", |rig| rig.baseline.is_some());
        let (path, table) = (folder.path().join("7_x y.zip"), lines(0, 40_000));
        let bytes = export(&table, "");
        for chunk in bytes.chunks(bytes.len() / 20) {
            append(&path, chunk);
        }
        rig.until_logged("ended 7_x y.zip");
        let order: Vec<&str> = rig.log.iter().filter(|line| !line.starts_with("bytes")).map(String::as_str).collect();
        let wanted = ["opened 7_x y.zip Export false", "member 7_x y.meta", "member 7_x y.json", "ended 7_x y.zip"];
        assert!(order.ends_with(&wanted), "{order:#?}");
        assert!(rig.content["7_x y.zip"] == table);
        // Nothing of it comes again.
        rig.restart();
        append(&folder.path().join("other.csv"), b"1\n");
        rig.until_logged("settled other.csv");
        assert_eq!((rig.count("opened 7_x"), rig.count("trouble")), (1, 0));
        // A later export of the same run: its members, and of its table only what is new.
        let longer = lines(0, 50_000);
        std::fs::write(folder.path().join(".new"), export(&longer, "2023")).expect("written");
        std::fs::rename(folder.path().join(".new"), &path).expect("renamed");
        rig.until("the second end", |rig| rig.count("ended") == 2);
        assert!(rig.content["7_x y.zip"] == longer);
        assert_eq!((rig.live, rig.count("opened 7_x y.zip Export true")), (longer.len() + 2, 1));
        assert!(rig.members["7_x y.meta"].ends_with(b"2023\"}"));
        assert_eq!(rig.count("gap"), 0);
    });
}

#[test]
fn a_restart_in_the_middle_goes_on_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::connected(folder.path(), WatchMode::Notify);
    let table = lines(0, 100_000);
    std::fs::write(folder.path().join("run.zip"), export(&table, "")).expect("written");
    for stop in [1, 3, 5] {
        rig.until("some", |rig| rig.count("bytes") >= stop);
        rig.restart();
    }
    rig.until_logged("ended run.zip");
    assert!(rig.content["run.zip"] == table);
    assert_eq!((rig.live, rig.count("opened run.zip Export true"), rig.count("gap")), (table.len(), 3, 0));
}

#[test]
fn one_that_stays_broken_is_told_and_mended_later() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        let bytes = export(&lines(0, 5000), "");
        std::fs::write(folder.path().join("run.zip"), &bytes[..bytes.len() / 2]).expect("written");
        rig.until("trouble", |rig| rig.count("trouble run.zip run.zip is not a whole zip archive") == 1);
        // As long as the whole one, its directory in place, and a hole in the table.
        let mut hole = bytes.clone();
        hole[2000..3000].fill(0);
        std::fs::write(folder.path().join("run.zip"), &hole).expect("written");
        rig.until("another trouble", |rig| rig.count("trouble run.zip") == 2);
        assert_eq!(rig.count("opened"), 0);
        std::fs::write(folder.path().join("run.zip"), &bytes).expect("written");
        rig.until_logged("trouble over run.zip");
        assert!(rig.content["run.zip"] == lines(0, 5000));
    });
}

#[test]
fn what_unpacks_to_more_than_is_credible_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::connected(folder.path(), WatchMode::Notify);
    std::fs::write(folder.path().join("bomb.zip"), zipped(&[("a.csv", &vec![b'0'; 32 << 20])])).expect("written");
    rig.until("refusal", |rig| rig.count("trouble bomb.zip bomb.zip is not read: a.csv would unpack") == 1);
    assert_eq!(rig.count("opened"), 0);
}

#[test]
fn an_unpacked_export_gives_its_members_first_and_again_when_they_change() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut start = start(folder.path(), watch);
        // Long enough for the unpacking below; what is unpacked more slowly is first read as a bare table.
        start.settings.poll_interval = Duration::from_millis(500);
        let mut rig = Rig::new(start);
        rig.until("the first look", |rig| rig.baseline.is_some());
        let run = folder.path().join("122_2 24 81");
        std::fs::create_dir(&run).expect("a folder");
        let table = [b"Type;Cycle;Well;Filterset\n".to_vec(), lines(0, 30_000)].concat();
        // Unpacked in the order that is worst: the table first.
        for (name, bytes) in [("s.csv", &table[..]), ("s.log", b"log"), ("s_filterlist.json", b"[]"), ("s.meta", b"{}")]
        {
            append(&run.join(name), bytes);
        }
        rig.until_content("122_2 24 81/s", &table);
        let order: Vec<&str> = rig.log.iter().filter(|line| !line.starts_with("bytes")).map(String::as_str).collect();
        assert!(
            order.ends_with(&["opened 122_2 24 81/s Export false", "member s.meta", "member s_filterlist.json"]),
            "{order:?}"
        );
        std::fs::write(run.join("s.meta"), b"{\"End\":1}").expect("written");
        rig.until("the member again", |rig| rig.members["s.meta"] == b"{\"End\":1}");
        append(&run.join("s.csv"), b"more\n");
        rig.until_content("122_2 24 81/s", &[table.clone(), b"more\n".to_vec()].concat());
        rig.until_logged("settled 122_2 24 81/s");
        let members = rig.count("member");
        rig.restart();
        append(&run.join("s.csv"), b"again\n");
        rig.until_content("122_2 24 81/s", &[table, b"more\nagain\n".to_vec()].concat());
        assert_eq!((rig.count("member"), rig.count("opened"), rig.count("gone")), (members, 2, 0));
    });
}

#[test]
fn the_real_export_is_given_as_it_was_packed() {
    let Some(real) = real_data("biolector-xt/4_BG_test.zip") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::connected(folder.path(), WatchMode::Notify);
    std::fs::copy(&real, folder.path().join("4_BG_test.zip")).expect("copied");
    rig.until_logged("ended 4_BG_test.zip");
    let mut zip = zip::ZipArchive::new(std::fs::File::open(&real).expect("the file")).expect("an archive");
    let mut compared = 0;
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).expect("an entry");
        let (name, mut bytes) = (file.name().expect("a name").into_owned(), Vec::new());
        file.read_to_end(&mut bytes).expect("its content");
        if name.ends_with(".csv") {
            assert!(rig.content["4_BG_test.zip"] == bytes);
        } else if name.ends_with(".log") {
            continue;
        } else {
            assert!(rig.members[&name] == bytes, "{name}");
        }
        compared += 1;
    }
    assert_eq!((compared, rig.members.len()), (8, 7));
}

/// A crash after the members and before the first bytes of the table: the driver knows nothing of them then.
#[test]
fn members_are_given_again_with_a_table_that_is_read_from_its_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let export = folder.path().join("9_a");
    let mut rig = Rig::new(start(folder.path(), WatchMode::Notify));
    rig.until_logged("baseline");
    std::fs::create_dir(&export).expect("a folder");
    std::fs::write(export.join("9_a.meta"), "{}").expect("written");
    std::fs::write(export.join("9_a.csv"), "").expect("written");
    rig.until_logged("member 9_a.meta");
    rig.restart();
    append(&export.join("9_a.csv"), b"Type;Cycle\n");
    rig.until_content("9_a/9_a", b"Type;Cycle\n");
    let members = rig.log.iter().rposition(|line| line == "member 9_a.meta");
    let opened = rig.log.iter().rposition(|line| line == "opened 9_a/9_a Export false");
    assert!(opened.is_some() && members > opened, "{:?}", rig.log);
    assert_eq!(rig.count("member"), 2, "{:?}", rig.log);
}
