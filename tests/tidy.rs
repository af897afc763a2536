//! House rules that the compiler does not check: who may import what, how long a file may be, what may not be left.

use std::fs;
use std::path::{Path, PathBuf};

/// A file is about one thing; past this it is usually two.
const MAX_LINES: usize = 450;

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The code before the tests at its end.
    fn code(&self) -> &str {
        self.text.split("#[cfg(test)]").next().unwrap_or_default()
    }

    fn is_under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "proto/src", "simulators/src"] {
        collect(&root.join(folder), &mut found);
    }
    assert!(found.len() > 20, "the sources were not found");
    let relative = |path: &Path| path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
    found
        .into_iter()
        // A module's own tests stand beside it, in `tests.rs` or `tests/`.
        .filter(|path| !path.ends_with("tests.rs") && !path.components().any(|part| part.as_os_str() == "tests"))
        .map(|path| Source { path: relative(&path), text: fs::read_to_string(&path).expect("readable") })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Asserts that none of `words` stands in the code of the files that `guarded` selects.
fn assert_absent(rule: &str, words: &[&str], guarded: impl Fn(&Source) -> bool) {
    let mut offenders = Vec::new();
    for source in sources().iter().filter(|source| guarded(source)) {
        for (number, line) in source.code().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(word) = words.iter().find(|word| code.contains(**word)) {
                offenders.push(format!("{}:{}: {word}", source.path, number + 1));
            }
        }
    }
    assert!(offenders.is_empty(), "{rule}:\n{}", offenders.join("\n"));
}

#[test]
fn only_the_journal_knows_sql() {
    assert_absent("only src/journal imports rusqlite", &["rusqlite"], |s| !s.is_under("src/journal/"));
}

#[test]
fn only_the_publisher_knows_mqtt() {
    // The demo's subscriber is a stranger to the daemon and has a client of its own.
    assert_absent("only src/publish imports rumqttc", &["rumqttc"], |s| {
        !s.is_under("src/publish/") && !s.is_under("src/demo/")
    });
}

#[test]
fn drivers_codecs_and_events_do_no_io_and_read_no_clock() {
    let words = [
        "tokio::",
        "std::fs",
        "std::net",
        "std::thread",
        "File::open",
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "async fn",
        "println!",
    ];
    assert_absent("drivers, codecs and events are pure", &words, |s| {
        s.is_under("src/driver/") || s.is_under("proto/src/codec/") || s.is_under("src/event/")
    });
}

#[test]
fn events_depend_on_nothing_else_here() {
    let words = ["crate::journal", "crate::publish", "crate::link", "crate::device", "crate::config", "crate::driver"];
    assert_absent("src/event depends on nothing else", &words, |s| s.is_under("src/event/"));
}

#[test]
fn the_simulators_never_depend_on_the_daemon() {
    assert_absent("simulators speak the instrument's side only", &["instrumentd::"], |s| s.is_under("simulators/"));
}

#[test]
fn only_links_open_instrument_files() {
    assert_absent("the device and publish modules open no files of instruments", &["File::open"], |s| {
        s.is_under("src/device/") || s.is_under("src/driver/") || s.is_under("src/projection/")
    });
}

#[test]
fn nothing_panics_on_what_comes_from_outside() {
    assert_absent(
        "no unwrap, expect or panic outside tests",
        &[".unwrap()", "panic!(", "todo!(", "unimplemented!("],
        |s| !s.path.ends_with("tests.rs"),
    );
}

#[test]
fn files_are_about_one_thing() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| source.code().lines().count() > MAX_LINES)
        .map(|source| format!("{}: {} lines", source.path, source.code().lines().count()))
        .collect();
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}

#[test]
fn names_are_the_fields() {
    let vague = ["utils", "helpers", "manager", "common", "misc"];
    let named: Vec<String> = sources()
        .iter()
        .filter(|source| vague.iter().any(|word| source.path.contains(&format!("/{word}"))))
        .map(|source| source.path.clone())
        .collect();
    assert!(named.is_empty(), "vague names: {named:?}");
}
