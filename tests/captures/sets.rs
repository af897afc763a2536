//! The file sets of a ZenoTOF.

use std::collections::BTreeMap;

use instrumentd_simulators::player::Pace;
use instrumentd_simulators::zenotof::{Player, Settings, ZenotofRun, plan};
use serde_json::Value;

use crate::bench::Bench;
use crate::wait_for;

/// What an acquisition's end says, by its id. Not by which rules it was known: daemon and command each look at their own times, and one may see the
/// next acquisition begin where the other saw nothing change.
fn ends(events: &[Value]) -> BTreeMap<String, Value> {
    let end = |event: &&Value| event["type"] == "instrumentd.acquisition.completed.v1";
    let id = |event: &Value| event["id"].as_str().expect("an id").to_owned();
    let said = |event: &Value| {
        let mut data = event["data"].clone();
        assert!(data["evidence"].take().is_array(), "{event}");
        data
    };
    events.iter().filter(end).map(|event| (id(event), said(event))).collect()
}

#[test]
fn looks_that_were_recorded_while_files_were_written_replay_to_the_same_acquisitions() {
    let bench = Bench::new(
        "zenotof-7600",
        "files = { folder = \"results\", poll_interval = \"200ms\" }\n\
         overrides = { file_sets = { stable_for = \"900ms\", idle = \"20s\" } }\n",
    );
    let daemon = bench.daemon();
    let file = bench.path("ms.capture");
    let capture = bench.capture(&file);
    let text = || std::fs::read_to_string(&file).unwrap_or_default();
    wait_for("the header", || !text().is_empty());
    let settings = Settings { files: plan(2, 3, 40.0), ..Settings::default() };
    let run = ZenotofRun::new(settings).expect("the settings fit an instrument");
    let player = Player::start(run, bench.path("results"), Pace::Times(60.0), 64);
    player.done().iter().for_each(drop);
    player.join().expect("it can write");
    wait_for("the ends in the journal", || ends(&bench.events("acquisition.*")).len() == 2);
    wait_for("the ends in the capture", || ends(&bench.replay(std::slice::from_ref(&file)).0).len() == 2);
    capture.interrupt();
    let (replayed, said) = bench.replay(std::slice::from_ref(&file));
    assert_eq!(ends(&replayed), ends(&bench.events("acquisition.*")), "{said}");
    daemon.kill();
    let text = text();
    assert!(text.starts_with("#instrumentd-capture 1 device=one link=sets\n"), "{text:.100}");
    // Cut anywhere, it is read as far as it goes.
    let cut = bench.path("cut.capture");
    std::fs::write(&cut, &text[text.len() / 3..text.len() - text.len() / 7]).expect("written");
    let (part, said) = bench.replay(&[cut]);
    assert!(!part.is_empty(), "{said}");
}
