//! Each of the 45 methods.

use std::collections::BTreeSet;

use instrument_proto::biolector_xt as wire;
use instrument_proto::biolector_xt::file_chunk::Content;
use instrument_proto::biolector_xt::{
    continue_protocol_response, start_protocol_response, std_response, stop_protocol_response,
};
use instrumentd_simulators::Pace;
use instrumentd_simulators::biolector_xt::State;
use prost::Message as _;
use tonic::Code;

use super::client::{Client, PATIENCE, says, until};
use super::{small, start};

#[tokio::test(flavor = "multi_thread")]
async fn every_method_of_the_service_answers() {
    let server = start(small());
    let mut client = Client::of(&server).await;
    let mut updates = client.listen().await;
    server.set_pace(Pace::Times(200.0));

    // What is stored.
    let protocols: wire::GetProtocolsResponse = client.ok("GetProtocols", ()).await;
    assert_eq!(protocols.protocols.len(), 2);
    let (name, file) = client.download("DownloadProtocol", &protocols.protocols[0].id).await.expect("it is stored");
    assert_eq!(name, "SIM_Batch.json");
    let mut json: serde_json::Value = serde_json::from_slice(&file).expect("JSON");
    assert_eq!(json["Id"], *protocols.protocols[0].id);
    let uploaded = "11111111-2222-4333-8444-555555555555";
    (json["Id"], json["Name"], json["CycleTime"]) = (uploaded.into(), "Uploaded".into(), "00:05:00".into());
    let text = json.to_string().into_bytes();
    let mut pieces = vec![Content::Metadata(wire::MetaData { filename: "uploaded.json".to_owned() })];
    pieces.extend(text.chunks(50_000).map(|piece| Content::ChunkData(piece.to_vec())));
    let (fine, wrong) = (std_response::Status::Ok as i32, std_response::Status::UnknownError as i32);
    assert_eq!(client.upload(pieces.clone()).await.status, fine);
    let again = client.upload(pieces.clone()).await;
    assert_eq!(again.status, wrong);
    assert!(again.comment.contains("stored already"), "{}", again.comment);
    assert_eq!(client.upload(pieces[1..].to_vec()).await.status, wrong, "without the name");
    let deleted: wire::StdResponse = client.ok("DeleteProtocol", uploaded.to_owned()).await;
    assert_eq!(deleted.status, fine);
    assert_eq!(client.upload(pieces).await.status, fine);
    let list: wire::GetExperimentListResponse = client.ok("GetExperimentList", ()).await;
    let past = list.experiments[0].clone();
    assert!(past.finished);
    let (name, zip) = client.download("DownloadExperiment", &past.experiment_id).await.expect("it is stored");
    assert_eq!(name, "500_SIM_Batch.zip");
    assert!(zip.starts_with(b"PK"));
    let gone: wire::StdResponse = client.ok("DeleteExperiment", format!("{{{}}}", past.experiment_id)).await;
    assert_eq!(gone.status, fine);

    // The run's codes.
    let stopped: wire::StopProtocolResponse = client.ok("StopProtocol", ()).await;
    assert_eq!(stopped.result(), stop_protocol_response::Result::NotRunning);
    let continued: wire::ContinueProtocolResponse = client.ok("ContinueProtocol", ()).await;
    assert_eq!(continued.result(), continue_protocol_response::Result::NotPaused);
    let started: wire::StartProtocolResponse = client.ok("StartProtocol", "unknown".to_owned()).await;
    assert_eq!(started.result(), start_protocol_response::Result::ProtocolNotFound);
    client.does("CloseCover", ()).await;
    until(&mut updates, says("Coverstate changed to CLOSED")).await;
    let started: wire::StartProtocolResponse = client.ok("StartProtocol", uploaded.to_owned()).await;
    assert_eq!(started.result(), start_protocol_response::Result::Success);
    let started: wire::StartProtocolResponse = client.ok("StartProtocol", uploaded.to_owned()).await;
    assert_eq!(started.result(), start_protocol_response::Result::DeviceNotIdle);
    until(&mut updates, |update| matches!(update, wire::status_update_stream_response::Update::MeasurementStatus(_)))
        .await;
    let progress: wire::GetCurrentProgressResponse = client.ok("GetCurrentProgress", ()).await;
    assert_eq!((progress.cycle, progress.total_channels, progress.total_cultivations), (1, 4, 10));

    // Set-points and their status.
    client.does("SetTemperatureSetpoint", 33.0f32).await;
    client.does("SetTemperatureControlEnabled", true).await;
    let temperature: wire::GetTemperatureControlStatusResponse = client.ok("GetTemperatureControlStatus", ()).await;
    assert_eq!((temperature.target, temperature.enabled), (33.0, true));
    let refused = client.call::<f32, ()>("SetTemperatureSetpoint", 330.0).await.expect_err("out of range");
    assert_eq!(refused.code(), Code::InvalidArgument);
    client.does("SetShakerSetpoint", 900u32).await;
    client.does("SetShakerEnabled", true).await;
    let shaker: wire::GetShakerControlStatusResponse = client.ok("GetShakerControlStatus", ()).await;
    assert_eq!((shaker.actual, shaker.target, shaker.enabled), (900, 900, true));
    client.does("SetGassingFlowrate", 20.0f32).await;
    let flow: f32 = client.ok("GetGassingFlowrate", ()).await;
    assert_eq!(flow, 20.0);
    let oxygen = wire::GasType::GasO2 as i32;
    let question = wire::SetTargetGasPercentageRequest { gas_type: oxygen, gas_percentage: 40.0 };
    client.does("SetTargetGassPercentage", question).await;
    let question = wire::GetGasPercentageRequest { gas_type: oxygen };
    let target: f32 = client.ok("GetTargetGasPercentage", question).await;
    assert_eq!(target, 40.0);
    let actual: f32 = client.ok("GetActualGasPercentage", question).await;
    assert!(actual > 0.0);
    let mode: wire::GetActualGassingModeResponse = client.ok("GetActualGassingMode", ()).await;
    assert_eq!(mode.gassing_mode(), wire::GassingMode::GassingO2Up);
    client.does("SetHumidityControlState", false).await;
    let humid: bool = client.ok("GetHumidityControlState", ()).await;
    assert!(!humid);
    client.does("SetLAMWorkMode", wire::SetLamWorkModeRequest { mode: wire::LamModes::LamDc as i32 }).await;
    client.does("SetLAMFrequency", 5.0f32).await;
    let powers = vec![wire::Power { index: 2, value: 50.0 }];
    client.does("SetLAMRelativePowers", wire::SetLamRelativePowersRequest { powers }).await;
    let light: wire::GetLamStatusResponse = client.ok("GetLAMStatus", ()).await;
    assert_eq!((light.frequency, light.mode(), light.powers[2].value), (5.0, wire::LamModes::LamDc, 50.0));

    // The cultures.
    let values: wire::GetCultivationValuesResponse = client.ok("GetCultivationValues", ()).await;
    assert_eq!(values.cultivations.len(), 10);
    client.does("SetTargetPh", wire::SetTargetPhRequest { label: 3, ph: 6.5 }).await;
    client.does("SetPhControlState", wire::SetPhControlStateRequest { label: 3, enabled: true }).await;
    let params = Some(wire::PhControlParams { p: 1.0, i: 2.0, ..Default::default() });
    client.does("SetPhControlParams", wire::SetPhControlParamsRequest { label: 3, params }).await;
    let status: wire::GetPhControlStatusResponse = client.ok("GetPhControlStatus", ()).await;
    assert_eq!((status.items[3].target_ph, status.items[3].params), (6.5, params));
    client.does("AddComment", "20 µL from the robot".to_owned()).await;
    until(&mut updates, says("20 µL from the robot")).await;
    let scripts = r#"[{"Id":"a","Script":"f()"},{"Id":"a","Script":"f()"}]"#.to_owned();
    let judged: wire::UpdateRunningExperimentResponse = client.ok("UpdateLiveExperiment", scripts).await;
    use wire::update_running_experiment_response::UpdateResult;
    let results: Vec<_> = judged.results.iter().map(|result| result.update_result()).collect();
    assert_eq!(results, [UpdateResult::Ok, UpdateResult::DuplicateScriptId]);

    // A pause with an open cover.
    client.does("PauseProtocol", true).await;
    until(&mut updates, says("Pause on")).await;
    until(&mut updates, says("Shaker state changed to 0")).await;
    client.does("OpenCover", ()).await;
    until(&mut updates, says("Coverstate changed to OPEN")).await;
    let cover: wire::GetCoverStateResponse = client.ok("GetCoverState", ()).await;
    assert_eq!(cover.cover_state(), wire::CoverState::CovOpen);
    let continued: wire::ContinueProtocolResponse = client.ok("ContinueProtocol", ()).await;
    assert_eq!(continued.result(), continue_protocol_response::Result::Success);
    let said = until(&mut updates, says("Pause off")).await;
    assert!(said.iter().any(|update| says("Coverstate changed to CLOSED")(update)), "the cover closes before");
    let stopped: wire::StopProtocolResponse = client.ok("StopProtocol", ()).await;
    assert_eq!(stopped.result(), stop_protocol_response::Result::Success);
    assert!(server.wait_until_over(1, PATIENCE));
    assert_eq!(server.state(), State::Idle);

    // Feeds need the other plate.
    let microfluidic = &protocols.protocols[1].id;
    let feed = wire::FeedRequest { label: wire::WellLabel::C01 as i32, source_label: "A".to_owned() };
    let refused = client.call::<_, ()>("StartFeed", feed.clone()).await.expect_err("nothing runs");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let started: wire::StartProtocolResponse = client.ok("StartProtocol", microfluidic.clone()).await;
    assert_eq!(started.result(), start_protocol_response::Result::Success);
    client.does("StartFeed", feed.clone()).await;
    let (label, source_label) = (feed.label, feed.source_label.clone());
    let formula = wire::SetFeedControlParamsRequest { label, source_label, a: 10.0, ..Default::default() };
    client.does("SetFeedControlParams", formula).await;
    client.does("StopFeed", feed.clone()).await;
    let pulse = wire::RunFeedPulseRequest { label, source_label: "B".to_owned(), volume: 25.0 };
    client.does("RunFeedPulse", pulse).await;
    assert!(server.add_external("C01", -50.0));
    let values: wire::GetCultivationValuesResponse = client.ok("GetCultivationValues", ()).await;
    let first = &values.cultivations[0];
    assert_eq!((first.label, first.pumped_volume_b, first.pumped_external), (label, 25.0, -50.0));

    let called: BTreeSet<&str> = client.called.iter().copied().collect();
    let described = prost_types::FileDescriptorSet::decode(wire::DESCRIPTORS).expect("descriptors");
    let services = described.file.iter().flat_map(|file| &file.service);
    let all: BTreeSet<&str> = services.flat_map(|service| &service.method).map(|method| method.name()).collect();
    assert_eq!(called, all);
    assert_eq!(all.len(), 45);
}
