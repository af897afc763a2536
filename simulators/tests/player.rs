//! The instrument at work in a folder, driven from outside; and the program that does the same.

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use instrumentd_simulators::biolector::player::{Pace, Player, apply};
use instrumentd_simulators::biolector::{BiolectorRun, Model, Quirk, Settings};
use instrumentd_simulators::{Control as _, Responsiveness};
use support::{small, with, write};

/// Long enough for any machine; never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

fn run(settings: Settings) -> BiolectorRun {
    BiolectorRun::new(settings).expect("the settings fit an instrument")
}

#[test]
fn a_folder_holds_the_files_of_the_run() {
    for (model, quirks) in [
        (Model::Pro, vec![]),
        (Model::Xt, vec![Quirk::TornWrites]),
        (Model::One, vec![Quirk::HeadRewrite]),
        (Model::Pro, vec![Quirk::ReplaceByLongerCopy]),
    ] {
        let settings = with(Settings { wells: 6, ..small(model) }, &quirks);
        let folder = tempfile::tempdir().expect("a folder");
        let player = Player::start(run(settings.clone()), folder.path().to_path_buf(), Pace::Max, 64);
        let readings: usize = player.done().iter().map(|step| step.readings.len()).sum();
        player.join().expect("it can write");
        let written = write(settings);
        assert_eq!(readings, written.readings.len());
        for (name, bytes) in &written.files {
            assert_eq!(&fs::read(folder.path().join(name)).expect("it is there"), bytes, "{model:?} {name}");
        }
    }
}

#[test]
fn single_steps_come_one_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let instrument = run(small(Model::Pro));
    let file = folder.path().join(instrument.table_file());
    // An hour for each second of its time: nothing happens by itself.
    let player = Player::start(instrument, folder.path().to_path_buf(), Pace::Times(1.0 / 3600.0), 1024);
    player.single_step();
    let mut length = 0;
    for step in 1..=20 {
        player.step();
        let done = player.done().recv_timeout(PATIENCE).expect("the step is done");
        assert!(!done.readings.is_empty() || step < 10, "by now it measures");
        let now = fs::metadata(&file).expect("the file is there").len();
        assert!(now > length, "step {step} made the file longer");
        length = now;
        assert_eq!(player.steps().get(), step);
    }
    player.free_run();
    player.stop();
    player.join().expect("it could write");
    assert_eq!(fs::metadata(&file).expect("the file is there").len(), length, "nothing more was written");
}

#[test]
fn an_unresponsive_instrument_writes_nothing_and_goes_on_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { wells: 2, ..small(Model::Pro) };
    let all = write(settings.clone()).steps.len() as u64;
    let player = Player::start(run(settings), folder.path().to_path_buf(), Pace::Max, 1);
    // One step is remembered, one more is done and waits to be taken: the instrument waits for the listener.
    assert!(player.steps().wait_for(2, PATIENCE));
    player.set_responsiveness(Responsiveness::Unresponsive);
    let first = player.done().recv_timeout(PATIENCE).expect("done before");
    assert!(first.readings.is_empty());
    player.set_slowness(0.5);
    player.set_responsiveness(Responsiveness::Responsive);
    assert_eq!(player.done().iter().count() as u64, all - 1);
    assert_eq!(player.steps().get(), all);
    player.join().expect("it could write");
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let in_the_way = folder.path().join("results");
    fs::write(&in_the_way, "a file where the folder should be").expect("writable");
    let step = run(small(Model::Pro)).next().expect("a step");
    let error = apply(&in_the_way, &step.change).expect_err("no folder").to_string();
    assert!(error.contains("results") && error.contains("see that the folder exists"), "{error}");
}

fn program(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_instrument-sim")).args(arguments).output().expect("the program starts")
}

#[test]
fn the_program_writes_the_same_bytes_as_the_library() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_string_lossy().into_owned();
    let settings = with(
        Settings { cycles: 2, wells: 5, start: jiff::civil::date(2026, 5, 1).at(6, 30, 0, 0), ..Settings::default() },
        &[Quirk::LateComments, Quirk::Crlf],
    );
    let arguments = [
        "biolector-file",
        &place,
        "--speed",
        "max",
        "--cycles",
        "2",
        "--wells",
        "5",
        "--start",
        "2026-05-01T06:30:00+02:00",
        "--quirk",
        "late-comments",
        "--quirk",
        "crlf",
    ];
    let output = program(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("cycle 2 is written, 30 readings so far"), "{told}");
    let file = folder.path().join(run(settings.clone()).table_file());
    assert_eq!(fs::read(file).expect("the table"), write(settings).table);
}

#[test]
fn the_program_explains_itself() {
    let help = String::from_utf8(program(&["biolector-file", "--help"]).stdout).expect("text");
    for part in ["Examples:", "--quirk", "--speed", "--cycles", "--filtersets", "--wells", "--start"] {
        assert!(help.contains(part), "{part} in {help}");
    }
    let list = String::from_utf8(program(&["biolector-file", "--quirk", "list"]).stdout).expect("text");
    assert_eq!(list.lines().count(), Quirk::ALL.len());
    let refused = program(&["biolector-file", "-", "--quirk", "late-coments"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("unknown quirk 'late-coments'"));
    let nowhere = program(&["biolector-file"]);
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("say into which folder"));
}
