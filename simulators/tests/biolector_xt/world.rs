//! Stream, zip and truth are of the same world.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use instrument_proto::biolector_xt::WellLabel;
use instrument_proto::biolector_xt::status_update_stream_response::Update;
use instrumentd_simulators::Pace;
use instrumentd_simulators::biolector_xt::{Begin, Made, Settings};

use super::client::{Client, PATIENCE, says, until};
use super::{small, start};

/// Well, filter set from 1, seconds → value as printed.
type Readings = BTreeMap<(String, u32, u64), String>;

pub fn streamed(updates: &[Update]) -> Readings {
    let readings = updates.iter().filter_map(|update| match update {
        Update::MeasurementStatus(status) => Some((
            (status.cultivation().as_str_name().to_owned(), status.channel_index + 1, status.experiment_duration),
            format!("{:.2}", status.value),
        )),
        _ => None,
    });
    readings.collect()
}

pub fn made(truth: &[Made]) -> Readings {
    let reading = |made: &Made| {
        let value = made.value.map_or("NaN".to_owned(), |value| format!("{value:.2}"));
        ((made.well.clone(), made.filterset, made.elapsed_s), value)
    };
    truth.iter().map(reading).collect()
}

/// The readings in an experiment's zip.
pub fn filed(zip: &[u8]) -> Readings {
    let mut zip = zip::ZipArchive::new(Cursor::new(zip)).expect("a zip");
    let names: Vec<String> = zip.file_names().map(|name| name.expect("a name").into_owned()).collect();
    let name = names.iter().find(|name| name.ends_with(".csv")).expect("a table");
    let mut table = String::new();
    zip.by_name(name).expect("a member").read_to_string(&mut table).expect("text");
    let rows = table.lines().map(|line| line.split(';').collect::<Vec<_>>()).filter(|row| row[0] == "M");
    let reading = |row: Vec<&str>| {
        let value = if row[5] == "nan" {
            "NaN"
        } else if row[10] == "0.00" {
            row[7]
        } else {
            row[10]
        };
        let number = |column: usize| row[column].parse::<u64>().expect("a number");
        ((row[2].to_owned(), number(3) as u32, number(4)), value.to_owned())
    };
    rows.map(reading).collect()
}

/// A whole run: what was streamed, what was made, and the experiment.
pub async fn whole_run(settings: Settings) -> (Vec<Update>, Vec<Made>, Vec<u8>) {
    let server = start(Settings { begin: Begin::WithFirstClient, ..settings });
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    let all = until(&mut updates, says("TempControl state changed to 0")).await;
    assert!(server.wait_until_over(1, PATIENCE));
    let truth = server.truth();
    let (_, zip) = client.download("DownloadExperiment", &truth[0].experiment).await.expect("it is finished");
    (all, truth, zip)
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_zip_and_truth_are_the_same_readings() {
    let mut settings = small();
    settings.add_fault("sens1").expect("a known fault");
    let (updates, truth, zip) = whole_run(settings).await;
    assert_eq!(truth.len(), 3 * 4 * 10);
    assert!(truth.iter().any(|made| made.value.is_none()), "some readings saturate");
    assert_eq!(streamed(&updates), made(&truth));
    assert_eq!(filed(&zip), made(&truth));
}

#[tokio::test(flavor = "multi_thread")]
async fn wells_come_in_a_serpentine_under_row_major_labels() {
    let (updates, ..) = whole_run(small()).await;
    let labels: Vec<WellLabel> = updates
        .iter()
        .filter_map(|update| match update {
            Update::MeasurementStatus(status) => Some(status.cultivation()),
            _ => None,
        })
        .take(10)
        .collect();
    assert_eq!(labels[7..], [WellLabel::A08, WellLabel::B08, WellLabel::B07]);
    assert_eq!(WellLabel::B08 as i32, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_makes_the_same_readings_and_another_does_not() {
    let one = whole_run(small()).await.1;
    assert_eq!(made(&whole_run(small()).await.1), made(&one));
    let mut other = small();
    other.run.seed = 2;
    assert_ne!(made(&whole_run(other).await.1), made(&one));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_shifts_stream_and_file_alike() {
    let server = start(Settings { begin: Begin::WithFirstClient, pace: Pace::Times(200.0), ..small() });
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    let mut seen = until(&mut updates, |update| matches!(update, Update::MeasurementStatus(_))).await;
    server.pause(false);
    seen.extend(until(&mut updates, says("Pause on")).await);
    assert!(server.move_cover(true));
    seen.extend(until(&mut updates, says("Coverstate changed to OPEN")).await);
    assert!(server.go_on());
    seen.extend(until(&mut updates, says("TempControl state changed to 0")).await);
    assert!(server.wait_until_over(1, PATIENCE));
    let truth = server.truth();
    let zip = server.zip(&truth[0].experiment).expect("the experiment is stored");
    assert_eq!(streamed(&seen), made(&truth));
    assert_eq!(filed(&zip), made(&truth));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robots_volume_is_in_the_fluid_account() {
    let server = start(Settings { begin: Begin::WithFirstClient, pace: Pace::Times(200.0), ..small() });
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    until(&mut updates, |update| matches!(update, Update::MeasurementStatus(_))).await;
    assert!(server.add_external("A02", 35.0));
    assert!(!server.add_external("Z99", 35.0));
    server.stop_run();
    assert!(server.wait_until_over(1, PATIENCE));
    let zip = server.zip(&server.truth()[0].experiment).expect("the experiment is stored");
    let mut zip = zip::ZipArchive::new(Cursor::new(zip)).expect("a zip");
    let mut table = String::new();
    zip.by_name("501_SIM_Batch.csv").expect("the table").read_to_string(&mut table).expect("text");
    let mut rows = table.lines().map(|line| line.split(';').collect::<Vec<_>>());
    assert!(rows.any(|row| row[2] == "A02" && row[20] == "835.000000"));
}
