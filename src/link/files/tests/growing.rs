//! Tables that grow, are rewritten, replaced, renamed, removed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use proptest::prelude::*;

use super::*;

#[test]
fn pieces_equal_the_whole() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        let (path, whole) = (folder.path().join("run.csv"), lines(0, 3000));
        let mut random = fastrand::Rng::with_seed(7);
        let mut at = 0;
        while at < whole.len() {
            let len = random.usize(1..5000).min(whole.len() - at);
            append(&path, &whole[at..at + len]);
            at += len;
            if random.bool() {
                rig.until_content("run.csv", &whole[..at]);
            }
        }
        rig.until_content("run.csv", &whole);
        assert_eq!(rig.log.iter().filter(|line| line.starts_with("opened")).count(), 1);
        assert_eq!((rig.live, rig.backfilled), (whole.len(), 0));
    });
}

#[test]
fn a_header_rewritten_in_place_is_told_and_nothing_is_read_twice() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        let path = folder.path().join("run.csv");
        let mut whole = [b"DATE END;2018-05-03;13:49:00    \n".to_vec(), lines(0, 40)].concat();
        append(&path, &whole);
        rig.until_content("run.csv", &whole);
        let mut file = std::fs::OpenOptions::new().write(true).open(&path).expect("the file");
        file.write_all(b"DATE END;2018-05-04;09:15:00    \n").expect("written");
        drop(file);
        whole[..32].copy_from_slice(b"DATE END;2018-05-04;09:15:00    ");
        rig.until_logged("head run.csv");
        assert_eq!(rig.heads, [whole.clone()]);
        let more = lines(40, 10);
        append(&path, &more);
        rig.until("the rest", |rig| rig.live == whole.len() + more.len());
        assert_eq!((rig.count("opened"), rig.count("gap")), (1, 0));
    });
}

#[test]
fn a_longer_copy_in_its_place_goes_on_where_the_shorter_ended() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        let path = folder.path().join("run.csv");
        let whole = lines(0, 20_000);
        let half = whole.len() / 2;
        append(&path, &whole[..half]);
        rig.until_content("run.csv", &whole[..half]);
        let copy = folder.path().join(".copy");
        std::fs::write(&copy, &whole).expect("a copy");
        std::fs::rename(&copy, &path).expect("renamed");
        rig.until_content("run.csv", &whole);
        assert_eq!((rig.live, rig.count("gap"), rig.count("opened")), (whole.len(), 0, 1));
    });
}

/// How many descriptors of this process are open on what lies, or lay, at `path`.
#[cfg(target_os = "linux")]
fn handles(path: &std::path::Path) -> usize {
    let of = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_link(entry.ok()?.path()).ok();
    let open = std::fs::read_dir("/proc/self/fd").expect("the process").filter_map(of);
    open.filter(|target| target.as_os_str().as_bytes().starts_with(path.as_os_str().as_bytes())).count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_table_stays_open_while_it_grows_and_not_for_long() {
    for watch in [WatchMode::Auto, WatchMode::Notify, WatchMode::Poll] {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().canonicalize().expect("it is there");
        let mut rig = Rig::connected(&folder, watch);
        let path = folder.join("run.csv");
        let mut whole = Vec::new();
        for row in 0..20 {
            append(&path, &lines(row, 1));
            whole.extend(lines(row, 1));
            rig.until_content("run.csv", &whole);
            assert!(handles(&path) <= 1, "one at a time");
        }
        // Told to watch or to poll, the link does not know that this is no share: what it reads is closed at once.
        if watch != WatchMode::Auto {
            rig.until_logged("settled run.csv");
            assert!((0..50).any(|_| handles(&path) == 0), "{watch:?}: it stays open");
        }
        // Given back in time, whether or not anything else happens.
        while handles(&path) > 0 {
            std::thread::yield_now();
        }
        // A file of another name takes its place while it may be open: what stands there counts.
        append(&path, &lines(20, 1));
        whole.extend(lines(20, 1));
        rig.until_content("run.csv", &whole);
        let copy = folder.join(".copy");
        whole.extend(lines(21, 1));
        std::fs::write(&copy, &whole).expect("a copy");
        std::fs::rename(&copy, &path).expect("renamed");
        rig.until_content("run.csv", &whole);
        while handles(&path) > 0 {
            std::thread::yield_now();
        }
        assert_eq!((rig.count("gap"), rig.count("opened")), (0, 1));
    }
}

#[test]
fn other_content_in_its_place_is_a_gap_and_is_read_from_its_start() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        let path = folder.path().join("run.csv");
        append(&path, &lines(0, 500));
        rig.until_content("run.csv", &lines(0, 500));
        let other = lines(100_000, 900);
        let copy = folder.path().join(".copy");
        std::fs::write(&copy, &other).expect("a copy");
        std::fs::rename(&copy, &path).expect("renamed");
        rig.until_logged("gap run.csv replaced");
        rig.until("the other", |rig| rig.content["run.csv"] == other);
        assert_eq!(rig.count("opened run.csv Table false"), 2);
    });
}

