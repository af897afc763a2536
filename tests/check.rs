//! `instrumentd check` and `instrumentd schema` from outside.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

fn instrumentd(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::cargo_bin("instrumentd").expect("the binary").args(arguments).output().expect("it ran");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// A configuration that is right, with a broker that is there.
fn configuration(folder: &Path, port: u16) -> String {
    std::fs::create_dir_all(folder.join("results")).expect("a folder");
    format!(
        "[site]\nid = \"lab\"\n\n[journal]\npath = \"journal/journal.db\"\n\n[brokers.main]\nhost = \"127.0.0.1\"\nport = {port}\n\n\
         [devices.bl-1]\nprofile = \"biolector-pro\"\ntime_zone = \"Europe/Berlin\"\nfiles = {{ folder = \"results\" }}\n"
    )
}

#[test]
fn check_counts_and_ends_with_0_only_if_run_would_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let text = configuration(folder.path(), broker.local_addr().expect("an address").port());
    let path = folder.path().join("instrumentd.toml");
    let check = |text: &str, more: &[&str]| {
        std::fs::write(&path, text).expect("written");
        instrumentd(&[&["check", "--config", path.to_str().expect("UTF-8")], more].concat())
    };
    let (success, out, err) = check(&text, &[]);
    assert_eq!((success, out.as_str(), err.as_str()), (true, "0 errors, 0 warnings\n", ""));

    let (success, out, _) = check(&text.replace("results", "elsewhere"), &[]);
    assert!(success && out.ends_with("0 errors, 1 warning\n") && out.contains("warning[folder-absent]"), "{out}");

    let wrong = text.replace("Berlin", "Berln").replace("results", "elsewhere").replace("\"lab\"", "\"Lab\"");
    let (success, out, _) = check(&wrong, &[]);
    assert!(!success && out.ends_with("2 errors, 1 warning\n"), "{out}");
    for place in
        ["instrumentd.toml:2:6", "instrumentd.toml:13:13", "instrumentd.toml:14:20", "did you mean `Europe/Berlin`?"]
    {
        assert!(out.contains(place), "{place}: {out}");
    }
    assert!(!journal_was_made(folder.path()), "check writes nothing");

    let (success, out, _) = check(&wrong, &["--format", "json"]);
    assert!(!success);
    let records: Vec<Value> = serde_json::from_str(&out).expect("a JSON array");
    assert_eq!(records.len(), 3);
    let zone = &records[1];
    assert_eq!(zone["severity"], "error");
    assert_eq!(zone["code"], "bad-time-zone");
    assert_eq!(zone["file"], path.to_str().expect("UTF-8"));
    assert_eq!(zone["text"], "\"Europe/Berln\"");
    let place = ["line", "column", "end_line", "end_column"].map(|key| zone[key].as_u64());
    assert_eq!(place, [Some(13), Some(13), Some(13), Some(27)]);
    assert!(zone["message"].is_string() && zone["help"].is_array());
}

fn journal_was_made(folder: &Path) -> bool {
    folder.join("journal").exists()
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let (success, out, _) = instrumentd(&["check", "--config", "/nonexistent/instrumentd.toml"]);
    assert!(!success && out.contains("error[unreadable]") && out.ends_with("1 error, 0 warnings\n"), "{out}");
}

#[test]
fn schemas_are_printed_and_compile() {
    for arguments in [&["config"][..], &["profile"], &["event", "cultivation.measured"]] {
        let (success, out, err) = instrumentd(&[&["schema"], arguments].concat());
        assert!(success, "{err}");
        let schema: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        jsonschema::validator_for(&schema).expect("a schema");
    }
    let (success, list, _) = instrumentd(&["schema", "event", "--list"]);
    assert!(success && list.lines().any(|line| line == "cultivation.measured"));
    let (success, _, err) = instrumentd(&["schema", "event", "cultivation.mesured"]);
    assert!(!success && err.contains("did you mean `cultivation.measured`?"), "{err}");
    let (success, out, _) = instrumentd(&["schema", "profile", "--shipped", "biolector-xt"]);
    assert!(success && out.contains("family = \"biolector-xt\""));
    let (success, _, err) = instrumentd(&["schema", "profile", "--shipped", "biolector-xl"]);
    assert!(!success && err.contains("did you mean `biolector-xt`?"), "{err}");
}
