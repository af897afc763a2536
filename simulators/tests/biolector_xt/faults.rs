//! What can go wrong, each as a switch.

use std::time::Duration;

use instrument_proto::biolector_xt as wire;
use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrumentd_simulators::Pace;
use instrumentd_simulators::biolector_xt::{Begin, Settings, SlowClient, State};
use tonic::Code;

use super::client::{Client, PATIENCE, next, says, until};
use super::world::{filed, made, streamed, whole_run};
use super::{small, start};

fn with(faults: &[&str]) -> Settings {
    let mut settings = Settings { begin: Begin::WithFirstClient, ..small() };
    for fault in faults {
        settings.add_fault(fault).expect("a known fault");
    }
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stream_ends_with_an_error_and_the_run_goes_on() {
    let server = start(with(&[]));
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    until(&mut updates, |update| matches!(update, Update::MeasurementStatus(_))).await;
    server.cut_streams();
    let ending = loop {
        if let Err(status) = next(&mut updates).await {
            break status;
        }
    };
    assert_eq!(ending.code(), Code::Unavailable);
    assert!(server.wait_until_over(1, PATIENCE));
    assert_eq!(server.truth().len(), 3 * 4 * 10);
    // The connection stands.
    let _: wire::GetProtocolsResponse = client.ok("GetProtocols", ()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_listens_at_the_same_place_and_the_run_went_on() {
    let server = start(with(&[]));
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    until(&mut updates, |update| matches!(update, Update::MeasurementStatus(_))).await;
    assert!(server.restart(Duration::ZERO));
    while next(&mut updates).await.is_ok() {}
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address())).expect("an address");
    let back = async { while endpoint.connect().await.is_err() {} };
    tokio::time::timeout(PATIENCE, back).await.expect("it comes back");
    assert!(server.wait_until_over(1, PATIENCE));
    let list: wire::GetExperimentListResponse = Client::of(&server).await.ok("GetExperimentList", ()).await;
    assert!(list.experiments.iter().all(|experiment| experiment.finished));
}

#[tokio::test(flavor = "multi_thread")]
async fn torn_connections_break_what_is_open() {
    let server = start(Settings { begin: Begin::WhenAsked, ..small() });
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    server.tear_connections();
    next(&mut updates).await.expect_err("the connection is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_is_cut() {
    let settings = Settings { queue: 8, slow_client: SlowClient::Cut, ..with(&["oversized=1"]) };
    let server = start(settings);
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    // Nothing is read until the run is over, and the connection's own buffers hold far less than the comments.
    assert!(server.wait_until_over(1, PATIENCE));
    let mut ending = next(&mut updates).await;
    while ending.is_ok() {
        ending = next(&mut updates).await;
    }
    // The client's own limit is reached first; the server has cut it meanwhile.
    assert_eq!(ending.expect_err("an end").code(), Code::OutOfRange);
    assert_eq!(server.listeners(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_of_a_slow_client_names_the_reason() {
    let settings = Settings { queue: 8, slow_client: SlowClient::Cut, begin: Begin::WhenAsked, ..small() };
    let server = start(settings);
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    for _ in 0..200 {
        server.comment(&"a long comment ".repeat(10_000));
    }
    let ending = loop {
        if let Err(status) = next(&mut updates).await {
            break status;
        }
    };
    assert_eq!(ending.code(), Code::ResourceExhausted);
    assert!(ending.message().contains("too slowly"), "{ending}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_message_is_none() {
    let server = start(with(&["malformed=20"]));
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    let ending = loop {
        if let Err(status) = next(&mut updates).await {
            break status;
        }
    };
    assert_eq!(ending.code(), Code::Internal, "{ending}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_message_exceeds_a_clients_limit() {
    let server = start(with(&["oversized=20"]));
    let mut updates = Client::of(&server).await.listen().await;
    let ending = loop {
        if let Err(status) = next(&mut updates).await {
            break status;
        }
    };
    assert_eq!(ending.code(), Code::OutOfRange, "{ending}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_experiment_may_be_refused_and_identifiers_come_in_braces() {
    let settings = Settings { pace: Pace::Times(100.0), ..with(&["refuse-running", "braces"]) };
    let server = start(settings);
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    until(&mut updates, |update| matches!(update, Update::MeasurementStatus(_))).await;
    let list: wire::GetExperimentListResponse = client.ok("GetExperimentList", ()).await;
    let running = list.experiments.iter().find(|experiment| !experiment.finished).expect("it runs").clone();
    assert!(running.experiment_id.starts_with('{'));
    let refused = client.download("DownloadExperiment", &running.experiment_id).await.expect_err("it runs");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    server.change_faults(|faults| faults.refuse_running_download = false);
    let (_, zip) = client.download("DownloadExperiment", &running.experiment_id).await.expect("now it is given");
    assert!(filed(&zip).len() <= server.truth().len());
    server.set_pace(Pace::Max);
    assert!(server.wait_until_over(1, PATIENCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_may_be_wrong_about_the_last_well_where_the_stream_is_right() {
    let (updates, truth, zip) = whole_run(with(&["last-well"])).await;
    assert_eq!(streamed(&updates), made(&truth));
    let (filed, made) = (filed(&zip), made(&truth));
    assert_eq!(filed.len(), made.len());
    let misfiled = filed.keys().filter(|key| !made.contains_key(*key)).count();
    assert!(misfiled > 0, "some rows stand under another filter set");
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_may_count_from_one_and_the_files_times_be_later() {
    let (updates, truth, zip) = whole_run(with(&["index-base=1", "file-late=2"])).await;
    let first = streamed(&updates).keys().map(|(_, filterset, _)| *filterset).min();
    assert_eq!(first, Some(2), "one more than the filter set");
    let later = made(&truth).into_iter().map(|((well, set, seconds), value)| ((well, set, seconds + 2), value));
    assert_eq!(filed(&zip), later.collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_takes_its_time_and_cannot_be_ended_before_it_is_in_force() {
    let settings = Settings { pace: Pace::Times(100.0), ..with(&["pause-latency=60"]) };
    let server = start(settings);
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    until(&mut updates, |update| matches!(update, Update::MeasurementStatus(_))).await;
    client.does("PauseProtocol", false).await;
    assert_eq!(server.state(), State::PauseRequested);
    let continued: wire::ContinueProtocolResponse = client.ok("ContinueProtocol", ()).await;
    assert_eq!(continued.result(), wire::continue_protocol_response::Result::NotPaused);
    let meanwhile = until(&mut updates, says("Pause on")).await;
    assert!(meanwhile.iter().any(|update| matches!(update, Update::MeasurementStatus(_))), "it goes on measuring");
    assert_eq!(server.state(), State::Paused);
    let shaker: wire::GetShakerControlStatusResponse = client.ok("GetShakerControlStatus", ()).await;
    assert!(shaker.actual > 0, "the cultures are kept moving");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_may_hang_and_a_stream_be_silent() {
    let server = std::sync::Arc::new(start(with(&["hang=GetCurrentProgress", "silent"])));
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    let hanging = client.call::<(), wire::GetCurrentProgressResponse>("GetCurrentProgress", ());
    let theirs = server.clone();
    tokio::select! {
        _ = hanging => panic!("it answers"),
        _ = updates.message() => panic!("the stream is not silent"),
        over = tokio::task::spawn_blocking(move || theirs.wait_until_over(1, PATIENCE)) => assert!(over.expect("no panic")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skewed_clock_and_a_wrong_offset_show_in_times() {
    let mut settings = with(&["clock-skew=240", "summer-offset"]);
    settings.pace = Pace::Times(100.0);
    settings.start = Some("2026-01-12T08:00:00+01:00".parse().expect("a time"));
    let server = start(settings);
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    until(&mut updates, |update| matches!(update, Update::MeasurementStatus(_))).await;
    let list: wire::GetExperimentListResponse = client.ok("GetExperimentList", ()).await;
    let running = list.experiments.last().expect("it runs");
    assert!(running.start_time.starts_with("2026-01-12T08:0"), "{}", running.start_time);
    assert!(running.start_time.as_str() >= "2026-01-12T08:04:00", "{}", running.start_time);
    assert!(running.start_time.ends_with("+02:00"), "{}", running.start_time);
}

#[test]
fn a_fault_that_nobody_knows_is_refused_with_its_reason() {
    let refused = |text: &str| Settings::default().add_fault(text).expect_err("refused").to_string();
    assert_eq!(refused("cuts"), "unknown fault 'cuts'; `--fault list` prints the known ones");
    assert_eq!(refused("cut"), "fault 'cut' is written 'cut=N', not with ''");
    assert_eq!(refused("braces=2"), "fault 'braces' is written 'braces', not with '2'");
    assert_eq!(refused("index-base=7"), "fault 'index-base' is written 'index-base=0|1', not with '7'");
}
