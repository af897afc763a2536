//! `instrument-sim robolector` and `instrument-sim replay` as programs.

use std::process::{Command, Output};

use instrument_proto::codec::capture::{Entry, Reader};
use instrumentd_simulators::robolector::{Truth, What};

use super::ear;

fn instrument_sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_instrument-sim")).args(arguments).output().expect("the program starts")
}

#[test]
fn a_capture_that_was_made_up_is_played_back_byte_for_byte() {
    let (_kept, folder) = ear::folder();
    let path = |name: &str| folder.join(name).display().to_string();
    let (capture, truth, link) = (path("made.cap"), path("truth.ndjson"), path("line"));
    let arguments = ["robolector", "--dialect", "tecan", "--times", "1", "--feed", "10", "--fault", "clot=3"];
    let made = instrument_sim(&[&arguments[..], &["--capture", &capture, "--truth", &truth]].concat());
    assert!(made.status.success(), "{made:?}");

    let truth = std::fs::read_to_string(&truth).expect("the truth");
    let truths: Vec<Truth> = truth.lines().map(|line| serde_json::from_str(line).expect("a truth")).collect();
    assert_eq!(truths.last().map(|truth| &truth.what), Some(&What::Ended));
    assert!(truths.iter().any(|truth| matches!(truth.what, What::Aspirated { .. })));

    let mut bytes = Vec::new();
    Reader::default().feed(&std::fs::read(&capture).expect("the capture"), |_, entry| {
        if let Entry::Chunk(chunk) = entry.expect("a line") {
            bytes.extend(chunk.bytes);
        }
    });
    let ear = ear::Ear::open(&folder.join("line"));
    let played = instrument_sim(&["replay", &capture, "--speed", "max", "--link", &link]);
    assert!(played.status.success(), "{played:?}");
    assert_eq!(ear.heard().concat(), bytes);
}

#[test]
fn mistakes_on_the_command_line_say_what_there_is() {
    for (arguments, text) in [
        (&["robolector", "--fault", "gremlins"][..], "there is no fault `gremlins`; `--fault list` says what there is"),
        (&["robolector", "--wells", "G01"], "`G01` is no well of flowerplate-48"),
        (&["robolector", "--rotate", "plate=90"], "there is no `plate` on the deck; there are tips, cultures, samples"),
        (&["replay", "/nowhere/at.all"], "cannot read '/nowhere/at.all'"),
    ] {
        let output = instrument_sim(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(text), "{arguments:?}: {said}");
    }
    let list = instrument_sim(&["robolector", "--fault", "list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("slave-timeout"), "{list:?}");
}
