//! The 45 methods.

mod answers;

use std::sync::Arc;

use instrument_proto::biolector_xt as wire;
use instrument_proto::biolector_xt::bio_lector_xt_remote_control_server::BioLectorXtRemoteControl;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use self::answers::{cultivation_values, feed, gas, ph_control_status, std_error, std_ok, well, within};
use super::audience::Updates;
use super::controls::Regulated;
use super::engine::Instrument;
use super::scripts::judge_scripts;
use super::store::Protocol;
use super::truth::Download;
use super::world::{World, bare, same};
use crate::biolector::record::Voice;

/// The instrument as its clients see it.
#[derive(Debug, Clone)]
pub(super) struct Service(pub Arc<Instrument>);

type Answer<T> = Result<Response<T>, Status>;
type Files = ReceiverStream<Result<wire::FileChunk, Status>>;

#[tonic::async_trait]
impl BioLectorXtRemoteControl for Service {
    type DownloadProtocolStream = Files;
    type DownloadExperimentStream = Files;
    type StatusUpdateStreamStream = Updates;

    async fn get_protocols(&self, _: Request<()>) -> Answer<wire::GetProtocolsResponse> {
        let info = |world: &World, protocol: &Protocol| wire::ProtocolInfo {
            id: world.dressed(&protocol.id),
            name: protocol.name.clone(),
        };
        self.get("GetProtocols", |world| wire::GetProtocolsResponse {
            protocols: world.protocols.iter().map(|protocol| info(world, protocol)).collect(),
        })
        .await
    }

    async fn upload_protocol(&self, request: Request<Streaming<wire::FileChunk>>) -> Answer<wire::StdResponse> {
        self.upload(request.into_inner()).await
    }

    async fn download_protocol(&self, request: Request<String>) -> Answer<Files> {
        self.hesitate("DownloadProtocol").await;
        let id = request.into_inner();
        let found = self.0.ask(|world| world.protocols.iter().find(|known| same(&known.id, bare(&id))).cloned());
        let protocol = found.ok_or_else(|| Status::not_found(format!("no protocol has the id '{id}'")))?;
        Ok(Response::new(self.send(format!("{}.json", protocol.name), protocol.file)))
    }

    async fn delete_protocol(&self, request: Request<String>) -> Answer<wire::StdResponse> {
        let id = request.into_inner();
        self.set("DeleteProtocol", |world| {
            let before = world.protocols.len();
            world.protocols.retain(|protocol| !same(&protocol.id, bare(&id)));
            let gone = world.protocols.len() < before;
            Ok(if gone { std_ok() } else { std_error(format!("no protocol has the id '{id}'")) })
        })
        .await
    }

    async fn get_experiment_list(&self, _: Request<()>) -> Answer<wire::GetExperimentListResponse> {
        self.get("GetExperimentList", |world| {
            let offset = world.settings.printed_offset().seconds();
            let sign = if offset < 0 { '-' } else { '+' };
            let offset = format!("{sign}{:02}:{:02}", offset.abs() / 3600, offset.abs() / 60 % 60);
            let one = |experiment: &super::store::Experiment| wire::ExperimentInfo {
                experiment_id: world.dressed(&experiment.id),
                protocol_id: world.dressed(&experiment.protocol),
                start_time: format!("{}{offset}", experiment.start.strftime("%Y-%m-%dT%H:%M:%S")),
                file_path: format!("/media/sd/experiments/{}.zip", experiment.name),
                finished: experiment.content.is_some(),
            };
            wire::GetExperimentListResponse { experiments: world.experiments.iter().map(one).collect() }
        })
        .await
    }

    async fn download_experiment(&self, request: Request<String>) -> Answer<Files> {
        self.hesitate("DownloadExperiment").await;
        let id = request.into_inner();
        let (name, content) = self.0.ask(|world| {
            let (experiment, content) =
                world.content(&id).ok_or_else(|| Status::not_found(format!("no experiment has the id '{id}'")))?;
            let (name, is_running) = (experiment.name.clone(), experiment.content.is_none());
            let cover_moves = world.controls.cover.arrives.is_some();
            world.downloads.push(Download { experiment: id.clone(), is_running, cover_moves });
            if is_running && world.settings.faults.refuse_running_download {
                return Err(Status::failed_precondition(
                    "the experiment is running; it can be downloaded when it is finished",
                ));
            }
            Ok((name, content))
        })?;
        let zip = tokio::task::spawn_blocking(move || content.zip()).await;
        let zip = zip.map_err(|error| Status::internal(error.to_string()))?;
        let zip = zip.map_err(|error| Status::internal(format!("the zip cannot be made: {error}")))?;
        Ok(Response::new(self.send(format!("{name}.zip"), zip)))
    }

