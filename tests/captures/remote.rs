//! The remote interface of a BioLector XT.

use instrumentd_simulators::Pace;
use instrumentd_simulators::biolector_xt::{Begin, Settings, XtServer};

use crate::bench::Bench;
use crate::wait_for;

fn settings(cycles: u32) -> Settings {
    let mut settings = Settings { begin: Begin::WithFirstClient, visit_every: Some(2), ..Settings::default() };
    (settings.run.cycles, settings.run.filtersets, settings.run.cycle_seconds) = (cycles, 3, 420);
    settings.pace = Pace::Times(200.0);
    (settings.faults.braces, settings.faults.clock_skew_s) = (true, 431.0);
    settings
}

fn bench(instrument: &XtServer, rotate: &str) -> Bench {
    let capture = format!("capture = {{ folder = \"captures\", rotate = \"{rotate}\", keep = 1000 }}");
    Bench::new(
        "biolector-xt",
        &format!(
            "[devices.one.grpc]\nendpoint = \"grpc://{}\"\nplaintext = true\n{capture}\n\
             [devices.one.overrides.live]\nprogress_every = \"100ms\"\nvalues_every = \"200ms\"\nexperiments_every = \"200ms\"\n",
            instrument.address()
        ),
    )
}

#[test]
fn a_recorded_run_with_cuts_and_a_killed_daemon_replays_to_what_the_journal_holds() {
    let mut settings = settings(5);
    (settings.faults.cut_every, settings.faults.restart_every, settings.faults.down_s) = (Some(150), Some(400), 0.1);
    let instrument = XtServer::start(settings).expect("it starts");
    let bench = bench(&instrument, "100 kB");
    let daemon = bench.daemon();
    wait_for("a third of the run", || instrument.truth().len() > 5 * 3 * 48 / 3);
    // What is on its way when a daemon is killed is in the journal or in the recording by chance.
    instrument.set_pace(Pace::Times(1e-6));
    let asked = ["GetCurrentProgress", "GetCultivationValues", "GetExperimentList"];
    instrument.change_faults(|faults| faults.hang.extend(asked.map(str::to_owned)));
    bench.wait_until_same(100);
    daemon.kill();
    instrument.change_faults(|faults| faults.hang.clear());
    instrument.set_pace(Pace::Times(200.0));
    let daemon = bench.daemon();
    wait_for("every reading", || bench.events("cultivation.measured").len() >= 5 * 3 * 48);
    // The experiment's file, which tells how the run ended, is read to its end.
    wait_for("the file", || bench.recorded().contains(" ! @DownloadExperiment closed {"));
    let said = bench.wait_until_same(5 * 3 * 48);
    assert!(!said.contains("unreadable") && !said.contains("passed over"), "{said}");
    daemon.kill();
    let files = bench.captures();
    assert!(files.len() > 3, "{files:?}");
}

#[test]
fn the_command_asks_what_the_daemon_asks() {
    let instrument = XtServer::start(settings(2)).expect("it starts");
    let bench = bench(&instrument, "100 kB");
    let file = bench.path("xt.capture");
    let capture = bench.capture(&file);
    let text = || std::fs::read_to_string(&file).unwrap_or_default();
    // The driver that follows asks for the file when the run is over.
    wait_for("the file", || text().contains(" ! @DownloadExperiment closed {"));
    capture.interrupt();
    let (replayed, said) = bench.replay(std::slice::from_ref(&file));
    let of = |name: &str| replayed.iter().filter(|event| event["type"] == name).count();
    assert!(of("instrumentd.cultivation.completed.v1") > 0, "{said}");
    assert!(of("instrumentd.cultivation.measured.v1") >= 2 * 3 * 48, "{said}");
    assert!(!text().contains("/PauseProtocol ") && !text().contains("/AddComment "), "nothing is ordered");
}
