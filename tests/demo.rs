//! The demonstration, as somebody sees it who has just built the program.

#![cfg(feature = "demo")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn demo(arguments: &[&str], temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_instrumentd"));
    command.arg("demo").args(arguments).env("TMPDIR", temporary).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The figure behind a word in the count at the end.
fn counted(told: &str, word: &str) -> u64 {
    let line = told
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix(word))
        .unwrap_or_else(|| panic!("{word} in: {told}"));
    line.split_whitespace().next().and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("{word} in: {told}"))
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).expect("the folder is ours").next().is_none()
}

#[test]
fn the_story_ends_well_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().expect("a folder");
    // Whether or not somebody else has the usual port already, it is taken now.
    let taken = TcpListener::bind("127.0.0.1:1883");
    let output = demo(&["--speed", "10"], temporary.path()).output().expect("it starts");
    drop(taken);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "Port 1883 is taken",
        "mosquitto_sub -h 127.0.0.1 -p ",
        "The run begins: 48 wells, 4 filter sets",
        "The robot samples the paused plate: 100 µl each of the wells A01 to F01 into column 1",
        "samplings are published",
        "is overloaded",
        "The broker goes down",
        "The broker is back",
        "Everything that waited has arrived",
        "crashed on purpose, in the middle of its work",
        "Its supervisor started it again",
        "The robot's cable is pulled",
        "nobody heard: that it took from D01, E01, F01.",
        "The daemon has lost the robot's line",
        "The robot's line is back",
        "A gap (robolector): ",
        "liquid come out into D04, E04, F04 and had not seen it go in",
        "The run is over after 16 cycles",
        "The Echo ejects the 30 samples into the ZenoTOF",
        "The Echo's run begins",
        "Nothing came of the Echo's shot from",
        "The Echo's run is over",
        "Its shot list names 30 wells. That is what was planned",
        "The acquisition demo-plate is complete, says ",
    ] {
        assert!(told.contains(part), "{part:?} in: {told}");
    }
    assert!(counted(&told, "made") > 16 * 192, "{told}");
    assert_eq!(counted(&told, "missing"), 0, "{told}");
    assert_eq!(counted(&told, "out of order"), 0, "{told}");
    assert_eq!(counted(&told, "received"), counted(&told, "made") + counted(&told, "repeated"), "{told}");
    assert_eq!(counted(&told, "wells sampled by the robot"), 30, "{told}");
    assert_eq!(counted(&told, "sampling.completed"), 27, "all but the three whose cable was pulled: {told}");
    let (ejected, told_of) = (counted(&told, "samples ejected"), counted(&told, "ejection.ejected"));
    assert!(ejected == told_of && (20..30).contains(&ejected), "{told}");
    assert_eq!(counted(&told, "acquisitions written"), 1, "{told}");
    assert_eq!(counted(&told, "acquisition.completed"), 1, "{told}");
    assert!(is_empty(temporary.path()), "the temporary folder is gone");
}

#[test]
fn an_interrupt_ends_it_and_it_cleans_up_all_the_same() {
    let temporary = tempfile::tempdir().expect("a folder");
    let mut running = demo(&[], temporary.path()).spawn().expect("it starts");
    let mut lines = BufReader::new(running.stdout.take().expect("its output")).lines();
    let begun = lines.by_ref().map_while(Result::ok).find(|line| line.contains("Cycle  2"));
    assert!(begun.is_some(), "it got going");
    let pid = Pid::from_raw(running.id().try_into().expect("a process id")).expect("not zero");
    kill_process(pid, Signal::INT).expect("it is ours");
    let told: String = lines.map_while(Result::ok).map(|line| line + "\n").collect();
    assert!(running.wait().expect("it ends").success(), "{told}");
    assert!(told.contains("You end the story early"), "{told}");
    assert_eq!(counted(&told, "missing"), 0, "{told}");
    assert!(is_empty(temporary.path()), "the temporary folder is gone");
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let temporary = tempfile::tempdir().expect("a folder");
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nobody.local_addr().expect("an address").port();
    drop(nobody);
    let broker = format!("mqtt://127.0.0.1:{port}");
    let output = demo(&["--broker", &broker], temporary.path()).output().expect("it starts");
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains(&format!("no subscription at the broker 127.0.0.1:{port}")), "{told}");
    assert!(is_empty(temporary.path()), "the temporary folder is gone");
}