    async fn delete_experiment(&self, request: Request<String>) -> Answer<wire::StdResponse> {
        let id = request.into_inner();
        self.set("DeleteExperiment", |world| {
            let place = world.experiments.iter().position(|experiment| same(&experiment.id, bare(&id)));
            Ok(match place {
                None => std_error(format!("no experiment has the id '{id}'")),
                Some(place) if world.experiments[place].content.is_none() => std_error("the experiment is running"),
                Some(place) => {
                    world.experiments.remove(place);
                    std_ok()
                }
            })
        })
        .await
    }

    async fn update_live_experiment(&self, request: Request<String>) -> Answer<wire::UpdateRunningExperimentResponse> {
        let text = request.into_inner();
        self.set("UpdateLiveExperiment", |world| {
            let results = judge_scripts(&text);
            let fine = wire::update_running_experiment_response::UpdateResult::Ok as i32;
            let accepted = results.iter().filter(|result| result.update_result == fine).count();
            if accepted > 0 && world.run().is_some() {
                world.say(Voice::Service, format!("Set and started {accepted} scripts."));
            }
            Ok(wire::UpdateRunningExperimentResponse { results })
        })
        .await
    }

    async fn start_protocol(&self, request: Request<String>) -> Answer<wire::StartProtocolResponse> {
        let id = request.into_inner();
        self.set("StartProtocol", |world| Ok(wire::StartProtocolResponse { result: world.start(&id) as i32 })).await
    }

    async fn stop_protocol(&self, _: Request<()>) -> Answer<wire::StopProtocolResponse> {
        self.set("StopProtocol", |world| Ok(wire::StopProtocolResponse { result: world.stop() as i32 })).await
    }

    async fn pause_protocol(&self, request: Request<bool>) -> Answer<()> {
        let stop_shaker = request.into_inner();
        self.set("PauseProtocol", |world| {
            world.pause(stop_shaker);
            Ok(())
        })
        .await
    }

    async fn continue_protocol(&self, _: Request<()>) -> Answer<wire::ContinueProtocolResponse> {
        self.set("ContinueProtocol", |world| Ok(wire::ContinueProtocolResponse { result: world.resume() as i32 })).await
    }

    async fn get_current_progress(&self, _: Request<()>) -> Answer<wire::GetCurrentProgressResponse> {
        self.get("GetCurrentProgress", |world| {
            let Some(run) = world.run() else { return wire::GetCurrentProgressResponse::default() };
            let elapsed = (world.now() - run.began).max(0.0);
            wire::GetCurrentProgressResponse {
                cycle: u64::from(run.cycle),
                elapsed_time: elapsed as u64,
                next_cycle_time: (run.next_cycle_at() - elapsed).max(0.0) as u64,
                current_channel: run.channel as u32 + world.settings.faults.index_base,
                total_channels: run.channels.len() as u32,
                current_cultivation: run.measured,
                total_cultivations: run.wells.len() as u32,
            }
        })
        .await
    }

    async fn get_temperature_control_status(
        &self,
        _: Request<()>,
    ) -> Answer<wire::GetTemperatureControlStatusResponse> {
        self.get("GetTemperatureControlStatus", |world| {
            let Regulated { actual, target, enabled } = world.controls.temperature;
            wire::GetTemperatureControlStatusResponse { actual: actual as f32, target: target as f32, enabled }
        })
        .await
    }

    async fn set_temperature_setpoint(&self, request: Request<f32>) -> Answer<()> {
        let target = within("the temperature in °C", request.into_inner(), 10.0, 50.0)?;
        self.set("SetTemperatureSetpoint", |world| {
            world.say(Voice::System, format!("Target temperature changed to {target}"));
            Ok(())
        })
        .await
    }

    async fn set_temperature_control_enabled(&self, request: Request<bool>) -> Answer<()> {
        let on = u8::from(request.into_inner());
        self.set("SetTemperatureControlEnabled", |world| {
            world.say(Voice::System, format!("TempControl state changed to {on}"));
            Ok(())
        })
        .await
    }

    async fn get_shaker_control_status(&self, _: Request<()>) -> Answer<wire::GetShakerControlStatusResponse> {
        self.get("GetShakerControlStatus", |world| {
            let Regulated { actual, target, enabled } = world.controls.shaker;
            wire::GetShakerControlStatusResponse { actual: actual as u32, target: target as u32, enabled }
        })
        .await
    }

