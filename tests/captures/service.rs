//! The device service of an Echo MS+.

use std::collections::BTreeSet;

use instrumentd_simulators::device_service::{HostSettings, Limits, Restart};
use instrumentd_simulators::echo_ms_plus::{EchoMsPlus, Fault, Faults, Settings};
use instrumentd_simulators::player::Pace;
use jiff::Timestamp;
use serde_json::Value;

use crate::bench::Bench;
use crate::wait_for;

const TOKEN: &str = "s3same-0ffne-d1ch";

/// Shots come every 20 milliseconds.
const PACE: Pace = Pace::Times(100.0);

fn echo(runs: u32, faults: Faults) -> EchoMsPlus {
    let settings = Settings {
        start: Timestamp::now(),
        missed: 0.05,
        low: 0.05,
        lead_s: 2.0,
        gap_s: 4.0,
        interval_s: 2.0,
        ..Settings::default()
    };
    let host = HostSettings { token: Some(TOKEN.to_owned()), ..HostSettings::default() };
    EchoMsPlus::start(settings.plates(runs, 384, 100, 1, 5), host, Limits::default(), faults, PACE).expect("it runs")
}

fn bench(echo: &EchoMsPlus, capture: &str) -> Bench {
    let address = echo.address();
    let bench = Bench::new(
        "echo-ms-plus",
        &format!(
            "[devices.one.grpc]\nendpoint = \"grpc://{address}\"\nplaintext = true\ntoken_file = \"token\"\n{capture}\n"
        ),
    );
    std::fs::write(bench.path("token"), TOKEN).expect("written");
    bench
}

#[test]
fn what_a_daemon_heard_replays_to_what_its_journal_holds() {
    let faults = Faults::default()
        .with(Fault::Cut, 31)
        .with(Fault::SequenceGap, 17)
        .with(Fault::Double, 23)
        .with(Fault::Malformed, 67)
        .with(Fault::Nonsense, 29);
    let echo = echo(3, faults);
    let bench = bench(&echo, "capture = { folder = \"captures\", rotate = \"100 kB\", keep = 1000 }");
    let daemon = bench.daemon();
    wait_for("the first run's end", || !bench.events("ejection.run-completed").is_empty());
    daemon.kill();
    let daemon = bench.daemon();
    wait_for("a shot of the last run", || bench.events("ejection.run-started").len() >= 3);
    echo.restart(Restart::WithoutQueues).expect("it restarts");
    wait_for("the last run's end", || bench.events("ejection.run-completed").len() >= 3);
    let said = bench.wait_until_same(300);
    daemon.kill();
    assert!(said.contains("none of this service"), "what was malformed is counted: {said}");
    let recorded = bench.recorded();
    assert!(!recorded.contains(TOKEN) && !recorded.to_ascii_lowercase().contains("bearer"), "the token is nobody's");
    assert!(recorded.lines().all(|line| line.is_ascii() && line.len() < 16 << 10));
    assert!(bench.captures().len() > 2, "{:?}", bench.captures());
}

#[test]
fn the_command_records_what_its_own_subscription_hears_and_leaves_nothing_behind() {
    let echo = echo(1, Faults::default().with(Fault::Cut, 41));
    let bench = bench(&echo, "");
    let file = bench.path("echo.capture");
    let capture = bench.capture(&file);
    wait_for("the run", || echo.is_over());
    let shots = |events: &[Value]| -> BTreeSet<u64> {
        let shot = |event: &&Value| {
            event["type"].as_str().is_some_and(|name| name.contains(".ejected.") || name.contains(".ejection.failed."))
        };
        events.iter().filter(shot).map(|event| event["data"]["order"].as_u64().expect("a place")).collect()
    };
    let made = echo.truth().len();
    wait_for("every shot", || shots(&bench.replay(std::slice::from_ref(&file)).0).len() == made);
    capture.interrupt();
    assert_eq!(echo.with_host(|host| host.with(|server, _| server.subscriptions())), 0, "nobody hears it any more");
    let (replayed, said) = bench.replay(std::slice::from_ref(&file));
    assert_eq!(shots(&replayed).len(), made, "{said}");
    let text = std::fs::read_to_string(&file).expect("a capture");
    assert!(text.starts_with("#instrumentd-capture 1 device=one link=grpc\n"), "{text:.100}");
    assert!(!text.contains(TOKEN));
    // Cut anywhere, it is read as far as it goes.
    for at in [text.len() / 3, text.len() / 2] {
        let cut = bench.path("cut.capture");
        std::fs::write(&cut, &text[at..text.len() - at / 2]).expect("written");
        let (part, said) = bench.replay(&[cut]);
        assert!(!shots(&part).is_empty() && shots(&part).is_subset(&shots(&replayed)), "{said}");
    }
}