#[test]
fn truncation_is_a_gap() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        let path = folder.path().join("run.csv");
        append(&path, &lines(0, 500));
        rig.until_content("run.csv", &lines(0, 500));
        std::fs::write(&path, lines(7000, 3)).expect("written anew");
        rig.until_logged("gap run.csv truncated");
        rig.until("what stands there now", |rig| rig.content["run.csv"] == lines(7000, 3));
    });
}

#[test]
fn deletion_is_told_and_is_no_gap() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        for name in ["a.csv", "b.csv"] {
            append(&folder.path().join(name), &lines(0, 5));
            rig.until_content(name, &lines(0, 5));
        }
        std::fs::remove_file(folder.path().join("a.csv")).expect("removed");
        rig.until_logged("gone a.csv");
        std::fs::remove_file(folder.path().join("b.csv")).expect("removed");
        rig.until_logged("gone b.csv");
        assert_eq!((rig.count("gap"), rig.count("disconnected")), (0, 0));
    });
}

#[test]
fn rotation_reads_nothing_twice() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        let path = folder.path().join("run.csv");
        append(&path, &lines(0, 100));
        rig.until_content("run.csv", &lines(0, 100));
        std::fs::rename(&path, folder.path().join("run-1.csv")).expect("renamed");
        append(&path, &lines(500, 50));
        rig.until_logged("renamed run.csv run-1.csv");
        rig.until_content("run.csv", &lines(500, 50));
        append(&folder.path().join("run-1.csv"), b"end\n");
        rig.until_content("run-1.csv", &[lines(0, 100), b"end\n".to_vec()].concat());
        assert_eq!(rig.live, lines(0, 100).len() + lines(500, 50).len() + 4);
        assert_eq!((rig.count("gap"), rig.count("gone")), (0, 0));
    });
}

#[test]
fn any_name_is_read_and_comes_back() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        let odd = Path::new(OsStr::from_bytes(b"K\xfchl 100%.csv"));
        append(&folder.path().join(odd), b"1;2\n");
        rig.until_content("K%FChl 100%25.csv", b"1;2\n");
        assert_eq!(crate::link::files::name::decode("K%FChl 100%25.csv"), odd);
        std::fs::create_dir(folder.path().join("122_2 24 81")).expect("a folder");
        append(&folder.path().join("122_2 24 81/my run.csv"), b"3;4\n");
        rig.until_content("122_2 24 81/my run.csv", b"3;4\n");
        append(&folder.path().join("122_2 24 81/my run.csv"), b"5;6\n");
        rig.until_content("122_2 24 81/my run.csv", b"3;4\n5;6\n");
        for ignored in [".hidden.csv", "~lock.csv", "notes.txt", "copy.csv~"] {
            append(&folder.path().join(ignored), b"no");
        }
        append(&folder.path().join("last.csv"), b"7\n");
        rig.until_content("last.csv", b"7\n");
        assert_eq!(rig.content.len(), 3);
    });
}