    async fn set_shaker_setpoint(&self, request: Request<u32>) -> Answer<()> {
        let target = within("the speed in rpm", request.into_inner() as f32, 100.0, 1500.0)?;
        self.set("SetShakerSetpoint", |world| {
            world.say(Voice::System, format!("Target RPM changed to {target}"));
            Ok(())
        })
        .await
    }

    async fn set_shaker_enabled(&self, request: Request<bool>) -> Answer<()> {
        let on = u8::from(request.into_inner());
        self.set("SetShakerEnabled", |world| {
            world.say(Voice::System, format!("Shaker state changed to {on}"));
            Ok(())
        })
        .await
    }

    async fn open_cover(&self, _: Request<()>) -> Answer<()> {
        self.set("OpenCover", |world| world.move_cover(wire::CoverState::CovOpen).map_err(Status::failed_precondition))
            .await
    }

    async fn close_cover(&self, _: Request<()>) -> Answer<()> {
        self.set("CloseCover", |world| {
            world.move_cover(wire::CoverState::CovClosed).map_err(Status::failed_precondition)
        })
        .await
    }

    async fn get_cover_state(&self, _: Request<()>) -> Answer<wire::GetCoverStateResponse> {
        self.get("GetCoverState", |world| wire::GetCoverStateResponse {
            cover_state: world.controls.cover.state as i32,
        })
        .await
    }

    async fn get_actual_gassing_mode(&self, _: Request<()>) -> Answer<wire::GetActualGassingModeResponse> {
        self.get("GetActualGassingMode", |world| wire::GetActualGassingModeResponse {
            gassing_mode: world.controls.gassing() as i32,
        })
        .await
    }

    async fn get_gassing_flowrate(&self, _: Request<()>) -> Answer<f32> {
        self.get("GetGassingFlowrate", |world| world.controls.flow as f32).await
    }

    async fn set_gassing_flowrate(&self, request: Request<f32>) -> Answer<()> {
        let flow = within("the flow", request.into_inner(), 0.0, 100.0)?;
        self.set("SetGassingFlowrate", |world| {
            world.controls.flow = flow;
            Ok(())
        })
        .await
    }

    async fn get_target_gas_percentage(&self, request: Request<wire::GetGasPercentageRequest>) -> Answer<f32> {
        let which = request.into_inner().gas_type();
        self.set("GetTargetGasPercentage", |world| gas(world, which).map(|gas| gas.target as f32)).await
    }

    async fn get_actual_gas_percentage(&self, request: Request<wire::GetGasPercentageRequest>) -> Answer<f32> {
        let which = request.into_inner().gas_type();
        self.set("GetActualGasPercentage", |world| gas(world, which).map(|gas| gas.actual as f32)).await
    }

    async fn set_target_gass_percentage(&self, request: Request<wire::SetTargetGasPercentageRequest>) -> Answer<()> {
        let request = request.into_inner();
        let which = request.gas_type();
        let most = if which == wire::GasType::GasCo2 { 12.0 } else { 100.0 };
        let target = within("the percentage", request.gas_percentage, 0.0, most)?;
        self.set("SetTargetGassPercentage", |world| {
            let gas = gas(world, which)?;
            (gas.target, gas.enabled) = (target, true);
            Ok(())
        })
        .await
    }

    async fn get_humidity_control_state(&self, _: Request<()>) -> Answer<bool> {
        self.get("GetHumidityControlState", |world| world.controls.humidity).await
    }

    async fn set_humidity_control_state(&self, request: Request<bool>) -> Answer<()> {
        let on = u8::from(request.into_inner());
        self.set("SetHumidityControlState", |world| {
            world.say(Voice::System, format!("HumidityControl changed to {on}"));
            Ok(())
        })
        .await
    }

    async fn get_cultivation_values(&self, _: Request<()>) -> Answer<wire::GetCultivationValuesResponse> {
        self.get("GetCultivationValues", cultivation_values).await
    }

    async fn get_ph_control_status(&self, _: Request<()>) -> Answer<wire::GetPhControlStatusResponse> {
        self.get("GetPhControlStatus", ph_control_status).await
    }

    async fn set_target_ph(&self, request: Request<wire::SetTargetPhRequest>) -> Answer<()> {
        let request = request.into_inner();
        let (place, target) = (well(request.label)?, within("the pH", request.ph, 4.0, 8.5)?);
        self.set("SetTargetPh", |world| {
            world.cultures[place].ph.target = target;
            Ok(())
        })
        .await
    }