#[test]
fn silence_is_told_once_and_again_after_more() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        let path = folder.path().join("run.csv");
        append(&path, b"1;2\n3;");
        rig.until_logged("settled run.csv");
        append(&path, b"4\n");
        rig.until("the second silence", |rig| rig.count("settled") == 2);
        // A restart after the silence was told adds nothing.
        rig.restart();
        append(&folder.path().join("other.csv"), b"x");
        rig.until_logged("settled other.csv");
        assert_eq!(rig.count("settled run.csv"), 2);
    });
}

#[test]
fn a_source_is_read_again_when_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::connected(folder.path(), WatchMode::Notify);
    append(&folder.path().join("run.csv"), &lines(0, 100));
    rig.until_content("run.csv", &lines(0, 100));
    rig.link().reread(&"run.csv".into());
    rig.until("opened again", |rig| rig.count("opened run.csv Table false") == 2);
    rig.until_content("run.csv", &lines(0, 100));
}

#[test]
fn a_receiver_that_does_not_receive_holds_nothing_up_but_the_link() {
    both(|watch| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rig = Rig::connected(folder.path(), watch);
        // More than the channel holds.
        for n in 0..50 {
            append(&folder.path().join(format!("{n}.csv")), &lines(n, 10));
        }
        rig.until("the first", |rig| rig.count("opened") == 1);
        let status = rig.link().status();
        rig.link().stop();
        assert!(status.has_changed().is_err(), "its thread has ended");
        rig.restart();
        rig.until("all", |rig| rig.live == (0..50).map(|n| lines(n, 10).len()).sum::<usize>());
    });
}

#[test]
fn lost_hints_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut start = start(folder.path(), WatchMode::Notify);
    // No safety scan comes in time.
    start.settings.poll_interval = PATIENCE * 2;
    let mut rig = Rig::new(start);
    rig.until("the first look", |rig| rig.baseline.is_some());
    // Far more changes than hints can wait, while nobody receives.
    let path = folder.path().join("run.csv");
    let whole = lines(0, 4000);
    for chunk in whole.chunks(20) {
        append(&path, chunk);
    }
    for n in 0..40 {
        append(&folder.path().join(format!("more {n}.csv")), b"1\n");
    }
    rig.until("everything", |rig| rig.live == whole.len() + 80);
    assert!(rig.content["run.csv"] == whole);
}

#[derive(Debug, Clone)]
enum Act {
    Append(usize),
    Receive,
    Restart,
    Rewrite,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1usize..9000).prop_map(Act::Append),
        2 => Just(Act::Receive),
        2 => Just(Act::Restart),
        1 => Just(Act::Rewrite),
    ];
    proptest::collection::vec(act, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_schedule_gives_the_file(acts in acts(), poll in any::<bool>()) {
        let folder = tempfile::tempdir().expect("a folder");
        let watch = if poll { WatchMode::Poll } else { WatchMode::Notify };
        let mut rig = Rig::connected(folder.path(), watch);
        let path = folder.path().join("run.csv");
        let source = [b"START;00000\n".to_vec(), lines(0, 20_000)].concat();
        let (mut written, mut headers) = (0, 0);
        for act in acts {
            match act {
                Act::Append(len) => {
                    // What stands in the first half of what was read can be rewritten without a gap; the header does.
                    let len = if written == 0 { len.max(100) } else { len };
                    let end = (written + len).min(source.len());
                    append(&path, &source[written..end]);
                    written = end;
                }
                Act::Receive if written > 0 => rig.until("some", |rig| rig.content.contains_key("run.csv")),
                Act::Receive => {}
                Act::Restart => rig.restart(),
                Act::Rewrite if written > 100 => {
                    headers += 1;
                    let mut file = std::fs::OpenOptions::new().write(true).open(&path).expect("the file");
                    file.write_all(format!("START;{headers:05}\n").as_bytes()).expect("written");
                }
                Act::Rewrite => {}
            }
        }
        if written > 0 {
            rig.until("all", |rig| rig.content.get("run.csv").is_some_and(|content| content.len() >= written));
            prop_assert!(rig.content["run.csv"][12.min(written)..] == source[12.min(written)..written], "{:#?}", rig.log);
            prop_assert_eq!(rig.count("gap"), 0, "{:#?}", rig.log);
            prop_assert_eq!(rig.live, written);
        }
    }
}