    async fn set_ph_control_state(&self, request: Request<wire::SetPhControlStateRequest>) -> Answer<()> {
        let request = request.into_inner();
        let place = well(request.label)?;
        self.set("SetPhControlState", |world| {
            world.cultures[place].ph.enabled = request.enabled;
            Ok(())
        })
        .await
    }

    async fn set_ph_control_params(&self, request: Request<wire::SetPhControlParamsRequest>) -> Answer<()> {
        let request = request.into_inner();
        let place = well(request.label)?;
        let params = request.params.ok_or_else(|| Status::invalid_argument("the parameters are missing"))?;
        self.set("SetPhControlParams", |world| {
            world.cultures[place].ph.params = params;
            Ok(())
        })
        .await
    }

    async fn start_feed(&self, request: Request<wire::FeedRequest>) -> Answer<()> {
        let request = request.into_inner();
        self.set("StartFeed", |world| {
            let (place, source) = feed(world, request.label, &request.source_label)?;
            let feed = &mut world.cultures[place].feeds[source];
            feed.on_for = Some(feed.on_for.unwrap_or(0.0));
            Ok(())
        })
        .await
    }

    async fn stop_feed(&self, request: Request<wire::FeedRequest>) -> Answer<()> {
        let request = request.into_inner();
        self.set("StopFeed", |world| {
            let (place, source) = feed(world, request.label, &request.source_label)?;
            world.cultures[place].feeds[source].on_for = None;
            Ok(())
        })
        .await
    }

    async fn set_feed_control_params(&self, request: Request<wire::SetFeedControlParamsRequest>) -> Answer<()> {
        let request = request.into_inner();
        self.set("SetFeedControlParams", |world| {
            let (place, source) = feed(world, request.label, &request.source_label)?;
            let formula = [request.a, request.b, request.c, request.d].map(f64::from);
            if !formula.iter().all(|number| number.is_finite()) {
                return Err(Status::invalid_argument("the parameters must be numbers"));
            }
            world.cultures[place].feeds[source].formula = formula;
            Ok(())
        })
        .await
    }

    async fn run_feed_pulse(&self, request: Request<wire::RunFeedPulseRequest>) -> Answer<()> {
        let request = request.into_inner();
        let volume = within("the volume in µL", request.volume, 0.0, 1000.0)?;
        self.set("RunFeedPulse", |world| {
            let (place, source) = feed(world, request.label, &request.source_label)?;
            world.cultures[place].pumped[source] += volume;
            Ok(())
        })
        .await
    }

    async fn add_comment(&self, request: Request<String>) -> Answer<()> {
        // One comment is one row of the file.
        let text = request.into_inner().replace([';', '\r', '\n'], " ");
        self.set("AddComment", |world| {
            world.say(Voice::User, text);
            Ok(())
        })
        .await
    }

    async fn set_lam_work_mode(&self, request: Request<wire::SetLamWorkModeRequest>) -> Answer<()> {
        let mode = request.into_inner().mode();
        self.set("SetLAMWorkMode", |world| {
            world.controls.light.mode = mode;
            Ok(())
        })
        .await
    }

    async fn set_lam_frequency(&self, request: Request<f32>) -> Answer<()> {
        let hertz = within("the frequency", request.into_inner(), 0.0, 100_000.0)?;
        self.set("SetLAMFrequency", |world| {
            world.controls.light.frequency = hertz as f32;
            Ok(())
        })
        .await
    }

    async fn set_lam_relative_powers(&self, request: Request<wire::SetLamRelativePowersRequest>) -> Answer<()> {
        let powers = request.into_inner().powers;
        self.set("SetLAMRelativePowers", |world| {
            for power in powers {
                let known = world.controls.light.powers.iter_mut().find(|known| known.index == power.index);
                let known =
                    known.ok_or_else(|| Status::invalid_argument(format!("there is no light {}", power.index)))?;
                known.value = within("the power", power.value, 0.0, 100.0)? as f32;
            }
            Ok(())
        })
        .await
    }

    async fn get_lam_status(&self, _: Request<()>) -> Answer<wire::GetLamStatusResponse> {
        self.get("GetLAMStatus", |world| {
            let light = &world.controls.light;
            let (frequency, mode) = (light.frequency, light.mode as i32);
            wire::GetLamStatusResponse { frequency, mode, powers: light.powers.clone() }
        })
        .await
    }

    async fn status_update_stream(&self, _: Request<()>) -> Answer<Updates> {
        self.hesitate("StatusUpdateStream").await;
        let updates = self.0.audience.join();
        self.0.asked.notify_one();
        Ok(Response::new(updates))
    }
}
